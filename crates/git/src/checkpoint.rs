//! Checkpoints: a worktree's whole state as a commit, chained on the one before, under a ref of orchflow's own.
//!
//! A checkpoint holds what is tracked, and what is untracked and not ignored. It says which other repositories lie in
//! the worktree, since of those it holds only the commit; [`ignored_since`] tells what of the ignored files changed.
//! The agent's own index, HEAD and branches are not touched, and what it commits by itself changes nothing here.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::index::{self, Place};
use crate::repository::own_ref;
use crate::worktrees::Worktree;
use crate::{GitError, ObjectId, Repository};

/// A worktree's state, kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The commit that keeps it; the parent itself when nothing changed since.
    pub commit: ObjectId,
    /// Its tree.
    pub tree: ObjectId,
    /// Whether the tree is that of the parent, so that no commit was made.
    pub unchanged: bool,
    /// Where the worktree's own HEAD stands, if anywhere: the agent may have committed.
    pub head: Option<ObjectId>,
    /// Paths of other repositories in the worktree, submodules included. Their files are not in the checkpoint.
    pub nested_repositories: Vec<Vec<u8>>,
    /// What git could not take, in its words: files without permission to read, for one.
    pub warnings: Vec<String>,
}

/// Keeps the state of a worktree under a ref. The first checkpoint's `parent` is the commit it started from.
///
/// # Errors
/// [`GitError::RefRefused`]; what git gives when the worktree cannot be read or objects cannot be written, in which
/// case the ref stays where it was.
pub fn take(
    repository: &Repository,
    worktree: &Worktree,
    parent: Option<&ObjectId>,
    ref_name: &str,
    message: &str,
) -> Result<Checkpoint, GitError> {
    own_ref(ref_name)?;
    let place = Place {
        program: repository.program(),
        git_directory: worktree.git_directory(),
        work_tree: worktree.path(),
    };
    let own = worktree.git_directory().join("orchflow-index");
    let note = worktree.git_directory().join("orchflow-index-source");
    let theirs = worktree.git_directory().join("index");
    // The agent's index is the better start once it has changed: it knows what was added by force, though ignored.
    // Else our own is, since it already knows the files of the last checkpoint.
    let state = state_of(&theirs);
    // A crash may have come between an index and its note.
    let noted = Note::read(&note).filter(|noted| noted.source == state && noted.own == state_of(&own));
    let ours_is_newer = noted.is_some();
    let sources = if ours_is_newer { [own.clone(), theirs] } else { [theirs, own.clone()] };
    let known = noted.as_ref().and_then(|noted| noted.tree.clone());
    let snapshot = index::snapshot(place, &sources, Some(&own), known.as_ref())?;

    let last = noted.filter(|noted| noted.tree.as_ref() == Some(&snapshot.tree));
    if let (Some(parent), Some(last)) = (parent, &last)
        && last.commit.as_ref() == Some(parent)
        && points_at(repository, ref_name, parent)
        && let Some(head) = detached_head(worktree)
    {
        // Nothing changed since the last checkpoint, which stands as it was taken.
        return Ok(Checkpoint {
            commit: parent.clone(),
            tree: snapshot.tree,
            unchanged: true,
            head: Some(head),
            nested_repositories: snapshot.nested,
            warnings: snapshot.warnings,
        });
    }
    let (head, before) = match known_heads(repository, worktree, parent) {
        Some(known) => known,
        None => heads(place, parent)?,
    };
    let (commit, unchanged) = match parent {
        Some(parent) if before.as_ref() == Some(&snapshot.tree) => (parent.clone(), true),
        _ => {
            let parents: Vec<&ObjectId> = parent.into_iter().collect();
            let commit = index::commit(place, &snapshot.tree, &parents, message)?;
            repository.remember_tree(&commit, &snapshot.tree);
            (commit, false)
        }
    };
    repository.update_ref(ref_name, &commit)?;
    // Other repositories and what could not be read are looked for each time.
    let is_plain = snapshot.nested.is_empty() && snapshot.warnings.is_empty();
    let known = is_plain.then(|| (snapshot.tree.clone(), commit.clone()));
    Note::write(&note, &state, &state_of(&own), known.as_ref())?;
    Ok(Checkpoint {
        commit,
        tree: snapshot.tree,
        unchanged,
        head,
        nested_repositories: snapshot.nested,
        warnings: snapshot.warnings,
    })
}

/// What is noted beside our own index of a worktree.
struct Note {
    /// The state of the agent's index when ours was made.
    source: String,
    /// The state of ours.
    own: String,
    /// The tree of our index, where it holds all there is to know.
    tree: Option<ObjectId>,
    /// The checkpoint made of it.
    commit: Option<ObjectId>,
}

impl Note {
    fn read(path: &Path) -> Option<Note> {
        let text = fs::read_to_string(path).ok()?;
        let mut lines = text.lines();
        let (source, own) = (lines.next()?.to_owned(), lines.next()?.to_owned());
        let mut id = || lines.next().and_then(|line| line.parse().ok());
        let (tree, commit) = (id(), id());
        Some(Note { source, own, tree, commit })
    }

