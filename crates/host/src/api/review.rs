//! Hunks listed: what waits for a decision, with everything that bears on it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use orchflow_core::event::payload::Bytes;
use orchflow_core::filter::{Filter, Is, Scope};
use orchflow_core::state::State;
use orchflow_core::{AgentKey, Refusal, RunId};
use orchflow_git::diff::FileChange;
use orchflow_git::hunk::HunkId;
use orchflow_git::standing::Standing;
use serde::Deserialize;
use serde_json::{Value, json};

use super::params::{Names, find_agents, find_run, read};
use crate::review::compact::compact;
use crate::review::human::key_of;
use crate::review::json::hunk_json;
use crate::review::listing::{Asked, Before, Listing, Told};
use crate::review::readable::Readable;
use crate::review::row::{Decided, PageOf, Row, cut, hunk_of};
use crate::review::{Subject, rivals, subjects};
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
    /// The same, with what hunks have in common said once: `columns`, `usual` and `files` in the place of `hunks`.
    compact: bool,
    /// Words of the filter grammar, beside all of these.
    filter: Option<Words>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Words {
    One(String),
    Many(Vec<String>),
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
    let is_named = !names.is_empty();
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
            let warning = format!(
                "nobody can say in which turns {} changed its hunks: {}",
                subject.key, refusal.message
            );
            warnings.push((subject.key.run, warning));
            Arc::default()
        }));
    }
    let comments = world.comments().await?;
    let mut before = Before::new();
    for (subject, changes) in &listed {
        taken_before(world, subject, changes, &told, &mut before).await?;
    }
    let agents: Vec<_> = listed
        .iter()
        .zip(&histories)
        .map(|((subject, changes), history)| (subject, changes.as_slice(), Arc::clone(history)))
        .collect();
    let listing = Listing {
        told: &told,
        agents: &agents,
        rivals: &rivals,
        comments: &comments,
        before: &before,
        asked: Asked {
            filter: &filter,
            only: params.file.as_ref().or(params.path.as_ref()).map(|path| path.as_bytes()),
            everything,
            // Whether a hunk would go in is found out for all only where it is asked for.
            asks_standing: asks(Is::Conflict)
                || filter.is.exclude.iter().flatten().any(|is| *is == Is::Conflict),
        },
    };
    let is_one_run = run.is_none() && !is_named && filter.runs.is_empty();
    let (limit, after) = (params.limit.unwrap_or(usize::MAX).max(1), params.after.as_deref());
    let Cut { scope, rows, next } = cut_out(world, &listing, is_one_run, after, limit).await?;
    let standings = standings(world, &rows).await?;
    let runs = listing.runs();
    let tells_of_others = is_one_run && after.is_none() && !listing.asked.asks_standing;
    let elsewhere: Vec<Value> = runs
        .iter()
        .filter(|run| tells_of_others && Some(**run) != scope)
        .map(|run| (run, listing.waiting(*run)))
        .filter(|(_, hunks)| *hunks > 0)
        .map(|(run, hunks)| json!({ "run": run, "hunks": hunks }))
        .collect();
    let one = || match runs.as_slice() {
        [one] => Some(*one),
        _ => None,
    };
    // What is wrong with agents of other runs is told where those are listed, or where nothing is.
    let is_here = |of: RunId| rows.is_empty() || scope.is_none_or(|scope| scope == of);
    let warnings: Vec<String> =
        warnings.into_iter().filter(|(of, _)| is_here(*of)).map(|(_, warning)| warning).collect();
    let seq = world.engine().pulse().borrow().seq;
    let mut answer = json!({
        "run": run.map(RunId).or(scope).or_else(one),
        "elsewhere": elsewhere,
        "next": next,
        "seq": seq,
        "warnings": warnings,
    });
    let hunks = match params.compact {
        true => compact(world.repository.worktree(), &rows, &standings),
        false => {
            let written =
                |(row, standing): (&Row<'_>, &Arc<Standing>)| hunk_json(world, row, standing, params.brief);
            json!({ "hunks": rows.iter().zip(&standings).map(written).collect::<Vec<_>>() })
        }
    };
    if let (Value::Object(answer), Value::Object(hunks)) = (&mut answer, hunks) {
        answer.extend(hunks);
    }
    Ok(answer)
}

/// A page of a listing.
struct Cut<'a> {
    /// The run it is of, where one was chosen.
    scope: Option<RunId>,
    rows: Vec<Row<'a>>,
    /// What the next page begins after.
    next: Option<String>,
}

/// Cuts a page out of a listing. Where it is to be of one run, that is the one its cursor stands in, else the newest
/// in which there is anything.
async fn cut_out<'a>(
    world: &Arc<World>,
    listing: &Listing<'a>,
    is_one_run: bool,
    after: Option<&'a str>,
    limit: usize,
) -> Result<Cut<'a>, Refusal> {
    let here = after.and_then(hunk_of).and_then(|id| listing.run_of(id));
    let mut scopes: Vec<Option<RunId>> = match here {
        _ if !is_one_run => Vec::new(),
        Some(run) => vec![Some(run)],
        None => listing.runs().into_iter().map(Some).collect(),
    };
    if scopes.is_empty() {
        scopes.push(None);
    }
    let asked = &listing.asked;
    let mut found = Vec::new();
    let mut scope = scopes.first().copied().flatten();
    for each in scopes {
        let most = if asked.asks_standing { usize::MAX } else { limit };
        let mut page = PageOf::after(after, most);
        listing.fill(each, &mut page);
        let mut rows = page.into_rows()?;
        if asked.asks_standing {
            let standings = standings(world, &rows).await?;
            let mut number = 0;
            rows.retain(|row| {
                number += 1;
                let standing = standings.get(number - 1).map(Arc::as_ref);
                row.passes(asked.filter, listing.told.newest_run, standing)
            });
        }
        if !rows.is_empty() {
            (found, scope) = (rows, each);
            break;
        }
    }
    let next = cut(&mut found, limit);
    Ok(Cut { scope, rows: found, next })
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
    before: &mut Before<'a>,
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
