//! Checkpoints whose objects are gone: what can still be reviewed is.

use std::path::PathBuf;

use orchflow_testkit::Sandbox;
use serde_json::Value;

use crate::{WRITER, sandbox};

/// Removes a loose object of the sandbox's repository.
fn lose(sandbox: &Sandbox, id: &str) {
    let (folder, name) = id.split_at(2);
    std::fs::remove_file(sandbox.repository.path.join(".git/objects").join(folder).join(name)).unwrap();
}

fn agents_of(hunks: &Value) -> Vec<&str> {
    hunks.as_array().unwrap().iter().map(|hunk| hunk["agent"].as_str().unwrap()).collect()
}

#[test]
fn an_agent_whose_checkpoint_is_gone_takes_nobody_elses_hunks_away() {
    let sandbox = sandbox();
    sandbox.add_rehearsal("writer", WRITER);
    sandbox.orchflow(["swarm", "--wait", "--json", "--agents", "writer,writer", "go"]).expect(0);
    let hunks = sandbox.data_of(["review", "--json"]);
    assert_eq!(agents_of(&hunks), ["writer", "writer-2"]);
    lose(&sandbox, hunks[0]["checkpoint"].as_str().unwrap());
    // What it compared before is in the host's memory.
    sandbox.orchflow(["host", "stop"]).expect(0);

    let listed = sandbox.orchflow(["review", "--json"]).expect(0).json();
    assert_eq!(agents_of(&listed["data"]), ["writer-2"]);
    let warnings: Vec<&str> =
        listed["warnings"].as_array().unwrap().iter().map(|warning| warning.as_str().unwrap()).collect();
    let worktree = PathBuf::from(sandbox.agent("writer")["worktree"].as_str().unwrap());
    assert!(
        matches!(warnings.as_slice(), [one] if one.contains("1/writer ") && one.contains("git fsck")
            && one.contains(worktree.to_str().unwrap())),
        "it names the agent and what to do: {warnings:?}"
    );
    // The others can be decided on, and of the lost one it is said why it cannot be.
    sandbox.orchflow(["accept", listed["data"][0]["id"].as_str().unwrap()]).expect(0);
    let refused = sandbox.orchflow(["accept", "--json", hunks[0]["id"].as_str().unwrap()]).expect(1).json();
    assert!(refused["error"]["hint"].as_str().unwrap().contains("1/writer "), "{refused}");
    // Where the hunks of a later run are listed, it is none of their concern; where there are none, it is told.
    sandbox
        .orchflow(["swarm", "--wait", "--json", "--include-changes", "--agents", "writer", "go"])
        .expect(0);
    let later = sandbox.orchflow(["review", "--json"]).expect(0).json();
    assert_eq!((&later["run"], &later["warnings"]), (&Value::from(2), &Value::Array(Vec::new())));
    sandbox.orchflow(["accept", later["data"][0]["id"].as_str().unwrap()]).expect(0);
    let nothing = sandbox.orchflow(["review", "--json"]).expect(0).json();
    assert_eq!(nothing["data"], Value::Array(Vec::new()));
    assert!(nothing["warnings"].to_string().contains("1/writer "), "{nothing}");
    sandbox.leave_nothing();
}

#[test]
fn an_older_checkpoint_that_is_gone_leaves_the_newest_to_be_reviewed() {
    let sandbox = sandbox();
    sandbox.add_rehearsal("writer", &WRITER.repeat(2));
    sandbox.orchflow(["swarm", "--wait", "--json", "--agents", "writer", "go"]).expect(0);
    let first = sandbox.data_of(["review", "--json"])[0]["checkpoint"].as_str().unwrap().to_owned();
    sandbox.orchflow(["send", "writer", "more"]).expect(0);
    sandbox.until("writer", "a second checkpoint", |_| {
        sandbox.data_of(["review", "--json"])[0]["checkpoint"] != first.as_str()
    });
    lose(&sandbox, &first);
    sandbox.orchflow(["host", "stop"]).expect(0);

    let listed = sandbox.orchflow(["review", "--json"]).expect(0).json();
    assert_eq!(agents_of(&listed["data"]), ["writer"]);
    assert_eq!(listed["data"][0]["changed_turn"], Value::Null, "nobody can say any more");
    let warnings = listed["warnings"].to_string();
    assert!(warnings.contains("1/writer"), "{warnings}");
    sandbox.leave_nothing();
}
