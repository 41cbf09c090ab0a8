//! An agent as the host knows it, and the prompts on their way to it.

use serde::{Deserialize, Serialize};

use crate::event::payload::Bytes;
use crate::report::Channel;
use crate::{AgentKey, EventSeq, Timestamp};

/// What an agent is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StatusState {
    /// Its process starts.
    Starting,
    /// It is in a turn.
    Working,
    /// It waits for the human.
    Waiting,
    /// It is ready for a prompt.
    Idle,
    /// Its turn ended well.
    Done,
    /// Its turn, or its process, ended in an error.
    Failed,
    /// The human stopped it.
    Stopped,
    /// Its process ended.
    Exited,
    /// Nobody can say.
    Unknown,
}

impl StatusState {
    /// Gives the word shown to people and scripts.
    pub fn word(self) -> &'static str {
        match self {
            StatusState::Starting => "starting",
            StatusState::Working => "working",
            StatusState::Waiting => "waiting",
            StatusState::Idle => "idle",
            StatusState::Done => "done",
            StatusState::Failed => "failed",
            StatusState::Stopped => "stopped",
            StatusState::Exited => "exited",
            StatusState::Unknown => "unknown",
        }
    }
}

/// How far a status is to be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Confidence {
    /// The program states it.
    Stated,
    /// It follows from what the program reported.
    Reported,
    /// It is a guess from screen or output.
    Guess,
}

impl Confidence {
    /// Gives the word shown to people and scripts.
    pub fn word(self) -> &'static str {
        match self {
            Confidence::Stated => "stated",
            Confidence::Reported => "reported",
            Confidence::Guess => "guess",
        }
    }
}

/// A status with its source and age.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The state.
    pub state: StatusState,
    /// The program's words for it.
    pub detail: Option<String>,
    /// What it waits for.
    pub waiting_for: Option<String>,
    /// Where it is known from.
    pub source: Channel,
    /// How far to believe it.
    pub confidence: Confidence,
    /// Since when.
    pub since: Timestamp,
}

/// Where a kind of agent's status comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StatusSource {
    /// OSC 7501, hooks while it is silent.
    Osc7501,
    /// Its window title, and hooks.
    Title,
    /// Hooks, which tell of everything.
    Hooks,
    /// Hooks where it has some, else whether it prints; once it prints no more, the last rows of its screen.
    Screen,
    /// Whether it prints.
    Output,
}

/// How a kind of agent is known to be ready for a prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReadySignal {
    /// It states that it is idle.
    Status,
    /// It reports that its session began.
    SessionStart,
    /// It turns bracketed paste on.
    BracketedPaste,
    /// It began its session or turned bracketed paste on, and no known dialog stands on its screen.
    Screen,
    /// It prints.
    Output,
    /// It runs.
    Start,
}

/// How much a program tells about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signals {
    /// Where its status comes from.
    pub status: StatusSource,
    /// Whether hooks report its actions.
    pub hooks: bool,
    /// How it is known to be ready.
    pub ready: ReadySignal,
    /// How many seconds that may take before it is shown as not ready.
    #[serde(default = "ready_within_s")]
    pub ready_within_s: u32,
}

/// How long agents of older logs may take, and those whose entry says nothing.
fn ready_within_s() -> u32 {
    60
}

impl Signals {
    /// Tells whether a living agent can count as settled: one that only prints may be silent in the
    /// middle of its work, so it settles by its exit, unless it shows an input line for pastes.
    pub fn can_settle_alive(self, bracketed_paste: bool) -> bool {
        self.status != StatusSource::Output || self.hooks || bracketed_paste
    }
}

/// Where an agent stands in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Asked for; its worktree is being made.
    Requested,
    /// Its worktree stands; its process is being started.
    Starting,
    /// Its process runs.
    Running,
    /// Its process ended.
    Exited,
    /// It never ran.
    FailedToStart,
    /// Its worktree is gone.
    Cleaned,
}

/// How a turn ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TurnOutcome {
    /// The agent finished.
    Done,
    /// It ended in an error.
    Failed,
    /// The human interrupted it.
    Interrupted,
}

/// An agent's worktree, kept as a commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The commit.
    pub commit: String,
    /// Its tree.
    pub tree: String,
    /// The ref that keeps it.
    pub kept_ref: String,
    /// The event that tells of it.
    pub seq: EventSeq,
    /// The turn it belongs to.
    pub turn: u32,
    /// Files that differ from the base.
    #[serde(default)]
    pub files: u64,
    /// Lines added to the base.
    #[serde(default)]
    pub insertions: u64,
    /// Lines removed from the base.
    #[serde(default)]
    pub deletions: u64,
    /// Hunks that differ from the base.
    #[serde(default)]
    pub hunks: u64,
}

