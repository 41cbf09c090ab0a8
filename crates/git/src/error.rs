//! What can go wrong between orchflow and a repository: what happened, why, and what to do next.

use std::io;
use std::path::{Path, PathBuf};

use crate::{command, show};

/// Says why a git operation could not be done. Its text is fit for the human: no control characters,
/// and the next step named.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// The git program is not there.
    #[error("git was not found as `{program}`; install git {} or newer, or put it on PATH", command::MINIMUM)]
    Missing {
        /// The program that was looked for.
        program: String,
    },
    /// Git is older than what this crate needs.
    #[error(
        "git {found} is too old: orchflow needs {} or newer (for `merge-tree --write-tree`); \
         upgrade git, or put a newer one first on PATH",
        command::MINIMUM
    )]
    TooOld {
        /// The version found.
        found: String,
    },
    /// There is no repository at a path or above it.
    #[error(
        "{} is not inside a git repository; change to one, or run `git init` and commit first",
        show::path(path)
    )]
    NotARepository {
        /// Where the search began.
        path: PathBuf,
    },
    /// The repository has no working tree.
    #[error(
        "{} is a bare repository, without files to work on; change to one of its worktrees, or make one with \
         `git worktree add`",
        show::path(path)
    )]
    Bare {
        /// The repository.
        path: PathBuf,
    },
    /// The path is inside a `.git` directory.
    #[error("{} is inside a git directory; change to the worktree it belongs to", show::path(path))]
    InsideGitDirectory {
        /// The path.
        path: PathBuf,
    },
    /// Git refuses the repository since another user owns it.
    #[error(
        "git does not trust {}, since another user owns it; if you do, run \
         `git config --global --add safe.directory {}`",
        show::path(path),
        show::path(path)
    )]
    UnsafeOwnership {
        /// The repository.
        path: PathBuf,
    },
    /// The repository has no commit yet.
    #[error(
        "{} has no commits yet, so there is nothing to start from; commit once (`git commit --allow-empty -m start` will do)",
        show::path(path)
    )]
    NoCommits {
        /// The worktree.
        path: PathBuf,
    },
    /// The path is the main worktree, or the one the user works in.
    #[error(
        "{} is the repository's own worktree, which is never removed; name an agent's worktree",
        show::path(path)
    )]
    MainWorktree {
        /// The path.
        path: PathBuf,
    },
    /// The path is not a worktree that orchflow made for this repository.
    #[error(
        "{} is not a worktree that orchflow made for this repository ({reason}); it is left alone, \
         `git worktree list` shows what there is",
        show::path(path)
    )]
    NotOurs {
        /// The path.
        path: PathBuf,
        /// What told so.
        reason: &'static str,
    },
    /// A path is not one that may be read or written inside a worktree.
    #[error("the path {} is refused: {reason}", show::bytes(path))]
    PathRefused {
        /// The path, relative to the worktree.
        path: Vec<u8>,
        /// Why.
        reason: &'static str,
    },
    /// A name is not an object id.
    #[error("{} is not a git object id; use the full id, in hexadecimal", show::bytes(text.as_bytes()))]
    NotAnObjectId {
        /// The text.
        text: String,
    },
    /// A ref is outside of orchflow's own.
    #[error("the ref {} is refused: orchflow writes only below refs/orchflow/", show::bytes(name.as_bytes()))]
    RefRefused {
        /// The ref.
        name: String,
    },
    /// The repository does not have an object.
    #[error(
        "the repository has no object {object}; it may have been pruned, or a partial clone did not fetch it"
    )]
    NoObject {
        /// What was asked for.
        object: String,
    },
    /// Git ended with an error.
    #[error("`git {command}` failed ({status}): {stderr}")]
    Failed {
        /// The subcommand.
        command: String,
        /// How it ended.
        status: String,
        /// What it printed.
        stderr: String,
    },
    /// Git printed something this crate cannot read.
    #[error(
        "`git {command}` answered in an unknown form ({detail}); please report this with `git --version`"
    )]
    Unreadable {
        /// The subcommand.
        command: &'static str,
        /// What was expected.
        detail: &'static str,
    },
    /// A file could not be read or written.
    #[error("cannot {action} {}: {source}", show::path(path))]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl GitError {
    /// Wraps an input or output error with what was tried.
    pub(crate) fn io(action: &'static str, path: &Path, source: impl Into<io::Error>) -> Self {
        GitError::Io { action, path: path.to_owned(), source: source.into() }
    }

    /// Says whether the cause is a disk or quota that is full.
    pub fn is_disk_full(&self) -> bool {
        match self {
            GitError::Io { source, .. } => {
                matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
            }
            GitError::Failed { stderr, .. } => {
                stderr.contains("No space left on device") || stderr.contains("Disk quota exceeded")
            }
            _ => false,
        }
    }
}
