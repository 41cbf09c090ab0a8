//! Claude Code's hooks: one JSON object each, as version 2.1.329 sends them.

use orchflow_core::report::{Channel, Report};
use serde_json::{Map, Value};

use crate::hooks::{Parsed, cut, cut_text};

pub(in crate::adapter) fn parse(name: &str, value: Value) -> Parsed {
    let Value::Object(body) = value else {
        return Parsed::other(name, value, "the body is not a JSON object");
    };
    let body = Body(body);
    let name = match name {
        "" => body.text("hook_event_name").unwrap_or_default(),
        name => name.to_owned(),
    };
    let session_id = body.text("session_id");
    let subagent = body.text("agent_id");
    let (report, note) = match body.report(&name) {
        Some(report) => (report, None),
        None => {
            let note = is_known(&name).then(|| format!("the hook {name} lacks a field it always had"));
            (Report::Other { name: cut_text(&name), payload: cut(Value::Object(body.0)) }, note)
        }
    };
    Parsed { report, channel: Channel::Hook, session_id, subagent, note }
}

/// The hooks that [`Body::report`] has a word for.
fn is_known(name: &str) -> bool {
    const KNOWN: [&str; 14] = [
        "SessionStart",
        "SessionEnd",
        "UserPromptSubmit",
        "MessageDisplay",
        "PreToolUse",
        "PostToolUse",
        "PostToolUseFailure",
        "PermissionRequest",
        "PermissionDenied",
        "Notification",
        "SubagentStart",
        "SubagentStop",
        "Stop",
        "StopFailure",
    ];
    KNOWN.contains(&name)
}

/// Takes out the marks that are put around what was pasted: `<pasted_content id="7a56">` and its end with the
/// same id, each with its line end. What is between them is what the human pasted.
fn without_paste_marks(prompt: &str) -> String {
    const OPEN: &str = "<pasted_content id=\"";
    let mut text = String::new();
    let mut rest = prompt;
    while let Some((before, opened)) = rest.split_once(OPEN) {
        let marked = opened.split_once("\">\n").and_then(|(id, inside)| {
            let close = format!("\n</pasted_content id=\"{id}\">");
            let (pasted, after) = inside.split_once(&close)?;
            Some((pasted, after.strip_prefix('\n').unwrap_or(after)))
        });
        text.push_str(before);
        rest = match marked {
            Some((pasted, after)) => {
                text.push_str(pasted);
                after
            }
            None => {
                text.push_str(OPEN);
                opened
            }
        };
    }
    text + rest
}

struct Body(Map<String, Value>);

impl Body {
    fn text(&self, key: &str) -> Option<String> {
        self.0.get(key)?.as_str().map(cut_text)
    }

    fn value(&self, key: &str) -> Value {
        self.0.get(key).cloned().map_or(Value::Null, cut)
    }

    fn flag(&self, key: &str) -> bool {
        self.0.get(key).and_then(Value::as_bool).unwrap_or(false)
    }

    /// Reads a number that may come with a fraction.
    fn number(&self, key: &str) -> Option<u64> {
        let value = self.0.get(key)?;
        value.as_u64().or_else(|| value.as_f64().filter(|number| *number >= 0.0).map(|number| number as u64))
    }

