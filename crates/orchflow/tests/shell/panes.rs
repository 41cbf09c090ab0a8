//! Three agents on a real repository's history, shown in real tmux panes, which are not their lives.

use std::ffi::OsString;
use std::path::Path;

use orchflow_testkit::{Sandbox, wait_for};

use crate::tmux::{Server, programs};
use crate::{ORCHFLOW, WRITER, sandbox};

/// Puts this project's own history in the place of the sandbox's; `false` where there is none.
fn with_real_history(sandbox: &Sandbox) -> bool {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    if !source.join(".git").exists() {
        println!(
            "skipped: a real history: these sources are no git checkout; a repository of one commit is used"
        );
        return false;
    }
    // The sources may be somebody else's, and the git at the other end reads only its user's configuration.
    sandbox.repository.git(["config", "--global", "safe.directory", "*"]);
    let mut fetch = sandbox.command("git");
    fetch.args(["fetch", "--quiet"]).arg(source.canonicalize().unwrap()).arg("HEAD");
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
        let server = Server::start(&sandbox, &program, 200);
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

#[test]
fn an_agent_without_room_for_its_view_says_so() {
    for program in programs() {
        let sandbox = sandbox();
        sandbox.add_rehearsal("writer", WRITER);
        let wide = Server::start(&sandbox, &program, 200);
        wide.orchflow("swarm --agents writer,writer,writer,writer,writer begin");
        let four = "4 views stand beside the editor, and that is the most there may be";
        let row = sandbox.until("writer-5", "has its note", |row| row["view_note"].is_string());
        assert_eq!((&row["view_note"], &row["pane"]), (&four.into(), &serde_json::Value::Null));
        for row in sandbox.status().iter().filter(|row| row["agent"] != "writer-5") {
            assert!(row["view_note"].is_null() && row["pane"].is_string(), "{row}");
        }
        let said = sandbox.orchflow(["status"]).expect(0).stdout;
        assert!(said.contains(&format!("\nwriter-5: detached: {four}\n")), "{said}");
        assert_eq!(said.matches("detached").count(), 1, "{said}");
        let editor: u16 =
            wide.ask(&["display-message", "-p", "-t", "%0", "#{pane_width}"]).trim().parse().unwrap();
        assert!(editor >= 100, "the editor keeps 100 columns, not {editor}");
        sandbox.orchflow(["stop", "all"]).expect(0);
        sandbox.until("writer-5", "an agent that ended wants no view", |row| row["view_note"].is_null());
        drop(wide);

        let narrow = Server::start(&sandbox, &program, 140);
        narrow.orchflow("swarm --agents writer --view tmux begin");
        let row = sandbox.until("writer-6", "has its note", |row| row["view_note"].is_string());
        let why = "the editor's pane is 140 columns wide; 141 let it keep 100 beside a view";
        assert_eq!(row["view_note"], why);
        assert_eq!(narrow.panes().len(), 1);
        sandbox.kill_host();
        assert_eq!(sandbox.agent("writer-6")["view_note"], why, "the next host knows it too");
        narrow.orchflow("spawn writer --view none begin");
        let row = sandbox.until("writer-7", "works", |row| row["turn"] == 1 && row["status"] == "done");
        assert!(row["view_note"].is_null(), "none was asked for: {row}");
        drop(narrow);
        sandbox.leave_nothing();
    }
}
