//! The settings file that makes Claude Code report its actions.

use serde_json::{Map, Value, json};

use crate::adapter::{hook_path, quote};
use crate::catalogue::Entry;
use crate::launch::{Launch, LaunchContext, LaunchError};

/// The hooks that Claude Code 2.1.329 was seen to deliver, and the two around a compaction.
const REPORTED: [&str; 16] = [
    "SessionStart",
    "UserPromptSubmit",
    "MessageDisplay",
    "PreToolUse",
    "PostToolUse",
    "PostToolUseFailure",
    "PostToolBatch",
    "PermissionDenied",
    "Notification",
    "SubagentStart",
    "SubagentStop",
    "Stop",
    "StopFailure",
    "SessionEnd",
    "PreCompact",
    "PostCompact",
];

/// After so many seconds Claude Code ends a hook that reports; our own limit is one.
const REPORT_TIMEOUT_S: u32 = 10;

/// Adds the settings file and, for a new session, its id.
pub(super) fn launch(entry: &Entry, context: &LaunchContext, launch: &mut Launch) -> Result<(), LaunchError> {
    let file = context.agent_dir.join("settings.json");
    launch.files.push((file.clone(), settings(hook_path(entry, context)?, entry.approval.wait_s), 0o600));
    launch.argv.extend(["--settings".into(), file.into()]);
    if let (Some(session), None) = (&context.session_id, &context.resume) {
        launch.argv.extend(["--session-id".into(), session.into()]);
    }
    Ok(())
}

/// Writes the settings, given the path of the hook program and how many seconds the hook that asks waits; Claude Code
/// shows its own dialog meanwhile.
fn settings(hook_program: &str, wait_s: u32) -> Vec<u8> {
    let program = quote(hook_program);
    let hook = |name: &str, options: String, timeout: u32| {
        let command = format!("{program}{options} claude {name}");
        json!([{ "hooks": [{ "type": "command", "command": command, "timeout": timeout }] }])
    };
    let mut hooks = Map::new();
    for name in REPORTED {
        hooks.insert(name.to_owned(), hook(name, String::new(), REPORT_TIMEOUT_S));
    }
    let wait = if wait_s == 0 { String::new() } else { format!(" --wait {wait_s}") };
    hooks.insert("PermissionRequest".to_owned(), hook("PermissionRequest", wait, wait_s + 10));
    let mut text = format!("{:#}", Value::Object(Map::from_iter([("hooks".to_owned(), hooks.into())])));
    text.push('\n');
    text.into_bytes()
}
