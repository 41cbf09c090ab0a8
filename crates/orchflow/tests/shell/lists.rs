//! Lists of hunks: what an editor gets of them, and of which runs they are.

use std::path::Path;

use orchflow_testkit::Sandbox;
use orchflow_wire::blocking::Client;
use orchflow_wire::json::{from_json, to_json};
use serde_json::{Value, json};

use crate::sandbox;

/// Two hunks in one file, a new file, and words about them.
const CHANGES: &str = "- - edit: {path: lines.txt, old: \"line 3\\n\", new: \"line three\\n\"}\n  - edit: {path: lines.txt, old: \"line 50\\n\", new: \"line fifty\\nand more\\n\"}\n  - edit: {path: 'new file.txt', content: \"fresh\\n\"}\n  - say: numbers are words now\n";
/// Another version of one of them.
const RIVAL: &str = "- - edit: {path: lines.txt, old: \"line 3\\n\", new: \"line III\\n\"}\n";

fn swarm(sandbox: &Sandbox, agents: &str) {
    let words = ["swarm", "--wait", "--json", "--no-include-changes", "--agents", agents, "count"];
    sandbox.orchflow(words).expect(0);
}

/// Asks the host as a front of its own.
fn ask(sandbox: &Sandbox, params: Value) -> Value {
    let connected = sandbox.data_of(["connect", "--json"]);
    let mut client = Client::connect(Path::new(connected["socket"].as_str().unwrap())).unwrap();
    let hello = json!({
        "protocol": 1,
        "client": "test",
        "version": env!("CARGO_PKG_VERSION"),
        "pid": std::process::id(),
        "cwd": sandbox.repository.path,
        "interactive": false,
        "env": {},
    });
    client.request("hello", vec![from_json(&hello)], None).unwrap();
    to_json(&client.request("review", vec![from_json(&params)], None).unwrap())
}

/// Puts the hunks of a compact answer together again.
fn unfolded(answer: &Value) -> Vec<Value> {
    let columns = answer["columns"].as_array().unwrap();
    let mut hunks = Vec::new();
    for file in answer["files"].as_array().unwrap() {
        for row in file["rows"].as_array().unwrap() {
            let mut hunk = file.clone();
            let fields = hunk.as_object_mut().unwrap();
            fields.remove("rows");
            fields.extend(answer["usual"].as_object().unwrap().clone());
            let values = row.as_array().unwrap();
            for (name, value) in columns.iter().zip(values) {
                fields.insert(name.as_str().unwrap().to_owned(), value.clone());
            }
            fields.extend(values.get(columns.len()).and_then(Value::as_object).cloned().unwrap_or_default());
            fields.retain(|_, value| !value.is_null());
            hunks.push(hunk);
        }
    }
    hunks
}

#[test]
fn a_brief_list_says_what_a_whole_one_says_but_for_the_lines() {
    let sandbox = sandbox();
    sandbox.add_rehearsal("writer", CHANGES);
    sandbox.add_rehearsal("other", RIVAL);
    swarm(&sandbox, "writer,other");
    let whole = ask(&sandbox, json!({}));
    let id = whole["hunks"][0]["id"].as_str().unwrap();
    sandbox.orchflow(["comment", id, "why words?"]).expect(0);
    let whole = ask(&sandbox, json!({}));
    let brief = ask(&sandbox, json!({ "brief": true }));
    let compact = ask(&sandbox, json!({ "compact": true }));
    assert_eq!((&compact["hunks"], &compact["run"]), (&Value::Null, &json!(1)));
    let (whole, brief) = (whole["hunks"].as_array().unwrap(), brief["hunks"].as_array().unwrap());
    let compact = unfolded(&compact);
    assert_eq!((whole.len(), brief.len(), compact.len()), (4, 4, 4));
    assert_eq!(whole[0]["comments"], 1);
    assert_eq!(whole[0]["rivals"][0]["agent_line"], 3);
    assert!(whole.iter().any(|hunk| hunk["words"] == "numbers are words now"), "{whole:?}");
    let beyond = [
        "removed",
        "added",
        "before",
        "after",
        "agent_path",
        "truncated",
        "turn",
        "changed_turn",
        "checkpoint",
        "agent_line",
    ];
    for ((whole, brief), compact) in whole.iter().zip(brief).zip(&compact) {
        for (name, value) in whole.as_object().unwrap() {
            let says = !value.is_null() && *value != json!(false) && *value != json!([]);
            let kept = if says && !beyond.contains(&name.as_str()) { value } else { &Value::Null };
            assert_eq!(&brief[name], kept, "{name} of a brief hunk");
            assert_eq!(&compact[name], kept, "{name} of a compact hunk");
        }
        for hunk in [brief, compact] {
            let more: Vec<&String> =
                hunk.as_object().unwrap().keys().filter(|name| whole.get(*name).is_none()).collect();
            assert!(more.is_empty(), "{more:?}");
        }
    }
}

