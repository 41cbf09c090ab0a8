//! Worktrees of ended agents removed.

use std::sync::Arc;

use orchflow_core::command::Command;
use orchflow_core::state::Phase;
use orchflow_core::{AgentKey, Refusal, RunId};
use serde::Deserialize;
use serde_json::{Value, json};

use super::params::{Names, find_agents, read};
use super::{Session, submit};
use crate::world::World;

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct CleanParams {
    agents: Option<Names>,
    run: Option<u64>,
    dry_run: bool,
}

pub(super) async fn clean(world: &Arc<World>, session: &Session, params: Value) -> Result<Value, Refusal> {
    let params: CleanParams = read("clean", params)?;
    let names = params.agents.map(Names::into_list).unwrap_or_default();
    let run = params.run;
    let agents = world
        .engine()
        .ask(move |state| {
            if names.is_empty() {
                let ended = state.agents.values().filter(|agent| {
                    matches!(agent.phase, Phase::Exited | Phase::FailedToStart)
                        && run.is_none_or(|run| agent.key.run == RunId(run))
                });
                return Ok(ended.map(|agent| agent.key.clone()).collect());
            }
            find_agents(state, &names, run)
        })
        .await
        .ok_or_else(|| super::no_answer(world))??;
    let agents: Vec<AgentKey> = agents;
    if params.dry_run {
        let would: Vec<Value> =
            agents.iter().map(|key| json!({ "agent": key.name, "run": key.run })).collect();
        return Ok(json!({ "cleaned": would, "skipped": [], "dry_run": true }));
    }
    let mut skipped = Vec::new();
    let mut asked = Vec::new();
    // All at once, so that one commit does for many.
    let wishes = agents.iter().map(|key| submit(world, session, Command::Clean { agent: key.clone() }));
    let answers = futures::future::join_all(wishes).await;
    for (key, answer) in agents.into_iter().zip(answers) {
        match answer {
            Ok(_) => asked.push(key),
            Err(refusal) => skipped.push(json!({
                "agent": key.name, "run": key.run, "why": refusal.message, "hint": refusal.hint,
            })),
        }
    }
    let mut cleaned = Vec::new();
    for key in asked {
        let wait_for = key.clone();
        let after = world.engine().pulse().borrow().seq;
        world
            .settled(move |state| {
                state
                    .agents
                    .get(&wait_for)
                    .is_none_or(|agent| agent.phase == Phase::Cleaned || !agent.cleaning)
            })
            .await;
        let look = key.clone();
        let gone = world
            .engine()
            .ask(move |state| {
                let agent = state.agents.get(&look)?;
                Some((agent.phase, agent.kept_ref.clone(), state.undecided(agent)))
            })
            .await
            .flatten();
        match gone {
            Some((Phase::Cleaned, kept, undecided)) => {
                cleaned.push(json!({
                    "agent": key.name, "run": key.run, "kept": kept, "undecided": undecided,
                }));
            }
            _ => skipped.push(json!({
                "agent": key.name, "run": key.run,
                "why": "its worktree could not be removed",
                "hint": format!("orchflow log --type clean_failed --after {} says why", after.0.saturating_sub(50)),
            })),
        }
    }
    Ok(json!({ "cleaned": cleaned, "skipped": skipped }))
}
