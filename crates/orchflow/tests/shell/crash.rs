//! `kill -9` of the host at random points of a swarm: nothing acknowledged is lost, everybody is accounted for.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use orchflow_testkit::{Follower, Process, Sandbox, wait_for};
use serde_json::Value;

use crate::sandbox;

/// Several reports, an edit and a command each turn; every prompt that was taken is written down.
pub(crate) const WORKER: &str = r#"
- - say: on it
  - read: lines.txt
  - edit: {path: "work-{name}.txt", append: "one\n"}
  - run: "printf '<%s>\n' {prompt} >> \"$HOME/told-{name}\""
  - say: half way
  - edit: {path: "work-{name}.txt", append: "two\n"}
  - say: done
"#;

/// Numbers that look random and are the same in each run.
pub(crate) struct Dice(u64);

impl Dice {
    /// Makes one from a seed; another number plays other crashes:
    /// `ORCHFLOW_TEST_SEED=7 cargo nextest run -p orchflow crash`.
    pub(crate) fn new(seed: u64) -> Dice {
        let other =
            std::env::var("ORCHFLOW_TEST_SEED").ok().and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
        let seed = seed ^ other.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        println!("seed {seed:#x}");
        Dice(seed)
    }

    pub(crate) fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) % sides
    }
}

/// Looks on through crash after crash, and keeps everything it was shown.
pub(crate) struct Witness {
    follower: Follower,
    seen: BTreeMap<u64, String>,
    types: BTreeMap<u64, String>,
}

impl Witness {
    pub(crate) fn new(sandbox: &Sandbox) -> Witness {
        Witness { follower: sandbox.follow(0), seen: BTreeMap::new(), types: BTreeMap::new() }
    }

    pub(crate) fn look(&mut self) {
        for event in self.follower.seen() {
            let (Some(seq), Some(id)) = (event["seq"].as_u64(), event["id"].as_str()) else { continue };
            let known = self.seen.insert(seq, id.to_owned());
            assert!(known.is_none_or(|known| known == id), "event {seq} is another one than before");
            self.types.insert(seq, event["type"].as_str().unwrap_or_default().to_owned());
        }
    }

    /// Tells how many events of a type it was shown in all.
    pub(crate) fn count(&mut self, event_type: &str) -> usize {
        self.look();
        self.types.iter().filter(|(_, known)| *known == event_type).count()
    }

    /// Waits until `count` events more were shown; a follower goes on with the next host.
    pub(crate) fn wait_for_events(&mut self, count: usize) {
        let before = self.seen.len();
        // A host that has nothing to do brings no event; then any moment is as good.
        let enough = Instant::now() + Duration::from_millis(150);
        while Instant::now() < enough && self.seen.len() < before + count {
            self.look();
            std::thread::yield_now();
        }
    }
}

fn round(seed: u64, kills: usize, runners_too: bool) {
    let sandbox = sandbox();
    let mut dice = Dice::new(seed);
    sandbox.add_rehearsal("worker", WORKER);
    let mut witness = Witness::new(&sandbox);
    let mut prompts = BTreeSet::new();
    let swarm =
        sandbox.start(["swarm", "--json", "--agents", "worker,worker,worker,worker,worker,worker", "begin"]);
    let mut swarm = Some(swarm);
    for kill in 0..kills {
        witness.wait_for_events(1 + dice.roll(25) as usize);
        std::thread::sleep(Duration::from_micros(dice.roll(3000)));
        let runners = sandbox.runners();
        if runners_too && kill % 3 == 1 && !runners.is_empty() {
            runners[dice.roll(runners.len() as u64) as usize].kill();
        }
        if !runners_too || dice.roll(2) == 0 {
            sandbox.hosts().iter().for_each(Process::kill);
        }
        if let Some(swarm) = swarm.take() {
            let outcome = swarm.finish();
            assert!(matches!(outcome.code, 0 | 5), "{outcome:?}");
        }
        witness.look();
        let name = match dice.roll(6) {
            0 => "worker".to_owned(),
            number => format!("worker-{}", number + 1),
        };
        let text = format!("prompt {kill}");
        let sent = sandbox.orchflow(["send", "--json", &name, &text]);
        match sent.code {
            0 => drop(prompts.insert((name, text))),
            // The crash may have come before the run was there, or its agent may have ended.
            _ => assert!(
                matches!(
                    sent.error_code().as_str(),
                    "unknown_agent" | "unknown_run" | "host_gone" | "not_living"
                ),
                "{sent:?}"
            ),
        }
    }
    witness.look();
    let rows = sandbox.status();
    if rows.is_empty() {
        // The first crash came before anything was asked for.
        sandbox.orchflow(["swarm", "--json", "--agents", "worker", "begin"]).expect(0);
    }
    let waited = sandbox.orchflow(["wait", "--json", "--timeout", "40s"]);
    assert!(matches!(waited.code, 0 | 1), "the run comes to rest: {waited:?}\n{:#?}", sandbox.status());
    check(&sandbox, &mut witness, &prompts, runners_too);
    let hosts = sandbox.events(&["host_started"]).len();
    assert!(runners_too || hosts > kills / 2, "{kills} crashes met only {hosts} hosts");
    drop(witness);
    sandbox.leave_nothing();
    assert_eq!(sandbox.repository.git(["status", "--porcelain"]), "");
}

