//! aider, as of version 0.86.2: it has no hooks. Its notification command, which it runs when an answer of its model
//! is there and it waits for the human, hands over the last line of its own log, which has the tokens and the cost.
//!
//! It says neither that it works nor whether it waits with a question or with its input line; that is seen by its
//! terminal: its input line reads pastes, and it prints while it works.

use orchflow_core::report::{Channel, Report};
use orchflow_core::usage::Usage;
use serde_json::Value;

use super::fields::Fields;
use super::{Adapter, hook_path, quote, text_path};
use crate::catalogue::Entry;
use crate::hooks::{Answer, Parsed, cut_text};
use crate::launch::{Launch, LaunchContext, LaunchError};

/// aider.
pub(super) const ADAPTER: Adapter =
    Adapter { name: "aider", hooks: false, launch, parse, answer, notice: None, trusts: None };

/// Where it writes what was said, in the agent's folder.
pub(crate) const CHAT: &str = "aider-chat.md";

/// The hook's name.
const NOTIFIED: &str = "notified";

/// Adds what makes it tell of its usage, and keeps its histories out of the worktree.
fn launch(entry: &Entry, context: &LaunchContext, launch: &mut Launch) -> Result<(), LaunchError> {
    let file = |name: &str| -> Result<String, LaunchError> {
        text_path(entry, &context.agent_dir.join(name)).map(str::to_owned)
    };
    let log = file("aider-events.jsonl")?;
    let hook = quote(hook_path(entry, context)?);
    // Of several answers in one turn each has its line, and its notification.
    let command = format!("tail -n 1 {} | {hook} aider {NOTIFIED}", quote(&log));
    for (option, value) in [
        ("--chat-history-file", file(CHAT)?),
        ("--input-history-file", file("aider-input")?),
        ("--analytics-log", log),
        ("--notifications-command", command),
    ] {
        launch.argv.extend([option.into(), value.into()]);
    }
    launch.argv.push("--notifications".into());
    Ok(())
}

fn parse(name: &str, value: Value) -> Parsed {
    let Value::Object(body) = value else {
        return Parsed::other(name, value, "the body is not a JSON object");
    };
    let fields = Fields(body);
    let report = usage(&fields)
        .map(|usage| Report::UsageReported { usage })
        // What has no model behind it notifies as well.
        .unwrap_or_else(|| Report::NotificationShown {
            message: "aider waits for you".to_owned(),
            category: fields.text("event").unwrap_or_default(),
        });
    Parsed { report, channel: Channel::Hook, session_id: None, subagent: None, note: None }
}

/// Reads what one answer of the model used. Its log names models of well-known makers only.
fn usage(fields: &Fields) -> Option<Usage> {
    if fields.text("event")? != "message_send" {
        return None;
    }
    let properties = fields.0.get("properties")?;
    let count = |name: &str| properties.get(name).and_then(Value::as_u64);
    // It counts 0 for models whose price it does not know.
    let cost_usd = properties.get("cost").and_then(Value::as_f64).filter(|cost| *cost > 0.0);
    let model = fields.deep_text("properties/main_model").filter(|model| !model.ends_with("/REDACTED"));
    Some(Usage {
        model: model.map(|model| cut_text(&model)),
        input_tokens: count("prompt_tokens")?,
        output_tokens: count("completion_tokens")?,
        cost_usd,
        ..Usage::default()
    })
}

/// It asks in its pane only.
fn answer(_: &str, _: &Answer) -> Option<Value> {
    None
}
