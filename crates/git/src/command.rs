//! The one place where programs are run: git, a repository's post-checkout hook, and `btrfs`.
//!
//! Every call gets the same sealed surroundings: no `GIT_*` variable of the caller, the C locale (messages are
//! matched), no prompt, no pager, no optional lock, no hook and no file system monitor of the repository.

use std::ffi::{OsStr, OsString};
use std::io::{self, Write as _};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use crate::{GitError, show};

/// The oldest git that will do.
pub(crate) const MINIMUM: &str = "2.38";
const MINIMUM_PARTS: (u32, u32) = (2, 38);

/// Settings that hold for every call, whatever the user's configuration says.
const SETTINGS: &[&str] = &[
    // A monitor or a hook is a program; nothing of ours may start one by accident.
    "core.fsmonitor=false",
    "core.hooksPath=/dev/null",
    // `add` must take every file as it is, not refuse it for its line ends.
    "core.safecrlf=false",
    "core.splitIndex=false",
    "advice.addEmbeddedRepo=false",
    "gc.auto=0",
];

/// Says which git to run, and with which additions to this process's environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    path: OsString,
    environment: Vec<(OsString, OsString)>,
}

impl Default for Program {
    fn default() -> Self {
        Program { path: OsString::from("git"), environment: Vec::new() }
    }
}

impl Program {
    /// Names a git by its path, or by a name to be looked up on PATH.
    pub fn at(path: impl Into<OsString>) -> Self {
        Program { path: path.into(), ..Program::default() }
    }

    /// Sets a variable for every call, for instance `HOME` or `PATH` of the front that asked.
    #[must_use]
    pub fn with_variable(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Gives a variable as git will see it.
    pub(crate) fn variable(&self, name: &str) -> Option<OsString> {
        let own = self.environment.iter().rev().find(|(own, _)| own == name);
        own.map(|(_, value)| value.clone()).or_else(|| std::env::var_os(name))
    }

    /// Reads the version and refuses one that is too old.
    ///
    /// # Errors
    /// [`GitError::Missing`], [`GitError::TooOld`], or [`GitError::Unreadable`].
    pub fn check_version(&self) -> Result<String, GitError> {
        let output = Git::new(self).args(["version"]).run()?;
        let text = String::from_utf8_lossy(&output);
        let found = text.split_whitespace().nth(2).unwrap_or_default().to_owned();
        let mut parts = found.split('.').map_while(|part| part.parse::<u32>().ok());
        match (parts.next(), parts.next()) {
            (Some(major), Some(minor)) if (major, minor) >= MINIMUM_PARTS => Ok(found),
            (Some(_), Some(_)) => Err(GitError::TooOld { found }),
            _ => Err(GitError::Unreadable { command: "version", detail: "expected `git version X.Y`" }),
        }
    }

    /// Makes a command without the caller's `GIT_*` variables, silent and without input.
    fn command(&self, program: &OsStr) -> Command {
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os() {
            if name.as_bytes().starts_with(b"GIT_") {
                command.env_remove(name);
            }
        }
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }
}

/// What a finished call left.
pub(crate) struct Output {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
}

/// One call of git, being put together.
pub(crate) struct Git<'a> {
    program: &'a Program,
    directory: Option<PathBuf>,
    git_directory: Option<PathBuf>,
    work_tree: Option<PathBuf>,
    index: Option<PathBuf>,
    hooks: bool,
    identity: bool,
    settings: Vec<&'static str>,
    arguments: Vec<OsString>,
    input: Option<&'a [u8]>,
}

impl<'a> Git<'a> {
    pub(crate) fn new(program: &'a Program) -> Self {
        Git {
            program,
            directory: None,
            git_directory: None,
            work_tree: None,
            index: None,
            hooks: false,
            identity: false,
            settings: Vec::new(),
            arguments: Vec::new(),
            input: None,
        }
    }

    /// Runs in a directory, where git looks for the repository by itself.
    pub(crate) fn directory(mut self, path: &Path) -> Self {
        self.directory = Some(path.to_owned());
        self
    }

    /// Runs on exactly this repository and working tree, whatever stands in the tree's `.git` by now.
    pub(crate) fn on(mut self, git_directory: &Path, work_tree: &Path) -> Self {
        self.directory = Some(work_tree.to_owned());
        self.git_directory = Some(git_directory.to_owned());
        self.work_tree = Some(work_tree.to_owned());
        self
    }

    /// Uses another index file.
    pub(crate) fn index(mut self, path: &Path) -> Self {
        self.index = Some(path.to_owned());
        self
    }

    /// Writes commits under orchflow's own name, whoever is configured.
    pub(crate) fn identity(mut self) -> Self {
        self.identity = true;
        self
    }

    /// Lets the repository's hooks run.
    pub(crate) fn with_hooks(mut self) -> Self {
        self.hooks = true;
        self
    }

    /// Adds a `-c` setting.
    pub(crate) fn setting(mut self, setting: &'static str) -> Self {
        self.settings.push(setting);
        self
    }

    pub(crate) fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    pub(crate) fn args<I, S>(mut self, arguments: I) -> Self
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        self.arguments.extend(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
        self
    }

    /// Feeds bytes to the standard input.
    pub(crate) fn input(mut self, bytes: &'a [u8]) -> Self {
        self.input = Some(bytes);
        self
    }

