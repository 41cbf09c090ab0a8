//! Calls of `wezterm cli`: a process each, which talks to the wezterm that listens at a socket.
//!
//! The `cli` has no channel that tells of anything by itself, so nothing is kept open. The user's configuration is
//! not run for it (`-n`), and no server is started where none is (`--no-auto-start`).

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::net::UnixStream;
use tokio::process::Command;

use super::error::WeztermError;
use super::grammar::{self, Pane, Wrong};
use crate::backend::PaneId;

/// The most of an answer that is read, in bytes; a pane takes half a kilobyte of the list.
const ANSWER_LIMIT: u64 = 8 << 20;
/// The most of a complaint that is read, in bytes.
const COMPLAINT_LIMIT: u64 = 4096;
/// The most of an answer that a message repeats, in characters.
const SHOWN: usize = 200;

/// Talks to one wezterm.
#[derive(Debug, Clone)]
pub struct Conversation {
    program: PathBuf,
    socket: PathBuf,
    limit: Duration,
}

impl Conversation {
    /// Speaks through `program` to whoever listens at `socket`, and waits at most `limit` for each answer.
    pub fn new(program: PathBuf, socket: PathBuf, limit: Duration) -> Self {
        Conversation { program, socket, limit }
    }

    /// Uses the `wezterm` that stands beside the program of the server, where there is one: it is of its version.
    #[must_use]
    pub fn beside(mut self, server_pid: u32) -> Self {
        let executable = std::fs::read_link(format!("/proc/{server_pid}/exe")).ok();
        let is_wezterm =
            |path: &&PathBuf| path.file_name().is_some_and(|name| name.as_bytes().starts_with(b"wezterm"));
        let sibling = executable.as_ref().filter(is_wezterm).map(|path| path.with_file_name("wezterm"));
        if let Some(program) = sibling.filter(|program| program.is_file()) {
            self.program = program;
        }
        self
    }

    /// Gives the process that listens at the socket.
    ///
    /// # Errors
    ///
    /// [`WeztermError::NoServer`] when none does, [`WeztermError::Unanswered`] when it takes no connection.
    pub async fn server_pid(&self) -> Result<u32, WeztermError> {
        let gone = |message: String| WeztermError::NoServer { socket: self.shown_socket(), message };
        let connected = tokio::time::timeout(self.limit, UnixStream::connect(&self.socket)).await;
        let stream = connected.map_err(|_| self.late("list"))?.map_err(|error| gone(error.to_string()))?;
        let pid = stream.peer_cred()?.pid().and_then(|pid| u32::try_from(pid).ok()).filter(|pid| *pid > 0);
        pid.ok_or_else(|| gone("its process is not seen from here".to_owned()))
    }

    /// Lists all panes.
    ///
    /// # Errors
    ///
    /// What kept it from answering, or [`WeztermError::TooOld`] for a list that lacks what is needed.
    pub async fn list(&self) -> Result<Vec<Pane>, WeztermError> {
        let printed = self.ask("list", &["--format", "json"]).await?;
        grammar::read_list(&printed).map_err(|wrong| match wrong {
            Wrong::Unreadable => unreadable("list", &printed),
            Wrong::Lacks(lacks) => WeztermError::TooOld { lacks: lacks.to_owned() },
        })
    }

    /// Runs a command that prints the number of a new pane.
    ///
    /// # Errors
    ///
    /// What it said, or what kept it from answering.
    pub async fn opens<W: AsRef<OsStr>>(&self, command: &str, words: &[W]) -> Result<PaneId, WeztermError> {
        let printed = self.ask(command, words).await?;
        grammar::read_pane(&printed).ok_or_else(|| unreadable(command, &printed))
    }

    /// Runs a command and gives what it printed.
    ///
    /// # Errors
    ///
    /// [`WeztermError::Refused`] with its words, or what kept it from answering.
    pub async fn ask<W: AsRef<OsStr>>(&self, command: &str, words: &[W]) -> Result<Vec<u8>, WeztermError> {
        let mut process = self.process();
        process.arg(command);
        for word in words {
            if word.as_ref().as_bytes().contains(&0) {
                return Err(WeztermError::BadArgument { what: "an argument", why: "it holds a NUL byte" });
            }
            process.arg(word);
        }
        let missing = |error| WeztermError::ProgramMissing { program: self.program.clone(), error };
        let mut running = process.spawn().map_err(missing)?;
        let (stdout, stderr) = (running.stdout.take(), running.stderr.take());
        let work = async {
            let (printed, complaint) =
                tokio::join!(read(stdout, ANSWER_LIMIT), read(stderr, COMPLAINT_LIMIT));
            let status = running.wait().await?;
            Ok::<_, std::io::Error>((printed?, complaint?, status))
        };
        let (printed, complaint, status) =
            tokio::time::timeout(self.limit, work).await.map_err(|_| self.late(command))??;
        if status.success() {
            return Ok(printed);
        }
        let complaint = String::from_utf8_lossy(&complaint).into_owned();
        if grammar::knows_not(&complaint) {
            return Err(WeztermError::TooOld { lacks: grammar::one_line(&complaint) });
        }
        let message = match grammar::one_line(&complaint) {
            said if said.is_empty() => format!("it ended with {status} and without a word"),
            said => said,
        };
        Err(WeztermError::Refused { command: command.to_owned(), message })
    }

    /// A `wezterm cli` whose surroundings name no other wezterm than the one that is meant.
    fn process(&self) -> Command {
        let mut process = Command::new(&self.program);
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_bytes().starts_with(b"WEZTERM_")) {
            process.env_remove(name);
        }
        process.env("WEZTERM_UNIX_SOCKET", &self.socket).args(["-n", "cli", "--no-auto-start"]);
        process.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        process
    }

    fn late(&self, command: &str) -> WeztermError {
        WeztermError::Unanswered {
            socket: self.shown_socket(),
            command: command.to_owned(),
            limit: self.limit,
        }
    }

    fn shown_socket(&self) -> String {
        Path::display(&self.socket).to_string()
    }
}

async fn read(stream: Option<impl AsyncRead + Unpin>, limit: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(mut stream) = stream {
        (&mut stream).take(limit).read_to_end(&mut bytes).await?;
        // What is more is let go by, so that the program can end.
        tokio::io::copy(&mut stream, &mut tokio::io::sink()).await?;
    }
    Ok(bytes)
}

fn unreadable(command: &str, printed: &[u8]) -> WeztermError {
    let reply = String::from_utf8_lossy(printed).chars().take(SHOWN).collect();
    WeztermError::Unreadable { command: command.to_owned(), reply }
}

/// Takes an argument of any bytes among others.
pub(super) fn words<const N: usize>(fixed: [&str; N]) -> Vec<OsString> {
    fixed.into_iter().map(OsString::from).collect()
}
