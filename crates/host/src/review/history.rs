//! When an agent's hunks came to be as they are, and what it said then.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use orchflow_core::event::EventBody;
use orchflow_core::{AgentKey, Code, Refusal};
use orchflow_git::blob::{Blob, BlobReader};
use orchflow_git::diff::{self, FileChange, LARGEST_TEXT};
use orchflow_git::files::File;
use orchflow_git::hunk::HunkId;
use orchflow_git::{FileMode, GitError, ObjectId, Repository};
use orchflow_store::{EventFilter, Page};

use super::{Subject, TakenOf};
use crate::world::{World, blocking, lock};

/// The most events of checkpoints that are looked through.
const EVENTS: usize = 4000;
/// The most checkpoints that are gone back; what is older has no known turn.
const CHECKPOINTS: usize = 64;

/// The turns in which hunks got their content.
type Turns = HashMap<HunkId, u32>;

/// What is known of one checkpoint of an agent.
#[derive(Debug, Default)]
pub struct History {
    turns: Arc<Turns>,
    /// The agent's closing words by turn.
    words: HashMap<u32, String>,
}

impl History {
    /// Gives the turn in which a hunk got its content.
    pub fn changed_turn(&self, hunk: &HunkId) -> Option<u32> {
        self.turns.get(hunk).copied()
    }

    /// Gives what the agent said when a turn left changes.
    pub fn words(&self, turn: u32) -> Option<&str> {
        self.words.get(&turn).map(String::as_str)
    }
}

/// Remembers the newest history of each agent.
#[derive(Default)]
pub struct Histories {
    turns: Mutex<HashMap<AgentKey, (String, Arc<Turns>)>>,
    whole: Mutex<HashMap<AgentKey, (String, Arc<History>)>>,
}

impl Histories {
    /// Goes on from the checkpoint before, where that is known: what is in both is as old as it was.
    pub fn follow(&self, taken: &TakenOf<'_>, checkpoint: &str, changes: &[FileChange]) {
        let mut known = lock(&self.turns);
        let before = match taken.parent {
            None => Arc::default(),
            Some(parent) => match known.get(taken.agent).filter(|(commit, _)| commit == parent) {
                Some((_, turns)) => Arc::clone(turns),
                None => return,
            },
        };
        let turn = |id: HunkId| (id, before.get(&id).copied().unwrap_or(taken.turn));
        let turns = changes.iter().flat_map(|change| &change.hunks).map(|hunk| turn(hunk.id)).collect();
        known.insert(taken.agent.clone(), (checkpoint.to_owned(), Arc::new(turns)));
    }
}

/// A checkpoint in the order of the log.
struct Taken {
    seq: u64,
    commit: String,
    turn: u32,
}

impl World {
    /// Tells when the hunks of an agent's newest checkpoint came about, and what it said then.
    ///
    /// # Errors
    /// What the store or git says.
    pub async fn history(
        self: &Arc<Self>,
        subject: &Subject,
        changes: &Arc<Vec<FileChange>>,
    ) -> Result<Arc<History>, Refusal> {
        let histories = &self.review.history;
        if let Some((commit, history)) = lock(&histories.whole).get(&subject.key)
            && *commit == subject.checkpoint
        {
            return Ok(Arc::clone(history));
        }
        let filter = EventFilter {
            agent: Some(subject.key.name.clone()),
            run: Some(subject.key.run.0),
            types: ["checkpoint_taken", "ai_requested_review"].map(str::to_owned).to_vec(),
            ..EventFilter::default()
        };
        let mut rows = self
            .read(move |reader| reader.page(&filter, Page::Before(None), EVENTS))
            .await
            .map_err(|error| Refusal::new(Code::Internal, error.to_string()))?;
        rows.reverse();
        let (mut taken, mut words) = (Vec::<Taken>::new(), HashMap::new());
        for row in &rows {
            match row.body() {
                Ok(EventBody::CheckpointTaken(body)) => {
                    taken.push(Taken { seq: row.seq, commit: body.commit, turn: body.turn });
                }
                Ok(EventBody::AiRequestedReview(body)) => {
                    let of = taken.iter().rev().find(|taken| Some(taken.seq) == row.cause);
                    if let (Some(of), Some(message)) = (of, body.message) {
                        words.insert(of.turn, message);
                    }
                }
                _ => {}
            }
        }
        let known = lock(&histories.turns)
            .get(&subject.key)
            .filter(|(commit, _)| *commit == subject.checkpoint)
            .map(|(_, turns)| Arc::clone(turns));
        let turns = match known {
            Some(turns) => turns,
            None => {
                let turns = Arc::new(self.turns_anew(subject, changes, taken).await?);
                let entry = (subject.checkpoint.clone(), Arc::clone(&turns));
                lock(&histories.turns).insert(subject.key.clone(), entry);
                turns
            }
        };
        let history = Arc::new(History { turns, words });
        let entry = (subject.checkpoint.clone(), Arc::clone(&history));
        lock(&histories.whole).insert(subject.key.clone(), entry);
        Ok(history)
    }

