//! Who works, who waits, who is done.

use std::sync::Arc;

use orchflow_core::describe::line_of;
use orchflow_core::state::{Agent, Limit, Phase, PromptState, State};
use orchflow_core::{AgentKey, Refusal};
use serde::Deserialize;
use serde_json::{Value, json};

use super::cost::{agent_cost, run_cost};
use super::params::{find_run, read};
use crate::engine::Pulse;
use crate::world::{World, blocking};

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Params {
    run: Option<u64>,
    all: bool,
}

pub(super) async fn call(world: &Arc<World>, params: Value) -> Result<Value, Refusal> {
    let params: Params = read("status", params)?;
    let pulse = world.engine().pulse().borrow().clone();
    let shared = Arc::clone(world);
    let mut status = world
        .engine()
        .look(move |state| {
            if params.run.is_some() {
                find_run(state, params.run)?;
            }
            Ok::<Value, Refusal>(status_json(&shared, state, params.run, params.all))
        })
        .await
        .ok_or_else(|| super::no_answer(world))??;
    let host = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "pid": std::process::id(),
        "memory_bytes": resident_bytes(),
        "repository": world.repository.worktree().to_string_lossy(),
    });
    if let Some(object) = status.as_object_mut() {
        object.insert("host".to_owned(), host);
        object.insert("seq".to_owned(), json!(pulse.seq));
    }
    add_store(&mut status, &pulse);
    add_loads(world, &mut status).await;
    Ok(status)
}

/// Adds what agents' processes take. That is measured only for who asks: what is pushed does not have it.
async fn add_loads(world: &Arc<World>, status: &mut Value) {
    let Some(agents) = status.get_mut("agents").and_then(Value::as_array_mut) else { return };
    let living: Vec<(AgentKey, u32)> = agents
        .iter()
        .filter_map(|agent| {
            let pid = u32::try_from(agent.get("pid")?.as_u64()?).ok()?;
            Some((agent.get("key")?.as_str()?.parse().ok()?, pid))
        })
        .collect();
    let shared = Arc::clone(world);
    let loads = blocking(move || shared.loads.measure(&living)).await;
    for agent in agents {
        let key = agent.get("key").and_then(Value::as_str).and_then(|key| key.parse::<AgentKey>().ok());
        if let (Some(Value::Object(load)), Some(agent)) =
            (key.and_then(|key| loads.get(&key).cloned()), agent.as_object_mut())
        {
            agent.extend(load);
        }
    }
}

/// Adds how the store is: why it takes no writes, and what the human should know of it.
pub fn add_store(status: &mut Value, pulse: &Pulse) {
    if let Some(object) = status.as_object_mut() {
        object.insert("read_only".to_owned(), json!(pulse.read_only));
        object.insert("warnings".to_owned(), json!(pulse.warnings()));
    }
}

/// Writes the agents and runs. Without a run: the newest, and every agent that lives; with `all`:
/// everything whose worktree stands.
pub fn status_json(world: &World, state: &State, run: Option<u64>, all: bool) -> Value {
    let newest = state.last_run().map(|run| run.run);
    let is_shown = |agent: &&Agent| match run {
        Some(run) => agent.key.run.0 == run,
        None => agent.phase != Phase::Cleaned && (all || Some(agent.key.run) == newest || agent.is_living()),
    };
    let mut agents: Vec<&Agent> = state.agents.values().filter(is_shown).collect();
    agents.sort_by_key(|agent| agent.seq);
    let runs: Vec<Value> = state
        .runs
        .values()
        .filter(|run| agents.iter().any(|agent| agent.key.run == run.run) || Some(run.run) == newest)
        .map(|run| {
            let (cost, is_complete, budget) = run_cost(state, run.run, &world.policy);
            let names: Vec<&str> =
                state.agents_of(run.run).iter().map(|agent| agent.key.name.as_str()).collect();
            json!({
                "run": run.run,
                "objective": run.objective,
                "base": run.base,
                "state": run.outcome.as_deref().unwrap_or("running"),
                "created_at": run.created_at,
                "agents": names,
                "cost": cost,
                "cost_complete": is_complete,
                "budget": budget,
            })
        })
        .collect();
    let needs: Vec<Value> = state
        .needs(agents.iter().copied(), |agent| world.review.unseen(state, agent))
        .into_iter()
        .map(|need| {
            json!({
                "kind": need.kind.word(),
                "agent": need.agent.name,
                "key": need.agent.to_string(),
                "run": need.agent.run,
                "since": need.since,
                "about": need.about.map(|about| line_of(&about, WIDTH)),
            })
        })
        .collect();
    let agents: Vec<Value> = agents.into_iter().map(|agent| agent_json(world, state, agent)).collect();
    json!({ "agents": agents, "runs": runs, "needs": needs })
}

