//! What is left behind is found and ended, whoever was killed; the doctor names the rest and mends what is safe.

use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use orchflow_testkit::{Process, Sandbox, eventually, lives, wait_for, write};
use serde_json::Value;

use crate::{WRITER, sandbox};

/// Leaves a daemon in a session of its own, which heeds no polite word.
const LEAVER: &str = "setsid sh -c 'echo $$ > \"$HOME/daemon\"; trap \"\" TERM HUP; while :; do sleep 1; done' \
                      </dev/null >/dev/null 2>&1 &\necho ready; cat >/dev/null";

fn number(sandbox: &Sandbox, name: &str) -> Option<i32> {
    std::fs::read_to_string(sandbox.home().join(name)).ok()?.trim().parse().ok()
}

/// A process that ends with the test.
struct Stranger(Child);

impl Stranger {
    fn pid(&self) -> i32 {
        i32::try_from(self.0.id()).unwrap()
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a process that says that it came of an agent, with a token.
fn claims(sandbox: &Sandbox, agent: &str, token: &str, name: &str) -> Stranger {
    let spool = sandbox.store().join("agents").join(agent.replace('/', "-")).join("spool");
    let mut sleep: Command = sandbox.command("sleep");
    sleep.arg0(name).arg("1000").env("ORCHFLOW_AGENT", agent).env("ORCHFLOW_SPOOL", spool);
    sleep.env("ORCHFLOW_TOKEN", token).stdin(Stdio::null()).stdout(Stdio::null());
    Stranger(sleep.spawn().unwrap())
}

fn doctor(sandbox: &Sandbox, words: &[&str], code: i32) -> Vec<Value> {
    let words: Vec<&str> = ["doctor", "--json"].iter().chain(words).copied().collect();
    let outcome = sandbox.orchflow(words).expect(code);
    outcome.json()["data"].as_array().unwrap().clone()
}

fn of_kind<'a>(findings: &'a [Value], kind: &str) -> Vec<&'a Value> {
    findings.iter().filter(|finding| finding["kind"] == kind && finding["level"] != "ok").collect()
}

/// Gives how often a host of this repository has told that it ended what an agent left.
fn sweeps_told(sandbox: &Sandbox) -> usize {
    let said = std::fs::read_to_string(sandbox.store().join("host.log")).unwrap_or_default();
    said.matches("processes of an agent that had ended were ended").count()
}

#[test]
fn what_a_killed_runner_left_is_ended_by_the_next_host_and_nothing_else_is() {
    let sandbox = sandbox();
    sandbox.add_program("leaver", "output", LEAVER);
    sandbox.orchflow(["swarm", "--json", "--agents", "leaver", "do it"]).expect(0);
    wait_for("the daemon runs", || number(&sandbox, "daemon").is_some());
    let daemon = number(&sandbox, "daemon").unwrap();
    let forged = claims(&sandbox, "1/leaver", "not the token", "a\u{1b}]0;evil\u{7}\n) R 1 1 (name");
    // Host first, so that it cannot see to what the runner leaves.
    sandbox.hosts().iter().chain(&sandbox.runners()).for_each(Process::kill);
    wait_for("host and runner are gone", || sandbox.hosts().is_empty() && sandbox.runners().is_empty());
    assert!(lives(daemon), "nobody is there to end it");

    sandbox.until("leaver", "is known to be lost", |row| row["living"] == false);
    wait_for("the next host ended what was left", || !lives(daemon));
    assert!(lives(forged.pid()), "a process with another token is not ours to end");
    let findings = doctor(&sandbox, &["--fix"], 1);
    let orphans = of_kind(&findings, "orphan");
    assert_eq!(orphans.len(), 1, "{orphans:?}");
    assert_eq!((&orphans[0]["safe"], &orphans[0]["mended"]), (&Value::Bool(false), &Value::Null));
    let what = orphans[0]["what"].as_str().unwrap();
    assert!(what.contains(&forged.pid().to_string()) && what.contains("does not carry the token"), "{what}");
    assert!(!what.contains(['\u{1b}', '\u{7}', '\n']), "{what:?}");
    assert!(lives(forged.pid()));
    drop(forged);

    // Whoever was to end it was killed while at it: the agent counts as ended, and its token tells.
    let token = std::fs::read_to_string(sandbox.store().join("agents/1-leaver/token")).unwrap();
    sandbox.kill_host();
    let sweeps = sweeps_told(&sandbox);
    let left = claims(&sandbox, "1/leaver", token.trim(), "sleep");
    sandbox.status();
    let pid = left.pid();
    wait_for("it is ended by the host after that one", || !lives(pid));
    wait_for("that host is through with it", || sweeps_told(&sandbox) > sweeps);
    // And what turns up once that host has looked is the doctor's to end.
    let left = eventually("the host has looked", || {
        let left = claims(&sandbox, "1/leaver", token.trim(), "sleep");
        let findings = sandbox.orchflow(["doctor", "--json"]).json()["data"].take();
        let findings = findings.as_array().cloned().unwrap_or_default();
        of_kind(&findings, "orphan").iter().any(|finding| finding["safe"] == true).then_some(left)
    });
    assert!(lives(left.pid()), "looking ends nothing");
    let findings = doctor(&sandbox, &["--fix"], 0);
    assert_eq!(of_kind(&findings, "orphan")[0]["mended"], true);
    assert!(!lives(left.pid()));
    sandbox.leave_nothing();
}

