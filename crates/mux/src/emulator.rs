//! The grid of a terminal behind a small trait, so that the emulator crate can be exchanged.
//!
//! An emulator here only draws. It is fed what the [filter](crate::filter) let through: whole
//! sequences and valid UTF-8. It answers nothing and reports nothing; both are the filter's work.

mod cells;
mod wezterm;

use std::sync::Arc;

pub use wezterm::WeztermEmulator;

/// Holds the grid of one terminal.
pub trait Emulator {
    /// Draws output of the program.
    fn feed(&mut self, bytes: &[u8]);
    /// Changes the size; long lines are wrapped anew.
    fn resize(&mut self, size: Size);
    /// Tells the size.
    fn size(&self) -> Size;
    /// Tells where the cursor is.
    fn cursor(&mut self) -> Cursor;
    /// Reads the visible rows, top first, each clipped to `columns`.
    fn rows(&mut self, columns: u16) -> Vec<Row>;
    /// Reads the visible rows as text without trailing blanks.
    fn text(&mut self) -> Vec<String>;
    /// Reads up to `lines` rows above the screen as text, oldest first.
    fn scrollback(&mut self, lines: usize) -> Vec<String>;
    /// Tells the attributes the next character would get.
    fn pen(&mut self) -> Style;
    /// Tells whether the alternate screen is shown.
    fn is_alternate(&mut self) -> bool;
}

/// A size in cells. It is never zero and never so large that a hostile size costs memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Columns, 2 to 1000.
    pub columns: u16,
    /// Rows, 1 to 500.
    pub rows: u16,
}

impl Size {
    /// Makes a size, brought into bounds.
    pub fn new(columns: u16, rows: u16) -> Size {
        Size { columns: columns.clamp(2, 1000), rows: rows.clamp(1, 500) }
    }
}

/// A cursor position, counted from zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cursor {
    /// Column, 0 at the left.
    pub column: u16,
    /// Row, 0 at the top.
    pub row: u16,
}

/// One row of the screen: runs of cells with the same style, left to right, without gaps.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Row {
    /// The runs. What lies right of the last run is blank in the default style.
    pub runs: Vec<Run>,
}

/// Neighbouring cells of one style.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Run {
    /// Their text; a wide character stands once.
    pub text: String,
    /// How many columns they take.
    pub columns: u16,
    /// How they look.
    pub style: Style,
    /// Whether each is one character of one column. A cell that is not is a run of its own, for terminals do not
    /// agree on the width of such.
    pub simple: bool,
}

/// How a cell looks.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Style {
    /// Text colour.
    pub foreground: Color,
    /// Colour behind the text.
    pub background: Color,
    /// Colour of the underline, `Default` for that of the text.
    pub underline_color: Color,
    /// Kind of underline: 0 none, 1 single, 2 double, 3 curly, 4 dotted, 5 dashed.
    pub underline: u8,
    /// Bold.
    pub bold: bool,
    /// Faint.
    pub faint: bool,
    /// Italic.
    pub italic: bool,
    /// Blinking.
    pub blink: bool,
    /// Colours exchanged.
    pub reverse: bool,
    /// Not shown.
    pub hidden: bool,
    /// Struck through.
    pub struck: bool,
    /// A line above.
    pub overline: bool,
    /// Target of the hyperlink, printable ASCII.
    pub link: Option<Arc<str>>,
}

/// A colour as the program named it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Color {
    /// The terminal's own.
    #[default]
    Default,
    /// An entry of the palette of 256.
    Palette(u8),
    /// Red, green and blue.
    Rgb(u8, u8, u8),
}
