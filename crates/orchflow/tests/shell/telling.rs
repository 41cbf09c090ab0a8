//! What the host says of what happened: filtered logs, one event whole, why something is as it is, what needs you.

use serde_json::{Value, json};

use crate::{WRITER, sandbox};

fn types(events: &Value) -> Vec<&str> {
    events.as_array().unwrap().iter().map(|event| event["type"].as_str().unwrap()).collect()
}

#[test]
fn a_log_is_filtered_by_the_words_of_the_grammar() {
    let sandbox = sandbox();
    sandbox.add_rehearsal("writer", WRITER);
    sandbox.orchflow(["swarm", "--wait", "--json", "--agents", "writer,writer", "first"]).expect(0);
    sandbox.orchflow(["send", "writer", "second"]).expect(0);
    sandbox.until_event("checkpoint_taken", "its second turn is kept", |event| event["data"]["turn"] == 2);
    let log = |words: &[&str]| {
        let mut line = vec!["log", "--json"];
        line.extend(words);
        sandbox.data_of(line)
    };
    let edits = log(&["agent:writer-2", "type:edit"]);
    assert!(edits.as_array().unwrap().iter().all(|event| event["agent"] == "writer-2"), "{edits}");
    assert!(types(&edits).contains(&"ai_generated_code"), "{edits}");
    let second = log(&["agent:writer", "turn:-1"]);
    assert!(types(&second).contains(&"turn_ended"), "{second}");
    assert!(second.as_array().unwrap().iter().all(|event| event["data"]["turn"] != 1), "{second}");
    let first = log(&["agent:writer", "turn:1", "type:turn_started"]);
    assert_eq!(first.as_array().unwrap().len(), 1, "{first}");
    let by_file = log(&["file:heard-writer.txt", "type:ai_generated_code"]);
    let by_glob = log(&["file:heard-*", "type:ai_generated_code", "-agent:writer-2"]);
    assert!(!by_file.as_array().unwrap().is_empty() && by_file == by_glob, "{by_file} {by_glob}");
    assert_eq!(types(&log(&["is:human", "type:guidance"])), ["human_provided_guidance"]);
    assert_eq!(log(&["run:-1", "since:1h"]), log(&["run:1"]));
    assert_eq!(log(&["until:1h"]), json!([]));
    assert_eq!(types(&log(&["second", "type:prompt_queued"])), ["prompt_queued"]);
    for (words, part) in [
        (["log", "--json", "agnet:writer"], "did you mean agent:"),
        (["log", "--json", "is:unseen"], "there are:"),
        (["log", "--json", "since:soon"], "times look like"),
    ] {
        let refused = sandbox.orchflow(words).expect(2);
        assert_eq!(refused.error_code(), "usage");
        assert!(refused.json()["error"]["hint"].as_str().unwrap().contains(part), "{refused:?}");
    }
    sandbox.leave_nothing();
}

