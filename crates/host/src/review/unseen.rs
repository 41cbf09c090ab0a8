//! How many undecided hunks of an agent the human was not shown yet.

use std::collections::HashMap;
use std::sync::Mutex;

use orchflow_core::event::payload::Bytes;
use orchflow_core::state::{Agent, DecisionState, State};
use orchflow_core::{AgentKey, EventSeq};

use super::Review;
use crate::world::lock;

/// What a count depends on: checkpoint, decisions and what was shown.
type Stand = (String, usize, EventSeq, usize, EventSeq);

/// Remembers the newest count of each agent.
pub type Counts = Mutex<HashMap<AgentKey, (Stand, u64)>>;

impl Review {
    /// Counts an agent's undecided hunks whose content was not shown. While the checkpoint's hunks are not
    /// known, as after a start, what was shown of earlier ones counts along.
    pub fn unseen(&self, state: &State, agent: &Agent) -> u64 {
        let Some(checkpoint) = &agent.checkpoint else { return 0 };
        let mine = || state.decisions.values().filter(|decision| decision.hunk.agent == agent.key);
        let seen = || {
            let first = (agent.key.clone(), Bytes::default());
            state.seen.range(first..).take_while(|((of, _), _)| *of == agent.key).map(|(_, seen)| seen)
        };
        let newest = mine().map(|decision| decision.seq).max().unwrap_or_default();
        let newest_seen = seen().map(|seen| seen.seq).max().unwrap_or_default();
        let shown = seen().map(|seen| seen.hunks.len()).sum();
        let Some(changes) = self.known(&agent.key, &checkpoint.commit) else {
            return state.undecided(agent).saturating_sub(shown as u64);
        };
        let stand = (checkpoint.commit.clone(), mine().count(), newest, shown, newest_seen);
        if let Some((then, count)) = lock(&self.unseen).get(&agent.key)
            && *then == stand
        {
            return *count;
        }
        let is_decided = |id: &str| {
            state.decisions.get(id).is_some_and(|decision| {
                matches!(decision.state, DecisionState::Accepted | DecisionState::Rejected)
            })
        };
        let mut count = 0;
        for change in changes.iter() {
            let seen = state.seen.get(&(agent.key.clone(), Bytes(change.path.clone())));
            for hunk in &change.hunks {
                let id = hunk.id.to_string();
                let is_seen = seen.is_some_and(|seen| seen.has(&id, &hunk.hash.to_string()));
                count += u64::from(!is_seen && !is_decided(&id));
            }
        }
        lock(&self.unseen).insert(agent.key.clone(), (stand, count));
        count
    }
}
