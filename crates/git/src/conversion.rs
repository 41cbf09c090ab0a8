//! The two forms of a file: as git stores it, and as it lies in the worktree.
//!
//! Line ends (`core.autocrlf`, the `eol` attribute), encodings and filters make them differ. Hunks are made of stored
//! contents, so a working file is brought into the stored form to be merged, and back to be written.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use crate::files::File;
use crate::index::Place;
use crate::lines::{Text, changed_runs};
use crate::worktrees::Worktree;
use crate::{FileMode, GitError, ObjectId, Repository};

/// Converts the contents of one path of a worktree, by git's own rules for it.
#[derive(Debug, Clone, Copy)]
pub struct Conversion<'a> {
    place: Place<'a>,
    path: &'a [u8],
}

impl<'a> Conversion<'a> {
    /// Converts for a path of the user's own worktree.
    pub fn in_repository(repository: &'a Repository, path: &'a [u8]) -> Self {
        Conversion { place: repository.place(), path }
    }

    /// Converts for a path of an agent's worktree.
    pub fn in_worktree(repository: &'a Repository, worktree: &'a Worktree, path: &'a [u8]) -> Self {
        let (git_directory, work_tree) = (worktree.git_directory(), worktree.path());
        Conversion { place: Place { program: repository.program(), git_directory, work_tree }, path }
    }

    /// Brings a file from the worktree into the form git stores.
    ///
    /// # Errors
    /// What git or a filter gives.
    pub fn to_stored(&self, file: &File) -> Result<File, GitError> {
        if !converts(file.mode) {
            return Ok(file.clone());
        }
        let id = self.store(&file.content, true)?;
        let content = self.place.git().args(["cat-file", "blob", id.as_str()]).run()?;
        Ok(File { mode: file.mode, content })
    }

    /// Brings a stored file into the form of the worktree. `before` is the working file it takes the place of:
    /// lines that stay the same keep exactly its bytes, so that a file of mixed line ends is changed only where the
    /// content is.
    ///
    /// # Errors
    /// What git or a filter gives.
    pub fn to_working(&self, stored: &File, before: Option<&File>) -> Result<File, GitError> {
        if !converts(stored.mode) {
            return Ok(stored.clone());
        }
        let id = self.store(&stored.content, false)?;
        let path = self.shown_path();
        let mut argument = std::ffi::OsString::from("--path=");
        argument.push(path);
        let content =
            self.place.git().args(["cat-file", "--filters"]).arg(argument).arg(id.as_str()).run()?;
        let content = match before.filter(|before| converts(before.mode)) {
            Some(before) => {
                let was = self.to_stored(before)?;
                keep_lines(&before.content, &was.content, &stored.content, &content).unwrap_or(content)
            }
            None => content,
        };
        Ok(File { mode: stored.mode, content })
    }

    fn store(&self, content: &[u8], filters: bool) -> Result<ObjectId, GitError> {
        let git = self.place.git().args(["hash-object", "-w", "--stdin"]);
        let git = if filters {
            let mut argument = std::ffi::OsString::from("--path=");
            argument.push(self.shown_path());
            git.arg(argument)
        } else {
            git.arg("--no-filters")
        };
        ObjectId::from_bytes(&git.input(content).run()?)
    }

    fn shown_path(&self) -> &Path {
        Path::new(OsStr::from_bytes(self.path))
    }
}

fn converts(mode: FileMode) -> bool {
    matches!(mode, FileMode::Regular | FileMode::Executable)
}

/// Builds the new working content out of the old one's lines where the stored line is the same, and out of the
/// converted one's elsewhere. `None` when lines do not stand one for one in both forms.
fn keep_lines(was_working: &[u8], was_stored: &[u8], stored: &[u8], working: &[u8]) -> Option<Vec<u8>> {
    let (old_working, old_stored) = (Text::new(was_working), Text::new(was_stored));
    let (new_working, new_stored) = (Text::new(working), Text::new(stored));
    if old_working.count() != old_stored.count() || new_working.count() != new_stored.count() {
        return None;
    }
    let mut result = Vec::with_capacity(working.len());
    let mut position = 0;
    for run in changed_runs(was_stored, stored) {
        result.extend_from_slice(old_working.slice(position..run.before.start as usize));
        result.extend_from_slice(new_working.slice(run.after.start as usize..run.after.end as usize));
        position = run.before.end as usize;
    }
    result.extend_from_slice(old_working.slice(position..old_working.count()));
    Some(result)
}
