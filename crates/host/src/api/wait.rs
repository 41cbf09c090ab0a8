//! Waits until a run has nothing left to do, or needs the human.

use std::sync::Arc;
use std::time::Duration;

use orchflow_core::command::{Answer, Command};
use orchflow_core::decide::Input;
use orchflow_core::event::Actor;
use orchflow_core::state::{Agent, Phase, State};
use orchflow_core::{Code, EventSeq, Refusal, RunId};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Session;
use super::approvals::approvals_json;
use super::params::{find_run, read};
use crate::world::World;

/// What to do when an agent needs a permission.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum OnApproval {
    #[default]
    Stop,
    Wait,
    Deny,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Params {
    run: Option<u64>,
    on_approval: OnApproval,
}

/// How long the request for a permission may come after the program stated that it waits for one.
const LATE_REQUEST: Duration = Duration::from_millis(1500);

enum Seen {
    Working,
    /// A program waits for a permission, and what it asks for has not come yet.
    AboutToAsk(Duration),
    Settled(Value),
    NeedsHuman(Value),
    Deny(Vec<EventSeq>),
}

pub(super) async fn call(world: &Arc<World>, session: &Session, params: Value) -> Result<Value, Refusal> {
    let params: Params = read("wait", params)?;
    if params.on_approval == OnApproval::Deny && matches!(session.actor, Actor::Agent { .. }) {
        return Err(Refusal::new(Code::NotAllowed, "agents may wait, and may not deny what others ask for")
            .hint("leave --on-approval=deny out"));
    }
    let number = params.run;
    let run = world
        .engine()
        .look(move |state| find_run(state, number))
        .await
        .ok_or_else(|| super::no_answer(world))??;
    let mut pulse = world.engine().pulse();
    loop {
        pulse.borrow_and_update();
        let policy = params.on_approval;
        let seen = world.engine().ask(move |state| look(state, run, policy)).await;
        if seen.is_none() && !world.engine().is_open() {
            return Err(super::no_answer(world));
        }
        // A look that was lost with a failed commit is taken again at the next one.
        match seen.unwrap_or(Seen::Working) {
            Seen::Settled(result) | Seen::NeedsHuman(result) => return Ok(result),
            Seen::Working => {}
            Seen::AboutToAsk(left) => match tokio::time::timeout(left, pulse.changed()).await {
                Ok(Err(_)) => return Err(super::no_answer(world)),
                Ok(Ok(())) | Err(_) => continue,
            },
            Seen::Deny(approvals) => {
                for approval in approvals {
                    let reason = Some("nobody is there to answer".to_owned());
                    let answer = Answer { reason, ..Answer::default() };
                    let command = Command::AnswerApproval { approval, answer };
                    let input = Input::Command { actor: session.actor.clone(), command };
                    if let Err(refusal) = world.engine().submit(input).await {
                        tracing::info!(%refusal, "an approval was settled before it was denied");
                    }
                }
            }
        }
        if pulse.changed().await.is_err() {
            return Err(super::no_answer(world));
        }
    }
}

fn look(state: &State, run: RunId, policy: OnApproval) -> Seen {
    let agents = state.agents_of(run);
    let approvals = approvals_json(state, Some(run));
    let result = |outcome: &str| {
        let agents: Vec<Value> = agents
            .iter()
            .map(|agent| {
                json!({
                    "agent": agent.key.name,
                    "status": agent.status.state.word(),
                    "detail": agent.status.detail,
                    "waiting_for": agent.status.waiting_for,
                    "turn": agent.turn,
                    "hunks": agent.checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.hunks),
                    "undelivered": agent.undelivered,
                    "approvals": approvals
                        .iter()
                        .filter(|approval| approval.get("agent").and_then(Value::as_str) == Some(&agent.key.name))
                        .collect::<Vec<_>>(),
                })
            })
            .collect();
        json!({
            "run": run,
            "outcome": outcome,
            "agents": agents,
            "approvals": approvals,
        })
    };
    if let Some(outcome) = state.runs.get(&run).and_then(|run| run.outcome.as_deref()) {
        return Seen::Settled(result(outcome));
    }
    let answerable: Vec<EventSeq> = state
        .approvals
        .values()
        .filter(|approval| approval.agent.run == run && approval.answerable)
        .map(|approval| approval.seq)
        .collect();
    let needs = agents.iter().any(|agent| state.needs_human(agent));
    if policy != OnApproval::Wait
        && answerable.is_empty()
        && let Some(left) = agents.iter().filter_map(|agent| about_to_ask(state, agent)).max()
    {
        return Seen::AboutToAsk(left);
    }
    match policy {
        OnApproval::Stop if needs => Seen::NeedsHuman(result("needs_human")),
        OnApproval::Deny if !answerable.is_empty() => Seen::Deny(answerable),
        // What cannot be denied from here waits for somebody at the pane.
        OnApproval::Deny if needs => Seen::NeedsHuman(result("needs_human")),
        _ => Seen::Working,
    }
}

/// Gives how long to wait for an agent's request: its status and its request come different ways.
fn about_to_ask(state: &State, agent: &Agent) -> Option<Duration> {
    let asks = agent.signals.hooks
        && agent.phase == Phase::Running
        && agent.status.waiting_for.as_deref() == Some("approval")
        && !state.approvals.values().any(|approval| approval.agent == agent.key);
    let since = Duration::from_micros((crate::clock::now().0 - agent.status.since.0).max(0).unsigned_abs());
    LATE_REQUEST.checked_sub(since).filter(|left| asks && !left.is_zero())
}