/// Why a checkpoint is taken at a turn's end.
pub(crate) const TURN_ENDED: &str = "turn ended";
/// Why a checkpoint is taken once a process ended.
pub(crate) const PROCESS_ENDED: &str = "process ended";
/// Why a checkpoint is taken once a hunk was taken out of a worktree.
pub(crate) const HUNK_REJECTED: &str = "hunk rejected";

/// How a process ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// Exit code, if it exited.
    pub code: Option<i32>,
    /// Signal number, if one ended it.
    pub signal: Option<i32>,
    /// Set when nobody saw how it ended.
    #[serde(default)]
    pub lost: bool,
}

/// One agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agent {
    /// Its full name.
    pub key: AgentKey,
    /// Its kind in the catalogue.
    pub kind: String,
    /// Its title.
    pub title: String,
    /// Whether it is a rehearsal.
    pub rehearsal: bool,
    /// Its place among the agents of its run.
    pub index: u32,
    /// How much its program tells.
    pub signals: Signals,
    /// The event that asked for it.
    pub seq: EventSeq,
    /// How its base is shown.
    pub base: String,
    /// The commit its worktree starts from.
    pub base_commit: String,
    /// The tree of that commit.
    pub base_tree: String,
    /// Where it stands in its life.
    pub phase: Phase,
    /// What it is doing.
    pub status: Status,
    /// Whether its program ever stated its status.
    #[serde(default)]
    pub stated: bool,
    /// Whether it takes prompts.
    #[serde(default)]
    pub ready: bool,
    /// Whether bracketed paste is on.
    #[serde(default)]
    pub bracketed_paste: bool,
    /// Turns begun.
    #[serde(default)]
    pub turn: u32,
    /// Whether a turn is open.
    #[serde(default)]
    pub in_turn: bool,
    /// What says that the turn is over, each a channel and a report, kept until nothing of the agent writes any more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub held: Vec<serde_json::Value>,
    /// Who writes meanwhile.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub writers: Vec<crate::report::Writer>,
    /// The event that began the turn.
    pub turn_seq: Option<EventSeq>,
    /// The agent's last words.
    pub last_text: Option<String>,
    /// Its program's session id.
    pub session: Option<String>,
    /// Its worktree.
    pub worktree: Option<Bytes>,
    /// Its process.
    pub pid: Option<u32>,
    /// When its process was started.
    #[serde(default)]
    pub spawned_at: Option<Timestamp>,
    /// Its ports.
    #[serde(default)]
    pub ports: Vec<u16>,
    /// Its last checkpoint.
    pub checkpoint: Option<Checkpoint>,
    /// Whether a checkpoint is being taken.
    #[serde(default)]
    pub checkpointing: bool,
    /// Whether that is one after a rejection and no other is waited for.
    #[serde(default)]
    pub(super) checkpoints_rejection: bool,
    /// Whether the human asked for its end.
    #[serde(default)]
    pub stop_requested: bool,
    /// How its process ended.
    pub exit: Option<Exit>,
    /// Its views, as `backend:view`.
    #[serde(default)]
    pub views: Vec<String>,
    /// Whether a view is being opened that was asked for.
    #[serde(default)]
    pub viewing: bool,
    /// Why a view that was wanted is not there.
    #[serde(default)]
    pub view_note: Option<String>,
    /// Prompts known not to have arrived since its last turn began.
    #[serde(default)]
    pub undelivered: u32,
    /// The last of these prompts, oldest first.
    #[serde(default)]
    pub lost_prompts: Vec<LostPrompt>,
    /// Since when it is halted.
    #[serde(default)]
    pub paused: Option<Timestamp>,
    /// Whether it is being halted, or being let go on.
    #[serde(default)]
    pub pausing: Option<bool>,
    /// When it went on last.
    #[serde(default)]
    pub resumed_at: Option<Timestamp>,
    /// The event by which it was started again last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restarted: Option<EventSeq>,
    /// The session its program takes up, where it was started again with one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resuming: Option<String>,
    /// Whether it goes on in a copy of that session.
    #[serde(default)]
    pub forking: bool,
    /// Whether its worktree is being removed.
    #[serde(default)]
    pub cleaning: bool,
    /// The ref that keeps its last state after its worktree is gone.
    #[serde(default)]
    pub kept_ref: Option<String>,
}

impl Agent {
    /// Tells whether its process runs, as far as known.
    pub fn is_living(&self) -> bool {
        self.phase == Phase::Running
    }

    /// Tells whether its process was ended from outside, as by a reboot, and nobody asked for that.
    pub fn was_cut_off(&self) -> bool {
        let exit = self.exit.as_ref();
        self.phase == Phase::Exited
            && !self.stop_requested
            && exit.is_some_and(|exit| exit.lost || exit.signal.is_some())
    }

    /// Tells whether its process ended, or never will run.
    pub fn has_ended(&self) -> bool {
        matches!(self.phase, Phase::Exited | Phase::FailedToStart | Phase::Cleaned)
    }

