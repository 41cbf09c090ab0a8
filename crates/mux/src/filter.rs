//! The terminal the program talks to: an incremental scanner of the program's output.
//!
//! Every sequence of the program is one of four things (ECMA-48 and the control sequences of xterm,
//! <https://invisible-island.net/xterm/ctlseqs/ctlseqs.html>, are the source of the grammar):
//!
//! - **shown**: text, cursor movement, colours, erasing, the modes of [`Modes`]: passed on, whole and with numbers in bounds;
//! - **asked**: device attributes, reports, colours, program status: answered here, for no view is ever asked;
//! - **told**: title, bell, notifications, marks, status: become [`Signal`]s;
//! - **refused**: everything else. Clipboard, passthrough, graphics, printing, window operations, keyboard
//!   protocols that not every view has, and whatever is unknown never reaches a view.
//!
//! What leaves the filter is valid UTF-8 and ends at a sequence boundary, however the input was cut.

mod answers;
mod escape;
mod modes;
mod osc;
mod text;

#[cfg(test)]
mod tests;

use std::mem;

pub use modes::Modes;

use crate::emulator::{Cursor, Size, Style};
use crate::signal::Signal;

/// Longest control string that is kept; the rest of a longer one is swallowed. Bytes.
pub const STRING_LIMIT: usize = 64 * 1024;

/// Longest CSI sequence that is understood. Bytes.
const CSI_LIMIT: usize = 256;

/// Text and sequences collected before they are handed on. Bytes.
const COLLECT: usize = 32 * 1024;

/// Takes what the filter lets through, in the order of the stream.
pub trait FilterSink {
    /// Whole sequences for the emulator and for views that get the stream.
    fn display(&mut self, bytes: &[u8]);
    /// Whole sequences for the emulator alone.
    fn emulate(&mut self, bytes: &[u8]);
    /// Whole sequences for views that get the stream, not for the emulator.
    fn relay(&mut self, bytes: &[u8]);
    /// The screen was switched: views that get the stream must be painted anew once this piece is done.
    fn repaint(&mut self);
    /// Bytes the terminal answers to the program.
    fn answer(&mut self, bytes: &[u8]);
    /// Tells where the cursor is at this point of the stream.
    fn cursor(&mut self) -> Cursor;
    /// Tells the attributes of the next character at this point of the stream.
    fn pen(&mut self) -> Style;
    /// Something was told.
    fn signal(&mut self, signal: Signal);
}

/// What the filter lets the program do, and what it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FilterOptions {
    /// Lets OSC 52 set (never read) the clipboard of the view that drives.
    pub allow_clipboard: bool,
    /// The text colour told to a program that asks, red, green, blue.
    pub foreground: (u8, u8, u8),
    /// The background colour told to a program that asks, red, green, blue.
    pub background: (u8, u8, u8),
}

impl Default for FilterOptions {
    fn default() -> Self {
        FilterOptions {
            allow_clipboard: false,
            foreground: (0xd0, 0xd0, 0xd0),
            background: (0x12, 0x12, 0x12),
        }
    }
}

/// Where the scanner stands between two bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Ground,
    Escape,
    /// ESC and one or more intermediates.
    EscapeIntermediate,
    Csi,
    /// A CSI sequence that is too long or malformed: skipped to its final byte.
    CsiIgnore,
    Text(StringKind),
    /// ESC inside a control string: the end of it if `\` follows.
    TextEscape(StringKind),
}

/// Tells control strings apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StringKind {
    Osc,
    Dcs,
    /// APC, PM, SOS and the title string of screen: never looked at.
    Ignored,
}

/// Scans the output of one program.
#[derive(Debug)]
pub struct Filter {
    options: FilterOptions,
    size: Size,
    modes: Modes,
    state: State,
    /// The sequence being read: intermediates of an escape, the body of a CSI or of a control string.
    sequence: Vec<u8>,
    /// The control string was longer than the limit and lost its end.
    overlong: bool,
    /// The last byte of the control string was 0xc2, the first half of a C1 control in UTF-8.
    lead_c2: bool,
    /// A character of which only the first bytes have come.
    partial: Vec<u8>,
    /// What may be displayed and was not handed on yet.
    out: Vec<u8>,
    title: String,
}

impl Filter {
    /// Makes a filter for a terminal of `size`.
    pub fn new(options: FilterOptions, size: Size) -> Filter {
        Filter {
            options,
            size,
            modes: Modes::default(),
            state: State::Ground,
            sequence: Vec::new(),
            overlong: false,
            lead_c2: false,
            partial: Vec::new(),
            out: Vec::new(),
            title: String::new(),
        }
    }

    /// Tells the modes the program has set.
    pub fn modes(&self) -> &Modes {
        &self.modes
    }

    /// Tells the window title, free of controls.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// Tells the filter a new size; the scrolling region is that of the whole screen again.
    pub fn resize(&mut self, size: Size) {
        self.size = size;
        self.modes.set_margins(None);
    }

    /// Scans one piece of output. All that is whole has reached `sink` when this returns.
    pub fn feed(&mut self, input: &[u8], sink: &mut dyn FilterSink) {
        let mut rest = input;
        while let Some((&byte, after)) = rest.split_first() {
            if self.state == State::Ground && byte >= 0x20 && byte != 0x7f {
                let end = rest.iter().position(|byte| *byte < 0x20 || *byte == 0x7f).unwrap_or(rest.len());
                let (run, behind) = rest.split_at(end);
                let used = self.text(run, behind.is_empty(), sink);
                rest = rest.get(used..).unwrap_or_default();
            } else if matches!(self.state, State::Text(_)) {
                let used = self.string(rest, sink);
                rest = rest.get(used..).unwrap_or_default();
            } else {
                self.byte(byte, sink);
                rest = after;
            }
            if self.out.len() >= COLLECT {
                self.flush(sink);
            }
        }
        self.flush(sink);
    }

