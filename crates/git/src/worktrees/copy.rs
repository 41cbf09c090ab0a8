//! Copying one tree of files into many at once: each file is read once and written into every target.
//!
//! Work goes by folder, so that a file is made by its bare name in an open folder. The cost is one creation a file and
//! target; nothing cheaper leaves files independent of each other.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat, Timespec, Timestamps};
use rustix::io::Errno;

use crate::GitError;

/// Files above this size, in bytes, are copied by the kernel, shared where the file system can, and not held in memory.
const LARGE: u64 = 1 << 20;
/// Targets written in one pass, which bounds the open folders.
const TARGETS_A_PASS: usize = 32;
/// Files a worker takes at a time.
const FILES_A_TASK: usize = 64;

/// A file to be copied, by its path below the source's root.
#[derive(Debug, Clone)]
pub(super) struct SourceFile {
    pub(super) path: Vec<u8>,
    /// Its size, and its modification time in seconds and nanoseconds, if they must not have changed.
    pub(super) expected: Option<(u32, u32, u32)>,
}

/// How to copy.
#[derive(Debug, Clone, Copy)]
pub(super) struct Manner {
    /// The modification time of every copy; `None` keeps each file's own.
    pub(super) modified: Option<Timespec>,
    /// Whether a file that is there already is left alone, not an error.
    pub(super) keep_existing: bool,
}

/// What a new file looks like to `stat`, as git records it.
#[derive(Debug, Clone, Copy)]
pub(super) struct FileStat {
    pub(super) file: usize,
    pub(super) changed: (u32, u32),
    pub(super) modified: (u32, u32),
    pub(super) device: u32,
    pub(super) inode: u32,
    pub(super) user: u32,
    pub(super) group: u32,
}

/// What became of one target.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) stats: Vec<FileStat>,
    pub(super) error: Option<GitError>,
}

/// Copies files into every target, whose roots exist already.
///
/// # Errors
/// When the source cannot be read or has changed; what goes wrong with one target is in its [`Outcome`].
pub(super) fn copy(
    root: &Path,
    files: &[SourceFile],
    targets: &[&Path],
    manner: Manner,
) -> Result<Vec<Outcome>, GitError> {
    let mut folders: BTreeMap<&[u8], Vec<usize>> = BTreeMap::new();
    for (number, file) in files.iter().enumerate() {
        folders.entry(parent(&file.path)).or_default().push(number);
    }
    let mut needed: BTreeSet<&[u8]> = BTreeSet::new();
    for folder in folders.keys() {
        let mut folder = *folder;
        while !folder.is_empty() && needed.insert(folder) {
            folder = parent(folder);
        }
    }
    // Sorted by bytes, a folder comes before what is in it.
    let needed: Vec<&[u8]> = needed.into_iter().collect();
    let tasks: Vec<(&[u8], &[usize])> = folders
        .iter()
        .flat_map(|(folder, files)| files.chunks(FILES_A_TASK).map(|chunk| (*folder, chunk)))
        .collect();
    let mut outcomes = Vec::with_capacity(targets.len());
    for targets in targets.chunks(TARGETS_A_PASS) {
        let failed = make_folders(targets, &needed);
        outcomes.extend(one_pass(root, files, &tasks, targets, failed, manner)?);
    }
    Ok(outcomes)
}

fn parent(path: &[u8]) -> &[u8] {
    path.iter().rposition(|byte| *byte == b'/').and_then(|slash| path.get(..slash)).unwrap_or_default()
}

pub(super) fn workers() -> usize {
    std::thread::available_parallelism().map_or(2, NonZeroUsize::get).clamp(1, 8)
}

/// Runs a task for each number below `count`, on as many threads as there are cores, and gives the results in order.
pub(super) fn for_each<T: Send>(count: usize, task: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let run = || {
        let mut done = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                return done;
            }
            done.push((number, task(number)));
        }
    };
    let mut results: Vec<(usize, T)> = std::thread::scope(|scope| {
        let others: Vec<_> = (1..workers().min(count)).map(|_| scope.spawn(run)).collect();
        let mut results = run();
        for other in others {
            match other.join() {
                Ok(done) => results.extend(done),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        results
    });
    results.sort_by_key(|(number, _)| *number);
    results.into_iter().map(|(_, result)| result).collect()
}

fn make_folders(targets: &[&Path], needed: &[&[u8]]) -> Vec<Option<GitError>> {
    for_each(targets.len(), |number| {
        let target = targets.get(number)?;
        let make = || -> Result<(), Errno> {
            let root = open_folder(rustix::fs::CWD, target.as_os_str())?;
            for folder in needed {
                match rustix::fs::mkdirat(&root, OsStr::from_bytes(folder), Mode::from_raw_mode(0o777)) {
                    Ok(()) => {}
                    Err(Errno::EXIST) => {
                        // Never through a link that the commit holds in the folder's place.
                        let stat =
                            rustix::fs::statat(&root, OsStr::from_bytes(folder), AtFlags::SYMLINK_NOFOLLOW)?;
                        if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
                            return Err(Errno::NOTDIR);
                        }
                    }
                    Err(error) => return Err(error),
                }
            }
            Ok(())
        };
        make().err().map(|source| GitError::io("make folders in", target, source))
    })
}

