//! What should happen in the world, as data; and how it went.
//!
//! An effect is committed with the events that want it, is asked again after a crash, and ends in an
//! [`Outcome`]. Effects with one key run in order; different keys run side by side.

use serde::{Deserialize, Serialize};

use crate::command::ViewPlace;
use crate::event::payload::{Bytes, HunkRef};
use crate::{AgentKey, EventSeq, RunId, Timestamp};

/// What a screen waits for that shows no sign yet of being ready; see [`Outcome::ScreenRead`].
pub const SCREEN_EARLY: &str = "its first screen";

/// Attempts from here on look whether a program in a turn is at rest; the turn is added.
pub const SCREEN_AT_REST: u32 = 1 << 16;

/// What a screen waits for whose program works.
pub const SCREEN_WORKING: &str = "its work";

/// Identifies an effect: the event that wants it and its place among that event's effects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EffectId {
    /// The event.
    pub seq: EventSeq,
    /// The place, from 0.
    pub index: u32,
}

/// An effect with its identity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Effect {
    /// Its identity.
    pub id: EffectId,
    /// What to do.
    pub body: EffectBody,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum EffectBody {
    /// Makes the worktrees of several agents of one run at once.
    CreateWorktrees {
        /// The agents.
        agents: Vec<AgentKey>,
        /// The commit.
        commit: String,
        /// Where their views go once they stand.
        place: ViewPlace,
    },
    /// Starts an agent under a runner.
    LaunchAgent {
        /// The agent.
        agent: AgentKey,
        /// Its kind in the catalogue.
        catalogue_kind: String,
        /// Its place in its run.
        index: u32,
        /// Its worktree.
        worktree: Bytes,
        /// The session its program takes up.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        resume: Option<String>,
        /// Whether it does so in a copy of that session.
        #[serde(default)]
        fork: bool,
    },
    /// Opens views of agents.
    OpenViews {
        /// The agents.
        agents: Vec<AgentKey>,
        /// Where.
        place: ViewPlace,
    },
    /// Writes a prompt into an agent's pty. Never repeated.
    PastePrompt {
        /// The agent.
        agent: AgentKey,
        /// The prompt's number.
        prompt: u64,
        /// The text.
        text: String,
    },
    /// Reads an agent's screen for a known dialog.
    ReadScreen {
        /// The agent.
        agent: AgentKey,
        /// How often it was looked at before.
        attempt: u32,
    },
    /// Wakes the loop later. Not kept over a restart; [`crate::decide::wake`] arms it again.
    Wake {
        /// What for.
        timer: Timer,
        /// When.
        at: Timestamp,
    },
    /// Keeps an agent's worktree as a commit.
    TakeCheckpoint {
        /// The agent.
        agent: AgentKey,
        /// Its worktree.
        worktree: Bytes,
        /// The checkpoint before.
        parent: Option<String>,
        /// The tree of the checkpoint before, or the base's.
        before_tree: String,
        /// The base's tree.
        base_tree: String,
        /// The turn it belongs to.
        turn: u32,
        /// Why.
        reason: String,
    },
    /// Applies a hunk to the human's tree or buffer.
    ApplyHunk {
        /// The hunk.
        hunk: HunkRef,
        /// The base's tree.
        base_tree: String,
        /// What was taken of the same file of the same agent before, in order.
        #[serde(default)]
        before: Vec<HunkRef>,
    },
    /// Takes a hunk out of the agent's worktree.
    RevertHunk {
        /// The hunk.
        hunk: HunkRef,
        /// The base's tree.
        base_tree: String,
        /// The agent's worktree.
        worktree: Bytes,
    },
    /// Puts back what a decision changed.
    UndoDecision {
        /// The event of the decision.
        event: EventSeq,
        /// The hunk.
        hunk: HunkRef,
        /// `accept` or `reject`.
        decision: String,
        /// The ref that keeps what was there before.
        kept_ref: String,
        /// The agent's worktree.
        worktree: Bytes,
    },
    /// Ends an agent's process group.
    StopAgent {
        /// The agent.
        agent: AgentKey,
    },
    /// Halts everything an agent started, or lets it go on.
    PauseAgent {
        /// The agent.
        agent: AgentKey,
        /// Whether to halt it.
        pause: bool,
    },
    /// Looks which processes of an agent still write into its worktree.
    LookForWriters {
        /// The agent.
        agent: AgentKey,
        /// Its worktree.
        worktree: Bytes,
        /// Its process.
        pid: u32,
        /// How often it was looked before.
        attempt: u32,
    },
    /// Removes an agent's worktree.
    CleanWorktree {
        /// The agent.
        agent: AgentKey,
        /// Its worktree.
        worktree: Bytes,
        /// Its last checkpoint.
        parent: Option<String>,
    },
    /// Answers the hook that asked for a permission. Lost with its connection, so never repeated.
    AnswerHook {
        /// The agent.
        agent: AgentKey,
        /// The id of the report that asked.
        request: String,
        /// The answer; `None` gives no opinion.
        allow: Option<bool>,
        /// Why.
        reason: Option<String>,
    },
}

