//! What scripts rely on: one object on standard output, exit codes, paging, ids on standard input.

use std::os::unix::ffi::OsStrExt as _;

use orchflow_testkit::wait_for;
use serde_json::{Value, json};

use crate::{WRITER, sandbox};

/// A rehearsal that changes one file in two far places and makes another.
const THREE_HUNKS: &str = "- - edit: {path: lines.txt, old: \"line 3\\n\", new: \"line three\\n\"}\n  - edit: {path: lines.txt, old: \"line 50\\n\", new: \"line fifty\\n\"}\n  - edit: {path: new.txt, content: \"fresh\\n\"}\n";

#[test]
fn every_command_answers_with_the_same_object_also_when_it_fails() {
    let sandbox = sandbox();
    let cases: &[(&[&str], i32, &str)] = &[
        (&["swarm"], 2, "usage"),
        (&["swarm", "--agents", "nobody", "do"], 2, "unknown_kind"),
        (&["spawn", "rehearsal"], 2, "unknown_run"),
        (&["send", "nobody", "hello"], 2, "unknown_agent"),
        (&["log", "--type", "turn_begun"], 2, "usage"),
        (&["log", "--limit", "many"], 2, "usage"),
        (&["review", "--agent", "nobody"], 2, "unknown_agent"),
        (&["review", "--run", "9"], 2, "unknown_run"),
        (&["accept", "h_12345678"], 1, "unknown_hunk"),
        (&["accept"], 2, "usage"),
        (&["reject", "h_12345678"], 1, "unknown_hunk"),
        (&["comment", "h_12345678", "why"], 1, "unknown_hunk"),
        (&["undo"], 1, "nothing_to_undo"),
        (&["approve", "a_7"], 2, "unknown_approval"),
        (&["deny", "x"], 2, "unknown_approval"),
        (&["stop", "nobody"], 2, "unknown_agent"),
        (&["clean", "nobody"], 2, "unknown_agent"),
        (&["wait"], 2, "unknown_run"),
        (&["host", "start"], 2, "usage"),
        (&["status", "--colour"], 2, "usage"),
        (&["swarm", "--agents", "rehearsal", "--wait", "--on-approval", "maybe", "do"], 2, "usage"),
        (&["swarm", "--agents", "rehearsal", "--view", "wall", "do"], 2, "usage"),
    ];
    for (words, code, error) in cases {
        let mut line = vec![words[0], "--json"];
        line.extend(&words[1..]);
        let outcome = sandbox.orchflow(&line).expect(*code);
        assert_eq!(outcome.error_code(), *error, "{outcome:?}");
        let object = outcome.json();
        assert_eq!(object["schema"], format!("orchflow.{}/1", words[0]), "{words:?}");
        assert!(object["error"]["message"].as_str().is_some_and(|text| !text.is_empty()));
        assert_eq!(outcome.stderr, "", "with --json everything is in the object: {words:?}");
    }
    for words in [["status"], ["log"], ["review"], ["approvals"], ["agents"], ["clean"], ["connect"]] {
        let object = sandbox.orchflow([words[0], "--json"]).expect(0).json();
        assert_eq!(object["schema"], format!("orchflow.{}/1", words[0]));
    }
    assert!(sandbox.status().is_empty(), "nothing that failed may have started an agent");
    assert!(sandbox.events(&["run_started"]).is_empty(), "nor a run");
    let stopped = sandbox.orchflow(["host", "stop", "--json"]).expect(0).json();
    assert_eq!(stopped["data"], json!([{ "stopped": true }]));
    let stopped = sandbox.orchflow(["host", "stop", "--json"]).expect(0).json();
    assert_eq!(stopped["data"], json!([{ "stopped": false }]));
}

