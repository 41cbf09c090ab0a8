//! What the human decided, and what waits for a decision.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::event::payload::HunkRef;
use crate::{AgentKey, EventSeq, Timestamp};

/// A permission an agent waits for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Approval {
    /// Its number: the event that asked.
    pub seq: EventSeq,
    /// The agent.
    pub agent: AgentKey,
    /// The id of the report that asked.
    pub request: String,
    /// The tool.
    pub tool: String,
    /// Its arguments.
    pub input: Value,
    /// The program's id of this use.
    pub tool_use_id: Option<String>,
    /// Whether an answer from a front reaches the program.
    #[serde(default)]
    pub answerable: bool,
    /// Whether the program stated since then that it is blocked.
    #[serde(default)]
    pub seen_blocked: bool,
    /// When it asked.
    pub at: Timestamp,
    /// The agent's last words before it.
    pub reason: Option<String>,
}

/// So many of the newest decisions can be undone whatever became of their agents; older ones as long as their agent's
/// worktree stands.
pub const KEPT_OPERATIONS: usize = 1000;

/// How far a decision got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DecisionState {
    /// Being applied to the human's tree.
    Accepting,
    /// In the human's tree.
    Accepted,
    /// Being taken out of the agent's worktree.
    Rejecting,
    /// Out of the agent's worktree.
    Rejected,
}

impl DecisionState {
    /// Gives the word shown to people and scripts.
    pub fn word(self) -> &'static str {
        match self {
            DecisionState::Accepting => "accepting",
            DecisionState::Accepted => "accepted",
            DecisionState::Rejecting => "rejecting",
            DecisionState::Rejected => "rejected",
        }
    }
}

/// A decision on a hunk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// The hunk.
    pub hunk: HunkRef,
    /// How far it got.
    pub state: DecisionState,
    /// Why, where the human said so.
    pub reason: Option<String>,
    /// The event that asked for it, or that tells it is done.
    pub seq: EventSeq,
}

/// A decision that can be undone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// The event of the decision.
    pub seq: EventSeq,
    /// The hunk.
    pub hunk: HunkRef,
    /// `accept` or `reject`.
    pub decision: String,
    /// The ref that keeps what was there before; none when nothing was changed.
    pub kept_ref: Option<String>,
    /// Whether an undo is under way.
    #[serde(default)]
    pub undoing: bool,
}
