//! The tables, and how older files become newer ones.

use std::path::Path;

use rusqlite::{Connection, Transaction, TransactionBehavior};

use crate::StoreError;

/// The schema version this code writes.
pub const SCHEMA_VERSION: i64 = MIGRATIONS.len() as i64;

/// Each step takes a file from the version of its place to the next. A step, once released, never changes.
const MIGRATIONS: &[&str] = &[
    // 1: the log and what is committed with it.
    "CREATE TABLE development_events (
        seq             INTEGER PRIMARY KEY,
        id              TEXT    NOT NULL,
        timestamp       INTEGER NOT NULL,
        event_type      TEXT    NOT NULL,
        event_version   INTEGER NOT NULL DEFAULT 1,
        actor           TEXT    NOT NULL,
        ai_id           TEXT,
        user_id         TEXT,
        session_id      TEXT,
        event_data      TEXT    NOT NULL,
        parent_event_id TEXT,
        parent_seq      INTEGER,
        payload_salt    BLOB    NOT NULL,
        payload_hash    BLOB    NOT NULL,
        chain_hash      BLOB    NOT NULL
     ) STRICT;
     CREATE INDEX development_events_by_agent ON development_events (ai_id) WHERE ai_id IS NOT NULL;
     CREATE INDEX development_events_by_type ON development_events (event_type);
     CREATE INDEX development_events_by_run ON development_events (session_id) WHERE session_id IS NOT NULL;
     CREATE TABLE event_paths (
        path BLOB    NOT NULL,
        seq  INTEGER NOT NULL,
        PRIMARY KEY (path, seq)
     ) STRICT, WITHOUT ROWID;
     CREATE INDEX event_paths_by_event ON event_paths (seq);
     CREATE TABLE aggregates (
        kind TEXT NOT NULL,
        key  TEXT NOT NULL,
        data TEXT NOT NULL,
        PRIMARY KEY (kind, key)
     ) STRICT, WITHOUT ROWID;
     CREATE TABLE outbox (
        seq  INTEGER NOT NULL,
        part INTEGER NOT NULL,
        data TEXT    NOT NULL,
        PRIMARY KEY (seq, part)
     ) STRICT, WITHOUT ROWID;
     CREATE TABLE reports_seen (
        id TEXT PRIMARY KEY
     ) STRICT, WITHOUT ROWID;
     CREATE TABLE meta (
        name  TEXT PRIMARY KEY,
        value TEXT NOT NULL
     ) STRICT, WITHOUT ROWID;",
    // 2: full-text search, which follows the log by a cursor. It is given words, already taken apart, and
    // keeps neither their places nor any text.
    "CREATE VIRTUAL TABLE event_text USING fts5(
        body, content='', columnsize=0, detail='none', tokenize=\"ascii tokenchars '_'\"
     );
     INSERT INTO meta (name, value) VALUES ('text_cursor', '0');",
    // 3: a report is kept with its agent, so that it can be forgotten when the agent's spool is read no more.
    "ALTER TABLE reports_seen RENAME TO reports_seen_before;
     CREATE TABLE reports_seen (
        agent TEXT NOT NULL,
        id    TEXT NOT NULL,
        PRIMARY KEY (agent, id)
     ) STRICT, WITHOUT ROWID;
     INSERT INTO reports_seen (agent, id) SELECT '', id FROM reports_seen_before;
     DROP TABLE reports_seen_before;",
    // 4: an aggregate of a kilobyte or more is kept within one page. Without row ids it had pages of its own, freed and taken
    // anew by every commit.
    "ALTER TABLE aggregates RENAME TO aggregates_before;
     CREATE TABLE aggregates (
        kind TEXT NOT NULL,
        key  TEXT NOT NULL,
        data TEXT NOT NULL,
        PRIMARY KEY (kind, key)
     ) STRICT;
     INSERT INTO aggregates (kind, key, data) SELECT kind, key, data FROM aggregates_before;
     DROP TABLE aggregates_before;",
];

/// Gives the schema version of a file, 0 for an empty one. Changes nothing.
///
/// # Errors
/// [`StoreError::TooNew`], or what SQLite says of a file that is none of its own.
pub(crate) fn version(connection: &Connection, path: &Path) -> Result<i64, StoreError> {
    let found: i64 = connection
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .map_err(|error| StoreError::of_open(path, error))?;
    if found > SCHEMA_VERSION {
        return Err(StoreError::TooNew { found, known: SCHEMA_VERSION });
    }
    Ok(found)
}

/// Brings a file from the version it was found in to the newest.
pub(crate) fn migrate(connection: &Connection, found: i64) -> rusqlite::Result<()> {
    for (place, step) in MIGRATIONS.iter().enumerate().skip(usize::try_from(found).unwrap_or(0)) {
        let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "user_version", place as i64 + 1)?;
        transaction.commit()?;
    }
    Ok(())
}

