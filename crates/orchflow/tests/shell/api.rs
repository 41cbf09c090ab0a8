//! Agents that are a model behind an HTTP interface, in each dialect, against a scripted model server.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use orchflow_testkit::Sandbox;
use serde_json::{Value, json};

use crate::sandbox;

/// A key that must be seen nowhere.
const CANARY: &str = "canary-k3y-9f2c41d07b6e";

/// The name of an agent, its dialect, and what stands behind the server's address.
const DIALECTS: [(&str, &str, &str); 4] = [
    ("chat", "openai-chat", "/v1"),
    ("responses", "openai-responses", "/v1"),
    ("messages", "anthropic", "/v1"),
    ("generate", "gemini", "/v1beta"),
];

struct Model {
    process: Child,
    url: String,
}

impl Model {
    /// Starts the server; without Node.js the test skips itself.
    fn start() -> Option<Model> {
        let script = std::env::var("ORCHFLOW_MOCK_MODEL").ok().filter(|path| Path::new(path).is_absolute());
        let script = script.unwrap_or_else(|| {
            format!("{}/../../tests/support/mock-model/mock_llm.mjs", env!("CARGO_MANIFEST_DIR"))
        });
        let started = Command::new("node").arg(script).stdout(Stdio::piped()).stdin(Stdio::null()).spawn();
        let Ok(mut process) = started else {
            println!("skipped: api: no node here, which the model server needs; install Node.js 18 or newer");
            return None;
        };
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("LISTENING ").unwrap().to_owned();
        Some(Model { process, url })
    }

    fn add(&self, sandbox: &Sandbox, more: &str) {
        for (name, dialect, path) in DIALECTS {
            let entry = format!(
                "kind = \"api\"\n[api]\nbase_url = \"{}{path}\"\ndialect = \"{dialect}\"\nmodel = \"mock-model\"\n\
                 {more}\n[api.key]\nenv = [\"CANARY_KEY\"]\n",
                self.url
            );
            let folder = sandbox.config().join("agents");
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join(format!("{name}.toml")), entry).unwrap();
        }
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn names() -> String {
    DIALECTS.map(|(name, ..)| name).join(",")
}

/// Finds files that hold a text.
fn files_with(folder: &Path, text: &str, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_dir() {
            files_with(&entry.path(), text, found);
        } else if kind.is_file() {
            let bytes = std::fs::read(entry.path()).unwrap_or_default();
            if bytes.windows(text.len()).any(|window| window == text.as_bytes()) {
                found.push(entry.path().display().to_string());
            }
        }
    }
}

