//! Keeps a second writer out.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use crate::StoreError;

/// The right to write a store, held by one process at a time; the system takes it back when the process
/// ends, however it ends.
///
/// It is a file beside the store: to open and close the store's own file outside SQLite would drop
/// SQLite's locks on it.
#[derive(Debug)]
pub(crate) struct WriterGuard {
    _file: File,
}

impl WriterGuard {
    /// Takes the right, at once or not at all.
    ///
    /// # Errors
    /// [`StoreError::Locked`] when another writer has it.
    pub(crate) fn take(store: &Path) -> Result<WriterGuard, StoreError> {
        let file = private()
            .create(true)
            .truncate(false)
            .open(beside(store))
            .map_err(|error| fail(store, &error))?;
        match file.try_lock() {
            Ok(()) => Ok(WriterGuard { _file: file }),
            Err(TryLockError::WouldBlock) => Err(StoreError::Locked),
            Err(TryLockError::Error(error)) => Err(fail(store, &error)),
        }
    }
}

/// Makes an empty file where the store will be, readable by its owner only: it holds what people and
/// agents say to each other. A store that is there already is left as it is.
///
/// # Errors
/// [`StoreError::Full`]; what else is wrong with the place, SQLite says next.
pub(crate) fn make_private(store: &Path) -> Result<(), StoreError> {
    match private().create_new(true).open(store) {
        Err(error) if error.kind() == io::ErrorKind::StorageFull => Err(fail(store, &error)),
        _ => Ok(()),
    }
}

fn private() -> OpenOptions {
    let mut options = File::options();
    options.write(true).mode(0o600);
    options
}

fn beside(store: &Path) -> PathBuf {
    let mut name = store.as_os_str().to_owned();
    name.push(".lock");
    PathBuf::from(name)
}

fn fail(store: &Path, error: &io::Error) -> StoreError {
    let path = store.to_path_buf();
    if error.kind() == io::ErrorKind::StorageFull {
        return StoreError::Full { path };
    }
    let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CANTOPEN);
    let why = format!("its lock cannot be taken: {error}");
    StoreError::Open { path, source: rusqlite::Error::SqliteFailure(code, Some(why)) }
}
