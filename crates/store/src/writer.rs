//! The one writer: commits batches, each in one transaction, each durable before it is acknowledged.

use std::path::{Path, PathBuf};

use orchflow_core::effect::{Effect, EffectId};
use orchflow_core::event::{Event, EventBody};
use orchflow_core::state::State;
use orchflow_core::{AgentKey, EventSeq, Timestamp};
use rusqlite::{Connection, Transaction, TransactionBehavior, params};

use crate::event_row::{RowMaker, RowWriter};
use crate::folding::Folding;
use crate::guard::{WriterGuard, make_private};
use crate::reader::Reader;
use crate::reports::{self, Forgotten};
use crate::verify::{self, Sealed};
use crate::wal::{LongWal, WAL_LIMIT, WalWatch};
use crate::{StoreError, open, schema};

/// Seal the chain's head this often, so that a start has little to verify.
const SEAL_EVERY: u64 = 10_000;

/// Everything one commit holds.
#[derive(Debug, Default)]
pub struct Batch {
    /// Events, dense and following the last committed one.
    pub events: Vec<Event>,
    /// Aggregates that changed: kind, key and text, or none when it is gone.
    pub aggregates: Vec<(&'static str, String, Option<String>)>,
    /// Effects to keep until they are done.
    pub outbox_add: Vec<Effect>,
    /// Effects that are done.
    pub outbox_done: Vec<EffectId>,
    /// Reports that must not count twice: the agent and the id of each.
    pub reports_seen: Vec<(AgentKey, String)>,
}

impl Batch {
    /// Tells whether there is nothing to commit.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
            && self.aggregates.is_empty()
            && self.outbox_add.is_empty()
            && self.outbox_done.is_empty()
            && self.reports_seen.is_empty()
    }
}

/// An effect that was not done when the last host ended.
#[derive(Debug)]
pub struct OutboxRow {
    /// The effect, or the text that cannot be read.
    pub effect: Result<Effect, String>,
    /// Its identity.
    pub id: EffectId,
}

/// What a host starts from.
#[derive(Debug)]
pub struct Loaded {
    /// The state after the last committed event.
    pub state: State,
    /// The place of the next event.
    pub next_seq: EventSeq,
    /// The time of the last event, so that time never runs backwards.
    pub last_at: Timestamp,
    /// Effects to be asked again.
    pub outbox: Vec<OutboxRow>,
    /// Why the store takes no writes now: it was opened on a full disk.
    pub read_only: Option<String>,
}

/// The one writer of a store.
#[derive(Debug)]
pub struct Writer {
    /// None while a full disk leaves no room to write at all; opened by the next commit then.
    connection: Option<Connection>,
    path: PathBuf,
    rows: RowMaker,
    /// The place up to which a start need not verify the chain.
    sealed: u64,
    forgotten: Forgotten,
    folding: Folding,
    wal: WalWatch,
    wal_limit: u64,
    _guard: WriterGuard,
}

impl Writer {
    /// Opens or creates the store, verifies the chain since its last sealed head, and loads the state.
    ///
    /// On a full disk a store that is there is loaded all the same, and takes no writes until there is room.
    ///
    /// # Errors
    /// [`StoreError::TooNew`], [`StoreError::Locked`], [`StoreError::Damaged`] or what SQLite says.
    pub fn open(path: &Path) -> Result<(Writer, Loaded), StoreError> {
        Writer::open_with(path, WAL_LIMIT)
    }

