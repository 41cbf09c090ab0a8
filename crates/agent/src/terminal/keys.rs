//! What comes from the terminal, turned into keys.

/// Longest paste or terminal answer kept, in bytes.
const SEQUENCE_LIMIT: usize = 16 << 20;

const PASTE_BEGINS: &[u8] = b"\x1b[200~";
const PASTE_ENDS: &[u8] = b"\x1b[201~";

/// One thing the human or the terminal did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    /// A character was typed.
    Text(char),
    /// Enter.
    Enter,
    /// Backspace.
    Backspace,
    /// Escape.
    Escape,
    /// Control and C.
    CtrlC,
    /// Control and D.
    CtrlD,
    /// Control and U.
    CtrlU,
    /// A bracketed paste.
    Paste(String),
    /// The terminal answered with an OSC sequence.
    Osc(String),
}

/// Reads bytes as they come; keeps what is not whole yet.
#[derive(Debug, Default)]
pub struct Decoder {
    pending: Vec<u8>,
}

enum Taken {
    /// So many bytes were read, and meant this.
    Bytes(usize, Option<Key>),
    /// More bytes are needed.
    More,
}

impl Decoder {
    /// Takes bytes in and gives the keys they complete.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<Key> {
        let known = self.pending.len();
        self.pending.extend_from_slice(bytes);
        // A large paste comes in many pieces; only the new one is searched for its end.
        if known >= PASTE_BEGINS.len()
            && self.pending.starts_with(PASTE_BEGINS)
            && self.pending.len() <= SEQUENCE_LIMIT
            && find(self.pending.get(known + 1 - PASTE_ENDS.len()..).unwrap_or_default(), PASTE_ENDS)
                .is_none()
        {
            return Vec::new();
        }
        let mut keys = Vec::new();
        let mut at = 0;
        while let Some(rest) = self.pending.get(at..).filter(|rest| !rest.is_empty()) {
            match take(rest) {
                Taken::Bytes(length, key) => {
                    at += length;
                    keys.extend(key);
                }
                Taken::More if rest.len() > SEQUENCE_LIMIT => at += rest.len(),
                Taken::More => break,
            }
        }
        self.pending.drain(..at);
        keys
    }

    /// Tells whether an Escape may be waiting for the rest of a sequence.
    pub fn is_undecided(&self) -> bool {
        self.pending == [0x1b]
    }

    /// Says that nothing followed: what waited was the Escape key.
    pub fn settle(&mut self) -> Option<Key> {
        self.is_undecided().then(|| {
            self.pending.clear();
            Key::Escape
        })
    }
}

fn take(bytes: &[u8]) -> Taken {
    match bytes {
        [] | [0x1b] => Taken::More,
        [0x1b, b'[', ..] => take_csi(bytes),
        [0x1b, b']', ..] => take_osc(bytes),
        [0x1b, b'P' | b'_' | b'^' | b'X', ..] => match string_end(bytes) {
            Some((_, end)) => Taken::Bytes(end, None),
            None => Taken::More,
        },
        [0x1b, b'O', _, ..] => Taken::Bytes(3, None),
        [0x1b, b'O'] => Taken::More,
        // Escape twice: the first was the key.
        [0x1b, 0x1b, ..] => Taken::Bytes(1, Some(Key::Escape)),
        [0x1b, ..] => Taken::Bytes(2, None),
        [b'\r' | b'\n', ..] => Taken::Bytes(1, Some(Key::Enter)),
        [0x03, ..] => Taken::Bytes(1, Some(Key::CtrlC)),
        [0x04, ..] => Taken::Bytes(1, Some(Key::CtrlD)),
        [0x15, ..] => Taken::Bytes(1, Some(Key::CtrlU)),
        [0x7f | 0x08, ..] => Taken::Bytes(1, Some(Key::Backspace)),
        [0x00..=0x1f, ..] => Taken::Bytes(1, None),
        [first, ..] => take_character(bytes, *first),
    }
}

