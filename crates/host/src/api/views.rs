//! Agents' panes opened and brought to the front.

use std::sync::Arc;

use orchflow_core::command::Command;
use orchflow_core::state::State;
use orchflow_core::{AgentKey, Refusal};
use serde::Deserialize;
use serde_json::{Value, json};

use super::params::{Names, find_agents, read};
use super::place::{Front, place};
use super::{Session, submit};
use crate::effects::views;
use crate::world::World;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FocusParams {
    agent: String,
    #[serde(default)]
    run: Option<u64>,
}

/// Brings an agent's pane to the front. Done only when somebody asks for it.
pub(super) async fn focus(world: &Arc<World>, params: Value) -> Result<Value, Refusal> {
    let params: FocusParams = read("focus", params)?;
    let look = move |state: &State| {
        let key = find_agents(state, std::slice::from_ref(&params.agent), params.run)?.into_iter().next();
        let agent = key.and_then(|key| state.agents.get(&key));
        Ok::<_, Refusal>(agent.map(|agent| {
            let in_editor = agent.views.iter().any(|view| view.starts_with("nvim:"));
            (agent.key.clone(), in_editor, agent.is_living())
        }))
    };
    let found = world.engine().ask(look).await.ok_or_else(|| super::no_answer(world))??;
    let Some((key, in_editor, lives)) = found else {
        return Ok(json!({ "focused": null, "note": "there is no such agent" }));
    };
    Ok(match views::focus(world, &key).await {
        Ok(view) => json!({ "focused": view, "note": null }),
        Err(_) if in_editor => json!({ "focused": null, "note": "it is shown in a window of the editor" }),
        Err(why) if lives => {
            json!({ "focused": null, "note": format!("{why}; orchflow show {} opens one", key.name) })
        }
        Err(why) => json!({ "focused": null, "note": format!("{why}, and it has ended") }),
    })
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ShowParams {
    agents: Names,
    #[serde(default)]
    run: Option<u64>,
    #[serde(default)]
    view: Option<String>,
    #[serde(default)]
    front: Front,
}

/// Opens views of agents that run detached, and answers once they are open or known not to be.
pub(super) async fn show(world: &Arc<World>, session: &Session, params: Value) -> Result<Value, Refusal> {
    let params: ShowParams = read("show", params)?;
    let (place, note) = place(world, session, params.view.as_deref(), &params.front)?;
    let (names, run) = (params.agents.into_list(), params.run);
    let agents: Vec<AgentKey> = world
        .engine()
        .ask(move |state| {
            let everybody = names.iter().any(|name| name == "all");
            let mut found = find_agents(state, &names, run)?;
            if everybody {
                found.retain(|key| state.agents.get(key).is_some_and(|agent| agent.is_living()));
            }
            Ok::<_, Refusal>(found)
        })
        .await
        .ok_or_else(|| super::no_answer(world))??;
    if place.backend == "none" {
        let note = note.unwrap_or_else(|| "views are off: --view none".to_owned());
        let rows: Vec<Value> =
            agents.iter().map(|key| json!({ "agent": key.name, "pane": null, "note": note })).collect();
        return Ok(json!({ "agents": rows }));
    }
    let backend = format!("{}:", place.backend);
    let reply = submit(world, session, Command::ShowAgents { agents, place }).await?;
    let under_way = reply.agents.clone();
    world
        .settled(move |state| {
            under_way.iter().all(|key| state.agents.get(key).is_none_or(|agent| !agent.viewing))
        })
        .await;
    let rows = move |state: &State| {
        let row = |key: &AgentKey| {
            let agent = state.agents.get(key);
            let pane =
                agent.and_then(|agent| agent.views.iter().find_map(|view| view.strip_prefix(&backend)));
            let note = agent.and_then(|agent| agent.view_note.clone()).filter(|_| pane.is_none());
            json!({ "agent": key.name, "pane": pane, "note": note })
        };
        reply.agents.iter().map(row).collect::<Vec<Value>>()
    };
    let rows = world.engine().ask(rows).await.ok_or_else(|| super::no_answer(world))?;
    Ok(json!({ "agents": rows }))
}