    /// As [`Writer::open`]; who keeps the write-ahead log longer than `wal_limit` bytes is told.
    ///
    /// # Errors
    /// As [`Writer::open`].
    pub fn open_with(path: &Path, wal_limit: u64) -> Result<(Writer, Loaded), StoreError> {
        make_private(path)?;
        let guard = WriterGuard::take(path)?;
        let folding = Folding::new(path);
        let (connection, read_only) = match open_for_writing(path, wal_limit, &folding) {
            Ok(connection) => (connection, None),
            Err(full @ StoreError::Full { .. }) => {
                let alone = open::alone(path).and_then(|connection| {
                    let version = schema::version(&connection, path)?;
                    Ok((connection, version))
                });
                match alone {
                    Ok((connection, schema::SCHEMA_VERSION)) => (connection, Some(full.to_string())),
                    // There is nothing to look at, or it would have to be changed first.
                    _ => return Err(full),
                }
            }
            Err(error) => return Err(error),
        };
        let sealed = Sealed::read(&connection)?;
        let (head, last_seq, last_at) = verify::head_since(&connection, &sealed)?;
        let state = load_state(&connection)?;
        let outbox = load_outbox(&connection)?;
        let mut secret = [0u8; 32];
        let filled = rustix::rand::getrandom(&mut secret, rustix::rand::GetRandomFlags::empty());
        if filled.is_err() {
            return Err(StoreError::Damaged("the system gives no random bytes".to_owned()));
        }
        let forgotten = Forgotten::of(&state);
        let writer = Writer {
            connection: read_only.is_none().then_some(connection),
            path: path.to_path_buf(),
            rows: RowMaker::new(secret, head, last_seq + 1),
            sealed: sealed.seq,
            forgotten,
            folding,
            wal: WalWatch::new(path, wal_limit),
            wal_limit,
            _guard: guard,
        };
        let (next_seq, last_at) = (EventSeq(last_seq + 1), Timestamp(last_at));
        Ok((writer, Loaded { state, next_seq, last_at, outbox, read_only }))
    }

    /// Loads what stands in the store again, after a commit that failed.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] or what SQLite says.
    pub fn reload_state(&self) -> Result<(State, EventSeq), StoreError> {
        let state = match &self.connection {
            Some(connection) => load_state(connection)?,
            None => load_state(&open::alone(&self.path)?)?,
        };
        Ok((state, EventSeq(self.rows.next_seq)))
    }

    /// Tells whether a report of an agent was stored already. What is asked before the next commit is one read, which has
    /// to be ended by [`Writer::end_look`].
    ///
    /// # Errors
    /// What SQLite says.
    pub fn has_report(&self, agent: &AgentKey, id: &str) -> Result<bool, StoreError> {
        match &self.connection {
            Some(connection) => {
                if connection.is_autocommit() {
                    connection.prepare_cached("BEGIN")?.execute([])?;
                }
                reports::has(connection, agent, id)
            }
            None => Reader::open(&self.path)?.has_report(agent, id),
        }
    }

    /// Ends the read that [`Writer::has_report`] began, so that it keeps nothing from being folded.
    pub fn end_look(&self) {
        let Some(connection) = self.connection.as_ref().filter(|connection| !connection.is_autocommit())
        else {
            return;
        };
        let ended = connection.prepare_cached("COMMIT").and_then(|mut end| end.execute([]));
        if let Err(error) = ended {
            tracing::warn!(%error, "a read cannot be ended");
        }
    }

    /// Gives the connection; opens it where there was no room for it before.
    fn writable(&mut self) -> Result<&Connection, StoreError> {
        if self.connection.is_none() {
            self.connection = Some(open_for_writing(&self.path, self.wal_limit, &self.folding)?);
        }
        self.connection.as_ref().ok_or_else(|| StoreError::Full { path: self.path.clone() })
    }

