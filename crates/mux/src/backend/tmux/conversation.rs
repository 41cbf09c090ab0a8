//! One exchange with a tmux server: commands out, their answers back, in order.
//!
//! Each exchange is a control-mode client of its own that never *attaches*. A client that stays attached
//! would save two milliseconds an exchange, and disturb the user meanwhile: tmux counts it as a focused
//! terminal, so that an editor is no longer told when its window loses the focus (and is not told
//! afterwards either); it keeps sessions alive that should end when their last client leaves; and an
//! `attach -d` throws it out. An unattached client has no session, no size and no focus, and nothing is
//! left of it when it ends.
//!
//! All commands of an exchange are one command sequence, run by the server in one go; it stops at the first
//! error. Answers of the user's own hooks stand among ours and look the same, so a marker nobody can guess
//! goes before each command, and the first block after a marker is that command's.

use std::ffi::{OsStr, OsString};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::process::{ChildStderr, ChildStdout, Command as Process};

use super::grammar::{Block, Event, Parser};
use super::{version, words};
use crate::backend::BackendError;

/// The most bytes of commands given to one client; tmux refuses messages of 16 KiB.
const BYTES_AT_ONCE: usize = 15_000;
/// The most of a client's error output that is kept, in bytes.
const ERROR_OUTPUT_LIMIT: u64 = 4096;

/// Which server is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Socket {
    /// The one at a path, as in the front's `TMUX` (`tmux -S`).
    Path(PathBuf),
    /// The user's own with a name (`tmux -L`).
    Name(String),
}

impl std::fmt::Display for Socket {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Socket::Path(path) => path.display().fmt(formatter),
            Socket::Name(name) => write!(formatter, "-L {name}"),
        }
    }
}

/// One tmux command; its arguments reach tmux as they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    words: Vec<OsString>,
}

impl Command {
    /// Starts with the command's name.
    pub fn new(name: &str) -> Self {
        Command { words: vec![name.into()] }
    }

    /// Adds one argument.
    #[must_use]
    pub fn arg(mut self, word: impl AsRef<OsStr>) -> Self {
        self.words.push(word.as_ref().to_owned());
        self
    }

    /// Adds several arguments.
    #[must_use]
    pub fn args<W: AsRef<OsStr>>(mut self, words: impl IntoIterator<Item = W>) -> Self {
        self.words.extend(words.into_iter().map(|word| word.as_ref().to_owned()));
        self
    }

    /// Gives the command's name.
    pub fn name(&self) -> String {
        self.words.first().map(|word| word.to_string_lossy().into_owned()).unwrap_or_default()
    }

    /// Checks that tmux can take the command.
    ///
    /// # Errors
    ///
    /// [`BackendError::BadArgument`] if it is too long or holds a NUL byte.
    pub fn check(&self) -> Result<(), BackendError> {
        batches(std::slice::from_ref(self)).map(drop)
    }

    fn written(&self) -> Result<Vec<OsString>, BackendError> {
        self.words.iter().map(|word| words::argument(word)).collect()
    }
}

/// What became of one command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It succeeded; its output, line by line.
    Done(Vec<String>),
    /// It failed; tmux's words.
    Refused(String),
    /// It was not run, because one before it failed.
    Skipped,
}

impl Outcome {
    /// Gives the output of a command that succeeded.
    ///
    /// # Errors
    ///
    /// [`BackendError::Refused`] with tmux's words.
    pub fn output(self, command: &Command) -> Result<Vec<String>, BackendError> {
        let message = match self {
            Outcome::Done(lines) => return Ok(lines),
            Outcome::Refused(message) => message,
            Outcome::Skipped => String::from("a command before it failed"),
        };
        Err(BackendError::Refused { command: command.name(), message })
    }
}

/// Talks to one server.
#[derive(Debug, Clone)]
pub struct Conversation {
    program: PathBuf,
    socket: Socket,
    limit: Duration,
}

impl Conversation {
    /// Speaks through `program` to the server at `socket`, and waits at most `limit` for each exchange.
    pub fn new(program: PathBuf, socket: Socket, limit: Duration) -> Self {
        Conversation { program, socket, limit }
    }

    /// Names the server.
    pub fn socket(&self) -> &Socket {
        &self.socket
    }

