//! Files of a worktree, read and written so that no path, link or crash can do harm.
//!
//! A path is relative, in bytes, with `/` between its parts. It is followed part by part from the root without
//! ever going through a symbolic link, so nothing outside of the root is reached, whatever changes meanwhile.

use std::ffi::OsStr;
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::{FileMode, GitError};

/// A file: what kind, and its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// The kind.
    pub mode: FileMode,
    /// The content; of a symbolic link, its target.
    pub content: Vec<u8>,
}

/// Reads the file at a path; `None` when nothing is there.
///
/// # Errors
/// [`GitError::PathRefused`] for a path that leaves the root, goes through a symbolic link, or names something that
/// is neither file nor link; [`GitError::Io`].
pub fn read(root: &Path, path: &[u8]) -> Result<Option<File>, GitError> {
    let Some(place) = Place::find(root, path, false)? else { return Ok(None) };
    let failed = |source: Errno| GitError::io("read", &place.shown, source);
    let stat = match rustix::fs::statat(&place.folder, place.name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => stat,
        Err(Errno::NOENT) => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Symlink => {
            let target = rustix::fs::readlinkat(&place.folder, place.name, Vec::new()).map_err(failed)?;
            Ok(Some(File { mode: FileMode::Symlink, content: target.into_bytes() }))
        }
        FileType::RegularFile => {
            let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
            let file = rustix::fs::openat(&place.folder, place.name, flags, Mode::empty()).map_err(failed)?;
            let mut content = Vec::with_capacity(usize::try_from(stat.st_size).unwrap_or(0));
            let read = fs::File::from(file).read_to_end(&mut content);
            read.map_err(|source| GitError::io("read", &place.shown, source))?;
            let mode = if stat.st_mode & 0o100 != 0 { FileMode::Executable } else { FileMode::Regular };
            Ok(Some(File { mode, content }))
        }
        _ => Err(refused(path, "it is neither a file nor a link")),
    }
}

/// Puts a file at a path, whole or not at all: written beside it, flushed, then renamed over it.
///
/// Folders are made as needed. Permissions of a file that is replaced are kept, except that they follow the mode
/// in whether it can be run; a new file gets what the umask allows.
///
/// # Errors
/// [`GitError::PathRefused`] as for [`read`], and for [`FileMode::Commit`]; [`GitError::Io`].
pub fn write_atomic(root: &Path, path: &[u8], content: &[u8], mode: FileMode) -> Result<(), GitError> {
    let Some(place) = Place::find(root, path, true)? else {
        return Err(refused(path, "its folder cannot be made"));
    };
    let failed = |source: Errno| GitError::io("write", &place.shown, source);
    let old = match rustix::fs::statat(&place.folder, place.name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Some(stat.st_mode & 0o7777),
            FileType::Symlink => None,
            _ => return Err(refused(path, "something that is neither a file nor a link is there")),
        },
        Err(Errno::NOENT) => None,
        Err(error) => return Err(failed(error)),
    };
    let temporary = unique_name(".orchflow-");
    let written = match mode {
        FileMode::Commit => return Err(refused(path, "another repository cannot be written as a file")),
        FileMode::Symlink => {
            rustix::fs::symlinkat(OsStr::from_bytes(content), &place.folder, temporary.as_str())
                .map_err(failed)
        }
        FileMode::Regular | FileMode::Executable => {
            write_new(&place, &temporary, content, old, mode == FileMode::Executable)
        }
    };
    let renamed = written.and_then(|()| {
        rustix::fs::renameat(&place.folder, temporary.as_str(), &place.folder, place.name).map_err(failed)
    });
    if renamed.is_err() {
        let _ = rustix::fs::unlinkat(&place.folder, temporary.as_str(), AtFlags::empty());
    }
    renamed
}

