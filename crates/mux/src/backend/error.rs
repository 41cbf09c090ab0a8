//! What can go wrong between a backend and its terminal program.

use std::path::PathBuf;
use std::time::Duration;

use super::view::ViewId;
use super::wezterm::WeztermError;

/// A backend could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    /// There is no tmux to run.
    #[error("tmux could not be started as {program:?} ({error}); install tmux 3.2 or newer, or set its path")]
    ProgramMissing {
        /// What was tried.
        program: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// The tmux that is installed lacks what is needed.
    #[error("tmux is {found:?}, and 3.2 or newer is needed; upgrade tmux, or choose the layout `none`")]
    TooOld {
        /// What `tmux -V` printed.
        found: String,
    },
    /// The front's `TMUX` or `TMUX_PANE` is not what tmux sets.
    #[error("{variable} is {value:?}, which is not what tmux sets; start the editor inside tmux again")]
    NotInTmux {
        /// The variable.
        variable: &'static str,
        /// Its value, empty where it is not set.
        value: String,
    },
    /// No server answers at the socket.
    #[error("no tmux server answers at {socket}: {message}")]
    NoServer {
        /// The socket's path or name.
        socket: String,
        /// What the client said.
        message: String,
    },
    /// The server took the command and did not answer.
    #[error(
        "the tmux server at {socket} did not answer {program:?} within {limit:?}; it may be stopped or overloaded, or \
         another version of tmux"
    )]
    Unanswered {
        /// The socket's path or name.
        socket: String,
        /// The tmux program that asked.
        program: PathBuf,
        /// How long it was given.
        limit: Duration,
    },
    /// The server refused a command.
    #[error("tmux refused {command}: {message}")]
    Refused {
        /// The command's name.
        command: String,
        /// What tmux said.
        message: String,
    },
    /// The server answered something else than was asked for.
    #[error("tmux answered {command} with {reply:?}, which could not be read")]
    Unreadable {
        /// The command's name.
        command: String,
        /// The answer.
        reply: String,
    },
    /// An argument cannot be given to tmux.
    #[error("{what} cannot be given to tmux: {why}")]
    BadArgument {
        /// Which argument.
        what: &'static str,
        /// Why not.
        why: &'static str,
    },
    /// The view's program left as soon as it had started.
    #[error("the view's program ended at once; run it in a terminal to see why")]
    EndedAtOnce,
    /// The pane is no longer the view that was opened.
    #[error("the view {view} is gone; open a new one")]
    Stale {
        /// The view that was asked for.
        view: ViewId,
    },
    /// It is about wezterm.
    #[error(transparent)]
    Wezterm(#[from] WeztermError),
    /// The operating system failed.
    #[error("tmux could not be talked to: {0}")]
    Io(#[from] std::io::Error),
}
