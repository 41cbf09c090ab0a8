//! Whole turns against a scripted server: what the model is told, what is reported, what is kept.

#[path = "../../../tests/api/support.rs"]
mod support;

use std::fs;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use orchflow_agent::catalogue::{Api, Approve, Dialect};
use orchflow_core::report::Report;
use orchflow_core::usage::LimitKind;
use serde_json::{Value, json};

use super::{ApiBackend, Settings};
use crate::backend::{Backend, Happening, Outlet, TurnEnd, Verdict};
use crate::gate::Gate;
use crate::session::Event;
use support::{Script, Server, events, hang, hello, said, status};

const CANARY: &str = "canary-k3y-0123456789";

struct World {
    folder: tempfile::TempDir,
    server: Server,
    backend: ApiBackend,
    arriving: Receiver<Event>,
    gate: Gate,
    session: String,
    verdict: Verdict,
}

/// What a turn came to.
struct Turn {
    end: TurnEnd,
    reports: Vec<Report>,
    words: String,
    notes: Vec<String>,
}

fn call(id: &str, tool: &str, arguments: &Value) -> Vec<String> {
    let function = json!({ "name": tool, "arguments": arguments.to_string() });
    let calls = json!([{ "index": 0, "id": id, "type": "function", "function": function }]);
    vec![
        json!({ "choices": [{ "index": 0, "delta": { "tool_calls": calls }, "finish_reason": null }] })
            .to_string(),
        json!({ "choices": [{ "index": 0, "delta": {}, "finish_reason": "tool_calls" }],
                "usage": { "prompt_tokens": 1200, "completion_tokens": 34, "total_tokens": 1234,
                           "prompt_tokens_details": { "cached_tokens": 1000 } } })
        .to_string(),
    ]
}

fn calling(id: &str, tool: &str, arguments: Value) -> Script {
    let chunks = call(id, tool, &arguments);
    events(&chunks.iter().map(String::as_str).collect::<Vec<_>>())
}

fn api(url: &str) -> Api {
    serde_json::from_value(json!({
        "base_url": url, "dialect": "openai-chat", "model": "m",
        "key": { "command": format!("echo {CANARY}") },
        "attempts": 1, "idle_s": 5, "run_s": 10,
    }))
    .unwrap()
}

impl World {
    fn start(scripts: Vec<Script>) -> World {
        World::start_with(scripts, |_| {})
    }

    fn start_with(scripts: Vec<Script>, change: impl FnOnce(&mut Api)) -> World {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("tree")).unwrap();
        fs::create_dir(folder.path().join("agent")).unwrap();
        let server = Server::start(scripts);
        let mut api = api(&server.url);
        change(&mut api);
        let (backend, arriving, gate) = launch(&folder, api, None);
        let mut world = World {
            folder,
            server,
            backend,
            arriving,
            gate,
            session: String::new(),
            verdict: Verdict::Deny { reason: "not expected".into() },
        };
        world.session = world.ready();
        world
    }

    /// The process dies, and another takes its session up.
    fn again(&mut self) {
        let (backend, arriving, gate) =
            launch(&self.folder, api(&self.server.url), Some(self.session.clone()));
        (self.backend, self.arriving, self.gate) = (backend, arriving, gate);
        assert_eq!(self.ready(), self.session);
    }

    fn ready(&self) -> String {
        match self.next() {
            Happening::Ready { session, about, .. } => {
                assert!(about.contains("m at http://127.0.0.1") && !about.contains(CANARY), "{about}");
                session
            }
            other => panic!("{other:?}"),
        }
    }

    fn next(&self) -> Happening {
        match self.arriving.recv_timeout(Duration::from_secs(20)).unwrap() {
            Event::Backend(happening) => {
                self.gate.took_one();
                happening
            }
            other => panic!("{other:?}"),
        }
    }

    fn turn(&mut self, prompt: &str) -> Turn {
        self.turn_and(prompt, |_, _| {})
    }

    fn turn_and(&mut self, prompt: &str, mut on_report: impl FnMut(&mut ApiBackend, &Report)) -> Turn {
        self.backend.prompt(prompt);
        let (mut reports, mut words, mut notes) = (Vec::new(), String::new(), Vec::new());
        loop {
            match self.next() {
                Happening::TurnEnded(end) => return Turn { end, reports, words, notes },
                Happening::Report(report) => {
                    on_report(&mut self.backend, &report);
                    reports.push(report);
                }
                Happening::Words { text, .. } => words.push_str(&text),
                Happening::Note(note) | Happening::Thought(note) => notes.push(note),
                Happening::Question(question) => (question.reply)(self.verdict.clone()),
                other => panic!("{other:?}"),
            }
        }
    }

    /// Gives the bodies the server got.
    fn requests(&self) -> Vec<Value> {
        let bodies = self.server.requests();
        bodies
            .iter()
            .map(|text| serde_json::from_str(text.split_once("\r\n\r\n").unwrap().1).unwrap())
            .collect()
    }

    fn told(&self) -> Value {
        let requests = self.requests();
        requests.last().unwrap()["messages"].as_array().unwrap().last().unwrap().clone()
    }

    fn write(&self, path: &str, text: &str) {
        fs::write(self.folder.path().join("tree").join(path), text).unwrap();
    }

    fn file(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.folder.path().join("tree").join(path)).ok()
    }
}

