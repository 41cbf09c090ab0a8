//! Permissions of the past, from the log: what was asked for, and what became of it.

use std::collections::HashMap;
use std::sync::Arc;

use orchflow_core::describe::tool_line;
use orchflow_core::event::EventBody;
use orchflow_core::filter::{Filter, Scope};
use orchflow_core::{EventSeq, Refusal};
use orchflow_store::{EventFilter, EventRow, Page, Reader, StoreError};
use serde_json::{Map, Value, json};

use super::super::params::Names;
use super::ListParams;
use crate::world::World;

/// The most that one page may have.
const MOST: usize = 1000;
/// Events read at once while outcomes are looked for.
const STRIDE: usize = 2000;

pub(super) async fn list(world: &Arc<World>, params: ListParams) -> Result<Value, Refusal> {
    let words = match params.filter {
        None => String::new(),
        Some(Names::One(text)) => text,
        Some(Names::Many(words)) => words.join(" "),
    };
    let mut more = Filter::parse(Scope::Events, &words)?;
    let (since, until) = crate::zone::take_times(&mut more, crate::clock::now());
    let filter = EventFilter {
        types: vec!["approval_requested".to_owned()],
        since: params.since_at.max(since),
        until: [params.until_at, until].into_iter().flatten().min(),
        more,
        ..EventFilter::default()
    };
    let limit = params.limit.unwrap_or(100).clamp(1, MOST);
    let pending = world
        .engine()
        .look(|state| {
            state.approvals.values().map(|asked| (asked.seq, asked.answerable)).collect::<HashMap<_, _>>()
        })
        .await
        .ok_or_else(|| super::super::no_answer(world))?;
    let read = move |reader: &Reader| {
        let mut rows = reader.page(&filter, Page::Before(params.before), limit + 1)?;
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = more.then(|| rows.last().map(|row| row.seq)).flatten();
        let outcomes = outcomes(reader, &rows)?;
        let rows: Vec<Value> = rows.iter().filter_map(|row| row_json(row, &outcomes, &pending)).collect();
        Ok(json!({ "approvals": rows, "next": next }))
    };
    world.read(read).await.map_err(|error| super::super::store_refusal(&error))
}

/// Finds what became of requests, by the number of each.
fn outcomes(
    reader: &Reader,
    asked: &[EventRow],
) -> Result<HashMap<EventSeq, Map<String, Value>>, StoreError> {
    let mut found = HashMap::new();
    let Some(oldest) = asked.last() else { return Ok(found) };
    let types = ["approval_answered", "approval_superseded"].map(str::to_owned).to_vec();
    let filter = EventFilter { types, ..EventFilter::default() };
    let mut after = oldest.seq;
    loop {
        let rows = reader.page(&filter, Page::After(after), STRIDE)?;
        let Some(last) = rows.last() else { return Ok(found) };
        after = last.seq;
        for row in &rows {
            let Ok(body) = row.body() else { continue };
            let (seq, outcome) = match body {
                EventBody::ApprovalAnswered(body) => {
                    let state = if body.allow { "allowed" } else { "denied" };
                    let by = match body.rule {
                        Some(rule) => format!("r_{}", rule.0),
                        None => row.user.clone().unwrap_or_else(|| row.actor.clone()),
                    };
                    let edited = body.input.is_some();
                    (
                        body.approval,
                        json!({ "state": state, "by": by, "answer": body.reason, "edited": edited }),
                    )
                }
                EventBody::ApprovalSuperseded(body) => {
                    (body.approval, json!({ "state": "superseded", "by": null, "answer": body.why }))
                }
                _ => continue,
            };
            if let Value::Object(mut outcome) = outcome {
                outcome.insert("answered_at".to_owned(), json!(row.timestamp));
                found.entry(seq).or_insert(outcome);
            }
        }
        if rows.len() < STRIDE || asked.iter().all(|row| found.contains_key(&EventSeq(row.seq))) {
            return Ok(found);
        }
    }
}

fn row_json(
    row: &EventRow,
    outcomes: &HashMap<EventSeq, Map<String, Value>>,
    pending: &HashMap<EventSeq, bool>,
) -> Option<Value> {
    let Ok(EventBody::ApprovalRequested(body)) = row.body() else { return None };
    let seq = EventSeq(row.seq);
    let mut told = json!({
        "id": format!("a_{}", row.seq),
        "agent": row.agent,
        "run": row.run,
        "tool": body.tool,
        "summary": tool_line(&body.tool, &body.input),
        "input": body.input,
        "reason": body.reason,
        "requested_at": row.timestamp,
        "answerable": pending.get(&seq).copied().unwrap_or(false),
        "state": if pending.contains_key(&seq) { "pending" } else { "unknown" },
    });
    if let (Some(told), Some(outcome)) = (told.as_object_mut(), outcomes.get(&seq)) {
        told.extend(outcome.clone());
    }
    Some(told)
}
