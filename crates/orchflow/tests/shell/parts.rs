//! Review in detail: files of checkpoints, what was seen, rivals, some lines of a hunk, redo, filters.

use std::path::PathBuf;

use orchflow_testkit::{Sandbox, wait_for};
use serde_json::{Value, json};

use crate::sandbox;

/// Puts three lines in at one place, changes two lines, adds a file and deletes one; a second turn adds more.
const WRITER: &str = r#"
- - edit: {path: lines.txt, old: "line 3\n", new: "line 3\none\ntwo\nthree\n"}
  - edit: {path: lines.txt, old: "line 50\nline 51\n", new: "line fifty\nline fiftyone\n"}
  - edit: {path: deep/new.txt, content: "fresh\nsecond\n"}
  - run: "git rm --quiet README.md"
  - say: "the first words"
- - edit: {path: lines.txt, old: "line 20\n", new: "line twenty\n"}
  - edit: {path: deep/new.txt, content: "fresh\nsecond\nthird\n"}
  - say: "the second words"
- - run: "printf '<%s>' {prompt} >> \"$HOME/told\""
"#;

/// Another version of the same place.
const RIVAL: &str = r#"
- - edit: {path: lines.txt, old: "line 50\n", new: "line L\n"}
"#;

fn review(sandbox: &Sandbox, words: &[&str]) -> Vec<Value> {
    let line: Vec<&str> = ["review", "--json"].into_iter().chain(words.iter().copied()).collect();
    sandbox.data_of(line).as_array().unwrap().clone()
}

fn find(sandbox: &Sandbox, path: &str, added: &str) -> Value {
    let hunks = review(sandbox, &["--all"]);
    let fits = |hunk: &&Value| {
        hunk["path"] == path && hunk["added"].as_array().unwrap().iter().any(|line| line == added)
    };
    hunks.iter().find(fits).unwrap_or_else(|| panic!("no {path} with {added}: {hunks:#?}")).clone()
}

fn id(hunk: &Value) -> &str {
    hunk["id"].as_str().unwrap()
}

fn written() -> (Sandbox, PathBuf) {
    let sandbox = sandbox();
    sandbox.add_rehearsal("writer", WRITER);
    sandbox.orchflow(["swarm", "--wait", "--json", "--agents", "writer", "write it"]).expect(0);
    let worktree = PathBuf::from(sandbox.agent("writer")["worktree"].as_str().unwrap());
    (sandbox, worktree)
}

fn one_of<'a>(answer: &'a Value, name: &str) -> &'a Value {
    &answer["data"][0][name]
}

#[test]
fn a_file_of_a_checkpoint_is_what_the_agent_left() {
    let (sandbox, worktree) = written();
    let first = sandbox.orchflow(["file", "writer", "deep/new.txt"]).expect(0);
    assert_eq!(first.stdout, "fresh\nsecond\n");
    let shown = sandbox.data_of(["file", "--json", "writer", "lines.txt"])[0].clone();
    assert_eq!((&shown["turn"], &shown["eol"], &shown["binary"]), (&json!(1), &json!("lf"), &json!(false)));
    assert_eq!((&shown["lines"][3], &shown["base_lines"][3]), (&json!("one"), &json!("line 4")));
    assert_eq!(shown["checkpoint"], shown["newest"]);
    let gone = sandbox.data_of(["file", "--json", "writer", "README.md"])[0].clone();
    assert_eq!((&gone["missing"], gone["lines"].as_array().unwrap().len()), (&json!(true), 0));
    assert_eq!(gone["base_lines"][0], "# Greeting");
    sandbox.orchflow(["send", "writer", "go on"]).expect(0);
    sandbox.orchflow(["wait", "--json"]).expect(0);
    // The one that was looked at stays as it was, and says that there is a newer one.
    let checkpoint = shown["checkpoint"].as_str().unwrap();
    let then =
        sandbox.data_of(["file", "--json", "--checkpoint", checkpoint, "writer", "deep/new.txt"])[0].clone();
    assert_eq!((&then["checkpoint"], then["lines"].as_array().unwrap().len()), (&json!(checkpoint), 2));
    assert_ne!(then["newest"], then["checkpoint"]);
    assert_eq!(
        sandbox.orchflow(["file", "writer", "deep/new.txt"]).expect(0).stdout,
        "fresh\nsecond\nthird\n"
    );
    for (words, code) in [
        (vec!["file", "--json", "writer", "no/such"], "usage"),
        (vec!["file", "--json", "writer", "../x"], "usage"),
        (vec!["file", "--json", "--checkpoint", "0123456789", "writer", "lines.txt"], "usage"),
        (vec!["file", "--json", "nobody", "lines.txt"], "unknown_agent"),
    ] {
        assert_eq!(sandbox.orchflow(words).expect(2).error_code(), code);
    }
    // Bytes and sizes that are not for a screen.
    std::fs::write(worktree.join("bin"), b"\0\x01").unwrap();
    std::fs::write(worktree.join("dos.txt"), b"a\r\nb").unwrap();
    std::fs::write(worktree.join("big.txt"), "x\n".repeat(3 << 20)).unwrap();
    sandbox.orchflow(["send", "writer", "keep it"]).expect(0);
    sandbox.orchflow(["wait", "--json"]).expect(0);
    let refused = sandbox.orchflow(["file", "writer", "bin"]).expect(1);
    assert!(refused.stderr.contains("binary") && refused.stderr.contains("git show"), "{}", refused.stderr);
    let big = sandbox.data_of(["file", "--json", "writer", "big.txt"])[0].clone();
    assert_eq!((&big["too_big"], big["lines"].as_array().unwrap().len()), (&json!(true), 0));
    assert_eq!(sandbox.orchflow(["file", "writer", "dos.txt"]).expect(0).stdout, "a\r\nb");
    sandbox.leave_nothing();
}