#[cfg(test)]
pub(crate) fn create_version(connection: &Connection, version: usize) {
    for step in MIGRATIONS.iter().take(version) {
        connection.execute_batch(step).unwrap();
    }
    connection.pragma_update(None, "user_version", version as i64).unwrap();
}

#[cfg(test)]
mod tests {
    use orchflow_core::event::payload::TextDisplayed;
    use orchflow_core::event::{Actor, Event};
    use orchflow_core::{EventSeq, Timestamp};

    use super::*;
    use crate::{Batch, EventFilter, Page, Reader, Writer};

    fn event(seq: u64) -> Event {
        Event {
            seq: EventSeq(seq),
            at: Timestamp(seq as i64),
            actor: Actor::Host,
            agent: None,
            run: None,
            cause: None,
            paths: vec![b"a.rs".to_vec()],
            body: TextDisplayed { text: format!("words of {seq}"), last: true }.into(),
        }
    }

    /// Writes a file as version 1 left it: the log, sealed or not, and no search.
    fn of_version_1(path: &Path) {
        let newer = path.with_extension("newer");
        let (mut writer, _) = Writer::open(&newer).unwrap();
        writer.commit(&Batch { events: (1..=30).map(event).collect(), ..Batch::default() }).unwrap();
        writer.seal().unwrap();
        drop(writer);
        let connection = Connection::open(path).unwrap();
        create_version(&connection, 1);
        connection.execute("ATTACH ?1 AS newer", [newer.to_str().unwrap()]).unwrap();
        connection.execute("INSERT INTO reports_seen (id) VALUES ('old')", []).unwrap();
        for table in ["development_events", "event_paths", "aggregates"] {
            connection.execute(&format!("INSERT INTO {table} SELECT * FROM newer.{table}"), []).unwrap();
        }
        let seals = "INSERT INTO meta SELECT * FROM newer.meta WHERE name LIKE 'sealed%'";
        connection.execute(seals, []).unwrap();
    }

    #[test]
    fn a_file_of_version_1_is_brought_up_to_date() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.db");
        of_version_1(&path);
        let (mut writer, loaded) = Writer::open(&path).unwrap();
        assert_eq!(loaded.next_seq, EventSeq(31));
        assert_eq!(version(&Connection::open(&path).unwrap(), &path).unwrap(), SCHEMA_VERSION);
        let filter = EventFilter { text: Some("words 17".to_owned()), ..EventFilter::default() };
        let found = |reader: &Reader| reader.page(&filter, Page::Before(None), 10).unwrap().len();
        let reader = Reader::open(&path).unwrap();
        assert_eq!(found(&reader), 1, "what is not indexed is scanned");
        let anybody = orchflow_core::AgentKey::new(orchflow_core::RunId(1), "claude");
        assert!(reader.has_report(&anybody, "old").unwrap() && !reader.has_report(&anybody, "new").unwrap());
        while writer.index_text(7).unwrap() {}
        assert_eq!(found(&reader), 1);
        writer.commit(&Batch { events: vec![event(31)], ..Batch::default() }).unwrap();
        assert_eq!(crate::verify::verify(&path).unwrap().checked, 31);
        drop(writer);
        drop(Writer::open(&path).unwrap());
    }

    #[test]
    fn each_version_leads_to_the_same_tables() {
        let tables = |from: usize| -> Vec<(String, String)> {
            let connection = Connection::open_in_memory().unwrap();
            create_version(&connection, from);
            migrate(&connection, from as i64).unwrap();
            let mut select = connection
                .prepare("SELECT name, coalesce(sql, '') FROM sqlite_schema ORDER BY name")
                .unwrap();
            select.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect()
        };
        for from in 0..MIGRATIONS.len() {
            assert_eq!(tables(from), tables(MIGRATIONS.len()), "from version {from}");
        }
    }

    #[test]
    fn aggregates_of_each_version_are_kept() {
        for from in 1..=MIGRATIONS.len() {
            let connection = Connection::open_in_memory().unwrap();
            create_version(&connection, from);
            connection.execute("INSERT INTO aggregates VALUES ('agent', '1/claude', 'x')", []).unwrap();
            migrate(&connection, from as i64).unwrap();
            let kept = connection.query_row("SELECT * FROM aggregates", [], |row| {
                Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?))
            });
            assert_eq!(kept.unwrap(), ("agent".to_owned(), "1/claude".to_owned(), "x".to_owned()), "{from}");
        }
    }

    #[test]
    fn a_newer_file_is_refused() {
        let connection = Connection::open_in_memory().unwrap();
        create_version(&connection, MIGRATIONS.len());
        connection.pragma_update(None, "user_version", SCHEMA_VERSION + 1).unwrap();
        let refused = version(&connection, Path::new("events.db"));
        assert!(matches!(refused, Err(StoreError::TooNew { .. })), "{refused:?}");
    }
}
