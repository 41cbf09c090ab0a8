//! What happened: pages of events, filtered and searched.

use std::path::Path;
use std::sync::Arc;

use orchflow_core::describe::{one_line, summary};
use orchflow_core::event::{Actor, Event, EventBody};
use orchflow_core::filter::{Filter, Scope, event_groups, nearest};
use orchflow_core::{AgentKey, Code, EventSeq, Refusal, RunId, Timestamp};
use orchflow_store::{EventFilter, EventRow, Page};
use serde::Deserialize;
use serde_json::{Value, json};

use super::params::read;
use crate::world::World;

/// The most events one page may have.
const MOST: usize = 10_000;

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Params {
    action: Option<String>,
    after: Option<u64>,
    before: Option<u64>,
    limit: Option<usize>,
    agent: Option<String>,
    run: Option<u64>,
    #[serde(rename = "type")]
    types: Option<OneOrMany>,
    file: Option<String>,
    path: Option<String>,
    /// Seconds back from now.
    since: Option<u64>,
    /// Microseconds since 1970 UTC.
    since_at: Option<i64>,
    until_at: Option<i64>,
    text: Option<String>,
    /// Words of the filter grammar, beside all of these.
    filter: Option<OneOrMany>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

pub(super) async fn call(world: &Arc<World>, params: Value) -> Result<Value, Refusal> {
    let params: Params = read("log", params)?;
    if let Some(action) = params.action.as_deref() {
        return match action {
            "verify" => verify(world).await,
            other => Err(Refusal::new(Code::Usage, format!("log: {other:?} is not `verify`"))),
        };
    }
    let filter = filter(&params)?;
    let limit = params.limit.unwrap_or(100).clamp(1, MOST);
    let page = match params.after {
        Some(after) if params.before.is_none() => Page::After(after),
        _ => Page::Before(params.before),
    };
    // Read before the page: whoever goes on from it may see an event twice, but never misses one.
    let seq = world.engine().pulse().borrow().seq;
    // One more than asked for tells whether there is more.
    let mut rows = world
        .read(move |reader| reader.page(&filter, page, limit + 1))
        .await
        .map_err(|error| super::store_refusal(&error))?;
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = more.then(|| rows.last().map(|row| row.seq)).flatten();
    let events: Vec<Value> = rows.iter().map(|row| event_json(row, &world.folders.worktrees)).collect();
    Ok(json!({ "events": events, "next": next, "seq": seq }))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct AwaitParams {
    after: u64,
}

/// Waits until there are events after a place.
pub(super) async fn await_events(world: &Arc<World>, params: Value) -> Result<Value, Refusal> {
    let params: AwaitParams = read("await_events", params)?;
    let mut pulse = world.engine().pulse();
    loop {
        let seq = pulse.borrow_and_update().seq;
        if seq.0 > params.after {
            return Ok(json!({ "seq": seq }));
        }
        if pulse.changed().await.is_err() {
            return Err(super::no_answer(world));
        }
    }
}

fn filter(params: &Params) -> Result<EventFilter, Refusal> {
    let types = match &params.types {
        None => Vec::new(),
        Some(OneOrMany::One(name)) => vec![name.clone()],
        Some(OneOrMany::Many(names)) => names.clone(),
    };
    for name in &types {
        if !orchflow_core::event::EVENT_TYPES.contains(&name.as_str()) {
            let hint = match nearest(name, orchflow_core::event::EVENT_TYPES.iter().copied()) {
                Some(near) => format!("did you mean {near}?"),
                None => {
                    let groups: Vec<&str> = event_groups().collect();
                    format!("for groups of types filter by type: one of {}", groups.join(", "))
                }
            };
            return Err(Refusal::new(Code::Usage, format!("there is no event type {name}")).hint(hint));
        }
    }
    let since = match (params.since_at, params.since) {
        (Some(at), _) => Some(at),
        (None, Some(seconds)) => {
            let back = i64::try_from(seconds).unwrap_or(i64::MAX / 2).saturating_mul(1_000_000);
            Some(crate::clock::now().0.saturating_sub(back))
        }
        (None, None) => None,
    };
    let words = match &params.filter {
        None => String::new(),
        Some(OneOrMany::One(text)) => text.clone(),
        Some(OneOrMany::Many(words)) => words.join(" "),
    };
    let mut more = Filter::parse(Scope::Events, &words)?;
    let (more_since, more_until) = crate::zone::take_times(&mut more, crate::clock::now());
    let agent = params.agent.as_deref().map(|name| match name.parse::<AgentKey>() {
        Ok(key) => (key.name, Some(key.run.0)),
        Err(_) => (name.to_owned(), None),
    });
    Ok(EventFilter {
        run: params.run.or_else(|| agent.as_ref().and_then(|(_, run)| *run)),
        agent: agent.map(|(name, _)| name),
        types,
        path: params.file.as_ref().or(params.path.as_ref()).map(|path| path.as_bytes().to_vec()),
        since: since.max(more_since),
        until: [params.until_at, more_until].into_iter().flatten().min(),
        text: params.text.clone(),
        more,
    })
}

async fn verify(world: &Arc<World>) -> Result<Value, Refusal> {
    let path = world.folders.store();
    let verdict = crate::world::blocking(move || orchflow_store::verify::verify(&path))
        .await
        .map_err(|error| super::store_refusal(&error))?;
    let broken = verdict.broken.as_ref().map(|(seq, why)| json!({ "seq": seq, "why": why }));
    Ok(json!({ "checked": verdict.checked, "intact": verdict.broken.is_none(), "broken": broken }))
}

/// Writes one event as fronts get it. Its line names files as they are called in the agent's worktree,
/// one of those below `worktrees`.
pub fn event_json(row: &EventRow, worktrees: &Path) -> Value {
    let data: Value = serde_json::from_str(&row.data).unwrap_or(Value::Null);
    let told = match (&row.agent, row.run) {
        (Some(agent), Some(run)) => {
            let root = format!("{}/{run}-{agent}/", worktrees.display());
            EventBody::from_text(&row.event_type, &row.data.replace(&root, ""))
        }
        _ => row.body(),
    };
    let line = match told {
        Ok(body) => {
            let run = row.run.map(RunId);
            let agent = row.agent.as_ref().zip(run).map(|(name, run)| AgentKey::new(run, name.as_str()));
            summary(&Event {
                seq: EventSeq(row.seq),
                at: Timestamp(row.timestamp),
                actor: Actor::Host,
                agent,
                run,
                cause: row.cause.map(EventSeq),
                paths: Vec::new(),
                body,
            })
        }
        Err(_) => one_line(&format!("{} {}", row.event_type, row.data)),
    };
    let paths: Vec<Value> = row.paths.iter().map(|path| orchflow_wire::json::bytes_to_json(path)).collect();
    json!({
        "seq": row.seq,
        "id": row.id,
        "timestamp": row.timestamp,
        "type": row.event_type,
        "agent": row.agent,
        "run": row.run,
        "actor": row.actor,
        "user": row.user,
        "summary": line,
        "data": data,
        "cause": row.cause,
        "paths": paths,
    })
}
