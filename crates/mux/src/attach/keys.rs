//! Keys from the terminal, and the two that detach.

use std::io;

use tokio::sync::mpsc;

/// Bytes from standard input, as they were typed.
#[derive(Debug)]
pub(super) struct Keys {
    typed: mpsc::Receiver<io::Result<Vec<u8>>>,
}

impl Keys {
    pub(super) fn new(typed: mpsc::Receiver<io::Result<Vec<u8>>>) -> Keys {
        Keys { typed }
    }

    /// Waits for bytes; `None` at the end of the terminal.
    pub(super) async fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        self.typed.recv().await.transpose()
    }
}

/// Watches for the key that begins detaching and for the `d` behind it.
#[derive(Debug)]
pub(super) struct DetachKeys {
    key: u8,
    begun: bool,
}

impl DetachKeys {
    pub(super) fn new(key: u8) -> DetachKeys {
        DetachKeys { key, begun: false }
    }

    /// Takes typed bytes. Returns what goes to the program, and whether to detach.
    pub(super) fn feed(&mut self, typed: &[u8]) -> (Vec<u8>, bool) {
        let mut pass = Vec::with_capacity(typed.len());
        for &byte in typed {
            match (self.begun, byte) {
                (false, byte) if byte == self.key => self.begun = true,
                (false, byte) => pass.push(byte),
                (true, b'd' | b'D') => return (pass, true),
                (true, byte) => {
                    self.begun = false;
                    pass.push(self.key);
                    if byte != self.key {
                        pass.push(byte);
                    }
                }
            }
        }
        (pass, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_keys_detach_and_everything_else_passes() {
        let mut keys = DetachKeys::new(0x1c);
        assert_eq!(keys.feed(b"ad\x1c"), (b"ad".to_vec(), false));
        assert_eq!(keys.feed(b"\x1c"), (b"\x1c".to_vec(), false));
        assert_eq!(keys.feed(b"\x1cx"), (b"\x1cx".to_vec(), false));
        assert_eq!(keys.feed(b"y\x1cdz"), (b"y".to_vec(), true));
    }
}
