//! Files an agent asks us to read or write: those of its worktree, by their real paths, and no others.

use std::fs;
use std::path::{Component, Path, PathBuf};

/// Largest file that is read or written, in bytes.
const FILE_LIMIT: u64 = 8 << 20;

/// Why a file was not read or written.
#[derive(Debug, PartialEq, Eq)]
pub enum FileError {
    /// There is none.
    Missing(String),
    /// It may not be.
    Refused(String),
}

/// Reads a file, or some of its lines: from `line`, counted from 1, at most `limit`.
///
/// # Errors
/// [`FileError`] where it is not there, not the worktree's, or no text.
pub fn read(worktree: &Path, path: &str, line: Option<u64>, limit: Option<u64>) -> Result<String, FileError> {
    let root = real_root(worktree)?;
    let file = fs::canonicalize(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => FileError::Missing(format!("Resource not found: {path}")),
        _ => FileError::Refused(format!("{path} cannot be read: {error}")),
    })?;
    check(&root, &file, path)?;
    let metadata = fs::metadata(&file).map_err(|error| FileError::Refused(format!("{path}: {error}")))?;
    if !metadata.is_file() || metadata.len() > FILE_LIMIT {
        return Err(FileError::Refused(format!("{path} is no regular file of at most {FILE_LIMIT} bytes")));
    }
    let text = fs::read_to_string(&file)
        .map_err(|error| FileError::Refused(format!("{path} cannot be read as text: {error}")))?;
    if line.is_none() && limit.is_none() {
        return Ok(text);
    }
    let skipped = usize::try_from(line.unwrap_or(1).saturating_sub(1)).unwrap_or(usize::MAX);
    let most = limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(text.split_inclusive('\n').skip(skipped).take(most).collect())
}

/// Writes a file, making its folders.
///
/// # Errors
/// [`FileError`] where it is not the worktree's or the system refuses.
pub fn write(worktree: &Path, path: &str, content: &str) -> Result<(), FileError> {
    let refused = |why: String| FileError::Refused(why);
    let root = real_root(worktree)?;
    if content.len() as u64 > FILE_LIMIT {
        return Err(refused(format!("{path}: more than {FILE_LIMIT} bytes are not written")));
    }
    let wanted = Path::new(path);
    if !wanted.is_absolute() {
        return Err(refused(format!("{path} is no absolute path")));
    }
    let file = real_place(wanted).ok_or_else(|| refused(format!("{path} leads nowhere")))?;
    check(&root, &file, path)?;
    let inside = file.strip_prefix(&root).unwrap_or(&file);
    if inside.components().any(|part| part.as_os_str() == ".git") {
        return Err(refused(format!("{path} belongs to git")));
    }
    if let Ok(metadata) = fs::symlink_metadata(&file)
        && !metadata.is_file()
    {
        return Err(refused(format!("{path} is no regular file")));
    }
    let folder = file.parent().unwrap_or(&root);
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(&file, content))
        .map_err(|error| refused(format!("{path} cannot be written: {error}")))
}

fn real_root(worktree: &Path) -> Result<PathBuf, FileError> {
    fs::canonicalize(worktree).map_err(|error| FileError::Refused(format!("the worktree is gone: {error}")))
}

fn check(root: &Path, file: &Path, path: &str) -> Result<(), FileError> {
    if file.starts_with(root) && file != root {
        return Ok(());
    }
    Err(FileError::Refused(format!("{path} is not in the agent's worktree {}", root.display())))
}

/// Follows every link of a path whose last parts may not be there yet.
fn real_place(path: &Path) -> Option<PathBuf> {
    let mut missing = Vec::new();
    let mut known = path;
    loop {
        if let Ok(real) = fs::canonicalize(known) {
            return Some(missing.iter().rev().fold(real, |place, part| place.join(part)));
        }
        // A link that leads to nothing would be followed when it is written.
        if fs::symlink_metadata(known).is_ok() {
            return None;
        }
        match known.components().next_back()? {
            Component::Normal(part) => missing.push(part),
            _ => return None,
        }
        known = known.parent()?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn files_of_the_worktree_are_read_and_written_and_no_others() {
        let place = tempfile::tempdir().unwrap();
        let (tree, outside) = (place.path().join("tree"), place.path().join("outside"));
        for folder in [&tree, &outside] {
            fs::create_dir(folder).unwrap();
        }
        fs::write(outside.join("secret"), "s").unwrap();
        fs::write(tree.join(".git"), "gitdir: x").unwrap();
        fs::write(tree.join("bytes"), b"\xff").unwrap();
        symlink(&outside, tree.join("way")).unwrap();
        symlink(outside.join("later"), tree.join("dangling")).unwrap();
        let at = |path: &str| tree.join(path).to_string_lossy().into_owned();

        write(&tree, &at("deep/er/new.txt"), "one\ntwo\nthree\n").unwrap();
        assert_eq!(read(&tree, &at("deep/er/new.txt"), None, None).unwrap(), "one\ntwo\nthree\n");
        assert_eq!(read(&tree, &at("deep/er/new.txt"), Some(2), Some(1)).unwrap(), "two\n");
        assert_eq!(read(&tree, &at("deep/er/new.txt"), Some(9), None).unwrap(), "");
        assert!(matches!(read(&tree, &at("absent"), None, None), Err(FileError::Missing(_))));

        for path in ["way/secret", "../outside/secret", "bytes", "deep", ""] {
            assert!(matches!(read(&tree, &at(path), None, None), Err(FileError::Refused(_))), "{path}");
        }
        for path in
            ["way/new", "../outside/new", "dangling", ".git", "deep/../../outside/new", "deep", "no/../../x"]
        {
            assert!(matches!(write(&tree, &at(path), "x"), Err(FileError::Refused(_))), "{path}");
        }
        assert!(matches!(write(&tree, "relative", "x"), Err(FileError::Refused(_))));
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 1, "nothing was written outside");
        assert_eq!(fs::read_to_string(tree.join(".git")).unwrap(), "gitdir: x");
    }
}
