//! What happened: pages of events, filtered and searched.

use std::path::Path;
use std::sync::Arc;

use orchflow_core::describe::stored_summary;
use orchflow_core::filter::{Filter, Scope, event_groups, nearest};
use orchflow_core::{AgentKey, Code, Refusal};
use orchflow_store::{EventFilter, EventRow, Page};
use orchflow_wire::pack::Packer;
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

/// A page of events: the rows, where the next begins, and how far the log had come.
struct Found {
    rows: Vec<EventRow>,
    next: Option<u64>,
    seq: u64,
}

pub(super) async fn call(world: &Arc<World>, params: Value) -> Result<Value, Refusal> {
    let params: Params = read("log", params)?;
    if let Some(action) = params.action.as_deref() {
        return match action {
            "verify" => verify(world).await,
            other => Err(Refusal::new(Code::Usage, format!("log: {other:?} is not `verify`"))),
        };
    }
    let root = world.folders.worktrees.clone();
    find(world, &params, move |found| {
        let events: Vec<Value> = found.rows.iter().map(|row| event_json(row, &root)).collect();
        json!({ "events": events, "next": found.next, "seq": found.seq })
    })
    .await
}

/// As [`call`], with the answer as msgpack: a page of a long log is written once, from the text it is stored as.
/// `None` where it is no page that is asked for.
pub(super) async fn packed(world: &Arc<World>, params: &Value) -> Option<Result<Vec<u8>, Refusal>> {
    let params: Params =
        read("log", params.clone()).ok().filter(|params: &Params| params.action.is_none())?;
    let root = world.folders.worktrees.clone();
    let answer = find(world, &params, move |found| {
        let size = found.rows.iter().map(|row| row.data.len() + 512).sum();
        let mut packer = Packer::with_capacity(size);
        packer.map(3);
        packer.text("events");
        packer.list(found.rows.len());
        for row in &found.rows {
            pack_event(&mut packer, row, &root);
        }
        packer.text("next");
        packer.optional_number(found.next);
        packer.text("seq");
        packer.number(found.seq);
        packer.into_bytes()
    });
    Some(answer.await)
}

/// Reads a page and writes it down, on a thread that may block.
async fn find<T: Send + 'static>(
    world: &Arc<World>,
    params: &Params,
    write: impl FnOnce(Found) -> T + Send + 'static,
) -> Result<T, Refusal> {
    let filter = filter(params)?;
    let limit = params.limit.unwrap_or(100).clamp(1, MOST);
    let page = match params.after {
        Some(after) if params.before.is_none() => Page::After(after),
        _ => Page::Before(params.before),
    };
    // Read before the page: whoever goes on from it may see an event twice, but never misses one.
    let seq = world.engine().pulse().borrow().seq.0;
    let read = move |reader: &orchflow_store::Reader| {
        // One more than asked for tells whether there is more.
        let mut rows = reader.page(&filter, page, limit + 1)?;
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = more.then(|| rows.last().map(|row| row.seq)).flatten();
        Ok(write(Found { rows, next, seq }))
    };
    world.read(read).await.map_err(|error| super::store_refusal(&error))
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

/// Says what an event tells in one line. It names files as they are called in the agent's worktree, one of those
/// below `worktrees`.
fn line(row: &EventRow, worktrees: &Path) -> String {
    let folder = worktrees.as_os_str().as_encoded_bytes();
    if let (Some(agent), Some(run)) = (&row.agent, row.run)
        && memchr::memmem::find(row.data.as_bytes(), folder).is_some()
    {
        let root = format!("{}/{run}-{agent}/", worktrees.display());
        return stored_summary(row.seq, &row.event_type, &row.data.replace(&root, ""));
    }
    stored_summary(row.seq, &row.event_type, &row.data)
}

/// Writes one event as fronts get it.
pub fn event_json(row: &EventRow, worktrees: &Path) -> Value {
    let data: Value = serde_json::from_str(&row.data).unwrap_or(Value::Null);
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
        "summary": line(row, worktrees),
        "data": data,
        "cause": row.cause,
        "paths": paths,
    })
}

/// Writes one event as [`event_json`] does, as msgpack.
fn pack_event(packer: &mut Packer, row: &EventRow, worktrees: &Path) {
    packer.map(12);
    packer.text("seq");
    packer.number(row.seq);
    packer.text("id");
    packer.text(&row.id);
    packer.text("timestamp");
    packer.signed(row.timestamp);
    packer.text("type");
    packer.text(&row.event_type);
    packer.text("agent");
    packer.optional_text(row.agent.as_deref());
    packer.text("run");
    packer.optional_number(row.run);
    packer.text("actor");
    packer.text(&row.actor);
    packer.text("user");
    packer.optional_text(row.user.as_deref());
    packer.text("summary");
    packer.text(&line(row, worktrees));
    packer.text("data");
    packer.json_text(&row.data);
    packer.text("cause");
    packer.optional_number(row.cause);
    packer.text("paths");
    packer.list(row.paths.len());
    for path in &row.paths {
        packer.json(&orchflow_wire::json::bytes_to_json(path));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packed_event_is_the_event() {
        let row = |event_type: &str, data: &str| EventRow {
            seq: 300,
            id: "0199c6a2".to_owned(),
            timestamp: 1_760_000_000_000_000,
            event_type: event_type.to_owned(),
            actor: "agent".to_owned(),
            agent: Some("claude".to_owned()),
            user: None,
            run: Some(7),
            data: data.to_owned(),
            cause: Some(299),
            paths: vec![b"src/a.rs".to_vec(), b"caf\xe9.rs".to_vec()],
        };
        let inside = "{\"tool\":\"Edit\",\"input\":{\"file_path\":\"/w/7-claude/src/a.rs\"}}";
        let root = Path::new("/w");
        for row in [
            row("text_displayed", "{\"text\":\"hello\",\"last\":true}"),
            row("tool_requested", inside),
            row("of_tomorrow", "{\"deep\":[[1.5,-3,null]]}"),
            row("text_displayed", "damaged"),
            EventRow {
                agent: None,
                run: None,
                cause: None,
                paths: Vec::new(),
                ..row("host_stopped", "{\"reason\":\"x\"}")
            },
        ] {
            let mut packer = Packer::default();
            pack_event(&mut packer, &row, root);
            let json = event_json(&row, root);
            let mut expected = Packer::default();
            expected.json(&json);
            assert_eq!(packer.into_bytes(), expected.into_bytes(), "{json}");
        }
        let told = event_json(&row("tool_requested", inside), root);
        assert_eq!(told["summary"], "wants Edit: src/a.rs");
    }
}