    /// Runs and gives the standard output.
    ///
    /// # Errors
    /// [`GitError::Failed`] unless git ended with 0; what [`Git::output`] gives.
    pub(crate) fn run(self) -> Result<Vec<u8>, GitError> {
        let name = self.name();
        let output = self.output()?;
        if output.status.success() { Ok(output.stdout) } else { Err(failure(name, &output)) }
    }

    /// Runs and gives everything, whatever the exit status.
    ///
    /// # Errors
    /// [`GitError::Missing`] or [`GitError::Io`] when git cannot be started.
    pub(crate) fn output(self) -> Result<Output, GitError> {
        let input = self.input;
        let mut child = self.spawn(input.is_some(), true)?;
        let stdin = child.stdin.take();
        let (written, output) = std::thread::scope(|scope| {
            // The input goes in from a thread of its own, since git may answer before it has read everything.
            let feeder =
                input.zip(stdin).map(|(bytes, mut stdin)| scope.spawn(move || stdin.write_all(bytes)));
            let output = child.wait_with_output();
            (feeder.map(|feeder| feeder.join()), output)
        });
        let output = output.map_err(|source| GitError::io("run", Path::new("git"), source))?;
        if let Some(Ok(Err(source))) = written {
            // A broken pipe means that git ended early; its own message says more.
            if source.kind() != io::ErrorKind::BrokenPipe {
                return Err(GitError::io("write to", Path::new("git"), source));
            }
        }
        Ok(Output { status: output.status, stdout: output.stdout, stderr: output.stderr })
    }

    /// Starts git with its standard output, and input if wanted, as pipes.
    ///
    /// # Errors
    /// [`GitError::Missing`] or [`GitError::Io`] when git cannot be started.
    pub(crate) fn spawn(self, feed: bool, errors: bool) -> Result<Child, GitError> {
        let mut command = self.program.command(&self.program.path);
        command.env_remove("LANGUAGE").env_remove("SSH_ASKPASS").env("LC_ALL", "C");
        command.env("GIT_TERMINAL_PROMPT", "0");
        if feed {
            command.stdin(Stdio::piped());
        }
        if errors {
            command.stderr(Stdio::piped());
        }
        command.stdout(Stdio::piped());
        command.args(["--no-optional-locks", "--no-pager", "--literal-pathspecs"]);
        for setting in SETTINGS.iter().chain(&self.settings) {
            if !(self.hooks && setting.starts_with("core.hooksPath=")) {
                command.args(["-c", setting]);
            }
        }
        if let Some(directory) = &self.directory {
            command.arg("-C").arg(directory);
        }
        if let Some(path) = &self.git_directory {
            command.env("GIT_DIR", path);
        }
        if let Some(path) = &self.work_tree {
            command.env("GIT_WORK_TREE", path);
        }
        if let Some(path) = &self.index {
            command.env("GIT_INDEX_FILE", path);
        }
        if self.identity {
            for role in ["AUTHOR", "COMMITTER"] {
                command.env(format!("GIT_{role}_NAME"), "orchflow");
                command.env(format!("GIT_{role}_EMAIL"), "orchflow@localhost");
            }
        }
        command.args(&self.arguments);
        command.spawn().map_err(|source| {
            let program = self.program.path.as_bytes();
            // A search along PATH ends with "permission denied" when nothing was found and a folder cannot be read.
            let unfound = source.kind() == io::ErrorKind::PermissionDenied && !program.contains(&b'/');
            if unfound || source.kind() == io::ErrorKind::NotFound {
                GitError::Missing { program: show::bytes(program) }
            } else {
                GitError::io("run", Path::new(&self.program.path), source)
            }
        })
    }

    /// Names the subcommand, for messages.
    fn name(&self) -> String {
        self.arguments.iter().take(2).map(|word| show::bytes(word.as_bytes())).collect::<Vec<_>>().join(" ")
    }
}

/// Makes the error of a call that ended badly.
pub(crate) fn failure(command: String, output: &Output) -> GitError {
    GitError::Failed { command, status: output.status.to_string(), stderr: show::output(&output.stderr) }
}

/// Runs a post-checkout hook in a new worktree, as `git worktree add` would: in the worktree, without `GIT_*`.
///
/// # Errors
/// [`GitError::Io`] when it cannot be started.
pub(crate) fn post_checkout_hook(
    program: &Program,
    hook: &Path,
    worktree: &Path,
    commit: &str,
) -> Result<ExitStatus, GitError> {
    let null = "0".repeat(commit.len());
    let run = |interpreter: Option<&str>| {
        let mut command = program.command(interpreter.map_or(hook.as_os_str(), OsStr::new));
        if interpreter.is_some() {
            command.arg(hook);
        }
        command.args([null.as_str(), commit, "1"]).current_dir(worktree).status()
    };
    // A hook without a `#!` line is a shell script to git.
    let status = match run(None) {
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::NOEXEC.raw_os_error()) => {
            run(Some("/bin/sh"))
        }
        other => other,
    };
    status.map_err(|source| GitError::io("run the hook", hook, source))
}

/// Runs `btrfs`, if it is installed, and says whether it did what it was asked to.
pub(crate) fn btrfs(program: &Program, words: &[&str], paths: &[&Path]) -> bool {
    let status = program.command(OsStr::new("btrfs")).args(words).arg("--").args(paths).status();
    status.is_ok_and(|status| status.success())
}

/// Takes the one path that git printed, without its final line end.
pub(crate) fn printed_path(mut output: Vec<u8>) -> PathBuf {
    if output.last() == Some(&b'\n') {
        output.pop();
    }
    PathBuf::from(OsString::from_vec(output))
}
