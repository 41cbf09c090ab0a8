//! The built-in agent: plays a script in a terminal, offline, with no model.
//!
//! It stands in for an agent where none is installed, in the demonstration and in tests. From outside
//! it is one: it takes prompts as pastes, states its status by OSC 7501 where the terminal answers for
//! it, and reports through the hook program in the words of Claude Code's hooks. It says everywhere
//! that it is a rehearsal.

mod builtin;
mod player;
mod process;
mod reporting;
mod script;
mod tools;
mod words;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::mpsc::channel;

pub use script::{Ask, Change, Edit, Flood, Script, ScriptError, Step, Subagent};

use player::Player;
use process::Event;

use crate::terminal::{self, Input, RawMode};

/// How a rehearsal is played.
#[derive(Debug, Clone)]
pub struct Options {
    /// The agent's name, shown and put for `{name}`.
    pub name: String,
    /// Its place in its run, from 0: the built-in script differs by it.
    pub persona: u32,
    /// The script; the built-in one if none is given.
    pub script: Option<PathBuf>,
    /// The worktree.
    pub worktree: PathBuf,
    /// The hook program; without it nothing is reported.
    pub hook: Option<PathBuf>,
    /// What waits are multiplied with: 1 as written, 0 none.
    pub pace: f64,
}

impl Options {
    /// Takes the worktree from the working directory, the hook program from `ORCHFLOW_HOOK` and the
    /// pace from `ORCHFLOW_REHEARSAL_SPEED` (0 removes the waits, 2 halves them).
    ///
    /// # Errors
    /// When the working directory is gone.
    pub fn from_surroundings(name: String, persona: u32, script: Option<PathBuf>) -> io::Result<Options> {
        let speed =
            std::env::var("ORCHFLOW_REHEARSAL_SPEED").ok().and_then(|speed| speed.parse::<f64>().ok());
        let pace = match speed {
            Some(0.0) => 0.0,
            Some(speed) if speed > 0.0 => (1.0 / speed).min(100.0),
            _ => 1.0,
        };
        let hook = std::env::var_os("ORCHFLOW_HOOK").map(PathBuf::from);
        Ok(Options { name, persona, script, worktree: std::env::current_dir()?, hook, pace })
    }
}

/// Plays a rehearsal on the terminal of this process until it is asked to leave.
pub fn rehearse(options: Options) -> ExitCode {
    match play(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "orchflow rehearsal: {error}\r");
            ExitCode::FAILURE
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum RehearsalError {
    #[error(transparent)]
    Script(#[from] ScriptError),
    #[error(
        "it plays in a terminal and standard input is none ({0}); start it with `orchflow spawn rehearsal`"
    )]
    NoTerminal(rustix::io::Errno),
    #[error("the terminal is gone: {0}")]
    Terminal(#[from] io::Error),
}

fn play(options: Options) -> Result<(), RehearsalError> {
    let script = options.script.as_deref().map(Script::read).transpose()?;
    let raw = RawMode::enter().map_err(RehearsalError::NoTerminal)?;
    let (events, arriving) = channel();
    let keys = events.clone();
    terminal::read(move |input| {
        let event = match input {
            Input::Bytes(bytes) => Event::Bytes(bytes),
            Input::Hangup => Event::Hangup,
        };
        keys.send(event).is_ok()
    });
    let played = Player::new(options, script, events, arriving).play();
    drop(raw);
    Ok(played?)
}