/// What a wake-up is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Timer {
    /// An agent that gave no ready signal yet: look at its screen.
    Readiness {
        /// The agent.
        agent: AgentKey,
        /// How often it was looked at.
        attempt: u32,
    },
    /// An agent that should be ready by now: if it is not, that is shown.
    ReadyBy {
        /// The agent.
        agent: AgentKey,
    },
    /// An agent that is not ready and began to read keys: look at its screen soon, a few times.
    Glance {
        /// The agent.
        agent: AgentKey,
        /// How often it was looked at since.
        attempt: u32,
    },
    /// A prompt that was written and not accepted yet.
    Acceptance {
        /// The agent.
        agent: AgentKey,
        /// The prompt's number.
        prompt: u64,
    },
    /// A turn that is held because something still writes: look again.
    Writers {
        /// The agent.
        agent: AgentKey,
        /// How often it was looked before.
        attempt: u32,
    },
    /// A turn whose program says "done" while its closing hook is missing.
    TurnClose {
        /// The agent.
        agent: AgentKey,
        /// The turn.
        turn: u32,
    },
}

/// What an effect must be ordered with.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EffectKey {
    /// Worktrees of a run are made together.
    Worktrees(RunId),
    /// One agent's process and prompts.
    Agent(AgentKey),
    /// One agent's worktree.
    Worktree(AgentKey),
    /// The human's tree.
    HumanTree,
    /// Views are placed one burst after the other.
    Views,
    /// Answers to hooks wait for nothing.
    Hook(String),
    /// Timers, and looks that change nothing.
    Timer,
}

impl EffectBody {
    /// Tells what this effect must be ordered with.
    pub fn key(&self) -> EffectKey {
        match self {
            EffectBody::CreateWorktrees { agents, .. } => {
                EffectKey::Worktrees(agents.first().map_or(RunId(0), |agent| agent.run))
            }
            EffectBody::LaunchAgent { agent, .. }
            | EffectBody::PastePrompt { agent, .. }
            | EffectBody::ReadScreen { agent, .. }
            | EffectBody::PauseAgent { agent, .. }
            | EffectBody::StopAgent { agent } => EffectKey::Agent(agent.clone()),
            EffectBody::TakeCheckpoint { agent, .. } | EffectBody::CleanWorktree { agent, .. } => {
                EffectKey::Worktree(agent.clone())
            }
            EffectBody::RevertHunk { hunk, .. } => EffectKey::Worktree(hunk.agent.clone()),
            EffectBody::UndoDecision { hunk, decision, .. } if decision == "reject" => {
                EffectKey::Worktree(hunk.agent.clone())
            }
            EffectBody::ApplyHunk { .. } | EffectBody::UndoDecision { .. } => EffectKey::HumanTree,
            EffectBody::OpenViews { .. } => EffectKey::Views,
            EffectBody::AnswerHook { request, .. } => EffectKey::Hook(request.clone()),
            EffectBody::Wake { .. } | EffectBody::LookForWriters { .. } => EffectKey::Timer,
        }
    }

    /// Tells whether the effect outlives the host: is kept in the outbox until it is done.
    pub fn is_durable(&self) -> bool {
        !matches!(
            self,
            EffectBody::Wake { .. }
                | EffectBody::ReadScreen { .. }
                | EffectBody::LookForWriters { .. }
                | EffectBody::AnswerHook { .. }
        )
    }