    /// Gives the report, or nothing where a field it cannot do without is missing or of another type.
    fn report(&self, name: &str) -> Option<Report> {
        Some(match name {
            "SessionStart" => Report::SessionStarted {
                session_id: self.text("session_id")?,
                source: self.text("source").unwrap_or_default(),
            },
            "SessionEnd" => Report::SessionEnded { reason: self.text("reason").unwrap_or_default() },
            "UserPromptSubmit" => Report::PromptSubmitted {
                text: cut_text(&without_paste_marks(self.0.get("prompt")?.as_str()?)),
            },
            "Stop" => Report::TurnEnded { message: self.text("last_assistant_message") },
            "StopFailure" => Report::TurnFailed {
                error: self.text("error").unwrap_or_else(|| "unknown".to_owned()),
                message: self.text("last_assistant_message"),
            },
            "MessageDisplay" => Report::TextDisplayed {
                message_id: self.text("message_id")?,
                index: self.number("index").unwrap_or(0),
                last: self.flag("final"),
                text: self.text("delta")?,
            },
            "PreToolUse" => Report::ToolRequested {
                tool_use_id: self.text("tool_use_id"),
                tool: self.text("tool_name")?,
                input: self.value("tool_input"),
            },
            "PostToolUse" => Report::ToolFinished {
                tool_use_id: self.text("tool_use_id"),
                tool: self.text("tool_name")?,
                input: self.value("tool_input"),
                response: self.value("tool_response"),
                duration_ms: self.number("duration_ms"),
            },
            "PostToolUseFailure" => Report::ToolFailed {
                tool_use_id: self.text("tool_use_id"),
                tool: self.text("tool_name")?,
                input: self.value("tool_input"),
                error: self.text("error").unwrap_or_default(),
                interrupted: self.flag("is_interrupt"),
            },
            "PermissionDenied" => Report::ToolDenied {
                tool_use_id: self.text("tool_use_id"),
                tool: self.text("tool_name")?,
                input: self.value("tool_input"),
                reason: self.text("reason").unwrap_or_default(),
            },
            "PermissionRequest" => Report::ApprovalRequested {
                tool: self.text("tool_name")?,
                input: self.value("tool_input"),
                tool_use_id: self.text("tool_use_id"),
                answerable: true,
                held: false,
            },
            "Notification" => Report::NotificationShown {
                message: self.text("message")?,
                category: self.text("notification_type").unwrap_or_default(),
            },
            "SubagentStart" => Report::SubagentStarted {
                subagent: self.text("agent_id")?,
                category: self.text("agent_type").unwrap_or_default(),
            },
            "SubagentStop" => Report::SubagentStopped {
                subagent: self.text("agent_id")?,
                message: self.text("last_assistant_message"),
            },
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn report(name: &str, body: Value) -> Parsed {
        parse(name, body)
    }

    #[test]
    fn the_bodies_own_name_counts_where_none_was_given() {
        let parsed = report("", json!({"hook_event_name": "Stop", "session_id": "s"}));
        assert_eq!(parsed.report, Report::TurnEnded { message: None });
        assert_eq!(parsed.session_id.as_deref(), Some("s"));
    }

    #[test]
    fn wrong_types_keep_the_payload_and_leave_a_note() {
        for (name, body) in [
            ("UserPromptSubmit", json!({"prompt": 7})),
            ("PreToolUse", json!({"tool_input": {}})),
            ("SessionStart", json!({"session_id": null})),
            ("MessageDisplay", json!({"message_id": "m", "delta": ["x"]})),
            ("Notification", json!({})),
        ] {
            let parsed = report(name, body.clone());
            assert_eq!(parsed.report, Report::Other { name: name.into(), payload: body });
            assert!(parsed.note.unwrap().contains(name));
        }
        assert!(report("Stop", json!(["array"])).note.is_some());
    }

    #[test]
    fn hooks_of_the_future_are_kept_without_a_fuss() {
        let parsed = report("CwdChanged", json!({"cwd": "/x"}));
        assert_eq!(parsed.report, Report::Other { name: "CwdChanged".into(), payload: json!({"cwd": "/x"}) });
        assert_eq!(parsed.note, None);
    }

    #[test]
    fn a_pasted_prompt_is_what_was_pasted() {
        let mark = |id: &str, text: &str| {
            format!("<pasted_content id=\"{id}\">\n{text}\n</pasted_content id=\"{id}\">\n")
        };
        let long = "word\n".repeat(crate::hooks::STRING_LIMIT);
        for (prompt, text) in [
            (format!("\n\n{}", mark("7a56", "fix\nit")), "\n\nfix\nit".to_owned()),
            (format!("see {}and {}", mark("1", "a"), mark("2", "b")), "see aand b".to_owned()),
            // The human's own words are left alone.
            (
                "write <pasted_content id=\"7\"> to x".to_owned(),
                "write <pasted_content id=\"7\"> to x".to_owned(),
            ),
            (mark("1", "</pasted_content id=\"2\">"), "</pasted_content id=\"2\">".to_owned()),
            (mark("1", &long), cut_text(&long)),
        ] {
            let parsed = report("UserPromptSubmit", json!({ "prompt": prompt }));
            assert_eq!(parsed.report, Report::PromptSubmitted { text });
        }
    }

    #[test]
    fn a_denied_tool_says_why() {
        let body =
            json!({"tool_name": "Bash", "tool_input": {"command": "rm"}, "tool_use_id": "t", "reason": "no"});
        let expected = Report::ToolDenied {
            tool_use_id: Some("t".into()),
            tool: "Bash".into(),
            input: json!({"command": "rm"}),
            reason: "no".into(),
        };
        assert_eq!(report("PermissionDenied", body).report, expected);
    }

    #[test]
    fn a_permission_nobody_waits_for_is_not_answerable() {
        let parsed = report("PermissionRequest", json!({"tool_name": "Edit"}));
        assert!(matches!(parsed.report, Report::ApprovalRequested { answerable: true, .. }));
        assert!(matches!(parsed.unanswerable().report, Report::ApprovalRequested { answerable: false, .. }));
    }
}
