//! Templates: a tree checked out once by git itself, from which worktrees are copied.
//!
//! A template is keyed by everything that decides what a checkout looks like: the tree, git's version, the effective
//! configuration, the attribute files outside of the tree, and the umask. So it never goes stale; it is only ever
//! made or removed. While it is copied from, it is held by a shared lock.

use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, Mode, OFlags};

use super::copy::SourceFile;
use super::index_file::IndexFile;
use super::instant;
use super::strategy::Why;
use super::trash;
use crate::{FileMode, GitError, ObjectId, Repository};

/// Sections of the configuration that do not touch a checkout, and change often.
const IRRELEVANT: &[&str] = &[
    "branch.",
    "remote.",
    "user.",
    "alias.",
    "color.",
    "url.",
    "push.",
    "pull.",
    "fetch.",
    "credential.",
    "http.",
    "commit.",
    "tag.",
    "gpg.",
    "merge.",
    "rebase.",
    "diff.",
    "log.",
    "pager.",
    "advice.",
    "gc.",
    "maintenance.",
    "safe.",
    "init.",
    "rerere.",
    "status.",
    "column.",
    "help.",
    "sendemail.",
    "gui.",
    "difftool.",
    "mergetool.",
];
/// Templates kept in the cache.
const KEPT: usize = 3;

/// A checked-out tree to copy from.
pub(super) struct Template {
    pub(super) tree: PathBuf,
    pub(super) index: IndexFile,
    pub(super) files: Vec<SourceFile>,
    /// Holds the shared lock.
    _held: rustix::fd::OwnedFd,
}

/// What came of looking for a template.
pub(super) enum Found {
    Template(Template),
    /// There is none, and none was to be made.
    Absent,
    /// Git has to do it alone.
    Unsuited(Why),
}

/// Says whether it is worth while to count on a template: there is one, though it may be another commit's.
pub(super) fn is_expected(cache: &Path) -> bool {
    let entries = fs::read_dir(cache).into_iter().flatten().flatten();
    entries.map(|entry| entry.path().join("index")).any(|index| index.exists())
}

/// Finds the template of a commit, or makes it if wanted.
pub(super) fn find(
    repository: &Repository,
    commit: &ObjectId,
    cache: &Path,
    make: bool,
) -> Result<Found, GitError> {
    let configuration = repository.git().args(["config", "--list", "-z", "--includes"]).run()?;
    if let Some(why) = unsuited(&configuration) {
        return Ok(Found::Unsuited(why));
    }
    let tree = repository.tree_of(commit)?;
    let folder = cache.join(key(repository, &tree, &configuration));
    match open(&folder) {
        Ok(Some(found)) => return Ok(found),
        Ok(None) => {}
        Err(error) => {
            tracing::warn!(%error, "a template is damaged and is made again");
            discard(cache, &folder)?;
        }
    }
    if !make {
        return Ok(Found::Absent);
    }
    if repository.entry(&tree, b".gitmodules")?.is_some() {
        return Ok(Found::Unsuited(Why::Submodules));
    }
    if let Err(error) = build(repository, &tree, cache, &folder) {
        tracing::warn!(%error, "no template can be made, git makes each worktree alone");
        return Ok(Found::Unsuited(Why::Template));
    }
    trim(cache, KEPT, &folder);
    Ok(open(&folder)?.unwrap_or(Found::Unsuited(Why::Template)))
}

/// Removes a template that turned out not to be what it was.
pub(super) fn discard(cache: &Path, folder: &Path) -> Result<(), GitError> {
    if pins(&folder.join("tree")).exists() {
        let source = io::Error::new(io::ErrorKind::ResourceBusy, "worktrees stand on it");
        return Err(GitError::io("remove the template", folder, source));
    }
    let grave = tempfile::Builder::new().prefix(".gone-").tempdir_in(cache);
    let grave = grave.map_err(|source| GitError::io("make a folder in", cache, source))?;
    match fs::rename(folder, grave.path().join("template")) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(GitError::io("remove the template", folder, error))
        }
        _ => trash::remove_tree(&grave.keep()),
    }
}

