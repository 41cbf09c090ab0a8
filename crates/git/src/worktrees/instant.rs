//! Worktrees without copying: as a btrfs snapshot of a template, or as an overlay over one.
//!
//! A snapshot is an ordinary folder afterwards. An overlay is a mount: only the superuser can make it, it is gone after a
//! reboot, and its template must neither change nor go while it stands. So it is made only when asked for, pins its
//! template, and is mounted again before anybody looks at the worktree, lest an empty folder be taken for an agent that
//! deleted everything.

use std::ffi::{CString, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use super::template::{self, Template};
use super::{Worktree, trash};
use crate::GitError;
use crate::command::{self, Program};

/// What `statfs` says of the file systems (`linux/magic.h`).
const BTRFS: u64 = 0x9123_683e;
const OVERLAY: u64 = 0x794c_7630;
/// The inode number of every btrfs subvolume's root.
const SUBVOLUME_ROOT: u64 = 256;
/// Stands in a worktree's git directory and holds the overlay's layers: the lower, the upper and the work folder.
const LAYERS: &str = "orchflow-overlay";

fn is_on(path: &Path, file_system: u64) -> bool {
    rustix::fs::statfs(path).is_ok_and(|found| found.f_type as u64 == file_system)
}

/// Makes a folder, as a btrfs subvolume where that is possible, so that it can be snapshot.
pub(super) fn make_folder(program: &Program, path: &Path) -> io::Result<()> {
    let on_btrfs = path.parent().is_some_and(|parent| is_on(parent, BTRFS));
    if on_btrfs && command::btrfs(program, &["subvolume", "create"], &[path]) {
        return Ok(());
    }
    fs::create_dir(path)
}

/// Says whether worktrees can be snapshots of a template.
pub(super) fn is_subvolume(path: &Path) -> bool {
    is_on(path, BTRFS) && fs::metadata(path).is_ok_and(|data| data.ino() == SUBVOLUME_ROOT)
}

/// Puts a snapshot of the template in the place of a worktree that holds only its `.git`.
///
/// # Errors
/// When it is not possible; the worktree is then as it was.
pub(super) fn snapshot(program: &Program, template: &Template, worktree: &Worktree) -> io::Result<()> {
    let pointer = worktree.path().join(".git");
    let content = fs::read(&pointer)?;
    fs::remove_file(&pointer)?;
    fs::remove_dir(worktree.path())?;
    let made = command::btrfs(program, &["subvolume", "snapshot"], &[&template.tree, worktree.path()]);
    if !made {
        fs::create_dir_all(worktree.path())?;
    }
    fs::write(&pointer, content)?;
    if made { Ok(()) } else { Err(io::Error::other("btrfs made no snapshot")) }
}

/// Mounts an overlay over the template in the place of a worktree that holds only its `.git`.
///
/// # Errors
/// When it is not permitted or possible; the worktree is then as it was.
pub(super) fn overlay(template: &Template, worktree: &Worktree) -> Result<(), GitError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source: io::Error| GitError::io("make an overlay in", &path, source)
    };
    let mut name = OsString::from(".");
    name.push(worktree.path().file_name().unwrap_or_default());
    name.push(".layers");
    let layers = worktree.path().with_file_name(name);
    let (upper, work) = (layers.join("upper"), layers.join("work"));
    for folder in [&upper, &work] {
        fs::create_dir_all(folder).map_err(failed(&layers))?;
    }
    let pointer = worktree.path().join(".git");
    fs::copy(&pointer, upper.join(".git")).map_err(failed(&layers))?;
    let lower = template.tree.clone();
    let all = [&lower, &upper, &work];
    let mounted = template::pin(&lower, worktree.git_directory())
        .and_then(|()| mount_layers(all, worktree.path()).map_err(failed(worktree.path())))
        .and_then(|()| {
            let text = all.map(|path| path.as_os_str().as_bytes()).join(&0);
            let marker = worktree.git_directory().join(LAYERS);
            fs::write(&marker, text).map_err(failed(&marker))
        });
    if mounted.is_err() {
        let _ = unmount(worktree.path(), UnmountFlags::DETACH);
        template::unpin(&lower, worktree.git_directory());
        let _ = fs::remove_dir_all(&layers);
    }
    mounted
}

fn mount_layers(layers: [&PathBuf; 3], target: &Path) -> io::Result<()> {
    let [lower, upper, work] = layers;
    let parts: [(&[u8], &Path); 3] = [(b"lowerdir=", lower), (b",upperdir=", upper), (b",workdir=", work)];
    let mut options = Vec::new();
    for (word, path) in parts {
        let path = path.as_os_str().as_bytes();
        if path.iter().any(|byte| matches!(byte, b',' | b':' | b'\\' | b'"')) {
            return Err(io::Error::other("its path holds a character that mount options cannot"));
        }
        options.extend_from_slice(word);
        options.extend_from_slice(path);
    }
    let options = CString::new(options)?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV;
    mount("overlay", target, "overlay", flags, options.as_c_str()).map_err(io::Error::from)
}

/// Reads the layers of a worktree that is an overlay.
fn layers(worktree: &Worktree) -> Option<[PathBuf; 3]> {
    let text = fs::read(worktree.git_directory().join(LAYERS)).ok()?;
    let paths: Vec<PathBuf> =
        text.split(|byte| *byte == 0).map(|path| PathBuf::from(OsString::from_vec(path.to_vec()))).collect();
    paths.try_into().ok()
}

/// Mounts a worktree's overlay again if it is one and a reboot took the mount away.
pub(super) fn ensure_mounted(worktree: &Worktree) -> Result<(), GitError> {
    let Some([lower, upper, work]) = layers(worktree) else { return Ok(()) };
    if is_on(worktree.path(), OVERLAY) {
        return Ok(());
    }
    mount_layers([&lower, &upper, &work], worktree.path())
        .map_err(|source| GitError::io("mount again the worktree", worktree.path(), source))
}

/// Takes a worktree's overlay away, if it is one, its layers with it.
pub(super) fn release(worktree: &Worktree, trash_folder: &Path) -> Result<(), GitError> {
    let Some([lower, upper, _]) = layers(worktree) else { return Ok(()) };
    if is_on(worktree.path(), OVERLAY) {
        // Detached: a process that still stands in it keeps nobody waiting.
        unmount(worktree.path(), UnmountFlags::DETACH)
            .map_err(|source| GitError::io("unmount", worktree.path(), source))?;
    }
    template::unpin(&lower, worktree.git_directory());
    if let Some(folder) = upper.parent()
        && let Err(error) = trash::discard(folder, trash_folder)
        && error.kind() != io::ErrorKind::NotFound
    {
        trash::remove_tree(folder)?;
    }
    Ok(())
}
