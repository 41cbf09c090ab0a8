//! Runs and agents from their start to the last trace of them.

use std::path::{Path, PathBuf};

use orchflow_testkit::{Signal, lives, wait_for};
use serde_json::{Value, json};

use crate::{WRITER, sandbox};

#[test]
fn a_swarm_of_three_lives_from_start_to_clean() {
    let sandbox = sandbox();
    let before = sandbox.repository.user_state();
    let branches = sandbox.repository.git(["branch", "--all"]);
    let words = [
        "swarm",
        "--json",
        "--agents",
        "rehearsal,rehearsal,rehearsal",
        "Make",
        "the",
        "greeting",
        "configurable",
    ];
    let begun = sandbox.orchflow(words).expect(0).json();
    assert_eq!(begun["run"], 1);
    sandbox.orchflow(["wait", "--json"]).expect(0);
    let rows = sandbox.status();
    let names: Vec<&str> = rows.iter().map(|row| row["agent"].as_str().unwrap()).collect();
    assert_eq!(names, ["rehearsal", "rehearsal-2", "rehearsal-3"]);
    for row in &rows {
        assert_eq!(
            (&row["status"], &row["turn"], &row["rehearsal"]),
            (&json!("done"), &json!(1), &json!(true)),
            "{row}"
        );
        assert_eq!((&row["source"], &row["confidence"]), (&json!("osc7501"), &json!("stated")), "{row}");
        assert!(row["undecided"].as_u64().unwrap() > 0, "{row}");
        assert!(row["base"].as_str().unwrap().starts_with("main@"), "{row}");
        let worktree = Path::new(row["worktree"].as_str().unwrap());
        assert!(worktree.starts_with(sandbox.data()), "worktrees stand outside the repository");
        let head = std::fs::read_to_string(worktree.join(".git")).unwrap();
        assert!(head.starts_with("gitdir: "));
    }
    assert_eq!(sandbox.repository.user_state(), before, "nothing of the user's has changed");
    assert_eq!(sandbox.repository.git(["branch", "--all"]), branches, "branch lists are not littered");
    let text = sandbox.orchflow(["status"]).expect(0).stdout;
    assert!(text.contains("rehearsal-2 (rehearsal)"), "{text}");

    let listed = sandbox.repository.git(["worktree", "list", "--porcelain"]);
    assert_eq!(listed.matches("worktree ").count(), 4);
    let still = sandbox.orchflow(["clean", "--json", "rehearsal"]).expect(1);
    assert_eq!(still.error_code(), "skipped", "what lives is not cleaned");

    let stopped = sandbox.orchflow(["stop", "--json", "rehearsal", "rehearsal-2"]).expect(0).json();
    assert_eq!(stopped["data"], json!(["rehearsal", "rehearsal-2"]));
    assert_eq!(sandbox.agent("rehearsal")["status"], "stopped");
    assert_eq!(sandbox.agent("rehearsal-3")["living"], true);
    let dry = sandbox.data_of(["clean", "--dry-run", "--json", "rehearsal", "rehearsal-2"]);
    assert_eq!(dry.as_array().unwrap().len(), 2);
    sandbox.orchflow(["stop", "all"]).expect(0);
    let cleaned = sandbox.data_of(["clean", "--json", "all"]);
    assert_eq!(cleaned.as_array().unwrap().len(), 3, "{cleaned}");
    for row in cleaned.as_array().unwrap() {
        let kept = row["kept"].as_str().unwrap();
        assert!(kept.starts_with("refs/orchflow/agents/1/rehearsal"));
        sandbox.repository.git(["rev-parse", "--verify", "--quiet", kept]);
        let changed = sandbox.repository.git(["diff", "--stat", "main", kept]);
        assert!(changed.contains("tests/"), "its work is kept: {changed}");
    }
    for row in &rows {
        assert!(!Path::new(row["worktree"].as_str().unwrap()).exists());
    }
    let listed = sandbox.repository.git(["worktree", "list", "--porcelain"]);
    assert_eq!(listed.matches("worktree ").count(), 1, "{listed}");
    assert_eq!(sandbox.repository.git(["worktree", "prune", "--dry-run", "--verbose"]), "");
    assert_eq!(sandbox.repository.user_state(), before);
    assert_eq!(sandbox.data_of(["clean", "--json"]), json!([]));
    sandbox.leave_nothing();
}

