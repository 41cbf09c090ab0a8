//! The trash: where removed worktrees wait to be deleted, out of everybody's way.
//!
//! Moving there is one rename. Deleting is [`empty`], at leisure; after a crash the next call goes on where it
//! stopped, since whatever lies in the trash is to be deleted.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::GitError;
use crate::files::unique_name;

/// Deletes everything in a trash folder and gives how many entries there were. A folder that does not exist is empty.
///
/// # Errors
/// [`GitError::Io`] for the first entry that resists; the others are deleted nevertheless.
pub fn empty(folder: &Path) -> Result<usize, GitError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(GitError::io("read", folder, error)),
    };
    let mut deleted = 0;
    let mut result = Ok(());
    for entry in entries.flatten() {
        match remove_tree(&entry.path()) {
            Ok(()) => deleted += 1,
            Err(error) => result = result.and(Err(error)),
        }
    }
    result.map(|()| deleted)
}

/// Moves a folder or file into the trash under a name of its own, in one step, so that nobody who empties the trash
/// meanwhile can come between.
pub(super) fn discard(path: &Path, folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    fs::rename(path, folder.join(unique_name("removed-")))
}

/// Deletes a file or a whole folder, also one whose folders were made read-only, as some build caches are. Never
/// follows a symbolic link.
pub(super) fn remove_tree(path: &Path) -> Result<(), GitError> {
    let removed = remove_once(path).or_else(|_| {
        open_up(path);
        remove_once(path)
    });
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(GitError::io("remove", path, error)),
        _ => Ok(()),
    }
}

fn remove_once(path: &Path) -> io::Result<()> {
    if fs::symlink_metadata(path)?.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }
}

/// Lets the owner change every folder of a tree.
fn open_up(path: &Path) {
    let mut waiting = vec![path.to_owned()];
    while let Some(path) = waiting.pop() {
        let Ok(data) = fs::symlink_metadata(&path) else { continue };
        if data.is_dir() {
            let mode = data.permissions().mode();
            let _ = fs::set_permissions(&path, fs::Permissions::from_mode(mode | 0o700));
            waiting.extend(fs::read_dir(&path).into_iter().flatten().flatten().map(|entry| entry.path()));
        }
    }
}
