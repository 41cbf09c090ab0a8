//! The program: its start, its lines, its end.

use std::io::{self, BufRead as _, BufReader, Read, Write as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use orchflow_agent::terminal::plain;
use rustix::process::{Pid, Signal};
use serde_json::Value;

/// Longest line taken, in bytes.
pub const LINE_LIMIT: usize = 32 << 20;

/// Most bytes that may wait to be read by the program.
const UNREAD_LIMIT: usize = 128 << 20;

/// How much is kept of what it last said on standard error, in bytes.
const WORDS: usize = 2 << 10;

/// How long a program may take to end once its input is closed, and once it was told to.
const GRACE: [Duration; 2] = [Duration::from_millis(1500), Duration::from_millis(800)];

/// What a program did.
#[derive(Debug)]
pub enum Said {
    /// It wrote a line. The next one comes after [`Child::heard`].
    Line(Vec<u8>),
    /// It wrote one that is too long.
    TooLong,
    /// Its output ended.
    Closed {
        /// Whether in the middle of a line.
        truncated: bool,
    },
    /// It ended.
    Exited(String),
}

/// A running program, in a process group of its own.
pub struct Child {
    group: Option<Pid>,
    lines: Option<Sender<Vec<u8>>>,
    unread: Arc<AtomicUsize>,
    last_words: Arc<Mutex<Vec<u8>>>,
    has_exited: Arc<AtomicBool>,
    heard: Sender<()>,
}

impl Child {
    /// Starts a program in a folder; `tell` gets what it does, and says whether it wants more.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(
        program: &Path,
        args: &[String],
        folder: &Path,
        tell: impl Fn(Said) -> bool + Clone + Send + 'static,
    ) -> io::Result<Child> {
        let mut child = Command::new(program)
            .args(args)
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()?;
        let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let (lines, to_write) = channel::<Vec<u8>>();
        let unread = Arc::new(AtomicUsize::new(0));
        if let Some(mut input) = child.stdin.take() {
            let unread = Arc::clone(&unread);
            thread::spawn(move || {
                for line in to_write {
                    // A program that reads no more is known by its end.
                    if input.write_all(&line).and_then(|()| input.flush()).is_err() {
                        return;
                    }
                    unread.fetch_sub(line.len(), Ordering::Relaxed);
                }
            });
        }
        let last_words = Arc::new(Mutex::new(Vec::new()));
        if let Some(errors) = child.stderr.take() {
            let last_words = Arc::clone(&last_words);
            thread::spawn(move || keep_last(errors, &last_words));
        }
        let (heard, next) = channel();
        if let Some(output) = child.stdout.take() {
            let tell = tell.clone();
            thread::spawn(move || read_lines(output, &next, &tell));
        }
        let has_exited = Arc::new(AtomicBool::new(false));
        let exited = Arc::clone(&has_exited);
        thread::spawn(move || {
            let how = child.wait().map_or_else(|error| format!("is lost: {error}"), describe);
            exited.store(true, Ordering::Release);
            // What it wrote before is in the pipe still.
            thread::sleep(Duration::from_millis(100));
            tell(Said::Exited(how));
        });
        Ok(Child { group, lines: Some(lines), unread, last_words, has_exited, heard })
    }

    /// Writes a message, behind those before; returns at once.
    pub fn say(&mut self, message: &Value) {
        let mut line = message.to_string().into_bytes();
        line.push(b'\n');
        if self.unread.load(Ordering::Relaxed) + line.len() > UNREAD_LIMIT {
            // It asks and does not read what it is answered.
            self.signal(Signal::KILL);
            return;
        }
        self.unread.fetch_add(line.len(), Ordering::Relaxed);
        if let Some(lines) = &self.lines {
            let _ = lines.send(line);
        }
    }

    /// Says that a line was worked through.
    pub fn heard(&self) {
        let _ = self.heard.send(());
    }

    /// Gives the last it said on standard error, in a line.
    pub fn last_words(&self) -> String {
        let words = self.last_words.lock().unwrap_or_else(PoisonError::into_inner);
        let text = plain(&String::from_utf8_lossy(&words));
        let tail = text.trim();
        let from = tail.ceil_char_boundary(tail.len().saturating_sub(400));
        tail.get(from..).unwrap_or_default().to_owned()
    }

    /// Ends it: its input is closed, then it is told, then it is ended with all it started in its group. What an
    /// ended program left behind is found and ended by the runner.
    pub fn end(&mut self) {
        self.lines = None;
        for (grace, signal) in GRACE.into_iter().zip([Signal::TERM, Signal::KILL]) {
            let deadline = Instant::now() + grace;
            while !self.has_exited.load(Ordering::Acquire) && Instant::now() < deadline {
                thread::sleep(Duration::from_millis(10));
            }
            self.signal(signal);
        }
    }

    /// Signals its group, while its number is certainly its own.
    fn signal(&self, signal: Signal) {
        if let Some(group) = self.group.filter(|_| !self.has_exited.load(Ordering::Acquire)) {
            let _ = rustix::process::kill_process_group(group, signal);
        }
    }
}

fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with exit code {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => "ended".to_owned(),
    }
}

fn keep_last(mut errors: impl Read, last_words: &Mutex<Vec<u8>>) {
    let mut buffer = [0u8; 8192];
    while let Ok(length @ 1..) = errors.read(&mut buffer) {
        let mut words = last_words.lock().unwrap_or_else(PoisonError::into_inner);
        words.extend_from_slice(buffer.get(..length).unwrap_or_default());
        let surplus = words.len().saturating_sub(WORDS);
        words.drain(..surplus);
    }
}

fn read_lines(output: impl Read, next: &Receiver<()>, tell: &impl Fn(Said) -> bool) {
    let mut output = BufReader::with_capacity(64 << 10, output);
    loop {
        let mut line = Vec::new();
        let read = output.by_ref().take(LINE_LIMIT as u64 + 1).read_until(b'\n', &mut line);
        let said = match read {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Ok(0) | Err(_) => Said::Closed { truncated: false },
            Ok(_) if line.last() == Some(&b'\n') => Said::Line(line),
            Ok(_) if line.len() > LINE_LIMIT => Said::TooLong,
            Ok(_) => Said::Closed { truncated: true },
        };
        let goes_on = matches!(said, Said::Line(_));
        if !tell(said) || !goes_on || next.recv().is_err() {
            return;
        }
    }
}
