//! Prompts reach their agents once, as they were meant, whatever is in them.

use std::path::Path;

use orchflow_testkit::{Sandbox, wait_for};
use serde_json::json;

use crate::sandbox;

/// A prompt as a program that asked for bracketed paste reads it.
fn pasted(text: &str) -> Vec<u8> {
    format!("\u{1b}[200~{text}\u{1b}[201~\r").into_bytes()
}

fn text_of(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.chars().take(400).collect()
}

fn wait_until_heard(sandbox: &Sandbox, agent: &str, expected: &[u8]) {
    wait_for(&format!("{agent} heard {} bytes", expected.len()), || {
        sandbox.heard(agent).len() >= expected.len()
    });
    let heard = sandbox.heard(agent);
    assert!(heard == expected, "{agent}: {:?} is not {:?}", text_of(&heard), text_of(expected));
}

#[test]
fn a_prompt_reaches_its_agent_byte_by_byte_and_once() {
    let sandbox = sandbox();
    sandbox.add_listener("l");
    let long: String =
        (0..4500).map(|line| format!("line {line:4} of a long prompt, with an é and a 🦀\n")).collect();
    assert!(long.len() > 200_000);
    let long = long.trim_end();
    // What is sent by words or by standard input, and what has to arrive.
    let cases: Vec<(Option<&str>, &[u8], &str)> = vec![
        (Some("one\ntwo\n\n\tthree  four"), b"", "one\ntwo\n\n\tthree  four"),
        (Some("héllo 🦀 世界 👩‍👩‍👧"), b"", "héllo 🦀 世界 👩‍👩‍👧"),
        (
            Some("-rf / --force; rm -rf \"$HOME\" `id` $(id) ;"),
            b"",
            "-rf / --force; rm -rf \"$HOME\" `id` $(id) ;",
        ),
        (None, b"evil\x1b[201~\r\x03\x04\x00\x1b]0;x\x07\r\nend\n", "evil[201~\n]0;x\nend"),
        (None, long.as_bytes(), long),
        (Some("100%s %n \\n \\x1b {prompt} ${PATH}"), b"", "100%s %n \\n \\x1b {prompt} ${PATH}"),
    ];
    let kinds = vec!["l"; cases.len()].join(",");
    sandbox.orchflow(["swarm", "--json", "--agents", &kinds, "do it"]).expect(0);
    let name = |index: usize| if index == 0 { "l".to_owned() } else { format!("l-{}", index + 1) };
    for (index, (word, input, _)) in cases.iter().enumerate() {
        let name = name(index);
        let mut words = vec!["send", "--json", &name, "--"];
        words.extend(*word);
        sandbox.orchflow_with(&words, input).expect(0);
    }
    for (index, (_, _, expected)) in cases.iter().enumerate() {
        let bytes = [pasted("do it"), pasted(expected)].concat();
        wait_until_heard(&sandbox, &format!("1/{}", name(index)), &bytes);
    }
    for written in sandbox.events(&["prompt_written"]) {
        assert_eq!(written["data"]["bracketed"], true, "{written}");
    }
    // Nothing comes twice: the turns end, and nothing was added.
    for (index, (_, _, expected)) in cases.iter().enumerate() {
        let name = name(index);
        sandbox.until(&name, "is quiet after both", |row| row["turn"] == 2 && row["status"] == "idle");
        assert_eq!(
            sandbox.heard(&format!("1/{name}")).len(),
            [pasted("do it"), pasted(expected)].concat().len()
        );
    }
    let garbled = sandbox.orchflow_with(["send", "--json", "l"], b"caf\xe9").expect(2);
    assert_eq!(garbled.error_code(), "usage", "what is no text is not guessed at");
    assert!(garbled.json()["error"]["hint"].as_str().unwrap().contains("UTF-8"));
    sandbox.leave_nothing();
}

#[test]
fn a_prompt_that_is_being_written_is_still_queued() {
    let sandbox = sandbox();
    sandbox.add_rehearsal("slow", "- - say: done\n");
    let entry = sandbox.config().join("agents/slow.toml");
    let text = std::fs::read_to_string(&entry).unwrap();
    std::fs::write(&entry, format!("{text}[prompt]\nsettle_ms = 3000\n")).unwrap();
    sandbox.orchflow(["swarm", "--json", "--agents", "slow", "do it"]).expect(0);
    let row = sandbox.until("slow", "takes its prompt", |row| row["prompts"][0]["state"] == "writing");
    assert_eq!(row["queued"], 1, "{row}");
    let row = sandbox.until("slow", "is done", |row| row["status"] == "done");
    assert_eq!(row["queued"], 0, "{row}");
    sandbox.leave_nothing();
}

