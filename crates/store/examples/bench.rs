//! Measures the store against plain rusqlite on the same rows and schema, in turn, in one run.
//!
//! `cargo run --release -p orchflow-store --example bench -- [--rows N] [--dir PATH]` prints one JSON line a
//! figure. What is called `raw` is the least anybody could do: prepared statements on values that are
//! ready, without serializing, redaction, hashing or the side table of paths on reading.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a measuring program talks and may give up")]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use orchflow_core::event::payload::{TextDisplayed, ToolFinished, ToolRequested, TurnEnded};
use orchflow_core::event::{Actor, Event, EventBody};
use orchflow_core::state::TurnOutcome;
use orchflow_core::{AgentKey, EventSeq, RunId, Timestamp};
use orchflow_store::{Batch, EventFilter, Page, Reader, Writer};
use rusqlite::{Connection, params};
use serde_json::json;

const AGENTS: u64 = 32;
const FILES: u64 = 5_000;
const BULK: u64 = 4_096;

fn main() {
    let mut rows = 1_000_000;
    let mut folder = None;
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        match (name.as_str(), arguments.next()) {
            ("--rows", Some(number)) => rows = number.parse().unwrap(),
            ("--dir", Some(path)) => folder = Some(PathBuf::from(path)),
            _ => panic!("usage: bench [--rows N] [--dir PATH]"),
        }
    }
    let scratch = match &folder {
        Some(folder) => tempfile::tempdir_in(folder).unwrap(),
        None => tempfile::tempdir().unwrap(),
    };
    commits(scratch.path());
    bulk(scratch.path(), rows);
    pages(&scratch.path().join("bulk.db"), rows);
}

/// Draws numbers, the same in each run.
struct Draw(u64);

