//! Three agents on a real repository's history, shown in real tmux panes, which are not their lives.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use orchflow_testkit::{Sandbox, wait_for};

use crate::{ORCHFLOW, sandbox};

/// The tmux programs to try: the system's, and a newer one where the tests were told of one.
fn programs() -> Vec<PathBuf> {
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

/// A private tmux server in a sandbox, ended with it.
struct Server<'a> {
    sandbox: &'a Sandbox,
    program: PathBuf,
    socket: PathBuf,
}

impl Server<'_> {
    fn start<'a>(sandbox: &'a Sandbox, program: &Path) -> Server<'a> {
        let server =
            Server { sandbox, program: program.to_path_buf(), socket: sandbox.root().join("tmux.sock") };
        server.ask(&["-f", "/dev/null", "new-session", "-d", "-x", "200", "-y", "50", "sh"]);
        server
    }

    fn ask(&self, words: &[&str]) -> String {
        let mut command: Command = self.sandbox.command(&self.program);
        command.arg("-S").arg(&self.socket).args(words);
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    }

    fn panes(&self) -> Vec<(String, bool)> {
        let listed = self.ask(&["list-panes", "-s", "-F", "#{pane_id} #{pane_active}"]);
        listed
            .lines()
            .filter_map(|line| line.split_once(' '))
            .map(|(id, active)| (id.to_owned(), active == "1"))
            .collect()
    }

    fn screens(&self) -> String {
        self.panes().iter().map(|(pane, _)| self.ask(&["capture-pane", "-p", "-t", pane])).collect()
    }
}

impl Drop for Server<'_> {
    fn drop(&mut self) {
        self.ask(&["kill-server"]);
    }
}

/// Puts this project's own history in the place of the sandbox's; `false` where there is none.
fn with_real_history(sandbox: &Sandbox) -> bool {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    if !source.join(".git").exists() {
        println!(
            "skipped: a real history: these sources are no git checkout; a repository of one commit is used"
        );
        return false;
    }
    let mut fetch = sandbox.command("git");
    fetch
        .args(["-c", "safe.directory=*", "fetch", "--quiet"])
        .arg(source.canonicalize().unwrap())
        .arg("HEAD");
    assert!(fetch.status().unwrap().success());
    let mut reset = sandbox.command("git");
    reset.args(["reset", "--quiet", "--hard", "FETCH_HEAD"]);
    assert!(reset.status().unwrap().success());
    true
}

#[test]
fn three_agents_show_beside_the_shell_and_outlive_the_server() {
    for program in programs() {
        let sandbox = sandbox();
        with_real_history(&sandbox);
        let server = Server::start(&sandbox, &program);
        let line: OsString = format!(
            "'{ORCHFLOW}' swarm --agents rehearsal,rehearsal,rehearsal Make the greeting configurable; echo over:$?"
        )
        .into();
        server.ask(&["send-keys", "-t", "0.0", &line.to_string_lossy(), "Enter"]);
        wait_for("the swarm was started", || server.screens().contains("over:0"));
        wait_for("three panes stand beside the shell", || server.panes().len() == 4);
        sandbox.orchflow(["wait", "--json"]).expect(0);
        wait_for("each pane shows its agent", || server.screens().matches("Enter sends").count() == 3);
        assert_eq!(
            server.panes().iter().position(|(_, active)| *active),
            Some(0),
            "the shell keeps the focus"
        );
        let shown: Vec<String> = sandbox
            .status()
            .iter()
            .map(|agent| agent["pane"].as_str().unwrap_or_default().to_owned())
            .collect();
        assert!(shown.iter().all(|pane| pane.starts_with('%')), "{shown:?}");
        assert!(!sandbox.data_of(["review", "--json"]).as_array().unwrap().is_empty());

        server.ask(&["kill-server"]);
        wait_for("the panes are known to be gone", || {
            sandbox.status().iter().all(|agent| agent["pane"].is_null())
        });
        assert!(sandbox.status().iter().all(|agent| agent["living"] == true), "a view is not a life");
        sandbox.orchflow(["send", "rehearsal", "Say more"]).expect(0);
        sandbox.until("rehearsal", "went on", |agent| agent["turn"] == 2 && agent["status"] == "done");
        sandbox.leave_nothing();
    }
}
