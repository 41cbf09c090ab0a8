//! What Claude Code really sent, read: every line of the recordings becomes a report.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::PathBuf;

use orchflow_agent::{hooks, status};
use orchflow_core::report::{Channel, Report, StatedState};
use serde_json::Value;

fn fixture(name: &str) -> String {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/claude-2.1.329");
    std::fs::read_to_string(folder.join(name)).unwrap()
}

fn kind(report: &Report) -> String {
    serde_json::to_value(report).unwrap()["kind"].as_str().unwrap().to_owned()
}

#[test]
fn every_recorded_hook_has_its_report_and_keeps_its_content() {
    let mut kinds = BTreeMap::new();
    for file in ["hooks-print.jsonl", "hooks-tui.jsonl"] {
        for line in fixture(file).lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            let (name, body) = (line["name"].as_str().unwrap(), &line["body"]);
            let parsed = hooks::parse("claude", name, body.to_string().as_bytes());
            assert_eq!(parsed.note, None, "{name}");
            assert_eq!(parsed.session_id.as_deref(), body["session_id"].as_str());
            assert_eq!(parsed.channel, Channel::Hook);
            assert_eq!(
                parsed,
                hooks::parse("claude", "", body.to_string().as_bytes()),
                "the body names its hook"
            );
            let text = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
            match &parsed.report {
                Report::SessionStarted { session_id, source } => {
                    assert_eq!((session_id, source), (&text("session_id"), &text("source")));
                }
                Report::SessionEnded { reason } => assert_eq!(reason, &text("reason")),
                Report::PromptSubmitted { text: prompt } => assert_eq!(prompt, &text("prompt")),
                Report::TextDisplayed { message_id, index, last, text: shown } => {
                    assert_eq!((message_id, shown), (&text("message_id"), &text("delta")));
                    assert_eq!(
                        (Some(*index), Some(*last)),
                        (body["index"].as_u64(), body["final"].as_bool())
                    );
                }
                Report::ToolRequested { tool, input, tool_use_id } => {
                    assert_eq!((tool, input), (&text("tool_name"), &body["tool_input"]));
                    assert_eq!(tool_use_id.as_deref(), body["tool_use_id"].as_str());
                }
                Report::ToolFinished { tool, response, duration_ms, .. } => {
                    assert_eq!((tool, response), (&text("tool_name"), &body["tool_response"]));
                    assert_eq!(*duration_ms, body["duration_ms"].as_u64());
                }
                Report::ToolFailed { error, interrupted, .. } => {
                    assert_eq!((error.as_str(), *interrupted), ("Exit code 1", false));
                }
                Report::ApprovalRequested { tool, input, answerable, .. } => {
                    assert_eq!((tool, input), (&text("tool_name"), &body["tool_input"]));
                    assert!(answerable);
                }
                Report::NotificationShown { message, category } => {
                    assert_eq!((message, category), (&text("message"), &text("notification_type")));
                }
                Report::SubagentStarted { subagent, category } => {
                    assert_eq!((subagent, category), (&text("agent_id"), &text("agent_type")));
                }
                Report::SubagentStopped { subagent, message } => {
                    assert_eq!(subagent, &text("agent_id"));
                    assert_eq!(message.as_deref(), body["last_assistant_message"].as_str());
                }
                Report::TurnEnded { message } => {
                    assert_eq!(message.as_deref(), body["last_assistant_message"].as_str());
                }
                Report::Other { name, payload } => {
                    assert_eq!((name.as_str(), payload), ("PostToolBatch", body));
                }
                other => panic!("{name} became {other:?}"),
            }
            *kinds.entry(kind(&parsed.report)).or_insert(0) += 1;
        }
    }
    let expected = [
        ("approval_requested", 1),
        ("notification_shown", 2),
        ("other", 6),
        ("prompt_submitted", 6),
        ("session_ended", 5),
        ("session_started", 4),
        ("subagent_started", 1),
        ("subagent_stopped", 1),
        ("text_displayed", 12),
        ("tool_failed", 1),
        ("tool_finished", 5),
        ("tool_requested", 6),
        ("turn_ended", 5),
    ];
    let seen: Vec<_> = kinds.iter().map(|(kind, count)| (kind.as_str(), *count)).collect();
    assert_eq!(seen, expected);
}

