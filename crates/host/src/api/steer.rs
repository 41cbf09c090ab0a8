//! Agents spoken to and ended.

use std::sync::Arc;

use orchflow_core::command::Command;
use orchflow_core::state::Phase;
use orchflow_core::{AgentKey, Code, Refusal};
use serde::Deserialize;
use serde_json::{Value, json};

use super::params::{Names, find_agents, read};
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
    let names = params.to.into_list();
    let everybody = names.iter().any(|name| name == "all");
    let run = params.run;
    let to = world
        .engine()
        .ask(move |state| {
            let mut found = find_agents(state, &names, run)?;
            if everybody {
                // A message to all is for those who can hear it.
                found.retain(|key| {
                    state.agents.get(key).is_some_and(|agent| {
                        matches!(agent.phase, Phase::Requested | Phase::Starting | Phase::Running)
                    })
                });
            }
            Ok::<Vec<AgentKey>, Refusal>(found)
        })
        .await
        .ok_or_else(|| super::no_answer(world))??;
    if to.is_empty() {
        return Err(Refusal::new(Code::NotLiving, "no agent runs that could be told")
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
