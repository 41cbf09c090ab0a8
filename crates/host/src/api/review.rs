//! Hunks listed, and decisions on them asked for and seen through.

use std::collections::HashMap;
use std::sync::Arc;

use orchflow_core::command::Command;
use orchflow_core::decide::Input;
use orchflow_core::event::EventBody;
use orchflow_core::event::payload::HunkRef;
use orchflow_core::state::{DecisionState, State};
use orchflow_core::{AgentKey, Code, EventSeq, Refusal};
use orchflow_git::hunk::Hunk;
use orchflow_store::{EventFilter, Page};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Session;
use super::params::{find_agents, find_run, read};
use crate::effects::preview;
use crate::review::{LineMap, Subject, hunk_json, hunk_ref, subjects};
use crate::world::{World, blocking};

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ListParams {
    run: Option<u64>,
    agent: Option<String>,
    file: Option<String>,
    path: Option<String>,
    all: bool,
    state: Option<String>,
    limit: Option<usize>,
    after: Option<String>,
}

pub(super) async fn list(world: &Arc<World>, params: Value) -> Result<Value, Refusal> {
    let params: ListParams = read("review", params)?;
    let (run, name) = (params.run, params.agent.clone());
    let (subjects, decisions) = world
        .engine()
        .look(move |state| {
            if run.is_some() {
                find_run(state, run)?;
            }
            let agent = match &name {
                Some(name) => find_agents(state, std::slice::from_ref(name), run)?.into_iter().next(),
                None => None,
            };
            Ok::<_, Refusal>((subjects(state, run, agent.as_ref()), decision_states(state)))
        })
        .await
        .ok_or_else(|| super::no_answer(world))??;
    let everything = params.all || params.state.as_deref() == Some("all");
    let only = params.file.as_ref().or(params.path.as_ref()).map(|path| path.as_bytes());
    let limit = params.limit.unwrap_or(usize::MAX).max(1);
    let mut skipping = params.after.clone();
    let mut hunks = Vec::new();
    let mut next = None;
    'subjects: for subject in &subjects {
        let changes = world.changes(&subject.key, &subject.base_tree, &subject.checkpoint).await?;
        for change in changes.iter() {
            if only.is_some_and(|only| only != change.path) {
                continue;
            }
            let mut lines = None;
            for hunk in &change.hunks {
                let id = hunk.id.to_string();
                let decision = decisions.get(&id).copied();
                if !everything && decision == Some(DecisionState::Accepted) {
                    continue;
                }
                if let Some(after) = &skipping {
                    if *after == id {
                        skipping = None;
                    }
                    continue;
                }
                if hunks.len() == limit {
                    next = hunks.last().and_then(|hunk: &Value| hunk.get("id").cloned());
                    break 'subjects;
                }
                if lines.is_none() {
                    lines = Some(line_map(world, change).await?);
                }
                let lines = lines.as_ref().ok_or_else(|| super::no_answer(world))?;
                hunks.push(hunk_json(world, subject, hunk, decision, 0, lines));
            }
        }
    }
    if let Some(after) = skipping {
        return Err(Refusal::new(Code::Usage, format!("{after} is not in this list any more"))
            .hint("begin again without --after"));
    }
    let seq = world.engine().pulse().borrow().seq;
    Ok(json!({ "hunks": hunks, "next": next, "seq": seq }))
}

fn decision_states(state: &State) -> HashMap<String, DecisionState> {
    state.decisions.iter().map(|(id, decision)| (id.clone(), decision.state)).collect()
}

async fn line_map(world: &Arc<World>, change: &orchflow_git::diff::FileChange) -> Result<LineMap, Refusal> {
    let Some(old) = change.old.clone() else { return Ok(LineMap::new(b"", b"")) };
    let (shared, path) = (Arc::clone(world), change.path.clone());
    let map = blocking(move || {
        let human = orchflow_git::files::read(shared.repository.worktree(), &path);
        let Ok(Some(human)) = human else { return Ok(LineMap::new(b"", b"")) };
        // An untouched file needs no look at its base.
        let base = shared.repository.read_blob(&old.id)?;
        Ok::<_, orchflow_git::GitError>(LineMap::new(&base, &human.content))
    })
    .await;
    map.map_err(super::base::git_refusal)
}

