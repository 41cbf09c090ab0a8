//! The words of `type` and `is`, and what they mean.

use super::{Scope, Sides};
use crate::event::EVENT_TYPES;

/// Tools whose use changes files.
pub const EDIT_TOOLS: &[&str] = &["Edit", "Write", "MultiEdit", "NotebookEdit"];

/// The types a hunk may be of.
pub(super) const HUNK_TYPES: &[&str] = &["add", "delete", "change", "binary"];

/// Groups of event types, each with the types and the beginnings of types (`tool_`) that belong to it.
const GROUPS: &[(&str, &[&str])] = &[
    ("edit", &["ai_generated_code"]),
    ("tool", &["tool_", "subagent_"]),
    ("prompt", &["prompt_"]),
    ("turn", &["turn_", "plan_", "ai_started_task", "ai_requested_review"]),
    ("approval", &["approval_", "rule_"]),
    (
        "decision",
        &["hunk_", "accept_", "reject_", "human_reverted_change", "decision_refused", "undo_", "redo_"],
    ),
    ("checkpoint", &["checkpoint_"]),
    ("status", &["agent_status_changed", "input_mode_changed", "notification_shown"]),
    ("agent", &["agent_", "worktree_", "stop_requested", "clean_", "pause_", "resume_"]),
    ("run", &["run_"]),
    ("usage", &["usage_", "limit_", "budget_"]),
    ("constraint", &["constraint_"]),
    ("guidance", &["human_provided_guidance", "hunk_commented"]),
];

/// Names the groups of event types.
pub fn event_groups() -> impl Iterator<Item = &'static str> {
    GROUPS.iter().map(|(name, _)| *name)
}

/// Gives every word that `type` takes.
pub(super) fn type_words(scope: Scope) -> Vec<&'static str> {
    match scope {
        Scope::Events => event_groups().chain(EVENT_TYPES.iter().copied()).collect(),
        Scope::Hunks => HUNK_TYPES.to_vec(),
        Scope::Agents => Vec::new(),
    }
}

fn is_in_group(members: &[&str], event_type: &str) -> bool {
    members.iter().any(|member| {
        if member.ends_with('_') { event_type.starts_with(member) } else { event_type == *member }
    })
}

/// Tells whether a word of `type` means an event. `edits` says whether its tool, if it is about one, changes files.
fn means(word: &str, event_type: &str, edits: bool) -> bool {
    if word == "edit" && edits && event_type.starts_with("tool_") {
        return true;
    }
    match GROUPS.iter().find(|(name, _)| *name == word) {
        Some((_, members)) => is_in_group(members, event_type),
        None => word == event_type,
    }
}

/// The event types that pass.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TypeChoice {
    /// Every type that passes, in the order of the vocabulary.
    pub types: Vec<&'static str>,
    /// Those of them that pass only with a tool of [`TypeChoice::EDIT_TOOLS`].
    pub only_edits: Vec<&'static str>,
    /// Those of them that pass only with other tools.
    pub no_edits: Vec<&'static str>,
}

impl TypeChoice {
    /// Tools whose use changes files.
    pub const EDIT_TOOLS: &'static [&'static str] = EDIT_TOOLS;
}

pub(super) fn choose(words: &Sides<String>) -> TypeChoice {
    let mut choice = TypeChoice::default();
    for event_type in EVENT_TYPES {
        let passes = |edits| words.admits(|word| means(word, event_type, edits));
        match (passes(true), passes(false)) {
            (false, false) => continue,
            (true, true) => {}
            (true, false) => choice.only_edits.push(event_type),
            (false, true) => choice.no_edits.push(event_type),
        }
        choice.types.push(event_type);
    }
    choice
}

macro_rules! is_words {
    ($($(#[$doc:meta])* $variant:ident = $word:literal in $scope:ident),* $(,)?) => {
        /// What something is.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Is {
            $($(#[$doc])* $variant,)*
        }

        impl Is {
            /// Gives its word.
            pub fn word(self) -> &'static str {
                match self { $(Is::$variant => $word,)* }
            }
        }

        const IS: &[(Is, Scope)] = &[$((Is::$variant, Scope::$scope)),*];
    };
}

is_words! {
    /// A hunk without a decision.
    Undecided = "undecided" in Hunks,
    /// A hunk that was accepted.
    Accepted = "accepted" in Hunks,
    /// A hunk that was rejected.
    Rejected = "rejected" in Hunks,
    /// A hunk with a comment.
    Commented = "commented" in Hunks,
    /// A hunk whose content was not shown yet.
    Unseen = "unseen" in Hunks,
    /// A hunk that had another content when it was seen.
    Changed = "changed" in Hunks,
    /// A hunk that would not apply.
    Conflict = "conflict" in Hunks,
    /// A hunk that other agents have a version of.
    Rival = "rival" in Hunks,
    /// A hunk of a binary file.
    Binary = "binary" in Hunks,
    /// An event that a person or a person's script made.
    Human = "human" in Events,
    /// An event that the host made.
    Host = "host" in Events,
    /// An event that an agent made.
    Agent = "agent" in Events,
    /// An event that tells of a failure.
    FailedEvent = "failed" in Events,
    /// An agent in a turn.
    Working = "working" in Agents,
    /// An agent that waits for the human.
    Waiting = "waiting" in Agents,
    /// An agent that is ready for a prompt.
    Idle = "idle" in Agents,
    /// An agent whose turn ended well.
    Done = "done" in Agents,
    /// An agent that failed.
    Failed = "failed" in Agents,
    /// An agent nobody knows the status of.
    Unknown = "unknown" in Agents,
    /// An agent whose process runs.
    Living = "living" in Agents,
    /// An agent that is halted.
    Paused = "paused" in Agents,
}

impl Is {
    /// Gives the words of a scope.
    pub fn of(scope: Scope) -> impl Iterator<Item = Is> {
        IS.iter().filter(move |(_, of)| *of == scope).map(|(is, _)| *is)
    }
}
