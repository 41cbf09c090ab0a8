//! The work a person has not committed yet: counted, and kept as a commit without touching anything of theirs.

use crate::index::{self, Place};
use crate::repository::own_ref;
use crate::{GitError, ObjectId, Repository};

/// Counts the files that differ from the last commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Uncommitted {
    /// Tracked files that were changed, added, deleted or are in conflict, staged or not.
    pub changed: usize,
    /// Files git does not know and does not ignore.
    pub untracked: usize,
}

impl Uncommitted {
    /// Counts both kinds together.
    pub fn total(self) -> usize {
        self.changed + self.untracked
    }
}

impl Repository {
    /// Counts the files of the worktree that differ from HEAD.
    ///
    /// # Errors
    /// What git gives.
    pub fn uncommitted(&self) -> Result<Uncommitted, GitError> {
        let words = ["status", "--porcelain", "-z", "--untracked-files=all", "--no-renames"];
        let output = self.git().args(words).arg("--ignore-submodules=dirty").run()?;
        let mut count = Uncommitted::default();
        for record in output.split(|byte| *byte == 0).filter(|record| !record.is_empty()) {
            if record.starts_with(b"??") {
                count.untracked += 1;
            } else {
                count.changed += 1;
            }
        }
        Ok(count)
    }

    /// Keeps the worktree as it is, on top of HEAD, as a commit under one of orchflow's refs: tracked files with
    /// their changes, and untracked ones that are not ignored. Index, HEAD, branches and stash stay as they are.
    ///
    /// # Errors
    /// [`GitError::RefRefused`], [`GitError::NoCommits`], what git gives.
    pub fn snapshot_uncommitted(&self, ref_name: &str, message: &str) -> Result<ObjectId, GitError> {
        own_ref(ref_name)?;
        let head = self.head()?;
        let snapshot = index::snapshot(self.place(), &[self.git_directory().join("index")], None, None)?;
        for warning in &snapshot.warnings {
            tracing::warn!(warning, "not in the snapshot");
        }
        let commit = index::commit(self.place(), &snapshot.tree, &[&head.commit], message)?;
        self.update_ref(ref_name, &commit)?;
        Ok(commit)
    }

    pub(crate) fn place(&self) -> Place<'_> {
        Place { program: self.program(), git_directory: self.git_directory(), work_tree: self.worktree() }
    }
}
