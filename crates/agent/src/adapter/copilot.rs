//! GitHub Copilot CLI, as of version 1.0.102: hooks by a plugin of the launch (`--plugin-dir`), answers to
//! `permissionRequest`.
//!
//! While the hook that asks waits, Copilot shows no dialog of its own; it does once the hook has no opinion. Nothing
//! tells of an Esc, and a turn that the model's provider ended has `errorOccurred` but no `agentStop`.

use orchflow_core::report::{Channel, Report};
use orchflow_core::usage::LimitKind;
use serde_json::{Map, Value, json};

use super::fields::Fields;
use super::{Adapter, hook_path, quote};
use crate::catalogue::Entry;
use crate::hooks::{Answer, Parsed, cut, cut_text};
use crate::launch::{Launch, LaunchContext, LaunchError};

/// GitHub Copilot CLI.
pub(super) const ADAPTER: Adapter = Adapter { name: "copilot", hooks: true, launch, parse, answer };

/// The hooks that only report.
const REPORTED: [&str; 11] = [
    "sessionStart",
    "userPromptSubmitted",
    "preToolUse",
    "postToolUse",
    "postToolUseFailure",
    "notification",
    "agentStop",
    "subagentStart",
    "subagentStop",
    "errorOccurred",
    "sessionEnd",
];

/// The hook that asks.
const ASKS: &str = "permissionRequest";

/// After so many seconds Copilot ends a hook that reports; our own limit is one.
const REPORT_TIMEOUT_S: u32 = 10;

/// The same for the hook that asks; the hook itself gives up ten seconds before.
const DECISION_TIMEOUT_S: u32 = 600;

/// Adds the plugin of this launch and, for a new session, its id.
fn launch(entry: &Entry, context: &LaunchContext, launch: &mut Launch) -> Result<(), LaunchError> {
    let folder = context.agent_dir.join("copilot-plugin");
    let manifest = json!({
        "name": "orchflow",
        "version": env!("CARGO_PKG_VERSION"),
        "description": "Tells orchflow what this session does, and asks it for permissions",
        "hooks": "hooks/hooks.json",
    });
    let files = [("plugin.json", manifest), ("hooks/hooks.json", hooks(hook_path(entry, context)?))];
    for (name, value) in files {
        launch.files.push((folder.join(name), format!("{value:#}\n").into_bytes(), 0o600));
    }
    launch.argv.extend(["--plugin-dir".into(), folder.into()]);
    if let (Some(session), None) = (&context.session_id, &context.resume) {
        launch.argv.extend(["--session-id".into(), session.into()]);
    }
    Ok(())
}

fn hooks(hook_program: &str) -> Value {
    let program = quote(hook_program);
    let hook = |name: &str, options: String, timeout: u32| {
        let command = format!("{program}{options} copilot {name}");
        json!([{ "type": "command", "bash": command, "timeoutSec": timeout }])
    };
    let mut hooks = Map::new();
    for name in REPORTED {
        hooks.insert(name.to_owned(), hook(name, String::new(), REPORT_TIMEOUT_S));
    }
    let wait = format!(" --wait {}", DECISION_TIMEOUT_S - 10);
    hooks.insert(ASKS.to_owned(), hook(ASKS, wait, DECISION_TIMEOUT_S));
    json!({ "version": 1, "hooks": hooks })
}

fn parse(name: &str, value: Value) -> Parsed {
    let Value::Object(body) = value else {
        return Parsed::other(name, value, "the body is not a JSON object");
    };
    let fields = Fields(body);
    let session_id = fields.text("sessionId");
    let subagent = fields.text("agentId");
    let (report, note) = match read(name, &fields) {
        Some(report) => (report, None),
        None => {
            let is_known = name == ASKS || REPORTED.contains(&name);
            let note = is_known.then(|| format!("the hook {name} lacks a field it always had"));
            (Report::Other { name: cut_text(name), payload: fields.whole() }, note)
        }
    };
    Parsed { report, channel: Channel::Hook, session_id, subagent, note }
}