#[test]
fn words_that_make_no_sense_are_told_on_standard_error() {
    let sandbox = sandbox();
    let outcome = sandbox.orchflow(["accept", "h_1", "--hsah", "x"]).expect(2);
    assert_eq!(outcome.stdout, "");
    assert!(
        outcome.stderr.contains("--hsah") && outcome.stderr.contains("usage: orchflow accept"),
        "{outcome:?}"
    );
    let outcome = sandbox.orchflow(["frobnicate"]).expect(2);
    assert!(outcome.stderr.contains("frobnicate"), "{outcome:?}");
    let mut command = sandbox.command(sandbox.program());
    command.arg("send").arg("claude").arg(std::ffi::OsStr::from_bytes(b"\xff\xfe"));
    assert!(sandbox.run(command).expect(2).stderr.contains("UTF-8"));
    assert_eq!(
        sandbox.orchflow(["--version"]).expect(0).stdout.trim(),
        concat!("orchflow ", env!("CARGO_PKG_VERSION"))
    );
    assert!(sandbox.hosts().is_empty(), "no host is needed to say so");
}

#[test]
fn an_attach_that_cannot_be_says_why() {
    let sandbox = sandbox();
    let unknown = sandbox.orchflow(["attach", "nobody"]).expect(2);
    assert!(unknown.stdout.is_empty() && unknown.stderr.contains("there is no agent nobody"), "{unknown:?}");
    sandbox.add_rehearsal("writer", WRITER);
    sandbox.orchflow(["swarm", "--wait", "--json", "--agents", "writer", "do it"]).expect(0);
    let no_terminal = sandbox.orchflow(["attach", "writer"]).expect(1);
    assert!(no_terminal.stderr.contains("terminal"), "{no_terminal:?}");
    sandbox.orchflow(["stop", "writer"]).expect(0);
    sandbox.orchflow(["clean", "writer"]).expect(0);
    let gone = sandbox.orchflow(["attach", "writer"]).expect(1);
    assert!(
        gone.stderr.contains("no terminal any more") && gone.stderr.contains("orchflow log --agent writer"),
        "{gone:?}"
    );
    assert!(sandbox.orchflow(["completions", "bash"]).expect(0).stdout.contains("swarm"));
    assert!(sandbox.orchflow(["completions", "tcsh"]).expect(2).stderr.contains("tcsh"));
    sandbox.leave_nothing();
}

#[test]
fn a_dirty_tree_asks_and_both_answers_are_taken() {
    let sandbox = sandbox();
    sandbox.add_rehearsal("writer", WRITER);
    sandbox.repository.write("README.md", "changed\n");
    sandbox.repository.write("untracked.txt", "new\n");
    let before = sandbox.repository.user_state();
    let asks = sandbox.orchflow(["swarm", "--json", "--agents", "writer", "do it"]).expect(3);
    assert_eq!(asks.error_code(), "dirty_tree");
    let object = asks.json();
    assert!(object["error"]["message"].as_str().unwrap().contains("2 uncommitted"), "{asks:?}");
    let hint = object["error"]["hint"].as_str().unwrap();
    assert!(hint.contains("--include-changes") && hint.contains("--no-include-changes"), "{hint}");
    assert!(sandbox.events(&["run_started"]).is_empty());

    let words = ["swarm", "--wait", "--include-changes", "--json", "--agents", "writer", "do it"];
    sandbox.orchflow(words).expect(0);
    let row = sandbox.agent("writer");
    assert!(row["base"].as_str().unwrap().ends_with(" + 2 uncommitted"), "{row}");
    let worktree = std::path::PathBuf::from(row["worktree"].as_str().unwrap());
    assert_eq!(std::fs::read_to_string(worktree.join("README.md")).unwrap(), "changed\n");
    assert_eq!(std::fs::read_to_string(worktree.join("untracked.txt")).unwrap(), "new\n");

    let words = ["swarm", "--wait", "--no-include-changes", "--json", "--agents", "writer", "do it"];
    sandbox.orchflow(words).expect(0);
    let worktree = std::path::PathBuf::from(sandbox.agent("writer-2")["worktree"].as_str().unwrap());
    assert_ne!(std::fs::read_to_string(worktree.join("README.md")).unwrap(), "changed\n");
    assert!(!worktree.join("untracked.txt").exists());
    assert_eq!(
        sandbox.repository.user_state(),
        before,
        "the user's own tree, index and branches stay as they are"
    );
    sandbox.leave_nothing();
}

