//! What Copilot, opencode and aider really told, read: every line of the recordings becomes a report, and answers are
//! in the program's own words.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::PathBuf;

use orchflow_agent::hooks::{self, Answer, Parsed};
use orchflow_core::report::{Report, StatedState};
use orchflow_core::usage::{LimitKind, PlanStatus};
use serde_json::{Value, json};

/// Reads a recording: each hook's name, its body, and what was made of it.
fn recorded(format: &str, file: &str) -> Vec<(String, Value, Parsed)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let text = std::fs::read_to_string(folder.join(file)).unwrap();
    text.lines()
        .map(|line| {
            let mut line: Value = serde_json::from_str(line).unwrap();
            let (name, body) = (line["name"].as_str().unwrap().to_owned(), line["body"].take());
            let parsed = hooks::parse(format, &name, body.to_string().as_bytes());
            assert_eq!(parsed.note, None, "{name}: {body}");
            (name, body, parsed)
        })
        .collect()
}

fn kinds(recorded: &[(String, Value, Parsed)]) -> BTreeMap<String, usize> {
    let mut kinds = BTreeMap::new();
    for (_, _, parsed) in recorded {
        let kind = serde_json::to_value(&parsed.report).unwrap()["kind"].as_str().unwrap().to_owned();
        *kinds.entry(kind).or_insert(0) += 1;
    }
    kinds
}

#[test]
fn copilot_tells_of_prompts_tools_permissions_errors_and_ends() {
    let recorded = recorded("copilot", "copilot-1.0.102/hooks.jsonl");
    let session = recorded[0].1["sessionId"].as_str();
    for (name, body, parsed) in &recorded {
        let text = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
        assert_eq!(parsed.session_id.as_deref(), body["sessionId"].as_str());
        match &parsed.report {
            Report::SessionStarted { session_id, source } => {
                assert_eq!((Some(session_id.as_str()), source.as_str()), (session, "new"));
            }
            Report::PromptSubmitted { text: prompt } => assert_eq!(prompt, &text("prompt")),
            Report::ToolRequested { tool, input, .. } | Report::ToolFinished { tool, input, .. } => {
                assert_eq!((tool, input), (&text("toolName"), &body["toolArgs"]));
            }
            Report::ToolFailed { tool, error, .. } => {
                assert_eq!((tool.as_str(), error.as_str()), ("view", "Path does not exist"));
            }
            Report::ApprovalRequested { tool, input, answerable, .. } => {
                assert_eq!((tool, input), (&text("toolName"), &body["toolInput"]));
                assert!(answerable);
            }
            Report::SubagentStarted { category, .. } => assert_eq!(category, "explore"),
            Report::SubagentStopped { message, .. } => assert_eq!(message.as_deref(), Some("ok")),
            Report::TurnFailed { error, .. } => assert_eq!(error, "mock error 400"),
            Report::LimitReached { limit, message, resets_at } => {
                assert_eq!((*limit, message.as_str(), *resets_at), (LimitKind::Rate, "mock error 429", None));
            }
            Report::Other { name: kept, .. } => {
                // Its subagents have prompts and ends as well.
                assert!(kept == name && body["agentId"].is_string(), "{name}: {body}");
            }
            Report::NotificationShown { category, .. } => assert_eq!(category, "permission_prompt"),
            Report::TurnEnded { message: None } | Report::SessionEnded { .. } => {}
            other => panic!("{name} became {other:?}"),
        }
    }
    let seen = kinds(&recorded);
    assert_eq!((seen["turn_ended"], seen["subagent_stopped"], seen["turn_failed"]), (6, 1, 1));
    assert_eq!((seen["approval_requested"], seen["tool_failed"], seen["session_ended"]), (5, 1, 1));
    assert!(seen["limit_reached"] >= 2 && seen["tool_finished"] >= 5, "{seen:?}");
}

