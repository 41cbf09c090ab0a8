//! Agents spoken to and ended.

use std::sync::Arc;

use orchflow_core::command::Command;
use orchflow_core::event::EventBody;
use orchflow_core::filter::{Filter, Is, Scope};
use orchflow_core::state::{Agent, Phase, State, StatusState};
use orchflow_core::{AgentKey, Code, Refusal};
use orchflow_store::{EventFilter, Page};
use serde::Deserialize;
use serde_json::{Value, json};

use super::params::{Names, find_agents, find_run, read};
use super::{Session, submit};
use crate::world::World;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SendParams {
    to: Names,
    #[serde(default)]
    text: String,
    #[serde(default)]
    run: Option<u64>,
}

pub(super) async fn send(world: &Arc<World>, session: &Session, params: Value) -> Result<Value, Refusal> {
    let params: SendParams = read("send", params)?;
    let filter = params.to.filter().map(|text| Filter::parse(Scope::Agents, &text)).transpose()?;
    let names = params.to.into_list();
    let run = params.run;
    let to = world
        .engine()
        .ask(move |state| match filter {
            Some(filter) => hearers(state, &filter, run),
            None => named_hearers(state, &names, run),
        })
        .await
        .ok_or_else(|| super::no_answer(world))??;
    if to.is_empty() {
        return Err(Refusal::new(Code::NotLiving, "no such agent runs that could be told")
            .hint("orchflow status says who runs; orchflow spawn starts another"));
    }
    let reply = submit(world, session, Command::SendPrompt { to, text: params.text }).await?;
    let prompts: Vec<Value> = reply
        .prompts
        .iter()
        .map(|(id, agent)| json!({ "id": id, "agent": agent.name, "state": "queued" }))
        .collect();
    Ok(json!({ "prompts": prompts }))
}

/// Tells whether an agent can be told something.
fn hears(agent: &Agent) -> bool {
    matches!(agent.phase, Phase::Requested | Phase::Starting | Phase::Running)
}

fn named_hearers(state: &State, names: &[String], run: Option<u64>) -> Result<Vec<AgentKey>, Refusal> {
    let mut found = find_agents(state, names, run)?;
    if names.iter().any(|name| name == "all") {
        // A message to all is for those who can hear it.
        found.retain(|key| state.agents.get(key).is_some_and(hears));
    }
    Ok(found)
}

/// Finds those a filter admits who can hear: of one run, the newest unless another is named.
fn hearers(state: &State, filter: &Filter, run: Option<u64>) -> Result<Vec<AgentKey>, Refusal> {
    let newest = find_run(state, None)?;
    let of = match run {
        Some(_) => Some(find_run(state, run)?),
        None => filter.runs.is_empty().then_some(newest),
    };
    let agents = state.agents.values().filter(|agent| {
        hears(agent)
            && of.is_none_or(|of| agent.key.run == of)
            && filter.admits_run(agent.key.run.0, newest.0)
            && filter.admits_agent(&agent.key)
            && filter.admits_is(|is| is_so(agent, is))
            && filter.admits_text(&format!("{} {} {}", agent.key.name, agent.kind, agent.title))
    });
    Ok(agents.map(|agent| agent.key.clone()).collect())
}

