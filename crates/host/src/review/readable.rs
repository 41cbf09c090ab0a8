//! Agents whose newest checkpoint can be read. One whose objects are gone takes nobody else's hunks away.

use std::sync::Arc;

use orchflow_core::{Refusal, RunId};
use orchflow_git::diff::FileChange;

use super::Subject;
use crate::world::World;

/// Agents with their changes, and what is to be told of the others.
#[derive(Debug, Default)]
pub struct Readable {
    /// Those whose checkpoint could be compared.
    pub all: Vec<(Subject, Arc<Vec<FileChange>>)>,
    /// One line for each other, with its run.
    pub warnings: Vec<(RunId, String)>,
}

impl World {
    /// Compares the agents' checkpoints with their bases.
    ///
    /// # Errors
    /// What git says where not one of them can be read.
    pub async fn readable(self: &Arc<Self>, subjects: &[Subject]) -> Result<Readable, Refusal> {
        let mut readable = Readable::default();
        let mut first = None;
        for subject in subjects {
            match self.changes(&subject.key, &subject.base_tree, &subject.checkpoint).await {
                Ok(changes) => readable.all.push((subject.clone(), changes)),
                Err(refusal) => {
                    readable.warnings.push((subject.key.run, unreadable(subject, &refusal.message)));
                    first.get_or_insert_with(|| refusal.hint(what_to_do(subject)));
                }
            }
        }
        match first.filter(|_| readable.all.is_empty()) {
            Some(refusal) => Err(refusal),
            None => Ok(readable),
        }
    }
}

fn unreadable(subject: &Subject, why: &str) -> String {
    let checkpoint = subject.checkpoint.get(..7).unwrap_or(&subject.checkpoint);
    let (key, next) = (&subject.key, what_to_do(subject));
    format!("the hunks of {key} are left out: its checkpoint {checkpoint} cannot be read ({why}); {next}")
}

fn what_to_do(subject: &Subject) -> String {
    let files = match &subject.worktree {
        Some(worktree) => format!("its files are still in {}", worktree.lossy()),
        None => "its worktree is gone too".to_owned(),
    };
    format!("`git fsck` says which objects are gone and a backup or another clone may have them; {files}")
}