    fn write(
        path: &Path,
        source: &str,
        own: &str,
        known: Option<&(ObjectId, ObjectId)>,
    ) -> Result<(), GitError> {
        let known = known.map_or(String::new(), |(tree, commit)| format!("{tree}\n{commit}\n"));
        fs::write(path, format!("{source}\n{own}\n{known}"))
            .map_err(|source| GitError::io("write", path, source))
    }
}

/// Says, without asking git, whether a ref certainly stands at a commit. One that is packed, or kept in another
/// form than files, counts as not certain.
fn points_at(repository: &Repository, ref_name: &str, commit: &ObjectId) -> bool {
    let text = fs::read_to_string(repository.common_directory().join(ref_name)).unwrap_or_default();
    text.trim_end() == commit.as_str()
}

/// Reads a worktree's HEAD where it is a bare commit, as it is unless the agent went to a branch.
fn detached_head(worktree: &Worktree) -> Option<ObjectId> {
    fs::read_to_string(worktree.git_directory().join("HEAD")).ok()?.parse().ok()
}

/// Gives the worktree's HEAD and the parent's tree where git need not be asked for them.
fn known_heads(
    repository: &Repository,
    worktree: &Worktree,
    parent: Option<&ObjectId>,
) -> Option<(Option<ObjectId>, Option<ObjectId>)> {
    let head = detached_head(worktree)?;
    match parent {
        Some(parent) => Some((Some(head), Some(repository.known_tree(parent)?))),
        None => Some((Some(head), None)),
    }
}

/// Gives the worktree's HEAD and the parent's tree, asking once.
fn heads(place: Place, parent: Option<&ObjectId>) -> Result<(Option<ObjectId>, Option<ObjectId>), GitError> {
    let mut question = b"HEAD^{commit}\n".to_vec();
    if let Some(parent) = parent {
        question.extend_from_slice(format!("{parent}^{{tree}}\n").as_bytes());
    }
    let answer = place.git().args(["cat-file", "--batch-check=%(objectname)"]).input(&question).run()?;
    let mut lines = answer.split(|byte| *byte == b'\n');
    let mut next = || lines.next().and_then(|line| ObjectId::from_bytes(line).ok());
    let head = next();
    let before = next();
    if let (Some(parent), None) = (parent, &before) {
        return Err(GitError::NoObject { object: parent.to_string() });
    }
    Ok((head, before))
}

/// Describes a file's state by what changes whenever git writes it.
fn state_of(path: &Path) -> String {
    fs::metadata(path).map_or_else(
        |_| "none".to_owned(),
        |data| format!("{} {} {}.{}", data.ino(), data.size(), data.mtime(), data.mtime_nsec()),
    )
}

/// What of a worktree's ignored files changed, and is in no checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ignored {
    /// Ignored files and directories in which something changed; a directory stands for all in it.
    pub paths: Vec<Vec<u8>>,
    /// Whether the search gave up after [`IGNORED_LIMIT`] files, so that there may be more.
    pub incomplete: bool,
}

/// How many ignored files are looked at before a search gives up.
pub const IGNORED_LIMIT: usize = 100_000;

/// Finds ignored files that changed after a moment, for instance after the worktree was set up: what would be lost
/// with the worktree.
///
/// # Errors
/// What git gives.
pub fn ignored_since(
    repository: &Repository,
    worktree: &Worktree,
    moment: SystemTime,
) -> Result<Ignored, GitError> {
    let place = Place {
        program: repository.program(),
        git_directory: worktree.git_directory(),
        work_tree: worktree.path(),
    };
    let words = ["ls-files", "--others", "--ignored", "--exclude-standard", "--directory", "-z"];
    let output = place.git().args(words).run()?;
    let mut found = Ignored::default();
    let mut left = IGNORED_LIMIT;
    for name in output.split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let path = worktree.path().join(std::ffi::OsStr::from_bytes(name));
        match changed_within(path, moment, &mut left) {
            Some(true) => found.paths.push(name.strip_suffix(b"/").unwrap_or(name).to_vec()),
            Some(false) => {}
            None => found.incomplete = true,
        }
    }
    Ok(found)
}

/// Says whether a file, or anything in a directory, changed after a moment; `None` when `left` ran out before.
fn changed_within(path: PathBuf, moment: SystemTime, left: &mut usize) -> Option<bool> {
    let mut waiting = vec![path];
    while let Some(path) = waiting.pop() {
        *left = left.checked_sub(1)?;
        let Ok(data) = fs::symlink_metadata(&path) else { continue };
        if data.is_dir() {
            waiting.extend(fs::read_dir(&path).into_iter().flatten().flatten().map(|entry| entry.path()));
        } else if data.modified().is_ok_and(|modified| modified > moment) {
            return Some(true);
        }
    }
    Some(false)
}