    /// Checks that tmux is there and new enough.
    ///
    /// # Errors
    ///
    /// [`BackendError::ProgramMissing`] or [`BackendError::TooOld`].
    pub async fn check_version(&self) -> Result<(), BackendError> {
        let mut process = self.process();
        process.arg("-V").stdout(Stdio::piped()).stderr(Stdio::null());
        let running = process.spawn().map_err(|error| self.missing(error))?;
        let output = self.in_time(async { Ok(running.wait_with_output().await?) }).await?;
        version::check(&String::from_utf8_lossy(&output.stdout))
    }

    /// Runs one command.
    ///
    /// # Errors
    ///
    /// [`BackendError::Refused`] with tmux's words, or what kept the server from answering.
    pub async fn ask(&self, command: &Command) -> Result<Vec<String>, BackendError> {
        let outcomes = self.until_error(std::slice::from_ref(command)).await?;
        outcomes.into_iter().next().unwrap_or(Outcome::Skipped).output(command)
    }

    /// Runs commands in order up to the first that fails; gives one outcome for each.
    ///
    /// # Errors
    ///
    /// What kept the server from answering. Commands may have been run all the same.
    pub async fn until_error(&self, commands: &[Command]) -> Result<Vec<Outcome>, BackendError> {
        let mut outcomes = Vec::with_capacity(commands.len());
        for batch in batches(commands)? {
            outcomes.extend(self.exchange(&["-N"], batch).await?);
            if outcomes.iter().any(|outcome| !matches!(outcome, Outcome::Done(_))) {
                break;
            }
        }
        outcomes.resize(commands.len(), Outcome::Skipped);
        Ok(outcomes)
    }

    /// Runs commands in order, also those after one that failed; gives one outcome for each.
    ///
    /// # Errors
    ///
    /// What kept the server from answering. Commands may have been run all the same.
    pub async fn each(&self, commands: &[Command]) -> Result<Vec<Outcome>, BackendError> {
        let mut outcomes = Vec::with_capacity(commands.len());
        while let Some(rest) = commands.get(outcomes.len()..).filter(|rest| !rest.is_empty()) {
            let run = self.until_error(rest).await?;
            let answered = run.iter().take_while(|outcome| **outcome != Outcome::Skipped).count();
            // Should nothing be answered at all, the next command is the one to go on with.
            outcomes.extend(run.into_iter().take(answered.max(1)));
        }
        Ok(outcomes)
    }

    /// Runs one command, and starts a server without the user's configuration if none is there.
    ///
    /// # Errors
    ///
    /// [`BackendError::Refused`] with tmux's words, or what kept the server from answering.
    pub async fn start(&self, command: &Command) -> Result<Vec<String>, BackendError> {
        let batch = batches(std::slice::from_ref(command))?.into_iter().next().unwrap_or_default();
        let outcomes = self.exchange(&["-f", "/dev/null"], batch).await?;
        outcomes.into_iter().next().unwrap_or(Outcome::Skipped).output(command)
    }

    async fn exchange(
        &self,
        options: &[&str],
        batch: Vec<Vec<OsString>>,
    ) -> Result<Vec<Outcome>, BackendError> {
        let nonce = RandomState::new().build_hasher().finish();
        let mut answers = Answers::new(nonce, batch.len());
        let mut process = self.process();
        // UTF-8 whatever the locale is, else tmux would replace what is not ASCII.
        process.arg("-u").args(options).arg("-C");
        for (index, words) in batch.iter().enumerate() {
            if index > 0 {
                process.arg(";");
            }
            process.args(["display-message", "-p", &answers.marker(index), ";"]).args(words);
        }
        process.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut running = process.spawn().map_err(|error| self.missing(error))?;
        // tmux 3.3a leaves at the end of its input, even in the middle of its answers: the input stays open.
        let stdin = running.stdin.take();
        let (stdout, stderr) = (running.stdout.take(), running.stderr.take());
        let message = self
            .in_time(async {
                let (read, message) = tokio::join!(read_answers(stdout, &mut answers), read_message(stderr));
                drop(stdin);
                read?;
                running.wait().await?;
                Ok(message)
            })
            .await?;
        answers.outcomes().ok_or_else(|| {
            let said = String::from_utf8_lossy(&message).trim().to_owned();
            let message = if said.is_empty() {
                let program = self.program.display();
                format!(
                    "it ended without an answer, as it does when the server is another version than {program}"
                )
            } else {
                said
            };
            BackendError::NoServer { socket: self.socket.to_string(), message }
        })
    }

