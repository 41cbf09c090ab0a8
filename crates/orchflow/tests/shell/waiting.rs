//! Waiting for a run: how it ends, what a permission does to it, time, and Ctrl-C.

use orchflow_testkit::wait_for;
use serde_json::{Value, json};

use crate::{WRITER, sandbox};

/// A rehearsal that asks for a permission before it edits.
const ASKER: &str = "- - ask: {tool: Bash, input: {command: 'touch allowed'}, then: [{say: thanks}], otherwise: [{say: pity}]}\n  - edit: {path: after.txt, content: \"over\\n\"}\n";

#[test]
fn a_swarm_waited_for_ends_with_what_became_of_it() {
    let sandbox = sandbox();
    sandbox.add_rehearsal("writer", WRITER);
    sandbox.add_rehearsal("failer", "- - fail: out of ideas\n");
    let done =
        sandbox.orchflow(["swarm", "--wait", "--json", "--agents", "writer,writer", "do it"]).expect(0);
    assert!(done.stderr.starts_with("run 1: writer, writer-2\nbase: main@"), "progress is no data: {done:?}");
    let object = done.json();
    assert_eq!(object["run"], 1);
    let names: Vec<&Value> = object["data"].as_array().unwrap().iter().map(|agent| &agent["agent"]).collect();
    assert_eq!(names, ["writer", "writer-2"]);
    let failed =
        sandbox.orchflow(["swarm", "--wait", "--json", "--agents", "writer,failer", "do it"]).expect(1);
    assert_eq!(failed.error_code(), "agent_failed");
    assert_eq!(failed.json()["run"], 2);
    let again = sandbox.orchflow(["wait", "--json", "--run", "2"]).expect(1);
    assert_eq!(again.error_code(), "agent_failed");
    sandbox.orchflow(["wait", "--json", "--run", "1"]).expect(0);
    sandbox.leave_nothing();
}

#[test]
fn an_approval_ends_the_waiting_with_3_and_can_be_given() {
    let sandbox = sandbox();
    sandbox.add_rehearsal("asker", ASKER);
    let asked = sandbox.orchflow(["swarm", "--wait", "--json", "--agents", "asker", "do it"]).expect(3);
    assert_eq!(asked.error_code(), "needs_human");
    assert_eq!(asked.json()["run"], 1);
    let row = sandbox.until("asker", "waits for an approval", |row| row["waiting_for"] == "approval");
    assert_eq!((&row["status"], &row["approvals"]), (&json!("waiting"), &json!(1)));
    let approvals = sandbox.data_of(["approvals", "--json"]);
    assert_eq!(approvals[0]["tool"], "Bash");
    assert!(approvals[0]["summary"].as_str().unwrap().contains("touch allowed"));
    assert_eq!(approvals[0]["answerable"], true);
    let id = approvals[0]["id"].as_str().unwrap();
    let waiting = sandbox.start(["wait", "--json", "--on-approval", "wait"]);
    let answer = sandbox.orchflow(["approve", "--json", id]).expect(0).json();
    assert_eq!(answer["data"][0]["state"], "allowed");
    waiting.finish().expect(0).json();
    let worktree = sandbox.agent("asker")["worktree"].as_str().unwrap().to_owned();
    assert!(std::path::Path::new(&worktree).join("allowed").exists());
    assert_eq!(sandbox.data_of(["approvals", "--json"]), json!([]));
    let twice = sandbox.orchflow(["approve", "--json", id]).expect(1);
    assert_eq!(twice.error_code(), "superseded", "what is answered waits no more");
    sandbox.leave_nothing();
}

#[test]
fn an_approval_can_be_denied_by_hand_and_by_the_way_of_waiting() {
    let sandbox = sandbox();
    sandbox.add_rehearsal("asker", ASKER);
    sandbox.orchflow(["swarm", "--json", "--agents", "asker", "do it"]).expect(0);
    let approvals = || sandbox.data_of(["approvals", "--json"]);
    wait_for("the agent asks", || approvals() != json!([]));
    let id = approvals()[0]["id"].as_str().unwrap().to_owned();
    let answer = sandbox.orchflow(["deny", "--json", &id, "not", "now"]).expect(0).json();
    assert_eq!(answer["data"][0]["state"], "denied");
    sandbox.orchflow(["wait", "--json"]).expect(0);
    let denied = sandbox.until_event("tool_denied", "the agent was told", |_| true);
    assert!(denied["data"]["reason"].as_str().unwrap().contains("not now"), "{denied}");
    let second = ["swarm", "--wait", "--on-approval", "deny", "--json", "--agents", "asker", "do it"];
    sandbox.orchflow(second).expect(0);
    let worktree = sandbox.agent("asker-2")["worktree"].as_str().unwrap().to_owned();
    assert!(!std::path::Path::new(&worktree).join("allowed").exists());
    assert!(std::path::Path::new(&worktree).join("after.txt").exists(), "it went on without");
    sandbox.leave_nothing();
}

#[test]
fn when_the_time_is_over_agents_go_on() {
    let sandbox = sandbox();
    sandbox.add_rehearsal("asker", ASKER);
    let words = [
        "swarm",
        "--wait",
        "--timeout",
        "1s",
        "--on-approval",
        "wait",
        "--json",
        "--agents",
        "asker",
        "do it",
    ];
    let outcome = sandbox.orchflow(words).expect(4);
    assert_eq!(outcome.error_code(), "timed_out");
    assert_eq!(outcome.json()["run"], 1);
    assert!(outcome.json()["error"]["message"].as_str().unwrap().contains("agents go on"), "{outcome:?}");
    assert_eq!(sandbox.agent("asker")["living"], true);
    let text = sandbox.orchflow(["wait", "--timeout", "0s", "--on-approval", "wait"]).expect(4);
    assert!(text.stdout.is_empty() && text.stderr.contains("agents go on"), "{text:?}");
    sandbox.leave_nothing();
}

#[test]
fn an_interrupted_wait_ends_with_130_and_agents_go_on() {
    let sandbox = sandbox();
    sandbox.add_rehearsal("asker", ASKER);
    let waiting =
        sandbox.start(["swarm", "--wait", "--on-approval", "wait", "--json", "--agents", "asker", "do it"]);
    sandbox.until("asker", "asks", |row| row["status"] == "waiting");
    waiting.interrupt();
    let outcome = waiting.finish().expect(130);
    assert_eq!(outcome.error_code(), "interrupted");
    assert_eq!(outcome.json()["run"], 1);
    assert_eq!(sandbox.agent("asker")["living"], true);
    let waiting = sandbox.start(["wait", "--on-approval", "wait"]);
    wait_for("it waits", || waiting.heeds_interrupt());
    waiting.interrupt();
    let outcome = waiting.finish().expect(130);
    assert!(outcome.stderr.contains("agents go on"), "{outcome:?}");
    sandbox.leave_nothing();
}
