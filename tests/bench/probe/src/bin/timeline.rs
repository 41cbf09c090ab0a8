//! Pages of the timeline through the host, against the raw query on the same file, in turn.
//!
//!     timeline --socket HOST.SOCK --store EVENTS.DB --draws 200
//!
//! Prints {"FILTER": {"host": [ns…], "raw": [ns…], "rows": n}, …}.

use std::path::Path;
use std::time::Instant;

use orchflow_bench::front::{Front, map};
use orchflow_bench::{Arguments, Fault};
use rmpv::Value;
use rusqlite::types::Value as Sql;
use rusqlite::{Connection, OpenFlags, params_from_iter};

const COLUMNS: &str = "e.seq, e.id, e.timestamp, e.event_type, e.actor, e.ai_id, e.user_id, e.session_id, e.event_data, e.parent_seq";

/// One kind of page: its name, the host's parameters, and the same in SQL.
struct Question {
    name: &'static str,
    parameters: Value,
    sql: String,
    values: Vec<Sql>,
}

fn questions(store: &Connection, draw: u64) -> Result<Vec<Question>, Fault> {
    let last: i64 = store.query_row("SELECT max(seq) FROM development_events", [], |row| row.get(0))?;
    // Draws walk over the whole log in steps that share no factor with its patterns.
    let before = 1_000.max(last - i64::try_from(draw * 4_999_u64 % last.unsigned_abs().max(1))?);
    let agent = format!("agent-{}", draw % 32);
    let path: Vec<u8> = store.query_row(
        "SELECT path FROM event_paths WHERE seq >= ?1 ORDER BY seq LIMIT 1",
        [before / 2],
        |row| row.get(0),
    )?;
    let word =
        ["parser", "ledger", "beacon", "quorum"].get(usize::try_from(draw)? % 4).copied().unwrap_or("parser");
    let limit = ("limit", Value::from(100));
    let page = |from: &str, condition: &str, order: &str| {
        format!("SELECT {COLUMNS} FROM {from} WHERE {condition} ORDER BY {order} DESC LIMIT 100")
    };
    let log = "development_events e";
    Ok(vec![
        Question {
            name: "page",
            parameters: map([("before", Value::from(before)), limit.clone()]),
            sql: page(log, "e.seq < ?1", "e.seq"),
            values: vec![Sql::Integer(before)],
        },
        Question {
            name: "by agent",
            parameters: map([("before", Value::from(before)), ("agent", Value::from(agent.as_str())), limit.clone()]),
            sql: page(log, "e.ai_id = ?1 AND e.seq < ?2", "e.seq"),
            values: vec![Sql::Text(agent), Sql::Integer(before)],
        },
        Question {
            name: "by type",
            parameters: map([("before", Value::from(before)), ("type", Value::from("text_displayed")), limit.clone()]),
            sql: page(log, "e.event_type = ?1 AND e.seq < ?2", "e.seq"),
            values: vec![Sql::Text("text_displayed".to_owned()), Sql::Integer(before)],
        },
        Question {
            name: "by file",
            parameters: map([("path", Value::from(String::from_utf8_lossy(&path).as_ref())), limit.clone()]),
            sql: page("event_paths p CROSS JOIN development_events e ON e.seq = p.seq", "p.path = ?1", "p.seq"),
            values: vec![Sql::Blob(path)],
        },
        Question {
            name: "search, newest 50",
            parameters: map([("text", Value::from(word)), ("limit", Value::from(50))]),
            sql: format!(
                "SELECT {COLUMNS} FROM (SELECT rowid AS place FROM event_text WHERE event_text MATCH ?1 ORDER BY rowid DESC LIMIT 50)
                 CROSS JOIN development_events e ON e.seq = place"
            ),
            values: vec![Sql::Text(word.to_owned())],
        },
    ])
}

fn raw(store: &Connection, question: &Question) -> Result<usize, Fault> {
    let mut select = store.prepare_cached(&question.sql)?;
    let rows = select.query_map(params_from_iter(&question.values), |row| {
        (0..10).map(|column| row.get(column)).collect::<Result<Vec<Sql>, _>>()
    })?;
    Ok(rows.collect::<Result<Vec<_>, _>>()?.len())
}

fn answered(answer: &Value) -> usize {
    let events =
        answer.as_map().and_then(|entries| entries.iter().find(|(key, _)| key.as_str() == Some("events")));
    events.and_then(|(_, list)| list.as_array()).map_or(0, Vec::len)
}

fn main() -> Result<(), Fault> {
    let arguments = Arguments::read()?;
    let mut front = Front::connect(Path::new(arguments.get("socket")?))?;
    let store = Connection::open_with_flags(arguments.get("store")?, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    store.pragma_update(None, "query_only", true)?;
    let mut out = serde_json::Map::new();
    for draw in 0..arguments.number("draws")? {
        for question in questions(&store, draw)? {
            let (answer, took) = front.ask("log", question.parameters.clone())?;
            let host = u64::try_from(took.as_nanos())?;
            let begin = Instant::now();
            let rows = raw(&store, &question)?;
            let floor = u64::try_from(begin.elapsed().as_nanos())?;
            let entry = out
                .entry(question.name)
                .or_insert_with(|| serde_json::json!({ "host": [], "raw": [], "rows": 0, "answered": 0 }));
            for (key, value) in [("host", host), ("raw", floor)] {
                if let Some(list) = entry.get_mut(key).and_then(serde_json::Value::as_array_mut) {
                    list.push(value.into());
                }
            }
            for (key, count) in [("rows", rows), ("answered", answered(&answer))] {
                let sum = entry.get(key).and_then(serde_json::Value::as_u64).unwrap_or(0);
                if let Some(value) = entry.get_mut(key) {
                    *value = (sum + count as u64).into();
                }
            }
        }
    }
    println!("{}", serde_json::Value::Object(out));
    Ok(())
}