/// Holds what is stored, and what became of agents and prompts, against what fronts were told.
pub(crate) fn check(
    sandbox: &Sandbox,
    witness: &mut Witness,
    prompts: &BTreeSet<(String, String)>,
    runners_too: bool,
) {
    let verified = sandbox.orchflow(["log", "verify", "--json"]).expect(0).json();
    assert_eq!(verified["data"][0]["intact"], true, "{verified}");
    let events = sandbox.events(&[]);
    let last = events.last().unwrap()["seq"].as_u64().unwrap();
    wait_for("the witness has seen all", || {
        witness.look();
        witness.seen.keys().next_back() >= Some(&last)
    });
    let events = sandbox.events(&[]);
    let stored: BTreeMap<u64, &str> =
        events.iter().map(|event| (event["seq"].as_u64().unwrap(), event["id"].as_str().unwrap())).collect();
    assert!(stored.keys().copied().eq(1..=stored.len() as u64), "the log has no gap");
    for (seq, id) in &witness.seen {
        assert_eq!(stored.get(seq), Some(&id.as_str()), "an event that was shown is there");
    }

    let of = |kind: &str| events.iter().filter(|event| event["type"] == kind).collect::<Vec<&Value>>();
    let rows = sandbox.status();
    for row in &rows {
        let status = row["status"].as_str().unwrap();
        let accounted = row["living"] == true && matches!(status, "done" | "idle" | "failed")
            || matches!(status, "failed" | "exited" | "stopped");
        assert!(accounted, "{row}");
    }
    let living = rows.iter().filter(|row| row["living"] == true).count();
    // A runner outlives its program by the moment in which it says how that ended.
    wait_for("there is one runner for each agent that lives, and no other", || {
        sandbox.runners().len() == living
    });

    // Every prompt a front was told of is in the log, and was taken once or is known not to have been.
    let queued: BTreeMap<(String, String), u64> = of("prompt_queued")
        .iter()
        .map(|event| {
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            ((text(&event["agent"]), text(&event["data"]["text"])), event["data"]["prompt"].as_u64().unwrap())
        })
        .collect();
    for prompt in prompts {
        assert!(queued.contains_key(prompt), "a prompt that was taken in is there: {prompt:?}");
    }
    let prompts_of = |kind: &str| -> BTreeSet<u64> {
        of(kind).iter().map(|event| event["data"]["prompt"].as_u64().unwrap()).collect()
    };
    let (lost, accepted) = (prompts_of("prompt_undelivered"), prompts_of("prompt_accepted"));
    for ((agent, text), number) in &queued {
        let told = std::fs::read_to_string(sandbox.home().join(format!("told-{agent}"))).unwrap_or_default();
        let times = told.matches(&format!("<{text}>\n")).count();
        assert!(times <= 1, "{agent} was told {text:?} {times} times");
        // An agent whose runner is killed may have taken a prompt and come no further.
        let is_taken = runners_too && accepted.contains(number);
        // What it had not been handed waits until it is started again, and its row says so.
        let row = rows.iter().find(|row| row["agent"] == agent.as_str()).unwrap();
        let waits = runners_too
            && row["living"] == false
            && row["prompts"]
                .as_array()
                .unwrap()
                .iter()
                .any(|prompt| prompt["id"].as_u64() == Some(*number) && prompt["state"] == "queued");
        assert!(
            times == 1 || lost.contains(number) || is_taken || waits,
            "{agent} was not told {text:?}, and nobody says so: {row}"
        );
    }
    println!(
        "{} events, {} shown before the end; {} agents, {living} living; {} prompts, {} known to be lost",
        events.len(),
        witness.seen.len(),
        rows.len(),
        queued.len(),
        lost.len()
    );
    // What each agent did after the crashes arrived: its last turn is there with its end.
    for row in rows.iter().filter(|row| row["living"] == true) {
        let turn = row["turn"].as_u64().unwrap();
        let ended = of("turn_ended").iter().filter(|event| event["agent"] == row["agent"]).count() as u64;
        assert_eq!(ended, turn, "{row}");
    }
}

#[test]
fn a_swarm_survives_a_host_that_is_killed_again_and_again() {
    round(0x5eed_0001, 10, false);
}

#[test]
fn a_swarm_survives_a_host_that_is_killed_early() {
    for seed in [0x5eed_1001, 0x5eed_1002, 0x5eed_1003] {
        round(seed, 2, false);
    }
}

#[test]
fn a_swarm_survives_a_host_that_is_killed_at_other_points() {
    round(0x5eed_0002, 10, false);
}

#[test]
fn a_swarm_survives_when_runners_are_killed_as_well() {
    round(0x5eed_0003, 9, true);
}
