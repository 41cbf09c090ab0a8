//! Hooks of the user's own agents, read by the rows of their catalogue entry.

use orchflow_core::report::{Channel, Report};
use orchflow_core::usage::Usage;
use serde_json::Value;

use super::{Answer, HookOutput, Parsed, cut, cut_text};
use crate::catalogue::{Entry, Mapping, OwnHooks, fill};

/// Reads the body of a hook of an entry.
pub(super) fn parse(entry: &Entry, name: &str, body: Value) -> Parsed {
    let Some(hooks) = &entry.hooks else {
        return Parsed::other(name, body, format!("the agent {} has no [hooks] any more", entry.name));
    };
    let name = name_of(hooks, name, &body);
    let session_id = hooks.session.as_ref().and_then(|pointer| body.pointer(pointer)?.as_str().map(cut_text));
    let row = row_of(hooks, &name, &body);
    let report = row.and_then(|row| report(row, &Fields { row, body: &body }));
    let note = match (&report, row) {
        (None, Some(row)) => Some(format!("the hook {name} has not all that {} needs", row.report)),
        _ => None,
    };
    let report = report.unwrap_or_else(|| Report::Other { name: cut_text(&name), payload: cut(body) });
    Parsed { report, channel: Channel::Hook, session_id, subagent: None, note }
}

/// Writes an answer in the words of an entry.
pub(super) fn answer(entry: &Entry, name: &str, body: &[u8], answer: &Answer) -> HookOutput {
    let said = entry.hooks.as_ref().and_then(|hooks| {
        let body = serde_json::from_slice(body).unwrap_or_default();
        let row = row_of(hooks, &name_of(hooks, name, &body), &body)?;
        let (text, reason) = match answer {
            Answer::Allow { .. } => (row.allow.as_ref()?, ""),
            Answer::Deny { reason } => (row.deny.as_ref()?, reason.as_str()),
            Answer::NoOpinion => return None,
        };
        fill(text, &["reason"], |_| Some(reason.to_owned())).ok()
    });
    HookOutput { output: said.unwrap_or_default().into_bytes(), exit: 0 }
}

fn name_of(hooks: &OwnHooks, name: &str, body: &Value) -> String {
    let named = || Some(body.pointer(hooks.name.as_ref()?)?.as_str()?.to_owned());
    if name.is_empty() { named().unwrap_or_default() } else { name.to_owned() }
}

fn row_of<'a>(hooks: &'a OwnHooks, name: &str, body: &Value) -> Option<&'a Mapping> {
    hooks.report.iter().find(|row| {
        let fits = |(pointer, text): (&String, &String)| {
            body.pointer(pointer).is_some_and(|value| value.as_str() == Some(text))
        };
        row.hook == name && row.when.iter().all(fits)
    })
}

/// The fields of a row, looked up in a body.
struct Fields<'a> {
    row: &'a Mapping,
    body: &'a Value,
}

impl Fields<'_> {
    fn value(&self, field: &str) -> Option<Value> {
        let place = self.row.fields.get(field)?;
        if place.starts_with('/') || place.is_empty() {
            self.body.pointer(place).cloned().map(cut)
        } else {
            Some(Value::String(place.clone()))
        }
    }

    fn text(&self, field: &str) -> Option<String> {
        match self.value(field)? {
            Value::String(text) => Some(text),
            Value::Null => None,
            other => Some(cut_text(&other.to_string())),
        }
    }

    /// Reads a number, also one that comes as text or with a fraction.
    fn number(&self, field: &str) -> Option<f64> {
        match self.value(field)? {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        }
        .filter(|number| number.is_finite() && *number >= 0.0)
    }

    fn count(&self, field: &str) -> Option<u64> {
        self.number(field).map(|number| number as u64)
    }
}