#[test]
fn a_message_to_all_reaches_each_once_and_in_order() {
    let sandbox = sandbox();
    // Every prompt is written down outside the worktree, as the program took it.
    sandbox.add_rehearsal(
        "r",
        "- - run: \"printf '<%s>' {prompt} >> \\\"$HOME/told-$ORCHFLOW_AGENT_NAME{name}\\\"\"\n",
    );
    sandbox.orchflow(["swarm", "--json", "--agents", "r,r,r", "first"]).expect(0);
    let sent = sandbox.data_of(["send", "--json", "all", "to everybody"]);
    assert_eq!(sent.as_array().unwrap().len(), 3);
    let some = sandbox.data_of(["send", "--json", "r,r-3", "to two"]);
    assert_eq!(some.as_array().unwrap().len(), 2);
    sandbox.orchflow(["wait", "--json"]).expect(0);
    let told = |name: &str| std::fs::read_to_string(sandbox.home().join(format!("told-{name}"))).unwrap();
    assert_eq!(told("r"), "<first><to everybody><to two>");
    assert_eq!(told("r-2"), "<first><to everybody>");
    assert_eq!(told("r-3"), "<first><to everybody><to two>");
    sandbox.orchflow(["stop", "r-2"]).expect(0);
    let rest = sandbox.data_of(["send", "--json", "all", "to those who are left"]);
    assert_eq!(rest.as_array().unwrap().len(), 2, "all means all who can hear it");
    let gone = sandbox.orchflow(["send", "--json", "r-2", "are you there"]).expect(1);
    assert_eq!(gone.error_code(), "not_living");
    assert_eq!(sandbox.orchflow(["send", "--json", "r", " \n"]).expect(2).error_code(), "usage");
    sandbox.leave_nothing();
}

#[test]
fn a_message_is_for_those_a_filter_admits() {
    let sandbox = sandbox();
    sandbox.add_rehearsal("r", "- - say: done\n");
    sandbox.add_rehearsal("slow", "- - run: sleep 600\n");
    sandbox.orchflow(["swarm", "--json", "--agents", "r,slow,r", "first"]).expect(0);
    sandbox.until("slow", "works", |row| row["status"] == "working");
    for name in ["r", "r-2"] {
        sandbox.until(name, "is done", |row| row["status"] == "done");
    }
    let told = |to: &str| {
        let sent = sandbox.data_of(["send", "--json", to, "more"]);
        let names =
            sent.as_array().unwrap().iter().map(|prompt| prompt["agent"].as_str().unwrap().to_owned());
        names.collect::<Vec<_>>()
    };
    assert_eq!(told("is:idle"), ["r", "r-2"], "who rests can be told at once");
    assert_eq!(told("is:working agent:slow"), ["slow"]);
    assert_eq!(told("is:living -agent:r"), ["r-2", "slow"]);
    let wrong = sandbox.orchflow(["send", "--json", "is:idel", "more"]).expect(2);
    assert_eq!(wrong.error_code(), "usage");
    let nobody = sandbox.orchflow(["send", "--json", "is:failed", "more"]).expect(1);
    assert_eq!(nobody.error_code(), "not_living");
    // As with "all", those of the newest run are meant, unless another is named.
    sandbox.orchflow(["swarm", "--json", "--agents", "r", "second"]).expect(0);
    sandbox.until("r-3", "is done", |row| row["status"] == "done");
    assert_eq!(told("is:living"), ["r-3"]);
    assert_eq!(told("run:1 agent:slow"), ["slow"]);
    sandbox.leave_nothing();
}

