//! Folds the write-ahead log into the store's file beside the commits, not within one of them.
//!
//! SQLite by itself copies a long log in the commit that made it long, which takes milliseconds in which nobody's report is
//! acknowledged. Here another thread copies while commits go on; what they add meanwhile is copied between two of them, so
//! that the log begins anew.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use rusqlite::{Connection, OpenFlags};

/// A log of so many pages is folded.
const PAGES: u64 = 4000;
/// So many more pages make it worth another attempt, where a reader kept some of them from being folded.
const MORE: u64 = 1000;
/// How often what was added meanwhile is copied too, before the rest is left to the writer.
const ROUNDS: u32 = 3;

/// How far the log is folded, in pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Folded {
    length: u64,
    folded: u64,
}

impl Folded {
    fn is_whole(self) -> bool {
        self.folded >= self.length
    }
}

/// Watches the length of one connection's log and has it folded.
#[derive(Debug)]
pub(crate) struct Folding {
    path: PathBuf,
    /// The length of the log after the last commit, in pages.
    length: Arc<AtomicU64>,
    /// The length at which it is folded.
    next: u64,
    running: Option<JoinHandle<Option<Folded>>>,
}

impl Folding {
    pub(crate) fn new(path: &Path) -> Folding {
        Folding { path: path.to_path_buf(), length: Arc::default(), next: PAGES, running: None }
    }

    /// Counts what is committed on a connection from now on, which then folds nothing by itself.
    ///
    /// # Errors
    /// What SQLite says.
    pub(crate) fn watch(&self, connection: &mut Connection) -> rusqlite::Result<()> {
        let length = Arc::clone(&self.length);
        connection.wal_hook(Some(move |_: &mut _, pages| {
            length.store(u64::try_from(pages).unwrap_or(0), Ordering::Relaxed);
            Ok(())
        }))
    }

    /// Has the log folded if it is long. To be called between two commits.
    pub(crate) fn look(&mut self, connection: &Connection) {
        let length = self.length.load(Ordering::Relaxed);
        match self.running.take() {
            Some(running) if running.is_finished() => {
                let told = running.join().ok().flatten();
                let is_whole = match told {
                    Some(told) if told.is_whole() && told.length == length => true,
                    _ => fold(connection).is_ok_and(Folded::is_whole),
                };
                self.next = if is_whole { PAGES } else { length + MORE };
            }
            Some(running) => self.running = Some(running),
            None if length >= self.next => {
                let path = self.path.clone();
                self.running = Some(std::thread::spawn(move || fold_beside(&path).ok()));
            }
            None => {}
        }
    }

    /// Waits until nothing is being folded.
    pub(crate) fn finish(&mut self) {
        if let Some(running) = self.running.take() {
            let _ = running.join();
        }
    }
}

impl Drop for Folding {
    fn drop(&mut self) {
        self.finish();
    }
}

/// Copies what stands in the log, and what is added meanwhile, as long as that becomes less.
fn fold_beside(path: &Path) -> rusqlite::Result<Folded> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    let mut folded = fold(&connection)?;
    for _ in 1..ROUNDS {
        let before = folded;
        folded = fold(&connection)?;
        if folded == before {
            break;
        }
    }
    Ok(folded)
}

/// Copies what stands in the log and no reader still needs there; waits for nobody.
fn fold(connection: &Connection) -> rusqlite::Result<Folded> {
    connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| {
        let pages = |column| row.get::<_, i64>(column).map(|pages| u64::try_from(pages).unwrap_or(0));
        Ok(Folded { length: pages(1)?, folded: pages(2)? })
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

    use super::*;

    fn place() -> (tempfile::TempDir, PathBuf, Connection) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.db");
        let connection = Connection::open(&path).unwrap();
        connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(())).unwrap();
        connection.execute_batch("CREATE TABLE t (a)").unwrap();
        (folder, path, connection)
    }

    /// Commits until the log is at least so long.
    fn write(folding: &Folding, connection: &Connection, pages: u64) {
        while folding.length.load(Ordering::Relaxed) < pages {
            connection.execute("INSERT INTO t VALUES (zeroblob(400000))", []).unwrap();
        }
    }

    #[test]
    fn a_long_log_begins_anew_after_it_was_folded_beside_the_commits() {
        let (_folder, path, mut connection) = place();
        let mut folding = Folding::new(&path);
        folding.watch(&mut connection).unwrap();
        write(&folding, &connection, PAGES - 200);
        folding.look(&connection);
        assert!(folding.running.is_none(), "it is not long yet");
        write(&folding, &connection, PAGES);
        folding.look(&connection);
        assert!(folding.running.is_some());
        write(&folding, &connection, PAGES + 300);
        while folding.running.is_some() {
            folding.look(&connection);
        }
        connection.execute("INSERT INTO t VALUES (1)", []).unwrap();
        let length = folding.length.load(Ordering::Relaxed);
        assert!(length < 100, "it is {length} pages long");
        let rows: i64 = connection.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).unwrap();
        assert!(rows > 40, "{rows}");
    }

    #[test]
    fn what_a_reader_needs_is_folded_later() {
        let (_folder, path, mut connection) = place();
        let mut folding = Folding::new(&path);
        folding.watch(&mut connection).unwrap();
        let reader = Connection::open(&path).unwrap();
        reader.execute_batch("BEGIN; SELECT count(*) FROM t").unwrap();
        write(&folding, &connection, PAGES);
        folding.look(&connection);
        folding.finish();
        folding.running = Some(std::thread::spawn(|| None));
        while folding.running.is_some() {
            folding.look(&connection);
        }
        assert!(folding.next > PAGES, "not at each commit");
        reader.execute_batch("COMMIT").unwrap();
        write(&folding, &connection, folding.next);
        folding.look(&connection);
        while folding.running.is_some() {
            folding.look(&connection);
        }
        assert_eq!(folding.next, PAGES);
    }
}