fn open_folder(at: impl AsFd, path: impl rustix::path::Arg) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    rustix::fs::openat(at, path, flags, Mode::empty())
}

fn one_pass(
    root: &Path,
    files: &[SourceFile],
    tasks: &[(&[u8], &[usize])],
    targets: &[&Path],
    failed: Vec<Option<GitError>>,
    manner: Manner,
) -> Result<Vec<Outcome>, GitError> {
    let mut outcomes: Vec<Outcome> =
        failed.into_iter().map(|error| Outcome { stats: Vec::new(), error }).collect();
    let alive: Vec<bool> = outcomes.iter().map(|outcome| outcome.error.is_none()).collect();
    let done = for_each(tasks.len(), |number| match tasks.get(number) {
        Some((folder, chunk)) => copy_chunk(root, files, folder, chunk, targets, &alive, manner),
        None => Ok(Vec::new()),
    });
    for chunk in done {
        for (target, result) in chunk? {
            let Some(outcome) = outcomes.get_mut(target) else { continue };
            match result {
                Ok(stat) => outcome.stats.extend(stat),
                Err(error) => outcome.error = Some(error),
            }
        }
    }
    Ok(outcomes)
}

/// What became of a file in a target, by the target's number: nothing when one was there already.
type Written = Vec<(usize, Result<Option<FileStat>, GitError>)>;

fn copy_chunk(
    root: &Path,
    files: &[SourceFile],
    folder: &[u8],
    chunk: &[usize],
    targets: &[&Path],
    alive: &[bool],
    manner: Manner,
) -> Result<Written, GitError> {
    let relative = OsStr::from_bytes(if folder.is_empty() { b"." } else { folder });
    let source = open_folder(rustix::fs::CWD, root.join(relative).as_os_str())
        .map_err(|error| GitError::io("read", &root.join(relative), error))?;
    let mut written: Written = Vec::with_capacity(chunk.len() * targets.len());
    let mut open = Vec::with_capacity(targets.len());
    for (number, target) in targets.iter().enumerate().filter(|(number, _)| alive.get(*number) == Some(&true))
    {
        match open_folder(rustix::fs::CWD, target.join(relative).as_os_str()) {
            Ok(folder) => open.push((number, folder)),
            Err(error) => written.push((number, Err(GitError::io("open", &target.join(relative), error)))),
        }
    }
    let mut buffer = Vec::new();
    for number in chunk {
        let Some(file) = files.get(*number) else { continue };
        let name = OsStr::from_bytes(file.path.rsplit(|byte| *byte == b'/').next().unwrap_or_default());
        let shown = root.join(OsStr::from_bytes(&file.path));
        let content = Content::read(&source, name, file, &mut buffer)
            .map_err(|error| GitError::io("copy from", &shown, error))?;
        let Some(content) = content else { continue };
        for (target, folder) in &open {
            let result = match content.write(folder, name, *number, &buffer, manner) {
                Ok(stat) => Ok(Some(stat)),
                Err(error)
                    if manner.keep_existing && error.raw_os_error() == Some(Errno::EXIST.raw_os_error()) =>
                {
                    Ok(None)
                }
                Err(error) => {
                    let path = targets.get(*target).map(|path| path.join(OsStr::from_bytes(&file.path)));
                    Err(GitError::io("write", &path.unwrap_or_default(), error))
                }
            };
            written.push((*target, result));
        }
    }
    Ok(written)
}

/// A source file, opened.
enum Content {
    /// Its bytes are in the buffer.
    Small { mode: u32, modified: Timespec },
    /// It is left to the kernel.
    Large { mode: u32, modified: Timespec, file: fs::File, size: u64 },
    /// A symbolic link; its target is in the buffer.
    Link { modified: Timespec },
}