    /// A tmux client whose environment does not say that it runs inside a tmux.
    fn process(&self) -> Process {
        let mut process = Process::new(&self.program);
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_bytes().starts_with(b"TMUX")) {
            // The one that says where named sockets are, for the user's own `tmux -L` looks there too.
            if name != "TMUX_TMPDIR" || matches!(self.socket, Socket::Path(_)) {
                process.env_remove(name);
            }
        }
        match &self.socket {
            Socket::Path(path) => process.arg("-S").arg(path),
            Socket::Name(name) => process.arg("-L").arg(name),
        };
        process
    }

    fn missing(&self, error: std::io::Error) -> BackendError {
        BackendError::ProgramMissing { program: self.program.clone(), error }
    }

    async fn in_time<T>(
        &self,
        work: impl Future<Output = Result<T, BackendError>>,
    ) -> Result<T, BackendError> {
        let late = |_| BackendError::Unanswered {
            socket: self.socket.to_string(),
            program: self.program.clone(),
            limit: self.limit,
        };
        tokio::time::timeout(self.limit, work).await.map_err(late)?
    }
}

/// Reads until the server lets the client go, or the stream ends.
async fn read_answers(stdout: Option<ChildStdout>, answers: &mut Answers) -> io::Result<()> {
    let Some(mut stdout) = stdout else { return Ok(()) };
    let mut parser = Parser::new();
    let mut buffer = vec![0; 16 * 1024];
    while !answers.over {
        let count = stdout.read(&mut buffer).await?;
        match buffer.get(..count) {
            None | Some([]) => break,
            Some(bytes) => parser.feed(bytes).into_iter().for_each(|event| answers.take(event)),
        }
    }
    Ok(())
}

/// Reads the beginning of what the client says about itself; it can be lost without harm.
async fn read_message(stderr: Option<ChildStderr>) -> Vec<u8> {
    let mut message = Vec::new();
    if let Some(stderr) = stderr {
        let _ = stderr.take(ERROR_OUTPUT_LIMIT).read_to_end(&mut message).await;
    }
    message
}

/// Cuts commands, written for tmux, into as many batches as one client each can take.
fn batches(commands: &[Command]) -> Result<Vec<Vec<Vec<OsString>>>, BackendError> {
    let mut batches: Vec<Vec<Vec<OsString>>> = Vec::new();
    let mut room = 0;
    for command in commands {
        let words = command.written()?;
        // The marker before a command takes about fifty bytes more.
        let bytes = 64 + words.iter().map(|word| word.len() + 1).sum::<usize>();
        if bytes > BYTES_AT_ONCE {
            return Err(BackendError::BadArgument { what: "a command", why: "it is too long" });
        }
        if bytes > room || batches.is_empty() {
            batches.push(Vec::new());
            room = BYTES_AT_ONCE;
        }
        room -= bytes;
        if let Some(batch) = batches.last_mut() {
            batch.push(words);
        }
    }
    Ok(batches)
}

/// Gives each block of the stream to the command it answers.
#[derive(Debug)]
struct Answers {
    nonce: u64,
    outcomes: Vec<Option<Outcome>>,
    next: usize,
    /// The command whose marker was the last block.
    awaited: Option<usize>,
    failed: bool,
    /// What the client said outside the protocol.
    text: Vec<u8>,
    /// Whether the server has let the client go.
    over: bool,
}

impl Answers {
    fn new(nonce: u64, commands: usize) -> Self {
        Answers {
            nonce,
            outcomes: vec![None; commands],
            next: 0,
            awaited: None,
            failed: false,
            text: Vec::new(),
            over: false,
        }
    }