    fn flush(&mut self, sink: &mut dyn FilterSink) {
        if !self.out.is_empty() {
            sink.display(&self.out);
            self.out.clear();
        }
    }

    fn begin_escape(&mut self) {
        self.state = State::Escape;
        self.sequence.clear();
        self.overlong = false;
        self.lead_c2 = false;
    }

    /// Takes one byte that is not plain text and not inside a control string.
    fn byte(&mut self, byte: u8, sink: &mut dyn FilterSink) {
        if !self.partial.is_empty() && self.state == State::Ground {
            self.replace_partial();
        }
        match (self.state, byte) {
            (State::TextEscape(kind), b'\\') => {
                self.state = State::Ground;
                self.end_string(kind, false, sink);
            }
            // Inside a passthrough the escapes are doubled; all of it is swallowed.
            (State::TextEscape(StringKind::Dcs), 0x1b) if self.sequence.starts_with(b"tmux;") => {
                self.state = State::Text(StringKind::Dcs);
            }
            (State::TextEscape(_), _) => {
                // The string was cut off by another sequence.
                self.begin_escape();
                self.byte(byte, sink);
            }
            (_, 0x1b) => self.begin_escape(),
            (_, 0x18 | 0x1a) => self.state = State::Ground,
            (_, 0x00..=0x1f) => self.c0(byte, sink),
            (State::Escape, 0x20..=0x2f) => {
                self.sequence.push(byte);
                self.state = State::EscapeIntermediate;
            }
            (State::EscapeIntermediate, 0x20..=0x2f) => {
                if self.sequence.len() < 4 {
                    self.sequence.push(byte);
                }
            }
            (State::Escape, b'[') => self.state = State::Csi,
            (State::Escape, b']') => self.state = State::Text(StringKind::Osc),
            (State::Escape, b'P') => self.state = State::Text(StringKind::Dcs),
            (State::Escape, b'X' | b'^' | b'_' | b'k') => self.state = State::Text(StringKind::Ignored),
            (State::Escape | State::EscapeIntermediate, 0x30..=0x7e) => {
                self.state = State::Ground;
                self.escape(byte, sink);
            }
            (State::Csi, 0x20..=0x3f) => {
                self.sequence.push(byte);
                if self.sequence.len() > CSI_LIMIT {
                    self.state = State::CsiIgnore;
                }
            }
            (State::Csi, 0x40..=0x7e) => {
                self.state = State::Ground;
                let body = mem::take(&mut self.sequence);
                self.csi(&body, byte, sink);
                self.sequence = body;
            }
            (State::CsiIgnore, 0x40..=0x7e) => self.state = State::Ground,
            (State::CsiIgnore, 0x20..=0x3f) | (_, 0x7f) => {}
            (State::Ground | State::Text(_), _) => {}
            (_, 0x80..=0xff) => {
                // No sequence has such a byte: it is text behind a broken sequence.
                self.state = State::Ground;
                self.text(&[byte], true, sink);
            }
        }
    }

    fn c0(&mut self, byte: u8, sink: &mut dyn FilterSink) {
        match byte {
            0x07 => {
                self.flush(sink);
                sink.relay(b"\x07");
                sink.signal(Signal::Bell);
            }
            0x08..=0x0d => self.out.push(byte),
            0x0e | 0x0f => {
                self.modes.set_shifted_out(byte == 0x0e);
                self.out.push(byte);
            }
            _ => {}
        }
    }

    /// Takes bytes of a control string up to its end. Returns how many were used.
    fn string(&mut self, rest: &[u8], sink: &mut dyn FilterSink) -> usize {
        let State::Text(kind) = self.state else { return 0 };
        for (index, &byte) in rest.iter().enumerate() {
            let after_c2 = mem::replace(&mut self.lead_c2, byte == 0xc2);
            match byte {
                0x1b => {
                    self.state = State::TextEscape(kind);
                    return index + 1;
                }
                0x18 | 0x1a => {
                    self.state = State::Ground;
                    return index + 1;
                }
                0x07 if kind == StringKind::Osc => {
                    self.state = State::Ground;
                    self.end_string(kind, true, sink);
                    return index + 1;
                }
                0x9c if after_c2 => {
                    self.sequence.pop();
                    self.state = State::Ground;
                    self.end_string(kind, false, sink);
                    return index + 1;
                }
                _ if kind == StringKind::Ignored => {}
                _ if self.sequence.len() < STRING_LIMIT => self.sequence.push(byte),
                _ => self.overlong = true,
            }
        }
        rest.len()
    }

    fn end_string(&mut self, kind: StringKind, bell: bool, sink: &mut dyn FilterSink) {
        let body = mem::take(&mut self.sequence);
        if !mem::take(&mut self.overlong) {
            match kind {
                StringKind::Osc => self.osc(&body, bell, sink),
                StringKind::Dcs => self.dcs(&body, sink),
                StringKind::Ignored => {}
            }
        }
        self.sequence = body;
        self.sequence.clear();
        self.sequence.shrink_to(1024);
    }
}
