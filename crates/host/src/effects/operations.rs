//! What was kept before decisions, deleted once nothing can need it.

use std::sync::Arc;

use orchflow_core::state::{KEPT_OPERATIONS, Phase};
use orchflow_core::{AgentKey, EventSeq};
use orchflow_git::ObjectId;

use crate::world::{World, blocking};

/// Refs that keep what was there before decisions, each named by the event that asked for it.
pub(super) const OPERATIONS: &str = "refs/orchflow/operations/";

/// Deletes the refs of decisions that cannot be undone any more, on its own time; `after` waits until that agent's
/// worktree is gone.
pub(crate) fn forget_later(world: &Arc<World>, after: Option<&AgentKey>) {
    let (world, after) = (Arc::clone(world), after.cloned());
    tokio::spawn(async move {
        if let Some(agent) = after {
            world
                .settled(move |state| {
                    let agent = state.agents.get(&agent);
                    agent.is_none_or(|agent| agent.phase == Phase::Cleaned || !agent.cleaning)
                })
                .await;
        }
        forget(&world).await;
    });
}

async fn forget(world: &Arc<World>) {
    let shared = Arc::clone(world);
    let listed = blocking(move || shared.repository.refs(OPERATIONS)).await;
    let spare = match listed {
        Ok(refs) => beyond_the_newest(refs),
        Err(error) => return tracing::warn!(%error, "what was kept before old decisions stays"),
    };
    if spare.is_empty() {
        return;
    }
    // Asked after they were listed: each of them is known to the state by now, if anything needs it.
    let unneeded = world.engine().ask(move |state| {
        let mut spare = spare;
        spare.retain(|(seq, (name, _))| !state.needs_kept(*seq, name));
        spare.into_iter().map(|(_, kept)| kept).collect::<Vec<_>>()
    });
    let Some(unneeded) = unneeded.await else { return };
    let (shared, count) = (Arc::clone(world), unneeded.len());
    match blocking(move || shared.repository.delete_these_refs(&unneeded)).await {
        Ok(()) => tracing::info!(count, "what was kept before old decisions is let go"),
        Err(error) => tracing::warn!(%error, "what was kept before old decisions stays"),
    }
}

type Kept = (String, ObjectId);

/// Gives those of the refs that are not among the newest; names that are none of ours are left out.
fn beyond_the_newest(refs: Vec<Kept>) -> Vec<(EventSeq, Kept)> {
    let numbered = refs.into_iter().filter_map(|kept| {
        let number = kept.0.strip_prefix(OPERATIONS)?.parse().ok()?;
        Some((EventSeq(number), kept))
    });
    let mut numbered: Vec<(EventSeq, Kept)> = numbered.collect();
    numbered.sort_by_key(|(seq, _)| *seq);
    let spare = numbered.len().saturating_sub(KEPT_OPERATIONS);
    numbered.truncate(spare);
    numbered
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_stay_and_so_does_what_is_not_ours() {
        let id: ObjectId = "1".repeat(40).parse().unwrap();
        let count = KEPT_OPERATIONS as u64 + 3;
        let mut refs: Vec<Kept> =
            (1..=count).rev().map(|seq| (format!("{OPERATIONS}{seq}"), id.clone())).collect();
        refs.push((format!("{OPERATIONS}mine/1"), id.clone()));
        refs.push((format!("{OPERATIONS}x"), id));
        let seqs: Vec<u64> = beyond_the_newest(refs).iter().map(|(seq, _)| seq.0).collect();
        assert_eq!(seqs, [1, 2, 3]);
    }
}
