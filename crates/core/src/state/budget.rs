//! Budgets: how much a run or a day may cost before its agents are halted and the human is asked.

use serde::{Deserialize, Serialize};

use super::ledger::Day;
use super::{Agent, State};
use crate::price::Nanodollars;
use crate::{EventSeq, RunId, Timestamp};

/// What a budget is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BudgetScope {
    /// The agents of one run.
    Run(RunId),
    /// All agents of the repository on one day of Greenwich.
    Day(Day),
}

impl std::fmt::Display for BudgetScope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            BudgetScope::Run(run) => write!(f, "run {run}"),
            BudgetScope::Day(day) => write!(f, "day {day}"),
        }
    }
}

/// A budget that was set or passed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// What it is for.
    pub scope: BudgetScope,
    /// What the human set; `None` where the configuration's counts.
    #[serde(default)]
    pub set: Option<Nanodollars>,
    /// Whether the human took it away.
    #[serde(default)]
    pub lifted: bool,
    /// That it was passed.
    #[serde(default)]
    pub passed: Option<Passed>,
}

/// A budget that is used up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passed {
    /// The event that says so.
    pub seq: EventSeq,
    /// When.
    pub at: Timestamp,
    /// How much it was.
    pub limit: Nanodollars,
    /// What was known to be spent then.
    pub spent: Nanodollars,
}

impl State {
    /// Gives how much a scope may cost. `configured` is the configuration's word.
    pub fn budget_of(&self, scope: BudgetScope, configured: Option<Nanodollars>) -> Option<Nanodollars> {
        match self.budgets.get(&scope) {
            Some(budget) if budget.lifted => None,
            Some(budget) => budget.set.or(configured),
            None => configured,
        }
    }

    /// Gives the budget that holds an agent.
    pub fn holds(&self, agent: &Agent) -> Option<(&Budget, &Passed)> {
        let held = agent.budget_hold?;
        self.budgets.values().find_map(|budget| {
            let passed = budget.passed.as_ref().filter(|passed| passed.seq == held)?;
            Some((budget, passed))
        })
    }
}
