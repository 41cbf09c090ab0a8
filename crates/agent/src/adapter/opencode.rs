//! opencode, as of version 1.18.33: a plugin of the launch, named in `OPENCODE_CONFIG_CONTENT` beside what the user
//! has there, tells of its own events and hands the human's answers to its server.
//!
//! The bodies are the plugin's (`opencode/plugin.js`), which keeps opencode's own words.

use orchflow_core::report::{Channel, Report, StatedState};
use orchflow_core::usage::{LimitKind, PlanStatus, PlanStep, Usage};
use serde_json::{Value, json};

use super::fields::Fields;
use super::{Adapter, text_path};
use crate::catalogue::Entry;
use crate::hooks::{Answer, Parsed, cut_text};
use crate::launch::{Launch, LaunchContext, LaunchError};

/// opencode.
pub(super) const ADAPTER: Adapter =
    Adapter { name: "opencode", hooks: true, launch, parse, answer, notice: None, trusts: None };

/// What opencode loads; it finds the hook program in its environment.
const PLUGIN: &str = include_str!("opencode/plugin.js");

/// The variable that holds configuration of one launch.
const CONFIG: &str = "OPENCODE_CONFIG_CONTENT";

/// How opencode begins to say that a tool was not allowed.
const REJECTED: &str = "The user rejected permission";

/// Adds the plugin to the configuration of this launch, behind those of the user.
fn launch(entry: &Entry, context: &LaunchContext, launch: &mut Launch) -> Result<(), LaunchError> {
    let file = context.agent_dir.join("opencode-plugin.js");
    let url = format!("file://{}", percent_encoded(text_path(entry, &file)?));
    let place = launch.environment.iter().position(|(name, _)| name == CONFIG);
    let mut config = match place.map(|place| launch.environment.swap_remove(place).1) {
        None => json!({}),
        Some(text) => {
            let refused = || LaunchError::Environment {
                name: CONFIG.to_owned(),
                agent: entry.title.clone(),
                wanted: "a JSON object without comments, whose `plugin`, if there is one, is a list"
                    .to_owned(),
            };
            let value: Value =
                text.to_str().and_then(|text| serde_json::from_str(text).ok()).ok_or_else(refused)?;
            if !value.is_object() || value.get("plugin").is_some_and(|plugin| !plugin.is_array()) {
                return Err(refused());
            }
            value
        }
    };
    let mut plugins = config.get("plugin").and_then(Value::as_array).cloned().unwrap_or_default();
    plugins.push(url.into());
    config["plugin"] = plugins.into();
    launch.environment.push((CONFIG.into(), config.to_string().into()));
    launch.files.push((file, PLUGIN.as_bytes().to_vec(), 0o600));
    Ok(())
}

