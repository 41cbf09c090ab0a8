//! Real tmux servers of a test's own.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use orchflow_testkit::{Sandbox, wait_for};

use crate::ORCHFLOW;

/// The tmux programs to try: the system's, and a newer one where the tests were told of one.
pub fn programs() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut found: Vec<PathBuf> = std::env::split_paths(&path)
        .map(|folder| folder.join("tmux"))
        .filter(|tmux| tmux.exists())
        .take(1)
        .collect();
    if found.is_empty() {
        println!("skipped: panes: there is no tmux in PATH");
    }
    match std::env::var_os("ORCHFLOW_TMUX_NEW").map(PathBuf::from).filter(|tmux| tmux.exists()) {
        Some(newer) => found.push(newer),
        None => println!("skipped: panes in a newer tmux: ORCHFLOW_TMUX_NEW names none"),
    }
    found
}

/// Gives another number each time.
fn next_number() -> u32 {
    static LAST: AtomicU32 = AtomicU32::new(0);
    LAST.fetch_add(1, Ordering::Relaxed)
}

/// A private tmux server in a sandbox, ended with it.
pub struct Server<'a> {
    sandbox: &'a Sandbox,
    program: PathBuf,
    socket: PathBuf,
}

impl Server<'_> {
    /// Starts one with a shell in a window of so many columns.
    pub fn start<'a>(sandbox: &'a Sandbox, program: &Path, columns: u16) -> Server<'a> {
        Server::running(sandbox, program, columns, &["sh"])
    }

    /// Starts one with a program in a window of so many columns.
    pub fn running<'a>(sandbox: &'a Sandbox, program: &Path, columns: u16, argv: &[&str]) -> Server<'a> {
        let socket = sandbox.root().join(format!("tmux{}.sock", next_number()));
        let server = Server { sandbox, program: program.to_path_buf(), socket };
        let columns = columns.to_string();
        let mut words = vec!["-f", "/dev/null", "new-session", "-d", "-x", &columns, "-y", "50"];
        words.extend(argv);
        server.ask(&words);
        server
    }

    /// Has its shell run orchflow, and waits until that succeeded.
    pub fn orchflow(&self, words: &str) {
        let number = next_number();
        let line = format!("clear; '{ORCHFLOW}' {words}; echo over-{number}:$?");
        self.ask(&["send-keys", "-t", "%0", &line, "Enter"]);
        wait_for("orchflow ended well in the shell", || {
            let screen = self.ask(&["capture-pane", "-p", "-t", "%0"]);
            screen.lines().any(|line| line == format!("over-{number}:0"))
        });
    }

    /// Gives the server's process.
    pub fn pid(&self) -> i32 {
        self.ask(&["display-message", "-p", "#{pid}"]).trim().parse().unwrap()
    }

    /// Runs a tmux command and gives what it prints; nothing when no server answers.
    pub fn ask(&self, words: &[&str]) -> String {
        let mut command: Command = self.sandbox.command(&self.program);
        command.arg("-S").arg(&self.socket).args(words);
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    }

    /// Lists its panes, each with whether it is the active one.
    pub fn panes(&self) -> Vec<(String, bool)> {
        let listed = self.ask(&["list-panes", "-s", "-F", "#{pane_id} #{pane_active}"]);
        listed
            .lines()
            .filter_map(|line| line.split_once(' '))
            .map(|(id, active)| (id.to_owned(), active == "1"))
            .collect()
    }

    /// Gives what all panes show.
    pub fn screens(&self) -> String {
        self.panes().iter().map(|(pane, _)| self.ask(&["capture-pane", "-p", "-t", pane])).collect()
    }
}

impl Drop for Server<'_> {
    fn drop(&mut self) {
        self.ask(&["kill-server"]);
    }
}