#[test]
fn a_detached_head_is_a_base_too() {
    let sandbox = sandbox();
    sandbox.add_rehearsal("writer", WRITER);
    sandbox.repository.git(["checkout", "--quiet", "--detach"]);
    sandbox.orchflow(["swarm", "--wait", "--json", "--agents", "writer", "do it"]).expect(0);
    let head = sandbox.repository.git(["rev-parse", "HEAD"]);
    let row = sandbox.agent("writer");
    assert!(row["base"].as_str().unwrap().contains(&head[..7]), "{row}");
    sandbox.leave_nothing();
}

#[test]
fn agents_join_a_run_under_names_of_their_own() {
    let sandbox = sandbox();
    sandbox.add_rehearsal("writer", WRITER);
    sandbox.orchflow(["swarm", "--wait", "--json", "--agents", "writer", "the objective"]).expect(0);
    let joined = sandbox.data_of(["spawn", "--json", "writer"]);
    assert_eq!(joined, json!([{ "agent": "writer-2", "run": 1 }]));
    let joined = sandbox.data_of(["spawn", "--json", "--name", "critic", "writer", "look at it"]);
    assert_eq!(joined[0]["agent"], "critic");
    sandbox.orchflow(["wait", "--json"]).expect(0);
    let heard = |name: &str| {
        let worktree = PathBuf::from(sandbox.agent(name)["worktree"].as_str().unwrap());
        std::fs::read_to_string(worktree.join(format!("heard-{name}.txt"))).unwrap()
    };
    assert_eq!(heard("writer-2"), "<the objective>\n");
    assert_eq!(heard("critic"), "<look at it>\n");
    let bad = sandbox.orchflow(["spawn", "--json", "--name", "../evil", "writer"]).expect(2);
    assert_eq!(bad.error_code(), "usage");
    let second =
        sandbox.orchflow(["swarm", "--wait", "--json", "--agents", "writer", "again"]).expect(0).json();
    assert_eq!(
        second["data"][0]["agent"], "writer-3",
        "a name stands for one agent as long as its worktree stands"
    );
    sandbox.orchflow(["stop", "1/writer"]).expect(0);
    assert_eq!(sandbox.agent("writer-3")["living"], true);
    sandbox.leave_nothing();
}

#[test]
fn what_an_agent_left_behind_ends_with_it() {
    let sandbox = sandbox();
    let script = "setsid sh -c 'echo $$ > \"$HOME/daemon\"; trap \"\" TERM HUP; while :; do sleep 1; done' </dev/null >/dev/null 2>&1 &\n\
                  env -i PATH=\"$PATH\" HOME=\"$HOME\" setsid sh -c 'echo $$ > \"$HOME/bare\"; exec sleep 1000' </dev/null >/dev/null 2>&1 &\n\
                  echo ready; cat >/dev/null";
    sandbox.add_program("parent", "output", script);
    sandbox.orchflow(["swarm", "--json", "--agents", "parent", "do it"]).expect(0);
    let pid =
        |name: &str| std::fs::read_to_string(sandbox.home().join(name)).ok()?.trim().parse::<i32>().ok();
    wait_for("the daemons run", || pid("daemon").is_some() && pid("bare").is_some());
    sandbox.orchflow(["stop", "--json", "parent"]).expect(0);
    assert!(!lives(pid("daemon").unwrap()) && !lives(pid("bare").unwrap()), "stop says that they are gone");
    sandbox.leave_nothing();
}

