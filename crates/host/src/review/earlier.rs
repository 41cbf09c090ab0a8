//! Hunks of checkpoints that are not the newest any more: taken once, and perhaps followed by another version.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use orchflow_core::event::payload::HunkRef;
use orchflow_core::{AgentKey, Code, Refusal};
use orchflow_git::diff;
use orchflow_git::hunk::{Hunk, HunkId};
use orchflow_git::part::Part;
use orchflow_git::{GitError, ObjectId};

use crate::world::{World, blocking, lock};

/// The most files that are remembered.
const MOST: usize = 512;

type Key = (AgentKey, String, Vec<u8>);

/// Remembers hunks by agent, checkpoint and file.
pub type Earlier = Mutex<HashMap<Key, Arc<Vec<Hunk>>>>;

impl World {
    /// Finds the hunk a decision names, whole, in the checkpoint it was seen in.
    ///
    /// # Errors
    /// [`Code::UnknownHunk`]; what git says.
    pub async fn hunk_of(self: &Arc<Self>, hunk: &HunkRef, base_tree: &str) -> Result<Hunk, Refusal> {
        let gone = || {
            Refusal::new(Code::UnknownHunk, format!("{} is not in its checkpoint any more", hunk.id))
                .hint("list the hunks again")
        };
        let id: HunkId = hunk.id.parse().map_err(|_| gone())?;
        let find = |hunks: &[Hunk]| hunks.iter().find(|found| found.id == id).cloned();
        if let Some(changes) = self.review.known(&hunk.agent, &hunk.checkpoint) {
            let change = changes.iter().find(|change| change.path == hunk.path.0);
            return change.and_then(|change| find(&change.hunks)).ok_or_else(gone);
        }
        let hunks = self.hunks_at(&hunk.agent, base_tree, &hunk.checkpoint, &hunk.path.0).await?;
        find(&hunks).ok_or_else(gone)
    }

    /// Finds the change that was taken of a hunk: of all of it or of some lines.
    ///
    /// # Errors
    /// As [`World::hunk_of`]; [`Code::Conflict`] where it has no lines that could be taken alone.
    pub async fn taken_of(self: &Arc<Self>, hunk: &HunkRef, base_tree: &str) -> Result<Hunk, Refusal> {
        let whole = self.hunk_of(hunk, base_tree).await?;
        let Some(lines) = &hunk.lines else { return Ok(whole) };
        let part = Part { added: &lines.added, removed: &lines.removed };
        whole.part(part).map_err(|reason| Refusal::new(Code::Conflict, reason.to_string()))
    }

    async fn hunks_at(
        self: &Arc<Self>,
        agent: &AgentKey,
        base_tree: &str,
        checkpoint: &str,
        path: &[u8],
    ) -> Result<Arc<Vec<Hunk>>, Refusal> {
        let key = (agent.clone(), checkpoint.to_owned(), path.to_vec());
        if let Some(hunks) = lock(&self.review.earlier).get(&key) {
            return Ok(Arc::clone(hunks));
        }
        let (world, wanted, base_tree) = (Arc::clone(self), key.clone(), base_tree.to_owned());
        let compared = blocking(move || {
            let (agent, checkpoint, path) = wanted;
            let (base, commit): (ObjectId, ObjectId) = (base_tree.parse()?, checkpoint.parse()?);
            let (old, new) = (world.repository.file(&base, &path)?, world.repository.file(&commit, &path)?);
            Ok::<_, GitError>(diff::file_hunks(&agent.to_string(), &path, old.as_ref(), new.as_ref()))
        })
        .await;
        let hunks = Arc::new(compared.map_err(|error| Refusal::new(Code::Repository, error.to_string()))?);
        let mut known = lock(&self.review.earlier);
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(key, Arc::clone(&hunks));
        Ok(hunks)
    }
}
