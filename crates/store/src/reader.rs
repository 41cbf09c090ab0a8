//! Pages of the log, read in parallel with the writer.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};

use orchflow_core::AgentKey;
use rusqlite::{Connection, OptionalExtension as _, Row, Rows, params_from_iter};

use crate::narrow::{Narrowed, narrow};
use crate::query::{EventFilter, EventRow, Page};
use crate::selection::Selection;
use crate::{StoreError, open, search};

/// The columns of an event as [`event_row`] reads them.
pub(crate) const COLUMNS: &str = "e.seq, e.id, e.timestamp, e.event_type, e.actor, e.ai_id, e.user_id, e.session_id, \
                       e.event_data, e.parent_seq";

/// A reader of the store. Each has a connection of its own; open one a thread.
///
/// Where a full disk leaves no room to read beside others, each look has a connection of its own, alone at the file.
#[derive(Debug)]
pub struct Reader {
    path: PathBuf,
    connection: OnceCell<Connection>,
}

impl Reader {
    /// Opens an existing store for reading.
    ///
    /// # Errors
    /// [`StoreError::Open`] when it is not there or not readable.
    pub fn open(path: &Path) -> Result<Reader, StoreError> {
        let reader = Reader { path: path.to_path_buf(), connection: OnceCell::new() };
        reader.look(|_| Ok(()))?;
        Ok(reader)
    }

    /// Looks at the store over a connection that only reads.
    pub(crate) fn look<T>(
        &self,
        look: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        if let Some(connection) = self.connection.get() {
            return look(connection);
        }
        match open::beside(&self.path) {
            Ok(connection) => look(self.connection.get_or_init(|| connection)),
            Err(StoreError::Full { .. }) => look(&open::alone(&self.path)?),
            Err(error) => Err(error),
        }
    }

    /// Gives the place of the newest event, 0 in an empty log.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn last_seq(&self) -> Result<u64, StoreError> {
        self.look(|connection| {
            let last: Option<i64> = connection
                .prepare_cached("SELECT max(seq) FROM development_events")?
                .query_row([], |row| row.get(0))?;
            Ok(last.unwrap_or(0).unsigned_abs())
        })
    }

    /// Tells whether a report of an agent was stored already.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn has_report(&self, agent: &AgentKey, id: &str) -> Result<bool, StoreError> {
        self.look(|connection| crate::reports::has(connection, agent, id))
    }

    /// Reads one event.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn event(&self, seq: u64) -> Result<Option<EventRow>, StoreError> {
        self.look(|connection| {
            let mut select = connection
                .prepare_cached(&format!("SELECT {COLUMNS} FROM development_events e WHERE e.seq = ?1"))?;
            let mut rows = Vec::from_iter(select.query_row([place(seq)], event_row).optional()?);
            add_paths(connection, &mut rows)?;
            Ok(rows.pop())
        })
    }

    /// Reads the events that led to one: its cause first, then that one's cause, at most `limit`.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn causes(&self, seq: u64, limit: usize) -> Result<Vec<EventRow>, StoreError> {
        let mut causes: Vec<EventRow> = Vec::new();
        let mut next = self.event(seq)?.and_then(|event| event.cause);
        while let Some(cause) = next.filter(|_| causes.len() < limit) {
            // A damaged log may point anywhere; what was earlier is earlier.
            let last = causes.last().map_or(seq, |event| event.seq);
            let Some(event) = self.event(cause)?.filter(|event| event.seq < last) else { break };
            next = event.cause;
            causes.push(event);
        }
        Ok(causes)
    }

    /// Reads the first events that directly follow from one, at most `limit`, among the `EFFECTS_WITHIN` after it:
    /// what comes of something mostly comes soon.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn effects(&self, seq: u64, limit: usize) -> Result<Vec<EventRow>, StoreError> {
        self.look(|connection| {
            let mut select = connection.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM development_events e
                 WHERE e.seq > ?1 AND e.seq <= ?1 + ?2 AND e.parent_seq = ?1 ORDER BY e.seq LIMIT ?3"
            ))?;
            let rows = select.query_map((place(seq), EFFECTS_WITHIN, limit as i64), event_row)?;
            let mut rows: Vec<EventRow> = rows.collect::<Result<_, _>>()?;
            add_paths(connection, &mut rows)?;
            Ok(rows)
        })
    }

    /// Reads at most `limit` events of a page.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn page(&self, filter: &EventFilter, page: Page, limit: usize) -> Result<Vec<EventRow>, StoreError> {
        self.look(|connection| {
            let Some(filter) = narrow(connection, filter)? else { return Ok(Vec::new()) };
            let mut rows = match &filter.text {
                Some(words) => search::find(connection, &filter, words, page, limit)?,
                None => select(connection, &filter, page, limit)?,
            };
            add_paths(connection, &mut rows)?;
            Ok(rows)
        })
    }
}

