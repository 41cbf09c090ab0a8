//! What a front asks for: imperative, and complete, so that deciding needs no look at the world.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::event::payload::{Bytes, HunkRef, SeenHunk};
use crate::rule::NewRule;
use crate::state::Signals;
use crate::state::budget::BudgetScope;
use crate::{AgentKey, EventSeq, RunId};

/// The commit a run's worktrees start from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Base {
    /// How it is shown: `main@a1b2c3 + 3 uncommitted`.
    pub label: String,
    /// The commit.
    pub commit: String,
    /// Its tree.
    pub tree: String,
    /// The branch, if any.
    pub branch: Option<String>,
}

/// An agent to be started, as the catalogue describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentSpec {
    /// Its kind in the catalogue; its name is made from it.
    pub kind: String,
    /// A name the human chose.
    pub name: Option<String>,
    /// Its title.
    pub title: String,
    /// Whether it is a rehearsal.
    pub rehearsal: bool,
    /// How much the program tells about itself.
    pub signals: Signals,
}

/// Where views of new agents go.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ViewPlace {
    /// `tmux`, `wezterm`, `nvim` or `none`.
    pub backend: String,
    /// What `TMUX` held at the front: socket, server process and session, with commas between.
    pub tmux: Option<Bytes>,
    /// The front's own pane in tmux.
    pub tmux_pane: Option<String>,
    /// The socket of the wezterm the front runs in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wezterm_socket: Option<Bytes>,
    /// The front's own pane in wezterm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wezterm_pane: Option<String>,
    /// The editor that asked, by its connection's number.
    pub editor: Option<u64>,
}

/// A session that was begun elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdoptedSession {
    /// Its id.
    pub id: String,
    /// Whether the agent goes on in a copy of it: somebody still has it open.
    pub copy: bool,
    /// The process that has it open.
    pub process: Option<u32>,
    /// Where that process works.
    pub folder: Option<Bytes>,
}

/// An agent that is to go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResumeSpec {
    /// The agent.
    pub agent: AgentKey,
    /// Whether its program can take up an earlier session.
    pub takes_up_sessions: bool,
    /// Whether it shall begin a new session all the same.
    pub fresh: bool,
}

/// A front's wish.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Starts a run with its agents.
    StartRun {
        /// What the human wants.
        objective: String,
        /// What the worktrees start from.
        base: Base,
        /// The agents.
        agents: Vec<AgentSpec>,
        /// Where their views go.
        place: ViewPlace,
        /// How much it may cost before its agents are halted and the human is asked.
        budget_usd: Option<f64>,
    },
    /// Adds an agent to a run.
    SpawnAgent {
        /// The run.
        run: RunId,
        /// What its worktree starts from.
        base: Base,
        /// The agent.
        agent: AgentSpec,
        /// Its first prompt; the run's objective when absent.
        prompt: Option<String>,
        /// Where its view goes.
        place: ViewPlace,
    },
    /// Starts a run of one agent that goes on in a session begun elsewhere.
    AdoptSession {
        /// What its worktree starts from.
        base: Base,
        /// The agent.
        agent: AgentSpec,
        /// The session.
        session: AdoptedSession,
        /// Where its view goes.
        place: ViewPlace,
    },
    /// Sends a prompt to agents.
    SendPrompt {
        /// The agents.
        to: Vec<AgentKey>,
        /// The text.
        text: String,
    },
    /// Ends agents.
    StopAgents {
        /// The agents.
        agents: Vec<AgentKey>,
    },
    /// Opens views of agents that have none there.
    ShowAgents {
        /// The agents.
        agents: Vec<AgentKey>,
        /// Where.
        place: ViewPlace,
    },
    /// Halts agents, or lets halted ones go on.
    PauseAgents {
        /// The agents.
        agents: Vec<AgentKey>,
        /// Whether to halt them.
        pause: bool,
    },
    /// Lets halted agents go on, and starts ended ones again in their worktrees.
    ResumeAgents {
        /// The agents.
        agents: Vec<ResumeSpec>,
        /// Where views of those go that are started again.
        place: ViewPlace,
    },
    /// Takes a hunk into the human's tree.
    AcceptHunk {
        /// The hunk, resolved.
        hunk: HunkRef,
    },
    /// Takes a hunk out of the agent's worktree.
    RejectHunk {
        /// The hunk, resolved.
        hunk: HunkRef,
        /// Why; the agent is told.
        reason: Option<String>,
    },
    /// Comments on a hunk; the agent is told.
    CommentHunk {
        /// The hunk, resolved.
        hunk: HunkRef,
        /// The comment.
        text: String,
    },
    /// Notes what the human was shown.
    NoteSeen {
        /// The hunks.
        hunks: Vec<SeenHunk>,
    },
    /// Undoes the last decision.
    Undo,
    /// Makes the decision again that was undone last.
    Redo,
    /// Removes an agent's worktree.
    Clean {
        /// The agent.
        agent: AgentKey,
    },
    /// Answers an approval.
    AnswerApproval {
        /// Which one.
        approval: EventSeq,
        /// How.
        answer: Answer,
    },
    /// Makes a rule, and answers by it what waits.
    AddRule {
        /// The rule.
        rule: NewRule,
    },
    /// Sets how much a run or a day may cost, and lets those go on whom only that held; `None` lifts it.
    SetBudget {
        /// What it is for.
        scope: BudgetScope,
        /// US dollars.
        usd: Option<f64>,
    },
    /// Takes a rule back.
    RemoveRule {
        /// Which one.
        rule: EventSeq,
    },
}

/// The human's answer to a permission asked for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Answer {
    /// Whether to allow it.
    pub allow: bool,
    /// Why.
    pub reason: Option<String>,
    /// The arguments to use in place of those asked for.
    pub input: Option<Value>,
    /// A rule to be made of it.
    pub rule: Option<NewRule>,
}
