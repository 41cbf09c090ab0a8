//! Commands that wait go on with the next host when theirs is killed, told to leave, or cannot be started again.

use std::collections::BTreeMap;

use orchflow_testkit::{Background, Follower, Sandbox, eventually, wait_for};
use serde_json::{Value, json};

use crate::{WRITER, sandbox};

/// A rehearsal that works until somebody lets it go on.
const PATIENT: &str = "- - say: begun\n  - run: \"until [ -e \\\"$HOME/go\\\" ]; do sleep 0.02; done\"\n  - edit: {path: 'after-{name}.txt', content: \"over\\n\"}\n";

fn let_go(sandbox: &Sandbox) {
    orchflow_testkit::write(&sandbox.home().join("go"), "");
}

/// Waits until the host there is answers that an agent is in its first turn.
fn until_begun(sandbox: &Sandbox, name: &str) {
    sandbox.until(name, "is in its turn", |row| row["turn"] == 1 && row["status"] == "working");
}

fn is_waiting(background: &mut Background) {
    assert!(!background.has_ended(), "it goes on: {}", background.printed());
}

#[test]
fn a_swarm_that_is_waited_for_outlives_its_hosts() {
    let sandbox = sandbox();
    sandbox.add_rehearsal("patient", PATIENT);
    let mut swarm = sandbox.start(["swarm", "--wait", "--json", "--agents", "patient,patient", "do it"]);
    wait_for("the run is there", || !sandbox.hosts().is_empty() && !sandbox.runners().is_empty());
    until_begun(&sandbox, "patient");
    sandbox.kill_host();
    // It starts the next one itself.
    wait_for("there is a next host", || !sandbox.hosts().is_empty());
    is_waiting(&mut swarm);
    until_begun(&sandbox, "patient-2");
    sandbox.orchflow(["host", "stop"]).expect(0);
    wait_for("there is a host again", || !sandbox.hosts().is_empty());
    is_waiting(&mut swarm);
    let_go(&sandbox);
    let outcome = swarm.finish().expect(0);
    let object = outcome.json();
    assert_eq!(object["run"], 1);
    assert_eq!(object["data"].as_array().unwrap().len(), 2, "{object}");
    assert!(outcome.stderr.contains("agents go on") && outcome.stderr.contains("next host"), "{outcome:?}");
    sandbox.leave_nothing();
}

#[test]
fn waiting_goes_on_for_the_same_run_and_within_its_time() {
    let sandbox = sandbox();
    sandbox.add_rehearsal("patient", PATIENT);
    sandbox.add_rehearsal("writer", WRITER);
    sandbox.orchflow(["swarm", "--json", "--agents", "patient", "do it"]).expect(0);
    until_begun(&sandbox, "patient");
    let mut newest = sandbox.start(["wait", "--json"]);
    let short = sandbox.start(["wait", "--json", "--timeout", "4s"]);
    wait_for("both wait", || [&newest, &short].iter().all(|one| one.told().contains("waits for run 1")));
    sandbox.kill_host();
    wait_for("there is a next host", || !sandbox.hosts().is_empty());
    // A newer run is not the one that is waited for.
    sandbox.orchflow(["swarm", "--wait", "--json", "--agents", "writer", "do more"]).expect(0);
    is_waiting(&mut newest);
    assert_eq!(short.finish().expect(4).error_code(), "timed_out");
    let_go(&sandbox);
    assert_eq!(newest.finish().expect(0).json()["run"], 1);
    sandbox.leave_nothing();
}

/// Gives the events a follower was shown, each of which it must have been shown once and in order.
fn shown_once(follower: &Follower) -> BTreeMap<u64, String> {
    let seen = follower.seen();
    let seqs: Vec<u64> = seen.iter().map(|event| event["seq"].as_u64().unwrap()).collect();
    let in_order: Vec<u64> = (1..=seqs.len() as u64).collect();
    assert_eq!(seqs, in_order, "none skipped, none twice");
    seen.iter()
        .map(|event| (event["seq"].as_u64().unwrap(), event["id"].as_str().unwrap().to_owned()))
        .collect()
}

