//! Fills a store with events, chained and indexed, and says how fast that went.
//!
//!     fill --store EVENTS.DB --events 1000000 [--batch 1000]
//!
//! Agents, files and words are spread so that each filter of the timeline has something to find.

use std::path::Path;
use std::time::Instant;

use orchflow_bench::{Arguments, Fault};
use orchflow_core::event::{Actor, Event, EventBody};
use orchflow_core::{AgentKey, EventSeq, RunId, Timestamp};
use orchflow_store::{Batch, Writer};

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

fn main() -> Result<(), Fault> {
    let arguments = Arguments::read()?;
    let wanted = arguments.number("events")?;
    let batch_size = arguments.find("batch").map_or(Ok(1000), str::parse)?;
    let (mut writer, loaded) = Writer::open(Path::new(arguments.get("store")?))?;
    let mut seq = loaded.next_seq.0;
    let last = seq + wanted;
    let mut at = loaded.last_at.0.max(1_700_000_000_000_000);
    let mut state = 0x9e37_79b9_7f4a_7c15;
    let begin = Instant::now();
    while seq < last {
        let mut batch = Batch::default();
        for _ in 0..batch_size.min(last - seq) {
            at += 1250;
            batch.events.push(event(seq, at, &mut state)?);
            seq += 1;
        }
        writer.commit(&batch)?;
    }
    let wrote = begin.elapsed();
    while writer.index_text(20_000)? {}
    let all = begin.elapsed();
    writer.seal()?;
    println!(
        "{}",
        serde_json::json!({
            "events": wanted,
            "committed_per_second": wanted as f64 / wrote.as_secs_f64(),
            "chained_and_indexed_per_second": wanted as f64 / all.as_secs_f64(),
        })
    );
    Ok(())
}
