//! The one writer: commits batches, each in one transaction, each durable before it is acknowledged.

use std::path::{Path, PathBuf};

use orchflow_core::effect::{Effect, EffectId};
use orchflow_core::event::Event;
use orchflow_core::state::State;
use orchflow_core::{EventSeq, Timestamp};
use rusqlite::{Connection, Transaction, TransactionBehavior, params};

use crate::event_row::{RowMaker, RowWriter};
use crate::guard::{WriterGuard, make_private};
use crate::verify::{self, Sealed};
use crate::{StoreError, schema};

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
    /// Ids of reports that must not count twice.
    pub reports_seen: Vec<String>,
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
}

/// The one writer of a store.
#[derive(Debug)]
pub struct Writer {
    connection: Connection,
    path: PathBuf,
    rows: RowMaker,
    /// The place up to which a start need not verify the chain.
    sealed: u64,
    _guard: WriterGuard,
}

impl Writer {
    /// Opens or creates the store, verifies the chain since its last sealed head, and loads the state.
    ///
    /// # Errors
    /// [`StoreError::TooNew`], [`StoreError::Locked`], [`StoreError::Damaged`] or what SQLite says.
    pub fn open(path: &Path) -> Result<(Writer, Loaded), StoreError> {
        let fail = |error| StoreError::of_open(path, error);
        make_private(path);
        let connection = Connection::open(path).map_err(fail)?;
        let guard = WriterGuard::take(path)?;
        let version = schema::version(&connection, path)?;
        configure(&connection).map_err(fail)?;
        schema::migrate(&connection, version).map_err(fail)?;
        connection.set_prepared_statement_cache_capacity(32);
        let sealed = Sealed::read(&connection)?;
        let (head, last_seq, last_at) = verify::head_since(&connection, &sealed)?;
        let state = load_state(&connection)?;
        let outbox = load_outbox(&connection)?;
        let mut secret = [0u8; 32];
        let filled = rustix::rand::getrandom(&mut secret, rustix::rand::GetRandomFlags::empty());
        if filled.is_err() {
            return Err(StoreError::Damaged("the system gives no random bytes".to_owned()));
        }
        let loaded = Loaded { state, next_seq: EventSeq(last_seq + 1), last_at: Timestamp(last_at), outbox };
        let rows = RowMaker::new(secret, head, last_seq + 1);
        let path = path.to_path_buf();
        Ok((Writer { connection, path, rows, sealed: sealed.seq, _guard: guard }, loaded))
    }

    /// Loads what stands in the store again, after a commit that failed.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] or what SQLite says.
    pub fn reload_state(&self) -> Result<(State, EventSeq), StoreError> {
        Ok((load_state(&self.connection)?, EventSeq(self.rows.next_seq)))
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
        let (head, next_seq) = (self.rows.head, self.rows.next_seq);
        match self.try_commit(batch) {
            Ok(sealed) => {
                self.sealed = sealed;
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
        let transaction = Transaction::new_unchecked(&self.connection, TransactionBehavior::Immediate)?;
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
        for id in &batch.reports_seen {
            transaction
                .prepare_cached("INSERT OR IGNORE INTO reports_seen (id) VALUES (?1)")?
                .execute([id])?;
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
        let sealed = Sealed { seq: self.rows.next_seq - 1, head: self.rows.head };
        sealed.write(&self.connection).map_err(|error| StoreError::of_write(&self.path, error))?;
        self.sealed = sealed.seq;
        let folded = self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        folded.map_err(|error| StoreError::of_write(&self.path, error))
    }

    /// Lets full-text search follow the log by at most `rows` events. Gives whether more wait.
    ///
    /// # Errors
    /// What SQLite says; search then scans the unindexed tail.
    pub fn index_text(&mut self, rows: u64) -> Result<bool, StoreError> {
        crate::search::follow(&self.connection, rows, self.rows.next_seq - 1)
            .map_err(|error| StoreError::of_write(&self.path, error))
    }
}

/// Sets what every connection of the writer needs: durable commits, no lock held for long by readers.
fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(std::time::Duration::from_millis(500))?;
    connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "wal_autocheckpoint", 4000)?;
    connection.pragma_update(None, "journal_size_limit", 67_108_864)?;
    connection.pragma_update(None, "cache_size", -4096)
}

fn to_text<T: serde::Serialize>(value: &T) -> rusqlite::Result<String> {
    serde_json::to_string(value).map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
}

fn load_state(connection: &Connection) -> Result<State, StoreError> {
    let mut state = State::default();
    let mut rows = connection.prepare("SELECT kind, key, data FROM aggregates")?;
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
