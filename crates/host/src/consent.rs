//! What the human is told once for a repository, and what they said once for it.

use std::path::{Path, PathBuf};

use orchflow_agent::catalogue::Entry;
use orchflow_agent::launch::Notice;
use orchflow_agent::trust::{Query, is_on_record};

use crate::world::{Environment, World};

impl World {
    /// Tells whether the human was told about a topic in this repository.
    pub(crate) fn was_told(&self, topic: &str) -> bool {
        self.told_file(topic).exists()
    }

    /// Notes that the human is told about a topic now. Tells whether this was the first time.
    pub(crate) fn tell_once(&self, notice: &Notice) -> bool {
        let file = self.told_file(notice.topic);
        let made = file.parent().map_or(Ok(()), std::fs::create_dir_all);
        // Where it cannot be noted it is told again: twice is better than never.
        match made.and_then(|()| std::fs::File::options().write(true).create_new(true).open(&file)) {
            Ok(_) => true,
            Err(error) => error.kind() != std::io::ErrorKind::AlreadyExists,
        }
    }

    fn told_file(&self, topic: &str) -> PathBuf {
        self.folders.data().join("told").join(topic)
    }

    /// Tells whether an agent may be started as trusted in its worktree: the user trusts the main repository, by the
    /// records of the agent's own program or by `trust.repositories`.
    pub(crate) fn trusts_repository(
        &self,
        entry: &Entry,
        environment: &Environment,
        worktree: &Path,
    ) -> bool {
        let repository = main_folder(self.repository.common_directory());
        let said = self.config.trust.repositories.iter().any(|path| is_same(path, repository));
        said || is_on_record(entry, &Query { environment, repository, worktree })
    }
}

/// Gives the folder of the main worktree; for a bare repository, its own.
fn main_folder(common: &Path) -> &Path {
    match (common.file_name(), common.parent()) {
        (Some(name), Some(parent)) if name == ".git" => parent,
        _ => common,
    }
}

/// Tells whether a path of the user's names that folder, and not one above it.
fn is_same(path: &Path, folder: &Path) -> bool {
    path == folder || path.canonicalize().is_ok_and(|path| Some(path) == folder.canonicalize().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_main_folder_is_named_by_its_git_folder() {
        assert_eq!(main_folder(Path::new("/src/repo/.git")), Path::new("/src/repo"));
        assert_eq!(main_folder(Path::new("/src/bare.git")), Path::new("/src/bare.git"));
    }

    #[test]
    fn a_folder_above_is_not_the_folder() {
        let root = tempfile::tempdir().unwrap();
        let repository = root.path().join("repo");
        std::fs::create_dir(&repository).unwrap();
        std::os::unix::fs::symlink(&repository, root.path().join("link")).unwrap();
        assert!(is_same(&root.path().join("link"), &repository));
        assert!(!is_same(root.path(), &repository));
        assert!(!is_same(&root.path().join("absent"), &repository));
    }
}
