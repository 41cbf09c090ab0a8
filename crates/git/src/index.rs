//! An index of our own, so that a tree can be made of a worktree without touching the index of who works there.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::command::{Git, Output, failure};
use crate::{GitError, ObjectId, Program};

/// How often a snapshot is tried again when files change while git reads them.
const ATTEMPTS: u32 = 5;

/// A worktree as git has to be told of it, whatever stands in its `.git` by now.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) program: &'a Program,
    pub(crate) git_directory: &'a Path,
    pub(crate) work_tree: &'a Path,
}

impl<'a> Place<'a> {
    pub(crate) fn git(&self) -> Git<'a> {
        Git::new(self.program).on(self.git_directory, self.work_tree)
    }
}

/// What a worktree holds now.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) tree: ObjectId,
    /// Paths that hold other repositories: their commit is kept, not their files.
    pub(crate) nested: Vec<Vec<u8>>,
    /// What git could not take, in its words.
    pub(crate) warnings: Vec<String>,
}

/// Makes a tree of everything in a worktree that is tracked, or untracked and not ignored.
///
/// The index starts as a copy of the first usable of `sources` and is left, if wanted, as `keep`.
///
/// # Errors
/// What git gives when it cannot read the worktree or write objects.
pub(crate) fn snapshot(place: Place, sources: &[PathBuf], keep: Option<&Path>) -> Result<Snapshot, GitError> {
    let scratch = tempfile::Builder::new()
        .prefix("orchflow-index-")
        .tempdir_in(place.git_directory)
        .map_err(|source| GitError::io("make a file in", place.git_directory, source))?;
    let index = scratch.path().join("index");
    let mut last = None;
    for source in sources.iter().map(Some).chain([None]) {
        match source {
            Some(source) if !copy(source, &index)? => continue,
            Some(_) => {}
            None => remove_if_there(&index)?,
        }
        match add_all(place, &index) {
            Ok(warnings) => {
                let tree = ObjectId::from_bytes(&place.git().index(&index).arg("write-tree").run()?)?;
                let (nested, lost) = nested_repositories(place, &index, &warnings)?;
                if let Some(keep) = keep {
                    fs::rename(&index, keep).map_err(|source| GitError::io("write", keep, source))?;
                }
                let warnings = warnings.into_iter().filter(|line| !lost.contains(line)).collect();
                return Ok(Snapshot { tree, nested, warnings });
            }
            // An index that git cannot read is passed over for the next.
            Err(error) if is_bad_index(&error) => {
                tracing::warn!(%error, "an index is damaged, another is tried");
                last = Some(error);
            }
            Err(error) => return Err(error),
        }
    }
    Err(last.unwrap_or(GitError::Unreadable { command: "add", detail: "expected an index" }))
}

/// Copies an index with its time. Git compares files' times with the index's own to find those that changed in
/// the very moment it was written; a copy that looked newer would hide such a change for ever.
fn copy(from: &Path, to: &Path) -> Result<bool, GitError> {
    let mut source = match fs::File::open(from) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(GitError::io("read", from, error)),
    };
    let copied = fs::File::create(to).and_then(|mut target| {
        io::copy(&mut source, &mut target)?;
        target.set_modified(source.metadata()?.modified()?)
    });
    copied.map_err(|source| GitError::io("write", to, source))?;
    Ok(true)
}

fn remove_if_there(path: &Path) -> Result<(), GitError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(GitError::io("remove", path, error)),
        _ => Ok(()),
    }
}

/// Runs `git add -A`, again if files moved under its hands, and gives what it could not add.
fn add_all(place: Place, index: &Path) -> Result<Vec<String>, GitError> {
    let mut attempt = 0;
    loop {
        attempt += 1;
        let output = place.git().index(index).args(["add", "--all", "--ignore-errors"]).output()?;
        let lines = messages(&output);
        if output.status.success() {
            return Ok(lines);
        }
        let fatal = lines.iter().any(|line| line.starts_with("fatal: "));
        if attempt >= ATTEMPTS || is_bad_index_text(&lines.join("\n")) {
            return if fatal { Err(failure("add --all".to_owned(), &output)) } else { Ok(lines) };
        }
        if !fatal && !lines.iter().any(|line| line.contains("short read") || line.contains("changed")) {
            // What cannot be read now cannot be read in a moment either: a file without permission, for one.
            return Ok(lines);
        }
        std::thread::sleep(Duration::from_millis(5 << attempt));
    }
}

fn messages(output: &Output) -> Vec<String> {
    let lines = output.stderr.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(crate::show::bytes).filter(|line| !line.starts_with("hint: ")).collect()
}

fn is_bad_index(error: &GitError) -> bool {
    matches!(error, GitError::Failed { stderr, .. } if is_bad_index_text(stderr))
}

fn is_bad_index_text(text: &str) -> bool {
    [
        "index file corrupt",
        "bad index file",
        "bad signature",
        "index file smaller",
        "unknown index entry format",
    ]
    .iter()
    .chain(&["index file open failed", "malformed name field", "unordered stage entries", "sharedindex"])
    .any(|sign| text.contains(sign))
}

/// Finds other repositories in the tree, those with commits (their commit is in the index) and those without
/// (git refuses them, in the lines given second).
fn nested_repositories(
    place: Place,
    index: &Path,
    warnings: &[String],
) -> Result<(Vec<Vec<u8>>, Vec<String>), GitError> {
    let output = place.git().index(index).args(["ls-files", "--stage", "-z"]).run()?;
    let mut nested: Vec<Vec<u8>> = output
        .split(|byte| *byte == 0)
        .filter(|record| record.starts_with(b"160000 "))
        .filter_map(|record| record.splitn(2, |byte| *byte == b'\t').nth(1))
        .map(<[u8]>::to_vec)
        .collect();
    let mut lost = Vec::new();
    for line in warnings {
        // error: 'inner/' does not have a commit checked out
        if let Some(rest) = line.strip_prefix("error: '")
            && let Some(path) = rest.strip_suffix("' does not have a commit checked out")
        {
            nested.push(path.trim_end_matches('/').as_bytes().to_vec());
            lost.push(line.clone());
        } else if line.contains("embedded git repository") || line.starts_with("warning: in the working copy")
        {
            // Said in `nested` already; and notes on line ends, which lose nothing.
            lost.push(line.clone());
        }
    }
    lost.extend(
        warnings
            .iter()
            .filter(|line| line.starts_with("error: unable to index file"))
            .filter(|line| nested.iter().any(|path| line.contains(&*String::from_utf8_lossy(path))))
            .cloned(),
    );
    Ok((nested, lost))
}

/// Makes a commit of a tree, under orchflow's own name, unsigned.
///
/// # Errors
/// What git gives.
pub(crate) fn commit(
    place: Place,
    tree: &ObjectId,
    parents: &[&ObjectId],
    message: &str,
) -> Result<ObjectId, GitError> {
    // An empty message is none to git; NUL would end it.
    let message = message.replace('\0', "\u{fffd}");
    let mut git = place.git().identity().args(["commit-tree", "--no-gpg-sign", "-F", "-"]);
    for parent in parents {
        git = git.args(["-p", parent.as_str()]);
    }
    ObjectId::from_bytes(&git.arg(tree.as_str()).input(message.as_bytes()).run()?)
}
