//! Others at the same file: readers, plain SQL, a writer that should not be there.

use std::sync::atomic::{AtomicBool, Ordering};

use orchflow_store::{EventFilter, Page, Reader, StoreError, Writer};
use rusqlite::{Connection, OpenFlags};

use crate::support::{Place, batch, event, fill};

#[test]
fn plain_sql_reads_while_the_writer_writes() {
    let place = Place::new();
    let mut writer = place.writer();
    fill(&mut writer, 1, 10);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let anybody = scope.spawn(|| {
            let sql = Connection::open_with_flags(place.file(), OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
            let mut counts: Vec<i64> = Vec::new();
            while !stop.load(Ordering::Acquire) {
                let (count, last): (i64, i64) = sql
                    .query_row("SELECT count(*), max(seq) FROM development_events", [], |row| {
                        Ok((row.get(0)?, row.get(1)?))
                    })
                    .unwrap();
                assert_eq!(count, last, "what is seen is whole");
                counts.push(count);
            }
            let text: String = sql
                .query_row(
                    "SELECT json_extract(event_data, '$.text') FROM development_events
                     WHERE event_type = 'text_displayed' AND ai_id = 'claude' ORDER BY seq DESC LIMIT 1",
                    [],
                    |row| row.get(0),
                )
                .unwrap();
            (counts, text)
        });
        fill(&mut writer, 11, 400);
        stop.store(true, Ordering::Release);
        let (counts, text) = anybody.join().unwrap();
        assert!(counts.is_sorted() && !counts.is_empty());
        assert_eq!(text, "event 410");
    });
}

#[test]
fn a_reader_in_the_middle_of_its_page_holds_nobody_up() {
    let place = Place::new();
    let mut writer = place.writer();
    fill(&mut writer, 1, 10);
    let held = place.sql();
    held.execute_batch("BEGIN").unwrap();
    let count = |sql: &Connection| -> i64 {
        sql.query_row("SELECT count(*) FROM development_events", [], |row| row.get(0)).unwrap()
    };
    assert_eq!(count(&held), 10);
    fill(&mut writer, 11, 300);
    writer.index_text(1000).unwrap();
    writer.seal().unwrap();
    assert_eq!(count(&held), 10, "its view stays what it was");
    held.execute_batch("COMMIT").unwrap();
    assert_eq!(count(&held), 310);
    writer.seal().unwrap();
}

#[test]
fn many_readers_page_beside_the_writer() {
    let place = Place::new();
    let mut writer = place.writer();
    fill(&mut writer, 1, 50);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let reader = place.reader();
                let mut cursor = 0;
                while !stop.load(Ordering::Acquire) || cursor < 450 {
                    for row in reader.page(&EventFilter::default(), Page::After(cursor), 37).unwrap() {
                        assert_eq!(row.seq, cursor + 1, "nothing is passed over");
                        cursor = row.seq;
                    }
                }
            });
        }
        fill(&mut writer, 51, 400);
        stop.store(true, Ordering::Release);
    });
}

#[test]
fn a_foreign_writer_makes_a_commit_fail_whole() {
    let place = Place::new();
    let mut writer = place.writer();
    fill(&mut writer, 1, 5);
    let foreign = place.sql();
    foreign.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = writer.commit(&batch(vec![event(6, "x"), event(7, "y")])).unwrap_err();
    assert!(matches!(error, StoreError::Locked), "{error}");
    foreign.execute_batch("ROLLBACK").unwrap();
    fill(&mut writer, 6, 5);
    assert_eq!(orchflow_store::verify::verify(&place.file()).unwrap().checked, 10);
}

#[test]
fn a_reader_cannot_write_and_needs_a_store() {
    let place = Place::new();
    assert!(matches!(Reader::open(&place.file()), Err(StoreError::Open { .. })));
    assert!(!place.file().exists(), "looking for a store makes none");
    assert!(matches!(orchflow_store::verify::verify(&place.file()), Err(StoreError::Open { .. })));
}

#[test]
fn what_is_no_store_is_named_and_left_alone() {
    let place = Place::new();
    let text = "this is a diary, and not a short one; it goes on for a while so that it looks like a file\n"
        .repeat(40);
    std::fs::write(place.file(), &text).unwrap();
    let error = Writer::open(&place.file()).unwrap_err();
    assert!(matches!(error, StoreError::Damaged(_)), "{error}");
    assert_eq!(std::fs::read_to_string(place.file()).unwrap(), text);
    let nowhere = place.file().join("in/a/file");
    assert!(matches!(Writer::open(&nowhere), Err(StoreError::Open { .. })));
}

#[test]
fn a_store_of_a_newer_version_is_left_alone() {
    let place = Place::new();
    {
        let sql = place.sql();
        sql.execute_batch("CREATE TABLE of_the_future (x); PRAGMA user_version = 99").unwrap();
    }
    let before = std::fs::read(place.file()).unwrap();
    let error = Writer::open(&place.file()).unwrap_err();
    assert!(matches!(error, StoreError::TooNew { found: 99, .. }), "{error}");
    assert!(error.to_string().contains("99") && error.to_string().contains("newer orchflow"), "{error}");
    assert!(matches!(orchflow_store::verify::verify(&place.file()), Err(StoreError::TooNew { .. })));
    assert_eq!(std::fs::read(place.file()).unwrap(), before);
}
