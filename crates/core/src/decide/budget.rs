//! Budgets that are used up: agents are halted, and go on once the human says so.

use super::Step;
use crate::effect::EffectBody;
use crate::event::Actor;
use crate::event::payload::{BudgetPassed, BudgetSet, PauseRequested, ResumeRequested};
use crate::price::{dollars, nanodollars};
use crate::state::budget::BudgetScope;
use crate::state::ledger::{Cost, Day};
use crate::{AgentKey, Code, Refusal};

/// Looks whether what an agent just used was too much, and halts whom that is about.
pub(super) fn check(step: &mut Step<'_>, key: &AgentKey) {
    let today = Day::of(step.context.now);
    for scope in [BudgetScope::Run(key.run), BudgetScope::Day(today)] {
        if let Some((limit, cost)) = excess(step, scope) {
            pass(step, key, scope, limit, cost);
        }
    }
}

/// Gives a budget and what was spent, where that is more.
fn excess(step: &Step<'_>, scope: BudgetScope) -> Option<(u64, Cost)> {
    let policy = &step.context.policy;
    let configured = match scope {
        BudgetScope::Run(_) => policy.run_budget,
        BudgetScope::Day(_) => policy.day_budget,
    };
    let limit = step.state.budget_of(scope, configured)?;
    let cost = match scope {
        BudgetScope::Run(run) => step.state.cost_of_run(run, &policy.prices),
        BudgetScope::Day(day) => step.state.cost_of_day(day, &policy.prices),
    };
    (cost.known >= limit).then_some((limit, cost))
}

fn pass(step: &mut Step<'_>, key: &AgentKey, scope: BudgetScope, limit: u64, cost: Cost) {
    let known = step.state.budgets.get(&scope).and_then(|budget| budget.passed.as_ref());
    let actor = std::mem::replace(&mut step.actor, Actor::Host);
    let passed = match known.filter(|passed| passed.limit == limit) {
        Some(passed) => passed.seq,
        None => {
            let body = BudgetPassed {
                scope,
                limit_usd: dollars(limit),
                spent_usd: dollars(cost.known),
                unknown_tokens: cost.unknown_tokens,
            };
            step.emit_for(key, body)
        }
    };
    let is_meant = |agent: &AgentKey| match scope {
        BudgetScope::Run(run) => agent.run == run,
        BudgetScope::Day(_) => true,
    };
    let going: Vec<AgentKey> = step
        .state
        .agents
        .values()
        .filter(|agent| is_meant(&agent.key) && agent.is_living() && !agent.is_halted())
        // One that could not be halted is asked once.
        .filter(|agent| agent.budget_hold != Some(passed))
        .map(|agent| agent.key.clone())
        .collect();
    for agent in going {
        step.emit_caused(&agent, passed, PauseRequested {});
        step.want(EffectBody::PauseAgent { agent, pause: true });
    }
    step.actor = actor;
}

/// Sets, raises or lifts a budget, and lets those go on that only it held.
pub(super) fn set(step: &mut Step<'_>, scope: BudgetScope, usd: Option<f64>) -> Result<(), Refusal> {
    if let BudgetScope::Run(run) = scope
        && !step.state.runs.contains_key(&run)
    {
        return Err(Refusal::new(Code::UnknownRun, format!("there is no run {run}"))
            .hint("orchflow status says which there are"));
    }
    if usd.is_some_and(|usd| nanodollars(usd).is_none()) {
        return Err(Refusal::new(Code::Usage, "a budget is a sum of US dollars, such as 5 or 0.50")
            .hint("orchflow budget none lifts it"));
    }
    let run = match scope {
        BudgetScope::Run(run) => Some(run),
        BudgetScope::Day(_) => None,
    };
    let cause = step.last_seq();
    step.push(None, run, cause, Vec::new(), BudgetSet { scope, limit_usd: usd }.into());
    let held: Vec<AgentKey> = step
        .state
        .agents
        .values()
        .filter(|agent| agent.budget_hold.is_some() && agent.is_living() && agent.is_halted())
        .map(|agent| agent.key.clone())
        .collect();
    for key in held {
        if holding(step, &key).is_none() {
            step.emit_for(&key, ResumeRequested {});
            step.want(EffectBody::PauseAgent { agent: key.clone(), pause: false });
            step.decision.reply.agents.push(key);
        }
    }
    // One that is under way may be too low already.
    let living =
        step.state.agents.values().find(|agent| {
            agent.is_living() && run.is_none_or(|run| agent.key.run == run) && !agent.is_halted()
        });
    if let Some(key) = living.map(|agent| agent.key.clone()) {
        check(step, &key);
    }
    Ok(())
}

/// Gives the budget that is in an agent's way now.
fn holding(step: &Step<'_>, key: &AgentKey) -> Option<(BudgetScope, u64, Cost)> {
    let today = Day::of(step.context.now);
    [BudgetScope::Run(key.run), BudgetScope::Day(today)]
        .into_iter()
        .find_map(|scope| excess(step, scope).map(|(limit, cost)| (scope, limit, cost)))
}

/// Refuses to let an agent go on that a budget holds.
pub(super) fn refuse_to_resume(step: &Step<'_>, key: &AgentKey) -> Result<(), Refusal> {
    let is_held = step.state.agents.get(key).is_some_and(|agent| agent.budget_hold.is_some());
    let Some((scope, limit, cost)) = holding(step, key).filter(|_| is_held) else { return Ok(()) };
    let message = format!(
        "{} is halted by a budget: {scope} used ${:.2} of ${:.2}",
        key.name,
        dollars(cost.known),
        dollars(limit)
    );
    let flag = match scope {
        BudgetScope::Run(run) => format!("--run {run}"),
        BudgetScope::Day(_) => "--day".to_owned(),
    };
    let more = dollars(cost.known.max(limit)) * 2.0;
    Err(Refusal::new(Code::NotAllowed, message)
        .hint(format!("raise it: orchflow budget {flag} {more:.0}; or end it: orchflow stop {}", key.name)))
}
