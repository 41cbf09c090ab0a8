//! A repository as one of its worktrees sees it: found, judged, and asked for heads, refs and files.

use std::collections::HashMap;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::blob::BlobReader;
use crate::command::{Git, Output, failure, printed_path};
use crate::diff::Entry;
use crate::files::File;
use crate::{FileMode, GitError, ObjectId, Program};

/// All refs that this crate writes stand below this.
const REFS: &str = "refs/orchflow/";
/// Commits whose trees are remembered.
const TREES: usize = 256;

/// Stands for a repository, seen from the worktree a person works in.
#[derive(Debug, Clone)]
pub struct Repository {
    program: Program,
    version: String,
    worktree: PathBuf,
    git_directory: PathBuf,
    common_directory: PathBuf,
    /// The trees of commits, which never change; each costs a git process to ask for.
    trees: Arc<Mutex<HashMap<ObjectId, ObjectId>>>,
}

/// Tells where the worktree's HEAD stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The commit.
    pub commit: ObjectId,
    /// The commit's tree.
    pub tree: ObjectId,
    /// The branch, without `refs/heads/`; `None` when detached. Bytes that are not UTF-8 are replaced.
    pub branch: Option<String>,
}

impl Head {
    /// Gives `main@a1b2c3d`, or `detached@a1b2c3d`.
    pub fn label(&self) -> String {
        format!("{}@{}", self.branch.as_deref().unwrap_or("detached"), self.commit.short())
    }
}

impl Repository {
    /// Finds the repository of a directory, from inside any of its worktrees, with the `git` on PATH.
    ///
    /// # Errors
    /// What [`Repository::discover_with`] gives.
    pub fn discover(start: &Path) -> Result<Self, GitError> {
        Repository::discover_with(Program::default(), start)
    }

    /// Finds the repository of a directory with a given git.
    ///
    /// # Errors
    /// [`GitError::Missing`], [`GitError::TooOld`], [`GitError::NotARepository`], [`GitError::Bare`],
    /// [`GitError::InsideGitDirectory`], [`GitError::UnsafeOwnership`], or [`GitError::Io`] when the directory
    /// cannot be reached. A repository without commits is found; [`Repository::head`] says so.
    pub fn discover_with(program: Program, start: &Path) -> Result<Self, GitError> {
        let start = std::fs::canonicalize(start).map_err(|source| GitError::io("open", start, source))?;
        let version = program.check_version()?;
        let ask = |words: &[&str]| {
            Git::new(&program)
                .directory(&start)
                .args(["rev-parse", "--path-format=absolute"])
                .args(words)
                .output()
        };
        let found = ask(&["--show-toplevel", "--absolute-git-dir", "--git-common-dir"])?;
        if !found.status.success() {
            return Err(refusal(&start, &found, &ask(&["--is-bare-repository"])?));
        }
        let lines: Vec<&[u8]> = found.stdout.split_inclusive(|byte| *byte == b'\n').collect();
        let paths = if let [worktree, git_directory, common] = lines.as_slice() {
            [worktree.to_vec(), git_directory.to_vec(), common.to_vec()]
        } else {
            // A path holds a line end: each has to be asked for alone.
            let one = |word| ask(&[word]).map(|output| output.stdout);
            [one("--show-toplevel")?, one("--absolute-git-dir")?, one("--git-common-dir")?]
        };
        let [worktree, git_directory, common_directory] = paths.map(printed_path);
        let real = |path: PathBuf| {
            std::fs::canonicalize(&path).map_err(|source| GitError::io("open", &path, source))
        };
        Ok(Repository {
            worktree: real(worktree)?,
            git_directory: real(git_directory)?,
            common_directory: real(common_directory)?,
            program,
            version,
            trees: Arc::default(),
        })
    }

    /// Gives the real path of the worktree it was found from.
    pub fn worktree(&self) -> &Path {
        &self.worktree
    }

    /// Gives the real path of the git directory all worktrees share.
    pub fn common_directory(&self) -> &Path {
        &self.common_directory
    }

    /// Gives the real path of this worktree's own git directory.
    pub fn git_directory(&self) -> &Path {
        &self.git_directory
    }

    /// Gives the git in use.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// Gives the version of the git in use.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Gives the repository's key: 16 hexadecimal digits of the BLAKE3 hash of its common directory's real path.
    /// It is the same from every worktree.
    pub fn key(&self) -> String {
        let hash = blake3::hash(self.common_directory.as_os_str().as_bytes());
        hash.to_hex().chars().take(16).collect()
    }

