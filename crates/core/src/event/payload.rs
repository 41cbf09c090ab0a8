//! The payload of each event type. Fields are only ever added, with a default, so old rows stay readable.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::EventSeq;
use crate::report::Channel;
use crate::state::{Confidence, StatusState};

pub use super::hunk::{HunkLines, HunkPlace, HunkRef, SeenHunk};

/// Defines payload structs with the derives and the docs they all share.
macro_rules! payloads {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident : $kind:ty),* $(,)? })*) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
            pub struct $name {
                $($(#[$field_doc])* pub $field: $kind,)*
            }
        )*
    };
}

/// Serializes bytes as text where they are UTF-8, else as `{"b64": …}`.
pub mod bytes_as_json {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(untagged)]
    enum Form {
        Text(String),
        Bytes { b64: String },
    }

    /// Writes the bytes.
    ///
    /// # Errors
    /// The serializer's own.
    pub fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(bytes) {
            Ok(text) => Form::Text(text.to_owned()),
            Err(_) => Form::Bytes { b64: crate::id::base64(bytes) },
        }
        .serialize(serializer)
    }

    /// Reads the bytes back.
    ///
    /// # Errors
    /// When the value is neither form.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        match Form::deserialize(deserializer)? {
            Form::Text(text) => Ok(text.into_bytes()),
            Form::Bytes { b64 } => {
                crate::id::unbase64(&b64).ok_or_else(|| serde::de::Error::custom("not base64"))
            }
        }
    }
}

/// A path or other bytes that are text almost always.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Bytes(#[serde(with = "bytes_as_json")] pub Vec<u8>);

impl Bytes {
    /// Shows the bytes as text, replacing what is not UTF-8.
    pub fn lossy(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.0)
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        Bytes(bytes)
    }
}

impl From<&str> for Bytes {
    fn from(text: &str) -> Self {
        Bytes(text.as_bytes().to_vec())
    }
}

