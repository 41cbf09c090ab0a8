//! Escape and control sequences: which are shown, which are answered, which are dropped.

use std::io::Write as _;

use super::modes::{self, Handling};
use super::{Filter, FilterSink};
use crate::signal::Signal;

/// Largest number let through: more would only make an emulator loop.
const LARGEST: u32 = 9999;

impl Filter {
    /// An escape sequence that is neither CSI nor a control string.
    pub(super) fn escape(&mut self, end: u8, sink: &mut dyn FilterSink) {
        match (self.sequence.as_slice(), end) {
            ([], b'7' | b'8' | b'D' | b'E' | b'H' | b'M') | ([b'#'], b'8') => {}
            ([], b'=' | b'>') => self.modes.set_keypad(end == b'='),
            ([], b'c') => {
                self.reset(sink);
                return;
            }
            ([], b'Z') => {
                self.answer_attributes(sink);
                return;
            }
            ([introducer @ (b'(' | b')')], b'0' | b'A' | b'B') => {
                self.modes.set_charset(usize::from(*introducer == b')'), end);
            }
            _ => return,
        }
        self.out.push(0x1b);
        self.out.extend_from_slice(&self.sequence);
        self.out.push(end);
    }

    /// RIS: the views are repainted instead of reset, for they are more than this program's.
    fn reset(&mut self, sink: &mut dyn FilterSink) {
        self.flush(sink);
        let (bracketed, alternate) = (self.modes.bracketed_paste(), self.modes.alternate());
        self.modes = super::Modes::default();
        // Leaving the alternate screen first keeps the emulator's two screens apart.
        sink.emulate(b"\x1b[?1049l\x1bc");
        if bracketed {
            sink.signal(Signal::BracketedPaste(false));
        }
        if alternate {
            sink.signal(Signal::AlternateScreen(false));
        }
        sink.repaint();
    }

    /// A control sequence: `body` is everything between CSI and its final byte.
    pub(super) fn csi(&mut self, body: &[u8], end: u8, sink: &mut dyn FilterSink) {
        let (prefix, rest) = match body.split_first() {
            Some((&prefix @ b'<'..=b'?', rest)) => (Some(prefix), rest),
            _ => (None, body),
        };
        let cut = rest.iter().position(|byte| *byte < 0x30).unwrap_or(rest.len());
        let (numbers, intermediates) = rest.split_at(cut);
        if numbers.iter().any(|byte| !matches!(byte, b'0'..=b'9' | b';' | b':'))
            || intermediates.iter().any(|byte| *byte >= 0x30)
        {
            return;
        }
        match (prefix, intermediates, end) {
            (None, [], b'h' | b'l') => self.ansi_modes(numbers, end == b'h'),
            (Some(b'?'), [], b'h' | b'l') => self.private_modes(numbers, end == b'h', sink),
            (None, [], b'c') if matches!(numbers, [] | [b'0']) => self.answer_attributes(sink),
            (Some(prefix @ (b'>' | b'=')), [], b'c') if matches!(numbers, [] | [b'0']) => {
                self.answer_more_attributes(prefix, sink);
            }
            (None | Some(b'?'), [], b'n') => self.answer_status(prefix, numbers, sink),
            (None | Some(b'?'), [b'$'], b'p') => self.answer_mode(prefix, numbers, sink),
            (Some(b'>'), [], b'q') if matches!(numbers, [] | [b'0']) => self.answer_version(sink),
            (None, [], b't') => self.answer_window(numbers, sink),
            (None, [], b'J') if first(numbers) == 3 => {
                // The history behind a view is not this program's to erase.
                self.flush(sink);
                sink.emulate(b"\x1b[3J");
            }
            (None, [], b'r') => self.margins(numbers),
            (None, [], b'T') if numbers.contains(&b';') => {}
            (None, [], b's' | b'u') if !numbers.is_empty() => {}
            (None, [], b'G' | b'`') => self.pass_column(numbers, 0, end),
            (None, [], b'H' | b'f') => self.pass_column(numbers, 1, end),
            (
                None,
                [],
                b'@'..=b'F'
                | b'I'..=b'M'
                | b'P'
                | b'S'
                | b'T'
                | b'X'
                | b'Z'
                | b'a'
                | b'b'
                | b'd'
                | b'e'
                | b'g'
                | b'm'
                | b's'
                | b'u',
            ) => self.pass(numbers, &[], end),
            (None, [b' '], b'q') => {
                self.modes.set_cursor_style(first(numbers).min(6) as u16);
                self.pass(numbers, b" ", b'q');
            }
            (None, [b'!'], b'p') => {
                let bracketed = self.modes.bracketed_paste();
                self.modes.soft_reset();
                debug_assert_eq!(bracketed, self.modes.bracketed_paste());
                self.pass(&[], b"!", b'p');
            }
            _ => {}
        }
    }

