//! One event whole: what it came of, what came of it, and what it changed.

use std::sync::Arc;

use orchflow_core::event::EventBody;
use orchflow_core::event::payload::HunkRef;
use orchflow_core::{AgentKey, Code, Refusal, RunId};
use orchflow_git::diff::{self, FileChange};
use orchflow_git::{GitError, ObjectId};
use orchflow_store::{EventFilter, EventRow, Page, Reader, StoreError};
use serde::Deserialize;
use serde_json::{Value, json};

use super::log::event_json;
use super::params::read;
use crate::unified::{of_hunk, unified};
use crate::world::{World, blocking};

/// The longest chain of causes that is told.
pub(super) const CHAIN: usize = 64;
/// The most effects that are told.
const EFFECTS: usize = 200;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Params {
    seq: Number,
}

/// A number, or its digits: the shell sends words.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Number {
    Number(u64),
    Digits(String),
}

/// What the log knows around one event.
struct Around {
    event: EventRow,
    chain: Vec<EventRow>,
    effects: Vec<EventRow>,
    /// The tree before a checkpoint.
    tree_before: Option<String>,
    prompt: Option<String>,
    words: Option<String>,
}

pub(super) async fn call(world: &Arc<World>, params: Value) -> Result<Value, Refusal> {
    let params: Params = read("event", params)?;
    let seq = match params.seq {
        Number::Number(seq) => seq,
        Number::Digits(digits) => digits.parse().map_err(|_| {
            Refusal::new(Code::Usage, format!("{digits:?} is no event's number"))
                .hint("orchflow log --json shows each event's seq")
        })?,
    };
    let around = world.read(move |reader| around(reader, seq)).await;
    let around = around.map_err(|error| super::store_refusal(&error))?.ok_or_else(|| unknown(seq))?;
    let body = around.event.body().ok();
    let (diff, hunks) = match &body {
        Some(body) => changed(world, &around, body).await?,
        None => (None, Vec::new()),
    };
    let root = &world.folders.worktrees;
    let told = |rows: &[EventRow]| rows.iter().map(|row| event_json(row, root)).collect::<Vec<Value>>();
    let data: Value = serde_json::from_str(&around.event.data).unwrap_or(Value::Null);
    let own = ["reason", "reasoning", "explanation"].into_iter().find_map(|name| data.get(name)?.as_str());
    Ok(json!({
        "event": event_json(&around.event, root),
        "chain": told(&around.chain),
        "effects": told(&around.effects),
        "diff": diff,
        "prompt": around.prompt,
        "reasoning": own.map(str::to_owned).or(around.words),
        "confidence": data.get("confidence").and_then(Value::as_f64),
        "hunks": hunks,
    }))
}

pub(super) fn unknown(seq: u64) -> Refusal {
    Refusal::new(Code::Usage, format!("there is no event {seq}")).hint("orchflow log shows the newest")
}

fn around(reader: &Reader, seq: u64) -> Result<Option<Around>, StoreError> {
    let Some(event) = reader.event(seq)? else { return Ok(None) };
    let chain = reader.causes(seq, CHAIN)?;
    let effects = reader.effects(seq, EFFECTS)?;
    let turn = std::iter::once(&event).chain(&chain).find(|row| row.event_type == "turn_started");
    let prompt = match turn.and_then(|turn| turn.body().ok()) {
        Some(EventBody::TurnStarted(turn)) => match turn.prompt {
            Some(prompt) => prompt_text(reader, prompt)?.or(turn.text),
            None => turn.text,
        },
        _ if event.event_type.starts_with("prompt_") => {
            let data: Value = serde_json::from_str(&event.data).unwrap_or(Value::Null);
            match data.get("prompt").and_then(Value::as_u64) {
                Some(prompt) => prompt_text(reader, prompt)?,
                None => None,
            }
        }
        _ => None,
    };
    let words = match turn.filter(|_| event.actor == "agent") {
        Some(turn) => last_words(reader, &event, turn.seq)?,
        None => None,
    };
    let taken = std::iter::once(&event).chain(&chain).find(|row| row.event_type == "checkpoint_taken");
    let tree_before = match taken {
        Some(taken) => tree_before(reader, taken)?,
        None => None,
    };
    Ok(Some(Around { event, chain, effects, tree_before, prompt, words }))
}

/// Reads a prompt whole: its number is the event that queued it.
fn prompt_text(reader: &Reader, prompt: u64) -> Result<Option<String>, StoreError> {
    match reader.event(prompt)?.and_then(|row| row.body().ok()) {
        Some(EventBody::PromptQueued(body)) => Ok(Some(body.text)),
        _ => Ok(None),
    }
}

/// Reads what an agent said last before an event, in the same turn.
fn last_words(reader: &Reader, event: &EventRow, turn: u64) -> Result<Option<String>, StoreError> {
    let filter = of_agent(event, "text_displayed");
    let found = reader.page(&filter, Page::Before(Some(event.seq)), 1)?.pop();
    Ok(match found.filter(|row| row.seq > turn).and_then(|row| row.body().ok()) {
        Some(EventBody::TextDisplayed(body)) => Some(body.text),
        _ => None,
    })
}

