//! What happened: the facts of the log, past tense.
//!
//! Each type's payload is a struct in [`payload`]; its JSON form is a contract held by a snapshot test.

pub mod hunk;
pub mod payload;

use serde::{Deserialize, Serialize};

use crate::{AgentKey, EventSeq, RunId, Timestamp};

/// Who did it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Actor {
    /// A person at a front.
    Human {
        /// The operating system's name of the user.
        user: String,
    },
    /// A script at a front without a person.
    Script {
        /// The operating system's name of the user.
        user: String,
    },
    /// An agent.
    Agent {
        /// Which one.
        agent: AgentKey,
    },
    /// The host itself.
    Host,
}

impl Actor {
    /// Gives the word stored in the log's `actor` column.
    pub fn word(&self) -> &'static str {
        match self {
            Actor::Human { .. } => "human",
            Actor::Script { .. } => "script",
            Actor::Agent { .. } => "agent",
            Actor::Host => "host",
        }
    }

    /// Gives the user behind it, if one is.
    pub fn user(&self) -> Option<&str> {
        match self {
            Actor::Human { user } | Actor::Script { user } => Some(user),
            Actor::Agent { .. } | Actor::Host => None,
        }
    }
}

/// A fact with its place in the log.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Its place: dense, from 1.
    pub seq: EventSeq,
    /// When it happened.
    pub at: Timestamp,
    /// Who did it.
    pub actor: Actor,
    /// The agent it is about.
    pub agent: Option<AgentKey>,
    /// The run it belongs to.
    pub run: Option<RunId>,
    /// The event it follows from.
    pub cause: Option<EventSeq>,
    /// Repository-relative paths it touches, as bytes.
    pub paths: Vec<Vec<u8>>,
    /// What happened.
    pub body: EventBody,
}