/// Where a template, given its tree, notes who stands on it.
fn pins(tree: &Path) -> PathBuf {
    tree.with_file_name("pins")
}

fn pin_of(tree: &Path, user: &Path) -> PathBuf {
    pins(tree).join(blake3::hash(user.as_os_str().as_bytes()).to_hex().as_str())
}

/// Keeps a template from being removed while somebody stands on its files.
pub(super) fn pin(tree: &Path, user: &Path) -> Result<(), GitError> {
    let pin = pin_of(tree, user);
    let made = fs::create_dir_all(pins(tree)).and_then(|()| fs::write(&pin, b""));
    made.map_err(|source| GitError::io("write", &pin, source))
}

/// Takes a pin back.
pub(super) fn unpin(tree: &Path, user: &Path) {
    let _ = fs::remove_file(pin_of(tree, user));
    let _ = fs::remove_dir(pins(tree));
}

/// Says whether the configuration calls for what a copy cannot give.
fn unsuited(configuration: &[u8]) -> Option<Why> {
    for (name, value) in settings(configuration) {
        let on = !matches!(value, b"false" | b"0" | b"no" | b"off");
        match name {
            b"core.sparsecheckout" if on => return Some(Why::Sparse),
            b"extensions.refstorage" if value != b"files" => return Some(Why::RefStorage),
            // Only SHA-1 ids are understood in an index.
            b"extensions.objectformat" if value != b"sha1" => return Some(Why::Template),
            _ if name.starts_with(b"hook.") => return Some(Why::ConfiguredHooks),
            _ => {}
        }
    }
    None
}

fn settings(configuration: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let records = configuration.split(|byte| *byte == 0).filter(|record| !record.is_empty());
    records.map(|record| match record.iter().position(|byte| *byte == b'\n') {
        Some(split) => {
            let (name, value) = record.split_at(split);
            (name, value.strip_prefix(b"\n").unwrap_or(value))
        }
        None => (record, &b"true"[..]),
    })
}

fn key(repository: &Repository, tree: &ObjectId, configuration: &[u8]) -> String {
    let mut hasher = blake3::Hasher::new();
    let mut add = |part: &[u8]| {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    };
    add(b"template 1");
    add(tree.as_str().as_bytes());
    add(repository.version().as_bytes());
    add(umask().as_bytes());
    let mut attributes = None;
    for (name, value) in settings(configuration) {
        if !IRRELEVANT.iter().any(|section| name.starts_with(section.as_bytes())) {
            add(name);
            add(value);
        }
        if name == b"core.attributesfile" {
            attributes = Some(value.to_vec());
        }
    }
    let program = repository.program();
    let home = program.variable("HOME").map(PathBuf::from);
    let settings_folder = program.variable("XDG_CONFIG_HOME").filter(|value| !value.is_empty());
    let settings_folder = settings_folder.map(PathBuf::from).or_else(|| Some(home.as_ref()?.join(".config")));
    let personal = match attributes.map(|value| PathBuf::from(std::ffi::OsString::from_vec(value))) {
        Some(path) => match (path.strip_prefix("~"), &home) {
            (Ok(rest), Some(home)) => Some(home.join(rest)),
            _ => Some(path),
        },
        None => settings_folder.map(|folder| folder.join("git/attributes")),
    };
    let local = repository.common_directory().join("info/attributes");
    for file in [Some(local), personal, Some(PathBuf::from("/etc/gitattributes"))].into_iter().flatten() {
        add(&fs::read(file).unwrap_or_default());
    }
    hasher.finalize().to_hex().chars().take(32).collect()
}

/// Reads this process's umask, which cannot be asked for without changing it except through `/proc`.
fn umask() -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().find_map(|line| line.strip_prefix("Umask:")).unwrap_or("unknown").trim().to_owned()
}

