//! Hunks listed: what waits for a decision, with everything that bears on it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use orchflow_core::event::EventBody;
use orchflow_core::event::payload::{Bytes, HunkRef};
use orchflow_core::filter::{Filter, Is, Scope};
use orchflow_core::state::{Decision, DecisionState, SeenFile, State};
use orchflow_core::{AgentKey, Code, Refusal, RunId};
use orchflow_git::diff::FileChange;
use orchflow_git::hunk::{Change, Hunk};
use orchflow_git::standing::{Forecast, Standing};
use orchflow_store::{EventFilter, Page};
use serde::Deserialize;
use serde_json::{Value, json};

use super::params::{Names, find_agents, find_run, read};
use crate::review::history::History;
use crate::review::human::key_of;
use crate::review::json::{Known, forecast, hunk_json};
use crate::review::rivals::Rival;
use crate::review::{Subject, place_of, rivals, subjects};
use crate::world::World;

/// The most comments that are counted.
const COMMENTS: usize = 2000;

/// What a cursor begins with where it stands among the rivals of accepted hunks, which come last.
const BEHIND: &str = "behind:";

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
    decisions: HashMap<String, Decision>,
    seen: HashMap<(AgentKey, Bytes), SeenFile>,
    /// What is in the human's tree of files with parts or superseded hunks.
    accepted: HashMap<(AgentKey, Bytes), Vec<HunkRef>>,
    newest_run: u64,
}

/// A hunk of the list.
struct Row<'a> {
    subject: &'a Subject,
    change: &'a FileChange,
    history: &'a Arc<History>,
    before: Arc<Vec<Hunk>>,
    hunk: &'a Hunk,
    decision: Option<&'a Decision>,
    state: Option<DecisionState>,
    rivals: &'a [Rival],
    rival_accepted: Option<&'a Rival>,
    seen: bool,
    changed: bool,
    comments: usize,
    /// Its place among all hunks, whatever is decided.
    place: usize,
}

impl Row<'_> {
    fn is_behind(&self) -> bool {
        self.rival_accepted.is_some() && self.state.is_none_or(|state| state == DecisionState::Partly)
    }

    fn forecast(&self, standing: &Standing) -> Forecast {
        let before: Vec<&Hunk> = self.before.iter().collect();
        forecast(self.hunk, standing, &before)
    }

    fn is(&self, is: Is, standing: Option<&Standing>) -> bool {
        use DecisionState::{Accepted, Accepting, Rejected, Rejecting};
        match is {
            Is::Undecided => !matches!(self.state, Some(Accepted | Accepting | Rejected | Rejecting)),
            Is::Accepted => self.state == Some(Accepted),
            Is::Rejected => self.state == Some(Rejected),
            Is::Commented => self.comments > 0,
            Is::Unseen => !self.seen && !matches!(self.state, Some(Accepted | Rejected)),
            Is::Changed => self.changed,
            Is::Conflict => standing.is_some_and(|standing| self.forecast(standing) == Forecast::Conflict),
            Is::Rival => !self.rivals.is_empty(),
            Is::Binary => self.hunk.binary,
            _ => false,
        }
    }

    fn passes(&self, filter: &Filter, newest_run: u64, standing: Option<&Standing>) -> bool {
        let hunk = self.hunk;
        filter.admits_agent(&self.subject.key)
            && filter.admits_file(&hunk.path)
            && filter.admits_run(self.subject.key.run.0, newest_run)
            && filter.admits_turn(self.history.changed_turn(&hunk.id), self.subject.newest_turn)
            && filter.admits_type(|word| match word {
                "add" => hunk.change == Change::Added,
                "delete" => hunk.change == Change::Deleted,
                "binary" => hunk.binary,
                _ => !matches!(hunk.change, Change::Added | Change::Deleted) && !hunk.binary,
            })
            && filter.admits_is(|is| self.is(is, standing))
            && (filter.text.is_empty() || filter.admits_text(&searched(hunk)))
    }
}

