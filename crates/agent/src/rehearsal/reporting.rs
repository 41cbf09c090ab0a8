//! The bodies a rehearsal gives to the hook program: the fields of Claude Code's hooks.

use std::path::Path;

use rustix::rand::{GetRandomFlags, getrandom};
use serde_json::{Map, Value, json};

/// What every body of a session has in common.
pub(super) struct Session {
    id: String,
    worktree: String,
    prompt_id: String,
    tool_uses: u32,
}

impl Session {
    pub(super) fn new(worktree: &Path) -> Self {
        Session {
            id: uuid(),
            worktree: worktree.to_string_lossy().into_owned(),
            prompt_id: String::new(),
            tool_uses: 0,
        }
    }

    /// Begins a turn.
    pub(super) fn next_prompt(&mut self) {
        self.prompt_id = uuid();
    }

    /// Names the next use of a tool.
    pub(super) fn next_tool_use(&mut self) -> String {
        self.tool_uses += 1;
        format!("toolu_rehearsal_{}_{:04}", self.id.get(..8).unwrap_or_default(), self.tool_uses)
    }

    /// Writes the body of a hook: the common fields, then its own.
    pub(super) fn body(&self, name: &str, fields: Value) -> Vec<u8> {
        let mut body = Map::new();
        let mut put = |key: &str, value: Value| drop(body.insert(key.to_owned(), value));
        put("session_id", json!(self.id));
        put("transcript_path", json!(""));
        put("cwd", json!(self.worktree));
        if !self.prompt_id.is_empty() {
            put("prompt_id", json!(self.prompt_id));
            put("permission_mode", json!("default"));
        }
        put("hook_event_name", json!(name));
        put("rehearsal", json!(true));
        if let Value::Object(fields) = fields {
            body.extend(fields);
        }
        Value::Object(body).to_string().into_bytes()
    }
}

/// Makes a random UUID (RFC 9562, version 4).
pub(super) fn uuid() -> String {
    let mut random = [0u8; 16];
    let _ = getrandom(&mut random, GetRandomFlags::empty());
    let number = u128::from_be_bytes(random) & !(0xf << 76) & !(0x3 << 62) | (4 << 76) | (2 << 62);
    let digits = format!("{number:032x}");
    let part = |range: std::ops::Range<usize>| digits.get(range).unwrap_or_default();
    format!("{}-{}-{}-{}-{}", part(0..8), part(8..12), part(12..16), part(16..20), part(20..32))
}

/// Reads the answer of the hook that asked for a permission; `None` is no opinion.
pub(super) fn decision(output: &[u8]) -> Option<Decision> {
    let answer: Value = serde_json::from_slice(output).ok()?;
    let decision = answer.get("hookSpecificOutput")?.get("decision")?;
    match decision.get("behavior")?.as_str()? {
        "allow" => Some(Decision::Allow { updated_input: decision.get("updatedInput").cloned() }),
        "deny" => {
            let reason = decision.get("message").and_then(Value::as_str).unwrap_or_default().to_owned();
            Some(Decision::Deny { reason })
        }
        _ => None,
    }
}

/// What was decided about a permission.
#[derive(Debug, PartialEq)]
pub(super) enum Decision {
    Allow { updated_input: Option<Value> },
    Deny { reason: String },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hooks::{Answer, answer};

    #[test]
    fn uuids_have_their_form_and_differ() {
        let (one, two) = (uuid(), uuid());
        assert_eq!((one.len(), one.as_bytes()[14]), (36, b'4'));
        assert!(b"89ab".contains(&one.as_bytes()[19]));
        assert_ne!(one, two);
    }

    #[test]
    fn it_understands_what_the_host_answers() {
        let said = |decision: &Answer| answer("claude", "PermissionRequest", decision).output;
        assert_eq!(
            decision(&said(&Answer::Allow { updated_input: None })),
            Some(Decision::Allow { updated_input: None })
        );
        assert_eq!(
            decision(&said(&Answer::Deny { reason: "no".into() })),
            Some(Decision::Deny { reason: "no".into() })
        );
        for nothing in
            [&b""[..], b"{}", b"[]", b"{\"hookSpecificOutput\":{\"decision\":{\"behavior\":\"ask\"}}}"]
        {
            assert_eq!(decision(nothing), None);
        }
    }
}
