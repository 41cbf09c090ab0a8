//! The last decision taken back, or made again.

use std::sync::Arc;

use orchflow_core::command::Command;
use orchflow_core::decide::Input;
use orchflow_core::event::EventBody;
use orchflow_core::event::payload::HunkRef;
use orchflow_core::{Code, EventSeq, Refusal};
use orchflow_store::{EventFilter, Page};
use serde_json::{Value, json};

use super::Session;
use crate::world::World;

/// Takes the last decision back, or makes the one again that was taken back last.
pub(super) async fn undo(world: &Arc<World>, session: &Session) -> Result<Value, Refusal> {
    let command = Command::Undo;
    let committed = world.engine().submit(Input::Command { actor: session.actor.clone(), command }).await?;
    let asked = committed.reply.seq.unwrap_or(committed.seq);
    world.settled(|state| !state.operations.values().any(|operation| operation.undoing)).await;
    match end_of(world, asked, &["human_reverted_change", "undo_refused"]).await? {
        Some(EventBody::HumanRevertedChange(body)) => Ok(done_json("undone", &body.hunk, &body.decision)),
        Some(EventBody::UndoRefused(body)) => Err(Refusal::new(Code::Conflict, body.message)),
        _ => Err(Refusal::new(Code::Unknown, "nobody can say what became of the undo")),
    }
}

pub(super) async fn redo(world: &Arc<World>, session: &Session) -> Result<Value, Refusal> {
    let command = Command::Redo;
    let committed = world.engine().submit(Input::Command { actor: session.actor.clone(), command }).await?;
    let asked = committed.reply.seq.unwrap_or(committed.seq);
    world.settled(|state| !state.undone.values().any(|undone| undone.redoing)).await;
    match end_of(world, asked, &["hunk_accepted", "hunk_rejected", "decision_refused"]).await? {
        Some(EventBody::HunkAccepted(body)) => Ok(done_json("redone", &body.hunk, "accept")),
        Some(EventBody::HunkRejected(body)) => Ok(done_json("redone", &body.hunk, "reject")),
        Some(EventBody::DecisionRefused(body)) => Err(Refusal::new(body.code, body.message)),
        _ => Err(Refusal::new(Code::Unknown, "nobody can say what became of the redo")),
    }
}

/// Finds the event that tells how what an event asked for ended.
async fn end_of(world: &Arc<World>, asked: EventSeq, types: &[&str]) -> Result<Option<EventBody>, Refusal> {
    let types = types.iter().map(|name| (*name).to_owned()).collect();
    let filter = EventFilter { types, ..EventFilter::default() };
    let rows = world
        .read(move |reader| reader.page(&filter, Page::After(asked.0), 50))
        .await
        .map_err(|error| super::store_refusal(&error))?;
    Ok(rows.iter().filter(|row| row.cause == Some(asked.0)).find_map(|row| row.body().ok()))
}

fn done_json(word: &str, hunk: &HunkRef, decision: &str) -> Value {
    json!({
        word: decision,
        "id": hunk.id,
        "path": hunk.path.lossy(),
        "agent": hunk.agent.name,
        "message": format!("{decision} of {} {word}", hunk.path.lossy()),
    })
}