#[test]
fn what_was_seen_is_remembered_and_told_apart_from_what_changed() {
    let (sandbox, _) = written();
    let hunks = review(&sandbox, &[]);
    assert_eq!(sandbox.agent("writer")["unseen"], hunks.len());
    assert!(hunks.iter().all(|hunk| hunk["seen"] == false && hunk["changed"] == false));
    let new = find(&sandbox, "deep/new.txt", "second");
    let lines = find(&sandbox, "lines.txt", "two");
    let line = format!("{} {}\n{} 00\n", id(&new), new["hash"].as_str().unwrap(), id(&lines));
    sandbox.orchflow_with(["seen", "-"], line.as_bytes()).expect(0);
    sandbox.orchflow(["seen", &id(&new)[..9]]).expect(0);
    assert_eq!(sandbox.events(&["hunks_seen"]).len(), 1, "what is known makes no event");
    assert_eq!(find(&sandbox, "deep/new.txt", "second")["seen"], true);
    assert_eq!(find(&sandbox, "lines.txt", "two")["seen"], false, "another content was shown");
    assert_eq!(sandbox.agent("writer")["unseen"], hunks.len() - 1);
    assert_eq!(review(&sandbox, &["is:unseen"]).len(), hunks.len() - 1);
    sandbox.kill_host();
    assert_eq!(find(&sandbox, "deep/new.txt", "second")["seen"], true, "it survives the host");
    sandbox.orchflow(["send", "writer", "go on"]).expect(0);
    sandbox.orchflow(["wait", "--json"]).expect(0);
    let newer = find(&sandbox, "deep/new.txt", "third");
    assert_eq!((&newer["seen"], &newer["changed"]), (&json!(false), &json!(true)));
    // Each hunk is as old as its content, and comes with the words of its turn.
    assert_eq!((&newer["changed_turn"], &newer["words"]), (&json!(2), &json!("the second words")));
    let lines = find(&sandbox, "lines.txt", "two");
    assert_eq!((&lines["changed_turn"], &lines["words"]), (&json!(1), &json!("the first words")));
    assert_eq!(find(&sandbox, "lines.txt", "line twenty")["changed_turn"], 2);
    let turn = review(&sandbox, &["turn:-1", "file:lines.txt"]);
    assert_eq!((turn.len(), &turn[0]["added"]), (1, &json!(["line twenty"])));
    assert_eq!(review(&sandbox, &["is:changed"]).len(), 1);
    sandbox.leave_nothing();
}

