//! Reports that were stored, by the ids that make each count once, and forgotten when none can come again.
//!
//! A report can come a second time only out of its agent's spool. An agent whose worktree is gone has its spool read no
//! more, so its ids are of no use then.

use std::collections::VecDeque;

use orchflow_core::AgentKey;
use orchflow_core::state::{Phase, State};
use rusqlite::{Connection, OptionalExtension as _, params};

use crate::StoreError;

/// The agent of reports from before they were kept with it.
const UNKNOWN: &str = "";

/// Tells whether a report of an agent was stored.
pub(crate) fn has(connection: &Connection, agent: &AgentKey, id: &str) -> Result<bool, StoreError> {
    let found = connection
        .prepare_cached("SELECT 1 FROM reports_seen WHERE agent IN (?1, ?2) AND id = ?3")?
        .query_row(params![agent.to_string(), UNKNOWN, id], |_| Ok(()))
        .optional()?;
    Ok(found.is_some())
}

/// Notes that a report of an agent is stored.
pub(crate) fn note(connection: &Connection, agent: &AgentKey, id: &str) -> rusqlite::Result<()> {
    let mut insert =
        connection.prepare_cached("INSERT OR IGNORE INTO reports_seen (agent, id) VALUES (?1, ?2)")?;
    insert.execute([agent.to_string().as_str(), id])?;
    Ok(())
}

/// Agents whose reports are to be forgotten.
#[derive(Debug, Default)]
pub(crate) struct Forgotten(VecDeque<String>);

impl Forgotten {
    /// Finds them in a state: what an earlier writer did not get to, it leaves.
    pub(crate) fn of(state: &State) -> Forgotten {
        let is_over = |agent: &&orchflow_core::state::Agent| agent.phase == Phase::Cleaned;
        let mut forgotten: VecDeque<String> =
            state.agents.values().filter(is_over).map(|agent| agent.key.to_string()).collect();
        if state.agents.values().all(|agent| is_over(&agent)) {
            forgotten.push_back(UNKNOWN.to_owned());
        }
        Forgotten(forgotten)
    }

    /// Adds an agent.
    pub(crate) fn add(&mut self, agent: &AgentKey) {
        self.0.push_back(agent.to_string());
    }

    /// Forgets at most `rows` reports. Gives whether more wait.
    pub(crate) fn forget(&mut self, connection: &Connection, rows: u64) -> rusqlite::Result<bool> {
        let mut left = i64::try_from(rows).unwrap_or(i64::MAX);
        while let Some(agent) = self.0.front().filter(|_| left > 0) {
            let mut delete = connection.prepare_cached(
                "DELETE FROM reports_seen WHERE agent = ?1
                 AND id IN (SELECT id FROM reports_seen WHERE agent = ?1 LIMIT ?2)",
            )?;
            let gone = delete.execute(params![agent, left])?;
            let gone = i64::try_from(gone).unwrap_or(i64::MAX);
            if gone < left {
                self.0.pop_front();
            }
            left -= gone;
        }
        Ok(!self.0.is_empty())
    }
}
