//! A view of a runner in the terminal this process has.
//!
//! The terminal is switched to its alternate screen and to raw mode, shows what the runner sends, and gets back exactly
//! what it was when the view ends, however it ends: detached, program exited, runner gone, a signal, a panic.
//!
//! Detach with `Ctrl-\` and then `d`. `Ctrl-\` twice sends one `Ctrl-\` to the program.

mod keys;
mod terminal;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use crate::async_client::AsyncRunnerClient;
use crate::client::{ClientError, ViewEvent};
use crate::protocol::Exit;
use keys::{DetachKeys, Keys};
use terminal::Terminal;

/// How long the runner may take to answer.
const ANSWER: Duration = Duration::from_secs(5);

/// Says how to attach.
#[derive(Debug, Clone)]
pub struct AttachOptions {
    /// The name shown in the last line, for example `claude`.
    pub name: String,
    /// Looks on: the screen keeps the size another view gave it. Keys are passed on all the same.
    pub follow: bool,
    /// Takes frames instead of the stream, at most 30 a second, so that a flood cannot stall the terminal around it.
    pub frames: bool,
    /// The key that begins detaching; `d` completes it. The byte the terminal sends, 0x1c for `Ctrl-\`.
    pub detach_key: u8,
    /// Once the program has ended, keeps its last screen until a key is pressed.
    pub hold: bool,
}

impl AttachOptions {
    /// The usual way to attach: the view drives; inside Neovim it takes frames.
    pub fn new(name: impl Into<String>) -> AttachOptions {
        AttachOptions {
            name: name.into(),
            follow: false,
            frames: std::env::var_os("NVIM").is_some(),
            detach_key: 0x1c,
            hold: false,
        }
    }
}

/// Tells how a view ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttachEnd {
    /// The user detached; the program goes on.
    Detached,
    /// The program ended.
    Exited(Exit),
    /// The runner closed the connection without saying how the program ended.
    RunnerGone,
    /// The terminal was closed, or this signal ended the view. The program goes on.
    Signal(i32),
}

impl AttachEnd {
    /// Says it in one line, for the name the user knows.
    pub fn describe(&self, name: &str) -> String {
        match self {
            AttachEnd::Detached => format!("detached from {name}; it works on (orchflow attach {name})"),
            AttachEnd::Exited(Exit { code: Some(code), .. }) => format!("{name} exited {code}"),
            AttachEnd::Exited(Exit { signal: Some(signal), .. }) => {
                format!("{name} was ended by signal {signal}")
            }
            AttachEnd::Exited(_) => format!("{name} ended"),
            AttachEnd::RunnerGone => {
                format!("the runner of {name} is gone; orchflow status says what became of it")
            }
            AttachEnd::Signal(signal) => {
                format!("the view of {name} was ended by signal {signal}; {name} works on")
            }
        }
    }
}

/// Says why a view could not be opened or broke.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    /// The program's runner is gone.
    #[error("{name} has no runner at {socket}: it has ended; `orchflow status` says how")]
    Gone {
        /// The name the user knows.
        name: String,
        /// Where the runner would listen.
        socket: PathBuf,
    },
    /// The runner refused, or speaks something else.
    #[error("cannot attach: {0}")]
    Client(#[from] ClientError),
    /// Standard input or output is no terminal.
    #[error("attach needs a terminal on standard input and output")]
    NoTerminal,
    /// The terminal failed.
    #[error("the terminal failed: {0}")]
    Io(#[from] io::Error),
}

/// Shows the runner at `socket` in this process's terminal until the user detaches or the program ends, and prints
/// one line that says which.
///
/// # Errors
/// [`AttachError`]; the terminal is restored before it is returned.
pub fn attach(socket: &Path, options: &AttachOptions) -> Result<AttachEnd, AttachError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let end = runtime.block_on(view(socket, options));
    // A thread may still be reading standard input.
    runtime.shutdown_background();
    let end = end?;
    terminal::last_line(&end.describe(&options.name))?;
    Ok(end)
}

async fn view(socket: &Path, options: &AttachOptions) -> Result<AttachEnd, AttachError> {
    let connected = AsyncRunnerClient::connect_view(socket, ANSWER).await;
    let (client, _, mut events) = connected.map_err(|error| match error {
        ClientError::Gone(socket) => AttachError::Gone { name: options.name.clone(), socket },
        other => other.into(),
    })?;
    let mut ends = Ends::listen()?;
    let mut resized = signal(SignalKind::window_change())?;
    let mut terminal = Terminal::enter()?;
    client.view(terminal.size()?, !options.follow, options.frames).await?;
    let mut keys = terminal.keys()?;
    let mut detach = DetachKeys::new(options.detach_key);
    loop {
        tokio::select! {
            event = events.recv() => match event {
                None => return Ok(AttachEnd::RunnerGone),
                Some(ViewEvent::Exited(exit)) => {
                    let end = AttachEnd::Exited(exit);
                    if options.hold {
                        hold(&mut terminal, &mut keys, &mut ends, &end.describe(&options.name)).await?;
                    }
                    return Ok(end);
                }
                Some(event) => show(&mut terminal, event)?,
            },
            typed = keys.next() => {
                let Some(bytes) = typed? else { return Ok(AttachEnd::Detached) };
                let (pass, leave) = detach.feed(&bytes);
                if !pass.is_empty() && client.view_input(&pass).is_err() {
                    return Ok(AttachEnd::RunnerGone);
                }
                if leave {
                    return Ok(AttachEnd::Detached);
                }
            },
            _ = resized.recv() => {
                if client.view_resize(terminal.size()?).is_err() {
                    return Ok(AttachEnd::RunnerGone);
                }
            },
            number = ends.next() => return Ok(AttachEnd::Signal(number)),
        }
    }
}

fn show(terminal: &mut Terminal, event: ViewEvent) -> io::Result<()> {
    match event {
        ViewEvent::Output(bytes) => terminal.write(&bytes),
        ViewEvent::Bell => terminal.write(b"\x07"),
        ViewEvent::Driving(_) | ViewEvent::Exited(_) => Ok(()),
    }
}

async fn hold(terminal: &mut Terminal, keys: &mut Keys, ends: &mut Ends, line: &str) -> io::Result<()> {
    let row = terminal.size()?.rows;
    terminal
        .write(format!("\x1b[0m\x1b[r\x1b[{row};1H\x1b[7m {line}; press a key \x1b[0m\x1b[K").as_bytes())?;
    tokio::select! {
        typed = keys.next() => typed.map(drop),
        _ = ends.next() => Ok(()),
    }
}

/// The signals that end a view.
struct Ends {
    hangup: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    quit: tokio::signal::unix::Signal,
}

impl Ends {
    fn listen() -> io::Result<Ends> {
        Ok(Ends {
            hangup: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            quit: signal(SignalKind::quit())?,
        })
    }

    async fn next(&mut self) -> i32 {
        tokio::select! {
            _ = self.hangup.recv() => 1,
            _ = self.interrupt.recv() => 2,
            _ = self.quit.recv() => 3,
            _ = self.terminate.recv() => 15,
        }
    }
}
