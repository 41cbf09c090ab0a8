//! A disk that is full when the host starts: it looks, refuses writes with what to free, and goes on by itself.

use std::path::{Path, PathBuf};

use orchflow_testkit::{Sandbox, wait_for};
use serde_json::{Value, json};

use crate::{WRITER, sandbox};

/// A sandbox whose data stands on a small disk of its own; `None` where none can be mounted.
fn on_a_small_disk() -> Option<(Sandbox, PathBuf)> {
    let sandbox = sandbox();
    let data = sandbox.root().join("data");
    if !sandbox.mount(&data, "size=8m,mode=700") {
        println!("skipped: a full disk: no small file system can be mounted here");
        return None;
    }
    sandbox.add_rehearsal("writer", WRITER);
    Some((sandbox, data))
}

/// Fills a file system to its last byte.
fn fill(file: &Path) {
    use std::io::Write as _;
    let mut file = std::fs::File::options().create(true).append(true).open(file).unwrap();
    for size in [1 << 16, 1 << 12, 1] {
        while file.write_all(&vec![0u8; size]).is_ok() {}
    }
}

/// Gives the process of the host that answers.
fn host_pid(sandbox: &Sandbox) -> Value {
    sandbox.data_of(["connect", "--json"])["host_pid"].clone()
}

/// Looks with every front that only looks, and writes with some that are refused.
fn check_read_only(sandbox: &Sandbox, agents: &[&str]) {
    let status = sandbox.orchflow(["status", "--json"]).expect(0).json();
    let warnings = status["warnings"].to_string();
    assert!(warnings.contains("takes no writes") && warnings.contains("free some space"), "{status}");
    let names: Vec<&Value> = status["data"].as_array().unwrap().iter().map(|row| &row["agent"]).collect();
    assert_eq!(names, agents, "{status}");
    let text = sandbox.orchflow(["status"]).expect(0).stdout;
    assert!(text.contains("the store takes no writes") && text.contains("full"), "{text}");
    assert!(sandbox.events(&["turn_ended"]).len() >= agents.len(), "the log is read");
    let hunks = sandbox.data_of(["review", "--json"]);
    assert_eq!(hunks[0]["path"], "heard-writer.txt", "{hunks}");
    sandbox.orchflow(["log", "verify", "--json"]).expect(0);
    let id = hunks[0]["id"].as_str().unwrap();
    let writes: [&[&str]; 4] = [
        &["send", "--json", "writer", "hello"],
        &["accept", "--json", id],
        &["comment", "--json", id, "why"],
        &["swarm", "--json", "--agents", "writer", "more"],
    ];
    for words in writes {
        let refused = sandbox.orchflow(words);
        let object = refused.json();
        let told = format!("{} {}", object["error"]["message"], object["error"]["hint"]);
        assert!(told.contains("full") && told.contains("free"), "{words:?}: {object}");
        assert!(refused.code != 0, "{words:?}: {object}");
    }
    assert!(!sandbox.repository.path.join("heard-writer.txt").exists(), "nothing was accepted");
}

/// Frees the disk and checks that the host there is goes on.
fn check_goes_on(sandbox: &Sandbox, ballast: &Path, hosts_before: usize) {
    let pid = host_pid(sandbox);
    std::fs::remove_file(ballast).unwrap();
    sandbox.orchflow(["send", "--json", "writer", "with room"]).expect(0);
    assert_eq!(host_pid(sandbox), pid, "without a restart");
    let status = sandbox.orchflow(["status", "--json"]).expect(0).json();
    assert_eq!(status["warnings"], json!([]), "{status}");
    wait_for("the host's start is told after all", || {
        sandbox.events(&["host_started"]).len() == hosts_before + 1
    });
    sandbox.orchflow(["wait", "--json"]).expect(0);
    assert_eq!(sandbox.agent("writer")["turn"], 2);
    let hunk =
        sandbox.data_of(["review", "--json", "--agent", "writer"])[0]["id"].as_str().unwrap().to_owned();
    sandbox.orchflow(["accept", "--json", &hunk]).expect(0);
    let verified = sandbox.orchflow(["log", "verify", "--json"]).expect(0).json();
    assert_eq!(verified["data"][0]["intact"], true);
    assert_eq!(host_pid(sandbox), pid);
}

