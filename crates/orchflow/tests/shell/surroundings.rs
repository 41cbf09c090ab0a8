//! Repositories, folders and programs that are not as one would wish.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use orchflow_testkit::{Outcome, Sandbox, TemporaryRepository, write};

use crate::{ORCHFLOW, WRITER, sandbox};

fn status_in(sandbox: &Sandbox, folder: &Path) -> Outcome {
    let mut command = sandbox.command(sandbox.program());
    command.current_dir(folder).args(["status", "--json"]);
    sandbox.run(command)
}

fn message(outcome: &Outcome) -> String {
    outcome.json()["error"]["message"].as_str().unwrap().to_owned()
}

#[test]
fn a_folder_that_is_no_repository_is_said_to_be_none() {
    let sandbox = sandbox();
    let outside = sandbox.root().join("outside");
    std::fs::create_dir(&outside).unwrap();
    let outcome = status_in(&sandbox, &outside).expect(2);
    assert_eq!(outcome.error_code(), "repository");
    assert!(message(&outcome).contains("git"), "{outcome:?}");
    let mut command = sandbox.command(sandbox.program());
    command.args(["-C", "/no/such/folder", "status", "--json"]);
    assert_eq!(sandbox.run(command).code, 2);
    // From outside, with the folder named.
    let mut command = sandbox.command(sandbox.program());
    command.current_dir("/").arg("-C").arg(&sandbox.repository.path).args(["status", "--json"]);
    sandbox.run(command).expect(0);
    sandbox.leave_nothing();
}

#[test]
fn a_bare_repository_and_one_without_commits_are_told_apart() {
    let sandbox = sandbox();
    let bare = sandbox.root().join("bare.git");
    sandbox.repository.git(["clone", "--quiet", "--bare", ".", bare.to_str().unwrap()]);
    let outcome = status_in(&sandbox, &bare).expect(2);
    assert_eq!(outcome.error_code(), "repository");
    assert!(message(&outcome).contains("bare"), "{outcome:?}");
    let unborn = TemporaryRepository::unborn(&sandbox.root().join("unborn"), &sandbox.home());
    let mut command = sandbox.command(sandbox.program());
    command.current_dir(&unborn.path).args(["swarm", "--json", "--agents", "rehearsal", "do it"]);
    let outcome = sandbox.run(command).expect(2);
    assert_eq!(outcome.error_code(), "repository");
    assert!(message(&outcome).contains("commit"), "{outcome:?}");
}

#[test]
fn git_missing_or_too_old_is_named_with_the_version_needed() {
    let mut sandbox = sandbox();
    let empty = sandbox.root().join("empty");
    std::fs::create_dir(&empty).unwrap();
    sandbox.set("PATH", Some(&empty));
    let outcome = sandbox.orchflow(["status", "--json"]).expect(2);
    assert!(message(&outcome).contains("git") && message(&outcome).contains("install"), "{outcome:?}");
    let old = empty.join("git");
    write(&old, "#!/bin/sh\necho 'git version 2.30.2'\n");
    std::fs::set_permissions(&old, std::fs::Permissions::from_mode(0o755)).unwrap();
    let outcome = sandbox.orchflow(["status", "--json"]).expect(2);
    assert!(message(&outcome).contains("2.30") && message(&outcome).contains("2.38"), "{outcome:?}");
    assert!(sandbox.hosts().is_empty());
}

#[test]
fn spaces_quotes_and_accents_in_paths_are_no_trouble() {
    let sandbox = Sandbox::named(ORCHFLOW, "my 'pröject' $HOME \"x\"");
    sandbox.add_rehearsal("writer", WRITER);
    sandbox.repository.write("dir with space/ü \"q\".txt", "one\n");
    sandbox.repository.commit("odd names");
    sandbox.add_rehearsal("odd", "- - edit: {path: 'dir with space/ü \"q\".txt', append: \"two\\n\"}\n");
    sandbox.orchflow(["swarm", "--wait", "--json", "--agents", "odd,writer", "do it"]).expect(0);
    let hunks = sandbox.data_of(["review", "--json", "--agent", "odd"]);
    assert_eq!(hunks[0]["path"], "dir with space/ü \"q\".txt");
    sandbox.orchflow(["accept", "--json", hunks[0]["id"].as_str().unwrap()]).expect(0);
    assert_eq!(sandbox.repository.read("dir with space/ü \"q\".txt"), "one\ntwo\n");
    sandbox.orchflow(["stop", "all"]).expect(0);
    assert_eq!(sandbox.data_of(["clean", "--json", "all"]).as_array().unwrap().len(), 2);
    sandbox.leave_nothing();
}

