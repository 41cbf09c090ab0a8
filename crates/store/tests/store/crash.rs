//! A writer that is killed at any moment has lost nothing that it acknowledged.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use orchflow_core::effect::{Effect, EffectBody, EffectId};
use orchflow_store::verify::verify;
use orchflow_store::{Batch, EventFilter, Page, StoreError, Writer};

use crate::support::{Draw, Place, claude, event};

const STORE: &str = "ORCHFLOW_TEST_STORE_OF_A_WRITER_TO_BE_KILLED";

/// Not a test of its own: the process that the tests below start and kill.
#[test]
fn writes_until_it_is_killed() {
    let Some(path) = std::env::var_os(STORE) else { return };
    let (mut writer, loaded) = Writer::open(Path::new(&path)).unwrap();
    let mut next = loaded.next_seq.0;
    let mut draw = Draw(next + 99);
    let mut out = std::io::stdout().lock();
    writeln!(out, "open").unwrap();
    loop {
        let count = 1 + draw.below(40);
        let events = (next..next + count).map(|seq| event(seq, &format!("event {seq}"))).collect();
        next += count;
        let last = next - 1;
        let agent = "1/claude".parse().unwrap();
        let effect = Effect {
            id: EffectId { seq: orchflow_core::EventSeq(last), index: 0 },
            body: EffectBody::StopAgent { agent },
        };
        let batch = Batch {
            events,
            aggregates: vec![("sample", "last".to_owned(), Some(last.to_string()))],
            outbox_add: vec![effect],
            reports_seen: vec![(claude(), format!("report-{last}"))],
            ..Batch::default()
        };
        writer.commit(&batch).unwrap();
        writeln!(out, "acknowledged {last}").unwrap();
        out.flush().unwrap();
        match draw.below(12) {
            0 => writer.seal().unwrap(),
            1 | 2 => drop(writer.index_text(30).unwrap()),
            _ => {}
        }
    }
}

/// Starts the process above, kills it after so many acknowledgements, and gives the last it gave.
fn killed_after(place: &Place, acknowledgements: u64) -> u64 {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::writes_until_it_is_killed", "--nocapture"])
        .env(STORE, place.file())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut last = 0;
    let mut note = |line: &str| match line.strip_prefix("acknowledged ") {
        Some(seq) => {
            last = seq.parse().unwrap();
            true
        }
        None => false,
    };
    let mut count = 0;
    for line in lines.by_ref() {
        let line = line.unwrap();
        count += u64::from(note(&line));
        if (acknowledgements == 0 && line.ends_with("open")) || count >= acknowledgements.max(1) {
            break;
        }
    }
    child.kill().unwrap();
    // What it still said before it died was acknowledged as well; a torn last line was not.
    for line in lines.map_while(Result::ok) {
        if line.len() > "acknowledged ".len() {
            note(&line);
        }
    }
    child.wait().unwrap();
    last
}

#[test]
fn every_acknowledged_event_is_there_after_a_kill() {
    let place = Place::new();
    let mut stood = 0;
    for acknowledgements in [0, 1, 2, 3, 5, 17, 40, 1, 90, 7, 0, 25] {
        let acknowledged = killed_after(&place, acknowledgements).max(stood);
        let (mut writer, loaded) = place.open();
        let last = loaded.next_seq.0 - 1;
        assert!(last >= acknowledged, "acknowledged {acknowledged}, found {last}");
        let verdict = verify(&place.file()).unwrap();
        assert_eq!((verdict.checked, verdict.broken), (last, None));
        // A commit is whole: all of it is there or nothing.
        if last > 0 {
            let kept: String = place
                .sql()
                .query_row("SELECT data FROM aggregates WHERE kind = 'sample'", [], |row| row.get(0))
                .unwrap();
            assert_eq!(kept, last.to_string());
            assert_eq!(loaded.outbox.last().unwrap().id.seq.0, last);
            assert!(place.reader().has_report(&claude(), &format!("report-{last}")).unwrap());
        }
        // Search finds each event once, and the index goes on.
        while writer.index_text(1000).unwrap() {}
        let filter = EventFilter { text: Some("event".to_owned()), ..EventFilter::default() };
        let found = place.reader().page(&filter, Page::After(0), usize::MAX).unwrap();
        assert!(found.iter().map(|row| row.seq).eq(1..=last));
        stood = last;
    }
    assert!(stood > 100, "it wrote a good many: {stood}");
}

#[test]
fn a_second_writer_is_told() {
    let place = Place::new();
    let first = place.writer();
    assert!(matches!(Writer::open(&place.file()), Err(StoreError::Locked)), "in the same process");
    drop(first);
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::writes_until_it_is_killed", "--nocapture"])
        .env(STORE, place.file())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    lines.find(|line| line.as_ref().is_ok_and(|line| line.starts_with("acknowledged"))).unwrap().unwrap();
    let refused = Writer::open(&place.file());
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(matches!(refused, Err(StoreError::Locked)), "in another process");
    drop(place.writer());
}
