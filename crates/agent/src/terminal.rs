//! What programs of ours share that are agents in a terminal: its keys, its screen, its raw mode.

mod display;
mod keys;

use std::io::{self, Read};
use std::thread;

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

pub use display::{Display, fit, plain, wrap};
pub use keys::{Decoder, Key};

/// What came from the terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// Bytes, for a [`Decoder`].
    Bytes(Vec<u8>),
    /// It is gone; nothing comes any more.
    Hangup,
}

/// Reads standard input on a thread of its own, until `take` says that it wants no more or the terminal is gone.
pub fn read(mut take: impl FnMut(Input) -> bool + Send + 'static) {
    thread::spawn(move || {
        let mut stdin = io::stdin().lock();
        let mut buffer = [0u8; 8192];
        loop {
            let input = match stdin.read(&mut buffer) {
                Ok(length @ 1..) => Input::Bytes(buffer.get(..length).unwrap_or_default().to_vec()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                _ => Input::Hangup,
            };
            let last = input == Input::Hangup;
            if !take(input) || last {
                return;
            }
        }
    });
}

/// Gives the columns of the terminal at standard output, 80 where it does not say.
pub fn columns() -> usize {
    match tcgetwinsize(rustix::stdio::stdout()) {
        Ok(size) if size.ws_col > 0 => usize::from(size.ws_col),
        _ => 80,
    }
}

/// The terminal at standard input in raw mode for as long as this lives.
#[derive(Debug)]
pub struct RawMode {
    before: Termios,
}

impl RawMode {
    /// Enters raw mode.
    ///
    /// # Errors
    /// When standard input is no terminal.
    pub fn enter() -> rustix::io::Result<RawMode> {
        let stdin = rustix::stdio::stdin();
        let before = tcgetattr(stdin)?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(stdin, OptionalActions::Now, &raw)?;
        Ok(RawMode { before })
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        let _ = tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &self.before);
    }
}
