//! A temporary repository with a home of its own.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use orchflow_git::worktrees::{Options, WorktreeRequest};
use orchflow_git::{ObjectId, Program, Repository};

/// A folder with a home, a repository, and room for worktrees; gone when dropped.
pub struct Sandbox {
    pub folder: tempfile::TempDir,
    pub root: PathBuf,
}

impl Sandbox {
    /// Makes a repository without commits.
    pub fn unborn() -> Self {
        // What the crate notes on its way is shown for a test that fails.
        let _ = tracing_subscriber::fmt().with_test_writer().without_time().try_init();
        let folder = tempfile::Builder::new().prefix("orchflow git ").tempdir().unwrap();
        let root = fs::canonicalize(folder.path()).unwrap().join("project");
        fs::create_dir_all(folder.path().join("home")).unwrap();
        fs::create_dir(&root).unwrap();
        let sandbox = Sandbox { folder, root };
        sandbox.git(["init", "--quiet", "--initial-branch=main"]);
        sandbox.git(["config", "user.name", "Someone"]);
        sandbox.git(["config", "user.email", "someone@example.org"]);
        sandbox
    }

    /// Makes a repository with one commit of a few files.
    pub fn new() -> Self {
        let sandbox = Sandbox::unborn();
        sandbox.write("readme.txt", "one\ntwo\nthree\n");
        sandbox.write("source/main.c", "int main(void)\n{\n\treturn 0;\n}\n");
        sandbox.write(".gitignore", "*.secret\n/build/\n");
        sandbox.commit("start");
        sandbox
    }

    pub fn program(&self) -> Program {
        Program::default()
            .with_variable("HOME", self.folder.path().join("home"))
            .with_variable("XDG_CONFIG_HOME", self.folder.path().join("home/.config"))
            .with_variable("GIT_CONFIG_NOSYSTEM", "1")
    }

    pub fn repository(&self) -> Repository {
        Repository::discover_with(self.program(), &self.root).unwrap()
    }

    /// Runs git in the repository and gives what it printed; it must succeed.
    pub fn git<I, S>(&self, arguments: I) -> String
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        self.git_in(&self.root, arguments)
    }

    pub fn git_in<I, S>(&self, directory: &Path, arguments: I) -> String
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        let arguments: Vec<OsString> = arguments.into_iter().map(|word| word.as_ref().to_owned()).collect();
        let output = Command::new("git")
            .current_dir(directory)
            .env("HOME", self.folder.path().join("home"))
            .env("XDG_CONFIG_HOME", self.folder.path().join("home/.config"))
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .args(["-c", "protocol.file.allow=always"])
            .args(&arguments)
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "git {arguments:?}: {stderr}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    pub fn write(&self, path: impl AsRef<Path>, content: impl AsRef<[u8]>) {
        write(&self.root, path, content);
    }

    pub fn commit(&self, message: &str) -> ObjectId {
        self.git(["add", "--all"]);
        self.git(["commit", "--quiet", "--allow-empty", "-m", message]);
        self.git(["rev-parse", "HEAD"]).parse().unwrap()
    }

    pub fn head(&self) -> ObjectId {
        self.git(["rev-parse", "HEAD"]).parse().unwrap()
    }

    pub fn options(&self) -> Options {
        Options { verify: true, ..Options::in_folder(&self.folder.path().join("cache")) }
    }

    /// Asks for worktrees of HEAD by names.
    pub fn requests(&self, names: &[&str]) -> Vec<WorktreeRequest> {
        let commit = self.head();
        let path = |name: &&str| fs::canonicalize(self.folder.path()).unwrap().join("worktrees").join(name);
        names.iter().map(|name| WorktreeRequest { path: path(name), commit: commit.clone() }).collect()
    }
}

pub fn write(root: &Path, path: impl AsRef<Path>, content: impl AsRef<[u8]>) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

pub fn name(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(bytes))
}

/// A repository's state that none of our operations may change.
pub fn user_state(sandbox: &Sandbox) -> (Vec<u8>, String, String, String) {
    (
        fs::read(sandbox.root.join(".git/index")).unwrap_or_default(),
        sandbox.git([
            "for-each-ref",
            "--format=%(refname) %(objectname)",
            "refs/heads",
            "refs/tags",
            "refs/stash",
        ]),
        fs::read_to_string(sandbox.root.join(".git/HEAD")).unwrap(),
        sandbox.git(["--no-optional-locks", "status", "--porcelain", "--untracked-files=all"]),
    )
}
