//! Commands: a process group of their own, bounded in time and output, without secrets.

use std::io::{PipeReader, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::{OUTPUT_LIMIT, number, text};

/// How often the human's wish to stop is looked for.
const TICK: Duration = Duration::from_millis(50);

/// How long a group that was asked to end may take.
const GRACE: Duration = Duration::from_secs(2);

/// How long what is left in the pipe is read after the command ended.
const TAIL: Duration = Duration::from_millis(200);

/// The longest command, in bytes: about what the system takes as one argument.
const COMMAND_LIMIT: usize = 120 << 10;

/// Reads the arguments: the command, and how long it may take.
pub(super) fn of(input: &Value) -> Result<(String, Option<Duration>), String> {
    let command = text(input, "command")?;
    if command.trim().is_empty() || command.contains('\0') {
        return Err("command is empty or holds a NUL".to_owned());
    }
    if command.len() > COMMAND_LIMIT {
        return Err("command is too long; write it into a file and run that".to_owned());
    }
    let limit = number(input, "timeout_s")?.map(|seconds| Duration::from_secs(seconds.max(1)));
    Ok((command.to_owned(), limit))
}

/// Runs a command with `sh` until it ends, takes too long or is interrupted. What it leaves behind in its process
/// group is ended too.
pub(super) fn run(
    command: &str,
    folder: &Path,
    limit: Duration,
    is_hidden: &dyn Fn(&str, &str) -> bool,
    cancel: &CancellationToken,
) -> Result<String, String> {
    let failed = |error: std::io::Error| format!("the command cannot be started: {error}");
    let (reader, writer) = std::io::pipe().map_err(failed)?;
    let mut shell = Command::new("sh");
    shell
        .arg("-c")
        .arg(command)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(writer.try_clone().map_err(failed)?)
        .stderr(writer)
        .process_group(0);
    for (name, value) in std::env::vars_os() {
        if is_hidden(&name.to_string_lossy(), &value.to_string_lossy()) {
            shell.env_remove(name);
        }
    }
    let mut child = shell.spawn().map_err(failed)?;
    // Ours holds the pipe's other end too.
    drop(shell);
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let pieces = read(reader);
    let mut output = Kept::default();
    let deadline = Instant::now() + limit;
    let ended = wait(&mut child, &pieces, &mut output, deadline, cancel);
    end_group(&mut child, group, ended.is_none());
    drain(&pieces, &mut output);
    let printed = output.text();
    match ended {
        Some(status) => Ok(format!("{printed}{}", how(status))),
        None if cancel.is_cancelled() => Err("interrupted by the human".to_owned()),
        None => Err(format!(
            "{printed}[ended after {} s, which it may take at most; give a larger timeout_s, or run less at once]",
            limit.as_secs()
        )),
    }
}

fn wait(
    child: &mut Child,
    pieces: &Receiver<Vec<u8>>,
    output: &mut Kept,
    deadline: Instant,
    cancel: &CancellationToken,
) -> Option<ExitStatus> {
    let mut is_open = true;
    loop {
        if let Ok(Some(status)) = child.try_wait() {
            return Some(status);
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() || cancel.is_cancelled() {
            return None;
        }
        let pause = TICK.min(left);
        if !is_open {
            thread::sleep(pause.min(Duration::from_millis(5)));
            continue;
        }
        match pieces.recv_timeout(pause) {
            Ok(piece) => output.take(&piece),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => is_open = false,
        }
    }
}

/// Ends what is left of a group: asked first where the command itself still runs.
fn end_group(child: &mut Child, group: Option<Pid>, still_runs: bool) {
    let Some(group) = group else { return };
    if still_runs {
        let _ = kill_process_group(group, Signal::TERM);
        let deadline = Instant::now() + GRACE;
        while Instant::now() < deadline && matches!(child.try_wait(), Ok(None)) {
            thread::sleep(Duration::from_millis(10));
        }
    }
    let _ = kill_process_group(group, Signal::KILL);
    let _ = child.wait();
}

fn read(mut pipe: PipeReader) -> Receiver<Vec<u8>> {
    let (pieces, arriving) = channel();
    thread::spawn(move || {
        let mut buffer = [0u8; 16 << 10];
        while let Ok(length @ 1..) = pipe.read(&mut buffer) {
            if pieces.send(buffer.get(..length).unwrap_or_default().to_vec()).is_err() {
                return;
            }
        }
    });
    arriving
}

/// Reads what is left. Somebody in another group may hold the pipe open for ever.
fn drain(pieces: &Receiver<Vec<u8>>, output: &mut Kept) {
    let deadline = Instant::now() + TAIL;
    while let Ok(piece) = pieces.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
        output.take(&piece);
    }
}

/// The beginning and the end of what was printed; errors mostly stand at one of them.
#[derive(Default)]
struct Kept {
    head: Vec<u8>,
    tail: Vec<u8>,
    dropped: u64,
}

impl Kept {
    fn take(&mut self, bytes: &[u8]) {
        let half = OUTPUT_LIMIT / 2;
        let room = half.saturating_sub(self.head.len()).min(bytes.len());
        let (head, rest) = bytes.split_at(room);
        self.head.extend_from_slice(head);
        self.tail.extend_from_slice(rest);
        // In larger steps, so that not every piece moves the rest.
        if self.tail.len() > half * 2 {
            let over = self.tail.len() - half;
            self.tail.drain(..over);
            self.dropped += over as u64;
        }
    }

    fn text(mut self) -> String {
        let over = self.tail.len().saturating_sub(OUTPUT_LIMIT / 2);
        self.tail.drain(..over);
        self.dropped += over as u64;
        let mut out = String::from_utf8_lossy(&self.head).into_owned();
        if self.dropped > 0 {
            out.push_str(&format!("\n[{} bytes left out here]\n", self.dropped));
        }
        out.push_str(&String::from_utf8_lossy(&self.tail));
        if !out.is_empty() && !out.ends_with('\n') {
            out.push('\n');
        }
        out
    }
}

fn how(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(0), _) => "[exit code 0]".to_owned(),
        (Some(code), _) => format!("[exit code {code}]"),
        (None, Some(signal)) => format!("[ended by signal {signal}]"),
        (None, None) => "[ended]".to_owned(),
    }
}