macro_rules! event_types {
    ($($(#[$doc:meta])* $variant:ident = $name:literal),* $(,)?) => {
        /// What happened, by type.
        #[derive(Debug, Clone, PartialEq)]
        pub enum EventBody {
            $($(#[$doc])* $variant(payload::$variant),)*
        }

        /// The name of each event type, in the order of the vocabulary.
        pub const EVENT_TYPES: &[&str] = &[$($name),*];

        impl EventBody {
            /// Gives the type's name as it stands in the log.
            pub fn event_type(&self) -> &'static str {
                match self { $(EventBody::$variant(_) => $name,)* }
            }

            /// Writes the payload as JSON.
            ///
            /// # Errors
            /// Only when a payload cannot be JSON, which no payload of ours can cause.
            pub fn to_json(&self) -> serde_json::Result<serde_json::Value> {
                match self { $(EventBody::$variant(body) => serde_json::to_value(body),)* }
            }

            /// Writes the payload as JSON text.
            ///
            /// # Errors
            /// As [`EventBody::to_json`].
            pub fn to_text(&self) -> serde_json::Result<String> {
                match self { $(EventBody::$variant(body) => serde_json::to_string(body),)* }
            }

            /// Reads a payload back from the log.
            ///
            /// # Errors
            /// [`UnreadableEvent`] for a type this version does not know or a payload that is not its type's.
            pub fn from_text(event_type: &str, data: &str) -> Result<EventBody, UnreadableEvent> {
                let wrong = |error: serde_json::Error| UnreadableEvent {
                    event_type: event_type.to_owned(),
                    why: error.to_string(),
                };
                match event_type {
                    $($name => serde_json::from_str(data).map(EventBody::$variant).map_err(wrong),)*
                    _ => Err(UnreadableEvent {
                        event_type: event_type.to_owned(),
                        why: "this version does not know the type".to_owned(),
                    }),
                }
            }
        }

        $(impl From<payload::$variant> for EventBody {
            fn from(body: payload::$variant) -> Self { EventBody::$variant(body) }
        })*
    };
}

/// Says that a row of the log cannot be read by this version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an event of type {event_type} cannot be read: {why}")]
pub struct UnreadableEvent {
    /// The type in the row.
    pub event_type: String,
    /// Why.
    pub why: String,
}

event_types! {
    /// A host began to serve the repository.
    HostStarted = "host_started",
    /// The host stopped in order.
    HostStopped = "host_stopped",
    /// A run began.
    RunStarted = "run_started",
    /// A run has nothing left to do.
    RunSettled = "run_settled",
    /// An agent was asked for.
    AgentRequested = "agent_requested",
    /// An agent's worktree stands.
    WorktreeCreated = "worktree_created",
    /// An agent's process was started.
    AgentSpawned = "agent_spawned",
    /// An agent could not be started.
    AgentFailedToStart = "agent_failed_to_start",
    /// An agent is in another state.
    AgentStatusChanged = "agent_status_changed",
    /// The human wants an agent ended.
    StopRequested = "stop_requested",
    /// The human wants an agent halted.
    PauseRequested = "pause_requested",
    /// The human wants a halted agent to go on.
    ResumeRequested = "resume_requested",
    /// An agent is halted, with everything it started.
    AgentPaused = "agent_paused",
    /// An agent goes on.
    AgentResumed = "agent_resumed",
    /// An agent could not be halted, or not let go on.
    PauseFailed = "pause_failed",
    /// An agent goes on in a session that was begun elsewhere.
    AgentAdopted = "agent_adopted",
    /// The human wants an agent that has ended started again.
    AgentRestartRequested = "agent_restart_requested",
    /// An agent's process ended.
    AgentExited = "agent_exited",
    /// An agent's program opened a session.
    AgentSessionStarted = "agent_session_started",
    /// An agent's program closed its session.
    AgentSessionEnded = "agent_session_ended",
    /// An agent's input line turned bracketed paste on or off.
    InputModeChanged = "input_mode_changed",
    /// The human wants a view of an agent that has none.
    ViewRequested = "view_requested",
    /// A view of an agent was opened.
    ViewOpened = "view_opened",
    /// A view of an agent is gone.
    ViewClosed = "view_closed",
    /// A view of an agent was wanted and could not be opened.
    ViewNotOpened = "view_not_opened",
    /// A prompt waits for its agent.
    PromptQueued = "prompt_queued",
    /// More text joined a prompt that still waits.
    PromptExtended = "prompt_extended",
    /// A prompt is about to be written into the pty.
    PromptWriting = "prompt_writing",
    /// A prompt was written into the pty.
    PromptWritten = "prompt_written",
    /// The program took a prompt.
    PromptAccepted = "prompt_accepted",
    /// A prompt did not arrive, or nobody can say that it did.
    PromptUndelivered = "prompt_undelivered",
    /// An agent began to work on the objective.
    AiStartedTask = "ai_started_task",
    /// A turn began.
    TurnStarted = "turn_started",
    /// A turn ended.
    TurnEnded = "turn_ended",
    /// A turn that its program calls over stays open: something it started still writes.
    TurnHeld = "turn_held",
    /// What was held of a turn is taken up.
    TurnReleased = "turn_released",
    /// An agent is about to use a tool.
    ToolRequested = "tool_requested",
    /// A tool was used.
    ToolFinished = "tool_finished",
    /// A tool failed.
    ToolFailed = "tool_failed",
    /// A tool was not allowed.
    ToolDenied = "tool_denied",
    /// An agent said something.
    TextDisplayed = "text_displayed",
    /// A program notified the human.
    NotificationShown = "notification_shown",
    /// An agent told what it used.
    UsageReported = "usage_reported",
    /// A budget was set, raised or lifted.
    BudgetSet = "budget_set",
    /// A budget is used up.
    BudgetPassed = "budget_passed",
    /// A model does not answer for a while.
    LimitReached = "limit_reached",
    /// An agent stated its plan, or changed it.
    PlanUpdated = "plan_updated",
    /// A subagent began.
    SubagentStarted = "subagent_started",
    /// A subagent ended.
    SubagentStopped = "subagent_stopped",
    /// An agent asks for a permission.
    ApprovalRequested = "approval_requested",
    /// An approval can no longer be answered from here.
    ApprovalWithdrawn = "approval_withdrawn",
    /// An approval can be answered from here again.
    ApprovalRejoined = "approval_rejoined",
    /// An approval was answered from a front.
    ApprovalAnswered = "approval_answered",
    /// An approval was settled elsewhere.
    ApprovalSuperseded = "approval_superseded",
    /// A rule answers certain permissions from now on.
    RuleAdded = "rule_added",
    /// A rule holds no more.
    RuleRemoved = "rule_removed",
    /// An agent's worktree was kept as a commit.
    CheckpointTaken = "checkpoint_taken",
    /// A checkpoint could not be taken.
    CheckpointFailed = "checkpoint_failed",
    /// An agent changed a file in a turn, as git sees it.
    AiGeneratedCode = "ai_generated_code",
    /// An agent's turn left changes to review.
    AiRequestedReview = "ai_requested_review",
    /// The human wants a hunk in the own tree.
    AcceptRequested = "accept_requested",
    /// A hunk is in the human's tree.
    HunkAccepted = "hunk_accepted",
    /// The human wants a hunk out of the agent's worktree.
    RejectRequested = "reject_requested",
    /// A hunk is out of the agent's worktree.
    HunkRejected = "hunk_rejected",
    /// A hunk could not be applied or removed.
    DecisionRefused = "decision_refused",
    /// The human was shown hunks as they are.
    HunksSeen = "hunks_seen",
    /// The human commented on a hunk.
    HunkCommented = "hunk_commented",
    /// The human wants the last decision undone.
    UndoRequested = "undo_requested",
    /// A decision was undone.
    HumanRevertedChange = "human_reverted_change",
    /// An undo could not be done.
    UndoRefused = "undo_refused",
    /// The human said something to an agent.
    HumanProvidedGuidance = "human_provided_guidance",
    /// An agent's worktree is to go.
    CleanRequested = "clean_requested",
    /// An agent's worktree is gone, its last state kept.
    WorktreeCleaned = "worktree_cleaned",
    /// An agent's worktree could not be removed.
    CleanFailed = "clean_failed",
    /// The outcome of an effect could not be learnt.
    EffectLost = "effect_lost",
    /// Something an agent reported that has no better word.
    AgentReported = "agent_reported",
}
