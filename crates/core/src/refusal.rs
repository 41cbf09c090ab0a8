//! How a command is turned down: a stable code, what happened, and what to do next.

use serde::{Deserialize, Serialize};

/// Names the kind of a refusal; its snake-case form is part of the contract with scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// The arguments make no sense.
    Usage,
    /// No agent of that name.
    UnknownAgent,
    /// No agent kind of that name in the catalogue.
    UnknownKind,
    /// The agent's program is not installed.
    AgentMissing,
    /// No hunk with that id.
    UnknownHunk,
    /// The id's prefix fits several hunks.
    AmbiguousHunk,
    /// The hunk is not the one the caller saw.
    HashMismatch,
    /// The change does not apply to what stands there now.
    Conflict,
    /// The agent's process has ended.
    NotLiving,
    /// The agent's process still runs.
    StillLiving,
    /// No approval of that id waits for an answer.
    UnknownApproval,
    /// The approval was settled elsewhere.
    Superseded,
    /// No rule of that id holds.
    UnknownRule,
    /// The caller is an agent, and only the human may do this.
    NotAllowed,
    /// No run of that number.
    UnknownRun,
    /// The main worktree has uncommitted changes and nobody said what to do with them.
    DirtyTree,
    /// There is nothing to undo.
    NothingToUndo,
    /// There is nothing to make again.
    NothingToRedo,
    /// The repository cannot be used as it is.
    Repository,
    /// The store takes no writes now.
    ReadOnly,
    /// The peer speaks another protocol version.
    Protocol,
    /// A configuration file is wrong.
    Config,
    /// The host is leaving; another may be started at once.
    Stopping,
    /// Something failed inside; the message says what.
    Internal,
    /// An effect's outcome could not be learnt.
    Unknown,
}

impl Code {
    /// Gives the snake-case form.
    pub fn word(self) -> String {
        match serde_json::to_value(self) {
            Ok(serde_json::Value::String(word)) => word,
            _ => String::from("internal"),
        }
    }
}

/// A command turned down: nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// The kind.
    pub code: Code,
    /// What happened and why.
    pub message: String,
    /// What to do next.
    pub hint: Option<String>,
}

impl Refusal {
    /// Makes a refusal without a hint.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Refusal { code, message: message.into(), hint: None }
    }

    /// Adds what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}
