//! The kinds of agents, read again when the user's files changed: a host may live for days.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use orchflow_agent::catalogue::Catalogue;

use crate::world::lock;

/// The catalogue as it was read.
#[derive(Debug)]
pub struct Kinds {
    /// The kinds of agents.
    pub catalogue: Catalogue,
    /// What was wrong with the user's files.
    pub problems: Vec<String>,
}

/// How old "a moment ago" may be.
const LATELY: Duration = Duration::from_secs(1);

/// A file as it was when it was read: its name, when it was changed, its length in bytes.
type Stamp = (PathBuf, Option<SystemTime>, u64);

/// Reads the catalogue and keeps it while its files stay as they are.
#[derive(Debug)]
pub(crate) struct KindsReader {
    folder: PathBuf,
    last: Mutex<Last>,
}

#[derive(Debug)]
struct Last {
    stamps: Vec<Stamp>,
    kinds: Arc<Kinds>,
    looked: Instant,
}

impl KindsReader {
    /// Reads the built-in kinds and those of the user's folder.
    pub(crate) fn new(folder: PathBuf) -> KindsReader {
        let stamps = stamps(&folder);
        let kinds = Arc::new(read(&folder));
        KindsReader { folder, last: Mutex::new(Last { stamps, kinds, looked: Instant::now() }) }
    }

    /// Gives the kinds as they are now.
    pub(crate) fn now(&self) -> Arc<Kinds> {
        let stamps = stamps(&self.folder);
        let mut last = lock(&self.last);
        if last.stamps != stamps {
            (last.stamps, last.kinds) = (stamps, Arc::new(read(&self.folder)));
        }
        last.looked = Instant::now();
        Arc::clone(&last.kinds)
    }

    /// Gives the kinds as they are, or were a moment ago: for what comes thousands of times a second.
    pub(crate) fn lately(&self) -> Arc<Kinds> {
        let last = lock(&self.last);
        if last.looked.elapsed() < LATELY {
            return Arc::clone(&last.kinds);
        }
        drop(last);
        self.now()
    }
}

fn read(folder: &Path) -> Kinds {
    let (catalogue, problems) = Catalogue::load(Some(folder));
    Kinds { catalogue, problems: problems.iter().map(ToString::to_string).collect() }
}

fn stamps(folder: &Path) -> Vec<Stamp> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut stamps: Vec<Stamp> = entries
        .flatten()
        .map(|entry| {
            let metadata = std::fs::metadata(entry.path()).ok();
            let changed = metadata.as_ref().and_then(|metadata| metadata.modified().ok());
            (entry.path(), changed, metadata.map_or(0, |metadata| metadata.len()))
        })
        .collect();
    stamps.sort();
    stamps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_folder_is_read_again() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("agents");
        let reader = KindsReader::new(folder.clone());
        assert!(reader.now().catalogue.get("mine").is_none());
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("mine.toml"), "program = 'x'").unwrap();
        let first = reader.now();
        assert!(first.catalogue.get("mine").is_some());
        assert!(Arc::ptr_eq(&first, &reader.now()), "and only then");
        std::fs::write(folder.join("mine.toml"), "programme = 'x'").unwrap();
        let broken = reader.now();
        assert!(broken.catalogue.get("mine").is_none());
        assert!(broken.problems[0].contains("programme"), "{:?}", broken.problems);
    }
}