#[test]
fn an_agent_that_ignores_sigterm_is_ended_all_the_same() {
    let sandbox = sandbox();
    sandbox.add_program("deaf", "output", "trap '' TERM HUP INT\necho ready\nwhile :; do sleep 1; done");
    sandbox.orchflow(["swarm", "--json", "--agents", "deaf", "do it"]).expect(0);
    sandbox.until("deaf", "lives", |row| row["living"] == true && row["status"] != "starting");
    sandbox.orchflow(["stop", "--json", "deaf"]).expect(0);
    let row = sandbox.agent("deaf");
    assert_eq!((&row["status"], &row["living"]), (&json!("stopped"), &json!(false)), "{row}");
    sandbox.leave_nothing();
}

#[test]
fn an_agent_that_exits_at_once_is_accounted_for() {
    let sandbox = sandbox();
    sandbox.add_program("brief", "output", "echo 'no licence' >&2; exit 7");
    let outcome = sandbox.orchflow(["swarm", "--wait", "--json", "--agents", "brief", "do it"]).expect(1);
    assert_eq!(outcome.error_code(), "agent_failed");
    let row = sandbox.agent("brief");
    assert_eq!(
        (&row["status"], &row["detail"], &row["living"]),
        (&json!("failed"), &json!("exit 7"), &json!(false))
    );
    let lost = sandbox.events(&["prompt_undelivered"]);
    assert_eq!(lost.len(), 1, "its prompt is known not to have arrived");
    sandbox.add_program("calm", "output", "exit 0");
    sandbox.orchflow(["swarm", "--wait", "--json", "--agents", "calm", "do it"]).expect(1);
    sandbox.leave_nothing();
}

#[test]
fn a_flood_stalls_nobody() {
    let sandbox = sandbox();
    sandbox.add_program("flood", "output", "exec yes 'a line that never ends'");
    sandbox.add_rehearsal("writer", WRITER);
    sandbox.orchflow(["swarm", "--json", "--agents", "flood,writer", "do it"]).expect(0);
    sandbox.until("writer", "is done beside the flood", |row| row["turn"] == 1 && row["status"] == "done");
    sandbox.until("flood", "is at work", |row| row["status"] == "working");
    sandbox.orchflow(["send", "writer", "and again"]).expect(0);
    sandbox.until("writer", "did it again", |row| row["turn"] == 2 && row["status"] == "done");
    sandbox.orchflow(["stop", "--json", "all"]).expect(0);
    let events = sandbox.events(&[]).len();
    assert!(events < 200, "terminal bytes are no events: {events}");
    sandbox.leave_nothing();
}

#[test]
fn an_agent_that_is_never_ready_is_shown_to_wait() {
    let sandbox = sandbox();
    sandbox.add_program("mute", "bracketed-paste", "exec sleep 1000");
    sandbox.add_program("asking", "bracketed-paste", "echo 'Do you accept the licence?'; exec sleep 1000");
    sandbox.orchflow(["swarm", "--json", "--agents", "mute,asking", "do it"]).expect(0);
    for name in ["mute", "asking"] {
        let row =
            sandbox.until(name, "waits for somebody to look", |row| row["waiting_for"] == "look at the pane");
        assert_eq!((&row["confidence"], &row["queued"]), (&json!("guess"), &json!(1)), "{row}");
    }
    let waited = sandbox.orchflow(["wait", "--json"]).expect(3);
    assert_eq!(waited.error_code(), "needs_human");
    sandbox.orchflow(["stop", "--json", "all"]).expect(0);
    let lost = sandbox.events(&["prompt_undelivered"]);
    assert_eq!(lost.len(), 2, "a prompt that was never written is not said to be");
    sandbox.leave_nothing();
}

