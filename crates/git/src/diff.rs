//! Two trees compared: which files changed, and how, hunk by hunk.

use std::num::NonZeroUsize;
use std::sync::Mutex;

use crate::blob::{Blob, BlobReader};
use crate::files::File;
use crate::hunk::{self, Hunk, Sides};
use crate::{FileMode, GitError, ObjectId, Repository};

/// Contents over this size, in bytes, are not compared line by line, and are not held in memory.
pub const LARGEST_TEXT: u64 = 32 << 20;

/// What stands at a path of a tree.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Entry {
    /// What kind of file.
    pub mode: FileMode,
    /// Its content.
    pub id: ObjectId,
}

/// Tells how one file differs between two trees.
///
/// Renames are not guessed: a renamed file is one file deleted and one added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileChange {
    /// The path, in bytes, with `/` between its parts.
    pub path: Vec<u8>,
    /// What stood there; `None` for an added file.
    pub old: Option<Entry>,
    /// What stands there; `None` for a deleted file.
    pub new: Option<Entry>,
    /// The hunks, from the top of the file down.
    pub hunks: Vec<Hunk>,
}

impl FileChange {
    /// Counts the lines added.
    pub fn insertions(&self) -> u64 {
        self.hunks.iter().map(|hunk| u64::from(hunk.insertions())).sum()
    }

    /// Counts the lines removed.
    pub fn deletions(&self) -> u64 {
        self.hunks.iter().map(|hunk| u64::from(hunk.deletions())).sum()
    }
}

/// Lists the files that differ between two trees or commits, without their contents, sorted by path.
///
/// # Errors
/// What git gives, among it an unknown tree.
pub fn files(repository: &Repository, old: &ObjectId, new: &ObjectId) -> Result<Vec<FileChange>, GitError> {
    if old == new {
        return Ok(Vec::new());
    }
    let words = ["diff-tree", "-r", "-z", "--raw", "--no-renames", "--full-index", "--no-ext-diff"];
    let output = repository.git().args(words).args([old.as_str(), new.as_str(), "--"]).run()?;
    let mut fields = output.split(|byte| *byte == 0);
    let mut changes = Vec::new();
    while let (Some(header), Some(path)) = (fields.next(), fields.next()) {
        // :100644 100755 <id> <id> M
        let words: Vec<&[u8]> = header.split(|byte| *byte == b' ').collect();
        let &[old_mode, new_mode, old_id, new_id, _status] = words.as_slice() else {
            return Err(GitError::Unreadable { command: "diff-tree", detail: "expected five fields a file" });
        };
        let old_mode = old_mode.strip_prefix(b":").unwrap_or(old_mode);
        let entry = |mode: &[u8], id: &[u8]| {
            let mode = FileMode::from_octal(mode);
            mode.map(|mode| Ok(Entry { mode, id: ObjectId::from_bytes(id)? })).transpose()
        };
        changes.push(FileChange {
            path: path.to_vec(),
            old: entry(old_mode, old_id)?,
            new: entry(new_mode, new_id)?,
            hunks: Vec::new(),
        });
    }
    Ok(changes)
}

/// Compares two trees or commits down to hunks, several files at once. `scope` becomes part of every hunk's id:
/// give the agent's key, so that two agents' equal hunks are told apart.
///
/// # Errors
/// What git gives, among it an unknown tree.
pub fn changes(
    repository: &Repository,
    scope: &str,
    old: &ObjectId,
    new: &ObjectId,
) -> Result<Vec<FileChange>, GitError> {
    let mut reader = BlobReader::open(repository).with_limit(LARGEST_TEXT);
    // Whatever has to be started starts while git compares the trees.
    reader.warm()?;
    let mut changes = files(repository, old, new)?;
    fill_from(repository, scope, &mut changes, reader)?;
    Ok(changes)
}