fn worktrees(sandbox: &Sandbox) -> PathBuf {
    let folders = std::fs::read_dir(sandbox.data().join("worktrees")).unwrap().flatten();
    folders.map(|entry| entry.path()).find(|path| path.is_dir()).unwrap()
}

#[test]
fn the_doctor_names_what_is_left_and_mends_what_nobody_can_miss() {
    let sandbox = sandbox();
    sandbox.add_rehearsal("writer", WRITER);
    sandbox.orchflow(["swarm", "--wait", "--json", "--agents", "writer", "begin"]).expect(0);
    let clean = sandbox.orchflow(["doctor"]).expect(0).stdout;
    assert!(clean.contains("the chain holds") && clean.contains("orchflow-hook"), "{clean}");
    sandbox.orchflow(["stop", "writer"]).expect(0);

    let trees = worktrees(&sandbox);
    std::fs::create_dir(trees.join("8-nobody")).unwrap();
    write(&trees.join("7-somebody/work.txt"), "unsaved");
    sandbox.repository.git([
        "worktree",
        "add",
        "--quiet",
        "--detach",
        "--lock",
        "--reason",
        "orchflow",
        &trees.join("9-ghost").to_string_lossy(),
    ]);
    std::fs::remove_dir_all(trees.join("9-ghost")).unwrap();
    let mine = sandbox.root().join("mine");
    sandbox.repository.git(["worktree", "add", "--quiet", "--detach", &mine.to_string_lossy()]);
    std::fs::remove_dir_all(&mine).unwrap();
    drop(UnixListener::bind(sandbox.runtime().join("r/9-ghost.sock")).unwrap());
    write(&trees.join("trash/removed-1/file"), "x");
    let record = sandbox.repository.path.join(".git/worktrees/1-writer/index.lock");
    write(&record, "");

    let findings = doctor(&sandbox, &[], 1);
    let safe = |kind: &str| {
        of_kind(&findings, kind).iter().map(|finding| finding["safe"] == true).collect::<Vec<_>>()
    };
    assert_eq!(safe("git_record"), [true], "{findings:?}");
    assert_eq!((safe("socket"), safe("lock"), safe("trash")), (vec![true], vec![true], vec![true]));
    assert_eq!(of_kind(&findings, "worktree").len(), 2);
    assert!(sandbox.runtime().join("r/9-ghost.sock").exists(), "looking changes nothing");
    let said = sandbox.orchflow(["doctor"]).expect(1);
    assert!(said.stderr.contains("orchflow doctor --fix mends 4 of them"), "{}", said.stderr);

    let findings = doctor(&sandbox, &["--fix"], 1);
    for finding in findings.iter().filter(|finding| finding["safe"] == true) {
        assert_eq!(finding["mended"], true, "{finding}");
    }
    assert!(!trees.join("8-nobody").exists() && !record.exists());
    assert!(!sandbox.runtime().join("r/9-ghost.sock").exists());
    assert_eq!(std::fs::read_to_string(trees.join("7-somebody/work.txt")).unwrap(), "unsaved");
    let mut list = sandbox.command("git");
    list.args(["worktree", "list", "--porcelain"]);
    let listed = sandbox.run(list).expect(0).stdout;
    assert!(!listed.contains("9-ghost"), "{listed}");
    assert!(listed.contains("/mine"), "the user's own record is the user's: {listed}");

    let findings = doctor(&sandbox, &["--fix"], 1);
    let left: Vec<&Value> = findings.iter().filter(|finding| finding["level"] == "problem").collect();
    assert_eq!(left.len(), 1, "{left:?}");
    assert!(left[0]["what"].as_str().unwrap().contains("7-somebody") && left[0]["safe"] == false);
    std::fs::remove_dir_all(trees.join("7-somebody")).unwrap();
    doctor(&sandbox, &[], 0);
    sandbox.leave_nothing();
}

#[test]
fn where_no_host_can_start_the_doctor_says_why_and_looks_all_the_same() {
    let sandbox = sandbox();
    sandbox.orchflow(["status"]).expect(0);
    sandbox.orchflow(["host", "stop"]).expect(0);
    write(&sandbox.config().join("config.toml"), "[tmux]\nserver = 'mine'\n");
    let outcome = sandbox.orchflow(["doctor", "--json", "--fix"]).expect(1);
    let findings = outcome.json()["data"].as_array().unwrap().clone();
    let host = of_kind(&findings, "host");
    assert!(host[0]["what"].as_str().unwrap().contains("no host can start"), "{findings:?}");
    assert!(findings.iter().any(|finding| finding["kind"] == "hook" && finding["level"] == "ok"));
    std::fs::remove_file(sandbox.config().join("config.toml")).unwrap();
    sandbox.orchflow(["doctor", "extra"]).expect(2);
    let mut outside = sandbox.command(sandbox.program());
    outside.arg("doctor").current_dir("/");
    sandbox.run(outside).expect(2);
    doctor(&sandbox, &[], 0);
    sandbox.leave_nothing();
}
