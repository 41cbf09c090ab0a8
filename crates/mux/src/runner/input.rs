//! What is written to the program: one queue, so that nothing is mixed into anything else.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

use tokio::sync::{Notify, oneshot};

use super::pty::Pty;

/// Keys and answers kept for a program that does not read. Bytes.
const LIMIT: usize = 1 << 20;

/// Most bytes in one write.
const WRITE: usize = 16 * 1024;

/// Most pieces of one prompt: programs draw their input line anew for each of them.
const PIECES: usize = 100;

#[derive(Debug)]
struct Piece {
    bytes: Vec<u8>,
    done: Option<oneshot::Sender<u64>>,
}

/// The bytes on their way to the program.
#[derive(Debug, Default)]
pub(super) struct InputQueue {
    pieces: RefCell<VecDeque<Piece>>,
    waiting: Cell<usize>,
    filled: Notify,
}

impl InputQueue {
    /// Adds bytes; false when the program has not read for so long that they are refused.
    pub(super) fn push(&self, bytes: &[u8]) -> bool {
        if self.waiting.get() + bytes.len() > LIMIT {
            return false;
        }
        self.add(bytes.to_vec(), None);
        true
    }

    /// Adds one piece of any size; the receiver hears when its last byte was written, by the mark of that moment, or
    /// fails when it never will be.
    pub(super) fn push_whole(&self, bytes: Vec<u8>) -> oneshot::Receiver<u64> {
        let (done, written) = oneshot::channel();
        self.add(bytes, Some(done));
        written
    }

    fn add(&self, bytes: Vec<u8>, done: Option<oneshot::Sender<u64>>) {
        self.waiting.set(self.waiting.get() + bytes.len());
        self.pieces.borrow_mut().push_back(Piece { bytes, done });
        self.filled.notify_one();
    }

    /// Forgets everything: the program is gone.
    pub(super) fn clear(&self) {
        self.pieces.borrow_mut().clear();
        self.waiting.set(0);
    }

    /// Writes pieces to the pty, in order, for as long as it is polled; `mark` is read behind each last byte.
    pub(super) async fn drain(&self, pty: &Pty, mark: impl Fn() -> u64) {
        loop {
            let Some(Piece { bytes, done }) = self.pieces.borrow_mut().pop_front() else {
                self.filled.notified().await;
                continue;
            };
            let mut rest = bytes.as_slice();
            while !rest.is_empty() {
                let piece = rest.get(..WRITE).unwrap_or(rest);
                match pty.write(piece).await {
                    Ok(written) => {
                        rest = rest.get(written..).unwrap_or_default();
                        self.waiting.set(self.waiting.get().saturating_sub(written));
                    }
                    // The other side is closed: the runner hears of it by the program's exit.
                    Err(_) => return,
                }
            }
            if let Some(done) = done {
                let _ = done.send(mark());
            }
        }
    }
}

/// Takes out of a prompt all that is not text, new line or tab, so that nothing in it acts as a key.
///
/// Line ends of any kind become `\n`; what is not UTF-8 is replaced.
pub fn clean_prompt(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text).replace("\r\n", "\n").replace('\r', "\n");
    text.chars().filter(|letter| matches!(letter, '\n' | '\t') || !letter.is_control()).collect()
}

/// Wraps a cleaned prompt for the program: in brackets where it asked for them, else with its line ends as Enter keys.
///
/// With `piece` each line and each so many characters get brackets of their own, unless there are too many of them.
pub(super) fn wrap_prompt(text: &str, bracketed: bool, piece: Option<usize>) -> Vec<u8> {
    if !bracketed {
        return text.replace('\n', "\r").into_bytes();
    }
    let pieces: Vec<&str> = piece.map(|most| cut(text, most).take(PIECES + 1).collect()).unwrap_or_default();
    let pieces = if (1..=PIECES).contains(&pieces.len()) { pieces } else { vec![text] };
    pieces.iter().flat_map(|piece| ["\x1b[200~", piece, "\x1b[201~"]).collect::<String>().into_bytes()
}

/// Cuts a text behind its line ends and, where a line is longer than `most` characters, behind its blanks.
fn cut(text: &str, most: usize) -> impl Iterator<Item = &str> {
    text.split_inclusive('\n').flat_map(move |line| {
        let mut rest = line;
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let limit = rest.char_indices().nth(most.max(1)).map_or(rest.len(), |(at, _)| at);
            let fitting = rest.get(..limit).unwrap_or(rest);
            // Letters that belong together are not cut apart where a word ends before them.
            let end =
                if limit == rest.len() { limit } else { fitting.rfind(' ').map_or(limit, |blank| blank + 1) };
            let (piece, after) = rest.split_at(end);
            rest = after;
            Some(piece)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_prompt_acts_as_a_key() {
        let hostile = b"one\x1b[201~\rtwo\x03\x04\r\nthree\tfour\x7f\xc2\x9b5\xff";
        assert_eq!(clean_prompt(hostile), "one[201~\ntwo\nthree\tfour5\u{fffd}");
    }

    #[test]
    fn without_brackets_a_line_end_is_the_enter_key() {
        assert_eq!(wrap_prompt("a\nb", false, None), b"a\rb");
        assert_eq!(wrap_prompt("a\nb", false, Some(1)), b"a\rb");
        assert_eq!(wrap_prompt("a\nb", true, None), b"\x1b[200~a\nb\x1b[201~");
    }

    #[test]
    fn a_prompt_in_pieces_is_the_same_text() {
        let piece = |text: &str| cut(text, 10).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(piece("one\n\ntwo"), ["one\n", "\n", "two"]);
        assert_eq!(piece("a word and another"), ["a word ", "and ", "another"]);
        assert_eq!(piece("withoutablank"), ["withoutabl", "ank"]);
        assert_eq!(piece(&"ü".repeat(11)), ["ü".repeat(10), "ü".to_owned()]);
        assert_eq!(piece(""), [""; 0]);
        assert_eq!(wrap_prompt("a\nb", true, Some(10)), b"\x1b[200~a\n\x1b[201~\x1b[200~b\x1b[201~");
        assert_eq!(wrap_prompt("", true, Some(10)), b"\x1b[200~\x1b[201~");
        for most in 0..20 {
            let text = "some words, ünd 🙂🙂 more\n\n  of them\nwithoutanyblankinthem ";
            assert_eq!(cut(text, most).collect::<String>(), text);
        }
    }

    #[test]
    fn a_prompt_of_very_many_pieces_stays_whole() {
        let text = "line\n".repeat(PIECES + 1);
        assert_eq!(wrap_prompt(&text, true, Some(10)), wrap_prompt(&text, true, None));
    }
}
