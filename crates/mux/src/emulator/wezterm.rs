//! The emulator of wezterm, with a way around each of its known defects.
//!
//! - A resize while the cursor stands in column 0 moves it up a row, and the next output overwrites that row.
//!   [`WeztermEmulator::resize`] steps the cursor off the column for the time of the resize.
//! - A wide character in the last column is drawn there instead of wrapping. [`WeztermEmulator::put_text`] notices
//!   and draws it again on the next row.
//! - `Screen::with_phys_lines` panics once its ring has wrapped: `lines_in_phys_range` is used instead.
//! - A column beyond the screen is taken as the one behind the last. The filter brings columns into bounds.
//! - A combining character that starts a call is dropped, so the picture depended on how the bytes were cut. Output
//!   is therefore kept and drawn when the grid is read, or in large pieces cut between two ASCII characters.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use finl_unicode::grapheme_clusters::Graphemes;
use tattoy_wezterm_term::color::ColorPalette;
use tattoy_wezterm_term::{
    Line, Terminal, TerminalConfiguration, TerminalSize, UnicodeVersion, grapheme_column_width,
};

use super::cells::{line_text, row, style};
use super::{Cursor, Emulator, Row, Size, Style};

/// Output kept before it is drawn without being asked for, in bytes.
const KEEP: usize = 16 * 1024;

/// Widths follow this version of Unicode, as the emulator does by default.
const UNICODE: UnicodeVersion = UnicodeVersion { version: 9, ambiguous_are_wide: false, cell_widths: None };

/// Moves the cursor one column right, and back.
const STEP: &[u8] = b"\x1b[C";
const BACK: &[u8] = b"\x08";

const ENTER_ALTERNATE: &[u8] = b"\x1b[?1049h";
const LEAVE_ALTERNATE: &[u8] = b"\x1b[?1049l";

#[derive(Debug)]
struct Configuration {
    scrollback_lines: usize,
}

impl TerminalConfiguration for Configuration {
    fn scrollback_size(&self) -> usize {
        self.scrollback_lines
    }

    fn color_palette(&self) -> ColorPalette {
        ColorPalette::default()
    }
}

/// The grid, drawn by wezterm's emulator.
pub struct WeztermEmulator {
    terminal: Terminal,
    size: Size,
    kept: Vec<u8>,
    scrollback_lines: usize,
    /// The main screen's cursor was stepped off column 0 when the alternate screen was entered.
    main_stepped: bool,
}

impl std::fmt::Debug for WeztermEmulator {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("WeztermEmulator").field("size", &self.size).finish_non_exhaustive()
    }
}

impl WeztermEmulator {
    /// Makes an empty grid that keeps `scrollback_lines` rows above the screen.
    pub fn new(size: Size, scrollback_lines: usize) -> WeztermEmulator {
        let terminal = terminal(size, scrollback_lines);
        WeztermEmulator { terminal, size, kept: Vec::new(), scrollback_lines, main_stepped: false }
    }

    /// Lets the emulator work. Should it panic, the screen is lost and the program is not: a runner must outlive
    /// whatever its program prints.
    fn guarded(&mut self, size: Size, work: impl FnOnce(&mut WeztermEmulator)) {
        if catch_unwind(AssertUnwindSafe(|| work(self))).is_err() {
            tracing::error!("the emulator failed on the program's output; its screen starts empty");
            self.terminal = terminal(size, self.scrollback_lines);
            self.main_stepped = false;
        }
        self.size = size;
    }

    fn settle(&mut self) {
        let kept = std::mem::take(&mut self.kept);
        if !kept.is_empty() {
            self.guarded(self.size, |emulator| emulator.draw(&kept));
        }
        self.kept = kept;
        self.kept.clear();
    }

    /// Draws output, watching the alternate screen, because the emulator hides the cursor it saves for it.
    fn draw(&mut self, mut bytes: &[u8]) {
        while let Some((at, entering)) = next_switch(bytes) {
            let (before, rest) = bytes.split_at(at);
            self.draw_plain(before);
            if entering {
                let step = !self.terminal.is_alt_screen_active() && self.terminal.cursor_pos().x == 0;
                if step {
                    self.main_stepped = true;
                    self.terminal.advance_bytes(STEP);
                }
                self.terminal.advance_bytes(ENTER_ALTERNATE);
                if step {
                    self.terminal.advance_bytes(BACK);
                }
            } else {
                self.terminal.advance_bytes(LEAVE_ALTERNATE);
                if std::mem::take(&mut self.main_stepped) {
                    self.terminal.advance_bytes(BACK);
                }
            }
            bytes = rest.get(ENTER_ALTERNATE.len()..).unwrap_or_default();
        }
        self.draw_plain(bytes);
    }