#[test]
fn the_host_leaves_when_nobody_needs_it_and_its_agents_stay() {
    let sandbox = sandbox();
    orchflow_testkit::write(&sandbox.config().join("config.toml"), "[host]\nidle_exit_s = 1\n");
    sandbox.orchflow(["status"]).expect(0);
    wait_for("the idle host left", || sandbox.hosts().is_empty());
    sandbox.add_rehearsal("writer", WRITER);
    sandbox.orchflow(["swarm", "--wait", "--json", "--agents", "writer", "do it"]).expect(0);
    sandbox.orchflow(["host", "stop"]).expect(0);
    assert!(sandbox.hosts().is_empty());
    assert_eq!(sandbox.runners().len(), 1, "agents outlive their host");
    let pid = sandbox.runners()[0].pid;
    sandbox.orchflow(["send", "writer", "after the host"]).expect(0);
    sandbox.until("writer", "heard it", |row| row["turn"] == 2 && row["status"] == "done");
    assert_eq!(sandbox.runners()[0].pid, pid, "the same runner was found again");
    let started: Vec<Value> = sandbox.events(&["host_started"]);
    assert_eq!(started.last().unwrap()["data"]["runners_found"], 1);
    sandbox.leave_nothing();
}

#[test]
fn a_runner_that_is_killed_is_a_failed_agent_at_once() {
    let sandbox = sandbox();
    sandbox.add_rehearsal("writer", WRITER);
    sandbox.orchflow(["swarm", "--wait", "--json", "--agents", "writer,writer", "do it"]).expect(0);
    let spawned = sandbox.events(&["agent_spawned"]);
    let runner = |name: &str| {
        let event = spawned.iter().find(|event| event["agent"] == name).unwrap();
        i32::try_from(event["data"]["runner_pid"].as_i64().unwrap()).unwrap()
    };
    let kill = |pid: i32| sandbox.runners().iter().find(|process| process.pid == pid).unwrap().kill();
    kill(runner("writer"));
    let row = sandbox.until("writer", "is failed", |row| row["status"] == "failed");
    assert_eq!((&row["living"], &row["source"]), (&json!(false), &json!("process")), "{row}");
    assert!(row["detail"].as_str().unwrap().contains("gone without a word"), "{row}");
    assert_eq!(sandbox.agent("writer-2")["living"], true);
    let exited = sandbox.events(&["agent_exited"]);
    assert_eq!(exited[0]["data"]["lost"], true, "{exited:?}");
    // The same for a runner that a later host found.
    sandbox.kill_host();
    assert_eq!(sandbox.agent("writer-2")["living"], true);
    kill(runner("writer-2"));
    sandbox.until("writer-2", "is failed", |row| row["status"] == "failed");
    // And for one that went while no host looked.
    sandbox.orchflow(["spawn", "--json", "writer"]).expect(0);
    sandbox.until("writer-3", "is done", |row| row["status"] == "done");
    sandbox.kill_host();
    sandbox.runners().iter().for_each(orchflow_testkit::Process::kill);
    wait_for("the runner is gone", || sandbox.runners().is_empty());
    let row = sandbox.agent("writer-3");
    assert_eq!(row["status"], "failed", "{row}");
    sandbox.leave_nothing();
}

#[test]
fn a_runner_that_stands_still_is_not_given_up() {
    let sandbox = sandbox();
    sandbox.add_rehearsal("writer", WRITER);
    sandbox.orchflow(["swarm", "--wait", "--json", "--agents", "writer", "do it"]).expect(0);
    let runner = &sandbox.runners()[0];
    runner.signal(Signal::STOP);
    sandbox.kill_host();
    assert_eq!(sandbox.agent("writer")["living"], true, "slow is not gone");
    runner.signal(Signal::CONT);
    sandbox.orchflow(["send", "writer", "go on"]).expect(0);
    sandbox.until("writer", "goes on", |row| row["turn"] == 2 && row["status"] == "done");
    runner.kill();
    sandbox.until("writer", "is failed", |row| row["status"] == "failed");
    sandbox.leave_nothing();
}
