//! Worktrees of agents: made fast, listed, removed without loss.
//!
//! A worktree of ours is locked with a reason that begins with `orchflow`, so that `git worktree prune` keeps it and
//! everyone sees whose it is. What orchflow did not make is never touched.

mod copy;
mod create;
mod finish;
mod include;
pub(crate) mod index_file;
mod instant;
mod remove;
mod strategy;
mod template;
pub mod trash;

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

pub use create::{Created, Options, WorktreeRequest, create, prepare};
pub use remove::{Removed, remove};
pub use strategy::{Strategy, Why};

use crate::command::{Output, failure};
use crate::{GitError, ObjectId, Repository};

/// The reason our worktrees are locked with; whoever runs `git worktree list` sees it.
const LOCK_REASON: &str = "orchflow";
/// Stands in a worktree's git directory once the worktree is complete.
const READY_MARK: &str = "orchflow-ready";

/// Stands for one agent's worktree.
///
/// Its git directory is found from the repository's side, so that it is right even when the agent has removed or
/// replaced the `.git` in the worktree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Worktree {
    path: PathBuf,
    git_directory: PathBuf,
}

impl Worktree {
    /// Finds the worktree of ours at a path.
    ///
    /// # Errors
    /// [`GitError::MainWorktree`] for the repository's own; [`GitError::NotOurs`] for any other that is not
    /// ours; [`GitError::Io`].
    pub fn open(repository: &Repository, path: &Path) -> Result<Self, GitError> {
        let worktree = Worktree::known(repository, path)?;
        instant::ensure_mounted(&worktree)?;
        Ok(worktree)
    }

    /// Finds the worktree of ours at a path, whether or not its files are there.
    fn known(repository: &Repository, path: &Path) -> Result<Self, GitError> {
        guard_main(repository, path)?;
        let not_ours = |reason| GitError::NotOurs { path: path.to_owned(), reason };
        let worktree = match linked(repository, path) {
            Some(worktree) => worktree,
            None => find(repository, path)?.ok_or_else(|| not_ours("the repository does not list it"))?,
        };
        if worktree.is_ours() { Ok(worktree) } else { Err(not_ours("it is not locked by orchflow")) }
    }

    /// Gives its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Gives its own git directory, inside the repository's.
    pub fn git_directory(&self) -> &Path {
        &self.git_directory
    }

    /// Says whether it was made to the end: files, hook and included files.
    pub fn is_ready(&self) -> bool {
        self.git_directory.join(READY_MARK).exists()
    }

    fn mark_ready(&self) -> Result<(), GitError> {
        let mark = self.git_directory.join(READY_MARK);
        fs::write(&mark, b"").map_err(|source| GitError::io("write", &mark, source))
    }

    /// Says whether we made it: by the lock, or, should an agent have unlocked it, by the mark of its completion.
    fn is_ours(&self) -> bool {
        let reason = fs::read(self.git_directory.join("locked")).unwrap_or_default();
        reason.starts_with(LOCK_REASON.as_bytes()) || self.is_ready()
    }
}

/// Refuses the main worktree, the one the user works in, and anything that holds the repository itself.
fn guard_main(repository: &Repository, path: &Path) -> Result<(), GitError> {
    let real = real(path);
    let common = repository.common_directory();
    let main = if common.file_name().is_some_and(|name| name == ".git") { common.parent() } else { None };
    let own = [Some(repository.worktree()), main, Some(common)];
    if own.into_iter().flatten().any(|own| own.starts_with(&real)) {
        return Err(GitError::MainWorktree { path: path.to_owned() });
    }
    Ok(())
}

/// Finds a linked worktree by what stands in its `.git`, if the repository's record says the same.
fn linked(repository: &Repository, path: &Path) -> Option<Worktree> {
    let path = real(path);
    let mut pointer = fs::read(path.join(".git")).ok()?.strip_prefix(b"gitdir: ")?.to_vec();
    pointer.truncate(pointer.trim_ascii_end().len());
    let pointer = fs::canonicalize(path.join(PathBuf::from(OsString::from_vec(pointer)))).ok()?;
    let git_directory = repository.common_directory().join("worktrees").join(pointer.file_name()?);
    let recorded = record(&git_directory)?;
    (pointer == git_directory && real(&recorded) == path).then_some(Worktree { path, git_directory })
}

