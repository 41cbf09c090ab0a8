//! Full-text search that follows the log by a cursor; what it has not reached yet is scanned.

use rusqlite::types::Value;
use rusqlite::{Connection, params, params_from_iter};

use crate::query::{EventFilter, Page};
use crate::reader::{conditions, tail};

/// Lets the index follow by at most `rows` events up to `last`. Gives whether more wait.
pub(crate) fn follow(connection: &Connection, rows: u64, last: u64) -> rusqlite::Result<bool> {
    let cursor = cursor(connection)?;
    if cursor >= last {
        return Ok(false);
    }
    let until = last.min(cursor + rows);
    let transaction = connection.unchecked_transaction()?;
    // Hold the text as a reader sees it: type, agent and payload.
    transaction
        .prepare_cached(
            "INSERT INTO event_text (rowid, body)
             SELECT seq, event_type || ' ' || coalesce(ai_id, '') || ' ' || event_data
             FROM development_events WHERE seq > ?1 AND seq <= ?2 ORDER BY seq",
        )?
        .execute(params![cursor as i64, until as i64])?;
    transaction
        .prepare_cached("UPDATE meta SET value = ?1 WHERE name = 'text_cursor'")?
        .execute([until.to_string()])?;
    transaction.commit()?;
    Ok(until < last)
}

fn cursor(connection: &Connection) -> rusqlite::Result<u64> {
    let text: String = connection
        .prepare_cached("SELECT value FROM meta WHERE name = 'text_cursor'")?
        .query_row([], |row| row.get(0))?;
    Ok(text.parse().unwrap_or(0))
}

/// Gives the places of the events of a page that have all the words.
pub(crate) fn find(
    connection: &Connection,
    filter: &EventFilter,
    words: &str,
    page: Page,
    limit: usize,
) -> rusqlite::Result<Vec<u64>> {
    let words: Vec<String> = words
        .split(|c: char| !(c.is_alphanumeric() || c == '_'))
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect();
    if words.is_empty() {
        return Ok(Vec::new());
    }
    let cursor = cursor(connection)?;
    let bare = EventFilter { text: None, ..filter.clone() };
    let mut found = match page {
        // Newest first: the unindexed tail comes before everything indexed.
        Page::Before(_) => scan(connection, &bare, &words, page, limit, cursor)?,
        Page::After(_) => indexed(connection, &bare, &words, page, limit, cursor)?,
    };
    if found.len() < limit {
        let rest = limit - found.len();
        found.extend(match page {
            Page::Before(_) => indexed(connection, &bare, &words, page, rest, cursor)?,
            Page::After(_) => scan(connection, &bare, &words, page, rest, cursor)?,
        });
    }
    Ok(found)
}

fn indexed(
    connection: &Connection,
    filter: &EventFilter,
    words: &[String],
    page: Page,
    limit: usize,
    cursor: u64,
) -> rusqlite::Result<Vec<u64>> {
    if cursor == 0 {
        return Ok(Vec::new());
    }
    let terms: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
    let (condition, mut values) = conditions(connection, filter, page)?;
    values.push(Value::Text(terms.join(" AND ")));
    let order = if matches!(page, Page::Before(_)) { "DESC" } else { "ASC" };
    let bare = filter.agent.is_none()
        && filter.types.is_empty()
        && filter.run.is_none()
        && filter.path.is_none();
    let place = values.len();
    let sql = if bare {
        // Only the index is read: the bounds hold for its rowids as they stand.
        let bounds = condition.replace("WHERE ", "AND ").replace("e.seq", "t.rowid");
        format!("SELECT t.rowid FROM event_text t WHERE event_text MATCH ?{place} {bounds} ORDER BY t.rowid {order} LIMIT {limit}")
    } else {
        let joined = if filter.path.is_some() { "CROSS JOIN event_paths p ON p.seq = e.seq" } else { "" };
        let rest = condition.replace("WHERE ", "AND ").replace("e.ai_id", "+e.ai_id").replace("++", "+");
        format!(
            "SELECT t.rowid FROM event_text t CROSS JOIN development_events e ON e.seq = t.rowid {joined}
             WHERE event_text MATCH ?{place} {rest} ORDER BY t.rowid {order} LIMIT {limit}"
        )
    };
    let mut select = connection.prepare_cached(&sql)?;
    let rows = select.query_map(params_from_iter(values), |row| row.get::<_, i64>(0))?;
    rows.map(|row| row.map(i64::unsigned_abs)).collect()
}

fn scan(
    connection: &Connection,
    filter: &EventFilter,
    words: &[String],
    page: Page,
    limit: usize,
    cursor: u64,
) -> rusqlite::Result<Vec<u64>> {
    let (condition, values) = conditions(connection, filter, page)?;
    let joined = if filter.path.is_some() {
        "event_paths p CROSS JOIN development_events e ON e.seq = p.seq"
    } else {
        "development_events e"
    };
    let and = if condition.is_empty() { "WHERE" } else { "AND" };
    let order = tail(page, usize::MAX >> 1);
    let sql = format!(
        "SELECT e.seq, e.event_type || ' ' || coalesce(e.ai_id, '') || ' ' || e.event_data
         FROM {joined} {condition} {and} e.seq > {cursor} {order}"
    );
    let mut select = connection.prepare_cached(&sql)?;
    let mut rows = select.query(params_from_iter(values))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let text = row.get_ref(1)?.as_str().unwrap_or_default().to_lowercase();
        let is_match = words.iter().all(|word| has_word(&text, word));
        if is_match {
            found.push(row.get::<_, i64>(0)?.unsigned_abs());
            if found.len() == limit {
                break;
            }
        }
    }
    Ok(found)
}

/// Finds a whole word, as the index would.
fn has_word(text: &str, word: &str) -> bool {
    text.split(|c: char| !(c.is_alphanumeric() || c == '_')).any(|found| found == word)
}
