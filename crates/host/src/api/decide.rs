//! Decisions on hunks asked for and seen through, comments; and what was shown.

use std::collections::HashMap;
use std::sync::Arc;

use orchflow_core::command::Command;
use orchflow_core::decide::Input;
use orchflow_core::event::EventBody;
use orchflow_core::event::payload::{HunkLines, HunkRef};
use orchflow_core::state::decisions::ACCEPT;
use orchflow_core::state::{Decision, DecisionState};
use orchflow_core::{AgentKey, Code, EventSeq, Refusal};
use orchflow_git::hunk::Hunk;
use orchflow_store::{EventFilter, Page};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Session;
use super::params::read;
use crate::effects::preview;
use crate::review::{Subject, hunk_ref, seen_hunk, subjects};
use crate::world::World;

/// One hunk as a caller names it.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Named {
    Id(String),
    Hunk {
        id: String,
        #[serde(default)]
        hash: Option<String>,
        #[serde(default)]
        lines: Option<NamedLines>,
    },
}

/// Lines of a hunk as a caller names them: in two lists, or as `+1-3,-2`.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum NamedLines {
    Text(String),
    Lists(HunkLines),
}

impl NamedLines {
    fn read(self) -> Result<HunkLines, Refusal> {
        match self {
            NamedLines::Text(text) => {
                text.parse().map_err(|error: orchflow_core::event::hunk::UnreadableLines| {
                    Refusal::new(Code::Usage, error.to_string())
                })
            }
            NamedLines::Lists(lines) => Ok(lines.in_order()),
        }
    }
}