/// Makes the report, or nothing where a field it cannot do without is missing.
fn report(row: &Mapping, fields: &Fields<'_>) -> Option<Report> {
    let text = |field: &str| fields.text(field).unwrap_or_default();
    let value = |field: &str| fields.value(field).unwrap_or(Value::Null);
    Some(match row.report.as_str() {
        "session_started" => {
            Report::SessionStarted { session_id: fields.text("session_id")?, source: text("source") }
        }
        "session_ended" => Report::SessionEnded { reason: text("reason") },
        "prompt_submitted" => Report::PromptSubmitted { text: fields.text("text")? },
        "turn_ended" => Report::TurnEnded { message: fields.text("message") },
        "turn_failed" => Report::TurnFailed {
            error: fields.text("error").unwrap_or_else(|| "unknown".to_owned()),
            message: fields.text("message"),
        },
        "tool_requested" => Report::ToolRequested {
            tool_use_id: fields.text("tool_use_id"),
            tool: fields.text("tool")?,
            input: value("input"),
        },
        "tool_finished" => Report::ToolFinished {
            tool_use_id: fields.text("tool_use_id"),
            tool: fields.text("tool")?,
            input: value("input"),
            response: value("response"),
            duration_ms: fields.count("duration_ms"),
        },
        "tool_failed" => Report::ToolFailed {
            tool_use_id: fields.text("tool_use_id"),
            tool: fields.text("tool")?,
            input: value("input"),
            error: text("error"),
            interrupted: false,
        },
        "tool_denied" => Report::ToolDenied {
            tool_use_id: fields.text("tool_use_id"),
            tool: fields.text("tool")?,
            input: value("input"),
            reason: text("reason"),
        },
        "approval_requested" => Report::ApprovalRequested {
            tool: fields.text("tool")?,
            input: value("input"),
            tool_use_id: fields.text("tool_use_id"),
            answerable: row.allow.is_some() && row.deny.is_some(),
            held: row.held,
        },
        "text_displayed" => Report::TextDisplayed {
            message_id: text("message_id"),
            index: 0,
            last: true,
            text: fields.text("text")?,
        },
        "notification_shown" => {
            Report::NotificationShown { message: fields.text("message")?, category: text("category") }
        }
        "usage_reported" => Report::UsageReported {
            usage: Usage {
                model: fields.text("model"),
                input_tokens: fields.count("input_tokens").unwrap_or(0),
                cached_tokens: fields.count("cached_tokens").unwrap_or(0),
                cache_write_tokens: fields.count("cache_write_tokens").unwrap_or(0),
                output_tokens: fields.count("output_tokens").unwrap_or(0),
                reasoning_tokens: fields.count("reasoning_tokens").unwrap_or(0),
                cost_usd: fields.number("cost_usd"),
                is_total: false,
                context: None,
            },
        },
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::{answer_of, parse_of};
    use super::*;
    use crate::catalogue::Catalogue;
    use serde_json::json;

    const MINE: &str = r#"
program = "mine"
[hooks]
name = "/event"
session = "/meta/session"
[[hooks.report]]
hook = "ask"
when = { "/about" = "tool" }
report = "approval_requested"
fields = { tool = "/call/name", input = "/call/arguments" }
allow = '{"ok":true}'
deny = '{"ok":false,"why":"{reason|json}"}'
[[hooks.report]]
hook = "ask"
report = "notification_shown"
fields = { message = "/text", category = "question" }
[[hooks.report]]
hook = "used"
report = "usage_reported"
fields = { input_tokens = "/in", output_tokens = "/out", model = "/model" }
"#;

    fn catalogue() -> Catalogue {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("mine.toml"), MINE).unwrap();
        let (catalogue, problems) = Catalogue::load(Some(directory.path()));
        assert_eq!(problems, []);
        catalogue
    }

    #[test]
    fn a_body_becomes_the_report_of_the_first_row_that_fits() {
        let catalogue = catalogue();
        let read = |name: &str, body: Value| {
            let parsed = parse_of(&catalogue, "kind:mine", name, body.to_string().as_bytes());
            assert_eq!(parsed.note, None);
            parsed
        };
        let body = json!({"event": "ask", "about": "tool", "call": {"name": "sh", "arguments": {"c": "ls"}},
            "meta": {"session": "s-1"}});
        let asked = read("", body.clone());
        assert_eq!(asked.session_id.as_deref(), Some("s-1"));
        let expected = Report::ApprovalRequested {
            tool: "sh".into(),
            input: json!({"c": "ls"}),
            tool_use_id: None,
            answerable: true,
            held: false,
        };
        assert_eq!(asked.report, expected);
        assert_eq!(
            read("ask", json!({"about": "you", "text": "which?"})).report,
            Report::NotificationShown { message: "which?".into(), category: "question".into() }
        );
        let used = read("used", json!({"in": 12.0, "out": "30", "model": "m", "more": [1]})).report;
        let Report::UsageReported { usage } = used else { panic!() };
        assert_eq!((usage.input_tokens, usage.output_tokens, usage.model.as_deref()), (12, 30, Some("m")));
        assert!(matches!(read("else", json!({})).report, Report::Other { .. }));

        let said = |answer: &Answer| {
            let output = answer_of(&catalogue, "kind:mine", "", body.to_string().as_bytes(), answer).output;
            String::from_utf8(output).unwrap()
        };
        assert_eq!(said(&Answer::Allow { updated_input: None }), r#"{"ok":true}"#);
        assert_eq!(
            said(&Answer::Deny { reason: "not \"so\" {reason}".into() }),
            r#"{"ok":false,"why":"not \"so\" {reason}"}"#
        );
        assert_eq!(said(&Answer::NoOpinion), "");
    }

    #[test]
    fn a_body_without_a_needed_field_is_kept_with_a_note() {
        let catalogue = catalogue();
        let parsed = parse_of(&catalogue, "kind:mine", "ask", br#"{"about":"tool"}"#);
        assert!(matches!(parsed.report, Report::Other { .. }), "{parsed:?}");
        assert!(parsed.note.unwrap().contains("approval_requested"));
        let gone = parse_of(&catalogue, "kind:yours", "ask", b"{}");
        assert!(gone.note.unwrap().contains("yours"));
        for body in [&b"\xff"[..], b"", b"[1]", b"7"] {
            let parsed = parse_of(&catalogue, "kind:mine", "", body);
            assert!(matches!(parsed.report, Report::Other { .. }), "{parsed:?}");
        }
    }
}
