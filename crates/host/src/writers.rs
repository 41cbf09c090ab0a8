//! Which processes of an agent still write into its worktree.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use orchflow_core::AgentKey;
use orchflow_core::event::payload::Bytes;
use orchflow_core::report::{ReportEnvelope, Writer};
use orchflow_mux::writers::written_below;

use crate::world::{World, blocking};

/// Adds to a report that would show its agent at rest who still writes.
pub(crate) async fn look_before(world: &Arc<World>, envelope: ReportEnvelope) -> ReportEnvelope {
    if !envelope.asks_for_writers() {
        return envelope;
    }
    let key = envelope.agent.clone();
    let place = world.engine().ask(move |state| place_of(state, &key)).await.flatten();
    match place {
        Some((worktree, pid)) => {
            let agent = envelope.agent.clone();
            let writers = look(world, &agent, &worktree, pid).await;
            envelope.with_writers(writers)
        }
        None => envelope,
    }
}

fn place_of(state: &orchflow_core::state::State, key: &AgentKey) -> Option<(Bytes, u32)> {
    let agent = state.agents.get(key).filter(|agent| agent.is_living())?;
    Some((agent.worktree.clone()?, agent.pid?))
}

/// Looks who writes into a worktree. Files that git ignores are nobody's work. Where nothing can be seen, nobody is
/// known to write.
pub(crate) async fn look(world: &Arc<World>, agent: &AgentKey, worktree: &Bytes, pid: u32) -> Vec<Writer> {
    let (world, agent) = (Arc::clone(world), agent.clone());
    let folder = PathBuf::from(OsString::from_vec(worktree.0.clone()));
    let looked = blocking(move || {
        let written = written_below(&folder, i32::try_from(pid).unwrap_or(i32::MAX));
        if written.is_empty() {
            return Vec::new();
        }
        let paths: Vec<Vec<u8>> = written.iter().map(|file| file.below(&folder)).collect();
        let ignored = world.repository.ignored(&folder, &paths).unwrap_or_else(|error| {
            tracing::warn!(%agent, %error, "git does not say which files it ignores");
            Vec::new()
        });
        let writers = written.into_iter().zip(paths).filter(|(_, path)| !ignored.contains(path));
        writers
            .map(|(file, path)| Writer {
                pid: file.process.pid.unsigned_abs(),
                command: file.command,
                path: Bytes(path),
            })
            .collect()
    });
    looked.await
}
