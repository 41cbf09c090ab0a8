//! Raw commits: rows of a real store, written again into an empty file of the same schema by plain SQL.
//!
//! This is the floor of every write: no chain, no redaction, no decisions, the same columns, indexes and durability.

use std::path::Path;

use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags, params_from_iter};

use crate::Fault;

/// Rows to be written, and the file they go into.
#[derive(Debug)]
pub struct RawLog {
    connection: Connection,
    rows: Vec<Vec<Value>>,
    insert: String,
    seq: i64,
}

impl RawLog {
    /// Creates `target` with the schema of `source` and takes the newest `count` rows of `event_type` as samples.
    ///
    /// # Errors
    /// When the source has no such row, or what SQLite says.
    pub fn create(source: &Path, target: &Path, event_type: &str, count: u64) -> Result<Self, Fault> {
        let from = Connection::open_with_flags(source, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        let connection = Connection::open(target)?;
        connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "wal_autocheckpoint", 2000)?;
        let mut schema = from.prepare(
            "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND tbl_name IN ('development_events', 'event_paths')",
        )?;
        for sql in schema.query_map([], |row| row.get::<_, String>(0))? {
            connection.execute_batch(&sql?)?;
        }
        let mut select = from
            .prepare("SELECT * FROM development_events WHERE event_type = ?1 ORDER BY seq DESC LIMIT ?2")?;
        let width = select.column_count();
        let names = select.column_names().collect::<Vec<_>>().join(", ");
        let rows: Vec<Vec<Value>> = select
            .query_map(rusqlite::params![event_type, count.cast_signed()], |row| {
                (0..width).map(|column| row.get(column)).collect()
            })?
            .collect::<Result<_, _>>()?;
        if rows.is_empty() {
            return Err(format!("{} has no event of type {event_type}", source.display()).into());
        }
        let places: Vec<String> = (1..=width).map(|place| format!("?{place}")).collect();
        let insert = format!("INSERT INTO development_events ({names}) VALUES ({})", places.join(", "));
        Ok(Self { connection, rows, insert, seq: 0 })
    }

    /// Commits `count` rows in one transaction.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn commit(&mut self, count: usize) -> Result<(), Fault> {
        let transaction = self.connection.unchecked_transaction()?;
        for _ in 0..count {
            self.seq += 1;
            let place = usize::try_from(self.seq)? % self.rows.len();
            let mut row = self.rows.get(place).cloned().unwrap_or_default();
            // seq and id come first in the table.
            if let Some(seq) = row.get_mut(0) {
                *seq = Value::Integer(self.seq);
            }
            if let Some(id) = row.get_mut(1) {
                *id = Value::Text(format!("{:032x}", crate::now_ns()));
            }
            transaction.prepare_cached(&self.insert)?.execute(params_from_iter(row))?;
        }
        transaction.commit()?;
        Ok(())
    }
}
