//! What adapters observed: the inputs that are neither commands nor answers to effects.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::event::payload::Bytes;
use crate::usage::{LimitKind, PlanStep, Usage};
use crate::{AgentKey, Timestamp};

/// Where an observation comes from; it decides how far a status is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// The program's own status sequence, OSC 7501.
    Osc7501,
    /// A hook the program ran.
    Hook,
    /// The program's window title, read by patterns of the catalogue.
    Title,
    /// A notification in its terminal, read by patterns of the catalogue.
    Notification,
    /// Another terminal signal: bell, notification, prompt mark, input mode.
    Osc,
    /// The process itself: started, exited.
    Process,
    /// That it prints, or no longer prints.
    Output,
    /// Text matched on the rendered screen; a guess.
    Screen,
}

impl Channel {
    /// Tells whether the program itself says by it what it does, for as long as that lasts.
    pub fn is_own_word(self) -> bool {
        matches!(self, Channel::Osc7501 | Channel::Title)
    }

    /// Gives the word shown beside a status.
    pub fn word(self) -> &'static str {
        match self {
            Channel::Osc7501 => "osc7501",
            Channel::Hook => "hook",
            Channel::Title => "title",
            Channel::Notification => "notification",
            Channel::Osc => "osc",
            Channel::Process => "process",
            Channel::Output => "output",
            Channel::Screen => "screen",
        }
    }
}

/// One observation about one agent, with the identity that makes it count once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReportEnvelope {
    /// Unique in the store: the same report delivered twice is stored once.
    pub id: String,
    /// The agent it is about.
    pub agent: AgentKey,
    /// When the adapter saw it.
    pub at: Timestamp,
    /// Where it comes from.
    pub channel: Channel,
    /// What was seen.
    pub report: Report,
    /// Processes the agent started that write into its worktree, where that was looked up.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub writers: Vec<Writer>,
}

/// A process that writes a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Writer {
    /// Its process id.
    pub pid: u32,
    /// The name of its program.
    pub command: String,
    /// The file, from the top of the worktree.
    pub path: Bytes,
}

/// The state a program states about itself by OSC 7501.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StatedState {
    /// Ready for a prompt.
    Idle,
    /// In a turn.
    Working,
    /// Waits for the human.
    Blocked,
    /// A turn ended well.
    Done,
    /// A turn ended in an error.
    Error,
    /// The program takes its status back, mostly because it leaves.
    Clear,
}

/// What an adapter saw an agent do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Report {
    /// The agent's process runs.
    ProcessStarted {
        /// Its process id.
        pid: u32,
    },
    /// The agent's process ended.
    ProcessExited {
        /// Exit code, if it exited.
        code: Option<i32>,
        /// Signal number, if one ended it.
        signal: Option<i32>,
        /// Processes it left behind that were ended too.
        leftover_ended: u32,
    },
    /// The program opened a session of its own.
    SessionStarted {
        /// The program's session id, for resuming.
        session_id: String,
        /// `startup`, `resume`, …
        source: String,
    },
    /// The program closed its session.
    SessionEnded {
        /// The program's reason.
        reason: String,
    },
    /// The program took a prompt.
    PromptSubmitted {
        /// The prompt as the program saw it.
        text: String,
    },
    /// A turn ended.
    TurnEnded {
        /// The agent's closing words.
        message: Option<String>,
    },
    /// A turn ended in an error of the program or its model.
    TurnFailed {
        /// The error's kind or text.
        error: String,
        /// What the agent showed.
        message: Option<String>,
    },
    /// The agent is about to use a tool.
    ToolRequested {
        /// The program's id of this use.
        tool_use_id: Option<String>,
        /// The tool's name.
        tool: String,
        /// Its arguments.
        input: Value,
    },
    /// A tool was used.
    ToolFinished {
        /// The program's id of this use.
        tool_use_id: Option<String>,
        /// The tool's name.
        tool: String,
        /// Its arguments.
        input: Value,
        /// What it returned.
        response: Value,
        /// How long it took, in milliseconds.
        duration_ms: Option<u64>,
    },
    /// A tool failed.
    ToolFailed {
        /// The program's id of this use.
        tool_use_id: Option<String>,
        /// The tool's name.
        tool: String,
        /// Its arguments.
        input: Value,
        /// Its error.
        error: String,
        /// Whether the human interrupted it.
        interrupted: bool,
    },
    /// A tool was not allowed.
    ToolDenied {
        /// The program's id of this use.
        tool_use_id: Option<String>,
        /// The tool's name.
        tool: String,
        /// Its arguments.
        input: Value,
        /// Why, in the program's words.
        reason: String,
    },
    /// The agent said something.
    TextDisplayed {
        /// The program's id of the message.
        message_id: String,
        /// The place of this piece in the message, from 0.
        index: u64,
        /// Whether it is the last piece.
        last: bool,
        /// The text.
        text: String,
    },
    /// The program asks the human for a permission.
    ApprovalRequested {
        /// The tool it wants to use.
        tool: String,
        /// Its arguments.
        input: Value,
        /// The program's id of this use, where it gives one.
        tool_use_id: Option<String>,
        /// Whether an answer given to the asking connection reaches the program.
        answerable: bool,
        /// Whether the program shows no dialog of its own, and states nothing of it, while that connection is open.
        #[serde(default)]
        held: bool,
    },
    /// The connection that could have carried an answer is gone.
    ApprovalWithdrawn {
        /// The id of the report that asked.
        request: String,
    },
    /// The program waits for the answer again, on another connection: a host ended meanwhile.
    ApprovalRejoined {
        /// The id of the report that asked.
        request: String,
    },
    /// The program notified the human.
    NotificationShown {
        /// The text.
        message: String,
        /// The program's kind of notification.
        category: String,
    },
    /// The agent told what it used.
    UsageReported {
        /// The figures.
        usage: Usage,
    },
    /// The model does not answer for a while.
    LimitReached {
        /// Why.
        limit: LimitKind,
        /// The provider's or the program's words.
        message: String,
        /// When it will answer again, where that was told.
        resets_at: Option<Timestamp>,
    },
    /// The agent stated its plan, or changed it.
    PlanUpdated {
        /// All its steps.
        steps: Vec<PlanStep>,
    },
    /// A subagent began.
    SubagentStarted {
        /// The program's id of it.
        subagent: String,
        /// Its type.
        category: String,
    },
    /// A subagent ended.
    SubagentStopped {
        /// The program's id of it.
        subagent: String,
        /// Its closing words.
        message: Option<String>,
    },
    /// The program stated its status, or showed it in its title or a notification; the channel says which.
    StatusStated {
        /// The state.
        state: StatedState,
        /// Its words for it.
        detail: Option<String>,
        /// `permission` and the like; what is waited for where it was shown.
        category: Option<String>,
    },
    /// The terminal title changed.
    TitleChanged {
        /// The new title.
        title: String,
    },
    /// The bell rang.
    BellRung,
    /// It prints again after a silence.
    OutputActive,
    /// It has printed nothing for a while.
    OutputQuiet,
    /// It turned bracketed paste on or off.
    BracketedPaste {
        /// The new mode.
        on: bool,
    },
    /// A known text stands on its screen while no better signal came.
    ScreenMatched {
        /// What it waits for: `trust`, `api key`, `mcp`, `look at the pane`.
        waiting_for: String,
        /// The matched text.
        text: String,
    },
    /// A hook this version has no better word for; kept whole.
    Other {
        /// The hook's name.
        name: String,
        /// Its payload.
        payload: Value,
    },
}
