//! Qwen Code, as of version 0.24.4: hooks by a file of settings that stand below the user's, status by its window
//! title, answers to `PermissionRequest`.

use serde_json::{Map, Value, json};

use super::{Adapter, claude, hook_path, quote};
use crate::catalogue::Entry;
use crate::hooks::{Parsed, cut};
use crate::launch::{Launch, LaunchContext, LaunchError};
use crate::trust::{Query, Rules};
use orchflow_core::report::Report;

/// Qwen Code.
pub(super) const ADAPTER: Adapter = Adapter {
    name: "qwen",
    hooks: true,
    launch,
    parse,
    answer: claude::answer,
    notice: None,
    trusts: Some(trusts),
};

const REPORTED: [&str; 12] = [
    "SessionStart",
    "UserPromptSubmit",
    "PreToolUse",
    "PostToolUse",
    "PostToolUseFailure",
    "Notification",
    "SubagentStart",
    "SubagentStop",
    "PreCompact",
    "Stop",
    "StopFailure",
    "SessionEnd",
];

/// After so many milliseconds Qwen ends a hook that reports.
const REPORT_TIMEOUT_MS: u32 = 10_000;

fn launch(entry: &Entry, context: &LaunchContext, launch: &mut Launch) -> Result<(), LaunchError> {
    let file = context.agent_dir.join("qwen-settings.json");
    launch.files.push((file.clone(), settings(hook_path(entry, context)?, entry.approval.wait_s), 0o600));
    launch.set("QWEN_CODE_SYSTEM_DEFAULTS_PATH", file);
    if context.trusted {
        let folders = context.agent_dir.join("qwen-folders.json");
        let rule = json!({ context.worktree.to_string_lossy(): "TRUST_FOLDER" });
        launch.files.push((folders.clone(), rule.to_string().into_bytes(), 0o600));
        launch.set("QWEN_CODE_TRUSTED_FOLDERS_PATH", folders);
    }
    // It names its session itself and tells by its first hook: `--session-id` takes no UUID of version 7.
    Ok(())
}

/// Writes the settings. The hook that asks waits so many seconds; 0 leaves the asking to Qwen's own dialog.
fn settings(hook_program: &str, wait_s: u32) -> Vec<u8> {
    let program = quote(hook_program);
    let hook = |name: &str, options: &str, timeout: u32| {
        let command = format!("{program}{options} qwen {name}");
        let hook = json!({ "type": "command", "name": "orchflow", "command": command, "timeout": timeout });
        json!([{ "hooks": [hook] }])
    };
    let mut hooks = Map::new();
    for name in REPORTED {
        hooks.insert(name.to_owned(), hook(name, "", REPORT_TIMEOUT_MS));
    }
    let wait = if wait_s == 0 { String::new() } else { format!(" --wait {wait_s}") };
    let timeout = (wait_s + 10) * 1000;
    hooks.insert("PermissionRequest".to_owned(), hook("PermissionRequest", &wait, timeout));
    let mut text = format!("{:#}", json!({ "hooks": hooks }));
    text.push('\n');
    text.into_bytes()
}

/// Reads hooks that are Claude Code's in all but this: after each tool one more prompt is told of, an empty one; and
/// no dialog shows while the hook that asks runs.
fn parse(name: &str, value: Value) -> Parsed {
    let mut parsed = claude::parse(name, value);
    if let Report::ApprovalRequested { held, .. } = &mut parsed.report {
        *held = true;
    }
    if let Report::PromptSubmitted { text } = &parsed.report
        && text.is_empty()
    {
        let payload = cut(json!({ "prompt": "" }));
        parsed.report = Report::Other { name: "UserPromptSubmit".to_owned(), payload };
    }
    parsed
}

/// Tells whether the user trusts the main repository, by Qwen's own list of folders.
fn trusts(query: &Query<'_>) -> bool {
    let list = query.variable("QWEN_CODE_TRUSTED_FOLDERS_PATH");
    let home = || query.variable("QWEN_HOME").or_else(|| Some(query.variable("HOME")?.join(".qwen")));
    let file = list.or_else(|| home().map(|home| home.join("trustedFolders.json")));
    file.and_then(|file| Rules::read(&file)).is_some_and(|rules| rules.trust(query))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_prompt_between_tools_is_no_prompt() {
        let parsed = parse("UserPromptSubmit", json!({"session_id": "s", "prompt": ""}));
        assert!(matches!(parsed.report, Report::Other { .. }) && parsed.note.is_none(), "{parsed:?}");
        let parsed = parse("UserPromptSubmit", json!({"session_id": "s", "prompt": "do"}));
        assert_eq!(parsed.report, Report::PromptSubmitted { text: "do".into() });
    }

    #[test]
    fn the_hook_that_asks_may_wait_and_the_others_may_not() {
        let written: Value = serde_json::from_slice(&settings("/hook", 120)).unwrap();
        let hooks = written["hooks"].as_object().unwrap();
        assert_eq!(hooks.len(), REPORTED.len() + 1);
        let asks = &hooks["PermissionRequest"][0]["hooks"][0];
        assert_eq!(asks["command"], "'/hook' --wait 120 qwen PermissionRequest");
        assert_eq!(asks["timeout"], 130_000);
        let never: Value = serde_json::from_slice(&settings("/hook", 0)).unwrap();
        assert_eq!(
            never["hooks"]["PermissionRequest"][0]["hooks"][0]["command"],
            "'/hook' qwen PermissionRequest"
        );
        assert_eq!(hooks["Stop"][0]["hooks"][0]["command"], "'/hook' qwen Stop");
    }
}
