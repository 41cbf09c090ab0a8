//! Which files git ignores.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use crate::command::Git;
use crate::{GitError, Repository};

impl Repository {
    /// Gives those of the paths, each from the top of `worktree`, that git ignores there. What it tracks is never
    /// ignored.
    ///
    /// # Errors
    /// What git gives.
    pub fn ignored(&self, worktree: &Path, paths: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, GitError> {
        if paths.is_empty() {
            return Ok(Vec::new());
        }
        let git = Git::new(self.program()).directory(worktree);
        let git = git.args(["ls-files", "--others", "--ignored", "--exclude-standard", "-z", "--"]);
        let output = git.args(paths.iter().map(|path| OsStr::from_bytes(path))).run()?;
        let found = output.split(|byte| *byte == 0).filter(|path| !path.is_empty());
        Ok(found.map(<[u8]>::to_vec).collect())
    }
}
