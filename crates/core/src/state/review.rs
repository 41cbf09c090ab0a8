//! What the human decided, and what waits for a decision.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::event::payload::{Bytes, HunkLines, HunkPlace, HunkRef, SeenHunk};
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
    /// Some of its lines are decided on, the rest is not.
    Partly,
}

impl DecisionState {
    /// Gives the word shown to people and scripts.
    pub fn word(self) -> &'static str {
        match self {
            DecisionState::Accepting => "accepting",
            DecisionState::Accepted => "accepted",
            DecisionState::Rejecting => "rejecting",
            DecisionState::Rejected => "rejected",
            DecisionState::Partly => "undecided",
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
    /// Lines in the human's tree, where only some are.
    #[serde(default)]
    pub taken: HunkLines,
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

/// A decision that was undone and can be made again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undone {
    /// The event that undid it.
    pub seq: EventSeq,
    /// The hunk.
    pub hunk: HunkRef,
    /// `accept` or `reject`.
    pub decision: String,
    /// Why, where the human had said so.
    pub reason: Option<String>,
    /// Whether it is being made again.
    #[serde(default)]
    pub redoing: bool,
}

/// What the human was shown of one file of one agent: the newest content of each place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenFile {
    /// The agent.
    pub agent: AgentKey,
    /// The file.
    pub path: Bytes,
    /// The hunks by identity.
    pub hunks: BTreeMap<String, Shown>,
    /// The event that changed it last.
    pub seq: EventSeq,
}

/// One content that was shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// The beginning of its content's hash, in hex.
    pub hash: String,
    /// Where it stands.
    pub place: HunkPlace,
}

/// How much of a hash tells one content of a hunk from another.
const HASH_KEPT: usize = 16;

impl SeenFile {
    /// Tells whether exactly this content was shown.
    pub fn has(&self, id: &str, hash: &str) -> bool {
        self.hunks.get(id).is_some_and(|shown| shown.hash == kept(hash))
    }

    /// Tells whether some content was shown of a place.
    pub fn has_at(&self, place: &HunkPlace) -> bool {
        self.hunks.values().any(|shown| shown.place.is_same(place))
    }

    /// Adds what was shown, in place of what stood there before.
    pub(super) fn add(&mut self, hunk: &SeenHunk, seq: EventSeq) {
        self.seq = seq;
        self.hunks.retain(|_, shown| !shown.place.is_same(&hunk.place));
        let shown = Shown { hash: kept(&hunk.hash).to_owned(), place: hunk.place.clone() };
        self.hunks.insert(hunk.id.clone(), shown);
    }
}

fn kept(hash: &str) -> &str {
    hash.get(..HASH_KEPT).unwrap_or(hash)
}