    /// Gives the name of the directory the repository lives in, for showing and for naming folders.
    pub fn name(&self) -> std::ffi::OsString {
        let common = &self.common_directory;
        let home = if common.file_name().is_some_and(|name| name == ".git") { common.parent() } else { None };
        let name = home.unwrap_or(common).file_name().unwrap_or_default();
        let bytes = name.as_bytes();
        std::ffi::OsString::from_vec(bytes.strip_suffix(b".git").unwrap_or(bytes).to_vec())
    }

    /// Begins a call of git on this worktree.
    pub(crate) fn git(&self) -> Git<'_> {
        Git::new(&self.program).on(&self.git_directory, &self.worktree)
    }

    /// Reads where HEAD stands.
    ///
    /// # Errors
    /// [`GitError::NoCommits`] before the first commit; what git gives otherwise.
    pub fn head(&self) -> Result<Head, GitError> {
        let words = ["rev-parse", "HEAD^{commit}", "HEAD^{tree}", "--symbolic-full-name", "HEAD"];
        let output = self.git().args(words).output()?;
        if !output.status.success() {
            let unborn = self.git().args(["symbolic-ref", "-q", "HEAD"]).output()?;
            return Err(if unborn.status.success() {
                GitError::NoCommits { path: self.worktree.clone() }
            } else {
                failure("rev-parse HEAD".to_owned(), &output)
            });
        }
        let mut lines = output.stdout.split(|byte| *byte == b'\n');
        let mut next = || lines.next().unwrap_or_default();
        let (commit, tree, name) = (next(), next(), next());
        let (commit, tree) = (ObjectId::from_bytes(commit)?, ObjectId::from_bytes(tree)?);
        self.remember_tree(&commit, &tree);
        Ok(Head {
            commit,
            tree,
            branch: name
                .strip_prefix(b"refs/heads/")
                .map(|branch| String::from_utf8_lossy(branch).into_owned()),
        })
    }

    /// Finds the tree of a commit.
    ///
    /// # Errors
    /// [`GitError::NoObject`] when there is no such commit.
    pub fn tree_of(&self, commit: &ObjectId) -> Result<ObjectId, GitError> {
        let known = self.trees.lock().unwrap_or_else(PoisonError::into_inner).get(commit).cloned();
        if let Some(tree) = known {
            return Ok(tree);
        }
        let tree = self.resolve(&format!("{commit}^{{tree}}"))?;
        self.remember_tree(commit, &tree);
        Ok(tree)
    }

    fn remember_tree(&self, commit: &ObjectId, tree: &ObjectId) {
        let mut trees = self.trees.lock().unwrap_or_else(PoisonError::into_inner);
        if trees.len() >= TREES {
            trees.clear();
        }
        trees.insert(commit.clone(), tree.clone());
    }

    /// Finds the commit a revision of the user's names (`main`, `HEAD~2`, an id).
    ///
    /// # Errors
    /// [`GitError::NoObject`] when it names none.
    pub fn commit_of(&self, revision: &str) -> Result<ObjectId, GitError> {
        self.resolve(&format!("{revision}^{{commit}}"))
    }

    fn resolve(&self, name: &str) -> Result<ObjectId, GitError> {
        let words = ["rev-parse", "--verify", "--quiet", "--end-of-options", name];
        let output = self.git().args(words).output()?;
        if output.status.success() {
            ObjectId::from_bytes(&output.stdout)
        } else {
            Err(GitError::NoObject { object: crate::show::bytes(name.as_bytes()) })
        }
    }

    /// Reads a blob. For many, keep a [`BlobReader`].
    ///
    /// # Errors
    /// [`GitError::NoObject`] when there is none.
    pub fn read_blob(&self, id: &ObjectId) -> Result<Vec<u8>, GitError> {
        BlobReader::open(self).read(id)
    }

    /// Looks a path up in a tree or commit; `None` when it is not there or is a directory.
    ///
    /// # Errors
    /// What git gives.
    pub fn entry(&self, tree: &ObjectId, path: &[u8]) -> Result<Option<Entry>, GitError> {
        let path = std::ffi::OsStr::from_bytes(path);
        let words = ["ls-tree", "-z", "--full-tree", tree.as_str(), "--"];
        let output = self.git().args(words).arg(path).run()?;
        let Some(record) = output.split(|byte| *byte == 0).find(|record| !record.is_empty()) else {
            return Ok(None);
        };
        let mut fields = record.split(|byte| matches!(byte, b' ' | b'\t'));
        let (mode, _kind, id) = (fields.next(), fields.next(), fields.next());
        match (mode.and_then(FileMode::from_octal), id) {
            (Some(mode), Some(id)) => Ok(Some(Entry { mode, id: ObjectId::from_bytes(id)? })),
            _ => Ok(None),
        }
    }

    /// Reads the file at a path of a tree or commit; `None` when there is none (or only another repository's commit).
    ///
    /// # Errors
    /// What git gives.
    pub fn file(&self, tree: &ObjectId, path: &[u8]) -> Result<Option<File>, GitError> {
        match self.entry(tree, path)? {
            Some(entry) if entry.mode != FileMode::Commit => {
                Ok(Some(File { mode: entry.mode, content: self.read_blob(&entry.id)? }))
            }
            _ => Ok(None),
        }
    }

    /// Points one of orchflow's refs at a commit.
    ///
    /// # Errors
    /// [`GitError::RefRefused`] for any other ref; what git gives.
    pub fn update_ref(&self, name: &str, commit: &ObjectId) -> Result<(), GitError> {
        own_ref(name)?;
        self.git().args(["update-ref", "--no-deref", name, commit.as_str()]).run()?;
        Ok(())
    }

    /// Reads one of orchflow's refs; `None` when it does not exist.
    ///
    /// # Errors
    /// [`GitError::RefRefused`] for any other ref; what git gives.
    pub fn read_ref(&self, name: &str) -> Result<Option<ObjectId>, GitError> {
        own_ref(name)?;
        Ok(self.refs(name)?.into_iter().find(|(found, _)| found == name).map(|(_, id)| id))
    }

    /// Lists orchflow's refs at or below a name, each with its commit.
    ///
    /// # Errors
    /// [`GitError::RefRefused`] for any other prefix; what git gives.
    pub fn refs(&self, prefix: &str) -> Result<Vec<(String, ObjectId)>, GitError> {
        own_ref(prefix)?;
        let words = ["for-each-ref", "--format=%(objectname) %(refname)", prefix.trim_end_matches('/')];
        let output = self.git().args(words).run()?;
        let lines = output.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines
            .map(|line| {
                let split = line.iter().position(|byte| *byte == b' ').unwrap_or(line.len());
                let (id, name) = line.split_at(split);
                Ok((String::from_utf8_lossy(name.trim_ascii()).into_owned(), ObjectId::from_bytes(id)?))
            })
            .collect()
    }

    /// Deletes orchflow's refs at or below a name and gives how many there were.
    ///
    /// # Errors
    /// [`GitError::RefRefused`] for any other prefix; what git gives.
    pub fn delete_refs(&self, prefix: &str) -> Result<usize, GitError> {
        let refs = self.refs(prefix)?;
        self.delete_these_refs(&refs)?;
        Ok(refs.len())
    }

    /// Deletes some of orchflow's refs, all of them or none: each only if it still points where it did.
    ///
    /// # Errors
    /// [`GitError::RefRefused`] for any other ref; what git gives.
    pub fn delete_these_refs(&self, refs: &[(String, ObjectId)]) -> Result<(), GitError> {
        if refs.is_empty() {
            return Ok(());
        }
        let mut script = Vec::new();
        for (name, id) in refs {
            own_ref(name)?;
            script.extend_from_slice(format!("delete {name}\0{id}\0").as_bytes());
        }
        self.git().args(["update-ref", "--no-deref", "--stdin", "-z"]).input(&script).run()?;
        Ok(())
    }
}

/// Refuses a ref that is not orchflow's, so that no mistake of a caller can move a branch.
pub(crate) fn own_ref(name: &str) -> Result<(), GitError> {
    let inside = name.starts_with(REFS) && !name.contains("..") && !name.contains("//");
    if inside && !name.bytes().any(|byte| byte.is_ascii_control() || byte == b' ') {
        Ok(())
    } else {
        Err(GitError::RefRefused { name: name.to_owned() })
    }
}

/// Says why git found no worktree.
fn refusal(start: &Path, found: &Output, bare: &Output) -> GitError {
    let stderr = String::from_utf8_lossy(&found.stderr);
    let path = start.to_owned();
    if stderr.contains("dubious ownership") {
        // Git names the directory in the command it proposes.
        let named = stderr.split("'").nth(1).map(PathBuf::from);
        GitError::UnsafeOwnership { path: named.unwrap_or(path) }
    } else if stderr.contains("not a git repository") {
        GitError::NotARepository { path }
    } else if bare.status.success() && bare.stdout.trim_ascii() == b"true" {
        GitError::Bare { path }
    } else if stderr.contains("must be run in a work tree") {
        GitError::InsideGitDirectory { path }
    } else {
        failure("rev-parse".to_owned(), found)
    }
}
