//! The terminal of this process: raw while a view is open, and put back whatever happens.

use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::sync::Once;
use std::sync::{Mutex, PoisonError};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use tokio::sync::mpsc;

use super::AttachError;
use super::keys::Keys;
use crate::emulator::Size;
use crate::paint;

/// The settings to go back to, while a view is open. A panic's hook needs them too.
static SAVED: Mutex<Option<Termios>> = Mutex::new(None);

static HOOK: Once = Once::new();

/// An entered terminal; dropping it restores it.
#[derive(Debug)]
pub(super) struct Terminal {
    output: io::Stdout,
}

impl Terminal {
    /// Switches to raw mode and to the alternate screen.
    pub(super) fn enter() -> Result<Terminal, AttachError> {
        if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
            return Err(AttachError::NoTerminal);
        }
        let settings = tcgetattr(io::stdin()).map_err(io::Error::from)?;
        *SAVED.lock().unwrap_or_else(PoisonError::into_inner) = Some(settings.clone());
        HOOK.call_once(|| {
            let next = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                restore();
                next(panic);
            }));
        });
        let mut terminal = Terminal { output: io::stdout() };
        let mut raw = settings;
        raw.make_raw();
        tcsetattr(io::stdin(), OptionalActions::Now, &raw).map_err(io::Error::from)?;
        // 22;0t keeps the title for terminals that can.
        terminal.write(b"\x1b[?1049h\x1b[22;0t\x1b[H\x1b[2J")?;
        Ok(terminal)
    }

    /// Reads the terminal's size.
    pub(super) fn size(&self) -> io::Result<Size> {
        let size = tcgetwinsize(io::stdout())?;
        Ok(match (size.ws_col, size.ws_row) {
            // A terminal that does not know its size says zero.
            (0, _) | (_, 0) => Size::new(80, 24),
            (columns, rows) => Size::new(columns, rows),
        })
    }

    /// Shows bytes at once.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        write_all(&mut self.output, bytes)
    }

    /// Starts reading keys. The thread that does it ends with the process.
    pub(super) fn keys(&self) -> io::Result<Keys> {
        let (sender, typed) = mpsc::channel(64);
        std::thread::Builder::new().name("keys".into()).spawn(move || {
            let mut chunk = [0u8; 4096];
            loop {
                let read = match io::stdin().lock().read(&mut chunk) {
                    Ok(0) => return,
                    Ok(count) => Ok(chunk.get(..count).unwrap_or_default().to_vec()),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(error) => Err(error),
                };
                let failed = read.is_err();
                if sender.blocking_send(read).is_err() || failed {
                    return;
                }
            }
        })?;
        Ok(Keys::new(typed))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        restore();
    }
}

/// Puts the terminal back: modes, title, screen, settings. Does nothing the second time.
fn restore() {
    let Some(settings) = SAVED.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
    let mut output = io::stdout();
    // The keyboard protocol of kitty is never let through, but popping an empty stack harms nobody.
    let _ = write_all(&mut output, paint::RESET)
        .and_then(|()| write_all(&mut output, b"\x1b[<9u\x1b[>4;0m\x1b[23;0t\x1b[?1049l\x1b[?25h"));
    let _ = tcsetattr(io::stdin(), OptionalActions::Flush, &settings);
}

/// Writes everything, also where another program made the terminal non-blocking.
fn write_all(output: &mut io::Stdout, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match output.write(bytes) {
            Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => wait_writable()?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    loop {
        match output.flush() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => wait_writable()?,
            other => return other,
        }
    }
}

fn wait_writable() -> io::Result<()> {
    let output = io::stdout();
    poll(&mut [PollFd::new(&output, PollFlags::OUT)], None)?;
    Ok(())
}

/// Prints the one line that says how a view ended.
pub(super) fn last_line(line: &str) -> io::Result<()> {
    let mut output = io::stdout();
    let written = write_all(&mut output, line.as_bytes()).and_then(|()| write_all(&mut output, b"\n"));
    match written {
        // The terminal itself may be gone; then nobody is left to read the line.
        Err(error) if error.raw_os_error() == Some(5) || error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}
