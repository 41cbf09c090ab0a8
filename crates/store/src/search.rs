//! Full-text search that follows the log by a cursor; what it has not reached yet is scanned.

use rusqlite::types::Value;
use rusqlite::{Connection, Rows, Transaction, TransactionBehavior, params, params_from_iter};

use crate::narrow::Narrowed;
use crate::query::{EventRow, Page};
use crate::reader::{COLUMNS, event_row};
use crate::selection::Selection;
use crate::text::{searchable, words};

/// The most words of a query that are looked for; nobody types more, and the index takes no tree of any depth.
const MOST_WORDS: usize = 32;

/// Lets the index follow by at most `rows` events up to `last`. Gives whether more wait.
pub(crate) fn follow(connection: &Connection, rows: u64, last: u64) -> rusqlite::Result<bool> {
    let cursor = cursor(connection)?;
    if cursor >= last {
        return Ok(false);
    }
    let until = last.min(cursor.saturating_add(rows));
    let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
    {
        let mut select = transaction.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM development_events e WHERE e.seq > ?1 AND e.seq <= ?2 ORDER BY e.seq"
        ))?;
        let mut insert =
            transaction.prepare_cached("INSERT INTO event_text (rowid, body) VALUES (?1, ?2)")?;
        let mut events = select.query(params![cursor as i64, until as i64])?;
        while let Some(row) = events.next()? {
            let text = row_text(row)?;
            insert.execute(params![row.get::<_, i64>(0)?, text])?;
        }
    }
    transaction
        .prepare_cached("UPDATE meta SET value = ?1 WHERE name = 'text_cursor'")?
        .execute([until.to_string()])?;
    transaction.commit()?;
    Ok(until < last)
}

/// Gives the words of a row of [`COLUMNS`].
fn row_text(row: &rusqlite::Row<'_>) -> rusqlite::Result<String> {
    let text = |name: &str| row.get_ref(name).map(|value| value.as_str().ok());
    Ok(searchable(
        text("event_type")?.unwrap_or_default(),
        text("ai_id")?,
        text("event_data")?.unwrap_or_default(),
    ))
}

fn cursor(connection: &Connection) -> rusqlite::Result<u64> {
    let text: String = connection
        .prepare_cached("SELECT value FROM meta WHERE name = 'text_cursor'")?
        .query_row([], |row| row.get(0))?;
    Ok(text.parse().unwrap_or(0))
}

/// Reads the events of a page that have all the words of a query, without their paths.
pub(crate) fn find(
    connection: &Connection,
    filter: &Narrowed,
    query: &str,
    page: Page,
    limit: usize,
) -> rusqlite::Result<Vec<EventRow>> {
    let mut words = words(query);
    words.truncate(MOST_WORDS);
    if words.is_empty() || limit == 0 {
        return Ok(Vec::new());
    }
    let search = Search { connection, filter, words: &words, page, cursor: cursor(connection)? as i64 };
    // Newest first, what is not indexed yet comes before everything that is.
    let mut found = match page {
        Page::Before(_) => search.scan(limit)?,
        Page::After(_) => search.indexed(limit)?,
    };
    if found.len() < limit {
        let rest = limit - found.len();
        found.extend(match page {
            Page::Before(_) => search.indexed(rest)?,
            Page::After(_) => search.scan(rest)?,
        });
    }
    Ok(found)
}

struct Search<'a> {
    connection: &'a Connection,
    filter: &'a Narrowed,
    words: &'a [String],
    page: Page,
    /// The last event the index has. The writer may move it on meanwhile; this search holds on to it.
    cursor: i64,
}

impl Search<'_> {
    /// Looks up to the cursor.
    fn indexed(&self, limit: usize) -> rusqlite::Result<Vec<EventRow>> {
        if self.cursor == 0 {
            return Ok(Vec::new());
        }
        let mut selection = Selection::new(self.connection, self.filter, self.page, None)?;
        selection.add_bounds("t.rowid");
        selection.add("t.rowid <= ?", Value::Integer(self.cursor));
        selection.add("event_text MATCH ?", Value::Text(self.expression()));
        let (condition, order, path_join) = (selection.condition(), selection.order(), selection.path_join());
        let mut select = self.connection.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM event_text t CROSS JOIN development_events e ON e.seq = t.rowid {path_join}
             WHERE {condition} ORDER BY t.rowid {order}"
        ))?;
        take(&mut select.query(params_from_iter(selection.values))?, &[], &self.filter.without, limit)
    }

    /// Writes the words for the index. Type and agent are words of each event too: the index then passes
    /// over most events that the filter would turn down one by one.
    fn expression(&self) -> String {
        let all = |words: &[String]| {
            let quoted: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
            quoted.join(" AND ")
        };
        let mut terms = vec![all(self.words)];
        if let [agent] = self.filter.agents.as_slice() {
            let agent = words(agent);
            if !agent.is_empty() {
                terms.push(all(&agent));
            }
        }
        let types: Vec<Vec<String>> = self.filter.types.iter().map(|name| words(name)).collect();
        if !types.is_empty() && types.iter().all(|name| name.len() == 1) {
            let each: Vec<String> = types.iter().map(|name| all(name)).collect();
            terms.push(format!("({})", each.join(" OR ")));
        }
        terms.join(" AND ")
    }

    /// Looks at what comes after the cursor, event by event.
    fn scan(&self, limit: usize) -> rusqlite::Result<Vec<EventRow>> {
        let mut selection = Selection::new(self.connection, self.filter, self.page, None)?;
        let seq = selection.seq();
        selection.add(&format!("{seq} > ?"), Value::Integer(self.cursor));
        let (from, condition, order) = (selection.from(), selection.condition(), selection.order());
        let mut select = self.connection.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM {from} WHERE {condition} ORDER BY {seq} {order}"
        ))?;
        take(&mut select.query(params_from_iter(selection.values))?, self.words, &self.filter.without, limit)
    }
}

/// Takes rows of [`COLUMNS`] that have all of some words, and none of the lists in `without` whole, until there
/// are as many as wanted.
pub(crate) fn take(
    rows: &mut Rows<'_>,
    wanted: &[String],
    without: &[Vec<String>],
    limit: usize,
) -> rusqlite::Result<Vec<EventRow>> {
    let mut found = Vec::new();
    while found.len() < limit
        && let Some(row) = rows.next()?
    {
        let passes = wanted.is_empty() && without.is_empty() || {
            let text = row_text(row)?;
            let has = |words: &[String]| words.iter().all(|word| text.split(' ').any(|found| found == word));
            has(wanted) && !without.iter().any(|words| has(words))
        };
        if passes {
            found.push(event_row(row)?);
        }
    }
    Ok(found)
}
