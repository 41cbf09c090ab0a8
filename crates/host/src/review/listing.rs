//! What a review lists: the hunks of some agents with everything that bears on them, of all runs or of one.

use std::collections::HashMap;
use std::sync::Arc;

use orchflow_core::event::payload::{Bytes, HunkRef};
use orchflow_core::filter::Filter;
use orchflow_core::state::{DecisionState, SeenFile};
use orchflow_core::{AgentKey, RunId};
use orchflow_git::diff::FileChange;
use orchflow_git::hunk::{Hunk, HunkId};

use super::history::History;
use super::rivals::{Rival, Rivals};
use super::row::{Decisions, PageOf, Row, state_of};
use super::{Subject, comments, place_of};

/// What the loop knows of the agents that are listed.
pub struct Told {
    /// The agents asked for.
    pub subjects: Vec<Subject>,
    /// Every agent of their runs.
    pub around: Vec<Subject>,
    /// What was decided of their runs' hunks.
    pub decisions: Decisions,
    /// What the human was shown of the agents asked for.
    pub seen: HashMap<(AgentKey, Bytes), Arc<SeenFile>>,
    /// What is in the human's tree of files with parts or superseded hunks.
    pub accepted: HashMap<(AgentKey, Bytes), Vec<HunkRef>>,
    /// The newest run there is.
    pub newest_run: u64,
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

/// What was taken before of an agent's files.
pub type Before<'a> = HashMap<(&'a AgentKey, &'a [u8]), Arc<Vec<Hunk>>>;

/// What is asked for.
pub struct Asked<'a> {
    /// The filter.
    pub filter: &'a Filter,
    /// The one file.
    pub only: Option<&'a [u8]>,
    /// Whether hunks that were accepted are listed too.
    pub everything: bool,
    /// Whether the filter asks how hunks stand in the human's files, so that it has to wait until that is known.
    pub asks_standing: bool,
}

/// Agents with their hunks, and what bears on these.
pub struct Listing<'a> {
    /// What the loop knows of them.
    pub told: &'a Told,
    /// The agents, oldest first, with what they changed and when.
    pub agents: &'a [(&'a Subject, &'a [FileChange], Arc<History>)],
    /// Rivals of their hunks.
    pub rivals: &'a Rivals,
    /// Comments on them.
    pub comments: &'a comments::Counts,
    /// What the human took of their files before.
    pub before: &'a Before<'a>,
    /// What is asked for.
    pub asked: Asked<'a>,
}

impl<'a> Listing<'a> {
    /// Gives the runs that may be listed, the newest first.
    pub fn runs(&self) -> Vec<RunId> {
        let admits = |run: RunId| self.asked.filter.admits_run(run.0, self.told.newest_run);
        let mut runs: Vec<RunId> =
            self.agents.iter().map(|(subject, ..)| subject.key.run).filter(|run| admits(*run)).collect();
        runs.sort_unstable_by(|one, two| two.cmp(one));
        runs.dedup();
        runs
    }

    /// Gives the run that a hunk is of.
    pub fn run_of(&self, id: HunkId) -> Option<RunId> {
        let has = |changes: &[FileChange]| {
            changes.iter().flat_map(|change| &change.hunks).any(|hunk| hunk.id == id)
        };
        self.agents.iter().find(|(_, changes, _)| has(changes)).map(|(subject, ..)| subject.key.run)
    }

    /// Counts the listed hunks of a run that wait for a decision.
    pub fn waiting(&self, run: RunId) -> usize {
        let mut all = PageOf::after(None, usize::MAX);
        self.fill(Some(run), &mut all);
        all.into_rows().map_or(0, |rows| rows.iter().filter(|row| row.is_undecided()).count())
    }

    /// Takes the listed hunks of a run, or of all runs, into a page, until it is full.
    pub fn fill(&self, run: Option<RunId>, page: &mut PageOf<'a>) {
        let (told, asked) = (self.told, &self.asked);
        let nothing: Arc<Vec<Hunk>> = Arc::default();
        for (subject, changes, history) in self.agents {
            if run.is_some_and(|run| run != subject.key.run) {
                continue;
            }
            for change in *changes {
                let is_meant = asked.only.is_none_or(|only| only == change.path);
                let seen = told.seen_of(subject, change);
                let before = match self.before.is_empty() {
                    true => &nothing,
                    false => self.before.get(&(&subject.key, change.path.as_slice())).unwrap_or(&nothing),
                };
                for hunk in &change.hunks {
                    if !page.pass(hunk) {
                        return;
                    }
                    if !is_meant {
                        continue;
                    }
                    let decision = told.decisions.get(&hunk.id);
                    let state = state_of(decision, hunk, before);
                    if !asked.everything && state == Some(DecisionState::Accepted) {
                        continue;
                    }
                    let is_seen =
                        seen.is_some_and(|seen| seen.has(&hunk.id.to_string(), &hunk.hash.to_string()));
                    let rivals: &[Rival] = self.rivals.get(&hunk.id).map_or(&[], Vec::as_slice);
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
                        comments: self.comments.get(&hunk.id).copied().unwrap_or(0),
                    };
                    let filter = asked.filter;
                    if asked.asks_standing || filter.is_empty() || row.passes(filter, told.newest_run, None) {
                        page.take(row);
                    }
                }
            }
        }
    }
}
