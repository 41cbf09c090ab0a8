//! Text between the sequences: cut characters are joined, wrong ones replaced, C1 controls found.

use super::{Filter, FilterSink};

impl Filter {
    /// Takes a run of text without C0 controls. Returns how much was used: a C1 control ends the run early.
    pub(super) fn text(&mut self, run: &[u8], at_end: bool, sink: &mut dyn FilterSink) -> usize {
        let mut used = 0;
        if !self.partial.is_empty() {
            used = self.complete(run);
            if let Some(control) = self.take_c1() {
                self.c1(control, sink);
                return used;
            }
            if !self.partial.is_empty() && !at_end {
                self.replace_partial();
            }
        }
        while let Some(rest) = run.get(used..).filter(|rest| !rest.is_empty()) {
            let (valid, broken) = match std::str::from_utf8(rest) {
                Ok(_) => (rest.len(), None),
                Err(error) => (error.valid_up_to(), Some(error.error_len())),
            };
            let (good, tail) = rest.split_at(valid);
            if let Some(at) = c1_position(good) {
                self.out.extend_from_slice(good.get(..at).unwrap_or_default());
                let control = good.get(at + 1).copied().unwrap_or_default();
                self.c1(control, sink);
                return used + at + 2;
            }
            self.out.extend_from_slice(good);
            used += valid;
            match broken {
                None => {}
                Some(Some(length)) => {
                    self.out.extend_from_slice("\u{fffd}".as_bytes());
                    used += length;
                }
                Some(None) => {
                    self.partial.extend_from_slice(tail);
                    if !at_end {
                        self.replace_partial();
                    }
                    used = run.len();
                }
            }
        }
        used
    }

    /// Adds bytes to the character that waits, and moves it to the output once it is whole or wrong.
    fn complete(&mut self, run: &[u8]) -> usize {
        let mut used = 0;
        for &byte in run {
            self.partial.push(byte);
            match std::str::from_utf8(&self.partial) {
                Ok(_) => {
                    used += 1;
                    if c1_position(&self.partial).is_none() {
                        self.out.extend_from_slice(&self.partial);
                        self.partial.clear();
                    }
                    return used;
                }
                Err(error) if error.error_len().is_some() => {
                    // The new byte does not belong to it: it is looked at again on its own.
                    self.replace_partial();
                    return used;
                }
                Err(_) => used += 1,
            }
        }
        used
    }

    pub(super) fn replace_partial(&mut self) {
        self.partial.clear();
        self.out.extend_from_slice("\u{fffd}".as_bytes());
    }

    fn take_c1(&mut self) -> Option<u8> {
        let at = c1_position(&self.partial)?;
        let control = self.partial.get(at + 1).copied();
        self.partial.clear();
        control
    }

    /// A C1 control, written as a character of UTF-8, is the escape sequence it stands for.
    fn c1(&mut self, control: u8, sink: &mut dyn FilterSink) {
        self.begin_escape();
        self.byte(control - 0x40, sink);
    }
}

/// Finds a C1 control, U+0080 to U+009F, in valid UTF-8.
fn c1_position(text: &[u8]) -> Option<usize> {
    let mut from = 0;
    while let Some(found) = text.get(from..)?.iter().position(|byte| *byte == 0xc2) {
        let at = from + found;
        if text.get(at + 1).is_some_and(|byte| (0x80..0xa0).contains(byte)) {
            return Some(at);
        }
        from = at + 1;
    }
    None
}