/// Finds the tree a checkpoint is compared with: that of the one before it, else what the agent started from.
fn tree_before(reader: &Reader, taken: &EventRow) -> Result<Option<String>, StoreError> {
    for (event_type, name) in [("checkpoint_taken", "tree"), ("agent_requested", "base_tree")] {
        let found = reader.page(&of_agent(taken, event_type), Page::Before(Some(taken.seq)), 1)?.pop();
        let data = found.and_then(|row| serde_json::from_str::<Value>(&row.data).ok());
        if let Some(tree) = data.as_ref().and_then(|data| data.get(name)?.as_str()) {
            return Ok(Some(tree.to_owned()));
        }
    }
    Ok(None)
}

fn of_agent(event: &EventRow, event_type: &str) -> EventFilter {
    EventFilter {
        agent: event.agent.clone(),
        run: event.run,
        types: vec![event_type.to_owned()],
        ..EventFilter::default()
    }
}

/// Gives the diff an event stands for, and the ids of the hunks it is about.
async fn changed(
    world: &Arc<World>,
    around: &Around,
    body: &EventBody,
) -> Result<(Option<Vec<String>>, Vec<String>), Refusal> {
    if let Some(hunk) = hunk_of(body) {
        let diff = hunk_lines(world, hunk).await?;
        return Ok((diff, vec![hunk.id.clone()]));
    }
    let (commit, path) = match body {
        EventBody::AiGeneratedCode(body) => (&body.checkpoint, Some(body.file.0.clone())),
        EventBody::CheckpointTaken(body) => (&body.commit, None),
        _ => return Ok((None, Vec::new())),
    };
    let Some(before) = around.tree_before.clone() else { return Ok((None, Vec::new())) };
    let changes = compare(world, &key_of(&around.event), &before, commit, path.clone()).await?;
    let diff = changes.map(|changes| unified(&changes));
    Ok((diff, standing(world, &around.event, path.as_deref()).await?))
}

fn key_of(event: &EventRow) -> AgentKey {
    AgentKey::new(RunId(event.run.unwrap_or(0)), event.agent.clone().unwrap_or_default())
}

/// Gives the ids of the hunks that stand for review now, of one file or of all of an agent.
async fn standing(world: &Arc<World>, event: &EventRow, path: Option<&[u8]>) -> Result<Vec<String>, Refusal> {
    let key = key_of(event);
    let subjects = world.engine().ask(move |state| crate::review::subjects(state, None, &[key])).await;
    let Some(subject) = subjects.and_then(|subjects| subjects.into_iter().next()) else {
        return Ok(Vec::new());
    };
    let changes = world.changes(&subject.key, &subject.base_tree, &subject.checkpoint).await?;
    let meant = changes.iter().filter(|change| path.is_none_or(|path| path == change.path));
    Ok(meant.flat_map(|change| &change.hunks).map(|hunk| hunk.id.to_string()).collect())
}

/// Compares two trees, in one file or in all. `None` where what git kept is gone.
async fn compare(
    world: &Arc<World>,
    agent: &AgentKey,
    old: &str,
    new: &str,
    path: Option<Vec<u8>>,
) -> Result<Option<Vec<FileChange>>, Refusal> {
    let (repository, scope) = (Arc::clone(&world.repository), agent.to_string());
    let (old, new) = (old.to_owned(), new.to_owned());
    let compared = blocking(move || {
        let (old, new): (ObjectId, ObjectId) = (old.parse()?, new.parse()?);
        let mut changes = diff::files(&repository, &old, &new)?;
        changes.retain(|change| path.as_ref().is_none_or(|path| *path == change.path));
        diff::fill(&repository, &scope, &mut changes)?;
        Ok::<_, GitError>(changes)
    })
    .await;
    match compared {
        Ok(changes) => Ok(Some(changes)),
        Err(error) => {
            tracing::info!(%agent, %error, "a diff of the log cannot be told any more");
            Ok(None)
        }
    }
}

/// Writes a hunk of the log, as it was in its checkpoint.
async fn hunk_lines(world: &Arc<World>, hunk: &HunkRef) -> Result<Option<Vec<String>>, Refusal> {
    let key = hunk.agent.clone();
    let base = world.engine().ask(move |state| state.agents.get(&key).map(|agent| agent.base_tree.clone()));
    let Some(base) = base.await.flatten() else { return Ok(None) };
    let changes = compare(world, &hunk.agent, &base, &hunk.checkpoint, Some(hunk.path.0.clone())).await?;
    let found = changes.iter().flatten().flat_map(|change| &change.hunks);
    Ok(found.into_iter().find(|found| found.id.to_string() == hunk.id).map(of_hunk))
}

/// Gives the hunk an event is about.
pub(super) fn hunk_of(body: &EventBody) -> Option<&HunkRef> {
    Some(match body {
        EventBody::AcceptRequested(body) => &body.hunk,
        EventBody::HunkAccepted(body) => &body.hunk,
        EventBody::RejectRequested(body) => &body.hunk,
        EventBody::HunkRejected(body) => &body.hunk,
        EventBody::DecisionRefused(body) => &body.hunk,
        EventBody::HunkCommented(body) => &body.hunk,
        EventBody::HumanRevertedChange(body) => &body.hunk,
        _ => return None,
    })
}
