//! The `-c` settings that give Codex its hooks and say that exactly these are trusted.
//!
//! Codex asks before it runs a hook it does not know, and keeps the answer as a hash of what it will run. A hash given
//! at the launch counts as that answer, for this launch and these commands alone.

use sha2::{Digest as _, Sha256};

/// A hook: its name, its name in the hash, after how many seconds Codex ends it.
type Hook = (&'static str, &'static str, u32);

/// All that version 0.169.0 knows. It ends `SessionEnd` after three seconds, whatever it is told, and hashes that.
const HOOKS: [Hook; 10] = [
    ("SessionStart", "session_start", 10),
    ("UserPromptSubmit", "user_prompt_submit", 10),
    ("PreToolUse", "pre_tool_use", 10),
    ("PostToolUse", "post_tool_use", 10),
    ("Stop", "stop", 10),
    ("SubagentStart", "subagent_start", 10),
    ("SubagentStop", "subagent_stop", 10),
    ("PreCompact", "pre_compact", 10),
    ("PostCompact", "post_compact", 10),
    ("SessionEnd", "session_end", 3),
];

/// The hook that asks.
const ASKS: (&str, &str) = ("PermissionRequest", "permission_request");

/// Where Codex says that hooks of the command line stand.
const SOURCE: &str = "/<session-flags>/config.toml";

/// Gives the settings, given the path of the hook program and how many seconds the hook that asks waits; 0 leaves the
/// asking to Codex's own dialog. They are the same for every agent: what tells agents apart is in the environment.
pub(super) fn settings(hook_program: &str, wait_s: u32) -> Vec<String> {
    let program = crate::adapter::quote(hook_program);
    let mut settings = Vec::new();
    let mut trusted = Vec::new();
    let asks = (ASKS.0, ASKS.1, wait_s + 10);
    for (name, hashed, timeout) in HOOKS.into_iter().chain([asks]) {
        let waits = name == ASKS.0 && wait_s > 0;
        let wait = if waits { format!(" --wait {wait_s}") } else { String::new() };
        let command = format!("{program}{wait} codex {name}");
        settings.push(format!(
            "hooks.{name}=[{{hooks=[{{type=\"command\",command={},timeout={timeout}}}]}}]",
            toml_text(&command)
        ));
        trusted.push(format!(
            "\"{SOURCE}:{hashed}:0:0\"={{trusted_hash=\"{}\"}}",
            trusted_hash(hashed, &command, timeout)
        ));
    }
    settings.push(format!("hooks.state={{{}}}", trusted.join(",")));
    settings
}

/// Computes what Codex keeps of a hook that was trusted: SHA-256 of its compact JSON with sorted keys.
fn trusted_hash(hashed: &str, command: &str, timeout: u32) -> String {
    let command = serde_json::Value::from(command);
    let json = format!(
        r#"{{"event_name":"{hashed}","hooks":[{{"async":false,"command":{command},"timeout":{timeout},"type":"command"}}]}}"#
    );
    let digest = Sha256::digest(json.as_bytes());
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

/// Writes a basic string of TOML.
fn toml_text(text: &str) -> String {
    let mut written = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => written.extend(['\\', character]),
            control if control.is_control() => written.push_str(&format!("\\u{:04X}", u32::from(control))),
            character => written.push(character),
        }
    }
    written.push('"');
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_what_codex_computes() {
        // Computed apart, by the recipe that gave Codex 0.169.0's own stored values.
        assert_eq!(
            trusted_hash("pre_tool_use", "/home/agent/hk.sh M PreToolUse", 10),
            "sha256:088b27413703fcb16ef6c6931945c8d6abba9350f0bffef895f30e2b977bc1a3"
        );
    }

    #[test]
    fn the_settings_are_toml_that_names_each_hook_and_its_hash() {
        let settings = settings("/it's \"a\" \\ path/orchflow-hook", 590);
        assert_eq!(settings.len(), HOOKS.len() + 2);
        let whole: toml::Table = toml::from_str(&settings.join("\n")).unwrap();
        let hooks = whole["hooks"].as_table().unwrap();
        let hook = &hooks["PermissionRequest"][0]["hooks"][0];
        assert_eq!(
            hook["command"].as_str(),
            Some(r#"'/it'\''s "a" \ path/orchflow-hook' --wait 590 codex PermissionRequest"#)
        );
        assert_eq!(hook["timeout"].as_integer(), Some(600));
        let state = hooks["state"].as_table().unwrap();
        assert_eq!(state.len(), HOOKS.len() + 1);
        let hash = state["/<session-flags>/config.toml:permission_request:0:0"]["trusted_hash"].as_str();
        let command = hook["command"].as_str().unwrap();
        assert_eq!(hash, Some(trusted_hash("permission_request", command, 600).as_str()));
    }
}
