//! Which files git ignores.

use std::path::Path;

use crate::command::{Git, failure};
use crate::{GitError, Repository};

impl Repository {
    /// Gives those of the paths, each from the top of `worktree`, that git ignores there. What it tracks is never
    /// ignored.
    ///
    /// # Errors
    /// What git gives.
    pub fn ignored(&self, worktree: &Path, paths: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, GitError> {
        let input = paths.join(&0);
        if input.is_empty() {
            return Ok(Vec::new());
        }
        let git = Git::new(self.program()).directory(worktree).args(["check-ignore", "-z", "--stdin"]);
        let output = git.input(&input).output()?;
        match output.status.code() {
            // 1 says that none is.
            Some(0 | 1) => {
                let found = output.stdout.split(|byte| *byte == 0).filter(|path| !path.is_empty());
                Ok(found.map(<[u8]>::to_vec).collect())
            }
            _ => Err(failure("git check-ignore".to_owned(), &output)),
        }
    }
}