    /// Gives the name used in messages.
    pub fn name(&self) -> &'static str {
        match self {
            EffectBody::CreateWorktrees { .. } => "create worktrees",
            EffectBody::LaunchAgent { .. } => "launch agent",
            EffectBody::OpenViews { .. } => "open views",
            EffectBody::PastePrompt { .. } => "write prompt",
            EffectBody::ReadScreen { .. } => "read screen",
            EffectBody::Wake { .. } => "wake",
            EffectBody::TakeCheckpoint { .. } => "take checkpoint",
            EffectBody::ApplyHunk { .. } => "apply hunk",
            EffectBody::RevertHunk { .. } => "revert hunk",
            EffectBody::UndoDecision { .. } => "undo decision",
            EffectBody::StopAgent { .. } => "stop agent",
            EffectBody::PauseAgent { pause: true, .. } => "pause agent",
            EffectBody::PauseAgent { pause: false, .. } => "resume agent",
            EffectBody::LookForWriters { .. } => "look for writers",
            EffectBody::CleanWorktree { .. } => "clean worktree",
            EffectBody::AnswerHook { .. } => "answer hook",
        }
    }
}

/// A file a checkpoint found changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedFile {
    /// Its path.
    pub path: Bytes,
    /// Lines added since the checkpoint before.
    pub insertions: u64,
    /// Lines removed since the checkpoint before.
    pub deletions: u64,
}

/// What became of one agent's part of an effect for several: a result, or why there is none.
pub type PerAgent<T> = (AgentKey, Result<T, String>);

/// How a process ended, as far as known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ended {
    /// Exit code, if it exited.
    pub code: Option<i32>,
    /// Signal number, if one ended it.
    pub signal: Option<i32>,
    /// Processes it left behind that were ended too.
    pub leftover_ended: u32,
}

/// How an effect went.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// Worktrees, each with its path and the way it was made, or why not.
    WorktreesCreated(Vec<PerAgent<(Bytes, String)>>),
    /// An agent runs.
    Launched {
        /// The agent's process.
        pid: u32,
        /// The runner's process.
        runner_pid: u32,
        /// Its command line.
        argv: Vec<Bytes>,
        /// Names of its environment variables.
        environment: Vec<String>,
        /// Its ports.
        ports: Vec<u16>,
    },
    /// Views, each with the backend's name for it, or why there is none.
    ViewsOpened(Vec<PerAgent<(String, String)>>),
    /// A prompt was written.
    Pasted {
        /// Bytes written.
        bytes: u64,
        /// Whether bracketed.
        bracketed: bool,
        /// Whether the program printed something after it.
        echoed: bool,
    },
    /// What the screen shows: what it waits for ([`SCREEN_EARLY`] and [`SCREEN_WORKING`] among it), and the text that
    /// says so. Nothing where it waits for nothing known.
    ScreenRead(Option<(String, String)>),
    /// A timer fired.
    Woken,
    /// A checkpoint was taken.
    Checkpointed {
        /// The commit.
        commit: String,
        /// Its tree.
        tree: String,
        /// The ref that keeps it.
        kept_ref: String,
        /// Whether nothing changed since the checkpoint before.
        unchanged: bool,
        /// Files that differ from the base.
        files: u64,
        /// Lines added to the base.
        insertions: u64,
        /// Lines removed from the base.
        deletions: u64,
        /// Hunks that differ from the base.
        hunks: u64,
        /// Files changed since the checkpoint before.
        changed: Vec<ChangedFile>,
    },
    /// A hunk was applied or reverted.
    Decided {
        /// `file` or `buffer`.
        applied_to: String,
        /// Whether it was so already.
        already: bool,
        /// The ref that keeps what was there before.
        kept_ref: Option<String>,
    },
    /// A decision was undone.
    Undone,
    /// A stop was carried out, or the process was gone already and nothing is known of its end.
    Stopped(Ended),
    /// An agent is halted, or goes on.
    Paused {
        /// How many processes it was done to.
        processes: u32,
    },
    /// Who still writes.
    Writers(Vec<crate::report::Writer>),
    /// A worktree is gone.
    Cleaned {
        /// The ref that keeps its last state.
        kept_ref: String,
        /// The commit.
        commit: Option<String>,
    },
    /// An answer was handed over, or nobody waited for it any more.
    Answered {
        /// Whether somebody waited.
        delivered: bool,
    },
    /// It could not be done; nothing was changed.
    Failed(crate::Refusal),
    /// Nobody can say whether it was done.
    Unknown(String),
}
