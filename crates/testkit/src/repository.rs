//! Git repositories to work in.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A git repository with a home of its own. It lives as long as the folder it was made in.
#[derive(Debug, Clone)]
pub struct TemporaryRepository {
    /// Its working tree.
    pub path: PathBuf,
    home: PathBuf,
}

impl TemporaryRepository {
    /// Makes a repository without commits.
    ///
    /// # Panics
    /// When the system or git does not let it.
    pub fn unborn(path: &Path, home: &Path) -> TemporaryRepository {
        fs::create_dir_all(path).unwrap();
        let repository = TemporaryRepository { path: path.to_owned(), home: home.to_owned() };
        repository.git(["init", "--quiet", "--initial-branch=main"]);
        repository.git(["config", "user.name", "Someone"]);
        repository.git(["config", "user.email", "someone@example.org"]);
        repository
    }

    /// Makes a repository with one commit of a few files.
    ///
    /// # Panics
    /// When the system or git does not let it.
    pub fn new(path: &Path, home: &Path) -> TemporaryRepository {
        let repository = TemporaryRepository::unborn(path, home);
        repository.write("greet.sh", "#!/bin/sh\nname=${1:-world}\nprintf 'Hello, %s\\n' \"$name\"\n");
        repository.write("README.md", "# Greeting\n\nSays hello.\n");
        repository.write("lines.txt", (1..=60).map(|line| format!("line {line}\n")).collect::<String>());
        repository.commit("start");
        repository
    }

    /// Runs git in it and gives what it printed; it must succeed.
    ///
    /// # Panics
    /// When git fails.
    #[track_caller]
    pub fn git<I, S>(&self, arguments: I) -> String
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        let arguments: Vec<OsString> = arguments.into_iter().map(|word| word.as_ref().to_owned()).collect();
        let output = Command::new("git")
            .current_dir(&self.path)
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .env("HOME", &self.home)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("LC_ALL", "C.UTF-8")
            .args(["-c", "protocol.file.allow=always"])
            .args(&arguments)
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "git {arguments:?}: {stderr}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Writes a file of the working tree.
    ///
    /// # Panics
    /// When the file cannot be written.
    pub fn write(&self, path: impl AsRef<Path>, content: impl AsRef<[u8]>) {
        write(&self.path.join(path), content);
    }

    /// Reads a file of the working tree.
    ///
    /// # Panics
    /// When the file cannot be read.
    #[track_caller]
    pub fn read(&self, path: impl AsRef<Path>) -> String {
        let path = self.path.join(path);
        let bytes = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Commits everything and gives the commit.
    ///
    /// # Panics
    /// When git fails.
    pub fn commit(&self, message: &str) -> String {
        self.git(["add", "--all"]);
        self.git(["commit", "--quiet", "--allow-empty", "-m", message]);
        self.git(["rev-parse", "HEAD"]).trim().to_owned()
    }

    /// Gives everything of it that is the user's alone: index, branches, tags, HEAD, and the state of the tree.
    ///
    /// # Panics
    /// When git fails.
    pub fn user_state(&self) -> (Vec<u8>, String, String, String) {
        (
            fs::read(self.path.join(".git/index")).unwrap_or_default(),
            self.git([
                "for-each-ref",
                "--format=%(refname) %(objectname)",
                "refs/heads",
                "refs/tags",
                "refs/stash",
            ]),
            fs::read_to_string(self.path.join(".git/HEAD")).unwrap_or_default(),
            self.git(["--no-optional-locks", "status", "--porcelain", "--untracked-files=all"]),
        )
    }
}

/// Writes a file and the folders above it.
///
/// # Panics
/// When the system does not let it.
pub fn write(path: &Path, content: impl AsRef<[u8]>) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}