#[test]
fn decisions_rest_on_what_the_caller_saw() {
    let sandbox = sandbox();
    sandbox.add_rehearsal("three", THREE_HUNKS);
    sandbox.orchflow(["swarm", "--wait", "--json", "--agents", "three", "do it"]).expect(0);

    let all = sandbox.orchflow(["review", "--json"]).expect(0).json();
    let hunks = all["data"].as_array().unwrap();
    assert_eq!((hunks.len(), &all["next"]), (3, &Value::Null));
    let mut paged = Vec::new();
    let mut after = None;
    loop {
        let mut words = vec!["review".to_owned(), "--json".to_owned(), "--limit".to_owned(), "1".to_owned()];
        words.extend(after.iter().flat_map(|after: &String| ["--after".to_owned(), after.clone()]));
        let mut page = sandbox.orchflow(&words).expect(0).json();
        paged.append(page["data"].as_array_mut().unwrap());
        match page["next"].as_str() {
            Some(next) => after = Some(next.to_owned()),
            None => break,
        }
    }
    assert_eq!(&paged, hunks, "pages are the whole");
    let nonsense = sandbox.orchflow(["review", "--json", "--after", "h_nothing"]).expect(2);
    assert_eq!(nonsense.error_code(), "usage");

    let id = |index: usize| hunks[index]["id"].as_str().unwrap();
    let hash = |index: usize| hunks[index]["hash"].as_str().unwrap();
    let before = sandbox.repository.read("lines.txt");
    let wrong = sandbox.orchflow(["accept", "--json", id(0), "--hash", hash(1)]).expect(1);
    assert_eq!(wrong.error_code(), "hash_mismatch");
    assert_eq!(wrong.json()["data"][0]["state"], "refused");
    let dry = sandbox.orchflow(["accept", "--json", "--dry-run", id(0), "--hash", hash(0)]).expect(0);
    assert_eq!(dry.json()["data"][0]["state"], "would be accepted");
    assert_eq!(sandbox.repository.read("lines.txt"), before, "neither changed anything");

    // The beginning of an id is enough, and what is done already is no failure.
    let right = sandbox.orchflow(["accept", "--json", &id(0)[..8], "--hash", hash(0)]).expect(0).json();
    assert_eq!(
        (&right["data"][0]["state"], &right["data"][0]["already"]),
        (&json!("accepted"), &json!(false))
    );
    assert!(sandbox.repository.read("lines.txt").contains("line three\n"));
    let again = sandbox.orchflow(["accept", "--json", id(0), "--hash", hash(0)]).expect(0).json();
    assert_eq!(
        (&again["data"][0]["state"], &again["data"][0]["already"]),
        (&json!("accepted"), &json!(true))
    );
    let two = ["accept", "--json", id(1), id(2), "--hash", hash(1)];
    assert_eq!(sandbox.orchflow(two).expect(2).error_code(), "usage");

    let input = format!("{} {}\n{}\n\n", id(1), hash(1), id(2));
    let taken = sandbox.orchflow_with(["accept", "--json", "-"], input.as_bytes()).expect(0).json();
    assert_eq!(taken["data"].as_array().unwrap().len(), 2);
    assert!(sandbox.repository.read("lines.txt").contains("line fifty\n"));
    assert_eq!(sandbox.repository.read("new.txt"), "fresh\n");
    let mixed = sandbox.orchflow(["accept", "--json", id(0), "h_ffffffff"]).expect(1).json();
    assert_eq!(mixed["data"][0]["state"], "accepted", "the one that could be taken is");
    assert_eq!(mixed["data"][1]["code"], "unknown_hunk");
    assert_eq!(sandbox.data_of(["review", "--json"]), json!([]));
    assert_eq!(sandbox.data_of(["review", "--all", "--json"]).as_array().unwrap().len(), 3);
    sandbox.leave_nothing();
}