/// One hunk as a caller names it.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Named {
    Id(String),
    Hunk {
        id: String,
        #[serde(default)]
        hash: Option<String>,
    },
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DecideParams {
    #[serde(default)]
    hunks: Vec<Named>,
    #[serde(default)]
    hash: Option<String>,
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    dry_run: bool,
}

pub(super) async fn decide(
    world: &Arc<World>,
    session: &Session,
    params: Value,
    accept: bool,
) -> Result<Value, Refusal> {
    let method = if accept { "accept" } else { "reject" };
    let params: DecideParams = read(method, params)?;
    if params.hunks.is_empty() {
        return Err(Refusal::new(Code::Usage, format!("{method}: name the hunks"))
            .hint("orchflow review lists them; an id's beginning is enough"));
    }
    if params.hash.is_some() && params.hunks.len() > 1 {
        return Err(Refusal::new(Code::Usage, "--hash goes with one hunk"));
    }
    let mut results = Vec::new();
    for named in params.hunks {
        let (id, hash) = match named {
            Named::Id(id) => (id, params.hash.clone()),
            Named::Hunk { id, hash } => (id, hash.or_else(|| params.hash.clone())),
        };
        let wish = Wish { accept, reason: params.reason.clone(), dry_run: params.dry_run };
        results.push(match decide_one(world, session, &id, hash.as_deref(), wish).await {
            Ok(result) => result,
            Err(refusal) => json!({
                "id": id,
                "state": "refused",
                "code": refusal.code.word(),
                "message": refusal.message,
                "hint": refusal.hint,
            }),
        });
    }
    Ok(json!({ "results": results }))
}

struct Wish {
    accept: bool,
    reason: Option<String>,
    dry_run: bool,
}

async fn decide_one(
    world: &Arc<World>,
    session: &Session,
    id: &str,
    hash: Option<&str>,
    wish: Wish,
) -> Result<Value, Refusal> {
    let found = match resolve(world, id).await {
        Ok(found) => found,
        Err(refusal) => return decided_before(world, id, hash, wish.accept).await.ok_or(refusal),
    };
    let hunk = hunk_ref(&found.subject, &found.hunk);
    if let Some(hash) = hash
        && !hunk.hash.eq_ignore_ascii_case(hash)
    {
        return Err(Refusal::new(Code::HashMismatch, format!("{} is not the content you saw", hunk.id))
            .hint("list the hunks again and look at it"));
    }
    let accepted_before = found.accepted_before.clone();
    let done = if wish.accept { "accepted" } else { "rejected" };
    let result = |state: &str, already: bool, applied_to: Option<String>| {
        json!({
            "id": hunk.id,
            "hash": hunk.hash,
            "agent": hunk.agent.name,
            "run": hunk.agent.run,
            "path": hunk.path.lossy(),
            "state": state,
            "already": already,
            "applied_to": applied_to,
        })
    };
    if wish.dry_run {
        preview(world, &hunk, &found.subject, &accepted_before, wish.accept).await?;
        return Ok(result(&format!("would be {done}"), false, None));
    }
    let command = if wish.accept {
        Command::AcceptHunk { hunk: hunk.clone(), accepted_before }
    } else {
        let reason = wish.reason.filter(|reason| !reason.trim().is_empty());
        Command::RejectHunk { hunk: hunk.clone(), reason }
    };
    let input = Input::Command { actor: session.actor.clone(), command };
    let committed = world.engine().submit(input).await?;
    if committed.reply.already {
        return Ok(result(done, true, None));
    }
    let asked = committed.reply.seq.unwrap_or(committed.seq);
    let end = outcome(world, asked, &hunk).await?;
    match end {
        EventBody::HunkAccepted(body) => Ok(result(done, body.already, Some(body.applied_to))),
        EventBody::DecisionRefused(body) => Err(Refusal::new(body.code, body.message)),
        _ => Ok(result(done, false, None)),
    }
}

