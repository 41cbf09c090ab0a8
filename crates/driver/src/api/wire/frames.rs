//! Bytes cut into events: server-sent events, or lines of JSON.
//!
//! Server-sent events are read as the HTML standard says (section 9.2.6): lines end with LF, CR or CRLF, a colon
//! begins a comment, `data` lines add up, an empty line ends the event.

use crate::api::fault::Fault;

/// The longest line that is read, in bytes.
pub(super) const LINE_LIMIT: usize = 16 << 20;

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) name: String,
    pub(super) data: String,
}

/// How a body is cut into events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// Server-sent events.
    Events,
    /// A JSON value on each line.
    Lines,
}

/// Reads bytes as they come.
#[derive(Debug)]
pub(super) struct Frames {
    framing: Framing,
    line: Vec<u8>,
    /// A CR ended the last line; an LF right behind it belongs to it.
    after_cr: bool,
    is_first: bool,
    name: String,
    data: String,
    has_data: bool,
}

impl Frames {
    pub(super) fn new(framing: Framing) -> Frames {
        Frames {
            framing,
            line: Vec::new(),
            after_cr: false,
            is_first: true,
            name: String::new(),
            data: String::new(),
            has_data: false,
        }
    }

    /// Takes bytes in and gives the events they complete.
    pub(super) fn feed(&mut self, mut bytes: &[u8]) -> Result<Vec<Frame>, Fault> {
        let mut frames = Vec::new();
        while !bytes.is_empty() {
            if self.after_cr {
                self.after_cr = false;
                if let Some(rest) = bytes.strip_prefix(b"\n") {
                    bytes = rest;
                    continue;
                }
            }
            let end = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            let (piece, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
            if self.line.len() + self.data.len() + piece.len() > LINE_LIMIT {
                return Err(Fault::garbled(format!(
                    "a line of the answer is longer than {} MB, so it was not read on",
                    LINE_LIMIT >> 20
                )));
            }
            self.line.extend_from_slice(piece);
            bytes = rest;
            if let Some((&ending, rest)) = bytes.split_first() {
                self.after_cr = ending == b'\r';
                bytes = rest;
                frames.extend(self.end_line());
            }
        }
        Ok(frames)
    }

    /// Says that nothing follows, and gives an event that had no empty line behind it.
    pub(super) fn finish(&mut self) -> Option<Frame> {
        let last = if self.line.is_empty() { None } else { self.end_line() };
        last.or_else(|| self.end_event())
    }

    fn end_line(&mut self) -> Option<Frame> {
        let line = std::mem::take(&mut self.line);
        let line = String::from_utf8_lossy(&line);
        let line = if std::mem::take(&mut self.is_first) {
            line.strip_prefix('\u{feff}').unwrap_or(&line)
        } else {
            &line
        };
        match self.framing {
            Framing::Lines if line.trim().is_empty() => None,
            Framing::Lines => Some(Frame { name: String::new(), data: line.to_owned() }),
            Framing::Events if line.is_empty() => self.end_event(),
            Framing::Events => {
                self.field(line);
                None
            }
        }
    }

    fn field(&mut self, line: &str) {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.name),
            "data" => {
                if self.has_data {
                    self.data.push('\n');
                }
                self.has_data = true;
                self.data.push_str(value);
            }
            // Comments, `id`, `retry`: nothing to us.
            _ => {}
        }
    }

    fn end_event(&mut self) -> Option<Frame> {
        let name = std::mem::take(&mut self.name);
        let data = std::mem::take(&mut self.data);
        std::mem::take(&mut self.has_data).then_some(Frame { name, data })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] =
        "\u{feff}event: a\r\ndata: 1\r\ndata:2\r\n\r\n: note\n\ndata:  é\rid: 7\r\rretry: 1\n\nevent: lost\n\ndata\n\ndata: [DONE]"
            .as_bytes();

    fn frame(name: &str, data: &str) -> Frame {
        Frame { name: name.into(), data: data.into() }
    }

    #[test]
    fn events_are_the_same_wherever_the_bytes_are_cut() {
        let expected = [frame("a", "1\n2"), frame("", " é"), frame("", ""), frame("", "[DONE]")];
        for cut in 0..BODY.len() {
            let mut frames = Frames::new(Framing::Events);
            let (head, tail) = BODY.split_at(cut);
            let mut got = frames.feed(head).unwrap();
            got.extend(frames.feed(tail).unwrap());
            got.extend(frames.finish());
            assert_eq!(got, expected, "cut at {cut}");
        }
    }

    #[test]
    fn lines_are_events_of_their_own() {
        let mut frames = Frames::new(Framing::Lines);
        let mut got = frames.feed(b"{\"a\":1}\r\n\n{\"b\"").unwrap();
        got.extend(frames.feed(b":2}").unwrap());
        got.extend(frames.finish());
        assert_eq!(got, [frame("", "{\"a\":1}"), frame("", "{\"b\":2}")]);
    }

    #[test]
    fn a_line_without_an_end_is_given_up() {
        let mut frames = Frames::new(Framing::Events);
        let piece = vec![b'x'; 1 << 20];
        let error = (0..20).find_map(|_| frames.feed(&piece).err()).unwrap();
        assert!(error.message.contains("longer than 16 MB"), "{error}");
        let mut frames = Frames::new(Framing::Events);
        let line = [b"data: ", piece.as_slice(), b"\n"].concat();
        assert!((0..20).any(|_| frames.feed(&line).is_err()));
    }
}
