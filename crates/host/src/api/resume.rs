//! Agents that go on: halted ones at once, ended ones started again in their worktrees.

use std::sync::Arc;

use orchflow_core::command::{Command, ResumeSpec};
use orchflow_core::decide::Reply;
use orchflow_core::state::{Agent, Phase, State};
use orchflow_core::{AgentKey, Refusal, RunId};
use serde::Deserialize;
use serde_json::{Value, json};

use super::params::{Names, find_agents, find_run, read};
use super::place::{Front, place};
use super::{Session, steer, submit};
use crate::world::World;

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ResumeParams {
    agents: Option<Names>,
    run: Option<u64>,
    fresh: bool,
    view: Option<String>,
    front: Front,
}

/// Lets agents go on, and answers once each does or is known not to.
pub(super) async fn resume(world: &Arc<World>, session: &Session, params: Value) -> Result<Value, Refusal> {
    let params: ResumeParams = read("resume", params)?;
    let (place, note) = place(world, session, params.view.as_deref(), &params.front)?;
    let names = params.agents.map(Names::into_list).unwrap_or_default();
    let run = params.run;
    let chosen: Vec<(AgentKey, String, bool)> = world
        .engine()
        .ask(move |state| choose(state, &names, run))
        .await
        .ok_or_else(|| super::no_answer(world))??;
    wait_for_checkpoints(world, chosen.iter().map(|(key, ..)| key.clone()).collect()).await;

    let kinds = world.kinds();
    let mut specs = Vec::new();
    for (agent, kind, has_ended) in chosen {
        let entry = kinds.catalogue.get(&kind);
        let takes_up_sessions = entry.is_some_and(|entry| !entry.resume.args.is_empty());
        if has_ended {
            // After a reboot nobody remembers the environment the run was started with.
            world.keep_environment(agent.run, Arc::clone(&session.environment));
        }
        specs.push(ResumeSpec { agent, takes_up_sessions, fresh: params.fresh });
    }
    let reply = submit(world, session, Command::ResumeAgents { agents: specs, place }).await?;
    let mut rows = steer::paused_rows(world, &running(world, &reply).await?, false).await?;
    let again = restarted_rows(world, &reply).await?;
    // Where nobody is started, nobody has to be shown.
    let warnings: Vec<String> = note.filter(|_| !again.is_empty()).into_iter().collect();
    rows.extend(again);
    Ok(json!({ "agents": rows, "warnings": warnings }))
}

/// Finds who is meant. Names are taken at their word; a run, or all, means those that are halted or were cut off, not
/// those that finished or were stopped.
fn choose(
    state: &State,
    names: &[String],
    run: Option<u64>,
) -> Result<Vec<(AgentKey, String, bool)>, Refusal> {
    let waits = |agent: &&Agent| agent.paused.is_some() || agent.was_cut_off();
    let row = |agent: &Agent| (agent.key.clone(), agent.kind.clone(), agent.has_ended());
    let of_run = |run: RunId| -> Vec<_> { state.agents_of(run).into_iter().filter(waits).map(row).collect() };
    let number = match names {
        [] => Some(find_run(state, run)?),
        [name] if name.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some(find_run(state, Some(name.parse().unwrap_or(u64::MAX)))?)
        }
        _ => None,
    };
    if let Some(run) = number {
        return Ok(of_run(run));
    }
    if names.iter().any(|name| name == "all") {
        return Ok(match run {
            Some(run) => of_run(find_run(state, Some(run))?),
            None => state.agents.values().filter(waits).map(row).collect(),
        });
    }
    let found = find_agents(state, names, run)?;
    Ok(found.iter().filter_map(|key| state.agents.get(key)).map(row).collect())
}

/// Waits until what ended agents did is kept: it is what a worktree that is gone is made from.
async fn wait_for_checkpoints(world: &Arc<World>, agents: Vec<AgentKey>) {
    world
        .settled(move |state| {
            agents.iter().all(|key| {
                state.agents.get(key).is_none_or(|agent| !agent.has_ended() || !agent.checkpointing)
            })
        })
        .await;
}

/// Gives the part of a reply that is about agents that were halted.
async fn running(world: &Arc<World>, reply: &Reply) -> Result<Reply, Refusal> {
    let restarted = restarted(world, reply).await?;
    let mut reply = reply.clone();
    reply.agents.retain(|key| !restarted.iter().any(|(again, ..)| again == key));
    Ok(reply)
}

/// Gives the agents of a reply that are started again, each with its session, and whether that is a new one.
async fn restarted(world: &Arc<World>, reply: &Reply) -> Result<Vec<(AgentKey, Option<String>)>, Refusal> {
    let (asked, since) = (reply.agents.clone(), reply.seq);
    let look = move |state: &State| {
        let again = |key: &AgentKey| {
            let agent = state.agents.get(key)?;
            let at = agent.restarted?;
            (since.is_some_and(|since| at >= since)).then(|| (key.clone(), agent.resuming.clone()))
        };
        asked.iter().filter_map(again).collect::<Vec<_>>()
    };
    world.engine().ask(look).await.ok_or_else(|| super::no_answer(world))
}

/// Waits until agents that are started again run, or are known not to, and says how each is.
async fn restarted_rows(world: &Arc<World>, reply: &Reply) -> Result<Vec<Value>, Refusal> {
    let restarted = restarted(world, reply).await?;
    let waited = restarted.clone();
    world
        .settled(move |state| {
            waited.iter().all(|(key, _)| {
                let phase = state.agents.get(key).map(|agent| agent.phase);
                !matches!(phase, Some(Phase::Requested | Phase::Starting))
            })
        })
        .await;
    let rows = move |state: &State| {
        let row = |(key, session): &(AgentKey, Option<String>)| {
            let agent = state.agents.get(key);
            let runs = agent.is_some_and(Agent::is_living);
            let mut row = json!({
                "agent": key.name,
                "run": key.run,
                "state": if runs { "running" } else { "ended" },
                "started_again": true,
                "session": session,
                "queued": state.prompts_of(key).count(),
                "undelivered": agent.map_or(0, |agent| agent.undelivered),
            });
            let why = agent.and_then(|agent| agent.status.detail.clone()).filter(|_| !runs);
            if let (Some(why), Some(row)) = (why, row.as_object_mut()) {
                row.insert("message".to_owned(), Value::from(why));
            }
            row
        };
        restarted.iter().map(row).collect::<Vec<Value>>()
    };
    world.engine().ask(rows).await.ok_or_else(|| super::no_answer(world))
}
