//! Why something is as it is: an agent's status, an event, a hunk, an approval.

use std::sync::Arc;

use orchflow_core::describe::line_of;
use orchflow_core::explain::{age, agent_lines};
use orchflow_core::state::{DecisionState, NeedKind, State};
use orchflow_core::{AgentKey, Code, Refusal, Timestamp};
use orchflow_store::{EventFilter, EventRow, Page};
use serde::Deserialize;
use serde_json::{Value, json};

use super::event::{CHAIN, unknown};
use super::log::event_json;
use super::params::{find_agents, read};
use super::status::agent_json;
use crate::clock;
use crate::review::rivals::agent_line;
use crate::review::subjects;
use crate::world::World;

/// How many signals are told that a status rests on.
const SIGNALS: usize = 8;

/// Events that change an agent's status, or stand for a signal that does.
const SIGNAL_TYPES: &[&str] = &[
    "agent_status_changed",
    "agent_spawned",
    "agent_failed_to_start",
    "agent_exited",
    "agent_session_started",
    "agent_paused",
    "agent_resumed",
    "turn_started",
    "turn_ended",
    "tool_requested",
    "tool_finished",
    "tool_failed",
    "approval_requested",
    "approval_rejoined",
    "approval_answered",
    "approval_superseded",
    "prompt_accepted",
    "prompt_undelivered",
];

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Params {
    about: Option<About>,
}

/// A name, or the number of an event.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum About {
    Event(u64),
    Name(String),
}

pub(super) async fn call(world: &Arc<World>, params: Value) -> Result<Value, Refusal> {
    let params: Params = read("why", params)?;
    let name = match params.about {
        Some(About::Event(seq)) => return event(world, seq).await,
        Some(About::Name(name)) => name.trim().to_owned(),
        None => String::new(),
    };
    if name.is_empty() {
        return most_urgent(world).await;
    }
    if let Ok(seq) = name.parse() {
        return event(world, seq).await;
    }
    if let Some(Ok(seq)) = name.strip_prefix("a_").map(str::parse) {
        return approval(world, seq).await;
    }
    if name.starts_with("h_") {
        return hunk(world, &name).await;
    }
    let key = world
        .engine()
        .ask(move |state| find_agents(state, std::slice::from_ref(&name), None))
        .await
        .ok_or_else(|| super::no_answer(world))??;
    match key.into_iter().next() {
        Some(key) => agent(world, key).await,
        None => nobody(),
    }
}

/// Tells of what needs the human most.
async fn most_urgent(world: &Arc<World>) -> Result<Value, Refusal> {
    let need = world
        .engine()
        .ask(|state| {
            let needs = state.needs(state.agents.values(), |agent| state.undecided(agent));
            needs.into_iter().next()
        })
        .await
        .ok_or_else(|| super::no_answer(world))?;
    let Some(need) = need else { return nobody() };
    let number = need.about.as_deref().and_then(|about| about.strip_prefix("a_")?.parse().ok());
    match number.filter(|_| need.kind == NeedKind::Approval) {
        Some(seq) => approval(world, seq).await,
        None => agent(world, need.agent).await,
    }
}

fn nobody() -> Result<Value, Refusal> {
    let about = json!({ "kind": "nothing", "id": "", "title": "nothing needs you" });
    Ok(json!({ "about": about, "lines": ["nothing needs you"], "chain": [], "evidence": [] }))
}

async fn agent(world: &Arc<World>, key: AgentKey) -> Result<Value, Refusal> {
    let (look, shared) = (key.clone(), Arc::clone(world));
    let told = move |state: &State| {
        let agent = state.agents.get(&look)?;
        let title = format!("{} of run {}", agent.key.name, agent.key.run);
        Some((title, agent_lines(state, agent, clock::now()), agent_json(&shared, state, agent)))
    };
    let told = world.engine().ask(told).await.ok_or_else(|| super::no_answer(world))?;
    let Some((title, lines, status)) = told else { return nobody() };
    let signals = EventFilter {
        agent: Some(key.name.clone()),
        run: Some(key.run.0),
        types: SIGNAL_TYPES.iter().map(|name| (*name).to_owned()).collect(),
        ..EventFilter::default()
    };
    let read = move |reader: &orchflow_store::Reader| {
        let rows = reader.page(&signals, Page::Before(None), SIGNALS)?;
        // The chain is that of the status; any other signal may stand for it.
        let newest = rows.iter().find(|row| row.event_type == "agent_status_changed").or(rows.first());
        let mut chain: Vec<EventRow> = newest.cloned().into_iter().collect();
        if let Some(newest) = newest {
            chain.extend(reader.causes(newest.seq, CHAIN)?);
        }
        Ok((rows, chain))
    };
    let (rows, chain) = world.read(read).await.map_err(|error| super::store_refusal(&error))?;
    let evidence: Vec<Value> = rows.iter().map(|row| signal_json(world, row)).collect();
    Ok(json!({
        "about": { "kind": "agent", "id": key.to_string(), "title": title },
        "lines": lines,
        "chain": events(world, &chain),
        "evidence": evidence,
        "status": status,
    }))
}

