//! Processes a rehearsal starts, waited for beside its keys.

use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, Signal};

/// Most bytes kept of what a process prints; the rest is read and dropped.
const OUTPUT_LIMIT: usize = 64 << 10;

/// How long what is left in the pipe is read after the process ended: a daemon may hold it open.
const TAIL_PATIENCE: Duration = Duration::from_millis(200);

/// What the rehearsal waits for.
#[derive(Debug)]
pub(super) enum Event {
    /// Bytes from the terminal.
    Bytes(Vec<u8>),
    /// The terminal is gone.
    Hangup,
    /// A process ended.
    Ended {
        /// Which.
        task: u64,
        /// How.
        output: Output,
    },
}

/// How a process ended and what it printed.
#[derive(Debug, Default)]
pub(super) struct Output {
    pub(super) code: Option<i32>,
    pub(super) stdout: Vec<u8>,
}

/// A running process; it is told to end when this is dropped.
pub(super) struct Task {
    pub(super) id: u64,
    handle: Option<OwnedFd>,
    group: Option<Pid>,
}

impl Task {
    /// Marks the process as ended by itself.
    pub(super) fn ended(mut self) {
        self.handle = None;
        self.group = None;
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        if let Some(group) = self.group {
            let _ = rustix::process::kill_process_group(group, Signal::TERM);
        } else if let Some(handle) = &self.handle {
            let _ = rustix::process::pidfd_send_signal(handle, Signal::TERM);
        }
    }
}

/// Runs the hook program with a body on its standard input.
pub(super) fn hook(
    task: u64,
    program: &Path,
    arguments: &[&str],
    body: Vec<u8>,
    events: &Sender<Event>,
) -> io::Result<Task> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let stdin = child.stdin.take();
    let handle = pidfd(&child);
    thread::spawn(move || {
        if let Some(mut stdin) = stdin {
            // A hook that does not read its input ends on its own.
            let _ = stdin.write_all(&body);
        }
    });
    let stdout = child.stdout.take();
    wait(task, child, stdout, events);
    Ok(Task { id: task, handle, group: None })
}

/// Runs a shell command in a directory, as a process group of its own; both outputs come as one.
pub(super) fn shell(
    task: u64,
    command: &str,
    directory: &Path,
    environment: &[(String, String)],
    events: &Sender<Event>,
) -> io::Result<Task> {
    let (reader, writer) = io::pipe()?;
    let child = Command::new("sh")
        .arg("-c")
        .arg(command)
        .current_dir(directory)
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(writer.try_clone()?)
        .stderr(writer)
        .process_group(0)
        .spawn()?;
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    wait(task, child, Some(reader), events);
    Ok(Task { id: task, handle: None, group })
}

fn pidfd(child: &Child) -> Option<OwnedFd> {
    let pid = Pid::from_raw(i32::try_from(child.id()).ok()?)?;
    rustix::process::pidfd_open(pid, PidfdFlags::empty()).ok()
}

enum Piece {
    Printed(Vec<u8>),
    PipeClosed,
    Exited(Option<i32>),
}

fn wait(task: u64, mut child: Child, pipe: Option<impl Read + Send + 'static>, events: &Sender<Event>) {
    let (pieces, arriving) = channel();
    let exits = pieces.clone();
    thread::spawn(move || {
        let mut buffer = [0u8; 8192];
        if let Some(mut pipe) = pipe {
            while let Ok(length @ 1..) = pipe.read(&mut buffer) {
                let piece = buffer.get(..length).unwrap_or_default().to_vec();
                if pieces.send(Piece::Printed(piece)).is_err() {
                    return;
                }
            }
        }
        let _ = pieces.send(Piece::PipeClosed);
    });
    thread::spawn(move || {
        let code = child.wait().ok().and_then(|status| status.code());
        let _ = exits.send(Piece::Exited(code));
    });
    let events = events.clone();
    thread::spawn(move || {
        let output = collect(&arriving);
        let _ = events.send(Event::Ended { task, output });
    });
}

/// Puts together what a process printed until it ended. A child of it that still holds the pipe is
/// not waited for.
fn collect(arriving: &Receiver<Piece>) -> Output {
    let mut output = Output::default();
    let (mut exited, mut closed) = (false, false);
    while !(exited && closed) {
        let piece = if exited { arriving.recv_timeout(TAIL_PATIENCE).ok() } else { arriving.recv().ok() };
        match piece {
            Some(Piece::Printed(bytes)) => {
                let room = OUTPUT_LIMIT.saturating_sub(output.stdout.len());
                output.stdout.extend(bytes.into_iter().take(room));
            }
            Some(Piece::PipeClosed) => closed = true,
            Some(Piece::Exited(code)) => {
                output.code = code;
                exited = true;
            }
            None => break,
        }
    }
    output
}