/// Gives what words of a filter are looked for in.
fn searched(hunk: &Hunk) -> String {
    let mut text = String::from_utf8_lossy(&hunk.path).into_owned();
    for part in [hunk.heading.as_slice(), hunk.removed.as_bytes(), hunk.added.as_bytes()] {
        text.push('\n');
        if !hunk.binary {
            text.push_str(&String::from_utf8_lossy(part));
        }
    }
    text
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
    let mut all = Vec::with_capacity(told.around.len());
    for subject in &told.around {
        let changes = world.changes(&subject.key, &subject.base_tree, &subject.checkpoint).await?;
        all.push((subject.clone(), changes));
    }
    let rivals = rivals::find(world.rivals_known(), &all);
    let listed: Vec<&(Subject, Arc<Vec<FileChange>>)> = all
        .iter()
        .filter(|(subject, _)| told.subjects.iter().any(|listed| listed.key == subject.key))
        .collect();
    let mut histories = Vec::with_capacity(listed.len());
    for (subject, changes) in &listed {
        histories.push(world.history(subject, changes).await?);
    }
    let comments = comments(world, &told.subjects).await?;
    let mut before = HashMap::new();
    for (subject, changes) in &listed {
        taken_before(world, subject, changes, &told, &mut before).await?;
    }
    let only = params.file.as_ref().or(params.path.as_ref()).map(|path| path.as_bytes());
    let mut rows = Vec::new();
    let mut place = 0;
    let nothing: Arc<Vec<Hunk>> = Arc::default();
    let mut cursor = params.after.as_deref().map(Cursor::read);
    for ((subject, changes), history) in listed.iter().zip(&histories) {
        for change in changes.iter() {
            let seen = told.seen.get(&(subject.key.clone(), Bytes(change.path.clone())));
            let before = before.get(&(&subject.key, change.path.as_slice())).unwrap_or(&nothing);
            for hunk in &change.hunks {
                place += 1;
                let id = hunk.id.to_string();
                if let Some(cursor) = cursor.as_mut().filter(|cursor| cursor.id == id) {
                    cursor.place = Some(place);
                }
                if only.is_some_and(|only| only != change.path) {
                    continue;
                }
                let decision = told.decisions.get(&id);
                let state = state_of(decision, hunk, before);
                if !everything && state == Some(DecisionState::Accepted) {
                    continue;
                }
                let is_seen = seen.is_some_and(|seen| seen.has(&id, &hunk.hash.to_string()));
                let changed = !is_seen && seen.is_some_and(|seen| seen.has_at(&place_of(hunk)));
                let rivals: &[Rival] = rivals.get(&hunk.id).map_or(&[], Vec::as_slice);
                rows.push(Row {
                    subject,
                    change,
                    history,
                    before: Arc::clone(before),
                    hunk,
                    decision,
                    state,
                    rivals,
                    rival_accepted: rivals.iter().find(|rival| {
                        let of = told.decisions.get(&rival.id.to_string());
                        of.is_some_and(|decision| decision.state == DecisionState::Accepted)
                    }),
                    seen: is_seen,
                    changed,
                    comments: comments.get(&id).copied().unwrap_or(0),
                    place,
                });
            }
        }
    }
    // Whether a hunk would go in is found out for all only where it is asked for.
    if asks(Is::Conflict) || filter.is.exclude.iter().flatten().any(|is| *is == Is::Conflict) {
        let standings = standings(world, &rows).await?;
        let mut number = 0;
        rows.retain(|row| {
            number += 1;
            row.passes(&filter, told.newest_run, standings.get(number - 1).map(Arc::as_ref))
        });
    } else if !filter.is_empty() {
        rows.retain(|row| row.passes(&filter, told.newest_run, None));
    }
    rows.sort_by_key(|row| (row.is_behind(), row.place));
    if let Some(cursor) = &cursor {
        let Some(place) = cursor.place else {
            let message = format!("{} is not in this list any more", cursor.id);
            return Err(Refusal::new(Code::Usage, message).hint("begin again without --after"));
        };
        rows.retain(|row| (row.is_behind(), row.place) > (cursor.behind, place));
    }
    let limit = params.limit.unwrap_or(usize::MAX).max(1);
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| more).map(|row| {
        let prefix = if row.is_behind() { BEHIND } else { "" };
        format!("{prefix}{}", row.hunk.id)
    });
    let standings = standings(world, &rows).await?;
    let hunks: Vec<Value> = rows
        .iter()
        .zip(&standings)
        .map(|(row, standing)| {
            let before: Vec<&Hunk> = row.before.iter().collect();
            let partly = row.decision.filter(|decision| {
                !decision.taken.is_empty() && decision.hunk.hash == row.hunk.hash.to_string()
            });
            let known = Known {
                subject: row.subject,
                decision: row.state,
                taken: partly.map(|decision| &decision.taken),
                comments: row.comments,
                seen: row.seen,
                changed: row.changed,
                rivals: row.rivals,
                rival_accepted: row.rival_accepted,
                history: row.history,
                standing,
                before: &before,
                brief: params.brief,
            };
            hunk_json(world, row.hunk, &known)
        })
        .collect();
    let seq = world.engine().pulse().borrow().seq;
    Ok(json!({ "hunks": hunks, "next": next, "seq": seq }))
}

