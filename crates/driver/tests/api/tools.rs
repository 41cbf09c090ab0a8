//! The tools of a model, used wrongly in every way.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::{Duration, Instant};

use orchflow_agent::catalogue::Approve;
use orchflow_driver::api::key::Secret;
use orchflow_driver::api::tools::{Outcome, Toolbox};
use orchflow_testkit::{lives, wait_for};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

struct World {
    folder: tempfile::TempDir,
    toolbox: Toolbox,
}

impl World {
    fn new() -> World {
        World::with(None, Vec::new())
    }

    fn with(key: Option<Secret>, hidden: Vec<String>) -> World {
        let folder = tempfile::tempdir().unwrap();
        let tree = folder.path().join("tree");
        fs::create_dir_all(tree.join("src")).unwrap();
        fs::write(folder.path().join("outside"), "outside\n").unwrap();
        fs::write(tree.join("src/a.rs"), "fn a() {\n    one();\n    two();\n}\n\nfn b() {\n    one();\n}\n")
            .unwrap();
        fs::write(tree.join(".gitignore"), "ignored\n").unwrap();
        fs::write(tree.join("ignored"), "one\n").unwrap();
        let toolbox = Toolbox::new(&tree, Approve::Run, Duration::from_secs(5), key, hidden).unwrap();
        World { folder, toolbox }
    }

    fn tree(&self) -> &Path {
        self.toolbox.root()
    }

    fn run(&self, tool: &str, input: Value) -> Outcome {
        self.toolbox.run(tool, &input, &CancellationToken::new())
    }

    fn done(&self, tool: &str, input: Value) -> String {
        match self.run(tool, input.clone()) {
            Outcome::Done(text) => text,
            other => panic!("{tool} {input}: {other:?}"),
        }
    }

    fn failed(&self, tool: &str, input: Value) -> String {
        match self.run(tool, input.clone()) {
            Outcome::Failed(text) => text,
            other => panic!("{tool} {input}: {other:?}"),
        }
    }

    fn file(&self, path: &str) -> String {
        fs::read_to_string(self.tree().join(path)).unwrap()
    }
}

fn edit(path: &str, old: &str, new: &str) -> Value {
    json!({ "file_path": path, "old_string": old, "new_string": new })
}

#[test]
fn an_edit_matches_exactly_or_says_how_to_mend_it() {
    let world = World::new();
    assert!(world.done("Edit", edit("src/a.rs", "    two();", "    three();")).contains("line 3"));
    assert!(world.file("src/a.rs").contains("three();\n}"));
    for (input, part) in [
        (edit("src/a.rs", "four();", "x"), "is not there. Read the file"),
        (edit("src/a.rs", "one();", "x"), "2 times (lines 2, 7)"),
        (
            edit("src/a.rs", "  fn b() {\n one();", "x"),
            "with other blanks it stands at line 6:\nfn b() {\n    one();",
        ),
        (edit("src/a.rs", "fn b() {\n    nine();", "x"), "first line stands at line 6"),
        (edit("src/a.rs", "", "x"), "old_string is empty"),
        (edit("src/a.rs", "one", "one"), "nothing would change"),
        (edit("src/none.rs", "a", "b"), "no such file"),
        (edit("src", "a", "b"), "folder"),
        (json!({ "file_path": "src/a.rs", "old_string": "a" }), "new_string is missing"),
        (json!({ "file_path": 7, "old_string": "a", "new_string": "b" }), "file_path must be a string"),
    ] {
        let said = world.failed("Edit", input.clone());
        assert!(said.contains(part), "{input} gave {said:?}");
    }
    let mut all = edit("src/a.rs", "one();", "uno();");
    all["replace_all"] = json!(true);
    assert!(world.done("Edit", all).contains("2 places"));
}

#[test]
fn an_edit_keeps_line_ends_mode_and_links() {
    let world = World::new();
    let file = world.tree().join("run.sh");
    fs::write(&file, "#!/bin/sh\r\necho one\r\necho two\r\n").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    symlink("run.sh", world.tree().join("link")).unwrap();
    world.done("Edit", edit("link", "echo one\necho two", "echo 1\necho 2"));
    assert_eq!(world.file("run.sh"), "#!/bin/sh\r\necho 1\r\necho 2\r\n");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o755);
    assert!(world.tree().join("link").is_symlink());
}