#[test]
fn a_model_of_each_dialect_works_asks_and_is_reviewed_and_its_key_is_seen_nowhere() {
    let Some(model) = Model::start() else { return };
    let mut sandbox = sandbox();
    sandbox.set("CANARY_KEY", Some(CANARY));
    model.add(&sandbox, "");
    let prompt = "[[scenario:multi path=made.txt cmd=\"cat made.txt; env\" say=\"All made.\"]]";
    sandbox.orchflow(["swarm", "--json", "--agents", &names(), prompt]).expect(0);
    for (name, ..) in DIALECTS {
        sandbox.until(name, "waits for an approval", |row| row["waiting_for"] == "approval");
    }
    // The key is not among what anybody can read of its processes or files.
    for process in std::fs::read_dir("/proc").unwrap().flatten() {
        let words = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
        assert!(!String::from_utf8_lossy(&words).contains(CANARY));
    }
    for approval in sandbox.data_of(["approvals", "--json"]).as_array().unwrap() {
        assert_eq!((&approval["tool"], &approval["answerable"]), (&json!("Run"), &json!(true)), "{approval}");
        sandbox.orchflow(["approve", "--json", approval["id"].as_str().unwrap()]).expect(0);
    }
    for (name, ..) in DIALECTS {
        let row = sandbox.until(name, "is done", |row| row["status"] == "done" && row["undecided"] == 1);
        assert_eq!((&row["source"], &row["insertions"]), (&json!("osc7501"), &json!(2)), "{row}");
        let of = |types: &[&str]| -> Vec<Value> {
            sandbox.events(types).into_iter().filter(|event| event["agent"] == name).collect()
        };
        let tools: Vec<Value> =
            of(&["tool_finished"]).iter().map(|event| event["data"]["tool"].clone()).collect();
        assert_eq!(tools, ["Write", "Read", "Edit", "Run"], "{name}");
        let ran = of(&["tool_finished"])[3]["data"]["response"]["output"].as_str().unwrap().to_owned();
        assert!(ran.starts_with("alpha\ngamma\n") && !ran.contains("CANARY_KEY"), "{ran}");
        assert_eq!(of(&["usage_reported"]).len(), 5);
        let usage = &of(&["usage_reported"])[0]["data"]["usage"];
        assert_eq!((&usage["input_tokens"], &usage["output_tokens"]), (&json!(1200), &json!(34)), "{name}");
        assert_eq!(of(&["turn_ended"])[0]["data"]["message"], "All made.");
    }
    let mut found = Vec::new();
    files_with(sandbox.root(), CANARY, &mut found);
    assert_eq!(found, [""; 0]);

    sandbox.orchflow(["send", "all", "[[scenario:shell cmd=\"touch ran\"]]"]).expect(0);
    for (name, ..) in DIALECTS {
        sandbox.until(name, "asks again", |row| row["waiting_for"] == "approval");
    }
    for approval in sandbox.data_of(["approvals", "--json"]).as_array().unwrap() {
        sandbox.orchflow(["deny", "--json", approval["id"].as_str().unwrap(), "not that"]).expect(0);
    }
    for (name, ..) in DIALECTS {
        sandbox.until(name, "is done again", |row| row["status"] == "done" && row["turn"] == 2);
    }
    assert_eq!(sandbox.events(&["tool_denied"]).len(), 4);
    sandbox.leave_nothing();
}

#[test]
fn what_the_server_refuses_fails_the_turn_with_the_reason() {
    let Some(model) = Model::start() else { return };
    let mut sandbox = sandbox();
    sandbox.set("CANARY_KEY", Some(CANARY));
    model.add(&sandbox, "attempts = 2");
    sandbox.orchflow(["swarm", "--json", "--agents", &names(), "[[scenario:error status=429]]"]).expect(0);
    for (name, ..) in DIALECTS {
        let ended = sandbox.until_event("turn_ended", "the turn failed", |event| event["agent"] == name);
        assert_eq!(ended["data"]["outcome"], "failed", "{ended}");
        sandbox.until_event("limit_reached", "the limit is told", |event| event["agent"] == name);
        // Why it failed is said rather than that it did.
        sandbox.until(name, "is limited", |row| {
            let why = row["waiting_for"].as_str().unwrap_or_default();
            row["status"] == "waiting" && why.contains("limit") && row["living"] == true
        });
    }
    // They take the next prompt.
    sandbox.orchflow(["send", "all", "[[scenario:text say=hello]]"]).expect(0);
    for (name, ..) in DIALECTS {
        sandbox.until(name, "is done", |row| row["status"] == "done");
    }
    sandbox.leave_nothing();
}

#[test]
fn a_missing_key_is_named_with_the_ways_to_give_it() {
    let sandbox = sandbox();
    sandbox.orchflow(["swarm", "--json", "--agents", "gpt", "hello"]).expect(0);
    sandbox.until("gpt", "failed", |row| row["status"] == "failed" && row["living"] == false);
    let said = sandbox.until_event("notification_shown", "it says why", |event| event["agent"] == "gpt");
    let message = said["data"]["message"].as_str().unwrap();
    for part in ["OPENAI_API_KEY is not set", "api.key.command", "keyring"] {
        assert!(message.contains(part), "{message}");
    }
    let listed = sandbox.orchflow(["agents"]).expect(0);
    assert!(listed.stdout.contains("OPENAI_API_KEY is not set") && listed.stdout.contains("needs no key"));
    sandbox.leave_nothing();
}
