//! Runs and their agents started.

use std::sync::Arc;

use orchflow_core::command::Command;
use orchflow_core::{Refusal, RunId};
use serde::Deserialize;
use serde_json::{Value, json};

use super::base::{find_base, run_base};
use super::kinds::{choose_kinds, notices, spec};
use super::params::{find_run, read};
use super::place::{Front, place};
use super::{Session, submit};
use crate::world::World;

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct SwarmParams {
    objective: String,
    agents: Vec<String>,
    include_changes: Option<bool>,
    view: Option<String>,
    front: Front,
    budget: Option<super::cost::Dollars>,
}

pub(super) async fn swarm(world: &Arc<World>, session: &Session, params: Value) -> Result<Value, Refusal> {
    let params: SwarmParams = read("swarm", params)?;
    let (kinds, mut warnings) = choose_kinds(world, session, params.agents)?;
    let mut specs = Vec::new();
    for kind in &kinds {
        specs.push(spec(world, session, kind, None)?);
    }
    let (place, note) = place(world, session, params.view.as_deref(), &params.front)?;
    warnings.extend(note);
    warnings.extend(notices(world, &kinds));
    let base = find_base(world, params.include_changes).await?;
    let label = base.label.clone();
    let budget_usd = params.budget.map(|budget| budget.usd()).transpose()?.flatten();
    let command = Command::StartRun { objective: params.objective, base, agents: specs, place, budget_usd };
    let committed = submit(world, session, command).await?;
    let run = committed.run.unwrap_or(RunId(0));
    let agents: Vec<Value> =
        committed.agents.iter().map(|agent| json!({ "agent": agent.name, "run": run })).collect();
    Ok(json!({ "run": run, "base": label, "agents": agents, "warnings": warnings }))
}
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SpawnParams {
    agent: String,
    #[serde(default)]
    prompt: Option<String>,
    #[serde(default)]
    run: Option<u64>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    include_changes: Option<bool>,
    #[serde(default)]
    view: Option<String>,
    #[serde(default)]
    front: Front,
}

pub(super) async fn spawn(world: &Arc<World>, session: &Session, params: Value) -> Result<Value, Refusal> {
    let params: SpawnParams = read("spawn", params)?;
    let wanted = params.run;
    let run = world
        .engine()
        .ask(move |state| find_run(state, wanted))
        .await
        .ok_or_else(|| super::no_answer(world))??;
    let agent = spec(world, session, &params.agent, params.name)?;
    let (place, note) = place(world, session, params.view.as_deref(), &params.front)?;
    let mut warnings = notices(world, std::slice::from_ref(&params.agent));
    warnings.extend(note);
    // A later agent of a run starts where the others did, unless the human says otherwise.
    let base = match params.include_changes {
        Some(_) => find_base(world, params.include_changes).await?,
        None => run_base(world, run).await?,
    };
    world.keep_environment(run, Arc::clone(&session.environment));
    let prompt = params.prompt.filter(|prompt| !prompt.trim().is_empty());
    let command = Command::SpawnAgent { run, base, agent, prompt, place };
    let reply = submit(world, session, command).await?;
    let name = reply.agents.first().map(|agent| agent.name.clone());
    Ok(json!({ "run": run, "agent": name, "warnings": warnings }))
}
