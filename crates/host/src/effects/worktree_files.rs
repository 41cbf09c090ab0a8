//! Files that an agent's program reads from its worktree and nowhere else.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Component, Path, PathBuf};
use std::sync::Mutex;

use orchflow_agent::launch::WorktreeFile;

use crate::world::lock;

/// Two launches may want the same line at once.
static EXCLUDING: Mutex<()> = Mutex::new(());

/// Writes those that nothing stands in the place of, and tells git to leave them out. Gives the paths of the others:
/// the repository has files of its own there, which are never touched.
pub(super) fn write(
    worktree: &Path,
    common_dir: &Path,
    files: &[WorktreeFile],
) -> io::Result<Vec<&'static str>> {
    let mut kept = Vec::new();
    for file in files {
        let Some(path) = place(worktree, file.path)? else {
            kept.push(file.path);
            continue;
        };
        // Excluded first: a file that stands there for a moment only must not be seen as a change either.
        exclude(common_dir, file.path)?;
        let opened = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        match opened {
            Ok(mut written) => written.write_all(&file.content)?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                // From an earlier launch in this worktree, or not ours.
                let is_file = fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_file());
                match fs::read(&path).ok().filter(|_| is_file) {
                    Some(there) if there == file.content => {}
                    Some(there) if (file.is_ours)(&there) => fs::write(&path, &file.content)?,
                    _ => kept.push(file.path),
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(kept)
}

/// Makes the folders of a path, none of them a link out of the worktree. `None` where something else stands there.
fn place(worktree: &Path, path: &str) -> io::Result<Option<PathBuf>> {
    let mut at = worktree.to_path_buf();
    let mut parts = Path::new(path).components().peekable();
    while let Some(part) = parts.next() {
        let Component::Normal(name) = part else { return Ok(None) };
        at.push(name);
        if parts.peek().is_none() {
            break;
        }
        match fs::create_dir(&at) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                if !fs::symlink_metadata(&at)?.is_dir() {
                    return Ok(None);
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(Some(at))
}

/// Adds a path to the repository's own list of what git leaves out, which is no file of its history.
fn exclude(common_dir: &Path, path: &str) -> io::Result<()> {
    let _one = lock(&EXCLUDING);
    let file = common_dir.join("info/exclude");
    let text = match fs::read(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error),
    };
    let line = format!("/{path}");
    if text.split(|byte| *byte == b'\n').any(|known| known.trim_ascii_end() == line.as_bytes()) {
        return Ok(());
    }
    fs::create_dir_all(common_dir.join("info"))?;
    let mut added = Vec::new();
    if text.last().is_some_and(|last| *last != b'\n') {
        added.push(b'\n');
    }
    added.extend_from_slice(
        b"# orchflow puts this into its agents' worktrees where the repository has none.\n",
    );
    added.extend_from_slice(line.as_bytes());
    added.push(b'\n');
    fs::OpenOptions::new().append(true).create(true).open(&file)?.write_all(&added)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = ".tool/settings.json";

    fn put(root: &Path, content: &str) -> Vec<&'static str> {
        let files = [WorktreeFile { path: FILE, content: content.into(), is_ours: |there| there == b"{}" }];
        write(&root.join("tree"), &root.join("git"), &files).unwrap()
    }

    fn root() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("tree")).unwrap();
        root
    }

    #[test]
    fn a_file_is_put_where_none_is_and_excluded_once() {
        let root = root();
        fs::create_dir_all(root.path().join("git/info")).unwrap();
        fs::write(root.path().join("git/info/exclude"), "*.log").unwrap();
        assert!(put(root.path(), "{}").is_empty());
        assert!(put(root.path(), "{}").is_empty(), "the same again is no trouble");
        assert_eq!(fs::read_to_string(root.path().join("tree").join(FILE)).unwrap(), "{}");
        assert!(put(root.path(), "{ }").is_empty(), "an older one of ours makes way");
        assert_eq!(fs::read_to_string(root.path().join("tree").join(FILE)).unwrap(), "{ }");
        let excluded = fs::read_to_string(root.path().join("git/info/exclude")).unwrap();
        assert!(excluded.starts_with("*.log\n"), "{excluded}");
        assert_eq!(excluded.matches("/.tool/settings.json").count(), 1);
    }

    #[test]
    fn what_the_repository_has_is_left_alone() {
        let root = root();
        fs::create_dir(root.path().join("tree/.tool")).unwrap();
        fs::write(root.path().join("tree").join(FILE), "theirs").unwrap();
        assert_eq!(put(root.path(), "{}"), [FILE]);
        assert_eq!(fs::read_to_string(root.path().join("tree").join(FILE)).unwrap(), "theirs");
    }

    #[test]
    fn a_link_leads_nowhere() {
        let root = root();
        let home = root.path().join("home");
        fs::create_dir(&home).unwrap();
        std::os::unix::fs::symlink(&home, root.path().join("tree/.tool")).unwrap();
        assert_eq!(put(root.path(), "{}"), [FILE]);
        assert_eq!(fs::read_dir(&home).unwrap().count(), 0);
        fs::remove_file(root.path().join("tree/.tool")).unwrap();
        fs::create_dir(root.path().join("tree/.tool")).unwrap();
        std::os::unix::fs::symlink(home.join("x"), root.path().join("tree").join(FILE)).unwrap();
        assert_eq!(put(root.path(), "{}"), [FILE]);
        assert_eq!(fs::read_dir(&home).unwrap().count(), 0);
    }
}