/// Waits for the end of a decision and reads the event that tells of it.
async fn outcome(world: &Arc<World>, asked: EventSeq, hunk: &HunkRef) -> Result<EventBody, Refusal> {
    let id = hunk.id.clone();
    world
        .settled(move |state| {
            !state.decisions.get(&id).is_some_and(|decision| {
                matches!(decision.state, DecisionState::Accepting | DecisionState::Rejecting)
            })
        })
        .await;
    let filter = EventFilter {
        types: ["hunk_accepted", "hunk_rejected", "decision_refused"].map(str::to_owned).to_vec(),
        path: Some(hunk.path.0.clone()),
        ..EventFilter::default()
    };
    let rows = world
        .read(move |reader| reader.page(&filter, Page::After(asked.0), 50))
        .await
        .map_err(|error| super::store_refusal(&error))?;
    rows.iter()
        .filter(|row| row.cause == Some(asked.0))
        .find_map(|row| row.body().ok())
        .ok_or_else(|| Refusal::new(Code::Unknown, format!("nobody can say what became of {}", hunk.id)))
}

struct Found {
    subject: Subject,
    hunk: Hunk,
    accepted_before: Vec<String>,
}

/// Finds a hunk by its id or its beginning, among the newest checkpoints.
async fn resolve(world: &Arc<World>, id: &str) -> Result<Found, Refusal> {
    let wanted = whole_prefix(id);
    if wanted.len() < 4 {
        return Err(Refusal::new(Code::Usage, format!("{id:?} is too short for a hunk's id")));
    }
    let (subjects, decisions) = world
        .engine()
        .look(|state| (subjects(state, None, None), decision_states(state)))
        .await
        .ok_or_else(|| super::no_answer(world))?;
    let mut found: Vec<Found> = Vec::new();
    for subject in &subjects {
        let changes = world.changes(&subject.key, &subject.base_tree, &subject.checkpoint).await?;
        for change in changes.iter() {
            for hunk in change.hunks.iter().filter(|hunk| hunk.id.to_string().starts_with(&wanted)) {
                let is_before = |other: &&Hunk| {
                    other.id != hunk.id
                        && decisions.get(&other.id.to_string()) == Some(&DecisionState::Accepted)
                };
                let accepted = change.hunks.iter().filter(is_before).map(|other| other.id.to_string());
                found.push(Found {
                    subject: subject.clone(),
                    hunk: hunk.clone(),
                    accepted_before: accepted.collect(),
                });
            }
        }
    }
    match found.len() {
        1 => found.pop().ok_or_else(|| super::no_answer(world)),
        0 => Err(gone(world, id, &wanted).await),
        count => {
            Err(Refusal::new(Code::AmbiguousHunk, format!("{id} fits {count} hunks"))
                .hint("give more of the id"))
        }
    }
}

/// Answers a wish that was fulfilled before and whose hunk is in no checkpoint any more.
async fn decided_before(world: &Arc<World>, id: &str, hash: Option<&str>, accept: bool) -> Option<Value> {
    let wanted = if accept { DecisionState::Accepted } else { DecisionState::Rejected };
    let (prefix, hash) = (whole_prefix(id), hash.map(str::to_lowercase));
    world
        .engine()
        .look(move |state| {
            let mut known = state.decisions.values().filter(|decision| {
                decision.state == wanted
                    && decision.hunk.id.starts_with(&prefix)
                    && hash.as_ref().is_none_or(|hash| *hash == decision.hunk.hash)
            });
            let (Some(decision), None) = (known.next(), known.next()) else { return None };
            Some(json!({
                "id": decision.hunk.id,
                "hash": decision.hunk.hash,
                "agent": decision.hunk.agent.name,
                "run": decision.hunk.agent.run,
                "path": decision.hunk.path.lossy(),
                "state": wanted.word(),
                "already": true,
            }))
        })
        .await
        .flatten()
}