/// Gives the report, or nothing where a field it cannot do without is missing or of another type.
fn read(name: &str, fields: &Fields) -> Option<Report> {
    if fields.text("agentId").is_some() && matches!(name, "userPromptSubmitted" | "agentStop") {
        // A subagent's: it has hooks of its own for both.
        return Some(Report::Other { name: name.to_owned(), payload: cut(Value::Object(fields.0.clone())) });
    }
    Some(match name {
        "sessionStart" => Report::SessionStarted {
            session_id: fields.text("sessionId")?,
            source: fields.text("source").unwrap_or_default(),
        },
        "sessionEnd" => Report::SessionEnded { reason: fields.text("reason").unwrap_or_default() },
        "userPromptSubmitted" => Report::PromptSubmitted { text: fields.text("prompt")? },
        "preToolUse" => Report::ToolRequested {
            tool_use_id: None,
            tool: fields.text("toolName")?,
            input: fields.value("toolArgs"),
        },
        "postToolUse" | "postToolUseFailure" => tool_ended(fields)?,
        "permissionRequest" => Report::ApprovalRequested {
            tool: fields.text("toolName")?,
            input: fields.value("toolInput"),
            tool_use_id: None,
            answerable: true,
        },
        "notification" => Report::NotificationShown {
            message: fields.text("message")?,
            category: fields.text("notification_type").unwrap_or_default(),
        },
        "agentStop" => Report::TurnEnded { message: None },
        "subagentStart" => Report::SubagentStarted {
            subagent: fields.text("agentId").or_else(|| fields.text("agentName"))?,
            category: fields.text("agentName").unwrap_or_default(),
        },
        "subagentStop" => Report::SubagentStopped {
            subagent: fields.text("agentId").or_else(|| fields.text("agentName"))?,
            message: fields.text("response"),
        },
        "errorOccurred" => return failure(fields),
        _ => return None,
    })
}

/// Reads how a tool ended: its result says whether it ran.
fn tool_ended(fields: &Fields) -> Option<Report> {
    let (tool, input) = (fields.text("toolName")?, fields.value("toolArgs"));
    let said = fields.deep_text("toolResult/textResultForLlm").or_else(|| fields.text("error"));
    Some(match fields.deep_text("toolResult/resultType").as_deref() {
        Some("success") => Report::ToolFinished {
            tool_use_id: None,
            tool,
            input,
            response: fields.value("toolResult"),
            duration_ms: fields.number("durationMs"),
        },
        Some("rejected" | "denied") => {
            Report::ToolDenied { tool_use_id: None, tool, input, reason: said.unwrap_or_default() }
        }
        _ => Report::ToolFailed {
            tool_use_id: None,
            tool,
            input,
            error: said.unwrap_or_default(),
            interrupted: false,
        },
    })
}

/// Reads an error. What its provider refuses for a while Copilot tries again, with this hook for each time; every
/// other error of the model ends the turn.
fn failure(fields: &Fields) -> Option<Report> {
    let told = fields.deep_text("error/message").or_else(|| fields.text("error"))?;
    if fields.text("errorContext").as_deref() != Some("model_call") {
        return None;
    }
    let body: Value = serde_json::from_str(&told).unwrap_or(Value::Null);
    let message = body.get("message").and_then(Value::as_str).map_or_else(|| told.clone(), cut_text);
    let limit = match body.get("code").and_then(Value::as_u64) {
        Some(429) => LimitKind::Rate,
        Some(402) => LimitKind::Quota,
        Some(503 | 529) => LimitKind::Overloaded,
        _ => return Some(Report::TurnFailed { error: message, message: None }),
    };
    Some(Report::LimitReached { limit, message, resets_at: None })
}

fn answer(name: &str, answer: &Answer) -> Option<Value> {
    match (name, answer) {
        // Other arguments than those asked for cannot be given: then its own dialog asks.
        (ASKS, Answer::Allow { updated_input: None }) => Some(json!({ "behavior": "allow" })),
        (ASKS, Answer::Deny { reason }) => Some(json!({ "behavior": "deny", "message": reason })),
        ("preToolUse", Answer::Deny { reason }) => {
            Some(json!({ "permissionDecision": "deny", "permissionDecisionReason": reason }))
        }
        _ => None,
    }
}