/// Opens a template and takes its lock; `None` when it does not exist.
fn open(folder: &Path) -> Result<Option<Found>, GitError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let held = match rustix::fs::open(folder, flags, Mode::empty()) {
        Ok(held) => held,
        Err(rustix::io::Errno::NOENT) => return Ok(None),
        Err(error) => return Err(GitError::io("open", folder, error)),
    };
    rustix::fs::flock(&held, FlockOperation::LockShared)
        .map_err(|error| GitError::io("lock", folder, error))?;
    let path = folder.join("index");
    let bytes = fs::read(&path).map_err(|source| GitError::io("read", &path, source))?;
    // Whoever removes old templates goes by this file's time.
    let used = folder.join("used");
    fs::write(&used, b"").map_err(|source| GitError::io("write", &used, source))?;
    let Some(index) = IndexFile::parse(bytes) else {
        return Ok(Some(Found::Unsuited(Why::Template)));
    };
    if index.entries().iter().any(|entry| entry.mode == FileMode::Commit) {
        return Ok(Some(Found::Unsuited(Why::Submodules)));
    }
    let source = |entry: &super::index_file::IndexEntry| SourceFile {
        path: entry.path.clone(),
        expected: Some(entry.stat),
    };
    let files = index.entries().iter().map(source).collect();
    Ok(Some(Found::Template(Template { tree: folder.join("tree"), index, files, _held: held })))
}

/// Lets git check the tree out beside the cache's other templates, then moves it into its place.
fn build(repository: &Repository, tree: &ObjectId, cache: &Path, folder: &Path) -> Result<(), GitError> {
    fs::create_dir_all(cache).map_err(|source| GitError::io("make", cache, source))?;
    let making = tempfile::Builder::new().prefix(".making-").tempdir_in(cache);
    let making = making.map_err(|source| GitError::io("make a folder in", cache, source))?;
    let (files, index) = (making.path().join("tree"), making.path().join("index"));
    instant::make_folder(repository.program(), &files)
        .map_err(|source| GitError::io("make", &files, source))?;
    repository
        .git()
        .on(repository.git_directory(), &files)
        .index(&index)
        .setting("index.version=2")
        .setting("core.untrackedCache=false")
        .setting("checkout.workers=0")
        .args(["read-tree", "--reset", "-u", tree.as_str()])
        .run()?;
    match fs::rename(making.path(), folder) {
        Ok(()) => {
            // It lives under another name now.
            let _ = making.keep();
            Ok(())
        }
        // Somebody else was faster.
        Err(_) if folder.join("index").exists() => Ok(()),
        Err(error) => Err(GitError::io("write", folder, error)),
    }
}

/// Removes all but the templates used last, and what a crash left half made. One that is in use stays.
fn trim(cache: &Path, keep: usize, newest: &Path) {
    let entries = fs::read_dir(cache).into_iter().flatten().flatten();
    let mut aged: Vec<(std::time::SystemTime, PathBuf)> = entries
        .filter(|entry| entry.path() != newest)
        .filter_map(|entry| {
            let half_made = entry.file_name().as_bytes().starts_with(b".");
            let dated = if half_made { entry.path() } else { entry.path().join("used") };
            let time = fs::metadata(dated).and_then(|data| data.modified());
            let time = time.unwrap_or(std::time::UNIX_EPOCH);
            // What is being made right now has a young folder.
            let young = time.elapsed().is_ok_and(|age| age.as_secs() < 3600);
            (!(half_made && young)).then_some((time, entry.path()))
        })
        .collect();
    aged.sort_by(|one, other| other.cmp(one));
    for (_, folder) in aged.into_iter().skip(keep.saturating_sub(1)) {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let Ok(held) = rustix::fs::open(&folder, flags, Mode::empty()) else { continue };
        if rustix::fs::flock(&held, FlockOperation::NonBlockingLockExclusive).is_ok()
            && !pins(&folder.join("tree")).exists()
            && let Err(error) = discard(cache, &folder)
        {
            tracing::warn!(%error, "an old template stays");
        }
    }
}