    async fn turns_anew(
        self: &Arc<Self>,
        subject: &Subject,
        changes: &Arc<Vec<FileChange>>,
        mut taken: Vec<Taken>,
    ) -> Result<Turns, Refusal> {
        // Several checkpoints may keep one tree; the first of them made it.
        taken.dedup_by(|later, earlier| later.commit == earlier.commit);
        let world = Arc::clone(self);
        let (scope, base, changes) =
            (subject.key.to_string(), subject.base_tree.clone(), Arc::clone(changes));
        let walked = blocking(move || walk(&world.repository, &scope, &base, &changes, &taken)).await;
        walked.map_err(|error| Refusal::new(Code::Repository, error.to_string()))
    }
}

/// Goes through an agent's checkpoints. A file that one of them alone changed needs no look at its contents.
fn walk(
    repository: &Repository,
    scope: &str,
    base: &str,
    changes: &[FileChange],
    taken: &[Taken],
) -> Result<Turns, GitError> {
    let first = taken.len().saturating_sub(CHECKPOINTS);
    let mut before: ObjectId = match first.checked_sub(1).and_then(|place| taken.get(place)) {
        Some(taken) => taken.commit.parse()?,
        None => base.parse()?,
    };
    let mut steps: HashMap<Vec<u8>, Vec<(u32, Option<diff::Entry>)>> = HashMap::new();
    for taken in taken.get(first..).unwrap_or_default() {
        let commit: ObjectId = taken.commit.parse()?;
        for change in diff::files(repository, &before, &commit)? {
            steps.entry(change.path).or_default().push((taken.turn, change.new));
        }
        before = commit;
    }
    let mut turns = Turns::new();
    let mut blobs = BlobReader::open(repository).with_limit(LARGEST_TEXT);
    for change in changes {
        let Some(steps) = steps.get(&change.path) else { continue };
        if let [(turn, _)] = steps.as_slice() {
            turns.extend(change.hunks.iter().map(|hunk| (hunk.id, *turn)));
            continue;
        }
        let old = content(&mut blobs, change.old.as_ref())?;
        let mut standing: HashMap<HunkId, u32> = HashMap::new();
        for (turn, entry) in steps {
            let new = content(&mut blobs, entry.as_ref())?;
            let now: HashSet<HunkId> = diff::file_hunks(scope, &change.path, old.as_ref(), new.as_ref())
                .iter()
                .map(|hunk| hunk.id)
                .collect();
            standing.retain(|id, _| now.contains(id));
            for id in now {
                standing.entry(id).or_insert(*turn);
            }
        }
        let last = steps.last().map(|(turn, _)| *turn);
        for hunk in &change.hunks {
            if let Some(turn) = standing.get(&hunk.id).copied().or(last) {
                turns.insert(hunk.id, turn);
            }
        }
    }
    Ok(turns)
}

fn content(blobs: &mut BlobReader, entry: Option<&diff::Entry>) -> Result<Option<File>, GitError> {
    let Some(entry) = entry.filter(|entry| entry.mode != FileMode::Commit) else { return Ok(None) };
    let mut file = None;
    blobs.read_all(&[&entry.id], |_, blob| {
        if let Blob::Content(content) = blob {
            file = Some(File { mode: entry.mode, content });
        }
    })?;
    Ok(file)
}
