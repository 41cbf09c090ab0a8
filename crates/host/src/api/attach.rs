//! Where an agent's terminal can be seen.

use std::sync::Arc;

use orchflow_core::state::Phase;
use orchflow_core::{Code, Refusal};
use serde::Deserialize;
use serde_json::{Value, json};

use super::params::{find_agents, read};
use crate::world::World;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AttachParams {
    agent: String,
    #[serde(default)]
    #[allow(dead_code, reason = "for the front that shows the view")]
    follow: bool,
}

pub(super) async fn attach(world: &Arc<World>, params: Value) -> Result<Value, Refusal> {
    let params: AttachParams = read("attach", params)?;
    let names = vec![params.agent];
    let found = world
        .engine()
        .look(move |state| {
            let keys = find_agents(state, &names, None)?;
            Ok::<_, Refusal>(
                keys.first()
                    .and_then(|key| state.agents.get(key))
                    .map(|agent| (agent.key.clone(), agent.phase)),
            )
        })
        .await
        .ok_or_else(|| super::no_answer(world))??;
    let Some((key, phase)) = found else {
        return Err(Refusal::new(Code::UnknownAgent, "name one agent"));
    };
    if matches!(phase, Phase::Cleaned | Phase::FailedToStart) {
        return Err(Refusal::new(Code::NotLiving, format!("{} has no terminal any more", key.name))
            .hint(format!("orchflow log --agent {} says what it did", key.name)));
    }
    let socket = world.folders.runner_socket(&key);
    Ok(json!({
        "agent": key.name,
        "run": key.run,
        "socket": socket.to_string_lossy(),
        "argv": [world.programs.orchflow.to_string_lossy(), "attach", key.to_string()],
    }))
}
