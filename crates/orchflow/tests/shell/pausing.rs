//! Agents halted where they stand: everything they started, through crashes of the host, until they go on or end.

use std::fs;
use std::path::PathBuf;

use orchflow_testkit::{Sandbox, lives, wait_for};
use serde_json::{Value, json};

use crate::{WRITER, sandbox};

/// Counts on in the program and in a child with a session of its own, whose number it writes down.
const COUNTER: &str = "setsid sh -c 'echo $$ > \"$HOME/child\"; while :; do echo x >> \"$HOME/ticks-child\"; sleep 0.02; done' \
                       </dev/null >/dev/null 2>&1 &\n\
                       echo ready\nread line\nwhile :; do echo x >> \"$HOME/ticks-program\"; echo x; sleep 0.02; done";

fn ticks(sandbox: &Sandbox) -> [u64; 2] {
    ["program", "child"]
        .map(|name| fs::metadata(sandbox.home().join(format!("ticks-{name}"))).map_or(0, |file| file.len()))
}

/// Waits until both processes count on.
fn wait_for_life(sandbox: &Sandbox) {
    let before = ticks(sandbox);
    wait_for("both processes count on", || {
        ticks(sandbox).iter().zip(before).all(|(now, before)| *now > before)
    });
}

fn is_halted(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().unwrap_or_default().trim_start().starts_with('T')
}

fn pids(sandbox: &Sandbox) -> [i32; 2] {
    let child = fs::read_to_string(sandbox.home().join("child")).unwrap().trim().parse().unwrap();
    [sandbox.agent("counter")["pid"].as_i64().unwrap() as i32, child]
}

fn counting() -> Sandbox {
    let sandbox = sandbox();
    sandbox.add_program("counter", "output", COUNTER);
    sandbox.orchflow(["swarm", "--json", "--agents", "counter", "count"]).expect(0);
    sandbox.until("counter", "is in its turn", |row| row["turn"] == 1 && row["status"] == "working");
    wait_for_life(&sandbox);
    sandbox
}

#[test]
fn a_paused_agent_stands_still_through_crashes_and_goes_on() {
    let sandbox = counting();
    let told = sandbox.data_of(["pause", "--json", "counter"]);
    assert_eq!(told, json!([{ "agent": "counter", "run": 1, "state": "paused" }]));
    let stood = ticks(&sandbox);
    assert!(pids(&sandbox).iter().all(|pid| is_halted(*pid)));
    let row = sandbox.agent("counter");
    assert_eq!((&row["status"], &row["paused"], &row["turn"]), (&json!("paused"), &json!(true), &json!(1)));
    let again = sandbox.data_of(["pause", "--json", "counter"]);
    assert_eq!(again[0]["state"], "paused");
    sandbox.orchflow(["send", "counter", "count faster"]).expect(0);
    sandbox.kill_host();
    let row = sandbox.agent("counter");
    assert_eq!(
        (&row["status"], &row["queued"], &row["prompts"][0]["state"]),
        (&json!("paused"), &json!(1), &json!("queued")),
        "{row}"
    );
    let why = sandbox.orchflow(["why", "counter"]).expect(0).stdout;
    assert!(
        why.contains("counter is paused") && why.contains("a prompt waits, because it is paused"),
        "{why}"
    );
    assert_eq!(ticks(&sandbox), stood, "nothing moved all the while");
    assert_eq!(sandbox.data_of(["resume", "--json", "all"])[0]["state"], "running");
    wait_for_life(&sandbox);
    let row = sandbox.agent("counter");
    assert_eq!((&row["paused"], &row["turn"]), (&json!(false), &json!(1)), "it is in the same turn: {row}");
    let types: Vec<Value> = sandbox
        .events(&["pause_requested", "agent_paused", "resume_requested", "agent_resumed"])
        .into_iter()
        .map(|event| event["type"].clone())
        .collect();
    assert_eq!(types, ["pause_requested", "agent_paused", "resume_requested", "agent_resumed"]);
    sandbox.leave_nothing();
}

#[test]
fn a_pause_asked_for_when_the_host_dies_is_carried_out_by_the_next() {
    let sandbox = counting();
    let asking = sandbox.start(["pause", "--json", "counter"]);
    sandbox.kill_host();
    // Whether the wish was committed is a matter of luck; what was committed is carried out.
    let _ = asking.finish();
    let asked = !sandbox.events(&["pause_requested"]).is_empty();
    let row = sandbox.until("counter", "is settled either way", |row| row["paused"] == asked);
    assert_eq!(pids(&sandbox).iter().all(|pid| is_halted(*pid)), asked, "{row}");
    sandbox.data_of(["resume", "--json", "counter"]);
    wait_for_life(&sandbox);
    sandbox.leave_nothing();
}

#[test]
fn a_paused_agent_is_stopped_like_any_other() {
    let sandbox = counting();
    let pids = pids(&sandbox);
    sandbox.data_of(["pause", "--json", "counter"]);
    sandbox.orchflow(["stop", "--json", "counter"]).expect(0);
    assert!(pids.iter().all(|pid| !lives(*pid)), "stop says that they are gone");
    let row = sandbox.agent("counter");
    assert_eq!((&row["status"], &row["paused"]), (&json!("stopped"), &json!(false)));
    let refused = sandbox.orchflow(["pause", "--json", "counter"]).expect(1);
    assert_eq!(refused.error_code(), "not_living");
    sandbox.leave_nothing();
}

#[test]
fn prompts_to_a_paused_agent_arrive_once_it_goes_on() {
    let sandbox = sandbox();
    sandbox.add_rehearsal("writer", WRITER);
    sandbox.orchflow(["swarm", "--wait", "--json", "--agents", "writer", "first"]).expect(0);
    sandbox.data_of(["pause", "--json", "writer"]);
    sandbox.orchflow(["send", "writer", "second"]).expect(0);
    assert_eq!(sandbox.agent("writer")["queued"], 1);
    sandbox.data_of(["resume", "--json", "writer"]);
    sandbox.until("writer", "took both", |row| row["turn"] == 2 && row["status"] == "done");
    let worktree = PathBuf::from(sandbox.agent("writer")["worktree"].as_str().unwrap());
    assert_eq!(fs::read_to_string(worktree.join("heard-writer.txt")).unwrap(), "<first>\n<second>\n");
    assert!(sandbox.events(&["prompt_undelivered"]).is_empty());
    sandbox.leave_nothing();
}
