//! Hunks of a list with everything that bears on them, and the page of them that is shown.

use std::collections::HashMap;
use std::sync::Arc;

use orchflow_core::event::payload::HunkLines;
use orchflow_core::filter::{Filter, Is};
use orchflow_core::state::{Decision, DecisionState};
use orchflow_core::{Code, Refusal};
use orchflow_git::diff::FileChange;
use orchflow_git::hunk::{Change, Hunk, HunkId};
use orchflow_git::standing::{Forecast, Standing};

use super::Subject;
use super::history::History;
use super::json::forecast;
use super::rivals::Rival;

/// What a cursor begins with where it stands among the rivals of accepted hunks, which come last.
const BEHIND: &str = "behind:";

/// What a list needs of a decision.
#[derive(Debug, Clone)]
pub struct Decided {
    /// How far it got.
    pub state: DecisionState,
    /// Lines in the human's tree where only some are, and the hash of the content they are lines of.
    partly: Option<(String, HunkLines)>,
}

impl Decided {
    /// Takes it out of the state.
    pub fn of(decision: &Decision) -> Decided {
        let partly =
            (!decision.taken.is_empty()).then(|| (decision.hunk.hash.clone(), decision.taken.clone()));
        Decided { state: decision.state, partly }
    }
}

/// Decisions by hunk.
pub type Decisions = HashMap<HunkId, Decided>;

/// A hunk of the list.
pub struct Row<'a> {
    /// Its agent.
    pub subject: &'a Subject,
    /// Its file.
    pub change: &'a FileChange,
    /// When the agent's hunks came about.
    pub history: &'a History,
    /// What was taken of the file before.
    pub before: Arc<Vec<Hunk>>,
    /// The hunk.
    pub hunk: &'a Hunk,
    /// What was decided.
    pub decision: Option<&'a Decided>,
    /// How far that got, what was taken before considered.
    pub state: Option<DecisionState>,
    /// Other agents' versions.
    pub rivals: &'a [Rival],
    /// The one of them that was accepted.
    pub rival_accepted: Option<&'a Rival>,
    /// Whether this content was shown to the human.
    pub seen: bool,
    /// Whether another content of its place was.
    pub changed: bool,
    /// Comments on it.
    pub comments: usize,
}

impl Row<'_> {
    fn is_behind(&self) -> bool {
        self.rival_accepted.is_some() && self.state.is_none_or(|state| state == DecisionState::Partly)
    }

    /// Tells whether it waits for a decision.
    pub fn is_undecided(&self) -> bool {
        use DecisionState::{Accepted, Accepting, Rejected, Rejecting};
        !matches!(self.state, Some(Accepted | Accepting | Rejected | Rejecting))
    }

    /// Gives the lines that were taken where this content was decided on in parts.
    pub fn partly(&self) -> Option<&HunkLines> {
        let (hash, lines) = self.decision?.partly.as_ref()?;
        (*hash == self.hunk.hash.to_string()).then_some(lines)
    }

    /// Foretells what accepting it would come to.
    pub fn forecast(&self, standing: &Standing) -> Forecast {
        let before: Vec<&Hunk> = self.before.iter().collect();
        forecast(self.hunk, standing, &before)
    }

    fn is(&self, is: Is, standing: Option<&Standing>) -> bool {
        use DecisionState::{Accepted, Rejected};
        match is {
            Is::Undecided => self.is_undecided(),
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

    /// Tells whether it is what a filter asks for.
    pub fn passes(&self, filter: &Filter, newest_run: u64, standing: Option<&Standing>) -> bool {
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

/// Tells what is decided of a hunk. One that is no more than what was taken in parts before is accepted.
pub fn state_of(decision: Option<&Decided>, hunk: &Hunk, before: &[Hunk]) -> Option<DecisionState> {
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

/// Where a page begins: after a hunk, in one of the list's two parts. It holds whatever is decided meanwhile.
struct Cursor<'a> {
    text: &'a str,
    id: Option<HunkId>,
    behind: bool,
    passed: bool,
}

fn bare(cursor: &str) -> &str {
    cursor.strip_prefix(BEHIND).unwrap_or(cursor)
}

/// Gives the hunk after which a cursor stands, where it names one.
pub fn hunk_of(cursor: &str) -> Option<HunkId> {
    bare(cursor).parse().ok()
}

/// The rows of one page, taken out of all in one pass that ends once no later row can be in it.
pub struct PageOf<'a> {
    cursor: Option<Cursor<'a>>,
    most: usize,
    front: Vec<Row<'a>>,
    behind: Vec<Row<'a>>,
}

impl<'a> PageOf<'a> {
    /// Begins a page after a cursor, of at most so many rows.
    pub fn after(cursor: Option<&'a str>, most: usize) -> Self {
        let cursor = cursor.map(|text| {
            let behind = text.starts_with(BEHIND);
            Cursor { text: bare(text), id: hunk_of(text), behind, passed: false }
        });
        PageOf { cursor, most, front: Vec::new(), behind: Vec::new() }
    }

    /// Tells of the next hunk of all, whether it is listed or not, and says whether rows of it and of those that
    /// follow may still matter.
    pub fn pass(&mut self, hunk: &Hunk) -> bool {
        if self.is_full() {
            return false;
        }
        if let Some(cursor) = &mut self.cursor
            && cursor.id == Some(hunk.id)
        {
            // It is on the page before; what stands behind is not, where the cursor is in front.
            cursor.passed = true;
        }
        true
    }

    /// One more than are shown tells that there are more.
    fn is_full(&self) -> bool {
        match &self.cursor {
            Some(Cursor { behind: true, .. }) => self.behind.len() > self.most,
            _ => self.front.len() > self.most,
        }
    }

    /// Takes a listed row of the hunk that was passed last.
    pub fn take(&mut self, row: Row<'a>) {
        let is_after =
            self.cursor.as_ref().is_none_or(|cursor| cursor.passed && cursor.id != Some(row.hunk.id));
        let from_behind = self.cursor.as_ref().is_some_and(|cursor| cursor.behind);
        if row.is_behind() {
            if (is_after || !from_behind) && self.behind.len() <= self.most {
                self.behind.push(row);
            }
        } else if is_after && !from_behind {
            self.front.push(row);
        }
    }

    /// Gives the rows in order.
    ///
    /// # Errors
    /// [`Code::Usage`] when what the cursor names is not there.
    pub fn into_rows(self) -> Result<Vec<Row<'a>>, Refusal> {
        if let Some(cursor) = self.cursor.filter(|cursor| !cursor.passed) {
            let message = format!("{} is not in this list any more", cursor.text);
            return Err(Refusal::new(Code::Usage, message).hint("begin again without --after"));
        }
        let mut rows = self.front;
        rows.extend(self.behind);
        Ok(rows)
    }
}

/// Cuts rows to a page and gives the cursor the next one begins after.
pub fn cut(rows: &mut Vec<Row<'_>>, limit: usize) -> Option<String> {
    let more = rows.len() > limit;
    rows.truncate(limit);
    rows.last().filter(|_| more).map(|row| {
        let prefix = if row.is_behind() { BEHIND } else { "" };
        format!("{prefix}{}", row.hunk.id)
    })
}
