//! "Done" is not said while something the agent started still writes into its worktree.

use std::fs;
use std::path::PathBuf;

use orchflow_testkit::Sandbox;
use serde_json::json;

use crate::sandbox;

/// Leaves a process behind that writes a file until it is told that it is enough.
const LEAVES_A_WRITER: &str = "- - run: 'setsid sh -c \"exec 3>FILE; while [ ! -e \\\"$HOME/enough\\\" ]; do echo x >&3; \
                               sleep 0.05; done\" </dev/null >/dev/null 2>&1 & while [ ! -s FILE ]; do sleep 0.02; done'\n\
                               \u{20} - say: It is built.\n";

fn building(file: &str) -> Sandbox {
    let sandbox = sandbox();
    sandbox.add_rehearsal("builder", &LEAVES_A_WRITER.replace("FILE", file));
    sandbox.orchflow(["swarm", "--json", "--agents", "builder", "build it"]).expect(0);
    sandbox
}

fn enough(sandbox: &Sandbox) {
    fs::write(sandbox.home().join("enough"), "").unwrap();
}

#[test]
fn done_waits_for_the_process_that_still_writes() {
    let sandbox = building("build.log");
    let held = sandbox.until("builder", "is held", |row| {
        row["detail"].as_str().is_some_and(|detail| detail.contains("still writes"))
    });
    assert_eq!((&held["status"], &held["detail"]), (&json!("working"), &json!("sh still writes build.log")));
    let why = sandbox.orchflow(["why", "builder"]).expect(0).stdout;
    assert!(why.contains("still writes build.log"), "{why}");
    // The next host goes on to look.
    sandbox.kill_host();
    assert_eq!(sandbox.agent("builder")["status"], "working");
    assert!(sandbox.events(&["turn_ended", "checkpoint_taken"]).is_empty());

    enough(&sandbox);
    let done = sandbox.until("builder", "is done", |row| row["status"] == "done" && row["undecided"] == 1);
    let worktree = PathBuf::from(done["worktree"].as_str().unwrap());
    let written = fs::read_to_string(worktree.join("build.log")).unwrap().lines().count();
    let hunks = sandbox.data_of(["review", "--json"]);
    assert_eq!(hunks[0]["insertions"], written, "the last line is in its review");
    let types: Vec<_> = sandbox
        .events(&["turn_held", "turn_released", "turn_ended"])
        .iter()
        .map(|event| event["type"].clone())
        .collect();
    assert_eq!(types.last(), Some(&json!("turn_ended")));
    assert_eq!(types.iter().filter(|name| *name == "turn_released").count(), 1);
    sandbox.leave_nothing();
}

#[test]
fn a_file_that_git_ignores_holds_nothing_up() {
    let sandbox = sandbox();
    sandbox.repository.write(".gitignore", "*.log\n");
    sandbox.repository.commit("ignore logs");
    sandbox.add_rehearsal("builder", &LEAVES_A_WRITER.replace("FILE", "server.log"));
    sandbox.orchflow(["swarm", "--wait", "--json", "--agents", "builder", "serve it"]).expect(0);
    assert!(sandbox.events(&["turn_held"]).is_empty());
    enough(&sandbox);
    sandbox.leave_nothing();
}

#[test]
fn a_prompt_ends_the_wait() {
    let sandbox = building("build.log");
    sandbox.until("builder", "is held", |row| row["status"] == "working" && !row["detail"].is_null());
    sandbox.orchflow(["send", "builder", "again"]).expect(0);
    sandbox.until("builder", "is in its second turn", |row| row["turn"] == 2);
    enough(&sandbox);
    sandbox.until("builder", "is done", |row| row["status"] == "done");
    sandbox.leave_nothing();
}
