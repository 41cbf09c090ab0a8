//! A store in a folder of its own, and events to put into it.

use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};

use orchflow_core::event::payload::{
    NotificationShown, TextDisplayed, ToolFailed, ToolFinished, TurnEnded, TurnStarted,
};
use orchflow_core::event::{Actor, Event, EventBody};
use orchflow_core::state::TurnOutcome;
use orchflow_core::{AgentKey, EventSeq, RunId, Timestamp};
use orchflow_store::{Batch, Loaded, Reader, StoreError, Writer};
use rusqlite::Connection;
use serde_json::json;

/// A folder with a store's file, gone at the end.
pub struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    pub fn new() -> Place {
        Place { folder: tempfile::tempdir().unwrap() }
    }

    pub fn file(&self) -> PathBuf {
        self.folder.path().join("events.db")
    }

    /// Opens the file. A child that another test forks holds the lock of a writer before until it is its program.
    pub fn open(&self) -> (Writer, Loaded) {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            match Writer::open(&self.file()) {
                Err(StoreError::Locked) if Instant::now() < deadline => sleep(Duration::from_millis(5)),
                opened => return opened.unwrap(),
            }
        }
    }

    pub fn writer(&self) -> Writer {
        self.open().0
    }

    pub fn reader(&self) -> Reader {
        Reader::open(&self.file()).unwrap()
    }

    /// Opens the file for plain SQL, as anybody may.
    pub fn sql(&self) -> Connection {
        Connection::open(self.file()).unwrap()
    }

    /// Copies a store whose writer is closed.
    pub fn copy(&self) -> Place {
        let copy = Place::new();
        std::fs::copy(self.file(), copy.file()).unwrap();
        copy
    }
}

/// Draws numbers, the same in each run.
pub struct Draw(pub u64);

impl Draw {
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }

    pub fn of<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len() as u64) as usize]
    }
}

/// Makes a plain event about an agent.
pub fn event(seq: u64, text: &str) -> Event {
    let agent = AgentKey::new(RunId(1), "claude");
    Event {
        seq: EventSeq(seq),
        at: Timestamp(1_000_000 + seq as i64),
        actor: Actor::Agent { agent: agent.clone() },
        run: Some(agent.run),
        agent: Some(agent),
        cause: (seq > 1).then(|| EventSeq(seq - 1)),
        paths: vec![format!("src/{}.rs", seq % 3).into_bytes()],
        body: TextDisplayed { text: text.to_owned(), last: true }.into(),
    }
}

/// The agent of plain events.
pub fn claude() -> AgentKey {
    AgentKey::new(RunId(1), "claude")
}

pub fn batch(events: Vec<Event>) -> Batch {
    Batch { events, ..Batch::default() }
}

/// Commits `count` plain events in batches of ten.
pub fn fill(writer: &mut Writer, first: u64, count: u64) {
    let seqs: Vec<u64> = (first..first + count).collect();
    for seqs in seqs.chunks(10) {
        writer.commit(&batch(seqs.iter().map(|seq| event(*seq, &format!("event {seq}"))).collect())).unwrap();
    }
}

const TEXTS: [&str; 8] = [
    "first line\nsecond line",
    "the \"quoted\" word and a back\\slash",
    "École café e\u{301}te\u{301} 🎈 ΟΔΟΣ Straße",
    "snake_case kebab-case path/to/file.rs",
    "NEAR AND OR NOT body",
    "numbers 17 and 4.5 and 0x1f",
    "tab\tseparated\u{7}control",
    "",
];

/// Makes an event of any agent, type, run, path and text.
pub fn varied(seq: u64, draw: &mut Draw) -> Event {
    let agent = AgentKey::new(RunId(1 + seq / 120), *draw.of(&["claude", "rehearsal", "rehearsal-2"]));
    let words = format!("{} {}", draw.of(&TEXTS), draw.of(&TEXTS));
    let kind = draw.below(6);
    let body: EventBody = match kind {
        // Turns that ever grow: which one is the newest depends on the agent.
        4 => {
            TurnStarted { turn: seq as u32, prompt: None, evidence: "hook".into(), text: Some(words) }.into()
        }
        5 => ToolFailed {
            tool: (*draw.of(&["Edit", "Bash"])).into(),
            tool_use_id: None,
            error: words,
            interrupted: false,
        }
        .into(),
        0 => TextDisplayed { text: words, last: true }.into(),
        1 => TurnEnded { turn: 3, outcome: TurnOutcome::Done, message: Some(words) }.into(),
        2 => NotificationShown { message: words, category: "idle_prompt".into() }.into(),
        _ => ToolFinished {
            tool: "Bash".into(),
            tool_use_id: None,
            input: json!({"command": words, "timeout": 17}),
            response: json!([{"stdout": "café"}, null, true]),
            duration_ms: Some(4),
        }
        .into(),
    };
    let has_agent = draw.below(8) > 0;
    let mut paths: Vec<Vec<u8>> = Vec::new();
    for _ in 0..draw.below(4) {
        paths
            .push(draw.of(&[&b"src/a.rs"[..], b"src/b.rs", b"caf\xe9.rs", b"with space/and\nline"]).to_vec());
    }
    Event {
        seq: EventSeq(seq),
        // Several events share a moment.
        at: Timestamp(1_000_000 + (seq / 5 * 10) as i64),
        actor: if has_agent {
            Actor::Agent { agent: agent.clone() }
        } else {
            Actor::Human { user: "ada".into() }
        },
        run: has_agent.then_some(agent.run),
        agent: has_agent.then_some(agent),
        cause: seq.checked_sub(1 + draw.below(7)).filter(|cause| *cause > 0).map(EventSeq),
        paths,
        body,
    }
}