#[test]
fn an_event_is_shown_whole() {
    let sandbox = sandbox();
    sandbox.add_rehearsal("writer", WRITER);
    sandbox.orchflow(["swarm", "--wait", "--json", "--agents", "writer", "first"]).expect(0);
    sandbox.orchflow(["send", "writer", "second"]).expect(0);
    sandbox.until_event("checkpoint_taken", "its second turn is kept", |event| event["data"]["turn"] == 2);
    let event = |seq: u64| sandbox.data_of(["event", "--json", &seq.to_string()])[0].clone();
    let code = sandbox.events(&["ai_generated_code"]);
    let seq = code.last().unwrap()["seq"].as_u64().unwrap();
    let told = event(seq);
    assert_eq!(told["event"]["seq"], seq);
    assert_eq!(told["prompt"], "second");
    let diff: Vec<&str> =
        told["diff"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
    assert_eq!(diff, ["@@ -1,1 +1,2 @@", " <first>", "+<second>"], "against the checkpoint before: {told}");
    let hunks = sandbox.data_of(["review", "--json"]);
    assert_eq!(told["hunks"], json!([hunks[0]["id"]]));
    let chain = types(&told["chain"]);
    assert_eq!((chain.first(), chain.last()), (Some(&"checkpoint_taken"), Some(&"run_started")), "{chain:?}");
    let first = event(code[0]["seq"].as_u64().unwrap());
    assert!(first["diff"].as_array().unwrap().iter().any(|line| line == "+<first>"), "{first}");
    let turn = sandbox.events(&["turn_started"])[0]["seq"].as_u64().unwrap();
    assert!(types(&event(turn)["effects"]).contains(&"turn_ended"), "{}", event(turn));
    let id = hunks[0]["id"].as_str().unwrap();
    sandbox.orchflow(["accept", "--json", id]).expect(0);
    let accepted = sandbox.events(&["hunk_accepted"])[0]["seq"].as_u64().unwrap();
    let told = event(accepted);
    assert!(told["diff"].as_array().unwrap().iter().any(|line| line == "+<second>"), "{told}");
    assert_eq!(told["hunks"], json!([id]));
    let shown = sandbox.orchflow(["event", &accepted.to_string()]).expect(0).stdout;
    assert!(shown.contains("it follows from") && shown.contains("+<second>"), "{shown}");
    assert_eq!(sandbox.orchflow(["event", "--json", "99999"]).expect(2).error_code(), "usage");
    assert_eq!(sandbox.orchflow(["event", "--json", "x"]).expect(2).error_code(), "usage");
    sandbox.leave_nothing();
}

#[test]
fn why_tells_of_agents_hunks_and_events() {
    let sandbox = sandbox();
    assert_eq!(sandbox.data_of(["why", "--json"])[0]["about"]["kind"], "nothing");
    sandbox.add_rehearsal("writer", WRITER);
    sandbox.orchflow(["swarm", "--wait", "--json", "--agents", "writer", "first"]).expect(0);
    let why = |about: &str| sandbox.data_of(["why", "--json", about])[0].clone();
    let told = why("writer");
    assert_eq!(told["about"], json!({ "kind": "agent", "id": "1/writer", "title": "writer of run 1" }));
    assert!(told["lines"][0].as_str().unwrap().starts_with("writer is done"), "{told}");
    assert_eq!(told["status"]["status"], "done");
    let evidence = told["evidence"].as_array().unwrap();
    assert!(
        evidence.iter().any(|signal| signal["channel"] == "osc7501" && signal["confidence"] == "stated"),
        "{told}"
    );
    assert!(evidence.is_sorted_by(|a, b| a["seq"].as_u64() > b["seq"].as_u64()), "newest first: {told}");
    assert_eq!(types(&told["chain"]).last(), Some(&"run_started"));
    assert_eq!(sandbox.data_of(["why", "--json"])[0]["about"]["id"], "1/writer", "its hunks wait");
    let id = sandbox.data_of(["review", "--json"])[0]["id"].as_str().unwrap().to_owned();
    let told = why(&id[..8]);
    assert_eq!((&told["about"]["kind"], &told["about"]["id"]), (&json!("hunk"), &json!(id)));
    assert!(told["lines"].to_string().contains("waits for your decision"), "{told}");
    sandbox.orchflow(["accept", "--json", &id]).expect(0);
    assert!(why(&id)["lines"].to_string().contains("you accepted it"));
    let seq = sandbox.events(&["turn_ended"])[0]["seq"].to_string();
    let told = why(&seq);
    assert_eq!(told["about"]["id"], json!(seq));
    assert!(told["lines"][1].as_str().unwrap().starts_with("because "), "{told}");
    for (about, code, error) in [
        ("nobody", 2, "unknown_agent"),
        ("h_00000000", 1, "unknown_hunk"),
        ("a_1", 2, "unknown_approval"),
        ("99999", 2, "usage"),
    ] {
        assert_eq!(sandbox.orchflow(["why", "--json", about]).expect(code).error_code(), error, "{about}");
    }
    sandbox.leave_nothing();
}