impl Named {
    /// Gives the id, the hash and the lines.
    fn into_parts(self) -> (String, Option<String>, Option<NamedLines>) {
        match self {
            Named::Id(id) => (id, None, None),
            Named::Hunk { id, hash, lines } => (id, hash, lines),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DecideParams {
    #[serde(default)]
    hunks: Vec<Named>,
    #[serde(default)]
    hash: Option<String>,
    #[serde(default)]
    lines: Option<NamedLines>,
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
    for (flag, is_given) in [("--hash", params.hash.is_some()), ("--lines", params.lines.is_some())] {
        if is_given && params.hunks.len() > 1 {
            return Err(Refusal::new(Code::Usage, format!("{flag} goes with one hunk")));
        }
    }
    let mut results = Vec::new();
    for named in params.hunks {
        let (id, hash, lines) = named.into_parts();
        let hash = hash.or_else(|| params.hash.clone());
        let lines = lines.or_else(|| params.lines.clone()).map(NamedLines::read).transpose();
        let decided = match lines {
            Ok(lines) => {
                let wish = Wish { accept, lines, reason: params.reason.clone(), dry_run: params.dry_run };
                decide_one(world, session, &id, hash.as_deref(), wish).await
            }
            Err(refusal) => Err(refusal),
        };
        results.push(match decided {
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
    lines: Option<HunkLines>,
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
        Err(refusal) => return decided_before(world, id, hash, &wish).await.ok_or(refusal),
    };
    let mut hunk = hunk_ref(&found.subject, &found.hunk);
    if let Some(hash) = hash
        && !hunk.hash.eq_ignore_ascii_case(hash)
    {
        return Err(Refusal::new(Code::HashMismatch, format!("{} is not the content you saw", hunk.id))
            .hint("list the hunks again and look at it"));
    }
    hunk.lines = wish.lines;
    if hunk.lines.is_some() {
        // Lines of one hunk are often decided on faster than the first of them are done.
        settled(world, &hunk.id).await;
    }
    let done = if wish.accept { "accepted" } else { "rejected" };
    let result = |state: &str, already: bool, applied_to: Option<String>| {
        json!({
            "id": hunk.id,
            "hash": hunk.hash,
            "agent": hunk.agent.name,
            "run": hunk.agent.run,
            "path": hunk.path.lossy(),
            "state": state,
            "lines": hunk.lines,
            "already": already,
            "applied_to": applied_to,
        })
    };
    if wish.dry_run {
        preview(world, &hunk, &found.subject, wish.accept).await?;
        return Ok(result(&format!("would be {done}"), false, None));
    }
    let command = if wish.accept {
        Command::AcceptHunk { hunk: hunk.clone() }
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
    settled(world, &hunk.id).await;
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

/// Waits until no decision on a hunk is being carried out.
async fn settled(world: &Arc<World>, id: &str) {
    let id = id.to_owned();
    world
        .settled(move |state| {
            !state.decisions.get(&id).is_some_and(|decision| {
                matches!(decision.state, DecisionState::Accepting | DecisionState::Rejecting)
            })
        })
        .await;
}

/// Characters of a whole id; fewer are its beginning.
const ID_LENGTH: usize = 14;

struct Found {
    subject: Subject,
    hunk: Hunk,
}

/// Finds a hunk by its id or its beginning, among the newest checkpoints.
async fn resolve(world: &Arc<World>, id: &str) -> Result<Found, Refusal> {
    let wanted = whole_prefix(id);
    if wanted.len() < 4 {
        return Err(Refusal::new(Code::Usage, format!("{id:?} is too short for a hunk's id")));
    }
    let subjects = world
        .engine()
        .look(|state| subjects(state, None, &[]))
        .await
        .ok_or_else(|| super::no_answer(world))?;
    let mut found: Vec<Found> = Vec::new();
    let readable = world.readable(&subjects).await?;
    for (subject, changes) in &readable.all {
        let hunks = changes.iter().flat_map(|change| &change.hunks);
        for hunk in hunks.filter(|hunk| hunk.id.to_string().starts_with(&wanted)) {
            found.push(Found { subject: subject.clone(), hunk: hunk.clone() });
        }
    }
    match found.len() {
        1 => found.pop().ok_or_else(|| super::no_answer(world)),
        0 => {
            let refusal = gone(world, id, &wanted).await;
            Err(readable.warnings.into_iter().fold(refusal, |refusal, (_, warning)| refusal.hint(warning)))
        }
        count => {
            Err(Refusal::new(Code::AmbiguousHunk, format!("{id} fits {count} hunks"))
                .hint("give more of the id"))
        }
    }
}

/// Answers a wish that was fulfilled before and whose hunk is in no checkpoint any more.
async fn decided_before(world: &Arc<World>, id: &str, hash: Option<&str>, wish: &Wish) -> Option<Value> {
    let wanted = if wish.accept { DecisionState::Accepted } else { DecisionState::Rejected };
    let lines = wish.lines.clone();
    let (prefix, hash) = (whole_prefix(id), hash.map(str::to_lowercase));
    world
        .engine()
        .ask(move |state| {
            let is_done = |decision: &Decision| match (&lines, decision.state) {
                // What was done line by line is known by its operations.
                (Some(lines), DecisionState::Partly) => state
                    .operations
                    .values()
                    .filter(|done| done.hunk.is_same_content(&decision.hunk))
                    .filter(|done| (done.decision == ACCEPT) == (wanted == DecisionState::Accepted))
                    .filter_map(|done| done.hunk.lines.as_ref())
                    .fold(HunkLines::default(), |all, lines| all.with(lines))
                    .covers(lines),
                (_, state) => state == wanted,
            };
            let mut known = state.decisions.values().filter(|decision| {
                is_done(decision)
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
        .ask(move |state| {
            let known = state.decisions.values().find(|decision| decision.hunk.id.starts_with(&look));
            known.map(|decision| (decision.hunk.id.clone(), decision.state))
        })
        .await
        .flatten();
    match decided {
        Some((known, DecisionState::Partly)) => {
            let message = format!("{known} is another hunk since some of its lines were decided on");
            Refusal::new(Code::UnknownHunk, message).hint("orchflow review lists what there is now")
        }
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
        Named::Hunk { id, hash, .. } => (id, hash),
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

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SeenParams {
    #[serde(default)]
    hunks: Vec<Named>,
}

/// Notes what the human was shown. What is in no checkpoint any more, or was shown otherwise, is left out.
pub(super) async fn seen(world: &Arc<World>, session: &Session, params: Value) -> Result<Value, Refusal> {
    let params: SeenParams = read("seen", params)?;
    let named: Vec<(String, Option<String>)> = params
        .hunks
        .into_iter()
        .map(|named| {
            let (id, hash, _) = named.into_parts();
            (whole_prefix(&id), hash.map(|hash| hash.to_lowercase()))
        })
        .collect();
    let whole: HashMap<&str, &Option<String>> = named.iter().map(|(id, hash)| (id.as_str(), hash)).collect();
    let begun: Vec<&(String, Option<String>)> = named.iter().filter(|(id, _)| id.len() < ID_LENGTH).collect();
    let subjects = world
        .engine()
        .look(|state| subjects(state, None, &[]))
        .await
        .ok_or_else(|| super::no_answer(world))?;
    let mut hunks = Vec::new();
    for (subject, changes) in &world.readable(&subjects).await?.all {
        for hunk in changes.iter().flat_map(|change| &change.hunks) {
            let id = hunk.id.to_string();
            let beginning = || begun.iter().find(|(begun, _)| id.starts_with(begun)).map(|(_, hash)| hash);
            let Some(hash) = whole.get(id.as_str()).copied().or_else(beginning) else { continue };
            if hash.as_ref().is_none_or(|hash| *hash == hunk.hash.to_string()) {
                hunks.push(seen_hunk(subject, hunk));
            }
        }
    }
    let command = Command::NoteSeen { hunks };
    world.engine().submit(Input::Command { actor: session.actor.clone(), command }).await?;
    Ok(json!({}))
}
