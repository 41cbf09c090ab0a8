//! Claude Code, as of version 2.1.329: hooks by `--settings` of the launch, answers to `PermissionRequest` and
//! `PreToolUse`.

mod launch;
mod read;

use serde_json::{Value, json};

use super::Adapter;
use crate::hooks::Answer;

/// Claude Code.
pub(super) const ADAPTER: Adapter =
    Adapter { name: "claude", hooks: true, launch: launch::launch, parse: read::parse, answer };

/// Writes an answer as `hookSpecificOutput`.
pub(crate) fn answer(name: &str, answer: &Answer) -> Option<Value> {
    let decision = match (name, answer) {
        ("PermissionRequest", Answer::Allow { updated_input }) => {
            let mut decision = json!({ "behavior": "allow" });
            if let Some(input) = updated_input {
                decision["updatedInput"] = input.clone();
            }
            json!({ "hookEventName": name, "decision": decision })
        }
        ("PermissionRequest", Answer::Deny { reason }) => {
            json!({ "hookEventName": name, "decision": { "behavior": "deny", "message": reason } })
        }
        ("PreToolUse", Answer::Allow { updated_input }) => {
            let mut decision = json!({ "hookEventName": name, "permissionDecision": "allow" });
            if let Some(input) = updated_input {
                decision["updatedInput"] = input.clone();
            }
            decision
        }
        ("PreToolUse", Answer::Deny { reason }) => json!({
            "hookEventName": name,
            "permissionDecision": "deny",
            "permissionDecisionReason": reason,
        }),
        _ => return None,
    };
    Some(json!({ "hookSpecificOutput": decision }))
}
