//! Files by pattern: which of the paths the log knows are meant, and how to come to their events.

use orchflow_core::filter::{FilePattern, Sides};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _, params};

use crate::narrow::{Condition, Narrowed};

/// Files whose events are wanted.
#[derive(Debug, Default, PartialEq)]
pub(crate) enum Files {
    /// Whatever files, or none.
    #[default]
    Any,
    /// One.
    One(Vec<u8>),
    /// A few: each is asked for its newest events, and these are merged.
    Few(Vec<Vec<u8>>),
    /// Many files with few events, or so many events that one comes by soon; a condition of its own.
    Condition(Condition),
}

/// So many files are asked one by one; SQLite joins no more than 500 questions.
const FEW: usize = 200;
/// So many events are gathered and sorted; of more, some come by soon when the log is walked.
const GATHERED: i64 = 20_000;

/// Adds the files a filter asks for. Gives whether anything can pass.
pub(crate) fn narrow(
    connection: &Connection,
    files: &Sides<FilePattern>,
    narrowed: &mut Narrowed,
) -> rusqlite::Result<bool> {
    if !files.exclude.is_empty() {
        let out = known(connection, &files.exclude)?;
        if !out.is_empty() {
            let Condition { sql, values } = touches(&out);
            narrowed.conditions.push(Condition::new(format!("NOT {sql}"), values));
        }
    }
    if files.include.is_empty() {
        return Ok(true);
    }
    let mut meant = known(connection, &files.include)?;
    if meant.is_empty() {
        return Ok(false);
    }
    if narrowed.files != Files::Any {
        narrowed.conditions.push(touches(&meant));
        return Ok(true);
    }
    narrowed.files = match meant.len() {
        1 => Files::One(meant.remove(0)),
        count if count <= FEW => Files::Few(meant),
        _ => {
            let list = Value::Text(hex_list(&meant));
            let rows = "json_each(?) j CROSS JOIN event_paths q ON q.path = unhex(j.value)";
            let events: i64 = connection
                .prepare_cached(&format!("SELECT count(*) FROM (SELECT 1 FROM {rows} LIMIT {GATHERED})"))?
                .query_row([&list], |row| row.get(0))?;
            Files::Condition(if events < GATHERED {
                Condition::new(format!("e.seq IN (SELECT q.seq FROM {rows})"), vec![list])
            } else {
                touches(&meant)
            })
        }
    };
    Ok(true)
}

/// Writes that an event touches any of some files.
pub(crate) fn touches(paths: &[Vec<u8>]) -> Condition {
    Condition::new(
        "EXISTS (SELECT 1 FROM event_paths x WHERE x.seq = e.seq AND hex(x.path) IN (SELECT value FROM json_each(?)))",
        vec![Value::Text(hex_list(paths))],
    )
}

/// Finds the paths of the log that any of some patterns means: from one to the next, without looking at each event.
fn known(connection: &Connection, patterns: &[FilePattern]) -> rusqlite::Result<Vec<Vec<u8>>> {
    let mut next =
        connection.prepare_cached("SELECT path FROM event_paths WHERE path > ?1 ORDER BY path LIMIT 1")?;
    let mut is_there = connection.prepare_cached("SELECT 1 FROM event_paths WHERE path = ?1 LIMIT 1")?;
    let mut found = std::collections::BTreeSet::<Vec<u8>>::new();
    for pattern in patterns {
        let prefix = pattern.prefix();
        if pattern.fits(prefix) && is_there.query_row(params![prefix], |_| Ok(())).optional()?.is_some() {
            found.insert(prefix.to_vec());
        }
        let mut last = prefix.to_vec();
        while let Some(path) = next.query_row(params![last], |row| row.get::<_, Vec<u8>>(0)).optional()? {
            if !path.starts_with(prefix) {
                break;
            }
            if pattern.fits(&path) {
                found.insert(path.clone());
            }
            last = path;
        }
    }
    Ok(found.into_iter().collect())
}

/// Writes paths, which are bytes, as a JSON list of hexadecimal words.
fn hex_list(paths: &[Vec<u8>]) -> String {
    let word = |path: &Vec<u8>| -> String {
        let digits: String = path.iter().map(|byte| format!("{byte:02X}")).collect();
        format!("\"{digits}\"")
    };
    format!("[{}]", paths.iter().map(word).collect::<Vec<_>>().join(","))
}