fn select(
    connection: &Connection,
    filter: &Narrowed,
    page: Page,
    limit: usize,
) -> rusqlite::Result<Vec<EventRow>> {
    // Rows that are looked at one by one cannot be merged from a few of each kind.
    let merged = filter.without.is_empty().then_some(limit);
    let mut selection = Selection::new(connection, filter, page, merged)?;
    let most = if merged.is_some() { format!("LIMIT {}", selection.limit(limit)) } else { String::new() };
    let (from, condition, seq, order) =
        (selection.from(), selection.condition(), selection.seq(), selection.order());
    let mut select = connection.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM {from} WHERE {condition} ORDER BY {seq} {order} {most}"
    ))?;
    search::take(&mut select.query(params_from_iter(selection.values))?, &[], &filter.without, limit)
}

/// Adds the paths of events that are in order, one way or the other.
fn add_paths(connection: &Connection, rows: &mut [EventRow]) -> Result<(), StoreError> {
    let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Ok(()) };
    let (low, high) = (first.seq.min(last.seq), first.seq.max(last.seq));
    // Side by side, their paths are as well; far apart, each is looked up.
    if high - low <= SPARSE * rows.len() as u64 {
        let mut select =
            connection.prepare_cached("SELECT seq, path FROM event_paths WHERE seq BETWEEN ?1 AND ?2")?;
        let mut paths = select.query([place(low), place(high)])?;
        give_paths(rows, &mut paths)?;
    } else {
        let mut select = connection.prepare_cached(&format!(
            "SELECT seq, path FROM event_paths WHERE seq IN ({})",
            ["?"; LOOKED_UP].join(",")
        ))?;
        for rows in rows.chunks_mut(LOOKED_UP) {
            // Places that are left over ask for an event that is never there.
            let mut places = [0i64; LOOKED_UP];
            places.iter_mut().zip(rows.iter()).for_each(|(at, row)| *at = place(row.seq));
            let mut paths = select.query(params_from_iter(places))?;
            give_paths(rows, &mut paths)?;
        }
    }
    Ok(())
}

/// How many events behind one are looked at for what follows from it.
pub const EFFECTS_WITHIN: i64 = 20_000;

/// Pages with at most so many other events around each of theirs are read along with those.
const SPARSE: u64 = 12;
/// How many events' paths are looked up at once.
const LOOKED_UP: usize = 64;

/// Gives each of some rows, which are in order, its paths.
fn give_paths(rows: &mut [EventRow], paths: &mut Rows<'_>) -> rusqlite::Result<()> {
    let is_newest_first = rows.first().map(|row| row.seq) > rows.last().map(|row| row.seq);
    while let Some(path) = paths.next()? {
        let seq = path.get::<_, i64>(0)?.unsigned_abs();
        let found = rows.binary_search_by(|row| {
            let order = row.seq.cmp(&seq);
            if is_newest_first { order.reverse() } else { order }
        });
        if let Some(row) = found.ok().and_then(|at| rows.get_mut(at)) {
            row.paths.push(path.get(1)?);
        }
    }
    Ok(())
}

/// Gives a place as SQLite holds it; none is as large as those that do not fit.
fn place(seq: u64) -> i64 {
    i64::try_from(seq).unwrap_or(i64::MAX)
}

/// Reads a row of [`COLUMNS`]; its paths are apart.
pub(crate) fn event_row(row: &Row<'_>) -> rusqlite::Result<EventRow> {
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