#[test]
fn paths_that_are_no_text_keep_their_bytes() {
    let sandbox = sandbox();
    let name = std::ffi::OsStr::from_bytes(b"caf\xe9 \n\x1b[31m.txt");
    sandbox.repository.write(name, "one\n");
    sandbox.repository.commit("an old name");
    sandbox.add_rehearsal("old", "- - run: 'for f in caf*; do echo two >> \"$f\"; done'\n");
    sandbox.orchflow(["swarm", "--wait", "--json", "--agents", "old", "do it"]).expect(0);
    let hunks = sandbox.data_of(["review", "--json"]);
    assert_eq!(hunks[0]["path_b64"], "Y2Fm6SAKG1szMW0udHh0", "{hunks}");
    let shown = sandbox.orchflow(["review"]).expect(0).stdout;
    assert!(!shown.contains('\u{1b}'), "a file's name steers no terminal: {shown:?}");
    sandbox.orchflow(["accept", "--json", hunks[0]["id"].as_str().unwrap()]).expect(0);
    assert_eq!(std::fs::read(sandbox.repository.path.join(name)).unwrap(), b"one\ntwo\n");
    sandbox.leave_nothing();
}

#[test]
fn the_log_is_followed_filtered_and_paged() {
    let mut sandbox = sandbox();
    sandbox.add_rehearsal("writer", WRITER);
    sandbox.orchflow(["swarm", "--wait", "--json", "--agents", "writer,writer", "do it"]).expect(0);
    let mut follower = sandbox.follow(0);
    wait_for("the past is shown", || follower.saw("run_settled"));
    let before = follower.seen().len();
    sandbox.orchflow(["send", "writer", "more"]).expect(0);
    sandbox.orchflow(["wait"]).expect(0);
    wait_for("the present is shown", || {
        follower.seen()[before..].iter().any(|event| event["type"] == "run_settled")
    });
    let seen: Vec<u64> = follower.seen().iter().map(|event| event["seq"].as_u64().unwrap()).collect();
    assert_eq!(seen, (1..=seen.len() as u64).collect::<Vec<_>>(), "each once, in order");

    let turns = sandbox
        .orchflow(["log", "--json", "--type", "turn_started,turn_ended", "--agent", "writer"])
        .expect(0);
    let rows = turns.json()["data"].as_array().unwrap().clone();
    assert_eq!(rows.len(), 4);
    assert!(rows.iter().all(|row| row["agent"] == "writer"));
    let mut paged = Vec::new();
    let mut cursor = 0;
    loop {
        let words = ["log", "--json", "--limit", "7", "--after", &cursor.to_string()];
        let mut page = sandbox.orchflow(words).expect(0).json();
        paged.append(page["data"].as_array_mut().unwrap());
        match page["next"].as_u64() {
            Some(next) => cursor = next,
            None => break,
        }
    }
    let whole = sandbox.events(&[]);
    assert_eq!(paged.len(), whole.len());
    let by_file = sandbox.data_of(["log", "--json", "--file", "heard-writer.txt"]);
    assert!(!by_file.as_array().unwrap().is_empty());
    let by_text = sandbox.data_of(["log", "--json", "--text", "heard-writer-2"]);
    assert!(!by_text.as_array().unwrap().is_empty());
    let verified = sandbox.orchflow(["log", "verify", "--json"]).expect(0).json();
    assert_eq!(
        (&verified["data"][0]["intact"], &verified["data"][0]["broken"]),
        (&json!(true), &Value::Null)
    );

    // A reader who leaves ends the following without a word.
    sandbox.set("SHELL", None::<&str>);
    let mut piped = sandbox.command("sh");
    piped.args(["-c", "\"$0\" log --jsonl --follow --after 0 | head -n 3"]).arg(sandbox.program());
    let outcome = sandbox.run(piped);
    assert_eq!((outcome.code, outcome.stdout.lines().count(), outcome.stderr.as_str()), (0, 3, ""));
    assert!(!follower.has_ended());
    sandbox.leave_nothing();
}

#[test]
fn a_changed_log_is_found() {
    let sandbox = sandbox();
    sandbox.orchflow(["status"]).expect(0);
    sandbox.orchflow(["host", "stop"]).expect(0);
    let store = rusqlite::Connection::open(sandbox.store().join("events.db")).unwrap();
    let change =
        "update development_events set event_data = replace(event_data, 'runners', 'Runners') where seq = 1";
    assert_eq!(store.execute(change, []).unwrap(), 1);
    drop(store);
    let outcome = sandbox.orchflow(["log", "verify", "--json"]);
    assert_ne!(outcome.code, 0, "{outcome:?}");
    assert!(outcome.json()["error"]["message"].as_str().unwrap().contains("changed"), "{outcome:?}");
}