    /// Commits a batch durably, whole or not at all.
    ///
    /// # Errors
    /// [`StoreError::Full`] on a full disk, [`StoreError::Damaged`] when the events do not follow the last
    /// committed one, else what SQLite says; nothing was written then.
    pub fn commit(&mut self, batch: &Batch) -> Result<(), StoreError> {
        for (event, expected) in batch.events.iter().zip(self.rows.next_seq..) {
            if event.seq.0 != expected {
                let found = event.seq.0;
                return Err(StoreError::Damaged(format!(
                    "event {found} was to be stored in place {expected}"
                )));
            }
        }
        self.end_look();
        self.writable()?;
        if let Some(connection) = &self.connection {
            self.folding.look(connection);
        }
        let (head, next_seq) = (self.rows.head, self.rows.next_seq);
        match self.try_commit(batch) {
            Ok(sealed) => {
                self.sealed = sealed;
                let cleaned = |event: &&Event| matches!(event.body, EventBody::WorktreeCleaned(_));
                let cleaned = batch.events.iter().filter(cleaned).filter_map(|event| event.agent.as_ref());
                cleaned.for_each(|agent| self.forgotten.add(agent));
                Ok(())
            }
            Err(error) => {
                self.rows.back_to(head, next_seq);
                Err(StoreError::of_write(&self.path, error))
            }
        }
    }

    /// Gives the place up to which the chain is sealed then.
    fn try_commit(&mut self, batch: &Batch) -> rusqlite::Result<u64> {
        let Some(connection) = &self.connection else { return Ok(self.sealed) };
        let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
        if !batch.events.is_empty() {
            let mut writer = RowWriter::new(&transaction)?;
            for event in &batch.events {
                writer.write(&mut self.rows, event)?;
            }
        }
        for (kind, key, text) in &batch.aggregates {
            match text {
                Some(text) => {
                    let mut put = transaction.prepare_cached(
                        "INSERT INTO aggregates (kind, key, data) VALUES (?1, ?2, ?3)
                         ON CONFLICT (kind, key) DO UPDATE SET data = excluded.data",
                    )?;
                    put.execute(params![kind, key, text])?;
                }
                None => {
                    let mut remove =
                        transaction.prepare_cached("DELETE FROM aggregates WHERE kind = ?1 AND key = ?2")?;
                    remove.execute(params![kind, key])?;
                }
            }
        }
        for effect in &batch.outbox_add {
            let data = to_text(&effect.body)?;
            let mut add = transaction
                .prepare_cached("INSERT OR REPLACE INTO outbox (seq, part, data) VALUES (?1, ?2, ?3)")?;
            add.execute(params![effect.id.seq.0 as i64, effect.id.index, data])?;
        }
        for id in &batch.outbox_done {
            let mut done = transaction.prepare_cached("DELETE FROM outbox WHERE seq = ?1 AND part = ?2")?;
            done.execute(params![id.seq.0 as i64, id.index])?;
        }
        for (agent, id) in &batch.reports_seen {
            reports::note(&transaction, agent, id)?;
        }
        let mut sealed = self.sealed;
        let last = self.rows.next_seq - 1;
        if last - sealed >= SEAL_EVERY {
            Sealed { seq: last, head: self.rows.head }.write(&transaction)?;
            sealed = last;
        }
        transaction.commit()?;
        Ok(sealed)
    }