/// One recorded run: reports of hooks and of the terminal, by time.
fn replay(name: &str, with_hooks: bool) -> Vec<String> {
    let mut seen: Vec<(f64, String)> = Vec::new();
    for line in fixture(&format!("status/{name}.pty.log")).lines() {
        let time = line.split(' ').next().unwrap().parse().unwrap();
        let payload = line.split_once("OSC b'7501;").and_then(|(_, payload)| payload.strip_suffix('\''));
        match payload.and_then(status::parse) {
            Some(Report::StatusStated { state, detail, category }) => {
                let mut word = format!("{state:?}").to_lowercase();
                for part in [category, detail].into_iter().flatten() {
                    word.push_str(&format!(" {part}"));
                }
                seen.push((time, word));
            }
            Some(other) => panic!("{other:?}"),
            None => {}
        }
    }
    if with_hooks {
        for line in fixture(&format!("status/{name}.hooks.log")).lines() {
            let mut parts = line.splitn(3, ' ');
            let time = parts.next().unwrap().parse().unwrap();
            let (hook, body) = (parts.next().unwrap(), parts.next().unwrap());
            seen.push((time, kind(&hooks::parse("claude", hook, body.as_bytes()).report)));
        }
    }
    seen.sort_by(|(one, _), (other, _)| one.total_cmp(other));
    seen.into_iter().map(|(_, word)| word).collect()
}

#[test]
fn a_whole_session_is_told_by_status_and_hooks_together() {
    assert_eq!(
        replay("clP", true),
        [
            "session_started",
            "idle",
            // A permission, allowed in the pane.
            "prompt_submitted",
            "working",
            "text_displayed",
            "tool_requested",
            "working Running touch zz",
            "approval_requested",
            "blocked permission approve Bash: touch zz",
            "working",
            "tool_finished",
            "text_displayed",
            "turn_ended",
            "done",
            // Escape while it writes: no hook says so. Hooks may be slower than the terminal.
            "working",
            "prompt_submitted",
            "idle",
            // An error of the model.
            "prompt_submitted",
            "working",
            "turn_failed",
            "error API Error: 400 mock error 400",
            // Escape on the permission.
            "prompt_submitted",
            "working",
            "tool_requested",
            "text_displayed",
            "working Running touch yy",
            "approval_requested",
            "blocked permission approve Bash: touch yy",
            "idle",
            // Escape while a tool runs.
            "prompt_submitted",
            "working",
            "tool_requested",
            "text_displayed",
            "working Running sleep 6",
            "idle",
            "clear",
            "clear",
            "session_ended",
        ]
    );
}

#[test]
fn dialogs_before_the_first_prompt_are_stated_or_silent() {
    assert_eq!(
        replay("clQ", true),
        ["blocked permission trust this folder", "clear", "session_started", "idle"]
    );
    // The other dialogs say nothing until they are answered.
    assert_eq!(replay("clR", true), ["session_started", "idle"]);
    assert_eq!(replay("clX", false), [""; 0]);
    assert_eq!(replay("clS", false), ["clear"]);
    assert_eq!(replay("clZ", true), ["session_started", "idle"]);
}

#[test]
fn a_silent_minute_after_a_turn_changes_no_status() {
    let told = replay("clW", true);
    assert_eq!(
        told,
        [
            "session_started",
            "idle",
            "prompt_submitted",
            "working",
            "text_displayed",
            "turn_ended",
            "done",
            "notification_shown"
        ]
    );
    assert_eq!(
        status::parse("state=done:app=claude-code"),
        Some(Report::StatusStated { state: StatedState::Done, detail: None, category: None })
    );
}