#[test]
fn a_follower_skips_and_doubles_nothing_through_crash_after_crash() {
    let sandbox = sandbox();
    sandbox.add_rehearsal("writer", WRITER);
    let mut follower = sandbox.follow(0);
    wait_for("it follows", || follower.saw("host_started"));
    sandbox.orchflow(["swarm", "--json", "--agents", "writer,writer,writer", "do it"]).expect(0);
    let hosts =
        |follower: &Follower| follower.seen().iter().filter(|event| event["type"] == "host_started").count();
    for round in 0..4 {
        let before = hosts(&follower);
        // One that leaves in order is followed by another as well, if somebody starts it.
        if round == 2 {
            sandbox.orchflow(["host", "stop"]).expect(0);
        } else {
            sandbox.kill_host();
            wait_for("there is a next host", || !sandbox.hosts().is_empty());
        }
        sandbox.orchflow(["send", "--json", "writer", &format!("more {round}")]).expect(0);
        wait_for("the next host is shown", || hosts(&follower) > before);
    }
    // A prompt that was being written when its host died is known not to have arrived; that is a negative result.
    let waited = sandbox.orchflow(["wait", "--json"]);
    assert!(matches!(waited.code, 0 | 1), "the run comes to rest: {waited:?}");
    let last = sandbox.events(&[]).last().unwrap()["seq"].as_u64().unwrap();
    wait_for("it was shown all", || follower.seen().len() as u64 >= last);
    assert!(!follower.has_ended());
    let shown = shown_once(&follower);
    for event in sandbox.events(&[]) {
        let seq = event["seq"].as_u64().unwrap();
        assert_eq!(shown.get(&seq).map(String::as_str), event["id"].as_str(), "event {seq}");
    }
    drop(follower);
    sandbox.leave_nothing();
}

#[test]
fn a_follower_begins_with_every_page_of_a_longer_log() {
    let sandbox = sandbox();
    sandbox.add_rehearsal("writer", WRITER);
    sandbox.orchflow(["swarm", "--wait", "--json", "--agents", "writer", "do it"]).expect(0);
    let last = sandbox.events(&[]).last().unwrap()["seq"].as_u64().unwrap();
    let follower = sandbox.start(["log", "--jsonl", "--follow", "--after", "0", "--limit", "3"]);
    let lines = eventually("it shows all", || {
        let text = follower.printed();
        let lines: Vec<Value> = text.lines().map_while(|line| serde_json::from_str(line).ok()).collect();
        (lines.len() as u64 >= last).then_some(lines)
    });
    let seqs: Vec<Value> = lines.iter().map(|event| event["seq"].clone()).collect();
    assert_eq!(seqs, (1..=last).map(|seq| json!(seq)).collect::<Vec<_>>());
    follower.interrupt();
    sandbox.leave_nothing();
}

#[test]
fn without_a_next_host_it_ends_with_5_and_says_why() {
    let sandbox = sandbox();
    sandbox.add_rehearsal("patient", PATIENT);
    sandbox.orchflow(["swarm", "--json", "--agents", "patient", "do it"]).expect(0);
    until_begun(&sandbox, "patient");
    let waiting = sandbox.start(["wait", "--json"]);
    let following = sandbox.start(["log", "-f"]);
    wait_for("both are connected", || waiting.has_connected() && following.has_connected());
    // No host starts with this.
    let config = sandbox.config().join("config.toml");
    orchflow_testkit::write(&config, "[host]\nidle_exit = 3\n");
    sandbox.kill_host();
    let outcome = waiting.finish().expect(5);
    assert_eq!(outcome.error_code(), "host_gone");
    let error = outcome.json()["error"].clone();
    assert!(error["message"].as_str().unwrap().contains("idle_exit"), "it says what is in the way: {error}");
    assert!(error["hint"].as_str().unwrap().contains("agents go on"), "{error}");
    let followed = following.finish().expect(5);
    assert!(followed.stderr.contains("idle_exit"), "{followed:?}");
    std::fs::remove_file(config).unwrap();
    assert_eq!(sandbox.agent("patient")["living"], true);
    let_go(&sandbox);
    sandbox.orchflow(["wait", "--json"]).expect(0);
    sandbox.leave_nothing();
}
