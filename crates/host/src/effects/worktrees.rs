//! Worktrees made for a run's agents at once, and removed when nobody needs them.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use orchflow_core::effect::Outcome;
use orchflow_core::event::payload::Bytes;
use orchflow_core::{AgentKey, Code, Refusal};
use orchflow_git::worktrees::{self, Strategy, Why, trash};
use orchflow_git::{GitError, ObjectId, checkpoint};

use super::checkpoints::{kept_ref, refusal};
use crate::world::{World, blocking, lock};

/// How long after a first agent's start its commit's template is made.
const TEMPLATE_DELAY: Duration = Duration::from_secs(3);

pub(super) async fn create(world: &Arc<World>, agents: &[AgentKey], commit: &str) -> Outcome {
    let (shared, agents, commit) = (Arc::clone(world), agents.to_vec(), commit.to_owned());
    blocking(move || create_now(&shared, &agents, &commit)).await
}

fn create_now(world: &World, agents: &[AgentKey], commit: &str) -> Outcome {
    let commit: ObjectId = match commit.parse() {
        Ok(commit) => commit,
        Err(error) => return Outcome::Failed(refusal(&error)),
    };
    let requests: Vec<worktrees::WorktreeRequest> = agents
        .iter()
        .map(|agent| worktrees::WorktreeRequest {
            path: world.folders.worktree(agent),
            commit: commit.clone(),
        })
        .collect();
    let mut options = worktrees::Options::in_folder(&world.folders.worktrees);
    options.overlay = world.config.worktrees.overlay;
    let results = worktrees::create(&world.repository, &requests, &options);
    let single = |made: &worktrees::Created| made.strategy == Strategy::Plain(Why::Single);
    if results.iter().flatten().any(single) {
        prepare_later(world, commit, options);
    }
    let named = agents.iter().cloned().zip(results).map(|(agent, result)| {
        let made = result
            .map(|made| {
                for warning in &made.warnings {
                    tracing::warn!(%agent, warning, "a worktree was made with a flaw");
                }
                let path = made.worktree.path().as_os_str().as_bytes().to_vec();
                (Bytes(path), made.strategy.to_string())
            })
            .map_err(|error| explain(&refusal(&error)));
        (agent, made)
    });
    Outcome::WorktreesCreated(named.collect())
}

/// Makes the template of a commit once its first agent had time to start: a single worktree is made
/// faster without one, every further one with it.
fn prepare_later(world: &World, commit: ObjectId, options: worktrees::Options) {
    let repository = Arc::clone(&world.repository);
    std::thread::spawn(move || {
        std::thread::sleep(TEMPLATE_DELAY);
        if let Err(error) = worktrees::prepare(&repository, &commit, &options) {
            tracing::info!(%error, "no template was made; git makes the worktrees alone");
        }
    });
}

fn explain(refusal: &Refusal) -> String {
    match &refusal.hint {
        Some(hint) => format!("{}; {hint}", refusal.message),
        None => refusal.message.clone(),
    }
}

pub(super) async fn clean(
    world: &Arc<World>,
    agent: &AgentKey,
    worktree: &Bytes,
    parent: Option<String>,
) -> Outcome {
    // What it still had to tell is heard now: its spool is read no more then.
    if let Err(refusal) = world.drain_spool(agent).await {
        return Outcome::Failed(refusal);
    }
    let (shared, key, path) = (Arc::clone(world), agent.clone(), worktree.clone());
    let cleaned = blocking(move || clean_now(&shared, &key, &path, parent)).await;
    world.backends.ports().release(agent);
    super::forget_later(world, Some(agent));
    cleaned.unwrap_or_else(|error| Outcome::Failed(refusal(&error)))
}

fn clean_now(
    world: &Arc<World>,
    agent: &AgentKey,
    path: &Bytes,
    parent: Option<String>,
) -> Result<Outcome, GitError> {
    let name = kept_ref(agent);
    let folder = PathBuf::from(OsString::from_vec(path.0.clone()));
    if path.0.is_empty() || !folder.exists() {
        // It never stood, or an earlier try got this far.
        let commit = parent.clone();
        return Ok(Outcome::Cleaned { kept_ref: name, commit });
    }
    let worktree = super::checkpoints::open(world, path)?;
    let newest = lock(&world.checkpoints).get(agent).map(|(commit, _)| commit.clone());
    let before = newest.or(parent).map(|parent| parent.parse::<ObjectId>()).transpose()?;
    let message = format!("{agent}: before its worktree is removed");
    let taken = checkpoint::take(&world.repository, &worktree, before.as_ref(), &name, &message)?;
    // A repository inside the worktree is in no checkpoint, unless it is a submodule the agent came with.
    for nested in &taken.nested_repositories {
        let is_submodule = match world.repository.head() {
            Ok(head) => world.repository.entry(&head.tree, nested)?.is_some(),
            Err(_) => false,
        };
        if !is_submodule {
            let place = folder.join(std::ffi::OsStr::from_bytes(nested));
            let message =
                format!("{} is a repository of its own, and no checkpoint holds it", place.display());
            return Ok(Outcome::Failed(
                Refusal::new(Code::Repository, message).hint("move it away or delete it, then clean again"),
            ));
        }
    }
    let bin = world.folders.worktrees.join("trash");
    worktrees::remove(&world.repository, std::slice::from_ref(&folder), &bin)
        .into_iter()
        .collect::<Result<Vec<_>, GitError>>()?;
    empty_trash(world);
    Ok(Outcome::Cleaned { kept_ref: name, commit: Some(taken.commit.to_string()) })
}

/// Deletes removed worktrees on a thread of its own, behind everything else that wants the processor; also what an
/// earlier host did not get to delete.
pub fn empty_trash(world: &World) {
    let bin = world.folders.worktrees.join("trash");
    if !bin.exists() || world.emptying.fetch_add(1, Ordering::AcqRel) > 0 {
        return;
    }
    let emptying = Arc::clone(&world.emptying);
    std::thread::spawn(move || {
        // On Linux a niceness is a thread's own. Where it is not to be had, deleting goes at the usual pace.
        let _ = rustix::process::setpriority_process(None, 19);
        let mut wanted = emptying.load(Ordering::Acquire);
        loop {
            if let Err(error) = trash::empty(&bin) {
                tracing::warn!(%error, "removed worktrees are not deleted yet; the next start goes on");
            }
            // What was thrown away meanwhile is deleted as well.
            match emptying.compare_exchange(wanted, 0, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return,
                Err(more) => wanted = more,
            }
        }
    });
}