/// The most characters of a prompt or of last words that are told along.
const WIDTH: usize = 200;

/// Writes an agent's prompts that were not accepted, oldest first.
fn prompts_json(state: &State, agent: &Agent) -> Vec<Value> {
    let lost = agent.lost_prompts.iter().map(|lost| {
        json!({ "id": lost.prompt, "state": "undelivered", "text": line_of(&lost.text, WIDTH), "at": lost.at })
    });
    let open = state.prompts_of(&agent.key).map(|prompt| {
        json!({
            "id": prompt.id,
            "state": prompt.state.word(),
            "text": line_of(&prompt.text, WIDTH),
            "at": prompt.queued_at,
        })
    });
    lost.chain(open).collect()
}

pub(super) fn agent_json(world: &World, state: &State, agent: &Agent) -> Value {
    let checkpoint = agent.checkpoint.as_ref();
    let prompts = state.prompts_of(&agent.key);
    // One that is being written has not reached its agent yet either.
    let waits = |state| matches!(state, PromptState::Queued | PromptState::Writing);
    let queued = prompts.filter(|prompt| waits(prompt.state)).count();
    let approvals = state.approvals.values().filter(|approval| approval.agent == agent.key).count();
    let (cost, usage) = agent_cost(state, agent, &world.policy.prices);
    let limit = agent.limited();
    let waiting_for = match limit {
        Some(limit) => Some(limit_words(limit)),
        None => agent.status.waiting_for.clone(),
    };
    let view = agent.views.first().and_then(|view| view.split_once(':')).map(|(_, name)| name.to_owned());
    json!({
        "agent": agent.key.name,
        "run": agent.key.run,
        "key": agent.key.to_string(),
        "kind": agent.kind,
        "title": agent.title,
        "rehearsal": agent.rehearsal,
        "status": agent.word(),
        "paused": agent.paused.is_some(),
        "detail": agent.status.detail,
        "waiting_for": waiting_for,
        "limit": limit.map(|limit| json!({
            "kind": limit.kind,
            "message": line_of(&limit.message, WIDTH),
            "since": limit.at,
            "resets_at": limit.resets_at,
            "resumes": limit.resumes,
        })),
        "budget_holds": state.holds(agent).map(|(budget, _)| budget.scope.to_string()),
        "source": agent.status.source.word(),
        "confidence": agent.status.confidence.word(),
        "since": agent.since(),
        "turn": agent.turn,
        "undecided": state.undecided(agent),
        "unseen": world.review.unseen(state, agent),
        "files": checkpoint.map_or(0, |checkpoint| checkpoint.files),
        "insertions": checkpoint.map_or(0, |checkpoint| checkpoint.insertions),
        "deletions": checkpoint.map_or(0, |checkpoint| checkpoint.deletions),
        "worktree": agent.worktree.as_ref().map(|path| path.lossy().into_owned()),
        "base": agent.base,
        "pane": view,
        "view_note": agent.view_note,
        "queued": queued,
        "undelivered": agent.undelivered,
        "prompts": prompts_json(state, agent),
        "last_text": agent.last_text.as_ref().map(|text| line_of(text, WIDTH)),
        "cost": cost,
        "usage": usage,
        "approvals": approvals,
        "pid": agent.pid,
        "ports": agent.ports,
        "session": agent.session,
        "living": agent.is_living(),
        "attach": format!("orchflow attach {}", agent.key.name),
    })
}

/// Says which limit keeps an agent from going on, and until when, in the local time.
fn limit_words(limit: &Limit) -> String {
    match limit.resets_at {
        Some(at) => format!("{} until {}", limit.kind.word(), crate::zone::clock(at, crate::clock::now())),
        None => limit.kind.word().to_owned(),
    }
}

/// Reads this process's resident memory.
fn resident_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = text.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}