#[test]
fn evidence_stands_in_the_log_for_every_step_of_a_prompt() {
    let sandbox = sandbox();
    sandbox.add_rehearsal("r", "- - say: done\n");
    sandbox.orchflow(["swarm", "--wait", "--json", "--agents", "r", "first"]).expect(0);
    let types: Vec<String> = sandbox
        .events(&[
            "prompt_queued",
            "prompt_writing",
            "prompt_written",
            "prompt_accepted",
            "turn_started",
            "turn_ended",
        ])
        .iter()
        .map(|event| event["type"].as_str().unwrap().to_owned())
        .collect();
    let place = |name: &str| {
        types.iter().position(|known| known == name).unwrap_or_else(|| panic!("{name}: {types:?}"))
    };
    assert_eq!(types.len(), 6, "{types:?}");
    assert!(place("prompt_queued") < place("prompt_writing"));
    assert!(place("prompt_writing") < place("prompt_accepted").min(place("prompt_written")));
    assert!(place("prompt_accepted") < place("turn_started") && place("turn_started") < place("turn_ended"));
    let accepted = &sandbox.events(&["prompt_accepted"])[0];
    assert_eq!(accepted["data"]["evidence"], "its prompt hook");
    let spawned = &sandbox.events(&["agent_spawned"])[0];
    let words = serde_json::to_string(&spawned["data"]["argv"]).unwrap();
    assert!(!words.contains("first"), "a prompt never stands in the words of a process: {words}");
    assert!(!sandbox.processes().iter().any(|process| process.words.iter().any(|word| word == "first")));
    sandbox.leave_nothing();
}

#[test]
fn a_prompt_waits_until_its_agent_is_ready() {
    let sandbox = sandbox();
    let script = "stty raw -echo\nprintf 'loading\\r\\n'\nuntil [ -e \"$HOME/go\" ]; do sleep 0.02; done\n\
                  printf '\\033[?2004hready\\r\\n'\nexec tee -a \"$HOME/heard-1-late\"";
    sandbox.add_program("late", "bracketed-paste", script);
    sandbox.orchflow(["swarm", "--json", "--agents", "late", "do it"]).expect(0);
    sandbox.until("late", "runs", |row| row["living"] == true);
    let row = sandbox.until("late", "has printed", |row| row["status"] != "starting");
    assert_eq!(
        (&row["queued"], &row["turn"]),
        (&json!(1), &json!(0)),
        "a screen that stands still is no readiness: {row}"
    );
    assert!(sandbox.heard("1/late").is_empty());
    orchflow_testkit::write(&sandbox.home().join("go"), "");
    wait_until_heard(&sandbox, "1/late", &pasted("do it"));
    assert!(Path::new(sandbox.agent("late")["worktree"].as_str().unwrap()).exists());
    sandbox.leave_nothing();
}

#[test]
fn an_agent_that_is_not_ready_in_time_shows_it_also_to_the_next_host() {
    let sandbox = sandbox();
    let script = "stty raw -echo\nprintf 'loading\\r\\n'\nuntil [ -e \"$HOME/go\" ]; do sleep 0.02; done\n\
                  printf '\\033[?2004hready\\r\\n'\nexec tee -a \"$HOME/heard-1-late\"";
    let program = sandbox.add_program("late", "bracketed-paste", script);
    let entry = format!(
        "program = '{}'\n[ready]\nsignal = \"bracketed-paste\"\ntimeout_s = 3\n[status]\nsource = \"output\"\n",
        program.display()
    );
    orchflow_testkit::write(&sandbox.config().join("agents/late.toml"), entry);
    sandbox.orchflow(["swarm", "--json", "--agents", "late", "do it"]).expect(0);
    sandbox.until_event("agent_spawned", "it runs", |_| true);
    sandbox.kill_host();
    // The next host, which nobody told of the clock of the one before.
    let late = "not ready after 3 s; look at its pane";
    let row = sandbox.until("late", "is late", |row| row["waiting_for"] == late);
    assert_eq!((&row["status"], &row["queued"]), (&json!("waiting"), &json!(1)), "{row}");
    let spawned = sandbox.events(&["agent_spawned"])[0]["timestamp"].as_u64().unwrap();
    let shown = sandbox
        .until_event("agent_status_changed", "it is told", |event| event["data"]["waiting_for"] == late);
    assert!(shown["timestamp"].as_u64().unwrap() >= spawned + 3_000_000, "{shown}");
    let text = sandbox.orchflow(["status"]).expect(0).stdout;
    assert!(text.contains("waiting: not ready after 3 s"), "{text}");
    let waited = sandbox.orchflow(["wait", "--json"]).expect(3);
    assert_eq!(waited.error_code(), "needs_human");
    sandbox.kill_host();
    orchflow_testkit::write(&sandbox.home().join("go"), "");
    sandbox.until("late", "took its prompt", |row| row["turn"] == 1);
    wait_until_heard(&sandbox, "1/late", &pasted("do it"));
    sandbox.leave_nothing();
}
