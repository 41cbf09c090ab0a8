//! Decisions on hunks: into the user's tree, out of the agent's, told to it, and taken back.

use std::path::PathBuf;

use orchflow_testkit::{Sandbox, wait_for};
use serde_json::Value;

use crate::sandbox;

/// The first turn changes two places; every later prompt is written down outside the worktree.
const CHANGER: &str = r#"
- - edit: {path: lines.txt, old: "line 3\n", new: "line three\n"}
  - edit: {path: lines.txt, old: "line 50\n", new: "line fifty\n"}
  - edit: {path: deep/new.txt, content: "fresh\n"}
  - run: "git rm --quiet README.md"
- - run: "printf '<%s>' {prompt} >> \"$HOME/told\""
"#;

fn reviewed() -> (Sandbox, PathBuf) {
    let sandbox = sandbox();
    sandbox.add_rehearsal("changer", CHANGER);
    sandbox.orchflow(["swarm", "--wait", "--json", "--agents", "changer", "change it"]).expect(0);
    let worktree = PathBuf::from(sandbox.agent("changer")["worktree"].as_str().unwrap());
    (sandbox, worktree)
}

fn hunk<'a>(hunks: &'a Value, path: &str, line: u64) -> &'a Value {
    let found = hunks
        .as_array()
        .unwrap()
        .iter()
        .find(|hunk| hunk["path"] == path && hunk["line"].as_u64() >= Some(line));
    found.unwrap_or_else(|| panic!("no {path}:{line}: {hunks}"))
}

fn id(hunk: &Value) -> &str {
    hunk["id"].as_str().unwrap()
}

#[test]
fn an_accepted_hunk_is_in_the_users_tree_and_can_be_taken_back() {
    let (sandbox, _) = reviewed();
    let hunks = sandbox.data_of(["review", "--json"]);
    assert_eq!(hunks.as_array().unwrap().len(), 4, "{hunks}");
    let index = std::fs::read(sandbox.repository.path.join(".git/index")).unwrap();
    // Work of the user's own beside it stays.
    let own = sandbox.repository.read("lines.txt").replace("line 20\n", "my own line\n");
    sandbox.repository.write("lines.txt", &own);
    for (path, line) in [("lines.txt", 1), ("deep/new.txt", 0), ("README.md", 0)] {
        let taken = sandbox.orchflow(["accept", "--json", id(hunk(&hunks, path, line))]).expect(0).json();
        assert_eq!(taken["data"][0]["applied_to"], "file");
    }
    let lines = sandbox.repository.read("lines.txt");
    assert!(
        lines.contains("line three\n") && lines.contains("my own line\n") && lines.contains("line 50\n"),
        "{lines}"
    );
    assert_eq!(sandbox.repository.read("deep/new.txt"), "fresh\n");
    assert!(!sandbox.repository.path.join("README.md").exists());
    assert_eq!(
        std::fs::read(sandbox.repository.path.join(".git/index")).unwrap(),
        index,
        "nothing is staged"
    );
    let undone = sandbox.orchflow(["undo", "--json"]).expect(0).json();
    assert_eq!(
        (&undone["data"][0]["undone"], &undone["data"][0]["path"]),
        (&Value::from("accept"), &Value::from("README.md"))
    );
    assert!(sandbox.repository.read("README.md").starts_with("# Greeting"));
    sandbox.orchflow(["undo"]).expect(0);
    assert!(!sandbox.repository.path.join("deep/new.txt").exists());
    sandbox.orchflow(["undo"]).expect(0);
    assert_eq!(sandbox.repository.read("lines.txt"), own);
    assert_eq!(sandbox.orchflow(["undo", "--json"]).expect(1).error_code(), "nothing_to_undo");
    assert_eq!(
        sandbox.data_of(["review", "--json"]),
        hunks_without_lines(&sandbox, &hunks),
        "all is undecided again"
    );
    sandbox.leave_nothing();
}

/// The list as it is now, checked to hold the same hunks as before.
fn hunks_without_lines(sandbox: &Sandbox, before: &Value) -> Value {
    let now = sandbox.data_of(["review", "--json"]);
    let ids =
        |list: &Value| list.as_array().unwrap().iter().map(|hunk| id(hunk).to_owned()).collect::<Vec<_>>();
    assert_eq!(ids(&now), ids(before));
    now
}

#[test]
fn a_hunk_that_meets_other_work_is_refused_and_changes_nothing() {
    let (sandbox, _) = reviewed();
    let hunks = sandbox.data_of(["review", "--json"]);
    sandbox
        .repository
        .write("lines.txt", sandbox.repository.read("lines.txt").replace("line 3\n", "line drei\n"));
    let mine = sandbox.repository.read("lines.txt");
    let refused = sandbox.orchflow(["accept", "--json", id(hunk(&hunks, "lines.txt", 1))]).expect(1);
    assert_eq!(refused.error_code(), "conflict");
    let object = refused.json();
    assert_eq!(object["data"][0]["state"], "refused");
    assert_eq!(sandbox.repository.read("lines.txt"), mine);
    assert_eq!(
        sandbox.data_of(["review", "--json"]).as_array().unwrap().len(),
        4,
        "it is still to be decided"
    );
    sandbox.orchflow(["accept", "--json", id(hunk(&hunks, "lines.txt", 40))]).expect(0);
    assert!(sandbox.repository.read("lines.txt").contains("line fifty\n"), "the other one still fits");
    sandbox.leave_nothing();
}

