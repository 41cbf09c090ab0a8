//! Panes opened for agents that run detached, and brought to the front: only when somebody asks for it.

use orchflow_testkit::wait_for;
use serde_json::{Value, json};

use crate::tmux::{Server, programs};
use crate::{WRITER, sandbox};

#[test]
fn a_detached_agent_is_shown_and_focused_when_asked_for() {
    for program in programs() {
        let sandbox = sandbox();
        sandbox.add_rehearsal("writer", WRITER);
        let server = Server::start(&sandbox, &program, 240);
        server.orchflow("swarm --view none --wait --agents writer,writer first");
        assert_eq!(server.panes().len(), 1);
        let focus = || sandbox.orchflow(["focus", "--json", "writer"]);
        let refused = focus().expect(1);
        assert_eq!(refused.error_code(), "not_shown");
        assert!(refused.json()["error"]["message"].as_str().unwrap().contains("orchflow show writer"));

        server.orchflow("show writer");
        let row = sandbox.until("writer", "is shown", |row| row["pane"].is_string());
        let pane = row["pane"].as_str().unwrap().to_owned();
        assert_eq!(server.panes(), [("%0".to_owned(), true), (pane.clone(), false)], "show moves nobody");
        server.orchflow("show all");
        assert_eq!(server.panes().len(), 3, "what is shown is not shown twice");

        let told = sandbox.data_of(["focus", "--json", "writer"]);
        assert_eq!(told, json!([{ "focused": format!("tmux:{pane}"), "note": null }]));
        assert!(server.panes().contains(&(pane.clone(), true)));
        sandbox.kill_host();
        server.ask(&["select-pane", "-t", "%0"]);
        sandbox.data_of(["focus", "--json", "writer"]);
        assert!(server.panes().contains(&(pane.clone(), true)), "a later host finds it as well");

        server.ask(&["kill-pane", "-t", &pane]);
        sandbox.until("writer", "is shown no more", |row| row["pane"].is_null());
        assert_eq!(focus().expect(1).error_code(), "not_shown");
        wait_for("its agent lives on", || sandbox.agent("writer")["living"] == true);
        drop(server);
        sandbox.leave_nothing();
    }
}

#[test]
fn where_there_is_no_room_to_show_anybody_it_says_so() {
    let sandbox = sandbox();
    sandbox.add_rehearsal("writer", WRITER);
    sandbox.orchflow(["swarm", "--wait", "--json", "--agents", "writer", "first"]).expect(0);
    let told = sandbox.data_of(["show", "--json", "all"]);
    assert_eq!(told[0]["pane"], Value::Null);
    assert!(told[0]["note"].as_str().unwrap().contains("no tmux or wezterm here"), "{told}");
    assert_eq!(sandbox.orchflow(["show", "--json", "nobody"]).expect(2).error_code(), "unknown_agent");
    assert_eq!(sandbox.orchflow(["focus", "--json", "nobody"]).expect(2).error_code(), "unknown_agent");
    sandbox.leave_nothing();
}