/// Compares two contents of one file, without a repository: a buffer with what is on disk, for instance.
pub fn file_hunks(scope: &str, path: &[u8], old: Option<&File>, new: Option<&File>) -> Vec<Hunk> {
    let entry = |file: Option<&File>| file.map(|file| Entry { mode: file.mode, id: ObjectId::null() });
    let content = |file: Option<&File>| file.map(|file| file.content.clone()).unwrap_or_default();
    let change = FileChange { path: path.to_vec(), old: entry(old), new: entry(new), hunks: Vec::new() };
    hunk::of_file(scope, &change, &Sides { old: content(old), new: content(new), too_large: false })
}

/// Compares the contents of listed files and puts in their hunks. Useful to show the first files of a long list
/// before the rest is known.
///
/// # Errors
/// What git gives, among it an unknown object.
pub fn fill(repository: &Repository, scope: &str, changes: &mut [FileChange]) -> Result<(), GitError> {
    fill_from(repository, scope, changes, BlobReader::open(repository).with_limit(LARGEST_TEXT))
}

fn fill_from(
    repository: &Repository,
    scope: &str,
    changes: &mut [FileChange],
    mut reader: BlobReader,
) -> Result<(), GitError> {
    /// Fewer files than this are not worth another process.
    const FILES_A_WORKER: usize = 24;
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let workers = cores.min(changes.len() / FILES_A_WORKER).clamp(1, 8);
    let size = changes.len().div_ceil(workers).max(1);
    if workers == 1 {
        return fill_part(scope, changes, &mut reader);
    }
    let failed = Mutex::new(None);
    let work = |part: &mut [FileChange], reader: &mut BlobReader| {
        if let Err(error) = fill_part(scope, part, reader)
            && let Ok(mut failed) = failed.lock()
        {
            *failed = Some(error);
        }
    };
    std::thread::scope(|threads| {
        let mut parts = changes.chunks_mut(size);
        let first = parts.next();
        for part in parts {
            let work = &work;
            threads.spawn(move || work(part, &mut BlobReader::open(repository).with_limit(LARGEST_TEXT)));
        }
        if let Some(part) = first {
            work(part, &mut reader);
        }
    });
    failed.into_inner().unwrap_or_default().map_or(Ok(()), Err)
}

fn fill_part(scope: &str, changes: &mut [FileChange], reader: &mut BlobReader) -> Result<(), GitError> {
    let wanted: Vec<(usize, bool, ObjectId)> = changes
        .iter()
        .enumerate()
        .flat_map(|(place, change)| {
            let same = matches!((&change.old, &change.new), (Some(old), Some(new)) if old.id == new.id);
            let id = |entry: &Option<Entry>| {
                entry
                    .as_ref()
                    .filter(|entry| entry.mode != FileMode::Commit && !same)
                    .map(|entry| entry.id.clone())
            };
            let old = id(&change.old).map(|id| (place, true, id));
            old.into_iter().chain(id(&change.new).map(|id| (place, false, id)))
        })
        .collect();
    let ids: Vec<&ObjectId> = wanted.iter().map(|(_, _, id)| id).collect();
    // The two contents of a file come one after the other; each file is compared as soon as both are there.
    let mut pending: Option<(usize, Sides)> = None;
    if !ids.is_empty() {
        reader.read_all(&ids, |index, blob| {
            let Some((place, is_old, _)) = wanted.get(index) else { return };
            if pending.as_ref().is_some_and(|(waiting, _)| waiting != place) {
                finish(scope, changes, pending.take());
            }
            let (_, sides) = pending.get_or_insert_with(|| (*place, Sides::default()));
            match (blob, is_old) {
                (Blob::Content(content), true) => sides.old = content,
                (Blob::Content(content), false) => sides.new = content,
                (Blob::TooLarge(_), _) => sides.too_large = true,
            }
        })?;
        finish(scope, changes, pending.take());
    }
    // What needs no content: other repositories' commits, and files of which only the mode changed.
    for change in changes.iter_mut().filter(|change| change.hunks.is_empty()) {
        change.hunks = hunk::of_file(scope, change, &Sides::default());
    }
    Ok(())
}

fn finish(scope: &str, changes: &mut [FileChange], pending: Option<(usize, Sides)>) {
    if let Some((place, sides)) = pending
        && let Some(change) = changes.get_mut(place)
    {
        change.hunks = hunk::of_file(scope, change, &sides);
    }
}