fn events(world: &World, rows: &[EventRow]) -> Vec<Value> {
    rows.iter().map(|row| event_json(row, &world.folders.worktrees)).collect()
}

/// Writes an event as a signal: when, by which channel, what it says, how far to believe it.
fn signal_json(world: &World, row: &EventRow) -> Value {
    let data: Value = serde_json::from_str(&row.data).unwrap_or(Value::Null);
    let text = |name: &str| data.get(name).and_then(Value::as_str).map(str::to_owned);
    let by_process =
        ["agent_spawned", "agent_failed_to_start", "agent_exited", "agent_paused", "agent_resumed"];
    let channel = match row.event_type.as_str() {
        "agent_status_changed" => text("source").unwrap_or_default(),
        name if by_process.contains(&name) => "process".to_owned(),
        _ if row.actor == "agent" => "hook".to_owned(),
        _ => row.actor.clone(),
    };
    let said = event_json(row, &world.folders.worktrees);
    json!({
        "at": row.timestamp,
        "channel": channel,
        "says": said.get("summary"),
        "seq": row.seq,
        "confidence": text("confidence").unwrap_or_else(|| "reported".to_owned()),
    })
}

/// Reads an event with what led to it; the event comes first.
async fn chain_of(world: &Arc<World>, seq: u64) -> Result<Vec<EventRow>, Refusal> {
    let read = move |reader: &orchflow_store::Reader| {
        let mut chain: Vec<EventRow> = reader.event(seq)?.into_iter().collect();
        if !chain.is_empty() {
            chain.extend(reader.causes(seq, CHAIN)?);
        }
        Ok(chain)
    };
    world.read(read).await.map_err(|error| super::store_refusal(&error))
}

async fn event(world: &Arc<World>, seq: u64) -> Result<Value, Refusal> {
    let chain = chain_of(world, seq).await?;
    let Some(row) = chain.first() else { return Err(unknown(seq)) };
    let told = events(world, &chain);
    let mut lines = Vec::new();
    for (depth, event) in told.iter().enumerate() {
        let summary = event.get("summary").and_then(Value::as_str).unwrap_or_default();
        let who =
            event.get("agent").and_then(Value::as_str).map_or(String::new(), |name| format!("{name}: "));
        lines.push(if depth == 0 { format!("{who}{summary}") } else { format!("because {who}{summary}") });
    }
    let title =
        line_of(told.first().and_then(|event| event.get("summary")?.as_str()).unwrap_or_default(), 100);
    Ok(json!({
        "about": { "kind": "event", "id": row.seq.to_string(), "title": title },
        "lines": lines,
        "chain": told,
        "evidence": [],
    }))
}

async fn approval(world: &Arc<World>, seq: u64) -> Result<Value, Refusal> {
    let chain = chain_of(world, seq).await?;
    let Some(row) = chain.first().filter(|row| row.event_type == "approval_requested") else {
        return Err(Refusal::new(Code::UnknownApproval, format!("there is no approval a_{seq}"))
            .hint("orchflow approvals lists what waits"));
    };
    let told = events(world, &chain);
    let name = row.agent.clone().unwrap_or_default();
    let summary = told.first().and_then(|event| event.get("summary")?.as_str()).unwrap_or_default();
    let mut lines = vec![format!("{name} {summary}, {} ago", age(clock::now(), Timestamp(row.timestamp)))];
    let data: Value = serde_json::from_str(&row.data).unwrap_or(Value::Null);
    if let Some(reason) = data.get("reason").and_then(Value::as_str) {
        lines.push(format!("it said before: \"{}\"", line_of(reason, 160)));
    }
    let waits = world
        .engine()
        .ask(move |state| state.approvals.get(&orchflow_core::EventSeq(seq)).map(|found| found.answerable))
        .await
        .ok_or_else(|| super::no_answer(world))?;
    match waits {
        Some(true) => lines.push(format!("it waits: orchflow approve a_{seq}, or orchflow deny a_{seq} WHY")),
        Some(false) => lines.push(format!("it waits; answer in its pane: orchflow attach {name}")),
        None => {
            let effects = world.read(move |reader| reader.effects(seq, 50)).await;
            let effects = effects.map_err(|error| super::store_refusal(&error))?;
            let settled: Vec<EventRow> =
                effects.into_iter().filter(|row| row.event_type.starts_with("approval_")).collect();
            let summaries = events(world, &settled);
            lines.extend(
                summaries.iter().filter_map(|event| Some(event.get("summary")?.as_str()?.to_owned())),
            );
        }
    }
    Ok(json!({
        "about": { "kind": "approval", "id": format!("a_{seq}"), "title": line_of(summary, 100) },
        "lines": lines,
        "chain": told,
        "evidence": [],
    }))
}

