use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use orchflow_git::files::{File, read, remove, write_atomic};
use orchflow_git::{FileMode, GitError};

fn mode_of(path: &std::path::Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn paths_that_leave_the_root_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    fs::create_dir_all(root.join("inner")).unwrap();
    fs::write(folder.path().join("outside"), "outside").unwrap();
    symlink(folder.path(), root.join("link")).unwrap();
    symlink("..", root.join("inner/up")).unwrap();
    let hostile: &[&[u8]] = &[
        b"../outside",
        b"/etc/passwd",
        b"",
        b".",
        b"a//b",
        b"inner/../../outside",
        b"link/outside",
        b"inner/up/x",
        b".git/hooks/post-checkout",
        b"inner/.GIT/config",
        b"a\0b",
        b"inner/",
    ];
    for path in hostile {
        let shown = String::from_utf8_lossy(path);
        assert!(matches!(read(&root, path), Err(GitError::PathRefused { .. })), "read {shown}");
        let written = write_atomic(&root, path, b"x", FileMode::Regular);
        assert!(matches!(written, Err(GitError::PathRefused { .. })), "write {shown}");
        assert!(matches!(remove(&root, path), Err(GitError::PathRefused { .. })), "remove {shown}");
    }
    assert_eq!(fs::read(folder.path().join("outside")).unwrap(), b"outside");
}

#[test]
fn a_file_is_written_whole_and_keeps_its_permissions() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    write_atomic(root, b"deep/er/new\nfile", b"one\n", FileMode::Regular).unwrap();
    let path = root.join("deep/er/new\nfile");
    assert_eq!(fs::read(&path).unwrap(), b"one\n");

    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    write_atomic(root, b"deep/er/new\nfile", b"two", FileMode::Regular).unwrap();
    assert_eq!(mode_of(&path), 0o640);
    write_atomic(root, b"deep/er/new\nfile", b"two", FileMode::Executable).unwrap();
    assert_eq!(mode_of(&path), 0o750);
    let file = read(root, b"deep/er/new\nfile").unwrap().unwrap();
    assert_eq!(file, File { mode: FileMode::Executable, content: b"two".to_vec() });
    write_atomic(root, b"deep/er/new\nfile", b"two", FileMode::Regular).unwrap();
    assert_eq!(mode_of(&path), 0o640);

    // A link is replaced, not followed.
    fs::write(root.join("target"), "target").unwrap();
    symlink("target", root.join("link")).unwrap();
    write_atomic(root, b"link", b"file now", FileMode::Regular).unwrap();
    assert_eq!(fs::read(root.join("target")).unwrap(), b"target");
    write_atomic(root, b"link", b"else\xffwhere", FileMode::Symlink).unwrap();
    let link = read(root, b"link").unwrap().unwrap();
    assert_eq!(link, File { mode: FileMode::Symlink, content: b"else\xffwhere".to_vec() });

    // Nothing is left beside them.
    assert_eq!(fs::read_dir(root).unwrap().count(), 3);
}

#[test]
fn a_folder_in_the_way_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("a/b")).unwrap();
    assert!(write_atomic(folder.path(), b"a", b"x", FileMode::Regular).is_err());
    assert!(read(folder.path(), b"a").is_err());
    assert!(remove(folder.path(), b"a").is_err());
    fs::write(folder.path().join("file"), "x").unwrap();
    assert!(write_atomic(folder.path(), b"file/below", b"x", FileMode::Regular).is_err());
    assert_eq!(read(folder.path(), b"file").unwrap().unwrap().content, b"x");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
}

#[test]
fn removing_takes_empty_folders_along() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    write_atomic(root, b"a/b/c", b"", FileMode::Regular).unwrap();
    write_atomic(root, b"a/other", b"", FileMode::Regular).unwrap();
    assert!(remove(root, b"a/b/c").unwrap());
    assert!(!root.join("a/b").exists() && root.join("a").exists());
    assert!(!remove(root, b"a/b/c").unwrap());
    assert!(remove(root, b"a/other").unwrap());
    assert!(!root.join("a").exists() && root.exists());
    assert_eq!(read(root, b"a/b/c").unwrap(), None);
}
