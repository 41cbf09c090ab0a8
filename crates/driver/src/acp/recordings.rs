//! What real programs wrote, heard by our side of the conversation.

use std::path::{Path, PathBuf};

use orchflow_agent::catalogue::{Acp, Kind};
use orchflow_agent::orders::Orders;
use orchflow_core::report::Report;
use orchflow_core::usage::PlanStep;
use serde_json::{Value, json};

use super::conversation::{Conversation, Output};
use crate::backend::{Happening, TurnEnd, Verdict};

pub(super) fn orders(acp: Acp) -> Orders {
    Orders {
        kind: Kind::Acp,
        name: "agent".to_owned(),
        title: "An agent".to_owned(),
        program: PathBuf::new(),
        args: Vec::new(),
        resume: None,
        acp,
        api: None,
    }
}

/// What came of a recording.
#[derive(Default)]
pub(super) struct Played {
    pub(super) sent: Vec<Value>,
    session: String,
    about: String,
    words: String,
    requested: Vec<(String, Value)>,
    finished: Vec<(String, Value)>,
    failed: usize,
    plans: Vec<Vec<PlanStep>>,
    odd: Vec<String>,
    notes: Vec<String>,
    usage: Vec<orchflow_core::usage::Usage>,
    ends: Vec<TurnEnd>,
    /// Options chosen in the recording and by us.
    options: Vec<(Value, Value)>,
}

pub(super) fn names() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/acp");
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .filter_map(|file| {
            file.unwrap().file_name().to_string_lossy().strip_suffix(".log").map(str::to_owned)
        })
        .collect();
    names.sort();
    names
}

pub(super) fn play(name: &str) -> Played {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/acp/{name}.log"));
    let text = std::fs::read_to_string(file).unwrap();
    let mut conversation = Conversation::new(&orders(Acp::default()), Path::new("/nowhere"));
    let mut played = Played::default();
    let mut open: Vec<(u64, Value)> = Vec::new();
    let outputs = conversation.open();
    played.take(outputs, &mut open);
    for line in text.lines() {
        let (way, message) = line.split_at(3);
        if way == "<- " {
            let message = whole(message, &text);
            let outputs = conversation.hear(message.as_bytes());
            played.take(outputs, &mut open);
            continue;
        }
        let message: Value = serde_json::from_str(message).unwrap();
        if message["method"] == "session/prompt" {
            let prompt = message["params"]["prompt"][0]["text"].as_str().unwrap();
            let outputs = conversation.prompt(prompt);
            played.take(outputs, &mut open);
        } else if message["result"]["outcome"].is_object() {
            let (question, _) = open.remove(0);
            let outputs =
                conversation.answer(question, &Verdict::Allow { always: false, updated_input: None });
            let Some(Output::Send(answer)) = outputs.last() else { panic!("{outputs:?}") };
            assert_eq!(answer["id"], message["id"], "{name}");
            let ours = answer["result"]["outcome"]["optionId"].clone();
            played.options.push((message["result"]["outcome"]["optionId"].clone(), ours));
            played.take(outputs, &mut open);
        }
    }
    played
}

/// Gives a message that the recorder cut as one that ends where it was cut.
fn whole(message: &str, log: &str) -> String {
    if serde_json::from_str::<Value>(message).is_ok() {
        return message.to_owned();
    }
    let mut mended: Value = (0..message.len())
        .rev()
        .filter(|end| message.is_char_boundary(*end))
        .find_map(|end| serde_json::from_str(&closed(&message[..end])).ok())
        .unwrap();
    // What stood behind the cut: the number of what is answered, the session's id, which the prompt has.
    if mended["result"].is_object() && mended.get("id").is_none() {
        mended["id"] = Value::from(2);
    }
    if mended["id"] == 2 && mended["result"].get("sessionId").is_none() {
        let prompt = log.lines().find(|line| line.contains("session/prompt")).unwrap();
        let prompt: Value = serde_json::from_str(&prompt[3..]).unwrap();
        mended["result"]["sessionId"] = prompt["params"]["sessionId"].clone();
    }
    mended.to_string()
}