async fn hunk(world: &Arc<World>, id: &str) -> Result<Value, Refusal> {
    let (wanted, beginning) = (id.to_owned(), id.to_owned());
    let told = move |state: &State| {
        let found: Vec<_> =
            state.decisions.values().filter(|known| known.hunk.id.starts_with(&wanted)).collect();
        let decision = match found.as_slice() {
            [one] => Some((*one).clone()),
            _ => None,
        };
        (subjects(state, None, &[]), decision)
    };
    let (subjects, decision) = world.engine().ask(told).await.ok_or_else(|| super::no_answer(world))?;
    let mut found = Vec::new();
    for (subject, changes) in &world.readable(&subjects).await?.all {
        let meant = changes.iter().flat_map(|change| &change.hunks);
        for hunk in meant.filter(|hunk| hunk.id.to_string().starts_with(&beginning)) {
            let place = (hunk.id.to_string(), hunk.path.clone(), agent_line(hunk));
            found.push((subject.key.clone(), subject.turn, place));
        }
    }
    if found.len() > 1 {
        return Err(Refusal::new(Code::AmbiguousHunk, format!("{id} begins several hunks"))
            .hint("give more of its letters; orchflow review lists them"));
    }
    let (key, turn, (id, path, line)) = match (found.pop(), &decision) {
        (Some((key, turn, place)), _) => (key, Some(turn), place),
        (None, Some(decision)) => {
            let hunk = &decision.hunk;
            (hunk.agent.clone(), None, (hunk.id.clone(), hunk.path.0.clone(), hunk.told_line()))
        }
        (None, None) => {
            return Err(Refusal::new(Code::UnknownHunk, format!("there is no hunk {id}"))
                .hint("orchflow review lists them"));
        }
    };
    let shown = String::from_utf8_lossy(&path).into_owned();
    let filter = EventFilter {
        agent: Some(key.name.clone()),
        run: Some(key.run.0),
        types: vec!["ai_generated_code".to_owned()],
        path: Some(path),
        ..EventFilter::default()
    };
    let newest = world.read(move |reader| reader.page(&filter, Page::Before(None), 1)).await;
    let newest = newest.map_err(|error| super::store_refusal(&error))?.pop();
    let mut lines = vec![match turn {
        Some(turn) => format!("{} changed {shown}:{line}; its newest work is that of turn {turn}", key.name),
        None => format!("{} changed {shown}:{line}; its newest work does not have it any more", key.name),
    }];
    let words = newest.as_ref().and_then(|row| serde_json::from_str::<Value>(&row.data).ok());
    if let Some(words) = words.as_ref().and_then(|data| data.get("explanation")?.as_str()) {
        lines.push(format!("{} says: \"{}\"", key.name, line_of(words, 300)));
    }
    let decision = decision.filter(|decision| decision.hunk.id == id);
    lines.push(match &decision {
        None => "it waits for your decision".to_owned(),
        Some(decision) => {
            let how = match decision.state {
                DecisionState::Accepting => "you are accepting it",
                DecisionState::Accepted => "you accepted it",
                DecisionState::Rejecting => "you are rejecting it",
                DecisionState::Rejected => "you rejected it",
                DecisionState::Partly => "you decided on some of its lines; the rest waits for your decision",
            };
            match &decision.reason {
                Some(reason) => format!("{how}: {}", line_of(reason, 160)),
                None => how.to_owned(),
            }
        }
    });
    let about = decision.map(|decision| decision.seq.0).or(newest.map(|row| row.seq));
    let chain = match about {
        Some(seq) => chain_of(world, seq).await?,
        None => Vec::new(),
    };
    Ok(json!({
        "about": { "kind": "hunk", "id": id, "title": format!("{} {shown}:{line}", key.name) },
        "lines": lines,
        "chain": events(world, &chain),
        "evidence": [],
    }))
}
