//! What the loop does with its writer: it commits; while there is nothing to commit, search follows the log, what is of no
//! use any more is forgotten, and a write-ahead log that grew too long is looked after.

use std::time::Duration;

use orchflow_core::state::State;
use orchflow_core::{AgentKey, EventSeq};
use orchflow_store::{Batch, StoreError, Writer};

/// Events indexed for search in one go; a report may have to wait for so many.
const INDEX_STEP: u64 = 200;
/// Reports forgotten in one go.
const FORGET_STEP: u64 = 1000;
/// How long nothing must come in before the rest is done.
const QUIET: Duration = Duration::from_millis(150);
/// Search follows at once, whenever nothing waits, where so many events are not indexed.
const INDEX_LAG: u64 = 600;
/// The same while many report at once, who would all have to wait for it. A search reads through what is not indexed.
const INDEX_LAG_IN_A_CROWD: u64 = 40_000;
/// So many events in each commit are a crowd.
const CROWD: u64 = 4;
/// How often a write-ahead log that is too long is looked at while nothing is committed.
const LONG_WAL: Duration = Duration::from_secs(10);

pub(super) struct Writing {
    writer: Writer,
    /// Whether there is something to do once it is quiet.
    behind: bool,
    /// Events committed that search has not seen.
    lag: u64,
    /// How many events the last commits had each, in sixteenths.
    crowd: u64,
    /// Who keeps the write-ahead log from being folded, as told last.
    told: Option<String>,
}

impl Writing {
    pub(super) fn new(writer: Writer) -> Writing {
        Writing { writer, behind: true, lag: 0, crowd: 0, told: None }
    }

    /// Commits a batch, whole or not at all.
    pub(super) fn commit(&mut self, batch: &Batch) -> Result<(), StoreError> {
        self.writer.commit(batch)?;
        self.behind |= !batch.events.is_empty();
        let events = batch.events.len() as u64;
        self.lag += events;
        self.crowd = self.crowd - self.crowd / 16 + events;
        Ok(())
    }

    /// Tells whether many report at once.
    pub(super) fn is_in_a_crowd(&self) -> bool {
        self.crowd / 16 >= CROWD
    }

    /// Loads what stands in the store again, after a commit that failed.
    pub(super) fn reload(&self) -> Result<(State, EventSeq), StoreError> {
        self.writer.reload_state()
    }

    /// Tells whether a report was stored already; one nobody can say that of is taken.
    pub(super) fn has_report(&self, agent: &AgentKey, id: &str) -> bool {
        self.writer.has_report(agent, id).unwrap_or_else(|error| {
            tracing::warn!(%error, "nobody can say whether a report is known; it is taken");
            false
        })
    }

    /// Ends what [`Writing::has_report`] looked at.
    pub(super) fn end_look(&self) {
        self.writer.end_look();
    }

    /// Seals the store; nothing is committed any more.
    pub(super) fn seal(&mut self) {
        if let Err(error) = self.writer.seal() {
            tracing::warn!(%error, "the store could not be sealed");
        }
    }

    /// Gives how long to wait before [`Writing::rest`] has something to do; `None` when it has not.
    pub(super) fn pause(&self) -> Option<Duration> {
        let bearable = if self.is_in_a_crowd() { INDEX_LAG_IN_A_CROWD } else { INDEX_LAG };
        match self.behind {
            true if self.lag > bearable => Some(Duration::ZERO),
            true => Some(QUIET),
            false => self.writer.wal_is_long().then_some(LONG_WAL),
        }
    }

    /// Does a part of what can wait.
    pub(super) fn rest(&mut self) {
        if !self.behind {
            self.writer.shorten_wal();
            return;
        }
        self.behind = self.writer.index_text(INDEX_STEP).unwrap_or_else(|error| {
            tracing::warn!(%error, "search cannot follow the log");
            false
        });
        self.lag = if self.behind { self.lag.saturating_sub(INDEX_STEP) } else { 0 };
        if !self.behind {
            self.behind = self.writer.forget_reports(FORGET_STEP).unwrap_or_else(|error| {
                tracing::warn!(%error, "old reports are forgotten later");
                false
            });
        }
    }

    /// Gives who keeps the write-ahead log from being folded, where that changed since it was asked last.
    pub(super) fn long_wal(&mut self) -> Option<Option<String>> {
        let long = self.writer.long_wal().map(ToString::to_string);
        if self.told == long {
            return None;
        }
        match &long {
            Some(warning) => tracing::warn!(warning, "the store's write-ahead log grows"),
            None => tracing::info!("nobody keeps the store's write-ahead log from being folded any more"),
        }
        self.told.clone_from(&long);
        Some(long)
    }
}

#[cfg(test)]
mod tests {
    use orchflow_core::Timestamp;
    use orchflow_core::event::payload::TextDisplayed;
    use orchflow_core::event::{Actor, Event};

    use super::*;

    /// Commits so many events in batches of one size; gives where the next begins.
    fn commit(writing: &mut Writing, from: u64, count: u64, size: u64) -> u64 {
        let event = |seq| Event {
            seq: EventSeq(seq),
            at: Timestamp(seq as i64),
            actor: Actor::Host,
            agent: None,
            run: None,
            cause: None,
            paths: Vec::new(),
            body: TextDisplayed { text: "words".to_owned(), last: true }.into(),
        };
        for first in (from..from + count).step_by(size as usize) {
            let events = (first..first + size).map(event).collect();
            writing.commit(&Batch { events, ..Batch::default() }).unwrap();
        }
        from + count
    }

    #[test]
    fn search_lets_a_crowd_pass_and_follows_one_that_is_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (writer, _) = Writer::open(&folder.path().join("events.db")).unwrap();
        let mut writing = Writing::new(writer);
        let next = commit(&mut writing, 1, 2 * INDEX_LAG, 8);
        assert_eq!(writing.pause(), Some(QUIET), "32 who wait would wait for it");
        let next = commit(&mut writing, next, 100, 1);
        assert_eq!(writing.pause(), Some(Duration::ZERO), "the crowd has gone, and it is far behind");
        while writing.pause() == Some(Duration::ZERO) {
            writing.rest();
        }
        assert_eq!(writing.pause(), Some(QUIET), "the rest has time");
        commit(&mut writing, next, INDEX_LAG_IN_A_CROWD + 400, 400);
        assert_eq!(writing.pause(), Some(Duration::ZERO), "even a crowd does not keep it back for ever");
    }
}