#[test]
fn pages_of_a_compact_list_are_those_of_a_whole_one() {
    let sandbox = sandbox();
    sandbox.add_rehearsal("writer", CHANGES);
    swarm(&sandbox, "writer");
    let all = ask(&sandbox, json!({ "compact": true }));
    let files: Vec<&Value> = all["files"].as_array().unwrap().iter().map(|file| &file["path"]).collect();
    assert_eq!(files, [&json!("lines.txt"), &json!("new file.txt")], "a file is named once");
    let first = ask(&sandbox, json!({ "compact": true, "limit": 1 }));
    let rest = ask(&sandbox, json!({ "compact": true, "after": first["next"] }));
    assert_eq!(rest["next"], Value::Null);
    let pages: Vec<Value> = unfolded(&first).into_iter().chain(unfolded(&rest)).collect();
    assert_eq!(pages, unfolded(&all));
}

#[test]
fn a_review_is_of_the_newest_run_with_hunks_and_says_where_others_wait() {
    let sandbox = sandbox();
    sandbox.add_rehearsal("writer", CHANGES);
    sandbox.add_rehearsal("idle", "- - say: nothing to do\n");
    swarm(&sandbox, "writer");
    let review = |words: &[&str]| {
        let line: Vec<&str> = ["review", "--json"].iter().chain(words).copied().collect();
        sandbox.orchflow(line).expect(0).json()
    };
    let runs = |answer: &Value| -> Vec<u64> {
        answer["data"].as_array().unwrap().iter().map(|hunk| hunk["run"].as_u64().unwrap()).collect()
    };
    let alone = review(&[]);
    assert_eq!((&alone["run"], &alone["warnings"]), (&json!(1), &json!([])));
    // A run that left nothing to decide hides nothing.
    swarm(&sandbox, "idle");
    let first = review(&[]);
    assert_eq!((runs(&first), &first["run"]), (vec![1, 1, 1], &json!(1)));
    swarm(&sandbox, "writer");
    let newest = review(&[]);
    assert_eq!((runs(&newest), &newest["run"]), (vec![3, 3, 3], &json!(3)));
    assert_eq!(newest["warnings"], json!(["3 hunks of run 1 wait as well: orchflow review run:1"]));
    let text = sandbox.orchflow(["review"]).expect(0);
    assert!(text.stderr.contains("3 hunks of run 1 wait as well"), "{text:?}");
    // Whoever names runs or agents gets what was named, and no word about the rest.
    let older = review(&["run:1"]);
    assert_eq!((runs(&older), &older["run"], &older["warnings"]), (vec![1; 3], &json!(1), &json!([])));
    let both = review(&["run:1,3"]);
    assert_eq!((runs(&both).len(), &both["run"]), (6, &Value::Null));
    assert_eq!(runs(&review(&["agent:1/writer"])), [1, 1, 1]);
    assert_eq!(runs(&review(&["--agent", "1/writer"])), [1, 1, 1]);
    assert_eq!(runs(&review(&["--run", "1"])), [1, 1, 1]);
    // A page goes on in the run it began in, also when a newer one has hunks meanwhile.
    let page = review(&["--run", "1", "--limit", "1"]);
    let rest = review(&["--after", page["next"].as_str().unwrap()]);
    assert_eq!((runs(&rest), &rest["run"]), (vec![1, 1], &json!(1)));
    sandbox.leave_nothing();
}