#[test]
fn rivals_know_each_other_and_sink_once_one_is_taken() {
    let sandbox = sandbox();
    sandbox.add_rehearsal("writer", WRITER);
    sandbox.add_rehearsal("rival", RIVAL);
    sandbox.orchflow(["swarm", "--wait", "--json", "--agents", "rival,writer", "write it"]).expect(0);
    let theirs = find(&sandbox, "lines.txt", "line L");
    let mine = find(&sandbox, "lines.txt", "line fifty");
    assert_eq!(theirs["rivals"][0]["id"], mine["id"]);
    assert_eq!((&mine["rivals"][0]["agent"], &mine["rivals"][0]["same"]), (&json!("rival"), &json!(false)));
    assert_eq!((&theirs["rival_accepted"], &theirs["forecast"]), (&Value::Null, &json!("clean")));
    assert_eq!(review(&sandbox, &["is:rival"]).len(), 2);
    let page = sandbox.orchflow(["review", "--json", "--limit", "2"]).expect(0).json();
    assert_eq!(page["data"][0]["id"], theirs["id"], "the first agent's come first");
    sandbox.orchflow(["accept", id(&mine)]).expect(0);
    // The page goes on where it stood, though both of its ends moved.
    let rest =
        sandbox.orchflow(["review", "--json", "--after", page["next"].as_str().unwrap()]).expect(0).json();
    let sunk = rest["data"].as_array().unwrap().last().unwrap().clone();
    assert_eq!((&sunk["id"], &sunk["forecast"]), (&theirs["id"], &json!("conflict")));
    assert_eq!(
        sunk["rival_accepted"],
        json!({ "agent": "writer", "id": mine["id"], "line": 50, "agent_line": 53 })
    );
    let all = review(&sandbox, &[]);
    assert_eq!(all.last().unwrap()["id"], theirs["id"]);
    let before_last = all.len() - 1;
    let count = before_last.to_string();
    let page = sandbox.orchflow(["review", "--json", "--limit", &count]).expect(0).json();
    let rest =
        sandbox.orchflow(["review", "--json", "--after", page["next"].as_str().unwrap()]).expect(0).json();
    assert_eq!(rest["data"].as_array().unwrap().len(), 1);
    assert_eq!(review(&sandbox, &["is:conflict"]).len(), 1);
    assert_eq!(review(&sandbox, &["is:accepted"])[0]["id"], mine["id"]);
    let text = sandbox.orchflow(["review"]).expect(0).stdout;
    assert!(text.contains("rival of accepted writer:53"), "{text}");
    sandbox.orchflow(["undo"]).expect(0);
    assert_eq!(review(&sandbox, &[])[0]["id"], theirs["id"], "it rises again");
    sandbox.leave_nothing();
}

#[test]
fn lines_of_a_hunk_are_taken_one_by_one() {
    let (sandbox, _) = written();
    let hunk = find(&sandbox, "lines.txt", "two");
    let accept = |lines: &str| {
        let words =
            ["accept", "--json", id(&hunk), "--lines", lines, "--hash", hunk["hash"].as_str().unwrap()];
        sandbox.orchflow(words).expect(0).json()
    };
    let base = sandbox.repository.read("lines.txt");
    let wrong = sandbox.orchflow(["accept", "--json", id(&hunk), "--lines", "+9"]).expect(1);
    assert_eq!(wrong.error_code(), "usage");
    assert_eq!(one_of(&accept("+2"), "already"), false);
    assert_eq!(sandbox.repository.read("lines.txt"), base.replace("line 3\n", "line 3\ntwo\n"));
    let partly = find(&sandbox, "lines.txt", "two");
    assert_eq!(
        (&partly["state"], &partly["partly"]),
        (&json!("undecided"), &json!({"added": [2], "removed": []}))
    );
    assert_eq!(partly["forecast"], "clean");
    assert_eq!(one_of(&accept("+2"), "already"), true);
    assert_eq!(
        sandbox.orchflow(["reject", "--json", id(&hunk), "--lines", "+2"]).expect(1).error_code(),
        "conflict"
    );
    // The rest completes it; it does not come in twice.
    sandbox.orchflow(["accept", "--json", id(&hunk)]).expect(0);
    let whole = base.replace("line 3\n", "line 3\none\ntwo\nthree\n");
    assert_eq!(sandbox.repository.read("lines.txt"), whole);
    assert_eq!(find(&sandbox, "lines.txt", "two")["state"], "accepted");
    for left in [base.replace("line 3\n", "line 3\ntwo\n"), base.clone()] {
        sandbox.orchflow(["undo"]).expect(0);
        assert_eq!(sandbox.repository.read("lines.txt"), left);
    }
    assert_eq!(find(&sandbox, "lines.txt", "two")["partly"], Value::Null);
    for done in [base.replace("line 3\n", "line 3\ntwo\n"), whole] {
        sandbox.orchflow(["redo"]).expect(0);
        assert_eq!(sandbox.repository.read("lines.txt"), done);
    }
    // A pair in its place, and a minus sign first.
    let pair = find(&sandbox, "lines.txt", "line fifty");
    sandbox.orchflow(["accept", id(&pair), "--lines", "-2,+2"]).expect(0);
    assert!(sandbox.repository.read("lines.txt").contains("line 50\nline fiftyone\n"));
    sandbox.leave_nothing();
}