impl Draw {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

const WORDS: [&str; 24] = [
    "greeting", "config", "parser", "option", "result", "match", "iterator", "thread", "socket", "buffer",
    "editor", "window", "branch", "commit", "review", "accept", "reject", "prompt", "agent", "status",
    "turn", "hunk", "file", "test",
];

fn words(draw: &mut Draw, count: u64) -> String {
    let mut text = String::new();
    for _ in 0..count {
        text.push_str(WORDS[draw.below(24) as usize]);
        text.push(if draw.below(9) == 0 { '\n' } else { ' ' });
    }
    text
}

fn event(seq: u64, draw: &mut Draw) -> Event {
    let agent = AgentKey::new(RunId(1 + seq / 100_000), format!("agent-{}", draw.below(AGENTS)));
    let file = format!("crates/part{}/src/file{}.rs", draw.below(20), draw.below(FILES));
    let (body, has_path): (EventBody, bool) = match draw.below(10) {
        0..=2 => {
            let input =
                json!({"file_path": file, "old_string": words(draw, 20), "new_string": words(draw, 20)});
            let reason = Some(words(draw, 8));
            let tool_use_id = Some(format!("toolu_{seq:016}"));
            (ToolRequested { tool: "Edit".into(), tool_use_id, input, reason }.into(), true)
        }
        3..=5 => {
            let input = json!({"command": words(draw, 6), "description": words(draw, 5)});
            let response = json!({"stdout": words(draw, 35), "stderr": "", "interrupted": false});
            let tool_use_id = Some(format!("toolu_{seq:016}"));
            let duration_ms = Some(draw.below(900));
            (ToolFinished { tool: "Bash".into(), tool_use_id, input, response, duration_ms }.into(), false)
        }
        6..=8 => (TextDisplayed { text: words(draw, 55), last: true }.into(), false),
        _ => {
            let rare = if draw.below(100) == 0 { "xylophone" } else { "done" };
            let message = Some(format!("{rare} {}", words(draw, 40)));
            (TurnEnded { turn: 1, outcome: TurnOutcome::Done, message }.into(), false)
        }
    };
    Event {
        seq: EventSeq(seq),
        at: Timestamp(1_760_000_000_000_000 + seq as i64 * 1000),
        actor: Actor::Agent { agent: agent.clone() },
        run: Some(agent.run),
        agent: Some(agent),
        cause: seq.checked_sub(1 + draw.below(30)).filter(|cause| *cause > 0).map(EventSeq),
        paths: if has_path { vec![file.into_bytes()] } else { Vec::new() },
        body,
    }
}

/// One batch of reports as the host commits it: the events, what they changed, and the reports' ids.
fn batch(first: u64, count: u64, draw: &mut Draw) -> Batch {
    let events: Vec<Event> = (first..first + count).map(|seq| event(seq, draw)).collect();
    let aggregates = (0..count.min(AGENTS))
        .map(|agent| {
            ("sample", format!("1/agent-{agent}"), Some(format!("{{\"turn\":{first},\"x\":\"{:900}\"}}", "")))
        })
        .collect();
    let agent = AgentKey::new(RunId(1), "agent-0");
    let reports_seen = (first..first + count)
        .map(|seq| (agent.clone(), format!("{:032x}", u128::from(seq) << 64 | 7)))
        .collect();
    Batch { events, aggregates, reports_seen, ..Batch::default() }
}

/// A row with every value ready.
struct RawRow {
    seq: i64,
    id: String,
    at: i64,
    event_type: &'static str,
    agent: String,
    run: String,
    data: String,
    parent: Option<(String, i64)>,
    paths: Vec<Vec<u8>>,
}

fn raw_rows(batch: &Batch) -> Vec<RawRow> {
    let id = |seq: u64| format!("0199c6a2-{:04x}-7000-8000-{seq:012x}", seq % 65_536);
    let row = |event: &Event| RawRow {
        seq: event.seq.0 as i64,
        id: id(event.seq.0),
        at: event.at.0,
        event_type: event.body.event_type(),
        agent: event.agent.as_ref().unwrap().name.clone(),
        run: event.run.unwrap().to_string(),
        data: event.body.to_text().unwrap(),
        parent: event.cause.map(|cause| (id(cause.0), cause.0 as i64)),
        paths: event.paths.clone(),
    };
    batch.events.iter().map(row).collect()
}

/// Commits the rows of a batch with nothing but SQL.
fn raw_commit(connection: &Connection, batch: &Batch, rows: &[RawRow]) {
    let transaction = connection.unchecked_transaction().unwrap();
    {
        let mut event = transaction
            .prepare_cached(
                "INSERT INTO development_events (seq, id, timestamp, event_type, event_version, actor, ai_id,
                    user_id, session_id, event_data, parent_event_id, parent_seq, payload_salt, payload_hash,
                    chain_hash)
                 VALUES (?1, ?2, ?3, ?4, 1, 'agent', ?5, NULL, ?6, ?7, ?8, ?9, ?10, ?11, ?11)",
            )
            .unwrap();
        let mut path =
            transaction.prepare_cached("INSERT INTO event_paths (path, seq) VALUES (?1, ?2)").unwrap();
        for row in rows {
            let parent = row.parent.as_ref();
            event
                .execute(params![
                    row.seq,
                    row.id,
                    row.at,
                    row.event_type,
                    row.agent,
                    row.run,
                    row.data,
                    parent.map(|parent| &parent.0),
                    parent.map(|parent| parent.1),
                    [7u8; 16],
                    [9u8; 32],
                ])
                .unwrap();
            for bytes in &row.paths {
                path.execute(params![bytes, row.seq]).unwrap();
            }
        }
        let mut put = transaction
            .prepare_cached(
                "INSERT INTO aggregates (kind, key, data) VALUES (?1, ?2, ?3)
                 ON CONFLICT (kind, key) DO UPDATE SET data = excluded.data",
            )
            .unwrap();
        for (kind, key, text) in &batch.aggregates {
            put.execute(params![kind, key, text]).unwrap();
        }
        let mut seen = transaction
            .prepare_cached("INSERT OR IGNORE INTO reports_seen (agent, id) VALUES (?1, ?2)")
            .unwrap();
        for (agent, id) in &batch.reports_seen {
            seen.execute([&agent.to_string(), id]).unwrap();
        }
    }
    transaction.commit().unwrap();
}

/// Opens a store of our schema for plain SQL, set as the writer sets its own.
fn raw_store(path: &Path) -> Connection {
    drop(Writer::open(path).unwrap());
    let connection = Connection::open(path).unwrap();
    connection.pragma_update(None, "synchronous", "FULL").unwrap();
    connection.pragma_update(None, "wal_autocheckpoint", 4000).unwrap();
    connection.pragma_update(None, "cache_size", -4096).unwrap();
    connection.set_prepared_statement_cache_capacity(32);
    connection
}

/// Spans of two ways of doing the same, taken in turn.
#[derive(Default)]
struct Pair {
    ours: Vec<Duration>,
    raw: Vec<Duration>,
}

