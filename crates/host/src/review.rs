//! Hunks of agents' checkpoints, computed once each, and where they stand in the human's files.

pub mod comments;
pub mod compact;
pub mod earlier;
pub mod history;
pub mod human;
pub mod json;
pub mod listing;
pub mod readable;
pub mod rivals;
pub mod row;
pub mod unseen;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use orchflow_core::event::payload::{Bytes, HunkPlace, HunkRef, SeenHunk};
use orchflow_core::state::{Phase, State};
use orchflow_core::{AgentKey, Code, Refusal};
use orchflow_git::diff::{self, FileChange};
use orchflow_git::hunk::Hunk;
use orchflow_git::{GitError, ObjectId};

use crate::world::{World, blocking, lock};

type Computed = (String, String, Arc<Vec<FileChange>>);

/// Remembers what was computed of the newest checkpoints.
#[derive(Default)]
pub struct Review {
    computed: Mutex<HashMap<AgentKey, Computed>>,
    comments: comments::Known,
    earlier: earlier::Earlier,
    history: history::Histories,
    human: human::HumanFiles,
    rivals: rivals::Known,
    unseen: unseen::Counts,
}

impl Review {
    /// Gives the newest comparison of an agent, if it is of this checkpoint.
    fn known(&self, agent: &AgentKey, checkpoint: &str) -> Option<Arc<Vec<FileChange>>> {
        let computed = lock(&self.computed);
        computed
            .get(agent)
            .filter(|(_, commit, _)| commit == checkpoint)
            .map(|(_, _, changes)| Arc::clone(changes))
    }
}

/// An agent whose work can be reviewed.
#[derive(Debug, Clone)]
pub struct Subject {
    /// The agent.
    pub key: AgentKey,
    /// The turn of its newest checkpoint.
    pub turn: u32,
    /// The newest turn it began.
    pub newest_turn: u32,
    /// The tree it started from.
    pub base_tree: String,
    /// Its newest checkpoint.
    pub checkpoint: String,
    /// Its worktree.
    pub worktree: Option<Bytes>,
}

/// Lists the agents with a checkpoint, oldest first. Without a run: every agent whose worktree stands. No
/// names mean everybody.
pub fn subjects(state: &State, run: Option<u64>, names: &[AgentKey]) -> Vec<Subject> {
    let mut agents: Vec<_> = state
        .agents
        .values()
        .filter(|candidate| candidate.phase != Phase::Cleaned)
        .filter(|candidate| run.is_none_or(|run| candidate.key.run.0 == run))
        .filter(|candidate| names.is_empty() || names.contains(&candidate.key))
        .collect();
    agents.sort_by_key(|agent| agent.seq);
    agents
        .into_iter()
        .filter_map(|agent| {
            let checkpoint = agent.checkpoint.as_ref()?;
            Some(Subject {
                key: agent.key.clone(),
                turn: checkpoint.turn,
                newest_turn: agent.turn,
                base_tree: agent.base_tree.clone(),
                checkpoint: checkpoint.commit.clone(),
                worktree: agent.worktree.clone(),
            })
        })
        .collect()
}

impl World {
    /// Gives the differences of a checkpoint to its base, computing them if they are not known.
    ///
    /// # Errors
    /// What git says.
    pub async fn changes(
        self: &Arc<Self>,
        agent: &AgentKey,
        base_tree: &str,
        checkpoint: &str,
    ) -> Result<Arc<Vec<FileChange>>, Refusal> {
        if let Some(changes) = self.known_changes(agent, base_tree, checkpoint) {
            return Ok(changes);
        }
        let (repository, scope) = (Arc::clone(&self.repository), agent.to_string());
        let (old, new) = (base_tree.to_owned(), checkpoint.to_owned());
        let compared = blocking(move || {
            let (old, new): (ObjectId, ObjectId) = (old.parse()?, new.parse()?);
            diff::changes(&repository, &scope, &old, &new)
        })
        .await;
        let changes =
            Arc::new(compared.map_err(|error: GitError| Refusal::new(Code::Repository, error.to_string()))?);
        let entry = (base_tree.to_owned(), checkpoint.to_owned(), Arc::clone(&changes));
        lock(&self.review.computed).insert(agent.clone(), entry);
        Ok(changes)
    }

    /// Gives the differences of a checkpoint to its base where they are known.
    pub fn known_changes(
        &self,
        agent: &AgentKey,
        base_tree: &str,
        checkpoint: &str,
    ) -> Option<Arc<Vec<FileChange>>> {
        let computed = lock(&self.review.computed);
        let (base, commit, changes) = computed.get(agent)?;
        (base == base_tree && commit == checkpoint).then(|| Arc::clone(changes))
    }

    /// Keeps a comparison that was made for another reason: a checkpoint that was just taken after `parent`.
    pub fn keep_changes(&self, subject: TakenOf<'_>, checkpoint: &str, changes: Arc<Vec<FileChange>>) {
        self.review.history.follow(&subject, checkpoint, &changes);
        let entry = (subject.base_tree.to_owned(), checkpoint.to_owned(), changes);
        lock(&self.review.computed).insert(subject.agent.clone(), entry);
    }
}

/// Whose checkpoint was taken, in which turn, and after which other.
pub struct TakenOf<'a> {
    /// The agent.
    pub agent: &'a AgentKey,
    /// The tree it started from.
    pub base_tree: &'a str,
    /// The turn.
    pub turn: u32,
    /// The checkpoint before.
    pub parent: Option<&'a str>,
}

/// Names a hunk for a decision.
pub fn hunk_ref(subject: &Subject, hunk: &Hunk) -> HunkRef {
    HunkRef {
        id: hunk.id.to_string(),
        hash: hunk.hash.to_string(),
        agent: subject.key.clone(),
        path: Bytes(hunk.path.clone()),
        line: hunk.old_start.max(1),
        agent_line: Some(rivals::agent_line(hunk)),
        insertions: hunk.insertions(),
        deletions: hunk.deletions(),
        checkpoint: subject.checkpoint.clone(),
        lines: None,
    }
}

/// Tells what of a hunk is kept once it was shown.
pub fn seen_hunk(subject: &Subject, hunk: &Hunk) -> SeenHunk {
    SeenHunk {
        id: hunk.id.to_string(),
        hash: hunk.hash.to_string(),
        agent: subject.key.clone(),
        path: Bytes(hunk.path.clone()),
        place: place_of(hunk),
    }
}

/// Tells where in the base a hunk stands.
pub fn place_of(hunk: &Hunk) -> HunkPlace {
    HunkPlace { change: hunk.change.word().to_owned(), start: hunk.old_start, lines: hunk.old_lines }
}
