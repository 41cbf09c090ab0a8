//! What is so now: the sum of the log, kept as aggregates that the store saves one by one.

pub mod agent;
pub mod budget;
pub mod decisions;
mod evolve;
pub mod ledger;
mod needs;
pub mod review;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use agent::{
    Agent, Checkpoint, Confidence, Exit, Limit, LostPrompt, Phase, Prompt, PromptOrigin, PromptState,
    ReadySignal, Signals, Status, StatusSource, StatusState, TurnOutcome,
};
pub use needs::{Need, NeedKind};
pub use review::{Approval, Decision, DecisionState, KEPT_OPERATIONS, Operation, SeenFile, Shown, Undone};

use self::budget::{Budget, BudgetScope};
use self::ledger::{Meter, TurnUsage};
use crate::event::payload::Bytes;
use crate::rule::Rule;
use crate::{AgentKey, EventSeq, RunId, Timestamp};

/// One objective and the agents on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Its number.
    pub run: RunId,
    /// What the human wants.
    pub objective: String,
    /// How its base is shown.
    pub base: String,
    /// The commit its worktrees start from.
    pub base_commit: String,
    /// The tree of that commit.
    pub base_tree: String,
    /// When it began.
    pub created_at: Timestamp,
    /// The event that began it.
    pub seq: EventSeq,
    /// `done` or `failed` once nothing is left to do.
    pub outcome: Option<String>,
}

/// Names one stored aggregate.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum AggregateKey {
    /// A run.
    Run(RunId),
    /// An agent.
    Agent(AgentKey),
    /// A prompt that is not settled.
    Prompt(u64),
    /// An approval that waits.
    Approval(EventSeq),
    /// A decision on a hunk.
    Decision(String),
    /// A decision that can be undone.
    Operation(EventSeq),
    /// A decision that can be made again.
    Undone(EventSeq),
    /// A rule that holds.
    Rule(EventSeq),
    /// What an agent used in a turn.
    Usage(AgentKey, u32),
    /// How far an agent's counters ran.
    Meter(AgentKey),
    /// A budget.
    Budget(BudgetScope),
    /// What the human was shown of a file of an agent.
    Seen(AgentKey, Bytes),
}

impl AggregateKey {
    /// Gives the kind and the key as the store's columns hold them.
    pub fn columns(&self) -> (&'static str, String) {
        match self {
            AggregateKey::Run(run) => ("run", run.to_string()),
            AggregateKey::Agent(agent) => ("agent", agent.to_string()),
            AggregateKey::Prompt(prompt) => ("prompt", prompt.to_string()),
            AggregateKey::Approval(seq) => ("approval", seq.0.to_string()),
            AggregateKey::Decision(hunk) => ("decision", hunk.clone()),
            AggregateKey::Operation(seq) => ("operation", seq.0.to_string()),
            AggregateKey::Undone(seq) => ("undone", seq.0.to_string()),
            AggregateKey::Rule(seq) => ("rule", seq.0.to_string()),
            AggregateKey::Usage(agent, turn) => ("usage", format!("{agent} {turn}")),
            AggregateKey::Meter(agent) => ("meter", agent.to_string()),
            AggregateKey::Budget(scope) => ("budget", scope.to_string()),
            AggregateKey::Seen(agent, path) => {
                // Bytes that are no text are told from those that only look like them.
                let path = std::str::from_utf8(&path.0).map_or_else(
                    |_| format!("b64:{}", crate::id::base64(&path.0)),
                    |path| format!("text:{path}"),
                );
                ("seen", format!("{agent} {path}"))
            }
        }
    }
}

/// Everything the host decides from.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// Runs by number; never removed.
    pub runs: BTreeMap<RunId, Run>,
    /// Agents by full name; never removed, so that names stay unique.
    pub agents: BTreeMap<AgentKey, Agent>,
    /// Prompts that are not settled, by number.
    pub prompts: BTreeMap<u64, Prompt>,
    /// Approvals that wait, by number.
    pub approvals: BTreeMap<EventSeq, Approval>,
    /// Rules that hold, by number.
    pub rules: BTreeMap<EventSeq, Rule>,
    /// What was used, by agent and turn.
    pub usage: BTreeMap<(AgentKey, u32), TurnUsage>,
    /// How far agents' counters ran.
    pub meters: BTreeMap<AgentKey, Meter>,
    /// Budgets that were set or passed.
    pub budgets: BTreeMap<BudgetScope, Budget>,
    /// Decisions by hunk.
    pub decisions: BTreeMap<String, Decision>,
    /// Decisions that can be undone, oldest first.
    pub operations: BTreeMap<EventSeq, Operation>,
    /// Decisions that were undone and can be made again, in the order of their undoing.
    pub undone: BTreeMap<EventSeq, Undone>,
    /// What the human was shown, by agent and file.
    pub seen: BTreeMap<(AgentKey, Bytes), Arc<SeenFile>>,
    touched: BTreeSet<AggregateKey>,
}