impl Content {
    /// Opens and reads a source file; `None` for what is neither a file nor a link.
    fn read(
        folder: &OwnedFd,
        name: &OsStr,
        file: &SourceFile,
        buffer: &mut Vec<u8>,
    ) -> io::Result<Option<Content>> {
        buffer.clear();
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        match rustix::fs::openat(folder, name, flags, Mode::empty()) {
            Ok(open) => {
                let stat = rustix::fs::fstat(&open)?;
                if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
                    return Ok(None);
                }
                check(file, &stat)?;
                let (mode, size) = (stat.st_mode & 0o777, u64::try_from(stat.st_size).unwrap_or(0));
                let (modified, mut open) = (modified(&stat), fs::File::from(open));
                if size > LARGE {
                    return Ok(Some(Content::Large { mode, modified, file: open, size }));
                }
                open.read_to_end(buffer)?;
                Ok(Some(Content::Small { mode, modified }))
            }
            Err(Errno::LOOP) => {
                let stat = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
                check(file, &stat)?;
                buffer.extend_from_slice(rustix::fs::readlinkat(folder, name, Vec::new())?.as_bytes());
                Ok(Some(Content::Link { modified: modified(&stat) }))
            }
            // A socket.
            Err(Errno::NXIO) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Writes it as a new file and gives what `stat` says of it.
    fn write(
        &self,
        folder: &OwnedFd,
        name: &OsStr,
        number: usize,
        buffer: &[u8],
        manner: Manner,
    ) -> io::Result<FileStat> {
        let times = |own: Timespec| {
            let time = manner.modified.unwrap_or(own);
            Timestamps { last_access: time, last_modification: time }
        };
        let create = |mode: u32| {
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
            rustix::fs::openat(folder, name, flags, Mode::from_raw_mode(mode)).map(fs::File::from)
        };
        let stat = match self {
            Content::Small { mode, modified } => {
                let mut file = create(*mode)?;
                file.write_all(buffer)?;
                rustix::fs::futimens(&file, &times(*modified))?;
                rustix::fs::fstat(&file)?
            }
            Content::Large { mode, modified, file: source, size } => {
                let file = create(*mode)?;
                copy_large(source, &file, *size)?;
                rustix::fs::futimens(&file, &times(*modified))?;
                rustix::fs::fstat(&file)?
            }
            Content::Link { modified } => {
                rustix::fs::symlinkat(OsStr::from_bytes(buffer), folder, name)?;
                rustix::fs::utimensat(folder, name, &times(*modified), AtFlags::SYMLINK_NOFOLLOW)?;
                rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?
            }
        };
        Ok(file_stat(number, &stat))
    }
}

/// Refuses a source file that is not as it was when it was recorded.
fn check(file: &SourceFile, stat: &Stat) -> io::Result<()> {
    let found = (stat.st_size as u32, stat.st_mtime as u32, stat.st_mtime_nsec as u32);
    match file.expected {
        Some(expected) if expected != found => Err(io::Error::other("the template was changed")),
        _ => Ok(()),
    }
}

/// Lets the kernel copy a file: sharing its blocks where the file system can, else without passing through here.
fn copy_large(source: &fs::File, target: &fs::File, size: u64) -> io::Result<()> {
    if rustix::fs::ioctl_ficlone(target, source).is_ok() {
        return Ok(());
    }
    let (mut from, mut to) = (0u64, 0u64);
    while from < size {
        let left = usize::try_from(size - from).unwrap_or(usize::MAX).min(1 << 30);
        match rustix::fs::copy_file_range(source, Some(&mut from), target, Some(&mut to), left) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) | Err(Errno::INTR) => {}
            Err(_) => {
                // Not between these file systems: the plain way, from where it stopped.
                use std::os::unix::fs::FileExt as _;
                let mut chunk = vec![0; 1 << 18];
                while from < size {
                    let count = source.read_at(&mut chunk, from)?;
                    if count == 0 {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                    target.write_all_at(chunk.get(..count).unwrap_or_default(), from)?;
                    from += count as u64;
                }
            }
        }
    }
    Ok(())
}

fn modified(stat: &Stat) -> Timespec {
    Timespec { tv_sec: stat.st_mtime, tv_nsec: stat.st_mtime_nsec as i64 }
}

/// Cuts the fields to 32 bits, as git's index does.
fn file_stat(file: usize, stat: &Stat) -> FileStat {
    FileStat {
        file,
        changed: (stat.st_ctime as u32, stat.st_ctime_nsec as u32),
        modified: (stat.st_mtime as u32, stat.st_mtime_nsec as u32),
        device: stat.st_dev as u32,
        inode: stat.st_ino as u32,
        user: stat.st_uid,
        group: stat.st_gid,
    }
}
