//! Removing worktrees: moved out of the way at once, forgotten by git, deleted later.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{Worktree, find, guard_main, instant, trash};
use crate::{GitError, Repository};

/// What became of a worktree that was to be removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removed {
    /// It waits in the trash to be deleted.
    Discarded,
    /// The trash is on another file system, so it was deleted at once.
    Deleted,
    /// Its files were gone already, and git has forgotten it now.
    AlreadyGone,
}

/// Removes worktrees of ours: files go into `trash` (see [`trash::empty`]), and git forgets the worktree.
///
/// Nothing is checked for being committed: take a checkpoint first. Safe to repeat after a crash.
///
/// # Errors
/// For each path on its own: [`GitError::MainWorktree`], [`GitError::NotOurs`], [`GitError::Io`].
pub fn remove(repository: &Repository, paths: &[PathBuf], trash: &Path) -> Vec<Result<Removed, GitError>> {
    paths.iter().map(|path| remove_one(repository, path, trash)).collect()
}

fn remove_one(repository: &Repository, path: &Path, trash: &Path) -> Result<Removed, GitError> {
    guard_main(repository, path)?;
    if fs::symlink_metadata(path).is_err() && find(repository, path)?.is_none() {
        return Ok(Removed::AlreadyGone);
    }
    let worktree = Worktree::known(repository, path)?;
    instant::release(&worktree, trash)?;
    let removed = discard(worktree.path(), trash)?;
    forget(repository, &worktree)?;
    Ok(removed)
}

/// Gets a worktree's files out of the way.
pub(super) fn discard(path: &Path, trash: &Path) -> Result<Removed, GitError> {
    match trash::discard(path, trash) {
        Ok(()) => Ok(Removed::Discarded),
        Err(error) if error.kind() == io::ErrorKind::NotFound && fs::symlink_metadata(path).is_err() => {
            Ok(Removed::AlreadyGone)
        }
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
            trash::remove_tree(path)?;
            Ok(Removed::Deleted)
        }
        Err(error) => Err(GitError::io("move to the trash", path, error)),
    }
}

/// Drops git's record of a worktree.
///
/// This is what `git worktree remove` does once the files are gone. `git worktree prune` would do it too, and would
/// forget the user's own worktrees on a disk that is not mounted along with ours.
pub(super) fn forget(repository: &Repository, worktree: &Worktree) -> Result<(), GitError> {
    trash::remove_tree(worktree.git_directory())?;
    let folder = repository.common_directory().join("worktrees");
    // Git leaves no empty folder behind either; another worktree's record keeps it.
    let _ = fs::remove_dir(folder);
    Ok(())
}
