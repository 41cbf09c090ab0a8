//! A home of its own for one test of the whole program.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::command::{Background, Outcome};
use crate::follow::Follower;
use crate::processes::{self, Process};
use crate::repository::TemporaryRepository;
use crate::wait::wait_for;

/// The variable that marks what was started in a sandbox; its value is the sandbox's folder.
pub const MARKER: &str = "TEST_SANDBOX";

/// Private folders, a cleared environment, and the program run in them. Dropping it ends everything that was
/// started in it.
#[derive(Debug)]
pub struct Sandbox {
    root: PathBuf,
    orchflow: PathBuf,
    variables: Vec<(OsString, Option<OsString>)>,
    /// The repository its commands run in.
    pub repository: TemporaryRepository,
    _folder: tempfile::TempDir,
}

impl Sandbox {
    /// Makes a sandbox with a repository of one commit. `orchflow` is the program under test, with its
    /// `orchflow-hook` beside it.
    ///
    /// # Panics
    /// When the system does not let it.
    pub fn new(orchflow: &str) -> Sandbox {
        Sandbox::named(orchflow, "project")
    }

    /// Makes a sandbox whose repository has this name.
    ///
    /// # Panics
    /// When the system does not let it.
    pub fn named(orchflow: &str, repository: &str) -> Sandbox {
        let orchflow = fs::canonicalize(orchflow).unwrap();
        crate::build_hook(&orchflow);
        // Socket paths are short, so the folder's name is.
        let folder = tempfile::Builder::new().prefix("of-").tempdir().unwrap();
        let root = fs::canonicalize(folder.path()).unwrap();
        for name in ["home", "data", "config", "run"] {
            fs::DirBuilder::new().mode(0o700).create(root.join(name)).unwrap();
        }
        let repository = TemporaryRepository::new(&root.join(repository), &root.join("home"));
        Sandbox { root, orchflow, variables: Vec::new(), repository, _folder: folder }
    }

    /// Sets a variable for every command from now on, or takes it away.
    pub fn set(&mut self, name: &str, value: Option<impl AsRef<OsStr>>) {
        self.variables.push((name.into(), value.map(|value| value.as_ref().to_owned())));
    }

    /// Gives its folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Gives the home of everything in it.
    pub fn home(&self) -> PathBuf {
        self.root.join("home")
    }

    /// Gives orchflow's folder of configuration.
    pub fn config(&self) -> PathBuf {
        self.root.join("config/orchflow")
    }

    /// Gives orchflow's folder of data.
    pub fn data(&self) -> PathBuf {
        self.root.join("data/orchflow")
    }

    /// Gives the program under test.
    pub fn program(&self) -> &Path {
        &self.orchflow
    }

    /// Prepares a command in the sandbox's environment and repository.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.repository.path).env_clear();
        command.envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        command.env("HOME", self.home()).env("USER", "tester").env("LC_ALL", "C.UTF-8");
        command.env("XDG_DATA_HOME", self.root.join("data"));
        command.env("XDG_CONFIG_HOME", self.root.join("config"));
        command.env("XDG_RUNTIME_DIR", self.root.join("run"));
        command.env("GIT_CONFIG_NOSYSTEM", "1");
        command.env("ORCHFLOW_REHEARSAL_SPEED", "0");
        command.env(MARKER, &self.root);
        for (name, value) in &self.variables {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command
    }