    fn marker(&self, index: usize) -> String {
        format!("orchflow-{:016x}-{index}", self.nonce)
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Block(block) => self.take_block(block),
            // A sequence that tmux cannot read fails as a whole, before its first marker.
            Event::Exit(_) => {
                self.over = true;
                if self.next == 0 && !self.text.is_empty() {
                    self.refuse(0, String::from_utf8_lossy(&self.text).into_owned());
                }
            }
            Event::Text(text) if self.text.is_empty() => self.text = text,
            Event::Text(_) | Event::Notification { .. } => {}
        }
    }

    fn take_block(&mut self, block: Block) {
        if block.succeeded && block.lines == [self.marker(self.next).into_bytes()] {
            self.awaited = Some(self.next);
            self.next += 1;
            return;
        }
        let Some(index) = self.awaited.take() else { return };
        if !block.succeeded {
            self.refuse(index, block.message());
            return;
        }
        let lines = block.lines.iter().map(|line| String::from_utf8_lossy(line).into_owned());
        if let Some(slot) = self.outcomes.get_mut(index) {
            *slot = Some(Outcome::Done(lines.collect()));
        }
    }

    fn refuse(&mut self, index: usize, message: String) {
        self.failed = true;
        if let Some(slot) = self.outcomes.get_mut(index) {
            *slot = Some(Outcome::Refused(message));
        }
    }

    /// Gives the outcomes, or nothing if the stream ended without an answer that had to come.
    fn outcomes(self) -> Option<Vec<Outcome>> {
        let failed = self.failed;
        let filled = self.outcomes.into_iter().map(|outcome| match outcome {
            None if failed => Some(Outcome::Skipped),
            outcome => outcome,
        });
        filled.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(succeeded: bool, line: &str) -> Event {
        let lines = if line.is_empty() { Vec::new() } else { vec![line.as_bytes().to_vec()] };
        Event::Block(Block { number: 1, flags: 0, succeeded, lines, truncated: false })
    }

    fn answered(commands: usize, blocks: &[(bool, &str)]) -> Option<Vec<Outcome>> {
        let mut answers = Answers::new(7, commands);
        let marked = |text: &str| text.replace("MARK", "orchflow-0000000000000007");
        for (succeeded, text) in blocks {
            answers.take(block(*succeeded, &marked(text)));
        }
        answers.take(Event::Exit(Vec::new()));
        answers.outcomes()
    }

    fn done(line: &str) -> Outcome {
        Outcome::Done(if line.is_empty() { Vec::new() } else { vec![line.to_owned()] })
    }

    #[test]
    fn each_command_gets_the_block_after_its_marker() {
        let blocks = [
            (true, "MARK-0"),
            (true, "%5"),
            (true, "output of a hook"),
            (false, "error of a hook"),
            (true, "MARK-1"),
            (true, ""),
        ];
        assert_eq!(answered(2, &blocks), Some(vec![done("%5"), done("")]));
    }

    #[test]
    fn what_follows_an_error_was_not_run() {
        let blocks = [(true, "MARK-0"), (true, "a"), (true, "MARK-1"), (false, "can't find pane: %9")];
        let refused = Outcome::Refused("can't find pane: %9".into());
        assert_eq!(answered(3, &blocks), Some(vec![done("a"), refused, Outcome::Skipped]));
    }

    #[test]
    fn a_sequence_that_does_not_parse_fails_as_a_whole() {
        let mut answers = Answers::new(7, 2);
        answers.take(Event::Text(b"unknown command: bogus".to_vec()));
        answers.take(Event::Exit(Vec::new()));
        let refused = Outcome::Refused("unknown command: bogus".into());
        assert_eq!(answers.outcomes(), Some(vec![refused, Outcome::Skipped]));
    }

    #[test]
    fn a_server_that_ends_early_has_not_answered() {
        assert_eq!(answered(1, &[]), None);
        assert_eq!(answered(2, &[(true, "MARK-0"), (true, "a"), (true, "MARK-1")]), None);
    }

    #[test]
    fn output_that_repeats_a_marker_is_output() {
        let blocks = [(true, "MARK-0"), (true, "MARK-0"), (true, "MARK-1"), (true, "b")];
        assert_eq!(answered(2, &blocks), Some(vec![done("orchflow-0000000000000007-0"), done("b")]));
    }

    #[test]
    fn long_sequences_are_cut_between_commands() {
        let command = Command::new("display-message").arg("x".repeat(5000));
        let batches = batches(&vec![command; 7]).unwrap();
        assert_eq!(batches.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2, 2, 1]);
        assert!(super::batches(&[Command::new("x").arg("y".repeat(20_000))]).is_err());
        assert!(super::batches(&[Command::new("x").arg("a\0b")]).is_err());
    }
}
