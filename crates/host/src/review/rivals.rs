//! Hunks of other agents of one run that want the same lines.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use orchflow_core::AgentKey;
use orchflow_git::ObjectId;
use orchflow_git::diff::FileChange;
use orchflow_git::hunk::{Change, Hunk, HunkId};

use super::Subject;
use crate::world::{World, lock};

/// The most rivals that are told of one hunk.
const MOST: usize = 16;

/// Another agent's version of the same lines.
#[derive(Debug, Clone)]
pub struct Rival {
    /// The hunk.
    pub id: HunkId,
    /// Its agent.
    pub agent: AgentKey,
    /// The line of the base it begins at, from 1.
    pub base_line: u32,
    /// The line of its agent's version it stands at, from 1.
    pub agent_line: u32,
    /// Whether it makes the same text of them.
    pub same: bool,
}

/// Rivals by hunk.
pub type Rivals = HashMap<HunkId, Vec<Rival>>;

/// Remembers the newest comparison, with the checkpoints it is of.
pub type Known = Mutex<Option<(Vec<(AgentKey, String)>, Arc<Rivals>)>>;

/// Gives the line of the base, from 1, at which a hunk begins.
pub fn base_line(hunk: &Hunk) -> u32 {
    if hunk.old_lines == 0 { hunk.old_start + 1 } else { hunk.old_start }
}

/// Gives the line of its agent's version, from 1, at which a hunk stands; that of the base where the file is gone.
pub fn agent_line(hunk: &Hunk) -> u32 {
    let start = if hunk.change == Change::Deleted { hunk.old_start } else { hunk.new_start };
    start.max(1)
}

impl World {
    /// Gives the rivals that were found last.
    pub fn rivals_known(&self) -> &Known {
        &self.review.rivals
    }
}

/// Finds the rivals among agents, each with its changes, unless they are known.
pub fn find(known: &Known, all: &[(Subject, Arc<Vec<FileChange>>)]) -> Arc<Rivals> {
    let key: Vec<(AgentKey, String)> =
        all.iter().map(|(subject, _)| (subject.key.clone(), subject.checkpoint.clone())).collect();
    if let Some((of, rivals)) = lock(known).as_ref()
        && *of == key
    {
        return Arc::clone(rivals);
    }
    let rivals = Arc::new(compute(all));
    *lock(known) = Some((key, Arc::clone(&rivals)));
    rivals
}

fn compute(all: &[(Subject, Arc<Vec<FileChange>>)]) -> Rivals {
    // Lines can be compared where they are lines of the same content.
    type File<'a> = (u64, &'a [u8], Option<&'a ObjectId>);
    let mut files: HashMap<File<'_>, Vec<(&Subject, &FileChange)>> = HashMap::new();
    for (subject, changes) in all {
        for change in changes.iter() {
            let key = (subject.key.run.0, change.path.as_slice(), change.old.as_ref().map(|old| &old.id));
            files.entry(key).or_default().push((subject, change));
        }
    }
    let mut rivals = Rivals::new();
    for versions in files.values().filter(|versions| versions.len() > 1) {
        let lists: Vec<&[Hunk]> = versions.iter().map(|(_, change)| change.hunks.as_slice()).collect();
        let hunk = |(list, place): (usize, usize)| {
            let (subject, change) = versions.get(list)?;
            Some((*subject, change.hunks.get(place)?))
        };
        for (one, two) in orchflow_git::rivals::rivals(&lists) {
            let (Some(one), Some(two)) = (hunk(one), hunk(two)) else { continue };
            // The hash stands for everything that is seen but where it stands.
            let same = one.1.hash == two.1.hash && one.1.old_start == two.1.old_start;
            for ((_, hunk), (subject, rival)) in [(one, two), (two, one)] {
                let rivals = rivals.entry(hunk.id).or_default();
                if rivals.len() < MOST {
                    let (agent, base_line) = (subject.key.clone(), base_line(rival));
                    rivals.push(Rival {
                        id: rival.id,
                        agent,
                        base_line,
                        agent_line: agent_line(rival),
                        same,
                    });
                }
            }
        }
    }
    rivals
}
