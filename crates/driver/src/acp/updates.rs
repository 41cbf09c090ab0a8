//! What a program tells while it works: `session/update`, and what its sessions offer.

use orchflow_core::report::Report;
use orchflow_core::usage::{PlanStatus, PlanStep};
use serde_json::{Value, json};

use super::conversation::{Conversation, NONSENSE_KEPT, Output};
use crate::backend::Happening;
use crate::bounded::{self, bounded};

/// Most steps of a plan.
const STEPS: usize = 200;

pub(super) fn read(conversation: &mut Conversation, update: &Value) -> Vec<Output> {
    let tell = |happening| vec![Output::Tell(happening)];
    let text = |name: &str| update.get(name).and_then(Value::as_str);
    let Some(kind) = text("sessionUpdate") else { return odd(conversation, "session/update", update) };
    if conversation.is_replaying {
        // An old session told again: all of it was reported when it happened.
        return Vec::new();
    }
    conversation.failing.read(kind, update);
    match kind {
        "agent_message_chunk" => {
            conversation.usage.read_chunk(update);
            match words(update) {
                Some(words) if words.is_empty() => Vec::new(),
                Some(words) => {
                    let message = text("messageId").unwrap_or_default().to_owned();
                    tell(Happening::Words { message, text: words })
                }
                None => odd(conversation, kind, update),
            }
        }
        "agent_thought_chunk" => match words(update) {
            Some(words) if words.trim().is_empty() => Vec::new(),
            Some(words) => tell(Happening::Thought(words)),
            None => odd(conversation, kind, update),
        },
        "tool_call" | "tool_call_update" => {
            if text("toolCallId").is_none() {
                return odd(conversation, kind, update);
            }
            conversation.tools.update(update)
        }
        "plan" => match steps(update.get("entries")) {
            Some(steps) => tell(Happening::Report(Report::PlanUpdated { steps })),
            None => odd(conversation, kind, update),
        },
        "usage_update" => {
            conversation.usage.read_update(update);
            Vec::new()
        }
        "current_mode_update" => match text("currentModeId") {
            Some(mode) => tell(Happening::Note(format!("mode: {}", bounded::text(mode)))),
            None => odd(conversation, kind, update),
        },
        "notice" => match text("message").or_else(|| text("text")) {
            Some(notice) => tell(Happening::Report(Report::NotificationShown {
                message: bounded::text(notice),
                category: "notice".to_owned(),
            })),
            None => odd(conversation, kind, update),
        },
        "config_option_update" => {
            if let Some(model) = model_of(update) {
                conversation.usage.model = Some(model);
            }
            Vec::new()
        }
        // The human's own words, the names of commands, titles, and how a context is compacted.
        "user_message_chunk"
        | "available_commands_update"
        | "session_info_update"
        | "compaction_update"
        | "compaction_summary_chunk" => Vec::new(),
        _ => odd(conversation, kind, update),
    }
}

/// Keeps an update this version has no word for, or that lacks what it always has; a flood of them is not kept.
fn odd(conversation: &mut Conversation, kind: &str, update: &Value) -> Vec<Output> {
    conversation.odd_in_turn += 1;
    if conversation.odd_in_turn > NONSENSE_KEPT {
        return Vec::new();
    }
    let name = format!("acp {}", orchflow_core::describe::one_line(kind));
    vec![Output::Tell(Happening::Report(Report::Other { name, payload: bounded(update) }))]
}

/// Reads a chunk's words; what is no text is named.
fn words(update: &Value) -> Option<String> {
    let content = &update["content"];
    match content.get("type").and_then(Value::as_str)? {
        "text" => content.get("text").and_then(Value::as_str).map(str::to_owned),
        other => Some(format!("[{other}]")),
    }
}

/// Reads the steps of a plan; what is no step is left out.
pub(super) fn steps(entries: Option<&Value>) -> Option<Vec<PlanStep>> {
    let steps = entries?.as_array()?.iter().take(STEPS).filter_map(|entry| {
        let status = match entry.get("status").and_then(Value::as_str) {
            Some("completed") => PlanStatus::Completed,
            Some("in_progress") => PlanStatus::InProgress,
            _ => PlanStatus::Pending,
        };
        let text = bounded::text(entry.get("content").and_then(Value::as_str)?);
        Some(PlanStep { text, status })
    });
    Some(steps.collect())
}

/// Finds the model a session works with.
pub(super) fn model_of(result: &Value) -> Option<String> {
    let options = result["configOptions"].as_array();
    let option = options.and_then(|options| options.iter().find(|option| option["id"] == "model"));
    let model = option.map(|option| &option["currentValue"]).unwrap_or(&result["models"]["currentModelId"]);
    let model = model.as_str().filter(|model| !model.is_empty())?;
    Some(orchflow_core::describe::one_line(model))
}

/// Finds how a session is put into a mode, by its id or its name: the method and its parameters, or what
/// modes there are.
pub(super) fn find_mode(result: &Value, wanted: &str) -> Result<(&'static str, Value), String> {
    let is_wanted = |value: &Value| value.as_str().is_some_and(|text| text.eq_ignore_ascii_case(wanted));
    let empty = Vec::new();
    let modes = result["modes"]["availableModes"].as_array().unwrap_or(&empty);
    if let Some(mode) = modes.iter().find(|mode| is_wanted(&mode["id"]) || is_wanted(&mode["name"])) {
        return Ok(("session/set_mode", json!({ "modeId": mode["id"] })));
    }
    let options = result["configOptions"].as_array().unwrap_or(&empty);
    let option = options.iter().find(|option| option["category"] == "mode" || option["id"] == "mode");
    let values = option.and_then(|option| option["options"].as_array()).unwrap_or(&empty);
    let value = values.iter().find(|value| is_wanted(&value["value"]) || is_wanted(&value["name"]));
    if let (Some(option), Some(value)) = (option, value) {
        let params = json!({ "configId": option["id"], "value": value["value"] });
        return Ok(("session/set_config_option", params));
    }
    let names = modes.iter().map(|mode| &mode["id"]).chain(values.iter().map(|value| &value["name"]));
    let mut names: Vec<&str> = names.filter_map(Value::as_str).take(20).collect();
    names.dedup();
    Err(if names.is_empty() { "it has no modes".to_owned() } else { format!("it has: {}", names.join(", ")) })
}
