//! How a store's file is opened for reading, also where no room is left for what SQLite keeps beside it.
//!
//! Processes that share a file in WAL mode meet in a map of the log, `-shm`, which the first of them makes anew. On a
//! disk that is full there is no room for it. One process alone needs none: SQLite keeps the map in memory then, and
//! sees all that was committed, also what stands only in the write-ahead log.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::StoreError;

/// How long a read beside others waits.
const BESIDE: Duration = Duration::from_millis(500);
/// How long a read that must be alone waits for another such read before it makes way, and tries again.
const ALONE: Duration = Duration::from_millis(20);
/// How often it tries.
const ATTEMPTS: u32 = 100;

/// Opens an existing store for reading beside others.
///
/// # Errors
/// [`StoreError::Full`] where there is no room for the map; [`StoreError::Open`] when the store is not there or not
/// readable.
pub(crate) fn beside(path: &Path) -> Result<Connection, StoreError> {
    open(path, BESIDE, |_| Ok(()))
}

/// Opens an existing store for reading, with nobody else at it while it is read. Nothing is written, also not when it
/// is closed.
///
/// # Errors
/// [`StoreError::Locked`] when others are at it; as [`beside`].
pub(crate) fn alone(path: &Path) -> Result<Connection, StoreError> {
    let mut attempt = 0;
    loop {
        attempt += 1;
        let opened = open(path, ALONE, |connection| {
            connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
            connection.pragma_update(None, "locking_mode", "EXCLUSIVE")
        });
        match opened {
            // Two that both look and both want to be alone would wait for each other; one has to let go.
            Err(StoreError::Locked) if attempt < ATTEMPTS => {
                let mut spread = [0u8; 1];
                let _ = rustix::rand::getrandom(&mut spread, rustix::rand::GetRandomFlags::empty());
                std::thread::sleep(Duration::from_millis(2 + u64::from(spread[0] % 32)));
            }
            opened => return opened,
        }
    }
}

fn open(
    path: &Path,
    patience: Duration,
    prepare: impl FnOnce(&Connection) -> rusqlite::Result<()>,
) -> Result<Connection, StoreError> {
    // Also a reader may have to mend the map, which a connection that cannot write may not.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let opened = || -> rusqlite::Result<Connection> {
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(patience)?;
        prepare(&connection)?;
        connection.pragma_update(None, "query_only", true)?;
        connection.pragma_update(None, "cache_size", -4096)?;
        connection.set_prepared_statement_cache_capacity(32);
        // Nothing was read so far: what is in the way shows here.
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
        Ok(connection)
    };
    opened().map_err(|error| StoreError::of_open(path, error))
}
