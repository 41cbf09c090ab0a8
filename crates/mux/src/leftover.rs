//! Finds and ends what a program left behind: its descendants, and whatever carries its marker.
//!
//! A runner is a child subreaper, so a process that was double-forked away is still its descendant. A host that
//! finds a runner dead has only the marker: a variable set in the environment the program was started with.

use std::collections::{BTreeSet, HashMap};
use std::ffi::OsStr;
use std::fs;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open, pidfd_send_signal};

/// How often a dying process is looked at.
const LOOK: Duration = Duration::from_millis(10);

/// Names processes by a variable in the environment they were started with.
#[derive(Debug, Clone, Copy)]
pub struct Marker<'a> {
    /// Name of the variable.
    pub name: &'a OsStr,
    /// Its value.
    pub value: &'a OsStr,
}

/// A process and when it started, so that a number used again is not taken for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Process {
    /// Process id.
    pub pid: i32,
    /// Start time in clock ticks since boot.
    pub started: u64,
}

/// Finds the living processes that carry the marker, whoever their parent is. The caller itself is left out, and
/// so is whatever carries `exempt` as well.
pub fn marked(marker: Marker<'_>, exempt: Option<&OsStr>) -> BTreeSet<Process> {
    let entry = [marker.name.as_bytes(), b"=", marker.value.as_bytes()].concat();
    let exempt = exempt.map(|name| [name.as_bytes(), b"="].concat());
    table()
        .into_values()
        .filter(|row| row.process.pid != own_pid() && !row.dead)
        .map(|row| row.process)
        .filter(|process| {
            let environment = environment(process.pid);
            let mut variables = environment.split(|byte| *byte == 0);
            variables.clone().any(|variable| variable == entry)
                && !variables
                    .any(|variable| exempt.as_ref().is_some_and(|prefix| variable.starts_with(prefix)))
        })
        .collect()
}

/// A process and the environment it was started with.
#[derive(Debug, Clone)]
pub struct Started {
    /// The process.
    pub process: Process,
    /// Its parent.
    pub parent: i32,
    environment: Vec<u8>,
}

impl Started {
    /// Gives a variable's value.
    pub fn variable(&self, name: &str) -> Option<&OsStr> {
        let value =
            |entry: &'_ [u8]| entry.strip_prefix(name.as_bytes())?.strip_prefix(b"=").map(<[u8]>::len);
        let entry = self.environment.split(|byte| *byte == 0).find(|entry| value(entry).is_some())?;
        entry.get(name.len() + 1..).map(OsStr::from_bytes)
    }
}

/// Reads a process with its environment; `None` where there is none of this number, or it is not for this user to read.
pub fn read(pid: i32) -> Option<Started> {
    let row = read_row(pid)?;
    let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
    Some(Started { process: row.process, parent: row.parent, environment })
}

/// Finds the living processes that were started with a variable of this name, whatever its value. The caller itself
/// is left out, and so is whoever's environment is not for this user to read.
pub fn with_variable(name: &str) -> Vec<Started> {
    table()
        .into_values()
        .filter(|row| row.process.pid != own_pid() && !row.dead)
        .map(|row| Started {
            process: row.process,
            parent: row.parent,
            environment: environment(row.process.pid),
        })
        .filter(|started| started.variable(name).is_some())
        .collect()
}

/// Tells whether `pid` is `root` or one of its descendants.
pub fn descends(mut pid: i32, root: i32) -> bool {
    // A chain longer than this is a race with numbers used again, not a family.
    for _ in 0..256 {
        if pid == root {
            return true;
        }
        match read_row(pid) {
            Some(row) if row.parent > 0 => pid = row.parent,
            _ => return false,
        }
    }
    false
}

/// Finds the living descendants of `root`. One that carries `exempt` in its environment is left out, and so is
/// everything below it: that is how a daemon says that it belongs to nobody.
pub fn descendants(root: i32, exempt: Option<&OsStr>) -> BTreeSet<Process> {
    let exempt = exempt.map(|name| [name.as_bytes(), b"="].concat());
    let table = table();
    let mut children: HashMap<i32, Vec<Row>> = HashMap::new();
    for row in table.into_values() {
        children.entry(row.parent).or_default().push(row);
    }
    let mut found = BTreeSet::new();
    let mut open = vec![root];
    while let Some(parent) = open.pop() {
        for row in children.remove(&parent).unwrap_or_default() {
            let pid = row.process.pid;
            if exempt.as_ref().is_some_and(|prefix| has_prefix(pid, prefix)) {
                continue;
            }
            open.push(pid);
            if !row.dead {
                found.insert(row.process);
            }
        }
    }
    found
}

