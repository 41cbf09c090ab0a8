//! What can go wrong between us and wezterm, each with what to do next.

use std::path::PathBuf;
use std::time::Duration;

/// Wezterm could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum WeztermError {
    /// The front's `WEZTERM_UNIX_SOCKET` or `WEZTERM_PANE` is not what wezterm sets.
    #[error("{variable} is {value:?}, which is not what wezterm sets; start the editor inside wezterm again")]
    NotInWezterm {
        /// The variable.
        variable: &'static str,
        /// Its value, empty where it is not set.
        value: String,
    },
    /// There is no wezterm to run.
    #[error(
        "wezterm could not be started as {program:?} ({error}); put it on the PATH, or show agents elsewhere: --view nvim"
    )]
    ProgramMissing {
        /// What was tried.
        program: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// Its `cli` lacks what is needed.
    #[error(
        "this wezterm is too old for panes of agents: {lacks}; upgrade it, or show agents elsewhere: --view nvim"
    )]
    TooOld {
        /// What was missing, in words.
        lacks: String,
    },
    /// Neither a window nor a mux server of wezterm listens at the socket.
    #[error(
        "no wezterm answers at {socket}: {message}; its window or mux server has ended, so start the editor in a new one"
    )]
    NoServer {
        /// The socket's path.
        socket: String,
        /// Why.
        message: String,
    },
    /// It took the command and did not answer.
    #[error(
        "wezterm at {socket} did not answer `cli {command}` within {limit:?}; it may hang or be overloaded"
    )]
    Unanswered {
        /// The socket's path.
        socket: String,
        /// The command's name.
        command: String,
        /// How long it was given.
        limit: Duration,
    },
    /// It refused a command.
    #[error("wezterm refused `cli {command}`: {message}")]
    Refused {
        /// The command's name.
        command: String,
        /// What it said.
        message: String,
    },
    /// It answered something else than was asked for.
    #[error("wezterm answered `cli {command}` with {reply:?}, which could not be read")]
    Unreadable {
        /// The command's name.
        command: String,
        /// The beginning of the answer.
        reply: String,
    },
    /// The editor's pane is not in its list.
    #[error("wezterm has no pane {pane} any more, which the editor was started in; start it again")]
    NoEditor {
        /// The pane's number.
        pane: u32,
    },
    /// A pane was opened, and its program is not seen.
    #[error(
        "the program of a new pane is not seen from here, as when wezterm runs on another machine or in a container; \
         show agents elsewhere: --view nvim"
    )]
    Unseen,
    /// An argument cannot be given to it.
    #[error("{what} cannot be given to wezterm: {why}")]
    BadArgument {
        /// Which argument.
        what: &'static str,
        /// Why not.
        why: &'static str,
    },
    /// The operating system failed.
    #[error("wezterm could not be talked to: {0}")]
    Io(#[from] std::io::Error),
}