#[test]
fn a_rejected_hunk_leaves_the_agents_tree_and_the_agent_is_told_why() {
    let (sandbox, worktree) = reviewed();
    let hunks = sandbox.data_of(["review", "--json"]);
    let before = sandbox.repository.user_state();
    let reason = "keep the old name; 'quotes' and $HOME stay text";
    sandbox.orchflow(["reject", "--json", id(hunk(&hunks, "lines.txt", 1)), "--reason", reason]).expect(0);
    let lines = std::fs::read_to_string(worktree.join("lines.txt")).unwrap();
    assert!(lines.contains("line 3\n") && lines.contains("line fifty\n"), "{lines}");
    let told = || std::fs::read_to_string(sandbox.home().join("told")).unwrap_or_default();
    wait_for("the agent was told", || told().contains(reason));
    assert!(told().contains("lines.txt:3"), "{}", told());
    assert_eq!(sandbox.repository.user_state(), before);
    sandbox.orchflow(["wait", "--json"]).expect(0);
    assert_eq!(sandbox.data_of(["review", "--json"]).as_array().unwrap().len(), 3);
    let undone = sandbox.orchflow(["undo", "--json"]).expect(0).json();
    assert_eq!(undone["data"][0]["undone"], "reject");
    assert!(std::fs::read_to_string(worktree.join("lines.txt")).unwrap().contains("line three\n"));
    wait_for("it can be decided again", || {
        sandbox.data_of(["review", "--json"]).as_array().unwrap().len() == 4
    });
    sandbox.leave_nothing();
}

#[test]
fn a_comment_reaches_the_agent_with_file_and_lines() {
    let (sandbox, _) = reviewed();
    let hunks = sandbox.data_of(["review", "--json"]);
    sandbox
        .orchflow(["comment", "--json", id(hunk(&hunks, "lines.txt", 40)), "use", "the", "helper"])
        .expect(0);
    let told = || std::fs::read_to_string(sandbox.home().join("told")).unwrap_or_default();
    wait_for("the agent was told", || told().contains("use the helper"));
    assert!(told().contains("lines.txt:50"), "{}", told());
    sandbox.orchflow(["wait", "--json"]).expect(0);
    sandbox.orchflow(["stop", "changer"]).expect(0);
    let gone =
        sandbox.orchflow(["comment", "--json", id(hunk(&hunks, "lines.txt", 40)), "too late"]).expect(1);
    assert_eq!(gone.error_code(), "not_living");
    sandbox.leave_nothing();
}

#[test]
fn the_work_of_an_agent_that_ended_can_still_be_decided() {
    let (sandbox, _) = reviewed();
    let hunks = sandbox.data_of(["review", "--json"]);
    sandbox.orchflow(["stop", "changer"]).expect(0);
    sandbox.kill_host();
    sandbox.orchflow(["reject", "--json", id(hunk(&hunks, "lines.txt", 1))]).expect(0);
    sandbox.orchflow(["accept", "--json", id(hunk(&hunks, "lines.txt", 40))]).expect(0);
    assert!(sandbox.repository.read("lines.txt").contains("line fifty\n"));
    sandbox.orchflow(["clean", "--json", "changer"]).expect(0);
    let kept = sandbox.repository.git(["show", "refs/orchflow/agents/1/changer:deep/new.txt"]);
    assert_eq!(kept, "fresh\n", "its last state is kept under a ref");
    let undone = sandbox.orchflow(["undo", "--json"]).expect(0).json();
    assert_eq!(undone["data"][0]["undone"], "accept", "what was decided can still be taken back");
    assert!(sandbox.repository.read("lines.txt").contains("line 50\n"));
    sandbox.leave_nothing();
}

#[test]
fn what_was_kept_before_old_decisions_goes_and_undo_keeps_what_it_needs() {
    let (sandbox, _) = reviewed();
    let hunks = sandbox.data_of(["review", "--json"]);
    for (path, line) in [("lines.txt", 1), ("deep/new.txt", 0)] {
        sandbox.orchflow(["accept", "--json", id(hunk(&hunks, path, line))]).expect(0);
    }
    let refs = || -> Vec<String> {
        let listed =
            sandbox.repository.git(["for-each-ref", "--format=%(refname)", "refs/orchflow/operations/"]);
        listed.lines().map(str::to_owned).collect()
    };
    let ours = refs();
    assert_eq!(ours.len(), 2, "{ours:?}");
    // More than are kept, all of them of decisions that were undone long ago and after ours.
    let head = sandbox.repository.git(["rev-parse", "HEAD"]);
    let undone = |number: u64| format!("refs/orchflow/operations/{}", 100_000 + number);
    let script: String =
        (1..=1003).map(|number| format!("create {} {}\n", undone(number), head.trim())).collect();
    let file = sandbox.root().join("refs");
    orchflow_testkit::write(&file, &script);
    let mut command = sandbox.command("git");
    command.args(["update-ref", "--stdin"]).stdin(std::fs::File::open(&file).unwrap());
    assert!(command.status().unwrap().success());
    sandbox.orchflow(["stop", "all"]).expect(0);
    sandbox.orchflow(["clean", "--json", "all"]).expect(0);
    wait_for("what nothing needs is gone", || refs().len() == 1002);
    let left = refs();
    assert!(ours.iter().all(|name| left.contains(name)), "what can be undone is there");
    assert!(!left.contains(&undone(3)) && left.contains(&undone(4)), "the newest are there");
    // The first thing a host does as well.
    sandbox.orchflow(["undo", "--json"]).expect(0);
    sandbox.orchflow(["host", "stop"]).expect(0);
    sandbox.orchflow(["status"]).expect(0);
    wait_for("the undone one is gone too", || refs().len() == 1001);
    assert!(refs().contains(&ours[0]) && !refs().contains(&ours[1]));
    sandbox.orchflow(["undo", "--json"]).expect(0);
    assert_eq!(sandbox.repository.git(["status", "--porcelain"]), "", "both came back");
    sandbox.leave_nothing();
}