/// Writes a path as the path of a URL.
fn percent_encoded(path: &str) -> String {
    let mut encoded = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

fn parse(name: &str, value: Value) -> Parsed {
    let Value::Object(body) = value else {
        return Parsed::other(name, value, "the body is not a JSON object");
    };
    let fields = Fields(body);
    let session_id = fields.text("sessionID");
    let subagent = fields.text("subagent");
    let (report, note) = match read(name, &fields) {
        Some(report) => (report, None),
        None => {
            let note = (name != "loaded").then(|| format!("the plugin's {name} lacks a field it always had"));
            (Report::Other { name: cut_text(name), payload: fields.whole() }, note)
        }
    };
    Parsed { report, channel: Channel::Hook, session_id, subagent, note }
}

/// Gives the report, or nothing where a field it cannot do without is missing or of another type.
fn read(name: &str, fields: &Fields) -> Option<Report> {
    let stated = |state| Report::StatusStated { state, detail: None, category: None };
    Some(match name {
        "session.started" => Report::SessionStarted {
            session_id: fields.text("sessionID")?,
            source: fields.text("source").unwrap_or_default(),
        },
        "chat.message" => Report::PromptSubmitted { text: fields.text("text")? },
        "session.busy" => stated(StatedState::Working),
        "session.interrupted" => stated(StatedState::Idle),
        "session.idle" => Report::TurnEnded { message: fields.text("text") },
        "session.error" => Report::TurnFailed {
            error: fields.deep_text("error/data/message").or_else(|| fields.deep_text("error/name"))?,
            message: None,
        },
        "session.retry" => {
            let message = fields.text("message")?;
            Report::LimitReached { limit: limit(&message), message, resets_at: None }
        }
        "text" => Report::TextDisplayed {
            message_id: fields.text("id")?,
            index: 0,
            last: true,
            text: fields.text("text")?,
        },
        "tool.execute.before" => Report::ToolRequested {
            tool_use_id: fields.text("callID"),
            tool: fields.text("tool")?,
            input: fields.value("args"),
        },
        "tool.ended" => tool_ended(fields)?,
        "step-finish" => usage(fields)?,
        "permission.asked" => Report::ApprovalRequested {
            tool: fields.text("permission")?,
            input: fields.value("input"),
            tool_use_id: fields.text("callID"),
            answerable: true,
            held: false,
        },
        // The others of several tools asked for at once still wait.
        "permission.replied" if fields.number("open")? > 0 => {
            Report::Other { name: name.to_owned(), payload: json!({ "reply": fields.value("reply") }) }
        }
        "permission.replied" => stated(StatedState::Working),
        "todo.updated" => Report::PlanUpdated { steps: steps(fields)? },
        "subagent.started" => Report::SubagentStarted {
            subagent: fields.text("subagent")?,
            category: fields.text("agent").unwrap_or_default(),
        },
        "subagent.stopped" => {
            Report::SubagentStopped { subagent: fields.text("subagent")?, message: fields.text("text") }
        }
        _ => return None,
    })
}

fn tool_ended(fields: &Fields) -> Option<Report> {
    let (tool_use_id, tool, input) = (fields.text("callID"), fields.text("tool")?, fields.value("input"));
    if fields.text("status")? == "completed" {
        let response = json!({
            "title": fields.value("title"),
            "output": fields.value("output"),
            "diff": fields.value("diff"),
        });
        let duration_ms = fields.number("duration");
        return Some(Report::ToolFinished { tool_use_id, tool, input, response, duration_ms });
    }
    let error = fields.text("error").unwrap_or_default();
    Some(if error.starts_with(REJECTED) {
        Report::ToolDenied { tool_use_id, tool, input, reason: error }
    } else {
        Report::ToolFailed { tool_use_id, tool, input, interrupted: error == "Tool execution aborted", error }
    })
}

/// Reads what one answer of the model used.
fn usage(fields: &Fields) -> Option<Report> {
    let tokens = fields.0.get("tokens")?;
    let count = |pointer: &str| tokens.pointer(pointer).and_then(Value::as_u64).unwrap_or(0);
    let reasoning_tokens = count("/reasoning");
    // It says 0 of models whose price it does not know.
    let cost_usd = fields.0.get("cost").and_then(Value::as_f64).filter(|cost| *cost > 0.0);
    let usage = Usage {
        model: fields.text("model"),
        input_tokens: count("/input"),
        cached_tokens: count("/cache/read"),
        cache_write_tokens: count("/cache/write"),
        output_tokens: count("/output") + reasoning_tokens,
        reasoning_tokens,
        cost_usd,
        ..Usage::default()
    };
    Some(Report::UsageReported { usage })
}

/// Tells from the words of a refusal why its model does not answer; it is tried again by itself.
fn limit(message: &str) -> LimitKind {
    let words = message.to_lowercase();
    if ["quota", "usage limit", "billing", "credit"].iter().any(|word| words.contains(word)) {
        LimitKind::Quota
    } else if ["overloaded", "unavailable", "529", "503"].iter().any(|word| words.contains(word)) {
        LimitKind::Overloaded
    } else {
        LimitKind::Rate
    }
}

fn steps(fields: &Fields) -> Option<Vec<PlanStep>> {
    let todos = fields.0.get("todos")?.as_array()?;
    let step = |todo: &Value| {
        let status = match todo.get("status").and_then(Value::as_str) {
            Some("in_progress") => PlanStatus::InProgress,
            Some("completed" | "cancelled") => PlanStatus::Completed,
            _ => PlanStatus::Pending,
        };
        Some(PlanStep { text: cut_text(todo.get("content")?.as_str()?), status })
    };
    Some(todos.iter().filter_map(step).collect())
}

fn answer(name: &str, answer: &Answer) -> Option<Value> {
    match (name, answer) {
        // Other arguments than those asked for cannot be given: then its own dialog asks.
        ("permission.asked", Answer::Allow { updated_input: None }) => Some(json!({ "reply": "once" })),
        ("permission.asked", Answer::Deny { reason }) => {
            Some(json!({ "reply": "reject", "message": reason }))
        }
        _ => None,
    }
}
