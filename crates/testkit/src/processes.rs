//! Processes of a sandbox, found in `/proc` by what cannot be taken off them.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use rustix::process::{Pid, Signal, kill_process};

/// A living process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its number.
    pub pid: i32,
    /// Its words.
    pub words: Vec<String>,
}

impl Process {
    /// Tells whether it is the given command of a program, such as `host` of `orchflow`.
    pub fn is(&self, command: &str) -> bool {
        self.words.iter().skip(1).any(|word| word == command)
    }

    /// Gives the number of the process that began it, or that took it over.
    pub fn parent(&self) -> Option<i32> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid)).ok()?;
        // The name before stands in parentheses and may hold anything.
        stat.rsplit(')').next()?.split_whitespace().nth(1)?.parse().ok()
    }

    /// Ends it at once, without a word.
    pub fn kill(&self) {
        self.signal(Signal::KILL);
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        if let Some(pid) = Pid::from_raw(self.pid) {
            let _ = kill_process(pid, signal);
        }
    }
}

/// Tells whether a process with this number lives and is no zombie.
pub fn lives(pid: i32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit(')').next().unwrap_or_default().trim_start().starts_with(['Z', 'X']))
}

/// Finds the living processes that have `marker` in their environment, work below `root`, or hold a file
/// below it open; this process is none of them.
pub(crate) fn belonging_to(root: &Path, marker: &[u8]) -> Vec<Process> {
    let own = i32::try_from(std::process::id()).unwrap_or(0);
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok())
        .filter(|pid| *pid != own && lives(*pid) && belongs(*pid, root, marker))
        .map(|pid| Process { pid, words: words(pid) })
        .collect()
}

fn words(pid: i32) -> Vec<String> {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words = bytes.split(|byte| *byte == 0).filter(|word| !word.is_empty());
    words.map(|word| String::from_utf8_lossy(word).into_owned()).collect()
}

fn belongs(pid: i32, root: &Path, marker: &[u8]) -> bool {
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    if environment.split(|byte| *byte == 0).any(|variable| variable == marker) {
        return true;
    }
    let leads_there =
        |link: &Path| fs::read_link(link).is_ok_and(|target| starts_with(target.as_os_str(), root));
    let folder = format!("/proc/{pid}");
    if leads_there(&Path::new(&folder).join("cwd")) {
        return true;
    }
    let Ok(open) = fs::read_dir(format!("{folder}/fd")) else { return false };
    open.flatten().any(|file| leads_there(&file.path()))
}

/// Compares bytes, so that a deleted file (`… (deleted)`) still counts.
fn starts_with(target: &OsStr, root: &Path) -> bool {
    let rest = target.as_bytes().strip_prefix(root.as_os_str().as_bytes());
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
}
