//! Agents shown in panes of a wezterm that behaves as the real one was measured.

use std::ffi::OsString;

use orchflow_testkit::{FakeWezterm, Sandbox, Signal, become_wezterm, wait_for};
use serde_json::Value;

use crate::{WRITER, sandbox};

#[test]
fn wezterm_process() {
    become_wezterm();
}

/// Starts a wezterm whose panes live in the sandbox, and has every front from now on run in its first pane.
fn inside(sandbox: &mut Sandbox, columns: u16) -> FakeWezterm {
    let mut environment: Vec<(OsString, OsString)> = sandbox
        .command("x")
        .get_envs()
        .filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())))
        .collect();
    let path = std::env::var_os("PATH").unwrap_or_default();
    environment.push(("PATH".into(), path.clone()));
    let folder = sandbox.root().join("wez");
    let test = "wezterm::wezterm_process";
    let wezterm = FakeWezterm::start(&folder, test, (columns, 50), &["sleep", "1000"], &environment);
    let mut found = OsString::from(folder.join("bin"));
    found.push(":");
    found.push(path);
    sandbox.set("PATH", Some(found));
    sandbox.set("WEZTERM_UNIX_SOCKET", Some(wezterm.socket()));
    sandbox.set("WEZTERM_PANE", Some("0"));
    sandbox.set("TERM_PROGRAM", Some("WezTerm"));
    wezterm
}

fn shown(sandbox: &Sandbox) -> Vec<Value> {
    sandbox.status().iter().map(|agent| agent["pane"].clone()).collect()
}

#[test]
fn agents_show_beside_the_shell_outlive_their_panes_and_are_found_again() {
    let mut sandbox = sandbox();
    let wezterm = inside(&mut sandbox, 200);
    sandbox
        .orchflow(["swarm", "--agents", "rehearsal,rehearsal,rehearsal", "Make the greeting configurable"])
        .expect(0);
    wait_for("three panes stand beside the shell", || wezterm.panes().len() == 4);
    wait_for("all of them are done", || sandbox.status().iter().all(|agent| agent["status"] == "done"));
    wait_for("the shell has the focus", || wezterm.active() == 0);
    wait_for("each pane shows its agent", || {
        (1..4).all(|pane| wezterm.printed(pane).contains("Enter sends"))
    });
    let mut panes = shown(&sandbox);
    panes.sort_by_key(Value::to_string);
    assert_eq!(panes, ["1", "2", "3"]);

    wezterm.ask(&["kill-pane", "--pane-id", "2"]);
    wait_for("the closed pane is noticed", || {
        shown(&sandbox).iter().filter(|pane| pane.is_null()).count() == 1
    });
    assert!(sandbox.status().iter().all(|agent| agent["living"] == true), "a view is not a life");

    sandbox.kill_host();
    wezterm.ask(&["kill-pane", "--pane-id", "3"]);
    wait_for("the next host finds the one that stands", || {
        let mut panes = shown(&sandbox);
        panes.sort_by_key(Value::to_string);
        panes == [Value::from("1"), Value::Null, Value::Null]
    });
    sandbox.orchflow(["show", "all", "--json"]).expect(0);
    assert_eq!(wezterm.panes().len(), 4, "the two that had none are shown again, and no other");

    wezterm.signal(Signal::KILL);
    wait_for("the panes are known to be gone", || shown(&sandbox).iter().all(Value::is_null));
    assert!(sandbox.status().iter().all(|agent| agent["living"] == true));
    sandbox.leave_nothing();
}

#[test]
fn without_room_or_wezterm_an_agent_works_detached_and_says_why() {
    let mut sandbox = sandbox();
    sandbox.add_rehearsal("writer", WRITER);
    let wezterm = inside(&mut sandbox, 120);
    sandbox.orchflow(["swarm", "--agents", "writer", "begin"]).expect(0);
    let row = sandbox.until("writer", "has its note", |row| row["view_note"].is_string());
    assert_eq!(row["view_note"], "the editor's pane is 120 columns wide; 141 let it keep 100 beside a view");
    wezterm.signal(Signal::KILL);
    wait_for("its socket is dead", || std::os::unix::net::UnixStream::connect(wezterm.socket()).is_err());
    sandbox.orchflow(["spawn", "writer", "begin"]).expect(0);
    let row = sandbox.until("writer-2", "has its note", |row| row["view_note"].is_string());
    let note = row["view_note"].as_str().unwrap_or_default();
    assert!(
        note.starts_with("no wezterm answers at ") && note.contains("start the editor in a new one"),
        "{note}"
    );
    sandbox.set("WEZTERM_PANE", Some("none of yours"));
    sandbox.orchflow(["spawn", "writer", "--view", "wezterm", "begin"]).expect(0);
    let row = sandbox.until("writer-3", "has its note", |row| row["view_note"].is_string());
    let note = row["view_note"].as_str().unwrap_or_default();
    assert!(note.starts_with("WEZTERM_PANE is \"none of yours\", which is not what wezterm sets"), "{note}");
    sandbox.set("WEZTERM_PANE", None::<&str>);
    let refused = sandbox.orchflow(["spawn", "writer", "--view", "wezterm", "begin"]).expect(2);
    assert!(refused.stderr.contains("does not run inside wezterm"), "{}", refused.stderr);
    sandbox.leave_nothing();
}