    /// Draws output without a switch of screens, taking care of text that may hold wide or combining characters.
    fn draw_plain(&mut self, bytes: &[u8]) {
        let mut done = 0;
        let mut at = 0;
        while let Some(found) = bytes
            .get(at..)
            .and_then(|rest| rest.iter().position(|byte| *byte >= 0xcc))
            .map(|found| at + found)
        {
            // A combining character belongs to the one before it.
            let start = text_start(bytes, found, done);
            let end = bytes
                .get(found..)
                .and_then(|rest| rest.iter().position(|byte| *byte < 0x20 || *byte == 0x7f))
                .map_or(bytes.len(), |length| found + length);
            let (Some(before), Some(text)) = (bytes.get(done..start), bytes.get(start..end)) else { break };
            if !before.is_empty() {
                self.terminal.advance_bytes(before);
            }
            match std::str::from_utf8(text) {
                Ok(text) => self.put_text(text),
                Err(_) => self.terminal.advance_bytes(text),
            }
            done = end;
            at = end;
        }
        if let Some(rest) = bytes.get(done..).filter(|rest| !rest.is_empty()) {
            self.terminal.advance_bytes(rest);
        }
    }

    /// Draws text without controls so that no wide character stays in the last column.
    fn put_text(&mut self, text: &str) {
        let last = usize::from(self.size.columns) - 1;
        // An upper bound of the cursor's column: exact until a line wraps, and then large enough to look again.
        let mut column = self.terminal.cursor_pos().x;
        let mut plain = 0;
        let mut offset = 0;
        for grapheme in Graphemes::new(text) {
            let start = offset;
            offset += grapheme.len();
            let width = grapheme_column_width(grapheme, Some(&UNICODE));
            if width < 2 || column < last {
                column += width;
                continue;
            }
            if let Some(before) = text.get(plain..start).filter(|before| !before.is_empty()) {
                self.terminal.advance_bytes(before);
            }
            plain = offset;
            self.put_wide(grapheme, last);
            column = self.terminal.cursor_pos().x;
        }
        if let Some(rest) = text.get(plain..).filter(|rest| !rest.is_empty()) {
            self.terminal.advance_bytes(rest);
        }
    }

    fn put_wide(&mut self, grapheme: &str, last: usize) {
        let stays_in_last_column = |terminal: &mut Terminal, bytes: &str| {
            let before = terminal.cursor_pos();
            terminal.advance_bytes(bytes);
            let after = terminal.cursor_pos();
            before.x == last && after.x == last && before.y == after.y
        };
        if stays_in_last_column(&mut self.terminal, grapheme) {
            // A blank there wraps as every other character does, and the line stays one logical line.
            let blank = format!("\x1b[{}G ", last + 1);
            self.terminal.advance_bytes(&blank);
            if stays_in_last_column(&mut self.terminal, grapheme) {
                // Automatic wrapping is off: there is no room for it.
                self.terminal.advance_bytes(&blank);
            }
        }
    }

    fn change_size(&mut self, size: Size) {
        let cursor = self.terminal.cursor_pos();
        let alternate = self.terminal.is_alt_screen_active();
        let stepped = !alternate && cursor.x == 0 && size.columns != self.size.columns;
        if stepped {
            self.terminal.advance_bytes(STEP);
        }
        // A cursor that stands right behind text as wide as the new screen lands outside of it.
        let beyond = !alternate && cursor.x > 0 && cursor.x.is_multiple_of(usize::from(size.columns));
        self.terminal.resize(terminal_size(size));
        if stepped {
            self.terminal.advance_bytes(BACK);
        } else if beyond {
            self.terminal.advance_bytes(b"\r\n");
        }
    }