#[test]
fn opencode_tells_of_all_it_does_by_its_plugin() {
    let recorded = recorded("opencode", "opencode-1.18.33/plugin.jsonl");
    let mut usage = 0;
    for (name, body, parsed) in &recorded {
        let text = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
        assert_eq!(parsed.session_id.as_deref(), body["sessionID"].as_str());
        match &parsed.report {
            Report::ToolRequested { tool_use_id, tool, input } => {
                assert_eq!((tool_use_id.as_deref(), tool), (body["callID"].as_str(), &text("tool")));
                assert_eq!(input, &body["args"]);
            }
            Report::ToolFinished { tool_use_id, response, duration_ms, .. } => {
                assert_eq!(tool_use_id.as_deref(), body["callID"].as_str());
                assert_eq!(response["output"], body["output"]);
                assert!(duration_ms.is_some());
            }
            Report::ToolDenied { tool, reason, .. } => {
                assert!(tool == "bash" && reason.starts_with("The user rejected"), "{reason}");
            }
            Report::ApprovalRequested { tool, tool_use_id, input, .. } => {
                assert_eq!(tool, &text("permission"));
                assert_eq!(tool_use_id.as_deref(), body["callID"].as_str());
                assert!(input["command"].is_string() || input["newString"].is_string(), "{input}");
            }
            Report::UsageReported { usage: used } => {
                assert_eq!((used.input_tokens, used.output_tokens, used.cost_usd), (1200, 34, None));
                assert_eq!((used.model.as_deref(), used.is_total), (Some("mock-model"), false));
                usage += 1;
            }
            Report::StatusStated { state, .. } => {
                let expected =
                    if name == "session.interrupted" { StatedState::Idle } else { StatedState::Working };
                assert_eq!(*state, expected);
            }
            Report::PlanUpdated { steps } => {
                assert_eq!(
                    steps.iter().map(|step| (step.text.as_str(), step.status)).collect::<Vec<_>>(),
                    [("first step", PlanStatus::InProgress), ("second step", PlanStatus::Pending)]
                );
            }
            Report::LimitReached { limit, message, .. } => {
                assert_eq!((*limit, message.as_str()), (LimitKind::Rate, "mock error 429"));
            }
            Report::TurnFailed { error, .. } => assert_eq!(error, "mock error 400"),
            Report::Other { name, .. } => assert_eq!(name, "loaded"),
            Report::SessionStarted { source, .. } => assert_eq!(source, "startup"),
            Report::PromptSubmitted { text: prompt } => assert_eq!(prompt, &text("text")),
            Report::TurnEnded { .. } | Report::TextDisplayed { .. } | Report::ToolFailed { .. } => {}
            other => panic!("{name} became {other:?}"),
        }
    }
    assert!(usage > 10);
    let seen = kinds(&recorded);
    assert_eq!((seen["approval_requested"], seen["tool_denied"], seen["turn_failed"]), (3, 2, 1));
}

#[test]
fn aider_tells_of_its_tokens_or_only_that_it_waits() {
    let body = json!({
        "event": "message_send", "user_id": "x", "time": 1_795_656_000,
        "properties": {
            "main_model": "openai/REDACTED", "weak_model": "openai/REDACTED", "editor_model": "openai/REDACTED",
            "edit_format": "diff", "prompt_tokens": 1234, "completion_tokens": 56, "total_tokens": 1290,
            "cost": 0, "total_cost": 0,
        },
    });
    let Report::UsageReported { usage } =
        hooks::parse("aider", "notified", body.to_string().as_bytes()).report
    else {
        panic!()
    };
    assert_eq!((usage.input_tokens, usage.output_tokens, usage.cost_usd), (1234, 56, None));
    assert_eq!(usage.model, None);
    let other = hooks::parse("aider", "notified", br#"{"event":"command_add","properties":{}}"#);
    assert!(matches!(other.report, Report::NotificationShown { .. }) && other.note.is_none());
}

#[test]
fn wrong_types_keep_the_payload_and_leave_a_note() {
    for (format, name, body) in [
        ("copilot", "userPromptSubmitted", json!({"prompt": 7})),
        ("copilot", "preToolUse", json!({"toolArgs": {}})),
        ("opencode", "chat.message", json!({"text": ["x"]})),
        ("opencode", "tool.ended", json!({"tool": "bash"})),
        ("opencode", "step-finish", json!({})),
    ] {
        let parsed = hooks::parse(format, name, body.to_string().as_bytes());
        assert_eq!(parsed.report, Report::Other { name: name.into(), payload: body });
        assert!(parsed.note.unwrap().contains(name));
    }
    for format in ["aider", "copilot", "opencode"] {
        assert!(hooks::parse(format, "x", b"[1]").note.is_some());
        assert!(hooks::parse(format, "x", b"\xff\x00").note.is_some());
    }
}

#[test]
fn each_answer_is_in_the_agents_words() {
    let allow = Answer::Allow { updated_input: None };
    let changed = Answer::Allow { updated_input: Some(json!({"command": "ls"})) };
    let deny = Answer::Deny { reason: "not \"here\"\n".into() };
    for (format, name, answer, expected) in [
        ("copilot", "permissionRequest", &allow, r#"{"behavior":"allow"}"#),
        ("copilot", "permissionRequest", &deny, r#"{"behavior":"deny","message":"not \"here\"\n"}"#),
        ("opencode", "permission.asked", &allow, r#"{"reply":"once"}"#),
        ("opencode", "permission.asked", &deny, r#"{"message":"not \"here\"\n","reply":"reject"}"#),
        // What they cannot carry leaves the question to their own dialog.
        ("copilot", "permissionRequest", &changed, ""),
        ("opencode", "permission.asked", &changed, ""),
        ("copilot", "permissionRequest", &Answer::NoOpinion, ""),
        ("opencode", "session.idle", &deny, ""),
        ("aider", "notified", &deny, ""),
    ] {
        let said = hooks::answer(format, name, answer);
        let said: Value = serde_json::from_slice(&said.output).unwrap_or(Value::Null);
        assert_eq!(said, serde_json::from_str::<Value>(expected).unwrap_or(Value::Null), "{format} {name}");
    }
}