#[test]
fn a_linked_worktree_and_a_folder_inside_share_one_host() {
    let sandbox = sandbox();
    sandbox.add_rehearsal("writer", WRITER);
    let linked = sandbox.root().join("linked");
    sandbox.repository.git(["worktree", "add", "--quiet", linked.to_str().unwrap(), "-b", "side"]);
    write(&linked.join("side.txt"), "side\n");
    let linked_git = |words: &[&str]| {
        let output = sandbox.command("git").current_dir(&linked).args(words).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    linked_git(&["add", "side.txt"]);
    linked_git(&["commit", "--quiet", "-m", "side"]);
    std::fs::create_dir(linked.join("inner")).unwrap();
    let in_folder = |folder: &Path, words: &[&str]| {
        let mut command = sandbox.command(sandbox.program());
        command.current_dir(folder).args(words);
        sandbox.run(command)
    };
    let pid = |folder: &Path| {
        in_folder(folder, &["connect", "--json"]).expect(0).json()["data"]["host_pid"].clone()
    };
    assert_eq!(pid(&sandbox.repository.path), pid(&linked.join("inner")));
    assert_eq!(pid(&sandbox.repository.path.join(".git")), pid(&linked));
    // "Your tree" is the one the host works in; elsewhere nothing is begun or taken by mistake.
    let words = ["swarm", "--wait", "--json", "--agents", "writer", "do it"];
    let elsewhere = in_folder(&linked, &words).expect(2);
    assert_eq!(elsewhere.error_code(), "repository");
    assert!(message(&elsewhere).contains(linked.to_str().unwrap()), "{elsewhere:?}");
    sandbox.orchflow(words).expect(0);
    let hunk = sandbox.data_of(["review", "--json"])[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(in_folder(&linked, &["accept", "--json", &hunk]).code, 2);
    sandbox.orchflow(["host", "stop"]).expect(0);
    in_folder(&linked, &["accept", "--json", &hunk]).expect(0);
    assert!(
        linked.join("heard-writer.txt").exists()
            && !sandbox.repository.path.join("heard-writer.txt").exists()
    );
    in_folder(&linked, &["undo"]).expect(0);
    sandbox.orchflow(["host", "stop"]).expect(0);
    // In an agent's worktree the human means the tree its work goes into.
    let worktree = std::path::PathBuf::from(sandbox.agent("writer")["worktree"].as_str().unwrap());
    sandbox.orchflow(["host", "stop"]).expect(0);
    in_folder(&worktree, &["accept", "--json", &hunk]).expect(0);
    assert!(sandbox.repository.path.join("heard-writer.txt").exists());
    sandbox.orchflow(["stop", "all"]).expect(0);
    sandbox.orchflow(["clean", "all"]).expect(0);
    assert!(linked.join("side.txt").exists(), "a worktree of the user's is not ours to remove");
    assert_eq!(sandbox.repository.git(["worktree", "list"]).lines().count(), 2);
    sandbox.leave_nothing();
}

#[test]
fn a_socket_path_that_is_too_long_is_said_to_be() {
    let mut sandbox = sandbox();
    let long = sandbox.root().join("r".repeat(90));
    std::fs::create_dir(&long).unwrap();
    sandbox.set("XDG_RUNTIME_DIR", Some(&long));
    let outcome = sandbox.orchflow(["status", "--json"]);
    assert_ne!(outcome.code, 0);
    assert!(
        message(&outcome).contains("107 bytes") && message(&outcome).contains("XDG_RUNTIME_DIR"),
        "{outcome:?}"
    );
    // The longest that fits serves agents of the longest names too, or says at once that it does not.
    let name = "a".repeat(40);
    sandbox.add_rehearsal(&name, WRITER);
    for length in (20..90).rev().step_by(3) {
        let folder = sandbox.root().join("s".repeat(length));
        std::fs::create_dir(&folder).unwrap();
        sandbox.set("XDG_RUNTIME_DIR", Some(&folder));
        let outcome = sandbox.orchflow(["status", "--json"]);
        if outcome.code == 0 {
            sandbox.orchflow(["swarm", "--wait", "--json", "--agents", &name, "do it"]).expect(0);
            sandbox.leave_nothing();
            return;
        }
        assert!(message(&outcome).contains("107 bytes"), "{outcome:?}");
    }
    panic!("no folder was short enough");
}

#[test]
fn a_home_that_cannot_be_written_is_named_with_what_moves_it() {
    let mut sandbox = sandbox();
    // Not even root writes below a file.
    let file = sandbox.root().join("file");
    write(&file, "");
    for (variable, text) in [("XDG_DATA_HOME", "XDG_DATA_HOME"), ("XDG_RUNTIME_DIR", "XDG_RUNTIME_DIR")] {
        let mut other = Sandbox::new(ORCHFLOW);
        other.set(variable, Some(file.join("below")));
        let outcome = other.orchflow(["status", "--json"]);
        assert_ne!(outcome.code, 0, "{variable}");
        assert!(
            message(&outcome).contains("cannot be made") && message(&outcome).contains(text),
            "{outcome:?}"
        );
    }
    let read_only = sandbox.root().join("read-only");
    std::fs::create_dir(&read_only).unwrap();
    let Some(_mount) = ReadOnly::make(&sandbox, &read_only) else {
        println!("skipped: a read-only home: neither chmod nor mount makes a folder read-only here");
        return;
    };
    sandbox.set("HOME", Some(&read_only));
    for name in ["XDG_DATA_HOME", "XDG_CONFIG_HOME"] {
        sandbox.set(name, None::<&str>);
    }
    let outcome = sandbox.orchflow(["status", "--json"]).expect(5);
    let text = message(&outcome);
    assert!(text.contains("read-only/.local/share") && text.contains("XDG_DATA_HOME"), "{text}");
    sandbox.set("XDG_DATA_HOME", Some(sandbox.root().join("elsewhere")));
    sandbox.add_rehearsal("writer", WRITER);
    sandbox.orchflow(["swarm", "--wait", "--json", "--agents", "rehearsal", "do it"]).expect(0);
    sandbox.orchflow(["stop", "all"]).expect(0);
    sandbox.orchflow(["host", "stop"]).expect(0);
}

/// A folder made read-only, also for root, until it is dropped.
struct ReadOnly(std::path::PathBuf);

impl ReadOnly {
    fn make(sandbox: &Sandbox, folder: &Path) -> Option<ReadOnly> {
        let made = ReadOnly(folder.to_owned());
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o500)).unwrap();
        if std::fs::write(folder.join("probe"), "").is_err() {
            return Some(made);
        }
        sandbox.mount(folder, "ro").then_some(made)
    }
}

