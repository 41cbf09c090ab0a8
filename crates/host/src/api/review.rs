//! Hunks listed: what waits for a decision, with everything that bears on it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use orchflow_core::event::payload::{Bytes, HunkRef};
use orchflow_core::filter::{Filter, Is, Scope};
use orchflow_core::state::{DecisionState, SeenFile, State};
use orchflow_core::{AgentKey, Refusal, RunId};
use orchflow_git::diff::FileChange;
use orchflow_git::hunk::{Hunk, HunkId};
use orchflow_git::standing::Standing;
use serde::Deserialize;
use serde_json::{Value, json};

use super::params::{Names, find_agents, find_run, read};
use crate::review::human::key_of;
use crate::review::json::hunk_json;
use crate::review::readable::Readable;
use crate::review::rivals::Rival;
use crate::review::row::{Decided, Decisions, PageOf, Row, cut, state_of};
use crate::review::{Subject, place_of, rivals, subjects};
use crate::world::World;

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Params {
    run: Option<u64>,
    agent: Option<String>,
    agents: Option<Names>,
    file: Option<String>,
    path: Option<String>,
    all: bool,
    state: Option<String>,
    limit: Option<usize>,
    after: Option<String>,
    /// Leaves out lines, and what says nothing.
    brief: bool,
    /// Words of the filter grammar, beside all of these.
    filter: Option<Words>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Words {
    One(String),
    Many(Vec<String>),
}

/// What the loop knows of the agents that are listed.
struct Told {
    /// The agents asked for.
    subjects: Vec<Subject>,
    /// Every agent of their runs.
    around: Vec<Subject>,
    decisions: Decisions,
    seen: HashMap<(AgentKey, Bytes), Arc<SeenFile>>,
    /// What is in the human's tree of files with parts or superseded hunks.
    accepted: HashMap<(AgentKey, Bytes), Vec<HunkRef>>,
    newest_run: u64,
}

impl Told {
    /// Gives what the human was shown of a file.
    fn seen_of(&self, subject: &Subject, change: &FileChange) -> Option<&SeenFile> {
        if self.seen.is_empty() {
            return None;
        }
        self.seen.get(&(subject.key.clone(), Bytes(change.path.clone()))).map(Arc::as_ref)
    }
}

pub(super) async fn list(world: &Arc<World>, params: Value) -> Result<Value, Refusal> {
    let params: Params = read("review", params)?;
    let words = match &params.filter {
        None => String::new(),
        Some(Words::One(text)) => text.clone(),
        Some(Words::Many(words)) => words.join(" "),
    };
    let filter = Filter::parse(Scope::Hunks, &words)?;
    let asks = |is: Is| filter.is.include.iter().flatten().any(|asked| *asked == is);
    let everything = params.all
        || params.state.as_deref() == Some("all")
        || asks(Is::Accepted)
        || filter.is.exclude.iter().flatten().any(|asked| *asked == Is::Undecided);
    let (run, mut names) = (params.run, params.agents.map(Names::into_list).unwrap_or_default());
    names.extend(params.agent.clone());
    let told = world
        .engine()
        .look(move |state| tell(state, run, &names))
        .await
        .ok_or_else(|| super::no_answer(world))??;
    // Rivals are told of every agent, listed or not.
    let Readable { all, mut warnings } = world.readable(&told.around).await?;
    let rivals = rivals::find(world.rivals_known(), &all);
    let listed: Vec<&(Subject, Arc<Vec<FileChange>>)> = all
        .iter()
        .filter(|(subject, _)| told.subjects.iter().any(|listed| listed.key == subject.key))
        .collect();
    let mut histories = Vec::with_capacity(listed.len());
    for (subject, changes) in &listed {
        histories.push(world.history(subject, changes).await.unwrap_or_else(|refusal| {
            warnings.push(format!(
                "nobody can say in which turns {} changed its hunks: {}",
                subject.key, refusal.message
            ));
            Arc::default()
        }));
    }
    let comments = world.comments().await?;
    let mut before = HashMap::new();
    for (subject, changes) in &listed {
        taken_before(world, subject, changes, &told, &mut before).await?;
    }
    let only = params.file.as_ref().or(params.path.as_ref()).map(|path| path.as_bytes());
    let limit = params.limit.unwrap_or(usize::MAX).max(1);
    // Whether a hunk would go in is found out for all only where it is asked for.
    let asks_standing =
        asks(Is::Conflict) || filter.is.exclude.iter().flatten().any(|is| *is == Is::Conflict);
    let mut page = PageOf::after(params.after.as_deref(), if asks_standing { usize::MAX } else { limit });
    let nothing: Arc<Vec<Hunk>> = Arc::default();
    'all: for ((subject, changes), history) in listed.iter().zip(&histories) {
        for change in changes.iter() {
            let is_meant = only.is_none_or(|only| only == change.path);
            let seen = told.seen_of(subject, change);
            let before = match before.is_empty() {
                true => &nothing,
                false => before.get(&(&subject.key, change.path.as_slice())).unwrap_or(&nothing),
            };
            for hunk in &change.hunks {
                if !page.pass(hunk) {
                    break 'all;
                }
                if !is_meant {
                    continue;
                }
                let decision = told.decisions.get(&hunk.id);
                let state = state_of(decision, hunk, before);
                if !everything && state == Some(DecisionState::Accepted) {
                    continue;
                }
                let is_seen = seen.is_some_and(|seen| seen.has(&hunk.id.to_string(), &hunk.hash.to_string()));
                let rivals: &[Rival] = rivals.get(&hunk.id).map_or(&[], Vec::as_slice);
                let row = Row {
                    subject,
                    change,
                    history,
                    before: Arc::clone(before),
                    hunk,
                    decision,
                    state,
                    rivals,
                    rival_accepted: rivals.iter().find(|rival| {
                        let of = told.decisions.get(&rival.id);
                        of.is_some_and(|decision| decision.state == DecisionState::Accepted)
                    }),
                    seen: is_seen,
                    changed: !is_seen && seen.is_some_and(|seen| seen.has_at(&place_of(hunk))),
                    comments: comments.get(&hunk.id).copied().unwrap_or(0),
                };
                if asks_standing || filter.is_empty() || row.passes(&filter, told.newest_run, None) {
                    page.take(row);
                }
            }
        }
    }
    let mut rows = page.into_rows()?;
    if asks_standing {
        let standings = standings(world, &rows).await?;
        let mut number = 0;
        rows.retain(|row| {
            number += 1;
            row.passes(&filter, told.newest_run, standings.get(number - 1).map(Arc::as_ref))
        });
    }
    let next = cut(&mut rows, limit);
    let standings = standings(world, &rows).await?;
    let hunks: Vec<Value> = rows
        .iter()
        .zip(&standings)
        .map(|(row, standing)| hunk_json(world, row, standing, params.brief))
        .collect();
    let seq = world.engine().pulse().borrow().seq;
    Ok(json!({ "hunks": hunks, "next": next, "seq": seq, "warnings": warnings }))
}