fn launch(
    folder: &tempfile::TempDir,
    api: Api,
    resume: Option<String>,
) -> (ApiBackend, Receiver<Event>, Gate) {
    let mut backend = ApiBackend::new(Settings {
        title: "Test".into(),
        api,
        worktree: folder.path().join("tree"),
        folder: folder.path().join("agent"),
        resume,
    });
    let (events, arriving) = channel();
    let gate = Gate::default();
    backend.start(Outlet(gate.entrance(events)));
    (backend, arriving, gate)
}

fn kinds(reports: &[Report]) -> Vec<&'static str> {
    reports
        .iter()
        .map(|report| match report {
            Report::ToolRequested { .. } => "requested",
            Report::ToolFinished { .. } => "finished",
            Report::ToolFailed { .. } => "failed",
            Report::ToolDenied { .. } => "denied",
            Report::UsageReported { .. } => "usage",
            Report::LimitReached { .. } => "limit",
            other => panic!("{other:?}"),
        })
        .collect()
}

#[test]
fn a_turn_uses_tools_until_the_model_is_done() {
    let write = json!({ "file_path": "new.txt", "content": "made\n" });
    let mut world = World::start(vec![calling("call_0000000001", "Write", write), hello()]);
    let turn = world.turn("make it");
    assert_eq!((turn.end, turn.words.as_str()), (TurnEnd::Done, "hello"));
    assert_eq!(kinds(&turn.reports), ["usage", "requested", "finished"]);
    let Report::UsageReported { usage } = &turn.reports[0] else { panic!() };
    assert_eq!((usage.input_tokens, usage.cached_tokens, usage.output_tokens), (200, 1000, 34));
    assert_eq!((usage.is_total, usage.context.unwrap().used), (false, 1234));
    assert_eq!(world.file("new.txt").as_deref(), Some("made\n"));
    let told = world.told();
    assert_eq!((&told["role"], &told["tool_call_id"]), (&json!("tool"), &json!("call_0000000001")));
    assert_eq!(told["content"], "new.txt was made, 1 lines.");
    // The next turn knows of this one.
    world.turn("and now?");
    assert_eq!(world.requests().last().unwrap()["messages"].as_array().unwrap().len(), 6);
}

#[test]
fn a_command_asks_and_the_reason_of_a_denial_reaches_the_model() {
    let run = json!({ "command": "touch ran" });
    let mut world = World::start(vec![calling("call_0000000001", "Run", run), hello()]);
    world.verdict = Verdict::Deny { reason: "use make".into() };
    let turn = world.turn("run it");
    assert_eq!(kinds(&turn.reports), ["usage", "requested", "denied"]);
    assert_eq!(world.told()["content"], "The human did not allow this: use make");
    assert_eq!(world.file("ran"), None);
}

#[test]
fn a_command_is_run_as_the_human_changed_it() {
    let run = json!({ "command": "touch ran" });
    let mut world = World::start(vec![calling("call_0000000001", "Run", run), hello()]);
    let updated = json!({ "command": "touch other" });
    world.verdict = Verdict::Allow { always: false, updated_input: Some(updated) };
    let turn = world.turn("run it");
    assert_eq!(kinds(&turn.reports), ["usage", "requested", "finished"]);
    assert!(world.file("other").is_some() && world.file("ran").is_none());
    assert!(world.told()["content"].as_str().unwrap().starts_with("[the human changed the arguments to"));
}