impl PartialEq for State {
    fn eq(&self, other: &Self) -> bool {
        self.runs == other.runs
            && self.agents == other.agents
            && self.prompts == other.prompts
            && self.approvals == other.approvals
            && self.rules == other.rules
            && self.usage == other.usage
            && self.meters == other.meters
            && self.budgets == other.budgets
            && self.decisions == other.decisions
            && self.operations == other.operations
            && self.undone == other.undone
            && self.seen == other.seen
    }
}

/// Says that a stored aggregate cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the stored {kind} {key} cannot be read: {source}")]
pub struct UnreadableAggregate {
    kind: String,
    key: String,
    source: serde_json::Error,
}

impl State {
    /// Takes the keys of the aggregates that changed since the last call.
    pub fn take_touched(&mut self) -> BTreeSet<AggregateKey> {
        std::mem::take(&mut self.touched)
    }

    pub(crate) fn touch(&mut self, key: AggregateKey) {
        self.touched.insert(key);
    }

    /// Writes one aggregate for the store; `None` when it is gone.
    ///
    /// # Errors
    /// Only when an aggregate cannot be JSON, which none of ours can cause.
    pub fn aggregate_text(&self, key: &AggregateKey) -> serde_json::Result<Option<String>> {
        fn text<T: Serialize>(value: Option<&T>) -> serde_json::Result<Option<String>> {
            value.map(serde_json::to_string).transpose()
        }
        match key {
            AggregateKey::Run(run) => text(self.runs.get(run)),
            AggregateKey::Agent(agent) => text(self.agents.get(agent)),
            AggregateKey::Prompt(prompt) => text(self.prompts.get(prompt)),
            AggregateKey::Approval(seq) => text(self.approvals.get(seq)),
            AggregateKey::Decision(hunk) => text(self.decisions.get(hunk)),
            AggregateKey::Operation(seq) => text(self.operations.get(seq)),
            AggregateKey::Undone(seq) => text(self.undone.get(seq)),
            AggregateKey::Rule(seq) => text(self.rules.get(seq)),
            AggregateKey::Usage(agent, turn) => text(self.usage.get(&(agent.clone(), *turn))),
            AggregateKey::Meter(agent) => text(self.meters.get(agent)),
            AggregateKey::Budget(scope) => text(self.budgets.get(scope)),
            AggregateKey::Seen(agent, path) => {
                text(self.seen.get(&(agent.clone(), path.clone())).map(Arc::as_ref))
            }
        }
    }

    /// Puts one stored aggregate back.
    ///
    /// # Errors
    /// [`UnreadableAggregate`] when the text is not what its kind says. Unknown kinds are left alone.
    pub fn load_aggregate(&mut self, kind: &str, key: &str, text: &str) -> Result<(), UnreadableAggregate> {
        let wrong = |source| UnreadableAggregate { kind: kind.to_owned(), key: key.to_owned(), source };
        match kind {
            "run" => {
                let run: Run = serde_json::from_str(text).map_err(wrong)?;
                self.runs.insert(run.run, run);
            }
            "agent" => {
                let agent: Agent = serde_json::from_str(text).map_err(wrong)?;
                self.agents.insert(agent.key.clone(), agent);
            }
            "prompt" => {
                let prompt: Prompt = serde_json::from_str(text).map_err(wrong)?;
                self.prompts.insert(prompt.id, prompt);
            }
            "approval" => {
                let approval: Approval = serde_json::from_str(text).map_err(wrong)?;
                self.approvals.insert(approval.seq, approval);
            }
            "decision" => {
                let decision: Decision = serde_json::from_str(text).map_err(wrong)?;
                self.decisions.insert(decision.hunk.id.clone(), decision);
            }
            "operation" => {
                let operation: Operation = serde_json::from_str(text).map_err(wrong)?;
                self.operations.insert(operation.seq, operation);
            }
            "undone" => {
                let undone: Undone = serde_json::from_str(text).map_err(wrong)?;
                self.undone.insert(undone.seq, undone);
            }
            "rule" => {
                let rule: Rule = serde_json::from_str(text).map_err(wrong)?;
                self.rules.insert(rule.seq, rule);
            }
            "usage" => {
                let usage: TurnUsage = serde_json::from_str(text).map_err(wrong)?;
                self.usage.insert((usage.agent.clone(), usage.turn), usage);
            }
            "meter" => {
                let meter: Meter = serde_json::from_str(text).map_err(wrong)?;
                self.meters.insert(meter.agent.clone(), meter);
            }
            "budget" => {
                let budget: Budget = serde_json::from_str(text).map_err(wrong)?;
                self.budgets.insert(budget.scope, budget);
            }
            "seen" => {
                let seen: SeenFile = serde_json::from_str(text).map_err(wrong)?;
                self.seen.insert((seen.agent.clone(), seen.path.clone()), Arc::new(seen));
            }
            _ => {}
        }
        Ok(())
    }

