//! Pages of the log, read in parallel with the writer.

use std::path::Path;

use rusqlite::{Connection, OpenFlags, OptionalExtension as _, Row, params_from_iter};

use crate::query::{EventFilter, EventRow, Page};
use crate::selection::Selection;
use crate::{StoreError, search};

const COLUMNS: &str = "e.seq, e.id, e.timestamp, e.event_type, e.actor, e.ai_id, e.user_id, e.session_id, \
                       e.event_data, e.parent_seq";

/// A reader of the store. Each has a connection of its own; open one a thread.
#[derive(Debug)]
pub struct Reader {
    connection: Connection,
}

impl Reader {
    /// Opens an existing store for reading.
    ///
    /// # Errors
    /// [`StoreError::Open`] when it is not there or not readable.
    pub fn open(path: &Path) -> Result<Reader, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let open = |source| StoreError::Open { path: path.to_path_buf(), source };
        let connection = Connection::open_with_flags(path, flags).map_err(open)?;
        connection.pragma_update(None, "query_only", true).map_err(open)?;
        connection.busy_timeout(std::time::Duration::from_millis(500)).map_err(open)?;
        connection.pragma_update(None, "cache_size", -4096).map_err(open)?;
        connection.set_prepared_statement_cache_capacity(32);
        Ok(Reader { connection })
    }

    /// Gives the place of the newest event, 0 in an empty log.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn last_seq(&self) -> Result<u64, StoreError> {
        let last: Option<i64> = self
            .connection
            .prepare_cached("SELECT max(seq) FROM development_events")?
            .query_row([], |row| row.get(0))?;
        Ok(last.unwrap_or(0).unsigned_abs())
    }

    /// Tells whether a report was stored already.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn has_report(&self, id: &str) -> Result<bool, StoreError> {
        let found = self
            .connection
            .prepare_cached("SELECT 1 FROM reports_seen WHERE id = ?1")?
            .query_row([id], |_| Ok(()))
            .optional()?;
        Ok(found.is_some())
    }

    /// Reads one event.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn event(&self, seq: u64) -> Result<Option<EventRow>, StoreError> {
        Ok(self.events(&[seq])?.pop())
    }

    /// Reads at most `limit` events of a page.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn page(&self, filter: &EventFilter, page: Page, limit: usize) -> Result<Vec<EventRow>, StoreError> {
        if let Some(words) = filter.text.as_deref().filter(|words| !words.trim().is_empty()) {
            return self.events(&search::find(&self.connection, filter, words, page, limit)?);
        }
        let selection = Selection::new(&self.connection, filter, page, Some(limit))?;
        let (from, condition, seq, order) =
            (selection.from(), selection.condition(), selection.seq(), selection.order());
        let mut select = self.connection.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM {from} WHERE {condition} ORDER BY {seq} {order} LIMIT {limit}"
        ))?;
        let rows = select.query_map(params_from_iter(selection.values), row)?;
        let mut rows: Vec<EventRow> = rows.collect::<Result<_, _>>()?;
        self.add_paths(&mut rows)?;
        Ok(rows)
    }

    /// Reads events by their places, in that order; those that are not there are left out.
    fn events(&self, places: &[u64]) -> Result<Vec<EventRow>, StoreError> {
        let mut select = self
            .connection
            .prepare_cached(&format!("SELECT {COLUMNS} FROM development_events e WHERE e.seq = ?1"))?;
        let mut rows = Vec::with_capacity(places.len());
        for seq in places {
            rows.extend(select.query_row([*seq as i64], row).optional()?);
        }
        self.add_paths(&mut rows)?;
        Ok(rows)
    }

    fn add_paths(&self, rows: &mut [EventRow]) -> Result<(), StoreError> {
        let mut paths = self.connection.prepare_cached("SELECT path FROM event_paths WHERE seq = ?1")?;
        for row in rows {
            let mut found = paths.query([row.seq as i64])?;
            while let Some(path) = found.next()? {
                row.paths.push(path.get(0)?);
            }
        }
        Ok(())
    }

    /// Gives the connection, for reading only.
    pub(crate) fn into_connection(self) -> Connection {
        self.connection
    }
}

fn row(row: &Row<'_>) -> rusqlite::Result<EventRow> {
    let run: Option<String> = row.get(7)?;
    Ok(EventRow {
        seq: row.get::<_, i64>(0)?.unsigned_abs(),
        id: row.get(1)?,
        timestamp: row.get(2)?,
        event_type: row.get(3)?,
        actor: row.get(4)?,
        agent: row.get(5)?,
        user: row.get(6)?,
        run: run.and_then(|run| run.parse().ok()),
        data: row.get(8)?,
        cause: row.get::<_, Option<i64>>(9)?.map(i64::unsigned_abs),
        paths: Vec::new(),
    })
}