#[test]
fn policies_are_kept_and_what_cannot_be_is_not_asked_about() {
    let run = json!({ "command": "touch ran" });
    let mut world = World::start_with(vec![calling("call_0000000001", "Run", run), hello()], |api| {
        api.approve = Approve::None
    });
    world.turn("run it");
    assert!(world.file("ran").is_some());

    let edit = json!({ "file_path": "none", "old_string": "a", "new_string": "b" });
    let scripts = vec![calling("call_0000000001", "Edit", edit), hello()];
    let mut world = World::start_with(scripts, |api| api.approve = Approve::All);
    let turn = world.turn("edit it");
    assert_eq!(kinds(&turn.reports), ["usage", "requested", "failed"]);
    assert!(world.told()["content"].as_str().unwrap().contains("no such file"));
}

#[test]
fn an_interrupted_turn_leaves_a_conversation_that_goes_on() {
    let run = json!({ "command": "sleep 60" });
    let mut world = World::start(vec![calling("c1", "Run", run), hello()]);
    world.verdict = Verdict::Allow { always: false, updated_input: None };
    world.backend.prompt("run it");
    loop {
        if let Happening::Question(question) = world.next() {
            (question.reply)(world.verdict.clone());
            break;
        }
    }
    std::thread::sleep(Duration::from_millis(200));
    world.backend.cancel();
    let failed = world.next();
    assert!(matches!(failed, Happening::Report(Report::ToolFailed { interrupted: true, .. })), "{failed:?}");
    assert!(matches!(world.next(), Happening::TurnEnded(TurnEnd::Interrupted)));
    assert_eq!(world.turn("go on").end, TurnEnd::Done);
    let messages = world.requests().last().unwrap()["messages"].clone();
    let roles: Vec<&str> =
        messages.as_array().unwrap().iter().map(|message| message["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["system", "user", "assistant", "tool", "user"]);

    let mut world =
        World::start(vec![hang(&format!("{}data: {}\n\n", support::EVENTS, said("half"))), hello()]);
    world.backend.prompt("speak");
    assert!(matches!(world.next(), Happening::Words { .. }));
    world.backend.cancel();
    assert!(matches!(world.next(), Happening::TurnEnded(TurnEnd::Interrupted)));
    assert_eq!(world.turn("again").end, TurnEnd::Done);
}

#[test]
fn a_crash_is_survived_and_no_key_is_kept() {
    let run = json!({ "command": "sleep 60" });
    let mut world = World::start(vec![calling("c1", "Run", run), hello()]);
    world.backend.prompt("run it");
    // As long as it is kept, the question is open.
    let _question = loop {
        if let Happening::Question(question) = world.next() {
            break question;
        }
    };
    let kept = fs::read_to_string(world.folder.path().join("agent/conversation.json")).unwrap();
    assert!(kept.contains("run it") && kept.contains("sleep 60") && !kept.contains(CANARY));
    world.again();
    assert_eq!(world.turn("go on").end, TurnEnd::Done);
    let messages = world.requests().last().unwrap()["messages"].clone();
    assert!(
        messages[3]["content"].as_str().unwrap().contains("whether it was done is not known"),
        "{messages}"
    );
}

#[test]
fn a_key_in_a_file_reaches_nobody() {
    let read = json!({ "file_path": ".env" });
    let write = json!({ "file_path": "copy", "content": format!("KEY={CANARY}") });
    let scripts =
        vec![calling("call_0000000001", "Read", read), calling("call_0000000002", "Write", write), hello()];
    let mut world = World::start(scripts);
    world.write(".env", &format!("KEY={CANARY}\n"));
    let turn = world.turn("look");
    assert_eq!(world.requests()[1]["messages"][3]["content"], "KEY=[key redacted]\n");
    assert!(!format!("{:?}{:?}", turn.reports, turn.notes).contains(CANARY));
}

#[test]
fn calls_that_were_cut_or_make_no_sense_are_not_done() {
    let cut = json!({ "choices": [{ "delta": { "tool_calls": [{ "index": 0, "id": "call_0000000001", "function":
        { "name": "Write", "arguments": "{\"file_path\":\"x\",\"cont" } }] }, "finish_reason": "length" }] });
    let scripts = vec![
        events(&[&cut.to_string()]),
        calling("call_0000000002", "Fly", json!({})),
        calling("call_0000000003", "Read", json!([])),
        hello(),
    ];
    let mut world = World::start(scripts);
    let turn = world.turn("write");
    assert_eq!(turn.end, TurnEnd::Done);
    let requests = world.requests();
    let told =
        |number: usize| requests[number]["messages"].as_array().unwrap().last().unwrap()["content"].clone();
    assert!(told(1).as_str().unwrap().contains("smaller pieces"));
    assert!(told(2).as_str().unwrap().contains("no tool \"Fly\""));
    assert!(told(3).as_str().unwrap().contains("no JSON object"));
    assert_eq!(world.file("x"), None);
}

#[test]
fn an_answer_that_is_too_long_is_gone_on_with() {
    let long = r#"{"choices":[{"delta":{},"finish_reason":"length"}]}"#;
    let mut world = World::start(vec![events(&[&said("one "), long]), hello()]);
    let turn = world.turn("tell");
    assert_eq!((turn.end, turn.words.as_str()), (TurnEnd::Done, "one hello"));
    let mut world = World::start(vec![events(&[&said("one "), long])]);
    let TurnEnd::Failed { error } = world.turn("tell").end else { panic!() };
    assert!(error.contains("api.output_limit"), "{error}");
}

#[test]
fn a_turn_without_end_is_ended() {
    let scripts = vec![calling("call_0000000001", "List", json!({}))];
    let mut world = World::start_with(scripts, |api| api.max_steps = 3);
    let TurnEnd::Failed { error } = world.turn("list").end else { panic!() };
    assert!(error.contains("3 times") && error.contains("api.max_steps"), "{error}");
    assert_eq!(world.requests().len(), 3);
}

#[test]
fn a_limit_is_reported_with_the_time_that_was_told() {
    let body = r#"{"error":{"message":"Rate limit reached","code":"rate_limit_exceeded"}}"#;
    let mut world = World::start(vec![status("429 Too Many Requests", "retry-after: 600\r\n", body)]);
    let turn = world.turn("hello");
    let now = i64::try_from(std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_micros()).unwrap();
    let [Report::LimitReached { limit: LimitKind::Rate, message, resets_at: Some(at) }] =
        turn.reports.as_slice()
    else {
        panic!("{:?}", turn.reports)
    };
    assert!(message.contains("Rate limit reached"));
    assert!((500_000_000..=600_000_000).contains(&(at.0 - now)), "{}", at.0 - now);
    assert!(matches!(turn.end, TurnEnd::Failed { .. }));

    let mut world = World::start(vec![status("529 Overloaded", "", "{}")]);
    let turn = world.turn("hello");
    assert!(matches!(
        turn.reports.as_slice(),
        [Report::LimitReached { limit: LimitKind::Overloaded, resets_at: None, .. }]
    ));
}

#[test]
fn a_key_that_is_refused_is_named_by_where_it_came_from() {
    let body = format!(r#"{{"error":{{"message":"Incorrect API key provided: {CANARY}"}}}}"#);
    let mut world = World::start(vec![status("401 Unauthorized", "", &body)]);
    let TurnEnd::Failed { error } = world.turn("hello").end else { panic!() };
    assert!(error.contains("api.key.command") && !error.contains(CANARY), "{error}");
}

#[test]
fn a_full_context_is_made_shorter_and_asked_about_once_more() {
    let full = status("400 Bad Request", "", r#"{"error":{"message":"x","code":"context_length_exceeded"}}"#);
    let mut world = World::start(vec![hello(), hello(), full, hello()]);
    world.turn(&"one ".repeat(3000));
    world.turn(&"two ".repeat(3000));
    let turn = world.turn("three");
    assert_eq!(turn.end, TurnEnd::Done);
    assert!(turn.notes.iter().any(|note| note.contains("oldest messages")), "{:?}", turn.notes);
    assert!(world.requests()[3].to_string().len() < world.requests()[2].to_string().len() / 2 + 9000);
    assert_eq!(world.turn("/clear").end, TurnEnd::Done);
    world.turn("four");
    assert_eq!(world.requests()[4]["messages"].as_array().unwrap().len(), 2);
}

#[test]
fn without_a_key_it_says_how_to_give_one_and_leaves() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("tree")).unwrap();
    let mut api = api("http://127.0.0.1:1");
    api.dialect = Dialect::Anthropic;
    api.key.command.clear();
    api.key.env = vec!["ORCHFLOW_TEST_NO_SUCH_KEY".into()];
    let (_backend, arriving, _gate) = launch(&folder, api, None);
    let Ok(Event::Backend(Happening::Gone(Some(why)))) = arriving.recv_timeout(Duration::from_secs(10))
    else {
        panic!()
    };
    assert!(why.starts_with("Test: ") && why.contains("set ORCHFLOW_TEST_NO_SUCH_KEY"), "{why}");
}