/// Where a page begins: after a hunk, in one of the list's two parts. It holds whatever is decided meanwhile.
struct Cursor {
    id: String,
    behind: bool,
    place: Option<usize>,
}

impl Cursor {
    fn read(text: &str) -> Cursor {
        let behind = text.strip_prefix(BEHIND);
        Cursor { id: behind.unwrap_or(text).to_owned(), behind: behind.is_some(), place: None }
    }
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
        .map(|(id, decision)| (id.clone(), decision.clone()))
        .collect();
    let is_listed = |agent: &AgentKey| listed.iter().any(|subject| subject.key == *agent);
    let seen = state.seen.iter().filter(|((agent, _), _)| is_listed(agent));
    let seen = seen.map(|(key, seen)| (key.clone(), seen.clone())).collect();
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
        let stands: HashSet<String> = change.hunks.iter().map(|hunk| hunk.id.to_string()).collect();
        let mut taken = Vec::new();
        for hunk in accepted.iter().filter(|hunk| hunk.lines.is_some() || !stands.contains(&hunk.id)) {
            // A checkpoint that cannot be read any more bears on nothing.
            if let Ok(hunk) = world.taken_of(hunk, &subject.base_tree).await {
                taken.push(hunk);
            }
        }
        before.insert((&subject.key, change.path.as_slice()), Arc::new(taken));
    }
    Ok(())
}

/// Tells what is decided of a hunk. One that is no more than what was taken in parts before is accepted.
fn state_of(decision: Option<&Decision>, hunk: &Hunk, before: &[Hunk]) -> Option<DecisionState> {
    let is_taken = before.iter().any(|taken| {
        taken.change == hunk.change
            && (taken.old_start, taken.old_lines) == (hunk.old_start, hunk.old_lines)
            && taken.added == hunk.added
            && taken.new_mode == hunk.new_mode
    });
    match decision.map(|decision| decision.state) {
        None | Some(DecisionState::Partly) if is_taken => Some(DecisionState::Accepted),
        state => state,
    }
}

async fn comments(world: &Arc<World>, subjects: &[Subject]) -> Result<HashMap<String, usize>, Refusal> {
    let mut counts = HashMap::new();
    if subjects.is_empty() {
        return Ok(counts);
    }
    let filter = EventFilter { types: vec!["hunk_commented".to_owned()], ..EventFilter::default() };
    let rows = world
        .read(move |reader| reader.page(&filter, Page::Before(None), COMMENTS))
        .await
        .map_err(|error| super::store_refusal(&error))?;
    for row in &rows {
        if let Ok(EventBody::HunkCommented(body)) = row.body() {
            *counts.entry(body.hunk.id).or_insert(0) += 1;
        }
    }
    Ok(counts)
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