    /// Marks the chain as verified up to its head and folds the write-ahead log into the file.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn seal(&mut self) -> Result<(), StoreError> {
        self.folding.finish();
        let Some(connection) = &self.connection else { return Ok(()) };
        let sealed = Sealed { seq: self.rows.next_seq - 1, head: self.rows.head };
        sealed.write(connection).map_err(|error| StoreError::of_write(&self.path, error))?;
        self.sealed = sealed.seq;
        fold(connection).map_err(|error| StoreError::of_write(&self.path, error))
    }

    /// Lets full-text search follow the log by at most `rows` events. Gives whether more wait.
    ///
    /// # Errors
    /// What SQLite says; search then scans the unindexed tail.
    pub fn index_text(&mut self, rows: u64) -> Result<bool, StoreError> {
        let Some(connection) = &self.connection else { return Ok(false) };
        crate::search::follow(connection, rows, self.rows.next_seq - 1)
            .map_err(|error| StoreError::of_write(&self.path, error))
    }

    /// Forgets at most `rows` ids of reports that cannot come again: those of agents whose worktree is gone. Gives
    /// whether more wait.
    ///
    /// # Errors
    /// What SQLite says; the next start tries again.
    pub fn forget_reports(&mut self, rows: u64) -> Result<bool, StoreError> {
        let Some(connection) = &self.connection else { return Ok(false) };
        self.forgotten.forget(connection, rows).map_err(|error| StoreError::of_write(&self.path, error))
    }

    /// Says whose reads keep the write-ahead log longer than its limit; where nobody's do, folds it. Costs next to nothing
    /// while it is not too long; to be asked after something was committed.
    pub fn long_wal(&mut self) -> Option<&LongWal> {
        let before = self.wal.looked();
        let is_nobodys = self.wal.look().is_none() && self.wal.is_long();
        if is_nobodys && self.wal.looked() != before {
            self.shorten_wal();
        }
        self.wal.found()
    }

    /// Tells whether the write-ahead log was longer than its limit when it was last looked at.
    pub fn wal_is_long(&self) -> bool {
        self.wal.is_long()
    }

    /// Folds a write-ahead log that is too long, if nobody reads any more.
    pub fn shorten_wal(&mut self) {
        if let Some(connection) = self.connection.as_ref().filter(|_| self.wal.is_long()) {
            // Commits must not wait for it.
            let folded = connection.busy_timeout(std::time::Duration::ZERO).and_then(|()| fold(connection));
            let patient = connection.busy_timeout(PATIENCE);
            if let Err(error) = folded.and(patient) {
                tracing::debug!(%error, "the write-ahead log is folded later");
            }
            self.wal.look();
        }
    }
}

/// How long a commit waits for the file's lock.
const PATIENCE: std::time::Duration = std::time::Duration::from_millis(500);

/// Folds the write-ahead log into the file and empties it, as far as readers let it.
fn fold(connection: &Connection) -> rusqlite::Result<()> {
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
}

/// Opens or creates the store's file and brings it up to date.
fn open_for_writing(path: &Path, wal_limit: u64, folding: &Folding) -> Result<Connection, StoreError> {
    let fail = |error| StoreError::of_open(path, error);
    let mut connection = Connection::open(path).map_err(fail)?;
    let version = schema::version(&connection, path)?;
    configure(&connection, wal_limit).map_err(fail)?;
    schema::migrate(&connection, version).map_err(fail)?;
    connection.set_prepared_statement_cache_capacity(32);
    folding.watch(&mut connection).map_err(fail)?;
    Ok(connection)
}

/// Sets what every connection of the writer needs: durable commits, no lock held for long by readers.
fn configure(connection: &Connection, wal_limit: u64) -> rusqlite::Result<()> {
    connection.busy_timeout(PATIENCE)?;
    connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "journal_size_limit", i64::try_from(wal_limit).unwrap_or(i64::MAX))?;
    connection.pragma_update(None, "cache_size", -4096)
}

fn to_text<T: serde::Serialize>(value: &T) -> rusqlite::Result<String> {
    serde_json::to_string(value).map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
}

fn load_state(connection: &Connection) -> Result<State, StoreError> {
    let mut state = State::default();
    let mut rows = connection.prepare("SELECT kind, key, data FROM aggregates ORDER BY kind, key")?;
    let mut rows = rows.query([])?;
    while let Some(row) = rows.next()? {
        let (kind, key, data): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        state.load_aggregate(&kind, &key, &data).map_err(|error| StoreError::Damaged(error.to_string()))?;
    }
    Ok(state)
}

fn load_outbox(connection: &Connection) -> Result<Vec<OutboxRow>, StoreError> {
    let mut rows = connection.prepare("SELECT seq, part, data FROM outbox ORDER BY seq, part")?;
    let rows = rows.query_map([], |row| {
        let id = EffectId { seq: EventSeq(row.get::<_, i64>(0)?.unsigned_abs()), index: row.get(1)? };
        let text: String = row.get(2)?;
        let effect =
            serde_json::from_str(&text).map(|body| Effect { id, body }).map_err(|error| error.to_string());
        Ok(OutboxRow { effect, id })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}
