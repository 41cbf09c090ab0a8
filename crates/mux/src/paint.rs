//! Grid to bytes: what a view's terminal must be told to show the emulator's screen.
//!
//! The bytes use only sequences that tmux, Neovim and every common terminal draw alike. A full paint leaves
//! the view's terminal in the state the program's own bytes expect, so a stream can go on behind it.

use std::fmt::Write as _;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

use crate::emulator::{Color, Emulator, Row, Size, Style};
use crate::filter::Modes;

/// Brings a view's terminal back to the state every terminal starts in, without clearing it.
pub const RESET: &[u8] = b"\x1b[?2026l\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1004l\x1b[?1005l\x1b[?1006l\x1b[?1015l\x1b[?1016l\
\x1b[?2004l\x1b[?1l\x1b[?5l\x1b[?6l\x1b[?7h\x1b[?45l\x1b[?66l\x1b[4l\x1b[20l\x1b>\x1b(B\x1b)B\x0f\x1b[r\x1b[0m\
\x1b]8;;\x1b\\\x1b[0 q\x1b[?12l\x1b[?25h";

/// Paints the whole screen and hands over every mode: behind these bytes the program's own may follow.
pub fn full(emulator: &mut dyn Emulator, modes: &Modes) -> Vec<u8> {
    let size = emulator.size();
    let cursor = emulator.cursor();
    let mut out = Vec::with_capacity(4096);
    out.extend_from_slice(b"\x1b[?2026h\x1b[?25l");
    out.extend_from_slice(b"\x1b[?6l\x1b[?7l\x1b[4l\x1b(B\x1b)B\x0f\x1b[r\x1b[0m\x1b[H\x1b[2J");
    for (index, row) in emulator.rows(size.columns).iter().enumerate() {
        paint_row(&mut out, index as u16, row, size.columns);
    }
    modes.restore(&mut out);
    // The pen goes last: restoring margins and origin moves the cursor, but nothing touches the pen.
    out.extend_from_slice(sgr(&emulator.pen()).as_bytes());
    let origin_row = if modes.is_set(6) { modes.margin_top(size) } else { 0 };
    move_to(&mut out, cursor.row.saturating_sub(origin_row), cursor.column);
    if modes.is_set(25) {
        out.extend_from_slice(b"\x1b[?25h");
    }
    if !modes.is_set(2026) {
        out.extend_from_slice(b"\x1b[?2026l");
    }
    out
}

/// Remembers what a view shows, to paint only what changed.
#[derive(Debug, Default)]
pub struct Frames {
    /// One hash a row of the view.
    shown: Vec<u64>,
    columns: u16,
    modes: Option<Modes>,
    cursor: Option<(u16, u16, bool)>,
}

impl Frames {
    /// Forgets what the view shows: the next frame paints everything.
    pub fn invalidate(&mut self) {
        *self = Frames::default();
    }

    /// Paints what changed since the last frame into a view of `view` size, or nothing when nothing did.
    ///
    /// A view smaller than the screen shows the part around the cursor's row, clipped at its right side.
    pub fn next(&mut self, emulator: &mut dyn Emulator, modes: &Modes, view: Size) -> Vec<u8> {
        let size = emulator.size();
        let cursor = emulator.cursor();
        let offset = if view.rows >= size.rows { 0 } else { (cursor.row + 1).saturating_sub(view.rows) };
        let rows = emulator.rows(view.columns);
        let first = self.shown.len() != usize::from(view.rows) || self.columns != view.columns;
        let mut body = Vec::new();
        if first {
            body.extend_from_slice(RESET);
            body.extend_from_slice(b"\x1b[H\x1b[2J");
            self.shown = vec![hash(&Row::default()); usize::from(view.rows)];
            self.columns = view.columns;
            self.modes = None;
            self.cursor = None;
        }
        let blank = Row::default();
        for (index, shown) in self.shown.iter_mut().enumerate() {
            let row = rows.get(index + usize::from(offset)).unwrap_or(&blank);
            let hash = hash(row);
            if *shown != hash {
                *shown = hash;
                paint_row(&mut body, index as u16, row, view.columns);
            }
        }
        let previous = self.modes.clone().unwrap_or_default();
        modes.input_changes(&previous, &mut body);
        self.modes = Some(modes.clone());
        let inside = cursor.column < view.columns;
        let place = (cursor.row - offset.min(cursor.row), cursor.column, inside && modes.is_set(25));
        if body.is_empty() && self.cursor == Some(place) {
            return body;
        }
        self.cursor = Some(place);
        let mut out = Vec::with_capacity(body.len() + 48);
        out.extend_from_slice(b"\x1b[?2026h\x1b[?25l\x1b[?7l");
        out.extend_from_slice(&body);
        out.extend_from_slice(b"\x1b[0m\x1b[?7h");
        move_to(&mut out, place.0, place.1);
        if place.2 {
            out.extend_from_slice(b"\x1b[?25h");
        }
        out.extend_from_slice(b"\x1b[?2026l");
        out
    }
}

