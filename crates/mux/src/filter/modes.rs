//! The modes a program switched on, as the filter saw them.

use crate::emulator::Size;

/// Private modes (`CSI ? n h`) that every view can show or pass on. Others are not let through.
const KNOWN: &[u16] =
    &[1, 5, 6, 7, 12, 25, 45, 66, 1000, 1002, 1003, 1004, 1005, 1006, 1015, 1016, 2004, 2026];

/// Private modes that switch the screen; each view has its own screen, so they end here.
const SCREEN: &[u16] = &[47, 1047, 1048, 1049];

/// Modes that change what the view's terminal sends; they matter to frames as well.
const INPUT: &[u16] = &[1, 66, 1000, 1002, 1003, 1004, 1005, 1006, 1015, 1016, 2004];

/// Holds the modes of one terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Modes {
    /// Bit n: the n-th of [`KNOWN`] is set.
    private: u32,
    alternate: bool,
    insert: bool,
    new_line: bool,
    keypad: bool,
    cursor_style: u16,
    margins: Option<(u16, u16)>,
    charsets: [u8; 2],
    shifted_out: bool,
}

impl Default for Modes {
    fn default() -> Self {
        let mut modes = Modes {
            private: 0,
            alternate: false,
            insert: false,
            new_line: false,
            keypad: false,
            cursor_style: 0,
            margins: None,
            charsets: [b'B'; 2],
            shifted_out: false,
        };
        modes.set(7, true);
        modes.set(25, true);
        modes
    }
}

/// Says what is to be done with a private mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Handling {
    /// Shown by emulator and views.
    Pass,
    /// Switches the screen.
    Screen,
    /// Not let through.
    Drop,
}

pub(super) fn handling(mode: u16) -> Handling {
    if KNOWN.contains(&mode) {
        Handling::Pass
    } else if SCREEN.contains(&mode) {
        Handling::Screen
    } else {
        Handling::Drop
    }
}

impl Modes {
    /// Tells whether a private mode is set.
    pub fn is_set(&self, mode: u16) -> bool {
        bit(mode).is_some_and(|bit| self.private & bit != 0)
    }

    /// Tells whether the program shows its alternate screen.
    pub fn alternate(&self) -> bool {
        self.alternate
    }

    /// Tells whether the program asked for pastes in brackets.
    pub fn bracketed_paste(&self) -> bool {
        self.is_set(2004)
    }

    /// Tells the first row of the scrolling region, from zero.
    pub(crate) fn margin_top(&self, size: Size) -> u16 {
        self.margins.map_or(0, |(top, _)| top.saturating_sub(1).min(size.rows - 1))
    }

    pub(super) fn set(&mut self, mode: u16, on: bool) {
        if let Some(bit) = bit(mode) {
            if on { self.private |= bit } else { self.private &= !bit }
        }
    }

    pub(super) fn set_alternate(&mut self, on: bool) {
        self.alternate = on;
    }

    pub(super) fn set_ansi(&mut self, mode: u16, on: bool) {
        match mode {
            4 => self.insert = on,
            20 => self.new_line = on,
            _ => {}
        }
    }

    pub(super) fn set_keypad(&mut self, on: bool) {
        self.keypad = on;
    }

    pub(super) fn set_cursor_style(&mut self, style: u16) {
        self.cursor_style = style;
    }

    pub(super) fn cursor_style(&self) -> u16 {
        self.cursor_style
    }

    pub(super) fn set_margins(&mut self, margins: Option<(u16, u16)>) {
        self.margins = margins;
    }

    pub(super) fn margins(&self) -> Option<(u16, u16)> {
        self.margins
    }

    pub(super) fn set_charset(&mut self, slot: usize, charset: u8) {
        if let Some(place) = self.charsets.get_mut(slot) {
            *place = charset;
        }
    }

    pub(super) fn set_shifted_out(&mut self, on: bool) {
        self.shifted_out = on;
    }

    /// DECSTR: a soft reset.
    pub(super) fn soft_reset(&mut self) {
        for mode in [1, 6, 66] {
            self.set(mode, false);
        }
        self.set(7, true);
        self.set(25, true);
        self.insert = false;
        self.keypad = false;
        self.margins = None;
        self.charsets = [b'B'; 2];
        self.shifted_out = false;
    }

    /// DECRPM for a private mode: 0 unknown, 1 set, 2 reset.
    pub(super) fn report(&self, mode: u16) -> u8 {
        let on = match handling(mode) {
            Handling::Drop => return 0,
            Handling::Screen => self.alternate,
            Handling::Pass => self.is_set(mode),
        };
        if on { 1 } else { 2 }
    }

    /// DECRPM for an ANSI mode.
    pub(super) fn report_ansi(&self, mode: u16) -> u8 {
        match mode {
            4 => 2 - u8::from(self.insert),
            20 => 2 - u8::from(self.new_line),
            _ => 0,
        }
    }

    /// Hands every mode over to a view's terminal, whatever it had before. The cursor is moved by that.
    pub(crate) fn restore(&self, out: &mut Vec<u8>) {
        for &mode in KNOWN.iter().filter(|mode| ![25, 2026, 6].contains(*mode)) {
            private(out, mode, self.is_set(mode));
        }
        out.extend_from_slice(if self.insert { b"\x1b[4h" } else { b"\x1b[4l" });
        out.extend_from_slice(if self.new_line { b"\x1b[20h" } else { b"\x1b[20l" });
        out.extend_from_slice(if self.keypad { b"\x1b=" } else { b"\x1b>" });
        out.extend_from_slice(format!("\x1b[{} q", self.cursor_style).as_bytes());
        for (introducer, charset) in [b'(', b')'].iter().zip(self.charsets) {
            out.extend_from_slice(&[0x1b, *introducer, charset]);
        }
        out.push(if self.shifted_out { 0x0e } else { 0x0f });
        match self.margins {
            Some((top, bottom)) => out.extend_from_slice(format!("\x1b[{top};{bottom}r").as_bytes()),
            None => out.extend_from_slice(b"\x1b[r"),
        }
        private(out, 6, self.is_set(6));
    }

    /// Writes the modes in which a view that gets frames must differ from `before`.
    pub(crate) fn input_changes(&self, before: &Modes, out: &mut Vec<u8>) {
        for &mode in INPUT.iter().chain([5, 12].iter()) {
            if self.is_set(mode) != before.is_set(mode) {
                private(out, mode, self.is_set(mode));
            }
        }
        if self.keypad != before.keypad {
            out.extend_from_slice(if self.keypad { b"\x1b=" } else { b"\x1b>" });
        }
        if self.cursor_style != before.cursor_style {
            out.extend_from_slice(format!("\x1b[{} q", self.cursor_style).as_bytes());
        }
    }
}

fn bit(mode: u16) -> Option<u32> {
    KNOWN.iter().position(|known| *known == mode).map(|index| 1 << index)
}

fn private(out: &mut Vec<u8>, mode: u16, on: bool) {
    out.extend_from_slice(format!("\x1b[?{mode}{}", if on { 'h' } else { 'l' }).as_bytes());
}
