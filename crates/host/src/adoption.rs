//! Agents' programs that somebody started without orchflow, in this repository.
//!
//! They are found among the processes of the same user, by program and folder. What can be done with one depends on what
//! its program tells: where the session of the process is known, an agent can go on in it, or in a copy of it. Nothing is
//! ever done to the process itself.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use orchflow_agent::catalogue::{Catalogue, Entry, Kind};
use orchflow_agent::sessions::{self, OpenSession, Running};
use orchflow_git::Repository;
use orchflow_mux::leftover::{self, Started};

use crate::paths::{RepositoryFolders, quick_common_dir};
use crate::reaping::command;

/// A process that could be an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Its number.
    pub pid: i32,
    /// The kind of agent its program is.
    pub kind: String,
    /// The same for people.
    pub title: String,
    /// Its command line, in one line.
    pub command: String,
    /// Where it works.
    pub folder: PathBuf,
    /// Its terminal, such as `/dev/pts/3`.
    pub tty: Option<String>,
    /// The pane it says that it runs in: `tmux:%3`, `wezterm:7`.
    pub pane: Option<String>,
    /// Its session, where its program tells.
    pub session: Option<OpenSession>,
    /// Whether an agent can go on in a copy of its session while it has that open.
    pub can_fork: bool,
    /// Whether the program would go on in its folder, and not in an agent's worktree.
    pub is_bound: bool,
}

impl Candidate {
    /// Says why it cannot be adopted; nothing where it can.
    pub fn obstacle(&self) -> Option<String> {
        let title = &self.title;
        match &self.session {
            _ if self.is_bound => Some(format!(
                "{title} keeps a session to the folder it was begun in, and an agent works in one of its own"
            )),
            None => Some(format!("{title} does not tell which session this process is in")),
            Some(session) if !session.has_begun => Some("nothing was said to it yet".to_owned()),
            Some(_) if !self.can_fork => {
                Some(format!("{title} cannot go on in a copy of a session that is open; end it first"))
            }
            Some(_) => None,
        }
    }
}

/// Finds the candidates, those with the lowest numbers first.
pub fn candidates(
    repository: &Repository,
    folders: &RepositoryFolders,
    catalogue: &Catalogue,
) -> Vec<Candidate> {
    let own = rustix::process::getuid().as_raw();
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut found: Vec<Program<'_>> = processes
        .filter(|entry| entry.metadata().is_ok_and(|metadata| metadata.uid() == own))
        .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok())
        .filter_map(|pid| program(pid, repository, folders, catalogue))
        .collect();
    found.sort_by_key(|program| program.candidate.pid);
    // A program that starts itself once more is one agent: the first of the family stands for it.
    let all: Vec<(i32, String)> =
        found.iter().map(|program| (program.candidate.pid, program.candidate.kind.clone())).collect();
    found.retain(|Program { process, candidate, .. }| {
        !all.iter().any(|(pid, kind)| {
            *kind == candidate.kind && *pid != candidate.pid && leftover::descends(process.parent, *pid)
        })
    });
    let places: Vec<(String, PathBuf)> = found
        .iter()
        .map(|program| (program.candidate.kind.clone(), program.candidate.folder.clone()))
        .collect();
    found
        .into_iter()
        .map(|mut program| {
            let candidate = &mut program.candidate;
            let here = places.iter().filter(|(kind, at)| *kind == candidate.kind && *at == candidate.folder);
            let mut family = vec![(candidate.pid, program.process.process.started)];
            let below = leftover::descendants(candidate.pid, None);
            family.extend(below.iter().map(|process| (process.pid, process.started)));
            let running = Running { family: &family, folder: &candidate.folder, is_alone: here.count() == 1 };
            let variable = |name: &str| program.process.variable(name).map(PathBuf::from);
            candidate.session = sessions::of_program(program.entry.kind, running, &variable);
            program.candidate
        })
        .collect()
}

/// A process with what its candidate is read from.
struct Program<'a> {
    candidate: Candidate,
    entry: &'a Entry,
    process: Started,
}

