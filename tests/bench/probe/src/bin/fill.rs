//! Fills a store with events, chained and indexed, and says how fast that went.
//!
//!     fill --store EVENTS.DB --raw FILE --events 1000000 [--batch 1000]
//!
//! In blocks, and between two of them as many raw rows into FILE: same columns and indexes, no chain, no paths, nothing
//! looked at. Agents, files and words are spread so that each filter of the timeline has something to find.

use std::path::Path;
use std::time::{Duration, Instant};

use orchflow_bench::rows::RawLog;
use orchflow_bench::{Arguments, Fault};
use orchflow_core::event::{Actor, Event, EventBody};
use orchflow_core::{AgentKey, EventSeq, RunId, Timestamp};
use orchflow_store::{Batch, Writer};

/// Ours and raw take turns this often; the first block of ours gives the rows for the raw ones and is not counted.
const BLOCKS: u64 = 20;

const WORDS: &[&str] = &[
    "parser", "socket", "greeting", "config", "retry", "buffer", "index", "lexer", "cache", "thread",
    "signal", "window", "checksum", "palette", "cursor", "harness", "schema", "journal", "lattice", "quorum",
    "beacon", "ledger", "mantle",
];

/// Steps a small generator of numbers, so that each run writes the same.
fn step(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

fn pick<'a>(words: &[&'a str], state: &mut u64) -> &'a str {
    let place = usize::try_from(step(state)).unwrap_or(0) % words.len();
    words.get(place).copied().unwrap_or("nothing")
}

fn event(seq: u64, at: i64, state: &mut u64) -> Result<Event, Fault> {
    let number = step(state) % 32;
    let agent = AgentKey { run: RunId(1 + number / 8), name: format!("agent-{number}") };
    let path = format!("src/{}/{}_{}.rs", pick(WORDS, state), pick(WORDS, state), step(state) % 500);
    let rare = if seq.is_multiple_of(50_000) { " zanzibar" } else { "" };
    let (a, b, c) = (pick(WORDS, state), pick(WORDS, state), pick(WORDS, state));
    let text = format!("{a} {b} {c}, then {}{rare}; ", pick(WORDS, state)).repeat(3);
    let (name, data, paths) = match seq % 10 {
        0 => ("text_displayed", serde_json::json!({ "text": text, "last": true }), vec![]),
        1..=4 => (
            "tool_requested",
            serde_json::json!({ "tool": "Edit", "tool_use_id": format!("toolu_{seq:016x}"), "reason": null,
                                "input": { "file_path": path, "old_string": text, "new_string": a } }),
            vec![path.clone().into_bytes()],
        ),
        _ => (
            "tool_finished",
            serde_json::json!({ "tool": "Edit", "tool_use_id": format!("toolu_{seq:016x}"), "duration_ms": step(state) % 900,
                                "input": { "file_path": path }, "response": { "output": text } }),
            vec![path.clone().into_bytes()],
        ),
    };
    Ok(Event {
        seq: EventSeq(seq),
        at: Timestamp(at),
        actor: Actor::Agent { agent: agent.clone() },
        run: Some(agent.run),
        agent: Some(agent),
        cause: None,
        paths,
        body: EventBody::from_text(name, &data.to_string())?,
    })
}

/// What is needed to write on where the last block ended.
struct Filler {
    writer: Writer,
    seq: u64,
    at: i64,
    state: u64,
    batch: u64,
}

impl Filler {
    /// Writes events in batches and gives the time it took.
    fn write(&mut self, count: u64) -> Result<Duration, Fault> {
        let last = self.seq + count;
        let begin = Instant::now();
        while self.seq < last {
            let mut batch = Batch::default();
            for _ in 0..self.batch.min(last - self.seq) {
                self.at += 1250;
                batch.events.push(event(self.seq, self.at, &mut self.state)?);
                self.seq += 1;
            }
            self.writer.commit(&batch)?;
        }
        Ok(begin.elapsed())
    }
}

fn main() -> Result<(), Fault> {
    let arguments = Arguments::read()?;
    let store = Path::new(arguments.get("store")?);
    let (writer, loaded) = Writer::open(store)?;
    let mut filler = Filler {
        writer,
        seq: loaded.next_seq.0,
        at: loaded.last_at.0.max(1_700_000_000_000_000),
        state: 0x9e37_79b9_7f4a_7c15,
        batch: arguments.find("batch").map_or(Ok(1000), str::parse)?,
    };
    let block = arguments.number("events")? / BLOCKS;
    let (mut ours, mut raw) = (Duration::ZERO, Duration::ZERO);
    filler.write(block)?;
    let mut floor = RawLog::create(store, Path::new(arguments.get("raw")?), "tool_finished", 1000)?;
    let rows = usize::try_from(filler.batch)?;
    for _ in 1..BLOCKS {
        ours += filler.write(block)?;
        let begin = Instant::now();
        for _ in 0..block / filler.batch {
            floor.commit(rows)?;
        }
        raw += begin.elapsed();
    }
    let begin = Instant::now();
    while filler.writer.index_text(20_000)? {}
    let text = begin.elapsed();
    filler.writer.seal()?;
    let written = (block * (BLOCKS - 1)) as f64;
    println!(
        "{}",
        serde_json::json!({
            "ours_per_second": written / ours.as_secs_f64(),
            "raw_per_second": written / raw.as_secs_f64(),
            "text_per_second": (block * BLOCKS) as f64 / text.as_secs_f64(),
        })
    );
    Ok(())
}
