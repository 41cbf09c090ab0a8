//! What agents used, what it cost, and how much it may.

use std::collections::BTreeMap;
use std::sync::Arc;

use orchflow_core::command::Command;
use orchflow_core::price::{Prices, Tokens, dollars, nanodollars};
use orchflow_core::state::budget::BudgetScope;
use orchflow_core::state::ledger::{Cost, Day, TurnUsage, UsageLine};
use orchflow_core::state::{Agent, State};
use orchflow_core::{AgentKey, Code, Refusal, RunId};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::params::{find_agents, find_run, read};
use super::{Session, submit};
use crate::world::World;

/// US dollars, as a number or as typed; `none` lifts a budget.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Dollars {
    /// A number.
    Number(f64),
    /// A word.
    Word(String),
}

impl Dollars {
    /// Reads the sum; `None` is no budget at all.
    pub(super) fn usd(&self) -> Result<Option<f64>, Refusal> {
        let usd = match self {
            Dollars::Number(usd) => Some(*usd),
            Dollars::Word(word) => match word.trim().trim_start_matches('$') {
                "none" => return Ok(None),
                word => word.parse().ok(),
            },
        };
        usd.filter(|usd| nanodollars(*usd).is_some()).map(Some).ok_or_else(|| {
            let shown = match self {
                Dollars::Number(usd) => usd.to_string(),
                Dollars::Word(word) => format!("{word:?}"),
            };
            Refusal::new(Code::Usage, format!("{shown} is no sum of US dollars"))
                .hint("write 5 or 0.50; none lifts a budget")
        })
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct CostParams {
    by: By,
    run: Option<u64>,
    agent: Option<String>,
    all: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum By {
    #[default]
    Agent,
    Turn,
    Run,
    Day,
    Model,
}

/// What a row is about; rows come in this order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Row {
    Agent(AgentKey),
    Turn(AgentKey, u32),
    Run(RunId),
    Day(Day),
    Model(Option<String>),
}

impl Row {
    fn of(by: By, turn: &TurnUsage, line: &UsageLine) -> Row {
        match by {
            By::Agent => Row::Agent(turn.agent.clone()),
            By::Turn => Row::Turn(turn.agent.clone(), turn.turn),
            By::Run => Row::Run(turn.agent.run),
            By::Day => Row::Day(line.day),
            By::Model => Row::Model(line.model.clone()),
        }
    }

    fn json(&self) -> Map<String, Value> {
        let fields = match self {
            Row::Agent(agent) => json!({ "agent": agent.name, "run": agent.run, "key": agent.to_string() }),
            Row::Turn(agent, turn) => {
                json!({ "agent": agent.name, "run": agent.run, "key": agent.to_string(), "turn": turn })
            }
            Row::Run(run) => json!({ "run": run }),
            Row::Day(day) => json!({ "day": day.to_string() }),
            Row::Model(model) => json!({ "model": model }),
        };
        match fields {
            Value::Object(fields) => fields,
            _ => Map::new(),
        }
    }
}

pub(super) async fn call(world: &Arc<World>, params: Value) -> Result<Value, Refusal> {
    let params: CostParams = read("cost", params)?;
    let policy = Arc::clone(&world.policy);
    let day = Day::of(crate::clock::now());
    let (by, run, agent, all) = (params.by, params.run, params.agent, params.all);
    world
        .engine()
        .look(move |state| {
            let agent = match &agent {
                Some(name) => find_agents(state, std::slice::from_ref(name), run)?.into_iter().next(),
                None => None,
            };
            let newest = matches!(by, By::Agent | By::Turn | By::Model) && !all && agent.is_none();
            let run = match (run, newest) {
                (Some(run), _) => Some(find_run(state, Some(run))?),
                (None, true) => state.last_run().map(|run| run.run),
                (None, false) => None,
            };
            let is_meant = |key: &AgentKey| {
                run.is_none_or(|run| key.run == run) && agent.as_ref().is_none_or(|agent| agent == key)
            };
            let mut sums: BTreeMap<Row, Cost> = BTreeMap::new();
            let mut total = Cost::default();
            for (turn, line) in state.used().filter(|(turn, _)| is_meant(&turn.agent)) {
                sums.entry(Row::of(by, turn, line)).or_default().add(line, &policy.prices);
                total.add(line, &policy.prices);
            }
            let rows: Vec<Value> = sums
                .iter()
                .map(|(row, cost)| {
                    let mut fields = row.json();
                    fields.extend(cost_json(cost));
                    Value::Object(fields)
                })
                .collect();
            Ok::<Value, Refusal>(json!({
                "cost": rows,
                "total": cost_json(&total),
                "run": run,
                "prices": policy.prices.dated,
                "budgets": budgets_json(state, &policy, day, run),
            }))
        })
        .await
        .ok_or_else(|| super::no_answer(world))?
}

/// Writes a sum. `usd` is what is known of it, `null` where nothing is; `complete` says whether that is all.
fn cost_json(cost: &Cost) -> Map<String, Value> {
    let Tokens { input, cached, cache_write, output, reasoning } = cost.tokens;
    let fields = json!({
        "usd": known_usd(cost),
        "priced_usd": dollars(cost.priced),
        "complete": cost.unknown_tokens == 0,
        "unknown_tokens": cost.unknown_tokens,
        "input_tokens": input,
        "cached_tokens": cached,
        "cache_write_tokens": cache_write,
        "output_tokens": output,
        "reasoning_tokens": reasoning,
    });
    match fields {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

/// Gives what is known of a sum, in dollars: nothing where nothing was used, or nothing of it is known.
fn known_usd(cost: &Cost) -> Option<f64> {
    let is_unknown = cost.known == 0 && cost.unknown_tokens > 0;
    (!cost.is_nothing() && !is_unknown).then(|| dollars(cost.known))
}

/// Writes what an agent used, for its status.
pub(super) fn agent_cost(state: &State, agent: &Agent, prices: &Prices) -> (Option<f64>, Value) {
    let cost = state.cost_of_agent(&agent.key, prices);
    if cost.is_nothing() {
        return (None, Value::Null);
    }
    let context = state.meters.get(&agent.key).and_then(|meter| meter.context);
    let mut usage = cost_json(&cost);
    usage.insert("context".to_owned(), json!(context));
    (known_usd(&cost), Value::Object(usage))
}

/// Writes what a run used and may.
pub(super) fn run_cost(
    state: &State,
    run: RunId,
    policy: &orchflow_core::policy::Policy,
) -> (Option<f64>, bool, Option<f64>) {
    let cost = state.cost_of_run(run, &policy.prices);
    let budget = state.budget_of(BudgetScope::Run(run), policy.run_budget).map(dollars);
    (known_usd(&cost), cost.unknown_tokens == 0, budget)
}

fn budgets_json(
    state: &State,
    policy: &orchflow_core::policy::Policy,
    day: Day,
    run: Option<RunId>,
) -> Vec<Value> {
    let run = run.or_else(|| state.last_run().map(|run| run.run));
    let scopes = run.map(BudgetScope::Run).into_iter().chain([BudgetScope::Day(day)]);
    scopes
        .filter_map(|scope| {
            let (configured, cost) = match scope {
                BudgetScope::Run(run) => (policy.run_budget, state.cost_of_run(run, &policy.prices)),
                BudgetScope::Day(day) => (policy.day_budget, state.cost_of_day(day, &policy.prices)),
            };
            let limit = state.budget_of(scope, configured)?;
            let held: Vec<&str> = state
                .agents
                .values()
                .filter(|agent| state.holds(agent).is_some_and(|(budget, _)| budget.scope == scope))
                .map(|agent| agent.key.name.as_str())
                .collect();
            Some(json!({
                "scope": scope.to_string(),
                "limit_usd": dollars(limit),
                "usd": known_usd(&cost),
                "complete": cost.unknown_tokens == 0,
                "passed": cost.known >= limit,
                "paused": held,
            }))
        })
        .collect()
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct BudgetParams {
    usd: Option<Dollars>,
    run: Option<u64>,
    day: bool,
}

/// Shows budgets, or sets one.
pub(super) async fn budget(world: &Arc<World>, session: &Session, params: Value) -> Result<Value, Refusal> {
    let params: BudgetParams = read("budget", params)?;
    if params.day && params.run.is_some() {
        return Err(Refusal::new(Code::Usage, "a budget is for a run or for the day")
            .hint("orchflow budget --day 20, or orchflow budget --run 7 5"));
    }
    let day = Day::of(crate::clock::now());
    let wanted = params.run;
    let is_for_day = params.day;
    let find = move |state: &State| match is_for_day {
        true => Ok(None),
        false => find_run(state, wanted).map(Some),
    };
    let mut resumed = Vec::new();
    let run = match world.engine().ask(find).await.ok_or_else(|| super::no_answer(world))? {
        Ok(run) => run,
        // Without any run there is only the day to show.
        Err(refusal) if params.usd.is_some() || wanted.is_some() => return Err(refusal),
        Err(_) => None,
    };
    if let Some(usd) = params.usd {
        let scope = run.map_or(BudgetScope::Day(day), BudgetScope::Run);
        let reply = submit(world, session, Command::SetBudget { scope, usd: usd.usd()? }).await?;
        resumed = reply.agents.iter().map(|agent| agent.name.clone()).collect();
    }
    let policy = Arc::clone(&world.policy);
    let budgets = world
        .engine()
        .look(move |state| budgets_json(state, &policy, day, run))
        .await
        .ok_or_else(|| super::no_answer(world))?;
    Ok(json!({ "budgets": budgets, "resumed": resumed }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_read_as_people_write_them() {
        let read = |word: &str| Dollars::Word(word.to_owned()).usd().map_err(|refusal| refusal.code);
        assert_eq!(read("5"), Ok(Some(5.0)));
        assert_eq!(read("$0.50"), Ok(Some(0.5)));
        assert_eq!(read("none"), Ok(None));
        for bad in ["", "five", "-1", "NaN", "inf", "1e99"] {
            assert_eq!(read(bad), Err(Code::Usage), "{bad}");
        }
    }

    #[test]
    fn a_sum_of_which_nothing_is_known_is_no_zero() {
        let unknown = Cost { unknown_tokens: 5, ..Cost::default() };
        let nothing = Cost::default();
        let free = Cost { tokens: Tokens { input: 1, ..Tokens::default() }, ..Cost::default() };
        let mixed = Cost { known: 1_000_000_000, unknown_tokens: 5, ..Cost::default() };
        assert_eq!((known_usd(&nothing), known_usd(&free)), (None, Some(0.0)));
        assert_eq!(known_usd(&Cost { tokens: Tokens { input: 5, ..Tokens::default() }, ..unknown }), None);
        assert_eq!(known_usd(&mixed), Some(1.0));
        assert_eq!(cost_json(&mixed)["complete"], false);
    }
}