#[test]
fn what_is_no_text_is_said_to_be_none() {
    let world = World::new();
    fs::write(world.tree().join("binary"), b"\x7fELF\0\0\0").unwrap();
    fs::write(world.tree().join("latin"), b"caf\xe9\n").unwrap();
    fs::write(world.tree().join("empty"), "").unwrap();
    let fifo = std::process::Command::new("mkfifo").arg(world.tree().join("fifo")).status().unwrap();
    assert!(fifo.success());
    assert!(world.failed("Read", json!({ "file_path": "binary" })).contains("binary file of 7 bytes"));
    assert!(world.failed("Read", json!({ "file_path": "fifo" })).contains("no regular file"));
    assert!(
        world.failed("Write", json!({ "file_path": "fifo", "content": "x" })).contains("no regular file")
    );
    assert!(world.failed("Edit", edit("latin", "caf", "x")).contains("not valid UTF-8"));
    assert!(world.done("Read", json!({ "file_path": "latin" })).contains("not UTF-8"));
    assert!(world.done("Read", json!({ "file_path": "empty" })).contains("empty"));
}

#[test]
fn long_files_come_in_stretches() {
    let world = World::new();
    let lines: String = (1..=5000).map(|line| format!("line {line}\n")).collect();
    fs::write(world.tree().join("long"), lines).unwrap();
    fs::write(world.tree().join("wide"), "x".repeat(3 << 20)).unwrap();
    let first = world.done("Read", json!({ "file_path": "long" }));
    assert!(
        first.starts_with("line 1\n") && first.ends_with("read on with offset=2001]\n"),
        "{}",
        first.len()
    );
    let some = world.done("Read", json!({ "file_path": "long", "offset": "4999", "limit": 10 }));
    assert_eq!(some, "line 4999\nline 5000\n");
    assert!(world.failed("Read", json!({ "file_path": "long", "offset": 6000 })).contains("5000 lines"));
    assert!(world.failed("Read", json!({ "file_path": "long", "offset": -1 })).contains("whole number"));
    let wide = world.done("Read", json!({ "file_path": "wide" }));
    assert!(wide.len() < 10_000 && wide.contains("more bytes of this line"));
}

#[test]
fn files_are_written_within_the_worktree_alone() {
    let world = World::new();
    let write = |path: &str| json!({ "file_path": path, "content": "new\n" });
    assert!(world.done("Write", write("deep/er/new.txt")).contains("was made, 1 lines"));
    assert!(world.done("Write", write("deep/er/new.txt")).contains("was written anew"));
    symlink("../outside", world.tree().join("out")).unwrap();
    symlink("..", world.tree().join("up")).unwrap();
    for path in
        ["../outside", "/tmp/orchflow-never", "out", "up/outside", "up/new", ".git/hooks/pre-commit", ""]
    {
        let said = world.failed("Write", write(path));
        assert!(
            said.contains("outside")
                || said.contains("link")
                || said.contains("git")
                || said.contains("empty"),
            "{path}: {said}"
        );
        world.failed("Read", json!({ "file_path": path }));
    }
    assert_eq!(fs::read_to_string(world.folder.path().join("outside")).unwrap(), "outside\n");
    let large = json!({ "file_path": "large", "content": "x".repeat(9 << 20) });
    assert!(world.failed("Write", large).contains("8 MB"));
    let left: Vec<_> = fs::read_dir(world.tree().join("deep/er")).unwrap().collect();
    assert_eq!(left.len(), 1, "nothing is left beside it");
}

#[test]
fn looking_goes_by_what_git_ignores() {
    let world = World::new();
    assert_eq!(world.done("List", json!({})), ".gitignore\nsrc/a.rs\n");
    assert_eq!(world.done("List", json!({ "glob": "**/*.rs" })), "src/a.rs\n");
    assert_eq!(world.done("List", json!({ "path": "src", "glob": "*.md" })), "no files\n");
    let found = world.done("Search", json!({ "pattern": r"one\(\)" }));
    assert_eq!(found, "src/a.rs:2:    one();\nsrc/a.rs:7:    one();\n");
    assert_eq!(world.done("Search", json!({ "pattern": "nowhere" })), "nothing matches\n");
    assert!(world.failed("Search", json!({ "pattern": "one(" })).contains("backslash"));
    assert!(world.failed("List", json!({ "path": "../" })).contains("outside"));
    assert!(world.failed("Look", json!({})).contains("List, Read, Search, Edit, Write and Run"));
}