fn tell(state: &State, run: Option<u64>, names: &[String]) -> Result<Told, Refusal> {
    if run.is_some() {
        find_run(state, run)?;
    }
    let agents = find_agents(state, names, run)?;
    let listed = subjects(state, run, &agents);
    let runs: HashSet<RunId> = listed.iter().map(|subject| subject.key.run).collect();
    let around: Vec<Subject> =
        subjects(state, None, &[]).into_iter().filter(|subject| runs.contains(&subject.key.run)).collect();
    let is_around = |agent: &AgentKey| runs.contains(&agent.run);
    let decisions = state
        .decisions
        .iter()
        .filter(|(_, decision)| is_around(&decision.hunk.agent))
        .filter_map(|(id, decision)| Some((id.parse().ok()?, Decided::of(decision))))
        .collect();
    let is_listed = |agent: &AgentKey| listed.iter().any(|subject| subject.key == *agent);
    let seen = state.seen.iter().filter(|((agent, _), _)| is_listed(agent));
    let seen = seen.map(|(key, seen)| (key.clone(), Arc::clone(seen))).collect();
    // What was taken bears on a list where it is a part, or of a checkpoint before the newest.
    let newest: HashMap<&AgentKey, &str> =
        listed.iter().map(|subject| (&subject.key, subject.checkpoint.as_str())).collect();
    let mut files: HashSet<(AgentKey, Bytes)> = HashSet::new();
    for operation in state.operations.values() {
        let hunk = &operation.hunk;
        let Some(newest) = newest.get(&hunk.agent) else { continue };
        if hunk.lines.is_some() || hunk.checkpoint != *newest {
            files.insert((hunk.agent.clone(), hunk.path.clone()));
        }
    }
    let accepted = state.accepted_of_files(files);
    let newest_run = state.last_run().map_or(0, |run| run.run.0);
    Ok(Told { subjects: listed, around, decisions, seen, accepted, newest_run })
}

/// Collects, by file, what the human took of it that another version or the rest may follow.
async fn taken_before<'a>(
    world: &Arc<World>,
    subject: &'a Subject,
    changes: &'a Arc<Vec<FileChange>>,
    told: &Told,
    before: &mut HashMap<(&'a AgentKey, &'a [u8]), Arc<Vec<Hunk>>>,
) -> Result<(), Refusal> {
    if told.accepted.is_empty() {
        return Ok(());
    }
    for change in changes.iter() {
        let Some(accepted) = told.accepted.get(&(subject.key.clone(), Bytes(change.path.clone()))) else {
            continue;
        };
        let stands: HashSet<HunkId> = change.hunks.iter().map(|hunk| hunk.id).collect();
        let mut taken = Vec::new();
        let is_gone = |id: &str| !id.parse().is_ok_and(|id| stands.contains(&id));
        for hunk in accepted.iter().filter(|hunk| hunk.lines.is_some() || is_gone(&hunk.id)) {
            // A checkpoint that cannot be read any more bears on nothing.
            if let Ok(hunk) = world.taken_of(hunk, &subject.base_tree).await {
                taken.push(hunk);
            }
        }
        before.insert((&subject.key, change.path.as_slice()), Arc::new(taken));
    }
    Ok(())
}

/// Compares the human's files of rows with their bases, each file once; gives one for each row.
async fn standings(world: &Arc<World>, rows: &[Row<'_>]) -> Result<Vec<Arc<Standing>>, Refusal> {
    let mut wanted = Vec::new();
    let mut places = Vec::with_capacity(rows.len());
    let mut last: Option<&FileChange> = None;
    let mut known: HashMap<(&[u8], Option<&str>), usize> = HashMap::new();
    for row in rows {
        let is_last = last.is_some_and(|last| std::ptr::eq(last, row.change));
        let place = match (is_last, places.last()) {
            (true, Some(place)) => *place,
            _ => {
                let key = (row.change.path.as_slice(), row.change.old.as_ref().map(|old| old.id.as_str()));
                *known.entry(key).or_insert_with(|| {
                    wanted.push(key_of(row.change));
                    wanted.len() - 1
                })
            }
        };
        places.push(place);
        last = Some(row.change);
    }
    let found = world.standings(wanted).await.map_err(super::base::git_refusal)?;
    Ok(places.into_iter().filter_map(|place| found.get(place).map(Arc::clone)).collect())
}