#[test]
fn a_host_that_starts_on_a_full_disk_looks_and_goes_on_with_room() {
    for crashes in [false, true] {
        let Some((sandbox, data)) = on_a_small_disk() else { return };
        sandbox.orchflow(["swarm", "--wait", "--json", "--agents", "writer", "do it"]).expect(0);
        let agent = sandbox.agent("writer")["pid"].clone();
        let hosts = sandbox.events(&["host_started"]).len();
        if crashes {
            sandbox.kill_host();
            // The map of the write-ahead log is what there is no room for.
            std::fs::remove_file(sandbox.store().join("events.db-shm")).unwrap();
        } else {
            sandbox.orchflow(["host", "stop"]).expect(0);
        }
        let ballast = data.join("ballast");
        fill(&ballast);
        check_read_only(&sandbox, &["writer"]);
        let row = sandbox.agent("writer");
        assert_eq!((&row["living"], &row["pid"]), (&json!(true), &agent), "it lives on: {row}");
        check_goes_on(&sandbox, &ballast, hosts);
        sandbox.leave_nothing();
    }
}

#[test]
fn what_agents_did_meanwhile_is_heard_once_there_is_room() {
    let Some((sandbox, data)) = on_a_small_disk() else { return };
    sandbox.orchflow(["swarm", "--wait", "--json", "--agents", "writer,writer", "do it"]).expect(0);
    sandbox.orchflow(["host", "stop"]).expect(0);
    let ballast = data.join("ballast");
    fill(&ballast);
    let read_only = sandbox.orchflow(["status", "--json"]).expect(0).json();
    assert!(read_only["warnings"][0].as_str().unwrap().contains("takes no writes"), "{read_only}");
    // Its runner goes while nothing can be recorded.
    let runner = sandbox.runners().into_iter().next().unwrap();
    runner.kill();
    wait_for("the runner is gone", || !orchflow_testkit::lives(runner.pid));
    let living = |sandbox: &Sandbox| sandbox.status().iter().filter(|row| row["living"] == true).count();
    assert_eq!(living(&sandbox), 2, "what cannot be recorded is not told");
    std::fs::remove_file(&ballast).unwrap();
    let sent = sandbox.orchflow(["send", "--json", "all", "again"]);
    assert_eq!(sent.code, 0, "{sent:?}");
    wait_for("the loss is told", || living(&sandbox) == 1);
    let lost = sandbox.events(&["agent_exited"]);
    assert_eq!((lost.len(), &lost[0]["data"]["lost"]), (1, &json!(true)), "{lost:?}");
    sandbox.leave_nothing();
}

#[test]
fn a_disk_without_room_for_a_store_says_what_to_free() {
    let Some((sandbox, data)) = on_a_small_disk() else { return };
    fill(&data.join("ballast"));
    let outcome = sandbox.orchflow(["status", "--json"]).expect(5);
    let error = outcome.json()["error"].clone();
    assert_eq!(error["code"], "read_only", "{error}");
    assert!(error["message"].as_str().unwrap().contains("is full; free some space"), "{error}");
    assert!(sandbox.hosts().is_empty());
    std::fs::remove_file(data.join("ballast")).unwrap();
    sandbox.orchflow(["status", "--json"]).expect(0);
    sandbox.leave_nothing();
}

#[test]
fn a_disk_without_room_for_folders_lock_or_socket_says_what_to_free() {
    let (mut refused, mut served) = (0, 0);
    // Each takes one file or folder more before there is no room: folders, lock, socket.
    for inodes in 1..=7 {
        let sandbox = sandbox();
        if !sandbox.mount(&sandbox.root().join("run"), &format!("nr_inodes={inodes},mode=700")) {
            println!("skipped: a full disk: no small file system can be mounted here");
            return;
        }
        let outcome = sandbox.orchflow(["status", "--json"]);
        if outcome.code == 0 {
            served += 1;
            sandbox.orchflow(["host", "stop"]).expect(0);
            continue;
        }
        refused += 1;
        let error = outcome.expect(5).json()["error"].clone();
        assert_eq!(error["code"], "read_only", "{inodes}: {error}");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains("/run/orchflow") && message.contains("is full; free some space"), "{error}");
        assert!(error["hint"].as_str().is_some_and(|hint| !hint.is_empty()), "{error}");
        assert!(sandbox.hosts().is_empty());
    }
    assert!(refused >= 4 && served >= 1, "{refused} refused, {served} served");
}
