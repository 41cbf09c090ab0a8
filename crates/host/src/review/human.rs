//! The human's files beside the bases of agents' hunks, compared once while neither changes.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::sync::{Arc, Mutex};

use orchflow_git::blob::{Blob, BlobReader};
use orchflow_git::diff::{Entry, FileChange, LARGEST_TEXT};
use orchflow_git::files::{self, File};
use orchflow_git::standing::Standing;
use orchflow_git::{FileMode, GitError, ObjectId};

use crate::world::{World, blocking, lock};

/// The most bytes of files that are held, and the most files.
const MOST_BYTES: usize = 64 << 20;
const MOST_FILES: usize = 20_000;

/// What changes with each write of a file; none without a file.
type Stamp = Option<(i64, i64, i64, i64, u64, u64)>;

/// A file and the content of its base.
pub type Key = (Vec<u8>, Option<Entry>);

/// A file and its base by id.
type Compared = (Vec<u8>, Option<ObjectId>);

/// Remembers comparisons by file and base.
#[derive(Default)]
pub struct HumanFiles(Mutex<HashMap<Compared, (Stamp, Arc<Standing>)>>);

/// Names what a change is compared by.
pub fn key_of(change: &FileChange) -> Key {
    (change.path.clone(), change.old.clone())
}

impl World {
    /// Compares the human's files with the bases they are named with, in their order.
    ///
    /// # Errors
    /// What git says.
    pub async fn standings(self: &Arc<Self>, wanted: Vec<Key>) -> Result<Vec<Arc<Standing>>, GitError> {
        let world = Arc::clone(self);
        blocking(move || compare(&world, &wanted)).await
    }
}

fn compare(world: &World, wanted: &[Key]) -> Result<Vec<Arc<Standing>>, GitError> {
    let root = world.repository.worktree();
    let stamp = |path: &[u8]| -> Stamp {
        let found = std::fs::symlink_metadata(root.join(OsStr::from_bytes(path))).ok()?;
        let (mtime, ctime) = ((found.mtime(), found.mtime_nsec()), (found.ctime(), found.ctime_nsec()));
        Some((mtime.0, mtime.1, ctime.0, ctime.1, found.size(), found.ino()))
    };
    let stamps: Vec<Stamp> = wanted.iter().map(|(path, _)| stamp(path)).collect();
    let id = |entry: &Option<Entry>| entry.as_ref().map(|entry| entry.id.clone());
    let mut found: Vec<Option<Arc<Standing>>> = {
        let known = lock(&world.review.human.0);
        let look = |((path, old), stamp): (&Key, &Stamp)| {
            let (then, standing) = known.get(&(path.clone(), id(old)))?;
            (then == stamp).then(|| Arc::clone(standing))
        };
        wanted.iter().zip(&stamps).map(look).collect()
    };
    let missing: Vec<usize> =
        (0..wanted.len()).filter(|at| found.get(*at).is_some_and(Option::is_none)).collect();
    let mut bases: HashMap<usize, Vec<u8>> = HashMap::new();
    let read: Vec<(usize, &ObjectId)> = missing
        .iter()
        .filter_map(|at| {
            let old = wanted.get(*at)?.1.as_ref().filter(|old| old.mode != FileMode::Commit)?;
            Some((*at, &old.id))
        })
        .collect();
    if !read.is_empty() {
        let ids: Vec<&ObjectId> = read.iter().map(|(_, id)| *id).collect();
        let mut reader = BlobReader::open(&world.repository).with_limit(LARGEST_TEXT);
        let whole = reader.read_all(&ids, |place, blob| {
            if let (Blob::Content(content), Some((at, _))) = (blob, read.get(place)) {
                bases.insert(*at, content);
            }
        });
        // A base that is gone makes its own file a conflict, not the whole list a failure.
        whole
            .or_else(|error| if matches!(error, GitError::NoObject { .. }) { Ok(()) } else { Err(error) })?;
    }
    let mut known = lock(&world.review.human.0);
    let held: usize = known.values().map(|(_, standing)| standing.held()).sum();
    if held > MOST_BYTES || known.len() > MOST_FILES {
        known.clear();
    }
    for at in missing {
        let (Some((path, old)), Some(stamp)) = (wanted.get(at), stamps.get(at)) else { continue };
        let base = bases.remove(&at).zip(old.as_ref()).map(|(content, old)| File { mode: old.mode, content });
        let ours = files::read(root, path).ok().flatten();
        let standing = Arc::new(Standing::new(base, ours));
        known.insert((path.clone(), id(old)), (*stamp, Arc::clone(&standing)));
        if let Some(place) = found.get_mut(at) {
            *place = Some(standing);
        }
    }
    Ok(found.into_iter().flatten().collect())
}