payloads! {
    /// A host began to serve the repository.
    HostStarted {
        /// The host's version.
        version: String,
        /// Its process id.
        pid: u32,
        /// Runners found alive.
        #[serde(default)]
        runners_found: u32,
        /// Agents whose runner is gone without a word.
        #[serde(default)]
        agents_lost: u32,
    }
    /// The host stopped in order.
    HostStopped {
        /// Why.
        reason: String,
    }
    /// A run began.
    RunStarted {
        /// What the human wants.
        objective: String,
        /// How the base is shown: `main@a1b2c3 + 3 uncommitted`.
        base: String,
        /// The commit the worktrees start from.
        base_commit: String,
        /// Its tree.
        base_tree: String,
        /// The branch it was on, if any.
        branch: Option<String>,
    }
    /// A run has nothing left to do.
    RunSettled {
        /// `done` or `failed`.
        outcome: String,
    }
    /// An agent was asked for.
    AgentRequested {
        /// Its kind in the catalogue.
        kind: String,
        /// Its title, such as `Claude Code`.
        title: String,
        /// Whether it is a rehearsal: no model behind it.
        #[serde(default)]
        rehearsal: bool,
        /// Its place among the agents of its run, from 0.
        #[serde(default)]
        index: u32,
        /// The commit its worktree starts from.
        base_commit: String,
        /// The tree of that commit.
        base_tree: String,
        /// How the base is shown.
        base: String,
        /// How much of its status the program tells.
        signals: crate::state::Signals,
    }
    /// An agent's worktree stands.
    WorktreeCreated {
        /// Its absolute path.
        worktree: Bytes,
        /// How it was made: `copy`, `git`, …
        strategy: String,
    }
    /// An agent's process was started.
    AgentSpawned {
        /// The agent's process id.
        pid: u32,
        /// The runner's process id.
        runner_pid: u32,
        /// The program with its arguments.
        argv: Vec<Bytes>,
        /// Names of the environment variables it got.
        #[serde(default)]
        environment: Vec<String>,
        /// Its ports.
        #[serde(default)]
        ports: Vec<u16>,
    }
    /// An agent could not be started.
    AgentFailedToStart {
        /// Why, and what to do.
        message: String,
    }
    /// An agent is in another state.
    AgentStatusChanged {
        /// The new state.
        status: StatusState,
        /// The program's words for it.
        detail: Option<String>,
        /// What it waits for.
        waiting_for: Option<String>,
        /// Where that is known from.
        source: Channel,
        /// How far to believe it.
        confidence: Confidence,
    }
    /// The human wants an agent ended.
    StopRequested {}
    /// The human wants an agent halted.
    PauseRequested {}
    /// The human wants a halted agent to go on.
    ResumeRequested {}
    /// An agent is halted, with everything it started.
    AgentPaused {
        /// How many processes were halted.
        #[serde(default)]
        processes: u32,
    }
    /// An agent goes on.
    AgentResumed {
        /// How many processes go on.
        #[serde(default)]
        processes: u32,
    }
    /// An agent could not be halted, or not let go on.
    PauseFailed {
        /// Whether it was to be halted.
        pause: bool,
        /// Why, and what to do.
        message: String,
    }
    /// An agent goes on in a session that was begun elsewhere.
    AgentAdopted {
        /// The session.
        session: String,
        /// Whether it goes on in a copy: the one before is still open elsewhere.
        #[serde(default)]
        copy: bool,
        /// The process that has it open, if one has.
        #[serde(default)]
        process: Option<u32>,
        /// Where that process works.
        #[serde(default)]
        folder: Option<Bytes>,
    }
    /// The human wants an agent that has ended started again, in its worktree.
    AgentRestartRequested {
        /// The program's session that is taken up; none where it begins a new one.
        #[serde(default)]
        session: Option<String>,
        /// Whether a new session is begun although the human could have had the old one.
        #[serde(default)]
        fresh: bool,
    }
    /// An agent's process ended.
    AgentExited {
        /// Exit code, if it exited.
        code: Option<i32>,
        /// Signal number, if one ended it.
        signal: Option<i32>,
        /// Processes it left behind that were ended too.
        #[serde(default)]
        leftover_ended: u32,
        /// Set when its runner vanished and nobody saw how it ended.
        #[serde(default)]
        lost: bool,
    }
    /// An agent's program opened a session.
    AgentSessionStarted {
        /// The program's session id.
        session: String,
        /// `startup`, `resume`, …
        source: String,
    }
    /// An agent's program closed its session.
    AgentSessionEnded {
        /// The program's reason.
        reason: String,
    }
    /// An agent's input line turned bracketed paste on or off.
    InputModeChanged {
        /// The new mode.
        bracketed_paste: bool,
    }
    /// The human wants a view of an agent that has none.
    ViewRequested {
        /// `tmux` or `nvim`.
        backend: String,
    }
    /// A view of an agent was opened.
    ViewOpened {
        /// `tmux` or `nvim`.
        backend: String,
        /// The backend's name for it, such as `%5`.
        view: String,
    }
    /// A view of an agent is gone.
    ViewClosed {
        /// The backend's name for it.
        view: String,
    }
    /// A view of an agent was wanted and could not be opened; the agent works on detached.
    ViewNotOpened {
        /// Why not, as a clause.
        reason: String,
    }
    /// A prompt waits for its agent.
    PromptQueued {
        /// The prompt's number.
        prompt: u64,
        /// The text.
        text: String,
        /// Why it is sent.
        origin: crate::state::PromptOrigin,
    }
    /// More text joined a prompt that still waits.
    PromptExtended {
        /// The prompt's number.
        prompt: u64,
        /// The text that joined.
        text: String,
    }
    /// A prompt is about to be written into the pty.
    PromptWriting {
        /// The prompt's number.
        prompt: u64,
    }
    /// A prompt was written into the pty.
    PromptWritten {
        /// The prompt's number.
        prompt: u64,
        /// Bytes written.
        bytes: u64,
        /// Whether as a bracketed paste.
        #[serde(default)]
        bracketed: bool,
        /// Whether the program printed something after it.
        #[serde(default)]
        echoed: bool,
    }
    /// The program took a prompt.
    PromptAccepted {
        /// The prompt's number.
        prompt: u64,
        /// What shows it.
        evidence: String,
    }
    /// A prompt did not arrive, or nobody can say that it did.
    PromptUndelivered {
        /// The prompt's number.
        prompt: u64,
        /// Why.
        reason: String,
    }
    /// An agent began to work on the objective.
    AiStartedTask {
        /// The objective.
        task: String,
        /// Why this agent works on it.
        reasoning: String,
        /// An estimate, where somebody made one.
        estimated_complexity: Option<String>,
    }
    /// A turn began.
    TurnStarted {
        /// Its number, from 1.
        turn: u32,
        /// The prompt that began it, if it was ours.
        prompt: Option<u64>,
        /// What shows it.
        evidence: String,
        /// The prompt's text as the program saw it, where it is not one of ours.
        text: Option<String>,
    }
    /// A turn ended.
    TurnEnded {
        /// Its number.
        turn: u32,
        /// `done`, `failed` or `interrupted`.
        outcome: crate::state::TurnOutcome,
        /// The agent's closing words, or the error.
        message: Option<String>,
    }
    /// A turn that its program calls over stays open: something it started still writes.
    TurnHeld {
        /// Who writes what.
        writers: Vec<crate::report::Writer>,
        /// What says that it is over, a channel and a report; null where only the writers changed.
        #[serde(default)]
        report: Value,
    }
    /// What was held of a turn is taken up.
    TurnReleased {}
    /// An agent is about to use a tool.
    ToolRequested {
        /// The tool's name.
        tool: String,
        /// The program's id of this use.
        tool_use_id: Option<String>,
        /// Its arguments.
        #[serde(default)]
        input: Value,
        /// The agent's last words before it.
        reason: Option<String>,
    }
    /// A tool was used.
    ToolFinished {
        /// The tool's name.
        tool: String,
        /// The program's id of this use.
        tool_use_id: Option<String>,
        /// Its arguments.
        #[serde(default)]
        input: Value,
        /// What it returned.
        #[serde(default)]
        response: Value,
        /// How long it took, in milliseconds.
        duration_ms: Option<u64>,
    }
    /// A tool failed.
    ToolFailed {
        /// The tool's name.
        tool: String,
        /// The program's id of this use.
        tool_use_id: Option<String>,
        /// Its error.
        error: String,
        /// Whether the human interrupted it.
        #[serde(default)]
        interrupted: bool,
    }
    /// A tool was not allowed.
    ToolDenied {
        /// The tool's name.
        tool: String,
        /// The program's id of this use.
        tool_use_id: Option<String>,
        /// Why.
        reason: String,
    }
    /// An agent said something.
    TextDisplayed {
        /// The text.
        text: String,
        /// Whether it is the message's last piece.
        #[serde(default)]
        last: bool,
    }
    /// A program notified the human.
    NotificationShown {
        /// The text.
        message: String,
        /// The program's kind of notification.
        #[serde(default)]
        category: String,
    }
    /// An agent told what it used.
    UsageReported {
        /// The figures.
        usage: crate::usage::Usage,
        /// The turn it belongs to, 0 before the first.
        #[serde(default)]
        turn: u32,
    }
    /// A budget was set, raised or lifted.
    BudgetSet {
        /// What it is for.
        scope: crate::state::budget::BudgetScope,
        /// US dollars; none where it was lifted.
        limit_usd: Option<f64>,
    }
    /// A budget is used up.
    BudgetPassed {
        /// What it is for.
        scope: crate::state::budget::BudgetScope,
        /// How much it was, in US dollars.
        limit_usd: f64,
        /// What is known to be spent, in US dollars.
        spent_usd: f64,
        /// Tokens beside that of which nobody knows what they cost.
        #[serde(default)]
        unknown_tokens: u64,
    }
    /// A model does not answer for a while.
    LimitReached {
        /// Why.
        limit: crate::usage::LimitKind,
        /// The provider's or the program's words.
        message: String,
        /// When it will answer again, where that was told.
        #[serde(default)]
        resets_at: Option<crate::Timestamp>,
        /// Whether the agent is told to go on then, unless it does by itself.
        #[serde(default)]
        resumes: bool,
    }
    /// An agent stated its plan, or changed it.
    PlanUpdated {
        /// All its steps.
        steps: Vec<crate::usage::PlanStep>,
    }
    /// A subagent began.
    SubagentStarted {
        /// The program's id of it.
        subagent: String,
        /// Its type.
        #[serde(default)]
        category: String,
    }
    /// A subagent ended.
    SubagentStopped {
        /// The program's id of it.
        subagent: String,
        /// Its closing words.
        message: Option<String>,
    }
    /// An agent asks for a permission.
    ApprovalRequested {
        /// The id of the report that asked; an answer goes back to it.
        request: String,
        /// The tool.
        tool: String,
        /// Its arguments.
        #[serde(default)]
        input: Value,
        /// The program's id of this use.
        tool_use_id: Option<String>,
        /// Whether an answer from a front reaches the program.
        #[serde(default)]
        answerable: bool,
        /// The agent's last words before it.
        reason: Option<String>,
    }
    /// An approval can no longer be answered from here.
    ApprovalWithdrawn {
        /// The approval's number: the event that asked.
        approval: EventSeq,
        /// Why.
        why: String,
    }
    /// An approval can be answered from here again.
    ApprovalRejoined {
        /// The approval's number: the event that asked.
        approval: EventSeq,
    }
    /// An approval was answered from a front.
    ApprovalAnswered {
        /// The approval's number.
        approval: EventSeq,
        /// Whether it was allowed.
        allow: bool,
        /// The human's reason, or the rule's.
        reason: Option<String>,
        /// The rule that answered, where it was not the human's own hand.
        #[serde(default)]
        rule: Option<EventSeq>,
        /// The arguments to be used in place of those asked for.
        #[serde(default)]
        input: Option<Value>,
    }
    /// A rule answers certain permissions from now on.
    RuleAdded {
        /// What it says.
        verdict: crate::rule::Verdict,
        /// Whom it is for.
        scope: crate::rule::RuleScope,
        /// What it fits.
        matcher: crate::rule::Matcher,
        /// Why.
        #[serde(default)]
        reason: Option<String>,
        /// Where it is kept.
        source: crate::rule::RuleSource,
    }
    /// A rule holds no more.
    RuleRemoved {
        /// The rule's number: the event that made it.
        rule: EventSeq,
        /// Why.
        #[serde(default)]
        why: String,
    }
    /// An approval was settled elsewhere.
    ApprovalSuperseded {
        /// The approval's number.
        approval: EventSeq,
        /// What shows it.
        why: String,
    }
    /// An agent's worktree was kept as a commit.
    CheckpointTaken {
        /// The commit.
        commit: String,
        /// Its tree.
        tree: String,
        /// The ref that keeps it.
        kept_ref: String,
        /// The turn it belongs to.
        turn: u32,
        /// Why it was taken.
        reason: String,
        /// Whether the tree is the one of the checkpoint before.
        #[serde(default)]
        unchanged: bool,
        /// Files that differ from the base.
        #[serde(default)]
        files: u64,
        /// Lines added to the base.
        #[serde(default)]
        insertions: u64,
        /// Lines removed from the base.
        #[serde(default)]
        deletions: u64,
        /// Hunks that differ from the base.
        #[serde(default)]
        hunks: u64,
    }
    /// A checkpoint could not be taken.
    CheckpointFailed {
        /// Why.
        message: String,
        /// The turn it belongs to.
        #[serde(default)]
        turn: u32,
        /// Why it was to be taken.
        #[serde(default)]
        reason: String,
    }
    /// An agent changed a file in a turn, as git sees it.
    AiGeneratedCode {
        /// The file.
        file: Bytes,
        /// Its difference to the checkpoint before, in short: `+3 -1`.
        diff: String,
        /// The agent's closing words of the turn.
        explanation: Option<String>,
        /// The checkpoint that holds it.
        checkpoint: String,
    }
    /// An agent's turn left changes to review.
    AiRequestedReview {
        /// Hunks that differ from the base.
        changes: u64,
        /// The agent's own confidence, where it states one.
        confidence: Option<f64>,
        /// The agent's closing words.
        message: Option<String>,
    }
    /// The human wants a hunk in the own tree.
    AcceptRequested {
        /// The hunk.
        hunk: HunkRef,
        /// The event that undid the same decision, where this makes it again.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        redoes: Option<EventSeq>,
    }
    /// A hunk is in the human's tree.
    HunkAccepted {
        /// The hunk.
        hunk: HunkRef,
        /// `file` or `buffer`.
        applied_to: String,
        /// Whether it stood there already.
        #[serde(default)]
        already: bool,
        /// The ref that keeps what was there before.
        kept_ref: Option<String>,
    }
    /// The human wants a hunk out of the agent's worktree.
    RejectRequested {
        /// The hunk.
        hunk: HunkRef,
        /// The event that undid the same decision, where this makes it again.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        redoes: Option<EventSeq>,
        /// Why.
        reason: Option<String>,
    }
    /// A hunk is out of the agent's worktree.
    HunkRejected {
        /// The hunk.
        hunk: HunkRef,
        /// Why.
        reason: Option<String>,
        /// The ref that keeps what was there before.
        kept_ref: Option<String>,
    }
    /// A hunk could not be applied or removed.
    DecisionRefused {
        /// The hunk.
        hunk: HunkRef,
        /// `accept` or `reject`.
        decision: String,
        /// The refusal's code.
        code: crate::Code,
        /// Why.
        message: String,
    }
    /// The human was shown hunks as they are.
    HunksSeen {
        /// The hunks.
        hunks: Vec<SeenHunk>,
    }
    /// The human commented on a hunk.
    HunkCommented {
        /// The hunk.
        hunk: HunkRef,
        /// The comment.
        text: String,
    }
    /// The human wants the last decision undone.
    UndoRequested {
        /// The event of the decision.
        event: EventSeq,
    }
    /// A decision was undone.
    HumanRevertedChange {
        /// The event of the decision.
        event: EventSeq,
        /// Why.
        reason: String,
        /// The hunk.
        hunk: HunkRef,
        /// `accept` or `reject`.
        decision: String,
    }
    /// An undo could not be done.
    UndoRefused {
        /// The event of the decision.
        event: EventSeq,
        /// Why.
        message: String,
    }
    /// The human said something to an agent.
    HumanProvidedGuidance {
        /// What was said.
        text: String,
        /// Events it refers to.
        #[serde(default)]
        context: Vec<EventSeq>,
    }
    /// An agent's worktree is to go.
    CleanRequested {}
    /// An agent's worktree is gone, its last state kept.
    WorktreeCleaned {
        /// The ref that keeps it.
        kept_ref: String,
        /// The commit.
        commit: Option<String>,
    }
    /// An agent's worktree could not be removed.
    CleanFailed {
        /// Why.
        message: String,
    }
    /// The outcome of an effect could not be learnt.
    EffectLost {
        /// What it was.
        effect: String,
        /// What is known.
        message: String,
    }
    /// Something an agent reported that has no better word.
    AgentReported {
        /// Its name.
        name: String,
        /// Its payload.
        #[serde(default)]
        payload: Value,
    }
}