/// Sends a signal to each process that is still the one that was found. Returns how many were reached.
pub fn signal_all<'a>(processes: impl IntoIterator<Item = &'a Process>, signal: Signal) -> usize {
    processes.into_iter().filter(|process| signal_one(process, signal)).count()
}

/// Signals a process while it is held, so that its number cannot come to be another's between the look and the signal.
fn signal_one(process: &Process, signal: Signal) -> bool {
    let Some(pid) = Pid::from_raw(process.pid) else { return false };
    match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(held) => lives(process) && pidfd_send_signal(&held, signal).is_ok(),
        // Before Linux 5.3 processes cannot be held.
        Err(rustix::io::Errno::NOSYS) => lives(process) && kill_process(pid, signal).is_ok(),
        Err(_) => false,
    }
}

/// Ends what carries the marker: politely, by force after `grace`. Returns how many processes there were. It blocks.
///
/// For a host that finds a runner dead before its time; a runner does this for itself.
pub fn end_marked(marker: Marker<'_>, exempt: Option<&OsStr>, grace: Duration) -> usize {
    let mut seen = marked(marker, exempt);
    signal_all(&seen, Signal::TERM);
    // A stopped process hears the other signal only when it goes on.
    signal_all(&seen, Signal::CONT);
    let deadline = Instant::now() + grace;
    while Instant::now() < deadline && seen.iter().any(lives) {
        std::thread::sleep(LOOK);
    }
    // Each round may meet children born in the one before.
    for _ in 0..100 {
        let left = marked(marker, exempt);
        if left.is_empty() {
            break;
        }
        signal_all(&left, Signal::KILL);
        seen.extend(left);
        std::thread::sleep(LOOK);
    }
    seen.len()
}

/// Tells whether a process lives and is still the one that was found. A zombie does not live.
pub fn lives(process: &Process) -> bool {
    read_row(process.pid).is_some_and(|row| row.process == *process && !row.dead)
}

/// Tells whether a process is halted. One that is gone is not.
pub fn is_halted(process: &Process) -> bool {
    read_row(process.pid).is_some_and(|row| row.process == *process && row.halted)
}

/// Tells whether a process that was told to halt can do nothing any more: it is halted, or waits within the kernel,
/// where it halts before it comes out. A shell waits so for a child that was halted before it became its program.
pub fn stands_still(process: &Process) -> bool {
    read_row(process.pid).is_none_or(|row| row.process != *process || row.dead || row.halted || row.in_kernel)
}

/// Gives the parent of a process; `None` when there is none of this number.
pub fn parent(pid: i32) -> Option<i32> {
    read_row(pid).map(|row| row.parent)
}

/// Reads when a process started, in clock ticks since boot; `None` when there is none of this number.
pub fn started(pid: i32) -> Option<u64> {
    read_row(pid).map(|row| row.process.started)
}

/// Names the boot this system runs since: numbers and start times of processes mean nothing in another.
pub fn boot() -> Option<String> {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(text.trim().to_owned())
}

#[derive(Debug)]
struct Row {
    process: Process,
    parent: i32,
    dead: bool,
    halted: bool,
    /// It waits within the kernel and cannot be woken before its time.
    in_kernel: bool,
}

fn own_pid() -> i32 {
    rustix::process::getpid().as_raw_nonzero().get()
}

fn table() -> HashMap<i32, Row> {
    let Ok(entries) = fs::read_dir("/proc") else { return HashMap::new() };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok())
        .filter_map(|pid| Some((pid, read_row(pid)?)))
        .collect()
}

/// Reads `/proc/PID/stat`; the command in it may hold anything, so fields are counted from its last parenthesis.
fn read_row(pid: i32) -> Option<Row> {
    // One read gives the whole line; a file that says to be empty is read bit by bit otherwise.
    let mut line = [0u8; 1024];
    let length = fs::File::open(format!("/proc/{pid}/stat")).ok()?.read(&mut line).ok()?;
    let stat = line.get(..length)?;
    let close = stat.iter().rposition(|byte| *byte == b')')?;
    let rest = std::str::from_utf8(stat.get(close + 1..)?).ok()?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    let started = fields.nth(17)?.parse().ok()?;
    let (dead, halted) = (matches!(state, "Z" | "X"), matches!(state, "T" | "t"));
    Some(Row { process: Process { pid, started }, parent, dead, halted, in_kernel: state == "D" })
}

fn has_prefix(pid: i32, prefix: &[u8]) -> bool {
    environment(pid).split(|byte| *byte == 0).any(|variable| variable.starts_with(prefix))
}

/// Another user's environment cannot be read: such a process is not ours.
fn environment(pid: i32) -> Vec<u8> {
    fs::read(format!("/proc/{pid}/environ")).unwrap_or_default()
}