/// Closes what is open at the end of a piece of JSON.
fn closed(piece: &str) -> String {
    let (mut open, mut in_string, mut is_escaped) = (Vec::new(), false, false);
    for character in piece.chars() {
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' if in_string => is_escaped = true,
            '"' => in_string = !in_string,
            _ if in_string => {}
            '{' => open.push('}'),
            '[' => open.push(']'),
            '}' | ']' => drop(open.pop()),
            _ => {}
        }
    }
    let end: String = open.iter().rev().collect();
    if in_string { format!("{piece}\"{end}") } else { format!("{piece}{end}") }
}

impl Played {
    fn take(&mut self, outputs: Vec<Output>, open: &mut Vec<(u64, Value)>) {
        for output in outputs {
            match output {
                Output::Send(message) => self.sent.push(message),
                Output::Ask(id, asked) => {
                    assert!(asked.input.is_object() && !asked.summary.is_empty());
                    open.push((id, asked.input));
                }
                Output::Fail(why) => panic!("{why}"),
                Output::Tell(happening) => self.happened(happening),
            }
        }
    }

    fn happened(&mut self, happening: Happening) {
        match happening {
            Happening::Ready { session, about, .. } => (self.session, self.about) = (session, about),
            Happening::Words { text, .. } => self.words += &text,
            Happening::TurnEnded(end) => self.ends.push(end),
            Happening::Note(note) => self.notes.push(note),
            Happening::Report(Report::ToolRequested { tool, input, .. }) => {
                self.requested.push((tool, input))
            }
            Happening::Report(Report::ToolFinished { tool, response, .. }) => {
                self.finished.push((tool, response))
            }
            Happening::Report(Report::ToolFailed { .. } | Report::ToolDenied { .. }) => self.failed += 1,
            Happening::Report(Report::PlanUpdated { steps }) => self.plans.push(steps),
            Happening::Report(Report::UsageReported { usage }) => self.usage.push(usage),
            Happening::Report(Report::Other { name, .. }) => self.odd.push(name),
            _ => {}
        }
    }
}

#[test]
fn every_recording_is_understood_from_its_first_message_to_its_last() {
    for name in names() {
        let played = play(&name);
        assert!(!played.session.is_empty(), "{name} has a session");
        assert!(
            played.about.chars().any(|c| c.is_ascii_digit()),
            "{name} says its version: {}",
            played.about
        );
        assert_eq!(played.ends, [TurnEnd::Done], "{name}");
        assert!(
            played.words.contains("Done: the mock model played its scenario."),
            "{name}: {}",
            played.words
        );
        assert_eq!(played.odd, Vec::<String>::new(), "{name}");
        assert_eq!(
            played.requested.len(),
            played.finished.len() + played.failed,
            "{name}: what began, ended"
        );
        assert!(played.requested.len() >= 2, "{name}: {:?}", played.requested);
        for (recorded, ours) in &played.options {
            assert_eq!(recorded, ours, "{name} is answered by kind");
        }
    }
}