    /// Finds an agent by full name (`7/claude`) or short name (the newest that stands).
    pub fn find_agent(&self, name: &str) -> Option<&Agent> {
        if let Ok(key) = name.parse::<AgentKey>() {
            return self.agents.get(&key);
        }
        let named = || self.agents.values().rev().filter(|agent| agent.key.name == name);
        named().find(|agent| agent.phase != Phase::Cleaned).or_else(|| named().next())
    }

    /// Gives the newest run.
    pub fn last_run(&self) -> Option<&Run> {
        self.runs.values().next_back()
    }

    /// Gives the agents of a run, in the order they were asked for.
    pub fn agents_of(&self, run: RunId) -> Vec<&Agent> {
        let mut agents: Vec<&Agent> = self.agents.values().filter(|agent| agent.key.run == run).collect();
        agents.sort_by_key(|agent| agent.seq);
        agents
    }

    /// Gives an agent's prompts that are not settled, oldest first.
    pub fn prompts_of<'a>(&'a self, agent: &'a AgentKey) -> impl Iterator<Item = &'a Prompt> {
        self.prompts.values().filter(move |prompt| &prompt.agent == agent)
    }

    /// Tells whether an agent has nothing left to do.
    pub fn is_settled(&self, agent: &Agent) -> bool {
        match agent.phase {
            Phase::Exited | Phase::FailedToStart | Phase::Cleaned => !agent.checkpointing,
            Phase::Requested | Phase::Starting => false,
            Phase::Running => {
                agent.ready
                    && !agent.in_turn
                    // One that takes up a session may have nothing to do but to be there.
                    && (agent.turn > 0 || agent.undelivered > 0 || agent.resuming.is_some())
                    && !agent.checkpointing
                    // Its closing hook came, and its own last word is still on its way.
                    && !(agent.stated && agent.status.state == StatusState::Working)
                    // It goes on once its model answers again.
                    && !agent.resumes_later()
                    && agent.signals.can_settle_alive(agent.bracketed_paste)
                    && !self.prompts_of(&agent.key).any(|prompt| prompt.state.is_open())
            }
        }
    }

    /// Counts the hunks of an agent's newest checkpoint that were not accepted.
    pub fn undecided(&self, agent: &Agent) -> u64 {
        let Some(checkpoint) = &agent.checkpoint else { return 0 };
        let accepted = self
            .decisions
            .values()
            .filter(|decision| decision.hunk.agent == agent.key && decision.state == DecisionState::Accepted);
        checkpoint.hunks.saturating_sub(accepted.count() as u64)
    }

    /// Tells whether what was kept before a decision is needed still: it can be undone, or is being carried out and will
    /// be. `seq` is the event that asked for it, `kept_ref` the ref that keeps it.
    pub fn needs_kept(&self, seq: EventSeq, kept_ref: &str) -> bool {
        let is_open = |decision: &Decision| {
            decision.seq == seq
                && matches!(decision.state, DecisionState::Accepting | DecisionState::Rejecting)
        };
        self.operations.values().any(|operation| operation.kept_ref.as_deref() == Some(kept_ref))
            || self.decisions.values().any(is_open)
    }

    /// Tells whether an agent waits for the human.
    pub fn needs_human(&self, agent: &Agent) -> bool {
        agent.phase == Phase::Running
            && (agent.status.state == StatusState::Waiting
                || self.approvals.values().any(|approval| approval.agent == agent.key))
    }
}