#[test]
fn lines_of_a_hunk_are_turned_down_and_the_taken_ones_stay() {
    let (sandbox, worktree) = written();
    let hunk = find(&sandbox, "lines.txt", "two");
    sandbox.orchflow(["accept", id(&hunk), "--lines", "+1"]).expect(0);
    sandbox.orchflow(["reject", id(&hunk), "--lines", "+3"]).expect(0);
    let theirs = std::fs::read_to_string(worktree.join("lines.txt")).unwrap();
    assert!(theirs.contains("line 3\none\ntwo\nline 4\n"), "{theirs}");
    let again = sandbox.orchflow(["reject", "--json", id(&hunk), "--lines", "+3"]).expect(0).json();
    assert_eq!(one_of(&again, "already"), true);
    wait_for("its checkpoint", || {
        !review(&sandbox, &["--all"]).iter().any(|listed| listed["id"] == hunk["id"])
    });
    // What is left is another hunk, that still knows what was taken of the one before.
    let rest = find(&sandbox, "lines.txt", "two");
    assert_eq!((&rest["added"], &rest["forecast"]), (&json!(["one", "two"]), &json!("clean")));
    sandbox.orchflow(["accept", id(&rest)]).expect(0);
    assert!(sandbox.repository.read("lines.txt").contains("line 3\none\ntwo\nline 4\n"));
    // Whole files have lines as well; the rest of a hunk can go at once.
    let new = find(&sandbox, "deep/new.txt", "second");
    sandbox.orchflow(["accept", id(&new), "--lines", "+1"]).expect(0);
    assert_eq!(sandbox.repository.read("deep/new.txt"), "fresh\n");
    sandbox.orchflow(["reject", id(&new)]).expect(0);
    assert_eq!(std::fs::read_to_string(worktree.join("deep/new.txt")).unwrap(), "fresh\n");
    wait_for("nothing is left of it", || {
        !review(&sandbox, &[]).iter().any(|hunk| hunk["path"] == "deep/new.txt")
    });
    sandbox.leave_nothing();
}

#[test]
fn what_was_undone_is_made_again_over_a_restart() {
    let (sandbox, worktree) = written();
    let hunk = find(&sandbox, "deep/new.txt", "second");
    let other = find(&sandbox, "lines.txt", "line fifty");
    assert_eq!(sandbox.orchflow(["redo", "--json"]).expect(1).error_code(), "nothing_to_redo");
    sandbox.orchflow(["accept", id(&hunk)]).expect(0);
    sandbox.orchflow(["undo"]).expect(0);
    assert!(!sandbox.repository.path.join("deep/new.txt").exists());
    sandbox.kill_host();
    let redone = sandbox.orchflow(["redo", "--json"]).expect(0).json();
    assert_eq!(
        (one_of(&redone, "redone"), one_of(&redone, "path")),
        (&json!("accept"), &json!("deep/new.txt"))
    );
    assert_eq!(sandbox.repository.read("deep/new.txt"), "fresh\nsecond\n");
    // A rejection, too: its checkpoint is not the newest any more.
    sandbox.orchflow(["reject", id(&other)]).expect(0);
    sandbox.orchflow(["undo"]).expect(0);
    sandbox.orchflow(["wait", "--json"]).expect(0);
    assert!(std::fs::read_to_string(worktree.join("lines.txt")).unwrap().contains("line fifty\n"));
    sandbox.orchflow(["redo"]).expect(0);
    assert!(std::fs::read_to_string(worktree.join("lines.txt")).unwrap().contains("line 50\n"));
    sandbox.orchflow(["undo"]).expect(0);
    sandbox.orchflow(["accept", id(&find(&sandbox, "lines.txt", "two"))]).expect(0);
    assert_eq!(sandbox.orchflow(["redo", "--json"]).expect(1).error_code(), "nothing_to_redo");
    sandbox.leave_nothing();
}

#[test]
fn a_review_is_filtered_by_the_grammar() {
    let (sandbox, _) = written();
    let paths = |words: &[&str]| -> Vec<String> {
        review(&sandbox, words).iter().map(|hunk| hunk["path"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(paths(&["type:add"]), ["deep/new.txt"]);
    assert_eq!(paths(&["type:delete"]), ["README.md"]);
    assert_eq!(paths(&["file:deep/**"]), ["deep/new.txt"]);
    assert_eq!(paths(&["-file:lines.txt", "-type:add"]), ["README.md"]);
    assert_eq!(paths(&["FIFTYone", "agent:writer"]), ["lines.txt"]);
    assert_eq!(paths(&["agent:nobody"]), Vec::<String>::new());
    let wrong = sandbox.orchflow(["review", "--json", "is:unsen"]).expect(2);
    assert_eq!(wrong.error_code(), "usage");
    sandbox.orchflow(["comment", id(&find(&sandbox, "lines.txt", "two")), "why?"]).expect(0);
    assert_eq!(paths(&["is:commented"]), ["lines.txt"]);
    sandbox.leave_nothing();
}