    /// Writes a sequence again with its numbers in bounds.
    fn pass(&mut self, numbers: &[u8], intermediates: &[u8], end: u8) {
        self.out.extend_from_slice(b"\x1b[");
        for (index, group) in numbers.split(|byte| *byte == b';').enumerate() {
            if index > 0 {
                self.out.push(b';');
            }
            for (index, number) in group.split(|byte| *byte == b':').enumerate() {
                if index > 0 {
                    self.out.push(b':');
                }
                if !number.is_empty() {
                    let _ = write!(self.out, "{}", parse(number));
                }
            }
        }
        self.out.extend_from_slice(intermediates);
        self.out.push(end);
    }

    /// Writes a movement again with its column, the `index`-th number, on the screen, where every terminal puts it.
    fn pass_column(&mut self, numbers: &[u8], index: usize, end: u8) {
        let columns = u32::from(self.size.columns);
        match parameters(numbers).nth(index) {
            Some(column) if column > columns => {
                let row = if index > 0 { format!("{};", first(numbers)) } else { String::new() };
                self.pass(format!("{row}{columns}").as_bytes(), &[], end);
            }
            _ => self.pass(numbers, &[], end),
        }
    }

    fn ansi_modes(&mut self, numbers: &[u8], on: bool) {
        for mode in parameters(numbers) {
            if matches!(mode, 4 | 20) {
                self.modes.set_ansi(mode as u16, on);
                self.pass(mode.to_string().as_bytes(), &[], if on { b'h' } else { b'l' });
            }
        }
    }

    fn private_modes(&mut self, numbers: &[u8], on: bool, sink: &mut dyn FilterSink) {
        let end = if on { 'h' } else { 'l' };
        for mode in parameters(numbers).filter_map(|mode| u16::try_from(mode).ok()) {
            match modes::handling(mode) {
                Handling::Drop => {}
                Handling::Pass => {
                    let changed = self.modes.is_set(mode) != on;
                    self.modes.set(mode, on);
                    let _ = write!(self.out, "\x1b[?{mode}{end}");
                    if mode == 2004 && changed {
                        self.flush(sink);
                        sink.signal(Signal::BracketedPaste(on));
                    }
                }
                Handling::Screen if mode == 1048 => {
                    // Only the cursor is kept or brought back.
                    self.out.extend_from_slice(if on { b"\x1b7" } else { b"\x1b8" });
                }
                Handling::Screen => {
                    self.flush(sink);
                    sink.emulate(format!("\x1b[?{mode}{end}").as_bytes());
                    if self.modes.alternate() != on {
                        self.modes.set_alternate(on);
                        sink.signal(Signal::AlternateScreen(on));
                    }
                    sink.repaint();
                }
            }
        }
    }

    fn margins(&mut self, numbers: &[u8]) {
        let mut given = parameters(numbers).map(|number| u16::try_from(number).unwrap_or(u16::MAX));
        let top = given.next().unwrap_or(0).max(1);
        let bottom = match given.next().unwrap_or(0) {
            0 => self.size.rows,
            bottom => bottom.min(self.size.rows),
        };
        if top < bottom {
            self.modes.set_margins(Some((top, bottom)).filter(|margins| *margins != (1, self.size.rows)));
        }
        self.pass(numbers, &[], b'r');
    }
}

/// Reads the numbers of a sequence; what is left out is 0, what is too large is brought into bounds.
pub(super) fn parameters(numbers: &[u8]) -> impl Iterator<Item = u32> + '_ {
    numbers.split(|byte| *byte == b';').map(parse)
}

pub(super) fn first(numbers: &[u8]) -> u32 {
    parameters(numbers).next().unwrap_or(0)
}

fn parse(digits: &[u8]) -> u32 {
    digits
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .fold(0u32, |number, digit| (number * 10 + u32::from(digit - b'0')).min(LARGEST))
}