fn take_character(bytes: &[u8], first: u8) -> Taken {
    let length = match first {
        0x00..=0x7f => 1,
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => return Taken::Bytes(1, Some(Key::Text(char::REPLACEMENT_CHARACTER))),
    };
    let known = bytes.get(..length.min(bytes.len())).unwrap_or_default();
    match std::str::from_utf8(known) {
        Ok(text) => Taken::Bytes(length, text.chars().next().map(Key::Text)),
        Err(error) if error.error_len().is_none() => Taken::More,
        Err(_) => Taken::Bytes(1, Some(Key::Text(char::REPLACEMENT_CHARACTER))),
    }
}

fn take_csi(bytes: &[u8]) -> Taken {
    if let Some(pasted) = bytes.strip_prefix(PASTE_BEGINS) {
        return match find(pasted, PASTE_ENDS) {
            Some(length) => {
                let text = String::from_utf8_lossy(pasted.get(..length).unwrap_or_default());
                let text = text.replace("\r\n", "\n").replace('\r', "\n");
                Taken::Bytes(PASTE_BEGINS.len() + length + PASTE_ENDS.len(), Some(Key::Paste(text)))
            }
            None => Taken::More,
        };
    }
    match bytes.iter().skip(2).position(|byte| (0x40..=0x7e).contains(byte)) {
        Some(length) => Taken::Bytes(length + 3, None),
        None => Taken::More,
    }
}

fn take_osc(bytes: &[u8]) -> Taken {
    match string_end(bytes) {
        Some((length, end)) => {
            let payload = bytes.get(2..length).unwrap_or_default();
            Taken::Bytes(end, Some(Key::Osc(String::from_utf8_lossy(payload).into_owned())))
        }
        None => Taken::More,
    }
}

/// Finds where a string sequence ends: before and after its terminator.
fn string_end(bytes: &[u8]) -> Option<(usize, usize)> {
    let bell = bytes.iter().position(|&byte| byte == 0x07).map(|at| (at, at + 1));
    let terminator = find(bytes, b"\x1b\\").map(|at| (at, at + 2));
    match (bell, terminator) {
        (Some(bell), Some(terminator)) => Some(bell.min(terminator)),
        (one, other) => one.or(other),
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &[u8] =
        "aé\u{1b}[200~two\rlines\u{1b}[1m\u{1b}[201~\r\u{1b}[A\u{1b}]7501;?\u{1b}\\\u{1b}[?62;22c\u{3}\u{7f}\u{1b}OP漢"
            .as_bytes();

    fn expected() -> Vec<Key> {
        vec![
            Key::Text('a'),
            Key::Text('é'),
            Key::Paste("two\nlines\u{1b}[1m".into()),
            Key::Enter,
            Key::Osc("7501;?".into()),
            Key::CtrlC,
            Key::Backspace,
            Key::Text('漢'),
        ]
    }

    #[test]
    fn keys_are_the_same_however_the_bytes_are_cut() {
        assert_eq!(Decoder::default().feed(STREAM), expected());
        let mut decoder = Decoder::default();
        let keys: Vec<Key> = STREAM.iter().flat_map(|byte| decoder.feed(&[*byte])).collect();
        assert_eq!(keys, expected());
    }

    #[test]
    fn escape_alone_is_the_key_once_nothing_followed() {
        let mut decoder = Decoder::default();
        assert_eq!(decoder.feed(b"\x1b"), []);
        assert!(decoder.is_undecided());
        assert_eq!(decoder.settle(), Some(Key::Escape));
        assert_eq!(decoder.settle(), None);
        assert_eq!(decoder.feed(b"\x1b\x1b"), [Key::Escape]);
    }

    #[test]
    fn invalid_bytes_are_replaced() {
        let replaced = Key::Text(char::REPLACEMENT_CHARACTER);
        assert_eq!(Decoder::default().feed(b"\xff\xe4a"), [replaced.clone(), replaced, Key::Text('a')]);
    }
}