/// Finds a linked worktree by its path, from the repository's records.
fn find(repository: &Repository, path: &Path) -> Result<Option<Worktree>, GitError> {
    let wanted = real(path);
    let folder = repository.common_directory().join("worktrees");
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(GitError::io("read", &folder, error)),
    };
    for entry in entries.flatten() {
        let git_directory = entry.path();
        if let Some(path) = record(&git_directory)
            && (path == wanted || real(&path) == wanted)
        {
            return Ok(Some(Worktree { path: wanted, git_directory }));
        }
    }
    Ok(None)
}

/// Reads where a linked worktree is by the repository's record.
fn record(git_directory: &Path) -> Option<PathBuf> {
    let mut pointer = fs::read(git_directory.join("gitdir")).ok()?;
    pointer.truncate(pointer.trim_ascii_end().len());
    // With `worktree.useRelativePaths` the pointer is relative to its own directory.
    let pointer = git_directory.join(PathBuf::from(OsString::from_vec(pointer)));
    pointer.parent().map(Path::to_owned)
}

/// Gives the real path of what may not exist any more: its nearest existing parent's, and the rest as it is.
fn real(path: &Path) -> PathBuf {
    if let Ok(real) = fs::canonicalize(path) {
        return real;
    }
    match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) => real(parent).join(name),
        _ => path.to_owned(),
    }
}

/// Says whether git failed for having met the record of a worktree that another process is just writing: it
/// then finds `commondir` empty and gives up.
fn met_another(output: &Output) -> bool {
    let stderr = String::from_utf8_lossy(&output.stderr);
    stderr.contains("failed to read") && stderr.contains("/worktrees/")
}

/// A worktree as git lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its path.
    pub path: PathBuf,
    /// Where its HEAD stands, if anywhere.
    pub head: Option<ObjectId>,
    /// Its branch, as a full ref name; `None` when detached.
    pub branch: Option<String>,
    /// Why it is locked, if it is.
    pub locked: Option<String>,
    /// Whether git takes it for gone.
    pub prunable: bool,
    /// Whether it is the main worktree.
    pub main: bool,
    /// Whether it is one that orchflow made.
    pub ours: bool,
}

/// Lists all worktrees of a repository, the main one first.
///
/// # Errors
/// What git gives.
pub fn list(repository: &Repository) -> Result<Vec<Listed>, GitError> {
    let ask = || repository.git().args(["worktree", "list", "--porcelain", "-z"]).output();
    let mut output = ask()?;
    if met_another(&output) {
        output = ask()?;
    }
    if !output.status.success() {
        return Err(failure("worktree list".to_owned(), &output));
    }
    let mut listed: Vec<Listed> = Vec::new();
    for field in output.stdout.split(|byte| *byte == 0).filter(|field| !field.is_empty()) {
        let split = field.iter().position(|byte| *byte == b' ').unwrap_or(field.len());
        let (word, value) = field.split_at(split);
        let value = value.strip_prefix(b" ").unwrap_or(value);
        if word == b"worktree" {
            listed.push(Listed {
                path: PathBuf::from(std::ffi::OsStr::from_bytes(value)),
                head: None,
                branch: None,
                locked: None,
                prunable: false,
                main: listed.is_empty(),
                ours: false,
            });
        } else if let Some(last) = listed.last_mut() {
            let text = || String::from_utf8_lossy(value).into_owned();
            match word {
                b"HEAD" => last.head = ObjectId::from_bytes(value).ok().filter(|id| !id.is_null()),
                b"branch" => last.branch = Some(text()),
                b"locked" => {
                    last.ours = value.starts_with(LOCK_REASON.as_bytes());
                    last.locked = Some(text());
                }
                b"prunable" => last.prunable = true,
                _ => {}
            }
        }
    }
    Ok(listed)
}
