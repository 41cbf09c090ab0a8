//! Gemini's hooks: one JSON object each, as version 0.61.0 sends them.

use orchflow_core::report::{Channel, Report};
use serde_json::{Value, json};

use crate::hooks::{Parsed, cut, cut_text};

pub(super) fn parse(name: &str, value: Value) -> Parsed {
    if !value.is_object() {
        return Parsed::other(name, value, "the body is not a JSON object");
    }
    let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str).map(cut_text);
    let name = if name.is_empty() { text("/hook_event_name").unwrap_or_default() } else { name.to_owned() };
    let session_id = text("/session_id");
    let report = report(&name, &value);
    let note = (report.is_none() && KNOWN.contains(&name.as_str()))
        .then(|| format!("the hook {name} lacks a field it always had"));
    let report = report.unwrap_or_else(|| Report::Other { name: cut_text(&name), payload: cut(value) });
    Parsed { report, channel: Channel::Hook, session_id, subagent: None, note }
}

const KNOWN: [&str; 7] =
    ["SessionStart", "SessionEnd", "BeforeAgent", "AfterAgent", "BeforeTool", "AfterTool", "Notification"];

/// What stands in place of an answer where there is none.
const NO_RESPONSE: &str = "[no response text]";

fn report(name: &str, body: &Value) -> Option<Report> {
    let text = |key: &str| body.get(key).and_then(Value::as_str).map(cut_text);
    let value = |key: &str| body.get(key).cloned().map_or(Value::Null, cut);
    Some(match name {
        "SessionStart" => Report::SessionStarted {
            session_id: text("session_id")?,
            source: text("source").unwrap_or_default(),
        },
        "SessionEnd" => Report::SessionEnded { reason: text("reason").unwrap_or_default() },
        "BeforeAgent" => Report::PromptSubmitted { text: text("prompt")? },
        // After an Esc and after an error of the model its hook says this and no more: which of them it was, it does
        // not tell.
        "AfterAgent" if body.get("prompt_response").and_then(Value::as_str) == Some(NO_RESPONSE) => {
            Report::Other { name: "AfterAgent".to_owned(), payload: value("prompt_response") }
        }
        "AfterAgent" => {
            Report::TurnEnded { message: text("prompt_response").filter(|text| !text.trim().is_empty()) }
        }
        "BeforeTool" => {
            Report::ToolRequested { tool_use_id: None, tool: text("tool_name")?, input: value("tool_input") }
        }
        "AfterTool" => {
            let (tool, input) = (text("tool_name")?, value("tool_input"));
            match body.pointer("/tool_response/error").filter(|error| !error.is_null()) {
                Some(error) => Report::ToolFailed {
                    tool_use_id: None,
                    tool,
                    input,
                    error: words(error),
                    interrupted: false,
                },
                None => Report::ToolFinished {
                    tool_use_id: None,
                    tool,
                    input,
                    response: response(body),
                    duration_ms: None,
                },
            }
        }
        "Notification" if body.get("notification_type").and_then(Value::as_str) == Some("ToolPermission") => {
            let (tool, input) = asked(body.get("details")?);
            Report::ApprovalRequested { tool, input, tool_use_id: None, answerable: false, held: false }
        }
        "Notification" => Report::NotificationShown {
            message: text("message")?,
            category: text("notification_type").unwrap_or_default(),
        },
        _ => return None,
    })
}

/// Names what a permission is asked for in the words of its tools.
fn asked(details: &Value) -> (String, Value) {
    let text = |key: &str| details.get(key).and_then(Value::as_str).map(cut_text);
    match text("type").as_deref() {
        Some("exec") => ("run_shell_command".to_owned(), json!({ "command": text("command") })),
        Some("edit") => {
            let path = text("filePath").or_else(|| text("fileName"));
            ("edit".to_owned(), json!({ "file_path": path, "diff": text("fileDiff") }))
        }
        Some("mcp") => {
            let tool = text("toolName").unwrap_or_else(|| "mcp".to_owned());
            (tool, json!({ "server": text("serverName") }))
        }
        kind => (kind.unwrap_or("tool").to_owned(), cut(details.clone())),
    }
}

/// Gives a tool's answer without the cells of the screen that Gemini draws it with.
fn response(body: &Value) -> Value {
    let Some(response) = body.get("tool_response") else { return Value::Null };
    let mut response = response.clone();
    if let Some(shown) = response.get_mut("returnDisplay").filter(|shown| shown.is_array()) {
        *shown = Value::Null;
    }
    cut(response)
}

fn words(error: &Value) -> String {
    let message = error.get("message").unwrap_or(error);
    message.as_str().map_or_else(|| cut_text(&message.to_string()), cut_text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permission_is_asked_for_in_the_words_of_its_tool() {
        let body = json!({"session_id": "s", "notification_type": "ToolPermission", "message": "m",
            "details": {"type": "edit", "title": "Confirm Edit", "filePath": "/w/a.txt", "fileDiff": "-a\n+b"}});
        let expected = Report::ApprovalRequested {
            tool: "edit".into(),
            input: json!({"file_path": "/w/a.txt", "diff": "-a\n+b"}),
            tool_use_id: None,
            answerable: false,
            held: false,
        };
        assert_eq!(parse("Notification", body).report, expected);
    }

    #[test]
    fn a_failed_tool_says_why_and_drawn_cells_are_left_out() {
        let body =
            json!({"tool_name": "replace", "tool_input": {}, "tool_response": {"error": {"message": "no"}}});
        assert!(matches!(parse("AfterTool", body).report, Report::ToolFailed { error, .. } if error == "no"));
        let body = json!({"tool_name": "x", "tool_response": {"llmContent": "out", "returnDisplay": [[1]]}});
        let Report::ToolFinished { response, .. } = parse("AfterTool", body).report else { panic!() };
        assert_eq!(response, json!({"llmContent": "out", "returnDisplay": null}));
    }

    #[test]
    fn a_turn_without_an_answer_is_not_called_done() {
        let ended = parse("AfterAgent", json!({"prompt": "x", "prompt_response": "[no response text]"}));
        assert!(matches!(ended.report, Report::Other { .. }) && ended.note.is_none(), "{ended:?}");
        let ended = parse("AfterAgent", json!({"prompt": "x", "prompt_response": "Done."}));
        assert_eq!(ended.report, Report::TurnEnded { message: Some("Done.".into()) });
    }

    #[test]
    fn odd_bodies_are_kept_with_a_note() {
        for (name, body) in [
            ("BeforeAgent", json!({"prompt": 3})),
            ("AfterTool", json!({})),
            ("Notification", json!({"notification_type": "ToolPermission"})),
            ("SessionStart", json!([])),
        ] {
            let parsed = parse(name, body);
            assert!(matches!(parsed.report, Report::Other { .. }) && parsed.note.is_some(), "{name}");
        }
        assert_eq!(parse("PreCompress", json!({"trigger": "auto"})).note, None);
    }
}