impl Drop for ReadOnly {
    fn drop(&mut self) {
        let _ = std::fs::set_permissions(&self.0, std::fs::Permissions::from_mode(0o700));
    }
}

#[test]
fn without_a_home_it_is_said_what_to_set() {
    let mut sandbox = sandbox();
    for name in ["HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"] {
        sandbox.set(name, None::<&str>);
    }
    let outcome = sandbox.orchflow(["status", "--json"]);
    assert_ne!(outcome.code, 0);
    assert!(message(&outcome).contains("HOME"), "{outcome:?}");
}

/// Puts a repository of another format, with the same content, in the place of the sandbox's. Gives whether git can.
fn reformat(sandbox: &Sandbox, format: &str) -> bool {
    let path = &sandbox.repository.path;
    std::fs::rename(path.join(".git"), sandbox.root().join("before.git")).unwrap();
    let mut init = sandbox.command("git");
    init.args(["init", "--quiet", "--initial-branch=main", format]);
    if sandbox.run(init).code != 0 {
        println!("skipped: a repository made with {format}: this git cannot");
        return false;
    }
    for words in [["config", "user.name", "Test"], ["config", "user.email", "test@example.org"]] {
        sandbox.repository.git(words);
    }
    sandbox.repository.commit("first");
    true
}

#[test]
fn repositories_of_newer_formats_serve_from_swarm_to_clean() {
    for (format, length) in [("--object-format=sha256", 64), ("--ref-format=reftable", 40)] {
        let sandbox = sandbox();
        sandbox.add_rehearsal("writer", WRITER);
        sandbox.repository.write("kept.txt", "one\n");
        if !reformat(&sandbox, format) {
            continue;
        }
        let before = sandbox.repository.git(["rev-parse", "HEAD"]);
        assert_eq!(before.trim().len(), length);
        sandbox.repository.write("kept.txt", "one\nchanged\n");
        let words = ["swarm", "--wait", "--json", "--include-changes", "--agents", "writer,writer", "do it"];
        sandbox.orchflow(words).expect(0);
        let hunks = sandbox.data_of(["review", "--json"]);
        assert_eq!(hunks.as_array().unwrap().len(), 2, "{format}: {hunks}");
        let id = hunks[0]["id"].as_str().unwrap();
        sandbox.orchflow(["accept", "--json", id]).expect(0);
        let path = hunks[0]["path"].as_str().unwrap();
        assert_eq!(sandbox.repository.read(path), "<do it>\n", "{format}");
        sandbox.kill_host();
        sandbox.orchflow(["undo", "--json"]).expect(0);
        assert!(!sandbox.repository.path.join(path).exists(), "{format}");
        let other = hunks[1]["id"].as_str().unwrap();
        sandbox.orchflow(["reject", "--json", other, "--reason", "no"]).expect(0);
        sandbox.until("writer-2", "hears of it", |row| row["turn"] == 2 && row["status"] == "done");
        sandbox.orchflow(["stop", "all"]).expect(0);
        let cleaned = sandbox.data_of(["clean", "--json", "all"]);
        assert_eq!(cleaned.as_array().unwrap().len(), 2, "{format}: {cleaned}");
        let kept = sandbox.repository.git(["for-each-ref", "refs/orchflow/agents"]);
        assert_eq!(kept.lines().count(), 2, "{format}: {kept}");
        assert_eq!(sandbox.repository.git(["worktree", "list"]).lines().count(), 1, "{format}");
        assert_eq!(sandbox.repository.git(["rev-parse", "HEAD"]), before, "{format}");
        assert_eq!(sandbox.repository.git(["status", "--porcelain"]), " M kept.txt\n", "{format}");
        sandbox.repository.git(["fsck", "--strict"]);
        sandbox.orchflow(["log", "verify"]).expect(0);
        sandbox.leave_nothing();
    }
}
