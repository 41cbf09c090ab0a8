//! What a runner is started with, and why it may not start.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use crate::emulator::Size;
use crate::filter::FilterOptions;

/// Describes one program and the terminal it gets.
#[derive(Debug, Clone)]
pub struct RunnerOptions {
    /// Where the runner listens. Its folder is made with mode 0700.
    pub socket: PathBuf,
    /// The program and its arguments; no shell is involved.
    pub command: Vec<OsString>,
    /// The folder the program starts in.
    pub working_directory: PathBuf,
    /// The whole environment of the program; nothing is inherited. The marker is added.
    pub environment: Vec<(OsString, OsString)>,
    /// The first size of the screen.
    pub size: Size,
    /// Rows kept above the screen.
    pub scrollback_lines: usize,
    /// Where the exit is recorded, durably, as JSON `{code, signal, leftover_ended, at_us, error}`.
    pub exit_file: Option<PathBuf>,
    /// Where the runner tells who it is, as JSON `{protocol, pid, started, boot, child_pid, child_started, socket,
    /// at_us}`; `started` is in clock ticks since boot, as in `/proc/PID/stat`, and `boot` names that boot.
    pub runner_file: Option<PathBuf>,
    /// A variable and value put into the program's environment, by which all that came of it is found and ended.
    pub marker: (OsString, OsString),
    /// A process below the program that has this variable is nobody's and lives on.
    pub exempt_variable: Option<OsString>,
    /// What the program may do and is answered.
    pub filter: FilterOptions,
    /// How long the last screen stays to be seen after the program ended.
    pub linger: Duration,
    /// How long a process is given to end after SIGTERM before it is killed.
    pub grace: Duration,
}

impl RunnerOptions {
    /// Describes `command` in `working_directory` behind `socket`, with everything else as usual.
    pub fn new(socket: PathBuf, command: Vec<OsString>, working_directory: PathBuf) -> RunnerOptions {
        RunnerOptions {
            socket,
            command,
            working_directory,
            environment: Vec::new(),
            size: Size::new(100, 30),
            scrollback_lines: 2000,
            exit_file: None,
            runner_file: None,
            marker: (OsString::from("ORCHFLOW_RUNNER"), OsString::from(format!("{}", std::process::id()))),
            exempt_variable: None,
            filter: FilterOptions::default(),
            linger: Duration::from_secs(60),
            grace: Duration::from_secs(2),
        }
    }
}

/// Says why a runner could not start or go on.
#[derive(Debug, thiserror::Error)]
pub enum RunnerError {
    /// Another runner answers on the socket.
    #[error("a runner already listens on {0}: attach to it, or stop it first")]
    AlreadyRunning(PathBuf),
    /// The path does not fit into a socket address.
    #[error("the socket path {0} has more than 107 bytes: set XDG_RUNTIME_DIR to a shorter folder")]
    SocketPathTooLong(PathBuf),
    /// The socket's folder belongs to another user or is open to others.
    #[error("the folder {0} is not private to this user: remove it or set its mode to 0700")]
    FolderNotPrivate(PathBuf),
    /// The program could not be started.
    #[error("cannot start {program}: {reason}")]
    Spawn {
        /// The program.
        program: String,
        /// Why, in the system's words.
        reason: String,
    },
    /// Something the runner needs from the system failed.
    #[error("cannot {what}: {source}")]
    System {
        /// What was tried.
        what: &'static str,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

impl RunnerError {
    pub(super) fn system(what: &'static str) -> impl FnOnce(std::io::Error) -> RunnerError {
        move |source| RunnerError::System { what, source }
    }
}
