//! Somebody else's read that lets the store's write-ahead log grow: the human is told who, once.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use orchflow_testkit::{Sandbox, wait_for};
use rusqlite::Connection;
use serde_json::json;

use crate::{WRITER, sandbox};

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
            .args(["endless_reader::reads_without_an_end", "--exact", "--nocapture"])
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

fn warnings(sandbox: &Sandbox) -> serde_json::Value {
    sandbox.orchflow(["status", "--json"]).expect(0).json()["warnings"].clone()
}

#[test]
fn a_reader_that_lets_the_log_grow_is_named_in_status_and_log() {
    let sandbox = sandbox();
    sandbox.add_rehearsal("writer", WRITER);
    sandbox.orchflow(["swarm", "--wait", "--json", "--agents", "writer", "do it"]).expect(0);
    let store = sandbox.store().join("events.db");
    let reader = OtherReader::start(&store);
    let pid = reader.0.id();
    let length = || std::fs::metadata(store.with_extension("db-wal")).map_or(0, |wal| wal.len());
    sandbox.orchflow(["send", "--json", "writer", "some"]).expect(0);
    assert_eq!(warnings(&sandbox), json!([]), "not before its time");
    // What the host would write in days, in one go.
    let days = Connection::open(&store).unwrap();
    days.execute_batch("PRAGMA wal_autocheckpoint = 0; CREATE TABLE days (work); INSERT INTO days VALUES (zeroblob(70000000))")
        .unwrap();
    drop(days);
    assert!(length() > 64 << 20, "{}", length());
    sandbox.orchflow(["send", "--json", "writer", "and more"]).expect(0);
    wait_for("the reader is named", || warnings(&sandbox) != json!([]));
    let told = warnings(&sandbox);
    assert_eq!(told.as_array().unwrap().len(), 1, "{told}");
    let told = told[0].as_str().unwrap().to_owned();
    for part in [&format!("process {pid} ("), "endless_reader::reads_with", "64 MB", "end that read"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    let text = sandbox.orchflow(["status"]).expect(0);
    assert!(text.stderr.contains(&format!("process {pid}")), "{text:?}");
    // It is said once, however long it goes on.
    sandbox.orchflow(["send", "--json", "writer", "still more"]).expect(0);
    assert_eq!(warnings(&sandbox), json!([told]));
    let log = std::fs::read_to_string(sandbox.store().join("host.log")).unwrap();
    assert_eq!(log.matches("write-ahead log grows").count(), 1, "{log}");
    reader.end();
    // The next commit, or at the latest the next look, finds that nobody reads any more.
    wait_for("it is taken back", || warnings(&sandbox) == json!([]));
    assert!(length() <= 64 << 20);
    sandbox.leave_nothing();
}
