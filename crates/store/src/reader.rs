//! Pages of the log, read in parallel with the writer.

use std::path::Path;

use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, Row, params_from_iter};

use crate::query::{EventFilter, EventRow, Page};
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
        let mut rows = self.rows("WHERE e.seq = ?1", vec![Value::Integer(seq as i64)])?;
        Ok(rows.pop())
    }

    /// Reads at most `limit` events of a page.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn page(&self, filter: &EventFilter, page: Page, limit: usize) -> Result<Vec<EventRow>, StoreError> {
        if let Some(words) = filter.text.as_deref().filter(|words| !words.trim().is_empty()) {
            let found = search::find(&self.connection, filter, words, page, limit)?;
            let mut rows = Vec::with_capacity(found.len());
            for seq in found {
                rows.extend(self.event(seq)?);
            }
            return Ok(rows);
        }
        let (condition, values) = conditions(&self.connection, filter, page)?;
        let tail = tail(page, limit);
        self.rows(&format!("{condition} {tail}"), values)
    }

    fn rows(&self, rest: &str, values: Vec<Value>) -> Result<Vec<EventRow>, StoreError> {
        // A path is looked up in its own table first: it matches few events.
        let from = if rest.contains("p.path") {
            "event_paths p CROSS JOIN development_events e ON e.seq = p.seq"
        } else {
            "development_events e"
        };
        let mut select = self.connection.prepare_cached(&format!("SELECT {COLUMNS} FROM {from} {rest}"))?;
        let rows = select.query_map(params_from_iter(values), row)?;
        let mut rows: Vec<EventRow> = rows.collect::<Result<_, _>>()?;
        let mut paths = self.connection.prepare_cached("SELECT path FROM event_paths WHERE seq = ?1")?;
        for row in &mut rows {
            let found = paths.query_map([row.seq as i64], |path| path.get::<_, Vec<u8>>(0))?;
            row.paths = found.collect::<Result<_, _>>()?;
        }
        Ok(rows)
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

/// Writes the order and the size of a page.
pub(crate) fn tail(page: Page, limit: usize) -> String {
    let order = if matches!(page, Page::Before(_)) { "DESC" } else { "ASC" };
    format!("ORDER BY e.seq {order} LIMIT {limit}")
}

/// Writes a filter as a condition on `e` (and on `p` where a path is asked for), with its values.
///
/// `+` before a column keeps the planner from its index: of several filters the narrowest drives, in the
/// order path, agent, type, run.
pub(crate) fn conditions(
    connection: &Connection,
    filter: &EventFilter,
    page: Page,
) -> rusqlite::Result<(String, Vec<Value>)> {
    let mut parts: Vec<String> = Vec::new();
    let mut values: Vec<Value> = Vec::new();
    let mut driven = false;
    let mut seq_column = "e.seq";
    let mut add = |parts: &mut Vec<String>, text: &str, value: Value| {
        values.push(value);
        parts.push(text.replace('?', &format!("?{}", values.len())));
    };
    if let Some(path) = &filter.path {
        add(&mut parts, "p.path = ?", Value::Blob(path.clone()));
        driven = true;
        seq_column = "p.seq";
    }
    if let Some(agent) = &filter.agent {
        let column = if driven { "+e.ai_id = ?" } else { "e.ai_id = ?" };
        add(&mut parts, column, Value::Text(agent.clone()));
        driven = true;
    }
    if !filter.types.is_empty() {
        let mut places = Vec::new();
        for name in &filter.types {
            add(&mut places, "?", Value::Text(name.clone()));
        }
        // Several types would have to be merged by seq; walking the log is faster for a page.
        let plus = if driven || filter.types.len() > 1 { "+" } else { "" };
        parts.push(format!("{plus}e.event_type IN ({})", places.join(", ")));
        driven = true;
    }
    if let Some(run) = filter.run {
        let column = if driven { "+e.session_id = ?" } else { "e.session_id = ?" };
        add(&mut parts, column, Value::Text(run.to_string()));
    }
    let mut low = 0i64;
    let mut high = i64::MAX;
    if let Some(since) = filter.since {
        low = first_at(connection, since)? - 1;
    }
    if let Some(until) = filter.until {
        high = first_at(connection, until.saturating_add(1))?;
    }
    match page {
        Page::Before(Some(seq)) => high = high.min(seq as i64),
        Page::Before(None) => {}
        Page::After(seq) => low = low.max(seq as i64),
    }
    if low > 0 {
        add(&mut parts, &format!("{seq_column} > ?"), Value::Integer(low));
    }
    if high < i64::MAX {
        add(&mut parts, &format!("{seq_column} < ?"), Value::Integer(high));
    }
    let condition =
        if parts.is_empty() { String::new() } else { format!("WHERE {}", parts.join(" AND ")) };
    Ok((condition, values))
}

/// Finds the first event at or after a time. Time never runs backwards in the log, so halving finds it.
fn first_at(connection: &Connection, at: i64) -> rusqlite::Result<i64> {
    let mut probe = connection.prepare_cached("SELECT timestamp FROM development_events WHERE seq = ?1")?;
    let last: Option<i64> = connection
        .prepare_cached("SELECT max(seq) FROM development_events")?
        .query_row([], |row| row.get(0))?;
    let (mut low, mut high) = (1, last.unwrap_or(0) + 1);
    while low < high {
        let middle = low + (high - low) / 2;
        let timestamp: i64 = probe.query_row([middle], |row| row.get(0))?;
        if timestamp < at { low = middle + 1 } else { high = middle }
    }
    Ok(low)
}
