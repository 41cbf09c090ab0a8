//! The commit new worktrees start from.

use std::sync::Arc;

use orchflow_core::command::Base;
use orchflow_core::{Code, Refusal, RunId};
use orchflow_git::GitError;
use orchflow_git::Uncommitted;

use crate::world::{World, blocking};

/// Finds the commit new worktrees start from.
pub(super) async fn find_base(world: &Arc<World>, include_changes: Option<bool>) -> Result<Base, Refusal> {
    let repository = Arc::clone(&world.repository);
    blocking(move || base_of(&repository, include_changes)).await
}

pub(super) fn base_of(
    repository: &orchflow_git::Repository,
    include_changes: Option<bool>,
) -> Result<Base, Refusal> {
    // Two looks that do not need each other; the second reads every file's state, and whoever starts from the
    // last commit anyway has no use for it.
    let (head, uncommitted) = std::thread::scope(|threads| {
        let head = threads.spawn(|| repository.head());
        let uncommitted = match include_changes {
            Some(false) => Ok(Uncommitted::default()),
            Some(true) | None => repository.uncommitted(),
        };
        (head.join(), uncommitted)
    });
    let head = head.unwrap_or_else(|panic| std::panic::resume_unwind(panic)).map_err(git_refusal)?;
    let uncommitted = uncommitted.map_err(git_refusal)?;
    let count = uncommitted.total();
    let plain = Base {
        label: head.label(),
        commit: head.commit.to_string(),
        tree: head.tree.to_string(),
        branch: head.branch.clone(),
    };
    match (count, include_changes) {
        (0, _) | (_, Some(false)) => Ok(plain),
        (_, None) => {
            let message = format!("the worktree has {count} uncommitted changes; shall the agents see them?");
            Err(Refusal::new(Code::DirtyTree, message).hint(
                "--include-changes takes a snapshot along, --no-include-changes starts from the last commit",
            ))
        }
        (count, Some(true)) => {
            let kept = format!("refs/orchflow/snapshots/{}", crate::clock::now().0);
            let message = "orchflow: uncommitted work at the start of a run";
            let commit = repository.snapshot_uncommitted(&kept, message).map_err(git_refusal)?;
            let tree = repository.tree_of(&commit).map_err(git_refusal)?;
            Ok(Base {
                label: format!("{} + {count} uncommitted", head.label()),
                commit: commit.to_string(),
                tree: tree.to_string(),
                branch: head.branch,
            })
        }
    }
}

pub(super) fn git_refusal(error: GitError) -> Refusal {
    Refusal::new(Code::Repository, error.to_string())
}
pub(super) async fn run_base(world: &Arc<World>, run: RunId) -> Result<Base, Refusal> {
    world
        .engine()
        .ask(move |state| {
            state.runs.get(&run).map(|run| Base {
                label: run.base.clone(),
                commit: run.base_commit.clone(),
                tree: run.base_tree.clone(),
                branch: None,
            })
        })
        .await
        .flatten()
        .ok_or_else(|| super::no_answer(world))
}
