//! What a terminal program says besides its picture: status, title, bell, notifications, exit.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

/// Names one thing the program in the pty did or said. Texts are free of control characters and bounded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signal {
    /// The program runs.
    Started {
        /// Its process id, which is also its process group and session.
        pid: i32,
    },
    /// The program stated its own status (OSC 7501).
    Status {
        /// `idle`, `working`, `blocked`, `done`, `error`, `clear`, or a word of a later program.
        state: String,
        /// The name the program gives itself.
        app: Option<String>,
        /// What it is blocked on, for example `permission`.
        kind: Option<String>,
        /// A text for the human, decoded.
        message: Option<String>,
    },
    /// The window title changed (OSC 0 and 2).
    Title(String),
    /// BEL outside any sequence.
    Bell,
    /// A desktop notification (OSC 9, 99, 777).
    Notification {
        /// The title, where the form has one.
        title: Option<String>,
        /// The text.
        body: String,
    },
    /// A progress bar (OSC 9;4).
    Progress {
        /// How the bar is to be read.
        state: ProgressState,
        /// 0 to 100, where the program gave one.
        percent: Option<u8>,
    },
    /// The program's working directory (OSC 7), as bytes of a path.
    WorkingDirectory(PathBuf),
    /// A mark of shell integration (OSC 133).
    Mark {
        /// Which mark.
        kind: MarkKind,
        /// The exit code that came with [`MarkKind::CommandEnd`].
        exit_code: Option<i32>,
    },
    /// Bracketed paste (mode 2004) was switched.
    BracketedPaste(bool),
    /// The alternate screen was entered or left.
    AlternateScreen(bool),
    /// First output after quiet.
    OutputActive,
    /// Two seconds passed without output.
    OutputQuiet,
    /// The program is gone, its output is read to the end, and nothing of it is left behind.
    Exited {
        /// Its exit code, if it exited.
        code: Option<i32>,
        /// The signal that ended it, if one did.
        signal: Option<i32>,
        /// How many processes it left behind that had to be ended.
        leftover_ended: usize,
    },
}

/// Says how a progress bar is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProgressState {
    /// The bar is taken away.
    None,
    /// Ordinary progress.
    Normal,
    /// Progress with an error.
    Error,
    /// Busy, without a measure.
    Indeterminate,
    /// Paused or warning.
    Paused,
}

/// Tells the marks of shell integration apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MarkKind {
    /// `A`: a prompt begins.
    PromptStart,
    /// `B`: the prompt ends, input begins.
    InputStart,
    /// `C`: the command's output begins.
    OutputStart,
    /// `D`: the command ended.
    CommandEnd,
}

/// Receives signals in the order they happened. It is called on the runner's own loop and must not block.
pub trait SignalSink: Send {
    /// Takes one signal, seen at `at_us` microseconds since the epoch.
    fn emit(&mut self, signal: Signal, at_us: u64);
}

/// Drops every signal.
#[derive(Debug, Default, Clone, Copy)]
pub struct NoSignals;

impl SignalSink for NoSignals {
    fn emit(&mut self, _signal: Signal, _at_us: u64) {}
}

impl<F: FnMut(Signal, u64) + Send> SignalSink for F {
    fn emit(&mut self, signal: Signal, at_us: u64) {
        self(signal, at_us);
    }
}

/// Reads the clock in microseconds since the epoch.
pub fn now_us() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64)
}
