//! Agents' worktrees kept as commits, and what changed in them since the last.

use std::path::PathBuf;
use std::sync::Arc;

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;

use orchflow_core::effect::{ChangedFile, Outcome};
use orchflow_core::event::payload::Bytes;
use orchflow_core::{AgentKey, Code, Refusal};
use orchflow_git::worktrees::Worktree;
use orchflow_git::{GitError, ObjectId, checkpoint, diff};

use crate::review::TakenOf;
use crate::world::{World, blocking, lock};

/// The ref that keeps an agent's checkpoints, each the parent of the next.
pub(super) fn kept_ref(agent: &AgentKey) -> String {
    format!("refs/orchflow/agents/{}/{}", agent.run, agent.name)
}

/// What a checkpoint is compared with.
pub(super) struct Trees {
    /// The checkpoint before it.
    pub before: String,
    /// What the agent started from.
    pub base: String,
    /// The turn it belongs to.
    pub turn: u32,
}

pub(super) fn open(world: &World, path: &Bytes) -> Result<Worktree, GitError> {
    Worktree::open(&world.repository, &PathBuf::from(OsString::from_vec(path.0.clone())))
}

pub(super) async fn take(
    world: &Arc<World>,
    agent: &AgentKey,
    worktree: &Bytes,
    parent: Option<String>,
    trees: Trees,
    reason: &str,
) -> Outcome {
    let (shared, key, path, reason) = (Arc::clone(world), agent.clone(), worktree.clone(), reason.to_owned());
    let taken = blocking(move || take_now(&shared, &key, &path, parent, &trees, &reason)).await;
    taken.unwrap_or_else(|error| Outcome::Failed(refusal(&error)))
}

pub(super) fn refusal(error: &GitError) -> Refusal {
    let code = if error.is_disk_full() { Code::ReadOnly } else { Code::Repository };
    Refusal::new(code, error.to_string())
}

fn take_now(
    world: &Arc<World>,
    agent: &AgentKey,
    path: &Bytes,
    parent: Option<String>,
    trees: &Trees,
    reason: &str,
) -> Result<Outcome, GitError> {
    let worktree = open(world, path)?;
    // Another checkpoint may have been taken since this one was decided on; the chain goes on from it.
    let newest = lock(&world.checkpoints).get(agent).cloned();
    let (parent, before_tree) = match newest {
        Some((commit, tree)) => (Some(commit), tree),
        None => (parent, trees.before.clone()),
    };
    let parent = parent.map(|parent| parent.parse::<ObjectId>()).transpose()?;
    let name = kept_ref(agent);
    let message = format!("{agent}: {reason}");
    let taken = checkpoint::take(&world.repository, &worktree, parent.as_ref(), &name, &message)?;
    for warning in &taken.warnings {
        tracing::warn!(%agent, warning, "a checkpoint is not whole");
    }
    let base: ObjectId = trees.base.parse()?;
    let all = match world.known_changes(agent, &trees.base, taken.commit.as_str()) {
        Some(all) => all,
        None => Arc::new(diff::changes(&world.repository, &agent.to_string(), &base, &taken.commit)?),
    };
    let since = if before_tree == taken.tree.as_str() {
        Vec::new()
    } else if before_tree == trees.base {
        changed_files(&all)
    } else {
        let before: ObjectId = before_tree.parse()?;
        changed_files(&diff::changes(&world.repository, &agent.to_string(), &before, &taken.tree)?)
    };
    let outcome = Outcome::Checkpointed {
        commit: taken.commit.to_string(),
        tree: taken.tree.to_string(),
        kept_ref: name,
        unchanged: taken.unchanged || before_tree == taken.tree.as_str(),
        files: all.len() as u64,
        insertions: all.iter().map(diff::FileChange::insertions).sum(),
        deletions: all.iter().map(diff::FileChange::deletions).sum(),
        hunks: all.iter().map(|change| change.hunks.len() as u64).sum(),
        changed: since,
    };
    let newest = (taken.commit.to_string(), taken.tree.to_string());
    lock(&world.checkpoints).insert(agent.clone(), newest);
    let of = TakenOf {
        agent,
        base_tree: &trees.base,
        turn: trees.turn,
        parent: parent.as_ref().map(ObjectId::as_str),
    };
    world.keep_changes(of, taken.commit.as_str(), all);
    Ok(outcome)
}

fn changed_files(changes: &[diff::FileChange]) -> Vec<ChangedFile> {
    changes
        .iter()
        .map(|change| ChangedFile {
            path: Bytes(change.path.clone()),
            insertions: change.insertions(),
            deletions: change.deletions(),
        })
        .collect()
}