/// Gives an id's beginning with the letters every id begins with.
fn whole_prefix(id: &str) -> String {
    let wanted = id.trim().to_lowercase();
    if wanted.starts_with("h_") { wanted } else { format!("h_{wanted}") }
}

/// Says why an id names nothing: rejected before, or never there.
async fn gone(world: &Arc<World>, id: &str, wanted: &str) -> Refusal {
    let look = wanted.to_owned();
    let decided = world
        .engine()
        .look(move |state| {
            let known = state.decisions.values().find(|decision| decision.hunk.id.starts_with(&look));
            known.map(|decision| (decision.hunk.id.clone(), decision.state))
        })
        .await
        .flatten();
    match decided {
        Some((known, state)) => Refusal::new(Code::Conflict, format!("{known} is {} already", state.word()))
            .hint("orchflow undo takes the last decision back"),
        None => Refusal::new(Code::UnknownHunk, format!("there is no hunk {id}"))
            .hint("its agent may have changed it since; orchflow review lists what there is now"),
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CommentParams {
    #[serde(default)]
    hunk: Option<String>,
    #[serde(default)]
    hunks: Vec<Named>,
    #[serde(default)]
    hash: Option<String>,
    text: String,
}

pub(super) async fn comment(world: &Arc<World>, session: &Session, params: Value) -> Result<Value, Refusal> {
    let params: CommentParams = read("comment", params)?;
    let mut names: Vec<(String, Option<String>)> =
        params.hunk.into_iter().map(|id| (id, params.hash.clone())).collect();
    names.extend(params.hunks.into_iter().map(|named| match named {
        Named::Id(id) => (id, None),
        Named::Hunk { id, hash } => (id, hash),
    }));
    if names.is_empty() {
        return Err(Refusal::new(Code::Usage, "comment: name the hunk").hint("orchflow review lists them"));
    }
    let mut prompts = Vec::new();
    for (id, hash) in names {
        let found = resolve(world, &id).await?;
        let hunk = hunk_ref(&found.subject, &found.hunk);
        if hash.is_some_and(|hash| !hunk.hash.eq_ignore_ascii_case(&hash)) {
            return Err(Refusal::new(Code::HashMismatch, format!("{} is not the content you saw", hunk.id)));
        }
        let command = Command::CommentHunk { hunk, text: params.text.clone() };
        let input = Input::Command { actor: session.actor.clone(), command };
        let reply = world.engine().submit(input).await?.reply;
        prompts.extend(
            reply
                .prompts
                .iter()
                .map(|(id, agent): &(u64, AgentKey)| json!({ "id": id, "agent": agent.name })),
        );
    }
    Ok(json!({ "prompts": prompts }))
}

pub(super) async fn undo(world: &Arc<World>, session: &Session) -> Result<Value, Refusal> {
    let input = Input::Command { actor: session.actor.clone(), command: Command::Undo };
    let committed = world.engine().submit(input).await?;
    let asked = committed.reply.seq.unwrap_or(committed.seq);
    world.settled(|state| !state.operations.values().any(|operation| operation.undoing)).await;
    let filter = EventFilter {
        types: vec!["human_reverted_change".to_owned(), "undo_refused".to_owned()],
        ..EventFilter::default()
    };
    let rows = world
        .read(move |reader| reader.page(&filter, Page::After(asked.0), 10))
        .await
        .map_err(|error| super::store_refusal(&error))?;
    let end = rows.iter().filter(|row| row.cause == Some(asked.0)).find_map(|row| row.body().ok());
    match end {
        Some(EventBody::HumanRevertedChange(body)) => Ok(json!({
            "undone": body.decision,
            "id": body.hunk.id,
            "path": body.hunk.path.lossy(),
            "agent": body.hunk.agent.name,
            "message": format!("{} of {} undone", body.decision, body.hunk.path.lossy()),
        })),
        Some(EventBody::UndoRefused(body)) => Err(Refusal::new(Code::Conflict, body.message)),
        _ => Err(Refusal::new(Code::Unknown, "nobody can say what became of the undo")),
    }
}
