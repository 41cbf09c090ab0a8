//! The writer's thread: commits first; while there is nothing to commit, search follows the log, what is of no use any
//! more is forgotten, and a write-ahead log that grew too long is looked after.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

use orchflow_store::Writer;

use crate::engine::{Message, Work};

/// Events indexed for search in one go.
const INDEX_STEP: u64 = 400;
/// Reports forgotten in one go.
const FORGET_STEP: u64 = 2000;
/// How long nothing must be committed before the rest is done.
const QUIET: Duration = Duration::from_millis(150);
/// Search follows under load as well once so many events are not indexed.
const INDEX_LAG: u64 = 4000;
/// How often a write-ahead log that is too long is looked at while nothing is committed.
const LONG_WAL: Duration = Duration::from_secs(10);

pub(crate) struct Writing {
    writer: Writer,
    back: Sender<Message>,
    /// Whether there is something to do once it is quiet.
    behind: bool,
    /// Events committed that search has not seen.
    lag: u64,
    /// What was told of that last.
    told: Option<String>,
}

impl Writing {
    pub(crate) fn new(writer: Writer, back: Sender<Message>) -> Writing {
        Writing { writer, back, behind: true, lag: 0, told: None }
    }

    /// Works until it is told to seal the store, or nobody is left to tell it.
    pub(crate) fn run(mut self, work: &Receiver<Work>) {
        loop {
            let next = match self.pause() {
                Some(pause) => work.recv_timeout(pause),
                None => work.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match next {
                Ok(Work::Commit(batch)) => {
                    let result = self.writer.commit(&batch);
                    self.behind |= !batch.events.is_empty();
                    self.lag += batch.events.len() as u64;
                    let reloaded = result.is_err().then(|| self.writer.reload_state());
                    if self.back.send(Message::Committed(Box::new(result), reloaded)).is_err() {
                        return;
                    }
                    self.look_after_wal();
                }
                Ok(Work::Seal(done)) => {
                    if let Err(error) = self.writer.seal() {
                        tracing::warn!(%error, "the store could not be sealed");
                    }
                    let _ = done.send(());
                    return;
                }
                Err(RecvTimeoutError::Timeout) if self.behind => self.catch_up(),
                Err(RecvTimeoutError::Timeout) => {
                    self.writer.shorten_wal();
                    self.look_after_wal();
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Gives how long to wait for the next commit before something else is done; `None` when there is nothing else.
    fn pause(&self) -> Option<Duration> {
        match self.behind {
            true if self.lag > INDEX_LAG => Some(Duration::ZERO),
            true => Some(QUIET),
            false => self.writer.wal_is_long().then_some(LONG_WAL),
        }
    }

    fn catch_up(&mut self) {
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
        self.look_after_wal();
    }

    /// Tells once who keeps the write-ahead log from being folded, and once when that is over.
    fn look_after_wal(&mut self) {
        let long = self.writer.long_wal().map(ToString::to_string);
        if self.told == long {
            return;
        }
        match &long {
            Some(warning) => tracing::warn!(warning, "the store's write-ahead log grows"),
            None => tracing::info!("nobody keeps the store's write-ahead log from being folded any more"),
        }
        self.told.clone_from(&long);
        let _ = self.back.send(Message::LongWal(long));
    }
}