    /// Gives the time by which it should take prompts, once its process was started.
    pub fn ready_by(&self) -> Option<Timestamp> {
        let within = i64::from(self.signals.ready_within_s) * 1_000_000;
        self.spawned_at.map(|at| Timestamp(at.0.saturating_add(within)))
    }

    /// Tells whether it runs and should take prompts by now, and does not.
    pub fn is_overdue(&self, now: Timestamp) -> bool {
        self.is_living() && !self.ready && self.ready_by().is_some_and(|by| by <= now)
    }

    /// Tells whether it is halted, or about to be: what it does not do then means nothing.
    pub fn is_halted(&self) -> bool {
        self.paused.is_some() || self.pausing == Some(true)
    }

    /// Gives the word for how it is: that of its status, or that it is paused.
    pub fn word(&self) -> &'static str {
        if self.paused.is_some() { "paused" } else { self.status.state.word() }
    }

    /// Gives since when it is as [`Agent::word`] says.
    pub fn since(&self) -> Timestamp {
        self.paused.unwrap_or(self.status.since)
    }

    /// Tells why it can take no prompt now, if that is so.
    pub fn holds_prompts(&self) -> Option<&'static str> {
        let is_hidden = self.signals.ready == ReadySignal::BracketedPaste && !self.bracketed_paste;
        Some(match self.status.state {
            _ if self.has_ended() => "its process ended; orchflow resume starts it again",
            _ if !self.is_living() => "its process is being started",
            _ if self.stop_requested => "it is being stopped",
            _ if self.is_halted() => "it is paused",
            StatusState::Waiting => "it waits for you",
            _ if !self.ready => "it has not said that it is ready",
            StatusState::Working => "it works",
            _ if self.in_turn => "its turn is not over",
            _ if self.checkpointing => "its work is being kept first",
            // Without its input line it would take the prompt as input of what it runs.
            _ if is_hidden => "its input line is not there",
            _ => return None,
        })
    }

    /// Notes that a turn or the process ended and the worktree is being kept.
    pub(super) fn await_checkpoint(&mut self) {
        self.checkpointing = self.worktree.is_some();
        self.checkpoints_rejection = false;
    }

    /// Tells whether a checkpoint, taken or failed, is the last one that was asked for: others, such as
    /// those of the turn before or of a rejected hunk, may still be on their way when a turn ends.
    pub(super) fn is_last_checkpoint(&self, turn: u32, reason: &str) -> bool {
        match reason {
            PROCESS_ENDED => true,
            TURN_ENDED => !self.has_ended() && turn >= self.turn,
            HUNK_REJECTED => self.checkpoints_rejection,
            _ => false,
        }
    }

    /// Tells whether it is shown in a view of that name, in whatever backend.
    pub(crate) fn has_view(&self, view: &str) -> bool {
        self.views.iter().any(|shown| view_name(shown) == view)
    }
}

/// Gives the backend's name of a view, as kept in [`Agent::views`].
pub(super) fn view_name(shown: &str) -> &str {
    shown.split_once(':').map_or(shown, |(_, name)| name)
}

/// Why a prompt is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PromptOrigin {
    /// It is the run's objective.
    Objective,
    /// The human speaks.
    Message,
    /// It tells of rejected hunks and comments.
    Review,
    /// It tells a new session what the one before did.
    Resumed,
}

/// How far a prompt got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PromptState {
    /// It waits for its agent.
    Queued,
    /// It is being written.
    Writing,
    /// It stands in the program's input, as far as known.
    Written,
}

impl PromptState {
    /// Gives the word shown to people and scripts.
    pub fn word(self) -> &'static str {
        match self {
            PromptState::Queued => "queued",
            PromptState::Writing => "writing",
            PromptState::Written => "written",
        }
    }

    /// Tells whether something is still to happen with it. Every kept prompt is open.
    pub fn is_open(self) -> bool {
        matches!(self, PromptState::Queued | PromptState::Writing | PromptState::Written)
    }
}

/// A prompt that did not arrive, or of which nobody can say that it did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LostPrompt {
    /// Its number.
    pub prompt: u64,
    /// The beginning of its text; the log has it whole.
    pub text: String,
    /// When it was given up.
    pub at: Timestamp,
}

/// So many lost prompts are kept with an agent.
pub(super) const LOST_PROMPTS: usize = 20;

/// A prompt on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prompt {
    /// Its number: the event that queued it.
    pub id: u64,
    /// Its agent.
    pub agent: AgentKey,
    /// The text.
    pub text: String,
    /// Why it is sent.
    pub origin: PromptOrigin,
    /// How far it got.
    pub state: PromptState,
    /// When it was queued.
    pub queued_at: Timestamp,
    /// Whether the program stated that it works since the prompt was handed over, and no other prompt's turn began.
    #[serde(default)]
    pub worked: bool,
}
