//! What is written to the program: one queue, so that nothing is mixed into anything else.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

use tokio::sync::{Notify, oneshot};

use super::pty::Pty;

/// Keys and answers kept for a program that does not read. Bytes.
const LIMIT: usize = 1 << 20;

/// Most bytes in one write.
const WRITE: usize = 16 * 1024;

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
pub(super) fn wrap_prompt(text: &str, bracketed: bool) -> Vec<u8> {
    if bracketed {
        ["\x1b[200~", text, "\x1b[201~"].concat().into_bytes()
    } else {
        text.replace('\n', "\r").into_bytes()
    }
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
        assert_eq!(wrap_prompt("a\nb", false), b"a\rb");
        assert_eq!(wrap_prompt("a\nb", true), b"\x1b[200~a\nb\x1b[201~");
    }
}