    fn orchflow_command<I, S>(&self, words: I) -> Command
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        let mut command = self.command(&self.orchflow);
        command.args(words);
        command
    }

    /// Runs orchflow to its end.
    ///
    /// # Panics
    /// When it hangs.
    #[track_caller]
    pub fn orchflow<I, S>(&self, words: I) -> Outcome
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        self.orchflow_with(words, b"")
    }

    /// Runs orchflow with this standard input to its end.
    ///
    /// # Panics
    /// When it hangs.
    #[track_caller]
    pub fn orchflow_with<I, S>(&self, words: I, input: &[u8]) -> Outcome
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        Background::start(self.orchflow_command(words), input).finish()
    }

    /// Runs a command to its end.
    ///
    /// # Panics
    /// When it hangs or cannot be started.
    #[track_caller]
    pub fn run(&self, command: Command) -> Outcome {
        Background::start(command, b"").finish()
    }

    /// Starts orchflow.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start<I, S>(&self, words: I) -> Background
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        Background::start(self.orchflow_command(words), b"")
    }

    /// Runs orchflow, which must succeed, and gives `data` of its `--json` object; `--json` has to stand
    /// among the words.
    ///
    /// # Panics
    /// When it fails.
    #[track_caller]
    pub fn data_of<I, S>(&self, words: I) -> Value
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        self.orchflow(words).expect(0).json()["data"].take()
    }

    /// Follows the log from its beginning.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn follow(&self, after: u64) -> Follower {
        Follower::start(self.orchflow_command([
            "log",
            "--jsonl",
            "--follow",
            "--limit",
            "10000",
            "--after",
            &after.to_string(),
        ]))
    }

    /// Finds the living processes that were started in it.
    pub fn processes(&self) -> Vec<Process> {
        let marker = [MARKER.as_bytes(), b"=", self.root.as_os_str().as_encoded_bytes()].concat();
        processes::belonging_to(&self.root, &marker)
    }

    /// Finds the hosts among its processes.
    pub fn hosts(&self) -> Vec<Process> {
        self.ours("host")
    }

    /// Finds the runners among its processes.
    pub fn runners(&self) -> Vec<Process> {
        let found = self.ours("runner");
        // A program that a runner begins bears the runner's words until it is loaded.
        let is_forked = |process: &Process| found.iter().any(|other| process.parent() == Some(other.pid));
        found.iter().filter(|process| !is_forked(process)).cloned().collect()
    }

    fn ours(&self, command: &str) -> Vec<Process> {
        let program = self.orchflow.to_string_lossy().into_owned();
        let mut found = self.processes();
        found.retain(|process| process.words.first() == Some(&program) && process.is(command));
        found
    }

    /// Ends the host at once, as a crash would, and waits until it is gone.
    ///
    /// # Panics
    /// When none runs.
    #[track_caller]
    pub fn kill_host(&self) {
        let hosts = self.hosts();
        assert!(!hosts.is_empty(), "no host runs");
        hosts.iter().for_each(Process::kill);
        wait_for("the killed host is gone", || hosts.iter().all(|host| !processes::lives(host.pid)));
    }

    /// Stops every agent and the host, and waits until nothing that was started here lives.
    ///
    /// # Panics
    /// When something stays.
    #[track_caller]
    pub fn leave_nothing(&self) {
        // `all` means the newest run; here every run is meant.
        for row in self.status().iter().filter(|row| row["living"] == true) {
            self.orchflow(["stop", row["key"].as_str().unwrap()]).expect(0);
        }
        self.orchflow(["host", "stop"]).expect(0);
        self.end_lingering();
        eventually_gone(self);
    }

    /// Ends runners that only keep the last screen of a program that ended by itself.
    fn end_lingering(&self) {
        let Ok(agents) = fs::read_dir(self.store().join("agents")) else { return };
        for agent in agents.flatten().filter(|agent| agent.path().join("exit.json").exists()) {
            let text = fs::read_to_string(agent.path().join("runner.json")).unwrap_or_default();
            let runner: Value = serde_json::from_str(&text).unwrap_or_default();
            let pid = runner["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok());
            self.runners().iter().filter(|process| Some(process.pid) == pid).for_each(Process::kill);
        }
    }

    /// Finds the folder of sockets of its repository.
    ///
    /// # Panics
    /// When no host ever ran.
    pub fn runtime(&self) -> PathBuf {
        only_folder_in(&self.root.join("run/orchflow"))
    }

    /// Finds the folder of the store of its repository.
    ///
    /// # Panics
    /// When no host ever ran.
    pub fn store(&self) -> PathBuf {
        only_folder_in(&self.data().join("repos"))
    }
}

#[track_caller]
fn eventually_gone(sandbox: &Sandbox) {
    let mut left = Vec::new();
    let gone = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        wait_for("nothing of the sandbox lives", || {
            left = sandbox.processes();
            left.is_empty()
        });
    }));
    assert!(gone.is_ok(), "still alive: {left:?}");
}

fn only_folder_in(parent: &Path) -> PathBuf {
    let mut folders: Vec<PathBuf> = fs::read_dir(parent)
        .unwrap_or_else(|error| panic!("{}: {error}", parent.display()))
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .collect();
    assert_eq!(folders.len(), 1, "{folders:?}");
    folders.swap_remove(0)
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.show_logs();
        }
        // Each round may meet children born in the one before.
        for _ in 0..200 {
            let left = self.processes();
            if left.is_empty() {
                break;
            }
            left.iter().for_each(Process::kill);
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        self.unmount();
        open_folders(&self.root);
    }
}

impl Sandbox {
    /// Mounts a file system in memory over one of its folders, until the sandbox goes. Gives whether the system
    /// lets it.
    pub fn mount(&self, folder: &Path, options: &str) -> bool {
        assert!(folder.starts_with(&self.root), "only what is the sandbox's own is mounted over");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", options, "none"]).arg(folder).output();
        mounted.is_ok_and(|output| output.status.success())
    }

    fn unmount(&self) {
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let places = mounts.lines().filter_map(|line| line.split(' ').nth(1)).map(Path::new);
        for place in places.filter(|place| place.starts_with(&self.root)) {
            let _ = Command::new("umount").arg("--lazy").arg(place).output();
        }
    }

    /// Shows what the host said, for a test that fails.
    #[allow(clippy::print_stderr, reason = "the runner of tests shows it")]
    fn show_logs(&self) {
        let Ok(repositories) = fs::read_dir(self.data().join("repos")) else { return };
        for repository in repositories.flatten() {
            for log in ["host.log.old", "host.log"] {
                if let Ok(text) = fs::read_to_string(repository.path().join(log)) {
                    let tail: Vec<&str> = text.lines().rev().take(60).collect();
                    eprintln!("-- {log}");
                    tail.iter().rev().for_each(|line| eprintln!("{line}"));
                }
            }
        }
    }
}

/// Makes folders removable that a test closed.
fn open_folders(path: &Path) {
    let Ok(metadata) = fs::symlink_metadata(path) else { return };
    if !metadata.is_dir() {
        return;
    }
    if metadata.permissions().mode() & 0o700 != 0o700 {
        let _ = fs::set_permissions(path, fs::Permissions::from_mode(0o700));
    }
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        open_folders(&entry.path());
    }
}