    fn lines(&self, range: std::ops::Range<usize>) -> Vec<Line> {
        self.terminal.screen().lines_in_phys_range(range)
    }

    fn visible(&self) -> std::ops::Range<usize> {
        let total = self.terminal.screen().scrollback_rows();
        total.saturating_sub(usize::from(self.size.rows))..total
    }
}

impl Emulator for WeztermEmulator {
    fn feed(&mut self, bytes: &[u8]) {
        self.kept.extend_from_slice(bytes);
        if self.kept.len() < KEEP {
            return;
        }
        let cut = self
            .kept
            .windows(2)
            .rposition(|pair| pair.iter().all(|byte| (0x20..0x7f).contains(byte)))
            .map_or(self.kept.len(), |at| at + 1);
        // The rest may hold half of a switch of screens.
        let cut = self.kept.iter().take(cut).rposition(|byte| *byte == 0x1b).map_or(cut, |escape| {
            if cut - escape < ENTER_ALTERNATE.len() && escape > 0 { escape } else { cut }
        });
        let rest = self.kept.split_off(cut);
        self.settle();
        self.kept.extend_from_slice(&rest);
    }

    fn resize(&mut self, size: Size) {
        self.settle();
        if size != self.size {
            self.guarded(size, |emulator| emulator.change_size(size));
        }
    }

    fn size(&self) -> Size {
        self.size
    }

    fn cursor(&mut self) -> Cursor {
        self.settle();
        let position = self.terminal.cursor_pos();
        let column = u16::try_from(position.x).unwrap_or(u16::MAX).min(self.size.columns - 1);
        let row = u16::try_from(position.y.max(0)).unwrap_or(u16::MAX).min(self.size.rows - 1);
        Cursor { column, row }
    }

    fn rows(&mut self, columns: u16) -> Vec<Row> {
        self.settle();
        let columns = columns.min(self.size.columns);
        self.lines(self.visible()).iter().map(|line| row(line, columns)).collect()
    }

    fn text(&mut self) -> Vec<String> {
        self.settle();
        self.lines(self.visible()).iter().map(|line| line_text(line, self.size.columns)).collect()
    }

    fn scrollback(&mut self, lines: usize) -> Vec<String> {
        self.settle();
        if self.terminal.is_alt_screen_active() {
            return Vec::new();
        }
        let end = self.visible().start;
        self.lines(end.saturating_sub(lines)..end)
            .iter()
            .map(|line| line_text(line, self.size.columns))
            .collect()
    }

    fn pen(&mut self) -> Style {
        self.settle();
        style(&self.terminal.pen())
    }

    fn is_alternate(&mut self) -> bool {
        self.settle();
        self.terminal.is_alt_screen_active()
    }
}

fn terminal(size: Size, scrollback_lines: usize) -> Terminal {
    let configuration = Arc::new(Configuration { scrollback_lines });
    Terminal::new(terminal_size(size), configuration, "orchflow", "0", Box::new(std::io::sink()))
}

fn terminal_size(size: Size) -> TerminalSize {
    TerminalSize {
        rows: usize::from(size.rows),
        cols: usize::from(size.columns),
        pixel_width: usize::from(size.columns) * 8,
        pixel_height: usize::from(size.rows) * 16,
        dpi: 96,
    }
}

/// Finds the next switch of screens: where it starts and whether it enters the alternate one.
fn next_switch(bytes: &[u8]) -> Option<(usize, bool)> {
    let at = bytes
        .windows(ENTER_ALTERNATE.len())
        .position(|window| window == ENTER_ALTERNATE || window == LEAVE_ALTERNATE)?;
    let entering = bytes.get(at + ENTER_ALTERNATE.len() - 1) == Some(&b'h');
    Some((at, entering))
}

/// Finds where the text around `found` begins: one character before it, unless that is a control.
fn text_start(bytes: &[u8], found: usize, floor: usize) -> usize {
    let Some(before) = bytes.get(floor..found) else { return found };
    let continuation = before.iter().rev().take_while(|byte| (0x80..0xc0).contains(*byte)).count();
    let lead = found.saturating_sub(continuation + 1).max(floor);
    match bytes.get(lead) {
        Some(byte) if *byte >= 0x20 && *byte != 0x7f && !before.is_empty() => lead,
        _ => found,
    }
}