impl Pair {
    fn take(&mut self, turn: u64, ours: impl FnOnce() -> usize, raw: impl FnOnce() -> usize) {
        let time = |work: &mut dyn FnMut() -> usize| {
            let start = Instant::now();
            let count = std::hint::black_box(work());
            (start.elapsed(), count)
        };
        let (mut ours, mut raw) = (Some(ours), Some(raw));
        let mut ours = || ours.take().unwrap()();
        let mut raw = || raw.take().unwrap()();
        // Who goes first takes turns as well.
        let (mine, theirs) = if turn.is_multiple_of(2) {
            let mine = time(&mut ours);
            (mine, time(&mut raw))
        } else {
            let theirs = time(&mut raw);
            (time(&mut ours), theirs)
        };
        assert_eq!(mine.1, theirs.1, "both do the same");
        self.ours.push(mine.0);
        self.raw.push(theirs.0);
    }

    fn print(mut self, what: &str, judged: &str, target: f64) {
        self.ours.sort_unstable();
        self.raw.sort_unstable();
        let at = |spans: &[Duration], part: f64| {
            spans[((spans.len() - 1) as f64 * part).round() as usize].as_secs_f64() * 1e6
        };
        let ratio = |part: f64| at(&self.ours, part) / at(&self.raw, part);
        let (p50, p99) = (ratio(0.5), ratio(0.99));
        let judged_ratio = if judged == "p99" { p99 } else { p50 };
        let round = |value: f64| (value * 100.0).round() / 100.0;
        println!(
            "{}",
            json!({
                "figure": what, "runs": self.ours.len(),
                "ours_p50_us": round(at(&self.ours, 0.5)), "ours_p99_us": round(at(&self.ours, 0.99)),
                "raw_p50_us": round(at(&self.raw, 0.5)), "raw_p99_us": round(at(&self.raw, 0.99)),
                "ratio_p50": round(p50), "ratio_p99": round(p99),
                "judged": judged, "target_ratio": target, "reached": judged_ratio <= target,
            })
        );
    }
}

fn commits(folder: &Path) {
    let (mut writer, _) = Writer::open(&folder.join("commits.db")).unwrap();
    let raw = raw_store(&folder.join("commits-raw.db"));
    let mut draw = Draw(42);
    let mut pair = Pair::default();
    for turn in 0..2_000u64 {
        let batch = batch(1 + turn * 32, 32, &mut draw);
        let rows = raw_rows(&batch);
        pair.take(
            turn,
            || {
                writer.commit(&batch).unwrap();
                32
            },
            || {
                raw_commit(&raw, &batch, &rows);
                32
            },
        );
    }
    pair.print("commit of 32 reports", "p99", 2.5);
}

fn bulk(folder: &Path, rows: u64) {
    let path = folder.join("bulk.db");
    let raw_path = folder.join("bulk-raw.db");
    let (mut writer, _) = Writer::open(&path).unwrap();
    let raw = raw_store(&raw_path);
    let mut draw = Draw(4711);
    let (mut ours, mut theirs) = (Duration::ZERO, Duration::ZERO);
    let mut first = 1;
    while first <= rows {
        let batch = batch(first, BULK.min(rows + 1 - first), &mut draw);
        let raw_rows = raw_rows(&batch);
        let start = Instant::now();
        writer.commit(&batch).unwrap();
        ours += start.elapsed();
        let start = Instant::now();
        raw_commit(&raw, &batch, &raw_rows);
        theirs += start.elapsed();
        first += BULK;
    }
    drop(raw);
    std::fs::remove_file(&raw_path).unwrap();
    let start = Instant::now();
    while writer.index_text(BULK).unwrap() {}
    let indexing = start.elapsed();
    let rate = |span: Duration| (rows as f64 / span.as_secs_f64()).round();
    println!(
        "{}",
        json!({
            "figure": "bulk", "events": rows,
            "ours_events_per_s": rate(ours), "raw_events_per_s": rate(theirs),
            "search_index_events_per_s": rate(indexing), "ours_with_search_events_per_s": rate(ours + indexing),
            "target_events_per_s": 40_000,
            "reached": rate(ours) >= 40_000.0,
        })
    );
    let start = Instant::now();
    drop(writer);
    let (_, loaded) = Writer::open(&path).unwrap();
    let opening = start.elapsed();
    assert_eq!(loaded.next_seq.0, rows + 1);
    let start = Instant::now();
    let verdict = orchflow_store::verify::verify(&path).unwrap();
    assert_eq!((verdict.checked, verdict.broken), (rows, None));
    println!(
        "{}",
        json!({
            "figure": "verify", "events": rows, "opening_ms": opening.as_millis(),
            "events_per_s": rate(start.elapsed()), "file_bytes": std::fs::metadata(&path).unwrap().len(),
        })
    );
}

const COLUMNS: &str = "e.seq, e.id, e.timestamp, e.event_type, e.actor, e.ai_id, e.user_id, e.session_id,
    e.event_data, e.parent_seq";