fn program<'a>(
    pid: i32,
    repository: &Repository,
    folders: &RepositoryFolders,
    catalogue: &'a Catalogue,
) -> Option<Program<'a>> {
    let words = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let entry = catalogue.iter().find(|entry| is_program(entry, &words))?;
    if sessions::is_helper(entry.kind, &words) {
        return None;
    }
    let folder = std::fs::read_link(format!("/proc/{pid}/cwd")).ok()?;
    let process = leftover::read(pid)?;
    let variable = |name: &str| process.variable(name).map(PathBuf::from);
    let is_ours = variable("ORCHFLOW_AGENT").is_some() || variable("ORCHFLOW_SPOOL").is_some();
    if is_ours || !is_here(&folder, repository, folders) {
        return None;
    }
    let text = |name: &str| variable(name).map(|value| value.to_string_lossy().into_owned());
    let pane = match (text("TMUX_PANE"), text("WEZTERM_PANE")) {
        (Some(pane), _) => Some(format!("tmux:{pane}")),
        (None, Some(pane)) => Some(format!("wezterm:{pane}")),
        (None, None) => None,
    };
    let tty = terminal(pid)?;
    let candidate = Candidate {
        pid,
        kind: entry.name.clone(),
        title: entry.title.clone(),
        command: command(pid),
        session: None,
        can_fork: !entry.resume.fork.is_empty(),
        is_bound: entry.resume.bound,
        folder,
        tty,
        pane,
    };
    Some(Program { candidate, entry, process })
}

/// Tells whether a command line starts an entry's program, by itself or through an interpreter.
fn is_program(entry: &Entry, words: &[u8]) -> bool {
    let name = Path::new(&entry.program).file_name();
    // A shell is everywhere, and no agent that somebody would want to adopt.
    let has_terminal = !matches!(entry.kind, Kind::Rehearsal | Kind::Acp | Kind::Api);
    if !has_terminal || name.is_none() || entry.name == "shell" {
        return false;
    }
    let of = |word: &[u8]| Path::new(OsStr::from_bytes(word)).file_name().map(OsStr::to_owned);
    let mut words = words.split(|byte| *byte == 0).filter(|word| !word.is_empty());
    let first = words.next().and_then(of);
    let is_interpreter = first.as_ref().is_some_and(|first| {
        let first = first.to_string_lossy();
        ["node", "bun", "deno", "python", "python3", "sh", "bash", "dash"].contains(&first.as_ref())
    });
    first.as_deref() == name || is_interpreter && words.next().and_then(of).as_deref() == name
}

/// Tells whether a folder is in the repository, and not in an agent's worktree.
fn is_here(folder: &Path, repository: &Repository, folders: &RepositoryFolders) -> bool {
    let is_agents = std::fs::canonicalize(&folders.worktrees).is_ok_and(|root| folder.starts_with(root));
    !is_agents && quick_common_dir(folder).as_deref() == Some(repository.common_directory())
}

/// Gives the terminal of a process, where it has one; `None` where there is no such process.
fn terminal(pid: i32) -> Option<Option<String>> {
    let stat = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    let close = stat.iter().rposition(|byte| *byte == b')')?;
    let rest = std::str::from_utf8(stat.get(close + 1..)?).ok()?;
    let mut fields = rest.split_ascii_whitespace();
    let device = fields.nth(4)?.parse::<i32>().ok()?.cast_unsigned();
    let (major, minor) = ((device >> 8) & 0xfff, (device & 0xff) | ((device >> 12) & 0xfff00));
    // The majors of Unix98 pseudo terminals.
    let tty = (136..=143).contains(&major).then(|| format!("/dev/pts/{}", (major - 136) * 256 + minor));
    Some(tty)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_known_by_name_also_behind_an_interpreter() {
        let (catalogue, _) = Catalogue::load(None);
        let claude = catalogue.get("claude").unwrap();
        for (words, expected) in [
            ("/opt/bin/claude\0--resume\0x\0", true),
            ("claude\0", true),
            ("node\0/usr/lib/claude\0", true),
            ("vim\0claude\0", false),
            ("claude-helper\0", false),
            ("", false),
        ] {
            assert_eq!(is_program(claude, words.as_bytes()), expected, "{words:?}");
        }
        assert!(!is_program(catalogue.get("shell").unwrap(), b"/bin/sh\0"));
        assert!(!is_program(catalogue.get("rehearsal").unwrap(), b"orchflow\0rehearsal\0"));
    }
}