fn hash(row: &Row) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(row)
}

fn paint_row(out: &mut Vec<u8>, index: u16, row: &Row, columns: u16) {
    move_to(out, index, 0);
    let plain = Style::default();
    let mut style = &plain;
    let mut column = 0;
    for run in &row.runs {
        if style.link != run.style.link {
            out.extend_from_slice(b"\x1b]8;;");
            out.extend_from_slice(run.style.link.as_deref().unwrap_or_default().as_bytes());
            out.extend_from_slice(b"\x1b\\");
        }
        if style != &run.style {
            out.extend_from_slice(sgr(&run.style).as_bytes());
        }
        style = &run.style;
        out.extend_from_slice(run.text.as_bytes());
        column += run.columns;
        if !run.simple && column < columns {
            // However wide the view's terminal takes it to be, and whatever it would join it with.
            out.extend_from_slice(format!("\x1b[{}G", column + 1).as_bytes());
        }
    }
    if style.link.is_some() {
        out.extend_from_slice(b"\x1b]8;;\x1b\\");
    }
    out.extend_from_slice(b"\x1b[0m");
    // Behind a full row the cursor still stands on the last column, and erasing would take that.
    if column < columns {
        out.extend_from_slice(b"\x1b[K");
    }
}

fn move_to(out: &mut Vec<u8>, row: u16, column: u16) {
    out.extend_from_slice(format!("\x1b[{};{}H", row + 1, column + 1).as_bytes());
}

/// Writes a style as one SGR sequence that starts from the default.
pub fn sgr(style: &Style) -> String {
    format!("\x1b[{}m", sgr_parameters(style))
}

/// Writes the parameters of the SGR sequence of a style.
pub fn sgr_parameters(style: &Style) -> String {
    let mut out = String::from("0");
    for (set, parameter) in [
        (style.bold, 1),
        (style.faint, 2),
        (style.italic, 3),
        (style.blink, 5),
        (style.reverse, 7),
        (style.hidden, 8),
        (style.struck, 9),
        (style.overline, 53),
    ] {
        if set {
            let _ = write!(out, ";{parameter}");
        }
    }
    match style.underline {
        0 => {}
        1 => out.push_str(";4"),
        kind => {
            let _ = write!(out, ";4:{kind}");
        }
    }
    color(&mut out, style.foreground, 30);
    color(&mut out, style.background, 40);
    match style.underline_color {
        Color::Default => {}
        Color::Palette(index) => {
            let _ = write!(out, ";58:5:{index}");
        }
        Color::Rgb(red, green, blue) => {
            let _ = write!(out, ";58:2::{red}:{green}:{blue}");
        }
    }
    out
}

fn color(out: &mut String, color: Color, base: u16) {
    let _ = match color {
        Color::Default => Ok(()),
        Color::Palette(index @ 0..=7) => write!(out, ";{}", base + u16::from(index)),
        Color::Palette(index @ 8..=15) => write!(out, ";{}", base + 60 + u16::from(index - 8)),
        Color::Palette(index) => write!(out, ";{};5;{index}", base + 8),
        Color::Rgb(red, green, blue) => write!(out, ";{};2;{red};{green};{blue}", base + 8),
    };
}