#[test]
fn a_command_tells_how_it_ended() {
    let world = World::new();
    assert_eq!(
        world.done("Run", json!({ "command": "pwd; ls src; exit 3" })),
        format!("{}\na.rs\n[exit code 3]", world.tree().display())
    );
    assert_eq!(
        world.done("Run", json!({ "command": "echo out; echo err >&2; cat" })),
        "out\nerr\n[exit code 0]"
    );
    assert!(world.done("Run", json!({ "command": "kill -9 $$" })).contains("signal 9"));
    assert!(world.failed("Run", json!({ "command": " " })).contains("empty"));
    let flood = world.done("Run", json!({ "command": "echo first; yes | head -c 20000000; echo last" }));
    assert!(flood.len() < 60_000 && flood.starts_with("first\n") && flood.ends_with("last\n[exit code 0]"));
    assert!(flood.contains("bytes left out here"));
}

#[test]
fn a_command_and_all_it_started_end_in_time() {
    let world = World::new();
    let begun = Instant::now();
    let said = world
        .failed("Run", json!({ "command": "trap '' TERM; echo begun; sleep 60 & sleep 60", "timeout_s": 1 }));
    assert!(said.starts_with("begun\n") && said.contains("1 s, which it may take"), "{said}");
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());

    // What it leaves running goes with it, and does not hold up the answer.
    let mark = world.folder.path().join("pid");
    let begins = format!("sh -c 'echo $$ > \"{}\"; exec sleep 60' &", mark.display());
    let command = format!("{begins} until test -s '{}'; do sleep 0.01; done; echo done", mark.display());
    let begun = Instant::now();
    assert_eq!(world.done("Run", json!({ "command": command })), "done\n[exit code 0]");
    assert!(begun.elapsed() < Duration::from_secs(3));
    let left = fs::read_to_string(&mark).unwrap().trim().parse().unwrap();
    wait_for("what it started is ended", || !lives(left));

    let (cancel, begun) = (CancellationToken::new(), world.folder.path().join("begun"));
    let command = json!({ "command": format!("touch '{}'; sleep 60", begun.display()) });
    let later = cancel.clone();
    let human = std::thread::spawn(move || {
        wait_for("the command runs", || begun.exists());
        later.cancel();
    });
    assert_eq!(world.toolbox.run("Run", &command, &cancel), Outcome::Interrupted);
    human.join().unwrap();
}

#[test]
fn a_command_sees_no_key_and_what_shows_one_is_blanked() {
    // A variable every test has, and a value that stands in for the key.
    let value = std::env::var("CARGO_PKG_NAME").unwrap();
    let key = Secret::new(&value, "the test").unwrap();
    let world = World::with(Some(key), vec!["HOME".into()]);
    let said = world.done("Run", json!({ "command": "echo \"[$HOME][$CARGO_PKG_NAME]\"; env" }));
    assert!(said.starts_with("[][]\n") && !said.contains(&value), "{said}");
    fs::write(world.tree().join(".env"), format!("KEY={value}\n")).unwrap();
    assert_eq!(world.done("Read", json!({ "file_path": ".env" })), "KEY=[key redacted]\n");
    assert!(world.done("Search", json!({ "pattern": "KEY=" })).contains("[key redacted]"));
}

#[test]
fn who_is_asked_goes_by_the_policy() {
    let world = World::new();
    let asks = |approve, tool| {
        Toolbox::new(world.tree(), approve, Duration::from_secs(1), None, Vec::new()).unwrap().asks(tool)
    };
    for tool in ["List", "Read", "Search"] {
        assert!(!asks(Approve::All, tool), "{tool}");
    }
    assert!(asks(Approve::Run, "Run") && !asks(Approve::Run, "Edit") && !asks(Approve::Run, "Write"));
    assert!(asks(Approve::All, "Edit") && asks(Approve::All, "Write") && asks(Approve::All, "Run"));
    assert!(!asks(Approve::None, "Run") && asks(Approve::Run, "unknown"));
}
