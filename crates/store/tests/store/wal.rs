//! A write-ahead log that a reader keeps from being folded: the reader is named, once, and it is taken back.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use orchflow_store::Writer;
use rusqlite::Connection;

use crate::support::{Place, fill};

/// The limit of these tests: a megabyte.
const LIMIT: u64 = 1 << 20;

/// Names the file a process of [`reads_without_an_end`] reads.
const FILE: &str = "ORCHFLOW_TEST_READS";

/// Not a test of its own: another process that begins a read and ends it when its standard input closes.
#[test]
fn reads_without_an_end() {
    let Some(file) = std::env::var_os(FILE) else { return };
    let connection = Connection::open(file).unwrap();
    connection.execute_batch("BEGIN").unwrap();
    let _: i64 =
        connection.query_row("SELECT count(*) FROM development_events", [], |row| row.get(0)).unwrap();
    let mut out = std::io::stdout();
    out.write_all(b"\nreads\n").and_then(|()| out.flush()).unwrap();
    let _ = std::io::stdin().read_line(&mut String::new());
}

struct OtherReader(Child);

impl OtherReader {
    fn start(file: &Path) -> OtherReader {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["wal::reads_without_an_end", "--exact", "--nocapture"])
            .env(FILE, file)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap() == "reads"), "it reads");
        OtherReader(child)
    }

    fn end(mut self) {
        drop(self.0.stdin.take());
        self.0.wait().unwrap();
    }
}

impl Drop for OtherReader {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn wal_length(place: &Place) -> u64 {
    std::fs::metadata(place.file().with_extension("db-wal")).map_or(0, |metadata| metadata.len())
}

/// Commits until the log has passed the limit; gives the next place.
fn grow(writer: &mut Writer, place: &Place, mut next: u64) -> u64 {
    let until = next + 20_000;
    while wal_length(place) <= LIMIT && next < until {
        fill(writer, next, 50);
        next += 50;
        assert!(writer.long_wal().is_none() || wal_length(place) > LIMIT, "too early");
    }
    next
}

#[test]
fn a_reader_that_lets_the_log_grow_is_named_until_it_ends() {
    let place = Place::new();
    let (mut writer, _) = Writer::open_with(&place.file(), LIMIT).unwrap();
    fill(&mut writer, 1, 10);
    let reader = OtherReader::start(&place.file());
    // Somebody who has it open and reads nothing is not to blame; nor is a reader of our own.
    let open = place.sql();
    open.query_row("SELECT count(*) FROM development_events", [], |_| Ok(())).unwrap();
    let mut next = grow(&mut writer, &place, 11);
    let long = writer.long_wal().expect("it is told").clone();
    let pids: Vec<i32> = long.holders.iter().map(|holder| holder.pid).collect();
    assert_eq!(pids, [i32::try_from(reader.0.id()).unwrap()]);
    let told = long.to_string();
    for part in
        [&format!("process {}", pids[0]), "reads_without_an_end", "events.db-wal", "1 MB", "end that read"]
    {
        assert!(told.contains(part), "{part}: {told}");
    }
    // It grows on, and the same is said of it.
    fill(&mut writer, next, 500);
    next += 500;
    assert_eq!(writer.long_wal(), Some(&long));
    writer.shorten_wal();
    assert!(writer.wal_is_long(), "the reader still reads");
    assert_eq!(writer.long_wal(), Some(&long));
    reader.end();
    writer.shorten_wal();
    assert!(wal_length(&place) <= LIMIT);
    assert!(!writer.wal_is_long() && writer.long_wal().is_none(), "it is taken back");
    fill(&mut writer, next, 10);
    assert!(writer.long_wal().is_none());
}

#[test]
fn a_long_log_that_is_nobody_elses_fault_names_nobody() {
    let place = Place::new();
    let (mut writer, _) = Writer::open_with(&place.file(), LIMIT).unwrap();
    fill(&mut writer, 1, 10);
    let own = place.sql();
    own.execute_batch("BEGIN").unwrap();
    own.query_row("SELECT count(*) FROM development_events", [], |_| Ok(())).unwrap();
    grow(&mut writer, &place, 11);
    assert!(wal_length(&place) > LIMIT);
    assert!(writer.long_wal().is_none() && writer.wal_is_long());
    own.execute_batch("COMMIT").unwrap();
    writer.shorten_wal();
    assert!(!writer.wal_is_long());
}
