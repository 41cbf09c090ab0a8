//! What needs the human, most urgent first.

use serde::{Deserialize, Serialize};

use super::{Agent, Phase, State, StatusState};
use crate::price::dollars;
use crate::{AgentKey, Timestamp};

/// Why somebody should look. The order is that of urgency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NeedKind {
    /// An agent waits for a permission.
    Approval,
    /// An agent waits for something else: an answer, a dialog.
    Question,
    /// A budget is used up, and halts agents.
    Budget,
    /// A model does not answer for a while, and nothing makes the agent go on by itself then.
    Limit,
    /// An agent, or its turn, ended in an error.
    Failed,
    /// A prompt did not arrive, or nobody can say that it did.
    Undelivered,
    /// A turn ended, and left changes nobody has seen.
    Finished,
}

impl NeedKind {
    /// Gives the word shown to people and scripts.
    pub fn word(self) -> &'static str {
        match self {
            NeedKind::Approval => "approval",
            NeedKind::Question => "question",
            NeedKind::Budget => "budget",
            NeedKind::Limit => "limit",
            NeedKind::Failed => "failed",
            NeedKind::Undelivered => "undelivered",
            NeedKind::Finished => "finished",
        }
    }
}

/// One thing that needs the human.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// Why.
    pub kind: NeedKind,
    /// Whose it is.
    pub agent: AgentKey,
    /// Since when.
    pub since: Timestamp,
    /// What it is about: an approval's id, what is waited for, the budget, the limit, the error, the prompt's number,
    /// the hunks.
    pub about: Option<String>,
}

impl State {
    /// Lists what needs the human of some agents: by urgency, within one kind the oldest first. `unseen` counts
    /// an agent's changes that wait for a decision and were not shown yet.
    pub fn needs<'a>(
        &self,
        agents: impl IntoIterator<Item = &'a Agent>,
        unseen: impl Fn(&Agent) -> u64,
    ) -> Vec<Need> {
        let mut needs = Vec::new();
        let mut budgets = Vec::new();
        for agent in agents.into_iter().filter(|agent| agent.phase != Phase::Cleaned) {
            let mut add = |kind, since, about| {
                needs.push(Need { kind, agent: agent.key.clone(), since, about });
            };
            let status = &agent.status;
            let mut asks = false;
            for approval in self.approvals.values().filter(|approval| approval.agent == agent.key) {
                asks = true;
                add(NeedKind::Approval, approval.at, Some(format!("a_{}", approval.seq.0)));
            }
            let limit = agent.limited();
            if let Some(limit) = limit.filter(|limit| !limit.resumes && !agent.in_turn) {
                add(NeedKind::Limit, limit.at, Some(limit.message.clone()));
            }
            // One budget is asked about once, whoever it holds.
            if let Some((budget, passed)) = self.holds(agent).filter(|_| agent.is_living())
                && !budgets.contains(&budget.scope)
            {
                budgets.push(budget.scope);
                let (spent, limit) = (dollars(passed.spent), dollars(passed.limit));
                let about = format!("{} used ${spent:.2} of ${limit:.2}", budget.scope);
                add(NeedKind::Budget, passed.at, Some(about));
            }
            if agent.is_living() && status.state == StatusState::Waiting && !asks {
                add(NeedKind::Question, status.since, status.waiting_for.clone());
            }
            if status.state == StatusState::Failed && limit.is_none() {
                add(NeedKind::Failed, status.since, status.detail.clone());
            }
            for lost in &agent.lost_prompts {
                add(NeedKind::Undelivered, lost.at, Some(lost.prompt.to_string()));
            }
            let rests = !agent.in_turn && !agent.checkpointing && agent.turn > 0;
            let is_told = asks || matches!(status.state, StatusState::Waiting | StatusState::Failed);
            let count = if rests && !is_told { unseen(agent) } else { 0 };
            if count > 0 {
                add(NeedKind::Finished, status.since, Some(format!("{count} hunks")));
            }
        }
        needs.sort_by(|a, b| (a.kind, a.since, &a.agent).cmp(&(b.kind, b.since, &b.agent)));
        needs
    }
}