#[test]
fn what_each_program_tells_is_there() {
    let input_of = |played: &Played, tool: &str| {
        let found = played.requested.iter().find(|(name, _)| name == tool);
        found.unwrap_or_else(|| panic!("{:?}", played.requested)).1.clone()
    };
    let claude = play("claude2");
    assert_eq!(claude.options.len(), 2);
    assert_eq!(input_of(&claude, "Write")["content"], "alpha\nbeta\n");
    assert_eq!(input_of(&claude, "Bash")["command"], "cat m.txt");
    let edit = claude.finished.iter().find(|(tool, _)| tool == "Edit").unwrap();
    assert_eq!(edit.1["diffs"][0]["new"], "alpha\ngamma");
    assert_eq!(claude.usage.len(), 1);
    assert_eq!(claude.usage[0].model.as_deref(), Some("claude-opus-5-5"));
    assert!(claude.usage[0].cost_usd.is_some_and(|cost| cost > 0.03));
    assert_eq!(claude.usage[0].context.unwrap().size, 1_000_000);

    let opencode = play("opencode");
    assert_eq!(opencode.plans[0].len(), 3, "its plan is a tool of its own");
    assert!(opencode.finished.iter().any(|(tool, _)| tool == "todowrite"), "a tool keeps its name");
    assert_eq!(input_of(&opencode, "edit")["file_path"], "/home/agent/work/wt-opencode/m.txt");
    assert_eq!(opencode.usage[0].input_tokens, 1200);

    let codex = play("codex2");
    assert_eq!((codex.usage[0].input_tokens, codex.usage[0].output_tokens), (6000, 170));
    assert_eq!(play("codex1").plans.last().unwrap().len(), 3);
    let gemini = play("gemini_nofs");
    assert_eq!(input_of(&gemini, "edit")["content"], "alpha\nbeta\n");
    assert_eq!(gemini.usage[0].input_tokens, 6000);
    assert!(play("qwen").usage[0].input_tokens >= 1200);
    assert_eq!(play("copilot").options.len(), 3);

    // What they ask of an editor and we do not offer is refused, and they go on.
    let refused = |played: &Played| played.sent.iter().filter(|m| m["error"]["code"] == -32601).count();
    assert!(refused(&play("qwen")) >= 1);
}

/// Plays a turn of a conversation whose answers are given; says how it ended.
fn ended(acp: Acp, updates: &[Value]) -> TurnEnd {
    let mut conversation = Conversation::new(&orders(acp), Path::new("/nowhere"));
    let mut played = Played::default();
    let mut hear = |conversation: &mut Conversation, mut message: Value| {
        message["jsonrpc"] = "2.0".into();
        let outputs = conversation.hear(message.to_string().as_bytes());
        played.take(outputs, &mut Vec::new());
    };
    conversation.open();
    hear(&mut conversation, json!({ "id": 1, "result": { "protocolVersion": 1 } }));
    hear(&mut conversation, json!({ "id": 2, "result": { "sessionId": "s" } }));
    conversation.prompt("fail");
    for update in updates {
        let params = json!({ "sessionId": "s", "update": update });
        hear(&mut conversation, json!({ "method": "session/update", "params": params }));
    }
    hear(&mut conversation, json!({ "id": 3, "result": { "stopReason": "end_turn" } }));
    played.ends.remove(0)
}

#[test]
fn an_error_of_the_model_fails_the_turn_however_a_program_tells_it() {
    let words = |text: &str| json!({ "sessionUpdate": "agent_message_chunk", "content": { "type": "text", "text": text } });
    let status = |status: &str| {
        let meta = json!({ "codex": { "threadStatus": { "type": status } } });
        json!({ "sessionUpdate": "session_info_update", "_meta": meta })
    };
    let failed = |error: &str| TurnEnd::Failed { error: error.to_owned() };
    // codex-acp 2.6.0
    let codex = || Acp::default();
    assert_eq!(ended(codex(), &[status("active"), status("systemError"), words("400\n\n")]), failed("400"));
    assert_eq!(
        ended(codex(), &[words("half an answer"), status("systemError"), words("500")]),
        failed("500")
    );
    assert_eq!(ended(codex(), &[status("systemError")]), failed("an error of its model"));
    assert_eq!(ended(codex(), &[status("systemError"), status("active"), words("fine")]), TurnEnd::Done);
    // copilot 1.0.102
    let copilot = || Acp { failure: vec!["Error: ".to_owned()], ..Acp::default() };
    assert_eq!(ended(copilot(), &[words("Error: "), words("400 no")]), failed("Error: 400 no"));
    assert_eq!(ended(copilot(), &[words("No Error: 400")]), TurnEnd::Done);
    assert_eq!(ended(codex(), &[words("Error: 400")]), TurnEnd::Done);
    let tool =
        json!({ "sessionUpdate": "tool_call", "toolCallId": "t", "title": "run", "status": "completed" });
    assert_eq!(ended(copilot(), &[tool, words("Error: 400 is what it printed")]), TurnEnd::Done);
}
