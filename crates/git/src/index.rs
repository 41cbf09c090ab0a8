//! An index of our own, so that a tree can be made of a worktree without touching the index of who works there.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::command::{Git, Output, failure};
use crate::worktrees::index_file::IndexFile;
use crate::{FileMode, GitError, ObjectId, Program};

/// How often a snapshot is tried again when files change while git reads them.
const ATTEMPTS: u32 = 5;

/// How git's message on a nested repository without commits goes on after its path.
const NO_COMMIT: &str = "' does not have a commit checked out";

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
/// The index starts as a copy of the first usable of `sources` and is left, if wanted, as `keep`. `known` is the tree of
/// the first source, if the caller knows it: where git finds nothing to change in that index, it is the answer.
///
/// # Errors
/// What git gives when it cannot read the worktree or write objects.
pub(crate) fn snapshot(
    place: Place,
    sources: &[PathBuf],
    keep: Option<&Path>,
    known: Option<&ObjectId>,
) -> Result<Snapshot, GitError> {
    let scratch = tempfile::Builder::new()
        .prefix("orchflow-index-")
        .tempdir_in(place.git_directory)
        .map_err(|source| GitError::io("make a file in", place.git_directory, source))?;
    let index = scratch.path().join("index");
    let mut last = None;
    for (number, source) in sources.iter().map(Some).chain([None]).enumerate() {
        match source {
            Some(source) if !copy(source, &index)? => continue,
            Some(_) => {}
            None => remove_if_there(&index)?,
        }
        let before = identity(&index);
        match add_all(place, &index) {
            Ok(warnings) => {
                // Git writes a new file where anything changed, and leaves the old one where nothing did.
                if let Some(tree) = known.filter(|_| number == 0)
                    && warnings.is_empty()
                    && before.is_some()
                    && before == identity(&index)
                {
                    return Ok(Snapshot { tree: tree.clone(), nested: Vec::new(), warnings });
                }
                let tree = ObjectId::from_bytes(&place.git().index(&index).arg("write-tree").run()?)?;
                let (nested, lost) = match commits_in(&index, &tree) {
                    Some(commits) => told_of(commits, &warnings),
                    None => nested_repositories(place, &index, &warnings)?,
                };
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

/// Tells a file from one that was put in its place.
fn identity(path: &Path) -> Option<(u64, u64, i64, i64)> {
    let data = fs::metadata(path).ok()?;
    Some((data.ino(), data.size(), data.mtime(), data.mtime_nsec()))
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

/// Brings an index up to what is in the worktree and gives what could not be added, in git's words. Tries again if
/// files moved under git's hands: an agent's build may run on while it is looked at.
fn add_all(place: Place, index: &Path) -> Result<Vec<String>, GitError> {
    let mut attempt = 0;
    loop {
        attempt += 1;
        let output = place.git().index(index).args(["add", "--all", "--ignore-errors"]).output()?;
        let lines = messages(&output);
        let moved = lines.iter().any(|line| {
            ["No such file", "short read", "changed", "Not a directory"]
                .iter()
                .any(|sign| line.contains(sign))
        });
        let fatal = lines.iter().any(|line| line.starts_with("fatal: "));
        // What cannot be read now, and has not moved, cannot be read in a moment either: for want of permission,
        // for one.
        if output.status.success() || (!fatal && !moved) {
            return Ok(lines);
        }
        if !moved || is_bad_index_text(&lines.join("\n")) {
            return Err(failure("add --all".to_owned(), &output));
        }
        match add_listed(place, index) {
            Err(error) if attempt >= ATTEMPTS => return Err(error),
            Err(_) => std::thread::sleep(Duration::from_millis(5 << attempt)),
            Ok(lines) => return Ok(lines),
        }
    }
}

/// Does the same in two steps. `git add` gives all up when a file goes between its being found and its being looked at;
/// here, a file that is gone by then counts as deleted.
fn add_listed(place: Place, index: &Path) -> Result<Vec<String>, GitError> {
    let list = |words: &[&str]| place.git().index(index).args(["ls-files", "-z"]).args(words).run();
    // First what is tracked: a file that a folder took the place of has to go before what is in the folder can come.
    let mut listed = list(&["--modified", "--deleted"])?;
    listed.extend(list(&["--others", "--exclude-standard"])?);
    let (mut names, mut lines) = (Vec::with_capacity(listed.len()), Vec::new());
    for name in listed.split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        match name.strip_suffix(b"/") {
            // Another repository: kept if it has a commit, told of if not.
            Some(nested) => {
                let words = ["update-index", "--add", "--replace", "--"];
                let path = OsStr::from_bytes(nested);
                if !place.git().index(index).args(words).arg(path).output()?.status.success() {
                    lines.push(format!("error: '{}{NO_COMMIT}", crate::show::bytes(name)));
                }
            }
            None => {
                names.extend_from_slice(name);
                names.push(0);
            }
        }
    }
    let words = ["update-index", "--add", "--remove", "--replace", "-z", "--stdin"];
    place.git().index(index).args(words).input(&names).run()?;
    Ok(lines)
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
    let nested = output
        .split(|byte| *byte == 0)
        .filter(|record| record.starts_with(b"160000 "))
        .filter_map(|record| record.splitn(2, |byte| *byte == b'\t').nth(1))
        .map(<[u8]>::to_vec)
        .collect();
    Ok(told_of(nested, warnings))
}

/// Lists the other repositories' commits that an index file holds; `None` where its form is one that only git knows.
fn commits_in(index: &Path, tree: &ObjectId) -> Option<Vec<Vec<u8>>> {
    let bytes = fs::read(index).ok()?;
    // Entries may be missing where a part of the index stands in another file.
    let is_split = memchr::memmem::find(&bytes, b"link").is_some();
    if is_split || tree.as_str().len() != 40 {
        return None;
    }
    let parsed = IndexFile::parse(bytes)?;
    let commits = parsed.entries().iter().filter(|entry| entry.mode == FileMode::Commit);
    Some(commits.map(|entry| entry.path.clone()).collect())
}

/// Adds the repositories that git refused, and gives the lines that say no more than that.
fn told_of(mut nested: Vec<Vec<u8>>, warnings: &[String]) -> (Vec<Vec<u8>>, Vec<String>) {
    let mut lost = Vec::new();
    for line in warnings {
        // error: 'inner/' does not have a commit checked out
        if let Some(rest) = line.strip_prefix("error: '")
            && let Some(path) = rest.strip_suffix(NO_COMMIT)
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
    (nested, lost)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_of_adding_make_the_same_tree() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let program =
            Program::default().with_variable("HOME", &root).with_variable("GIT_CONFIG_NOSYSTEM", "1");
        let run = |place: &Path, words: &[&str]| {
            Git::new(&program).directory(place).identity().args(words).run().unwrap();
        };
        let write = |path: &[u8], content: &str| {
            let path = root.join(OsStr::from_bytes(path));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        };
        run(&root, &["init", "--quiet"]);
        for path in
            [&b"changed"[..], b"deleted", b"becomes folder", b"folder/becomes file", b"same", b"sub/deleted"]
        {
            write(path, "old");
        }
        run(&root, &["add", "--all"]);
        run(&root, &["commit", "--quiet", "-m", "x"]);
        for path in ["deleted", "becomes folder", "folder/becomes file", "sub/deleted"] {
            fs::remove_file(root.join(path)).unwrap();
        }
        fs::remove_dir(root.join("folder")).unwrap();
        for path in [
            &b"changed"[..],
            b"becomes folder/x",
            b"folder",
            b"line\nend",
            b"\xff",
            b"-n",
            b":(top)",
            b"sub/new",
        ] {
            write(path, "new");
        }
        for nested in ["empty inner", "inner"] {
            fs::create_dir(root.join(nested)).unwrap();
            run(&root.join(nested), &["init", "--quiet"]);
        }
        run(&root.join("inner"), &["commit", "--quiet", "--allow-empty", "-m", "x"]);

        let git_directory = root.join(".git");
        let place = Place { program: &program, git_directory: &git_directory, work_tree: &root };
        let tree = |add: fn(Place, &Path) -> Result<Vec<String>, GitError>, name: &str| {
            let index = git_directory.join(name);
            assert!(copy(&git_directory.join("index"), &index).unwrap());
            let lines = add(place, &index).unwrap();
            let tree = place.git().index(&index).arg("write-tree").run().unwrap();
            let (mut nested, _) = nested_repositories(place, &index, &lines).unwrap();
            nested.sort();
            (ObjectId::from_bytes(&tree).unwrap(), nested)
        };
        let one = tree(add_all, "index-one");
        assert_eq!(one, tree(add_listed, "index-other"));
        assert_eq!(one.1, [b"empty inner".to_vec(), b"inner".to_vec()]);
    }
}
