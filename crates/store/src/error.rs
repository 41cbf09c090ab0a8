//! What can go wrong with the store, in the user's words.

use std::path::PathBuf;

/// Says why the store cannot do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk is full; nothing was written.
    #[error("the disk that holds {path} is full; free some space, then go on")]
    Full {
        /// The store's file.
        path: PathBuf,
    },
    /// The file cannot be opened or created.
    #[error("the store {path} cannot be opened: {source}; check its folder's permissions")]
    Open {
        /// The store's file.
        path: PathBuf,
        /// SQLite's reason.
        source: rusqlite::Error,
    },
    /// A newer orchflow wrote the file.
    #[error("the store has schema version {found}, and this orchflow knows {known}; use the newer orchflow")]
    TooNew {
        /// The version in the file.
        found: i64,
        /// The newest version known here.
        known: i64,
    },
    /// Another process writes the store.
    #[error("another process writes the store; only one host may")]
    Locked,
    /// A row or an aggregate is not what it should be.
    #[error("the store is damaged: {0}; `orchflow log verify` says where")]
    Damaged(String),
    /// Anything else SQLite says.
    #[error("the store failed: {0}")]
    Sqlite(#[from] rusqlite::Error),
}

impl StoreError {
    /// Sorts a SQLite error of a write to `path`.
    pub(crate) fn of_write(path: &std::path::Path, error: rusqlite::Error) -> StoreError {
        use rusqlite::ErrorCode;
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => StoreError::Full { path: path.to_path_buf() },
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Locked,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                StoreError::Damaged(error.to_string())
            }
            Some(ErrorCode::SystemIoFailure) if is_about_space(&error) => {
                StoreError::Full { path: path.to_path_buf() }
            }
            _ => StoreError::Sqlite(error),
        }
    }

    /// Sorts a SQLite error of opening `path`.
    pub(crate) fn of_open(path: &std::path::Path, error: rusqlite::Error) -> StoreError {
        match StoreError::of_write(path, error) {
            StoreError::Sqlite(source) => StoreError::Open { path: path.to_path_buf(), source },
            other => other,
        }
    }
}

/// Tells whether the system failed at making room: SQLite calls a full disk so where it enlarges its
/// shared memory or flushes what the system had taken over already.
fn is_about_space(error: &rusqlite::Error) -> bool {
    use rusqlite::ffi;
    let code = error.sqlite_error().map_or(0, |error| error.extended_code);
    matches!(
        code,
        ffi::SQLITE_IOERR_WRITE
            | ffi::SQLITE_IOERR_FSYNC
            | ffi::SQLITE_IOERR_DIR_FSYNC
            | ffi::SQLITE_IOERR_TRUNCATE
            | ffi::SQLITE_IOERR_SHMSIZE
            | ffi::SQLITE_IOERR_SHMMAP
    )
}