fn raw_page(connection: &Connection, rest: &str, values: impl rusqlite::Params) -> usize {
    let mut select = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM {rest}")).unwrap();
    let rows = select.query_map(values, |row| {
        Ok((
            row.get::<_, i64>(0)?,
            row.get::<_, String>(1)?,
            row.get::<_, i64>(2)?,
            row.get::<_, String>(3)?,
            row.get::<_, String>(4)?,
            row.get::<_, Option<String>>(5)?,
            row.get::<_, Option<String>>(6)?,
            row.get::<_, Option<String>>(7)?,
            row.get::<_, String>(8)?,
            row.get::<_, Option<i64>>(9)?,
        ))
    });
    let rows: Vec<_> = rows.unwrap().map(Result::unwrap).collect();
    std::hint::black_box(&rows).len()
}

fn pages(path: &Path, rows: u64) {
    let reader = Reader::open(path).unwrap();
    let raw = Connection::open(path).unwrap();
    raw.pragma_update(None, "query_only", true).unwrap();
    raw.pragma_update(None, "cache_size", -4096).unwrap();
    raw.set_prepared_statement_cache_capacity(32);
    let ours = |filter: &EventFilter, before: u64, limit: usize| {
        reader.page(filter, Page::Before(Some(before)), limit).unwrap().len()
    };
    let kinds = ["no filter", "by agent", "by type", "by path", "by agent and type", "search", "search rare"];
    for kind in kinds {
        let mut draw = Draw(815);
        let mut pair = Pair::default();
        for turn in 0..400 {
            let before = 1 + rows / 10 + draw.below(rows - rows / 10);
            let place = before as i64;
            let agent = format!("agent-{}", draw.below(AGENTS));
            let file = format!("crates/part{}/src/file{}.rs", draw.below(20), draw.below(FILES)).into_bytes();
            let mut filter = EventFilter::default();
            match kind {
                "no filter" => pair.take(
                    turn,
                    || ours(&filter, before, 100),
                    || {
                        raw_page(
                            &raw,
                            "development_events e WHERE e.seq < ?1 ORDER BY e.seq DESC LIMIT 100",
                            [place],
                        )
                    },
                ),
                "by agent" => {
                    filter.agent = Some(agent.clone());
                    pair.take(
                        turn,
                        || ours(&filter, before, 100),
                        || {
                            let rest = "development_events e WHERE e.ai_id = ?1 AND e.seq < ?2
                                    ORDER BY e.seq DESC LIMIT 100";
                            raw_page(&raw, rest, params![agent, place])
                        },
                    );
                }
                "by type" => {
                    filter.types = vec!["turn_ended".to_owned()];
                    pair.take(
                        turn,
                        || ours(&filter, before, 100),
                        || {
                            let rest = "development_events e WHERE e.event_type = ?1 AND e.seq < ?2
                                    ORDER BY e.seq DESC LIMIT 100";
                            raw_page(&raw, rest, params!["turn_ended", place])
                        },
                    );
                }
                "by path" => {
                    filter.path = Some(file.clone());
                    pair.take(
                        turn,
                        || ours(&filter, before, 100),
                        || {
                            let rest = "event_paths p JOIN development_events e ON e.seq = p.seq
                                    WHERE p.path = ?1 AND p.seq < ?2 ORDER BY p.seq DESC LIMIT 100";
                            raw_page(&raw, rest, params![file, place])
                        },
                    );
                }
                "by agent and type" => {
                    filter.agent = Some(agent.clone());
                    filter.types = vec!["turn_ended".to_owned()];
                    pair.take(turn, || ours(&filter, before, 100), || {
                        let rest = "development_events e WHERE e.ai_id = ?1 AND +e.event_type = ?2 AND e.seq < ?3
                                    ORDER BY e.seq DESC LIMIT 100";
                        raw_page(&raw, rest, params![agent, "turn_ended", place])
                    });
                }
                _ => {
                    let (text, query) = match kind {
                        "search rare" => ("Xylophone", "\"xylophone\""),
                        _ => ("greeting config", "\"greeting\" AND \"config\""),
                    };
                    filter.text = Some(text.to_owned());
                    let newest =
                        |filter: &EventFilter| reader.page(filter, Page::Before(None), 50).unwrap().len();
                    pair.take(
                        turn,
                        || newest(&filter),
                        || {
                            let rest = "event_text t CROSS JOIN development_events e ON e.seq = t.rowid
                                    WHERE event_text MATCH ?1 ORDER BY t.rowid DESC LIMIT 50";
                            raw_page(&raw, rest, [query])
                        },
                    );
                }
            }
        }
        pair.print(&format!("page {kind}"), "p50", 3.0);
    }
}