/// Tells whether an agent is what a word of `is` says. Who rests after a turn is idle as well as done or failed.
fn is_so(agent: &Agent, is: Is) -> bool {
    let status = agent.status.state;
    let rests = matches!(status, StatusState::Idle | StatusState::Done | StatusState::Failed);
    match is {
        Is::Idle => rests && agent.holds_prompts().is_none(),
        Is::Living => agent.is_living(),
        Is::Paused => agent.paused.is_some(),
        other => agent.paused.is_none() && other.word() == status.word(),
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct StopParams {
    agents: Names,
    #[serde(default)]
    run: Option<u64>,
}

pub(super) async fn stop(world: &Arc<World>, session: &Session, params: Value) -> Result<Value, Refusal> {
    let params: StopParams = read("stop", params)?;
    let names = params.agents.into_list();
    let run = params.run;
    let agents = world
        .engine()
        .ask(move |state| {
            // Whoever says "stop all" means every one that runs, of earlier runs as well.
            if run.is_none() && names.iter().any(|name| name == "all") {
                let living = state.agents.values().filter(|agent| {
                    matches!(agent.phase, Phase::Requested | Phase::Starting | Phase::Running)
                });
                return Ok(living.map(|agent| agent.key.clone()).collect());
            }
            find_agents(state, &names, run)
        })
        .await
        .ok_or_else(|| super::no_answer(world))??;
    let reply = submit(world, session, Command::StopAgents { agents: agents.clone() }).await?;
    // The answer says that they are gone, not that they were asked to go.
    let stopping = reply.agents.clone();
    world
        .settled(move |state| {
            stopping.iter().all(|key| {
                state.agents.get(key).is_none_or(|agent| !agent.is_living() && !agent.checkpointing)
            })
        })
        .await;
    let names: Vec<&str> = reply.agents.iter().map(|agent| agent.name.as_str()).collect();
    Ok(json!({ "stopped": names }))
}

/// Halts agents, or lets them go on, and answers once that is so or known not to be.
pub(super) async fn pause(
    world: &Arc<World>,
    session: &Session,
    params: Value,
    pause: bool,
) -> Result<Value, Refusal> {
    let params: StopParams = read(if pause { "pause" } else { "resume" }, params)?;
    let (names, run) = (params.agents.into_list(), params.run);
    let agents: Vec<AgentKey> = world
        .engine()
        .ask(move |state| {
            let everybody = names.iter().any(|name| name == "all");
            if everybody && run.is_none() {
                let living = state.agents.values().filter(|agent| agent.is_living());
                return Ok(living.map(|agent| agent.key.clone()).collect());
            }
            let mut found = find_agents(state, &names, run)?;
            if everybody {
                found.retain(|key| state.agents.get(key).is_some_and(|agent| agent.is_living()));
            }
            Ok::<_, Refusal>(found)
        })
        .await
        .ok_or_else(|| super::no_answer(world))??;
    let reply = submit(world, session, Command::PauseAgents { agents, pause }).await?;
    let under_way = reply.agents.clone();
    world
        .settled(move |state| {
            under_way.iter().all(|key| state.agents.get(key).is_none_or(|agent| agent.pausing.is_none()))
        })
        .await;
    let asked = reply.agents.clone();
    let states = world
        .engine()
        .ask(move |state| {
            let is_paused = |key| state.agents.get(key).is_some_and(|agent| agent.paused.is_some());
            let lives = |key| state.agents.get(key).is_some_and(|agent| agent.is_living());
            asked.iter().map(|key| (key.clone(), lives(key), is_paused(key))).collect::<Vec<_>>()
        })
        .await
        .ok_or_else(|| super::no_answer(world))?;
    let mut rows = Vec::new();
    for (key, lives, paused) in states {
        let state = match (lives, paused) {
            (false, _) => "ended",
            (true, true) => "paused",
            (true, false) => "running",
        };
        let mut row = json!({ "agent": key.name, "run": key.run, "state": state });
        if let (true, Some(seq), Some(row)) = (lives && paused != pause, reply.seq, row.as_object_mut()) {
            row.insert("message".to_owned(), Value::from(why_not(world, &key, seq.0).await?));
        }
        rows.push(row);
    }
    Ok(json!({ "agents": rows }))
}

/// Says why an agent could not be halted, or let go on.
async fn why_not(world: &Arc<World>, key: &AgentKey, after: u64) -> Result<String, Refusal> {
    let filter = EventFilter {
        agent: Some(key.name.clone()),
        run: Some(key.run.0),
        types: vec!["pause_failed".to_owned()],
        ..EventFilter::default()
    };
    let rows = world.read(move |reader| reader.page(&filter, Page::After(after), 1)).await;
    let row = rows.map_err(|error| super::store_refusal(&error))?.pop();
    Ok(match row.and_then(|row| row.body().ok()) {
        Some(EventBody::PauseFailed(body)) => body.message,
        _ => "somebody asked for the opposite meanwhile".to_owned(),
    })
}
