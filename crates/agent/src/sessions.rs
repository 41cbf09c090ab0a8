//! The session a running program of an agent is in, as far as the program tells anybody, and copies of it for an agent
//! that goes on in another folder.
//!
//! Each program keeps its sessions in its own way; a file here for each. opencode tells neither, and keeps a session to the
//! folder that it was begun in (version 1.18.33).

mod claude;
mod codex;
mod copilot;
mod files;
mod gemini;
mod qwen;

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::catalogue::Kind;
use crate::launch::{Launch, LaunchContext};

/// A session that a process has open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenSession {
    /// Its id.
    pub id: String,
    /// Whether anything was said in it: an empty one cannot be taken up.
    pub has_begun: bool,
    /// What the program says that it does: `idle`, `busy`.
    pub status: Option<String>,
    /// Whether the program says so of this process. Otherwise it follows from the folder that both are of.
    pub is_stated: bool,
}

/// A program that runs, with whatever it started itself.
#[derive(Debug, Clone, Copy)]
pub struct Running<'a> {
    /// Its processes, the first one first, each with when it started, in clock ticks since boot.
    pub family: &'a [(i32, u64)],
    /// Where it works.
    pub folder: &'a Path,
    /// Whether no other program of its kind works there.
    pub is_alone: bool,
}

impl Running<'_> {
    /// Gives when it started, a little earlier than later.
    fn since(&self) -> Option<SystemTime> {
        let (_, ticks) = self.family.first()?;
        let table = std::fs::read_to_string("/proc/stat").ok()?;
        let boot = table.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
        let boot = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(boot))?;
        // Told in whole seconds, which may have been rounded either way.
        boot.checked_add(Duration::from_secs(ticks / rustix::param::clock_ticks_per_second().max(1)))?
            .checked_sub(Duration::from_secs(1))
    }
}

/// Reads the environment of a process: a variable that names a path.
pub type Variable<'a> = &'a dyn Fn(&str) -> Option<PathBuf>;

/// Finds the session of a running program.
pub fn of_program(kind: Kind, running: Running<'_>, variable: Variable<'_>) -> Option<OpenSession> {
    let Kind::Program(name) = kind else { return None };
    let found = match name {
        "claude" => claude::open(running, variable),
        "codex" => codex::open(running, variable),
        "copilot" => copilot::open(running, variable),
        "gemini" => gemini::open(running, variable),
        "qwen" => qwen::open(running, variable),
        _ => None,
    };
    found.filter(|session| is_session_id(&session.id))
}

/// Tells whether a command line, its words ended by NUL, starts no agent but what works for several of them.
pub fn is_helper(kind: Kind, words: &[u8]) -> bool {
    kind == Kind::Program("codex") && codex::is_server_command(words)
}

/// A copy of a session, for the worktree of a launch.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Copied {
    /// Its id.
    pub(crate) id: String,
    /// The file that holds it, where it is taken up by that.
    pub(crate) file: Option<PathBuf>,
}

/// Copies a session, which is found by an environment; adds the files of the copy to the launch. `None` where there is no
/// such session.
pub(crate) type Copy = fn(&LaunchContext, Variable<'_>, &str, &mut Launch) -> Option<Copied>;

/// Finds how sessions of a program are copied, where its own arguments do not.
pub(crate) fn copy_of(kind: Kind) -> Option<Copy> {
    match kind {
        Kind::Program("copilot") => Some(copilot::copy),
        Kind::Program("gemini") => Some(gemini::copy),
        Kind::Program("qwen") => Some(qwen::copy),
        _ => None,
    }
}

/// Tells whether a session that was begun elsewhere can only be gone on with in a copy: the program looks for it by the
/// folder it works in, or would work in that folder.
pub fn keeps_to_its_folder(kind: Kind) -> bool {
    copy_of(kind).is_some()
}

/// Tells whether a text can be a session's id: it becomes an argument of the program.
pub fn is_session_id(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::launch::tests::context;

    /// A user's home with what programs keep in it.
    pub(super) struct World(tempfile::TempDir);

    impl World {
        pub(super) fn new() -> World {
            World(tempfile::tempdir().unwrap())
        }

        pub(super) fn home(&self) -> &Path {
            self.0.path()
        }

        pub(super) fn write(&self, name: &str, text: &str) -> PathBuf {
            let path = self.home().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, text).unwrap();
            path
        }

        fn find(&self, kind: Kind, family: &[(i32, u64)], is_alone: bool) -> Option<OpenSession> {
            let variable = |name: &str| (name == "HOME").then(|| self.home().to_owned());
            of_program(kind, Running { family, folder: Path::new("/src/repo"), is_alone }, &variable)
        }

        pub(super) fn open(&self, kind: Kind, family: &[(i32, u64)]) -> Option<OpenSession> {
            self.find(kind, family, true)
        }

        pub(super) fn open_beside_another(&self, kind: Kind, family: &[(i32, u64)]) -> Option<OpenSession> {
            self.find(kind, family, false)
        }

        pub(super) fn copy(&self, copy: Copy, session: &str) -> (Option<Copied>, Launch) {
            let mut launch = Launch::default();
            let variable = |name: &str| (name == "HOME").then(|| self.home().to_owned());
            let context = LaunchContext {
                worktree: "/no/where/7-qwen".into(),
                session_id: Some("fresh".into()),
                ..context()
            };
            (copy(&context, &variable, session, &mut launch), launch)
        }
    }

    #[test]
    fn what_could_be_an_option_or_a_path_is_no_sessions_id() {
        assert!(is_session_id("ses_de86-1.2:3") && is_session_id("7"));
        for text in ["", "-x", "../x", "a b", "a/b", &"x".repeat(129)] {
            assert!(!is_session_id(text), "{text}");
        }
    }
}
