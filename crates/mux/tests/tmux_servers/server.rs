//! Real tmux servers for tests: each at a private socket, without configuration, gone when dropped.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use orchflow_mux::backend::tmux::layout::Layout;
use orchflow_mux::backend::tmux::{Place, Tmux, TmuxOptions};
use orchflow_mux::backend::{Opened, PaneId, ViewId, ViewRequest};
use rustix::process::{Pid, Signal, kill_process};

/// How long a named condition may take; only a failing test waits for it.
pub const DEADLINE: Duration = Duration::from_secs(10);

/// Gives the tmux programs to test with: the system's, and a newer one. Says which is absent.
pub fn programs() -> Vec<PathBuf> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let newer = std::env::var_os("ORCHFLOW_TMUX_NEW").map(PathBuf::from);
    let newer = newer.unwrap_or_else(|| workspace.join(".deps/tmux-new/bin/tmux"));
    let mut programs = Vec::new();
    for (name, program) in [("tmux", PathBuf::from("tmux")), ("a newer tmux (ORCHFLOW_TMUX_NEW)", newer)] {
        match Command::new(&program).arg("-V").output() {
            Ok(output) if output.status.success() => programs.push(program),
            Ok(output) => println!("SKIPPED: {name}: {} -V gave {}", program.display(), output.status),
            Err(error) => println!("SKIPPED: {name}: {}: {error}", program.display()),
        }
    }
    programs
}

/// A server with one session `work`, whose only pane is the editor's.
pub struct Server {
    pub program: PathBuf,
    pub socket: PathBuf,
    pub pid: u32,
    pub editor: PaneId,
    pub folder: tempfile::TempDir,
}

impl Server {
    /// Starts one with a window of the given size, `sleep` in the place of an editor.
    pub fn start(program: &Path, columns: u16, rows: u16) -> Self {
        Server::start_with(program, columns, rows, &["sleep", "1000"])
    }

    /// Starts one with a program in the place of an editor.
    pub fn start_with(program: &Path, columns: u16, rows: u16, editor: &[&str]) -> Self {
        let folder = tempfile::Builder::new().prefix("tmux views ").tempdir().unwrap();
        let socket = folder.path().join("socket");
        let output = tmux(program, &socket)
            .args(["-f", "/dev/null", "new-session", "-d", "-s", "work", "-P", "-F", "#{pid} #{pane_id}"])
            .args(["-x", &columns.to_string(), "-y", &rows.to_string(), "--"])
            .args(editor)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        let identity = String::from_utf8(output.stdout).unwrap();
        let (pid, editor) = identity.trim().split_once(' ').unwrap();
        Server {
            program: program.to_owned(),
            socket,
            pid: pid.parse().unwrap(),
            editor: editor.parse().unwrap(),
            folder,
        }
    }

    /// Runs one tmux command as a user would, and gives its output without the last line end.
    pub fn run<W: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = W>) -> String {
        let output = tmux(&self.program, &self.socket).args(words).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8_lossy(&output.stdout).trim_end_matches('\n').to_owned()
    }

    /// Expands a format at a pane.
    pub fn ask(&self, pane: PaneId, format: &str) -> String {
        self.run(["display-message", "-p", "-t", &pane.to_string(), format])
    }

    pub fn place(&self) -> Place {
        Place::Beside { socket: self.socket.clone(), server_pid: self.pid, pane: self.editor }
    }

    pub fn options(&self) -> TmuxOptions {
        let mut options = TmuxOptions::new(self.place(), "owner of the tests");
        options.program.clone_from(&self.program);
        options
    }

    /// Makes a backend that tiles views beside the editor.
    pub async fn backend(&self) -> Tmux {
        Tmux::new(self.options()).await.unwrap()
    }

    /// Makes a backend with another layout.
    pub async fn backend_with(&self, layout: Layout) -> Tmux {
        Tmux::new(TmuxOptions { layout, ..self.options() }).await.unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        end(&self.program, &self.socket, self.pid);
    }
}

/// A tmux client that does not know of any tmux around the tests.
pub fn tmux(program: &Path, socket: &Path) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"TMUX")) {
        command.env_remove(name);
    }
    command.arg("-u").arg("-S").arg(socket).stdin(Stdio::null());
    command
}

/// Ends a server, by its number if it does not listen.
pub fn end(program: &Path, socket: &Path, pid: u32) {
    let _ = tmux(program, socket).arg("kill-server").stderr(Stdio::null()).status();
    let deadline = Instant::now() + Duration::from_secs(2);
    while runs(pid) && Instant::now() < deadline {
        std::thread::yield_now();
    }
    if runs(pid) {
        signal(pid, Signal::KILL);
    }
}

/// Sends a signal to a process; tells whether it could. A bare system has no program for it.
pub fn signal(pid: u32, signal: Signal) -> bool {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    pid.is_some_and(|pid| kill_process(pid, signal).is_ok())
}

/// Says whether a process runs; one that has ended may be kept as a zombie.
fn runs(pid: u32) -> bool {
    let state = std::fs::read_to_string(format!("/proc/{pid}/stat"));
    state.is_ok_and(|state| !state.rsplit(") ").next().is_some_and(|rest| rest.starts_with(['Z', 'X'])))
}

/// A view that shows nothing and stays.
pub fn request(agent: &str) -> ViewRequest {
    program(agent, &["sleep", "1000"])
}

pub fn program(agent: &str, argv: &[&str]) -> ViewRequest {
    ViewRequest {
        agent: agent.to_owned(),
        title: format!("title of {agent}"),
        argv: argv.iter().map(Into::into).collect(),
        cwd: "/".into(),
    }
}

/// Gives the views, all of which must have been opened.
pub fn views(opened: &[Opened]) -> Vec<ViewId> {
    let view = |one: &Opened| one.view().unwrap_or_else(|| panic!("not opened: {one:?}"));
    opened.iter().map(view).collect()
}

/// Gives why each one was not opened.
pub fn reasons(opened: &[Opened]) -> Vec<String> {
    opened
        .iter()
        .map(|one| match one {
            Opened::Detached(reason) => reason.to_string(),
            Opened::View(view) => format!("opened as {view}"),
        })
        .collect()
}

/// Waits for a named condition.
pub async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !holds() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Waits for the next of something that comes.
pub async fn next<T>(what: &str, coming: impl Future<Output = Option<T>>) -> T {
    let come = tokio::time::timeout(DEADLINE, coming).await;
    come.unwrap_or_else(|_| panic!("waited in vain for {what}")).unwrap_or_else(|| panic!("no more {what}"))
}