/// Removes the file at a path, and the folders that this leaves empty, as git does. Gives whether it was there.
///
/// # Errors
/// [`GitError::PathRefused`] as for [`read`]; [`GitError::Io`], also when a directory is there.
pub fn remove(root: &Path, path: &[u8]) -> Result<bool, GitError> {
    let Some(place) = Place::find(root, path, false)? else { return Ok(false) };
    match rustix::fs::unlinkat(&place.folder, place.name, AtFlags::empty()) {
        Ok(()) => {}
        Err(Errno::NOENT) => return Ok(false),
        Err(error) => return Err(GitError::io("remove", &place.shown, error)),
    }
    let mut rest = path;
    while let Some(slash) = rest.iter().rposition(|byte| *byte == b'/') {
        rest = rest.get(..slash).unwrap_or_default();
        let Some(folder) = Place::find(root, rest, false)? else { break };
        if rustix::fs::unlinkat(&folder.folder, folder.name, AtFlags::REMOVEDIR).is_err() {
            break;
        }
    }
    Ok(true)
}

/// Checks that a path stays inside its root and out of git's own files.
///
/// # Errors
/// [`GitError::PathRefused`].
pub fn check_path(path: &[u8]) -> Result<(), GitError> {
    if path.contains(&0) {
        return Err(refused(path, "it holds a NUL byte"));
    }
    for part in path.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => return Err(refused(path, "it has an empty part")),
            b".." => return Err(refused(path, "it leaves the worktree")),
            part if part.eq_ignore_ascii_case(b".git") => {
                return Err(refused(path, "it is inside a git directory"));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Where a path leads: an open folder, and a name in it.
struct Place<'a> {
    folder: OwnedFd,
    name: &'a OsStr,
    shown: PathBuf,
}

impl<'a> Place<'a> {
    /// Opens the folder a path is in; `None` when it does not exist and is not to be made.
    fn find(root: &Path, path: &'a [u8], make: bool) -> Result<Option<Self>, GitError> {
        check_path(path)?;
        let shown = root.join(OsStr::from_bytes(path));
        let failed = |source: Errno| GitError::io("open the folder of", &shown, source);
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let mut folder = rustix::fs::open(root, flags, Mode::empty()).map_err(failed)?;
        let mut parts = path.split(|byte| *byte == b'/').peekable();
        while let Some(part) = parts.next() {
            let name = OsStr::from_bytes(part);
            if parts.peek().is_none() {
                return Ok(Some(Place { folder, name, shown }));
            }
            if make {
                match rustix::fs::mkdirat(&folder, name, Mode::from_raw_mode(0o777)) {
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(error) => return Err(failed(error)),
                }
            }
            folder = match rustix::fs::openat(&folder, name, flags | OFlags::NOFOLLOW, Mode::empty()) {
                Ok(next) => next,
                Err(Errno::NOENT) => return Ok(None),
                // Linux says ENOTDIR, others ELOOP, for a link that is not to be followed.
                Err(Errno::NOTDIR | Errno::LOOP) => {
                    return Err(refused(path, "a part of it is a file or a symbolic link, not a folder"));
                }
                Err(error) => return Err(failed(error)),
            };
        }
        Err(refused(path, "it has an empty part"))
    }
}

fn write_new(
    place: &Place,
    name: &str,
    content: &[u8],
    old: Option<u32>,
    runs: bool,
) -> Result<(), GitError> {
    let failed = |source: Errno| GitError::io("write", &place.shown, source);
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let default = if runs { 0o777 } else { 0o666 };
    let file =
        rustix::fs::openat(&place.folder, name, flags, Mode::from_raw_mode(default)).map_err(failed)?;
    if let Some(old) = old {
        // Who may read may run.
        let bits = if runs { old | ((old & 0o444) >> 2) } else { old & !0o111 };
        rustix::fs::fchmod(&file, Mode::from_raw_mode(bits)).map_err(failed)?;
    }
    let mut file = fs::File::from(file);
    let written = file.write_all(content).and_then(|()| file.sync_data());
    written.map_err(|source| GitError::io("write", &place.shown, source))
}

/// Gives a name that nobody else uses: of this process, this moment and this call.
pub(crate) fn unique_name(prefix: &str) -> String {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let time = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let nanoseconds = time.map_or(0, |time| time.as_nanos());
    format!("{prefix}{nanoseconds:x}-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

fn refused(path: &[u8], reason: &'static str) -> GitError {
    GitError::PathRefused { path: path.to_vec(), reason }
}
