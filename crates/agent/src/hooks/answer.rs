//! What a hook that asks is told.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::DIRECT_FORMAT;

/// The human's decision, or a policy's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    /// The tool may be used, perhaps with other arguments.
    Allow {
        /// The arguments to use instead.
        updated_input: Option<Value>,
    },
    /// It may not.
    Deny {
        /// Why; the agent reads it.
        reason: String,
    },
    /// The agent's own dialog decides.
    NoOpinion,
}

/// What the hook program prints and how it exits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookOutput {
    /// For standard output.
    pub output: Vec<u8>,
    /// The exit code.
    pub exit: i32,
}

/// Writes an answer in the words of the agent's hooks. A hook that cannot carry an answer gets none.
pub fn answer(format: &str, name: &str, answer: &Answer) -> HookOutput {
    let said = match answer {
        Answer::NoOpinion => None,
        answer if format == DIRECT_FORMAT => serde_json::to_value(answer).ok(),
        answer => crate::adapter::find(format).and_then(|adapter| (adapter.answer)(name, answer)),
    };
    let output = said.map(|said| said.to_string().into_bytes()).unwrap_or_default();
    HookOutput { output, exit: 0 }
}

/// Tells whether an agent whose hooks have this format takes other arguments with a permission.
pub fn takes_arguments(format: &str) -> bool {
    let format = match format {
        // A rehearsal speaks as Claude Code does.
        "rehearsal" => "claude",
        // The tools are ours there.
        "api" => return true,
        format => format,
    };
    let other = Answer::Allow { updated_input: Some(Value::Object(serde_json::Map::new())) };
    let plain = Answer::Allow { updated_input: None };
    let said = |decision| answer(format, "PermissionRequest", decision).output;
    let changed = said(&other);
    !changed.is_empty() && changed != said(&plain)
}

/// Reads an answer that was given to a report of the format [`DIRECT_FORMAT`]; what makes no sense is no opinion.
pub fn read_direct(output: &[u8]) -> Answer {
    serde_json::from_slice(output).unwrap_or(Answer::NoOpinion)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn said(name: &str, decision: &Answer) -> String {
        let HookOutput { output, exit } = answer("claude", name, decision);
        assert_eq!(exit, 0);
        String::from_utf8(output).unwrap()
    }

    #[test]
    fn each_answer_is_in_the_agents_words() {
        let allow = Answer::Allow { updated_input: None };
        let changed = Answer::Allow { updated_input: Some(json!({"command": "ls"})) };
        let deny = Answer::Deny { reason: "not \"here\"\n".into() };
        for (name, answer, expected) in [
            (
                "PermissionRequest",
                &allow,
                r#"{"hookSpecificOutput":{"hookEventName":"PermissionRequest","decision":{"behavior":"allow"}}}"#,
            ),
            (
                "PermissionRequest",
                &changed,
                r#"{"hookSpecificOutput":{"hookEventName":"PermissionRequest","decision":{"behavior":"allow","updatedInput":{"command":"ls"}}}}"#,
            ),
            (
                "PermissionRequest",
                &deny,
                r#"{"hookSpecificOutput":{"hookEventName":"PermissionRequest","decision":{"behavior":"deny","message":"not \"here\"\n"}}}"#,
            ),
            (
                "PreToolUse",
                &deny,
                r#"{"hookSpecificOutput":{"hookEventName":"PreToolUse","permissionDecision":"deny","permissionDecisionReason":"not \"here\"\n"}}"#,
            ),
        ] {
            assert_eq!(said(name, answer), expected);
        }
    }

    #[test]
    fn who_takes_other_arguments_is_known_from_its_words() {
        // Of the real programs seen with arguments that were changed: Claude Code and Qwen Code run those, Codex does not.
        for format in ["claude", "qwen", "rehearsal", "api"] {
            assert!(takes_arguments(format), "{format}");
        }
        for format in ["codex", "copilot", "gemini", "opencode", "aider", "acp", "other"] {
            assert!(!takes_arguments(format), "{format}");
        }
    }

    #[test]
    fn no_opinion_and_hooks_that_cannot_answer_say_nothing() {
        assert_eq!(said("PermissionRequest", &Answer::NoOpinion), "");
        assert_eq!(said("Stop", &Answer::Deny { reason: "x".into() }), "");
        let elsewhere = answer("other", "PermissionRequest", &Answer::Allow { updated_input: None });
        assert_eq!(elsewhere.output, b"");
    }

    #[test]
    fn a_driver_reads_the_answer_it_is_given() {
        for given in [
            Answer::Allow { updated_input: None },
            Answer::Allow { updated_input: Some(json!({"command": "ls"})) },
            Answer::Deny { reason: "not \"here\"\n".into() },
            Answer::NoOpinion,
        ] {
            assert_eq!(read_direct(&answer(DIRECT_FORMAT, "ask", &given).output), given);
        }
        for nonsense in [&b"{}"[..], b"[]", b"{\"answer\":\"perhaps\"}", b"\xff"] {
            assert_eq!(read_direct(nonsense), Answer::NoOpinion);
        }
    }
}
