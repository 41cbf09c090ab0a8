//! Hunks of agents' checkpoints, computed once each, and where they stand in the human's files.

use std::collections::HashMap;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use orchflow_core::event::payload::{Bytes, HunkRef};
use orchflow_core::state::{DecisionState, Phase, State};
use orchflow_core::{AgentKey, Code, Refusal};
use orchflow_git::apply::line_edits;
use orchflow_git::diff::{self, FileChange};
use orchflow_git::hunk::Hunk;
use orchflow_git::{GitError, ObjectId};
use orchflow_wire::json::bytes_to_json;
use serde_json::{Value, json};

use crate::world::{World, blocking, lock};

/// Lines shown of one side of a hunk; the rest is counted.
const LINES_SHOWN: usize = 4000;

type Computed = (String, String, Arc<Vec<FileChange>>);

/// Remembers the newest comparison of each agent.
#[derive(Default)]
pub struct Review {
    computed: Mutex<HashMap<AgentKey, Computed>>,
}

/// An agent whose work can be reviewed.
#[derive(Debug, Clone)]
pub struct Subject {
    /// The agent.
    pub key: AgentKey,
    /// The turn of its newest checkpoint.
    pub turn: u32,
    /// The tree it started from.
    pub base_tree: String,
    /// Its newest checkpoint.
    pub checkpoint: String,
    /// Its worktree.
    pub worktree: Option<Bytes>,
}

/// Lists the agents with a checkpoint, oldest first. Without a run: every agent whose worktree stands.
pub fn subjects(state: &State, run: Option<u64>, agent: Option<&AgentKey>) -> Vec<Subject> {
    let mut agents: Vec<_> = state
        .agents
        .values()
        .filter(|candidate| candidate.phase != Phase::Cleaned)
        .filter(|candidate| run.is_none_or(|run| candidate.key.run.0 == run))
        .filter(|candidate| agent.is_none_or(|agent| &candidate.key == agent))
        .collect();
    agents.sort_by_key(|agent| agent.seq);
    agents
        .into_iter()
        .filter_map(|agent| {
            let checkpoint = agent.checkpoint.as_ref()?;
            Some(Subject {
                key: agent.key.clone(),
                turn: checkpoint.turn,
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

    /// Keeps a comparison that was made for another reason.
    pub fn keep_changes(
        &self,
        agent: &AgentKey,
        base_tree: &str,
        checkpoint: &str,
        changes: Arc<Vec<FileChange>>,
    ) {
        let entry = (base_tree.to_owned(), checkpoint.to_owned(), changes);
        lock(&self.review.computed).insert(agent.clone(), entry);
    }
}

/// Names a hunk for a decision.
pub fn hunk_ref(subject: &Subject, hunk: &Hunk) -> HunkRef {
    HunkRef {
        id: hunk.id.to_string(),
        hash: hunk.hash.to_string(),
        agent: subject.key.clone(),
        path: Bytes(hunk.path.clone()),
        line: hunk.old_start.max(1),
        insertions: hunk.insertions(),
        deletions: hunk.deletions(),
        checkpoint: subject.checkpoint.clone(),
    }
}

/// Where lines of the base stand in the human's file.
pub struct LineMap {
    edits: Vec<(usize, usize, usize)>,
}

impl LineMap {
    /// Compares the base with the human's file.
    pub fn new(base: &[u8], human: &[u8]) -> LineMap {
        // Given from the last to the first; looked through from the first.
        let edits = if base == human { Vec::new() } else { line_edits(base, human) };
        LineMap {
            edits: edits.into_iter().rev().map(|edit| (edit.start, edit.end, edit.lines.len())).collect(),
        }
    }

    /// Gives the line, from 1, at which a line of the base, from 1, stands now.
    pub fn line(&self, base_line: u32) -> u32 {
        let at = base_line.saturating_sub(1) as usize;
        let mut shift = 0isize;
        for (start, end, lines) in &self.edits {
            if *end > at {
                break;
            }
            shift += *lines as isize - (*end as isize - *start as isize);
        }
        u32::try_from((at as isize + shift).max(0) + 1).unwrap_or(1)
    }
}

/// Writes a hunk as fronts get it.
pub fn hunk_json(
    world: &World,
    subject: &Subject,
    hunk: &Hunk,
    decision: Option<DecisionState>,
    comments: usize,
    lines: &LineMap,
) -> Value {
    let path = std::ffi::OsStr::from_bytes(&hunk.path);
    let user_path = world.repository.worktree().join(path);
    let agent_path =
        subject.worktree.as_ref().map(|root| PathBuf::from(std::ffi::OsStr::from_bytes(&root.0)).join(path));
    let text = |lines: &orchflow_git::Lines| -> Vec<Value> {
        let shown = if hunk.binary { 0 } else { LINES_SHOWN };
        lines.iter().take(shown).map(|line| bytes_to_json(without_end(line))).collect()
    };
    let is_long = hunk.removed.count() > LINES_SHOWN || hunk.added.count() > LINES_SHOWN;
    let base_line = if hunk.old_lines == 0 { hunk.old_start + 1 } else { hunk.old_start };
    let path_text = std::str::from_utf8(&hunk.path).ok();
    let mut value = json!({
        "id": hunk.id.to_string(),
        "hash": hunk.hash.to_string(),
        "agent": subject.key.name,
        "run": subject.key.run,
        "key": subject.key.to_string(),
        "turn": subject.turn,
        "path": path_text.map_or_else(|| String::from_utf8_lossy(&hunk.path).into_owned(), str::to_owned),
        "user_path": user_path.to_string_lossy(),
        "agent_path": agent_path.map(|path| path.to_string_lossy().into_owned()),
        "line": lines.line(base_line),
        "old_start": hunk.old_start,
        "old_lines": hunk.old_lines,
        "new_start": hunk.new_start,
        "new_lines": hunk.new_lines,
        "insertions": hunk.insertions(),
        "deletions": hunk.deletions(),
        "change": hunk.change.word(),
        "binary": hunk.binary,
        "heading": String::from_utf8_lossy(&hunk.heading),
        "removed": text(&hunk.removed),
        "added": text(&hunk.added),
        "before": text(&hunk.before),
        "after": text(&hunk.after),
        "truncated": is_long,
        "state": decision.map_or("undecided", DecisionState::word),
        "comments": comments,
        "checkpoint": subject.checkpoint,
    });
    let encoded = bytes_to_json(&hunk.path).get("b64").cloned();
    if let (Some(object), Some(encoded)) = (value.as_object_mut(), encoded) {
        object.insert("path_b64".to_owned(), encoded);
    }
    value
}

fn without_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_found_again_after_edits_above_them() {
        let map = LineMap::new(b"a\nb\nc\nd\n", b"x\ny\na\nc\nd\n");
        assert_eq!(map.line(1), 3);
        assert_eq!(map.line(3), 4);
        assert_eq!(map.line(4), 5);
        let same = LineMap::new(b"a\n", b"a\n");
        assert_eq!(same.line(1), 1);
        assert_eq!(LineMap::new(b"", b"").line(0), 1);
    }
}
