//! Permissions that are asked for while a host lives and answered when another does.

use orchflow_testkit::{Sandbox, eventually, wait_for};
use serde_json::{Value, json};

use crate::sandbox;

const ASKER: &str = "- - ask: {tool: Bash, input: {command: 'touch one'}}\n  - edit: {path: after.txt, content: \"over\\n\"}\n";

fn pending(sandbox: &Sandbox, name: &str) -> Option<Value> {
    let approvals = sandbox.data_of(["approvals", "--json"]);
    approvals.as_array().unwrap().iter().find(|row| row["agent"] == name).cloned()
}

fn answerable(sandbox: &Sandbox) -> Value {
    eventually("the permission can be answered here", || {
        pending(sandbox, "asker").filter(|approval| approval["answerable"] == true)
    })
}

#[test]
fn a_permission_is_answered_through_the_next_host_whether_the_one_before_was_killed_or_stopped() {
    let sandbox = sandbox();
    sandbox.add_rehearsal("asker", ASKER);
    sandbox.orchflow(["swarm", "--json", "--agents", "asker", "do it"]).expect(0);
    let asked = answerable(&sandbox);
    let worktree = std::path::PathBuf::from(sandbox.agent("asker")["worktree"].as_str().unwrap());
    sandbox.kill_host();
    assert_eq!(answerable(&sandbox)["id"], asked["id"], "it is the same one, asked for once");
    sandbox.orchflow(["host", "stop"]).expect(0);
    answerable(&sandbox);
    assert!(!worktree.join("one").exists(), "nobody allowed it");
    sandbox.orchflow(["approve", asked["id"].as_str().unwrap()]).expect(0);
    sandbox.orchflow(["wait", "--json"]).expect(0);
    assert!(worktree.join("one").exists() && worktree.join("after.txt").exists());
    let told: Vec<_> = sandbox
        .events(&["approval_requested", "approval_withdrawn", "approval_rejoined", "approval_answered"])
        .iter()
        .map(|event| event["type"].as_str().unwrap().to_owned())
        .collect();
    let [asked, withdrawn, rejoined, answered] =
        ["approval_requested", "approval_withdrawn", "approval_rejoined", "approval_answered"];
    assert_eq!(told, [asked, withdrawn, rejoined, withdrawn, rejoined, answered]);
    sandbox.leave_nothing();
}

#[test]
fn a_rule_made_meanwhile_answers_when_the_program_asks_again() {
    let sandbox = sandbox();
    sandbox.add_rehearsal("asker", ASKER);
    sandbox.orchflow(["swarm", "--json", "--agents", "asker", "do it"]).expect(0);
    answerable(&sandbox);
    sandbox.kill_host();
    std::fs::write(sandbox.config().join("rules.toml"), "[[rule]]\nallow = \"Bash: touch one\"\n").unwrap();
    sandbox.until("asker", "is done", |row| row["status"] == "done");
    let [answer] = sandbox.events(&["approval_answered"]).try_into().unwrap();
    assert_eq!(answer["data"]["allow"], json!(true));
    assert!(!answer["data"]["rule"].is_null(), "{answer}");
    sandbox.leave_nothing();
}

#[test]
fn an_agent_that_ends_while_no_host_lives_asks_for_nothing_any_more() {
    let sandbox = sandbox();
    sandbox.add_rehearsal("asker", ASKER);
    sandbox.orchflow(["swarm", "--json", "--agents", "asker", "do it"]).expect(0);
    answerable(&sandbox);
    sandbox.kill_host();
    sandbox.runners().iter().for_each(orchflow_testkit::Process::kill);
    wait_for("nothing asks", || pending(&sandbox, "asker").is_none());
    assert_eq!(sandbox.events(&["approval_rejoined"]).len(), 0);
    sandbox.leave_nothing();
}
