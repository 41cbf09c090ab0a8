//! The write-ahead log beside a store, and who keeps it from being folded into the file.
//!
//! SQLite folds the log by itself and begins it anew, unless somebody reads a state of the file that is older: what is
//! newer has to stay in the log as long as that read lasts. A read of ours lasts a moment; another program may forget to end
//! its own, and the log grows until the disk is full.

use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use orchflow_core::describe::one_line;

/// The log may be so long without a word, in bytes.
pub const WAL_LIMIT: u64 = 64 * 1024 * 1024;

/// Looked for this often at most, while the log is too long.
const PAUSE: Duration = Duration::from_secs(10);

/// The bytes of the map (`-shm`) that a read locks while it lasts: `WAL_READ_LOCK(0)` to `WAL_READ_LOCK(4)` of SQLite's
/// WAL-index format.
const READ_LOCKS: std::ops::RangeInclusive<u64> = 123..=127;

/// The most characters of a command that are shown.
const COMMAND: usize = 80;
/// How often nobody has to be found before nobody is to blame.
const LOOKS: u32 = 4;

/// A process that reads the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Its number.
    pub pid: i32,
    /// Its command line, in one line.
    pub command: String,
}

/// Says that the log is too long, and whose reads keep it so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LongWal {
    /// The log's file.
    pub path: PathBuf,
    /// The length it passed, in bytes.
    pub limit: u64,
    /// Who reads.
    pub holders: Vec<Holder>,
}

impl fmt::Display for LongWal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let who: Vec<String> = self
            .holders
            .iter()
            .map(|holder| format!("process {} ({})", holder.pid, holder.command))
            .collect();
        let who = who.join(", ");
        let limit = self.limit / (1024 * 1024);
        write!(
            formatter,
            "{who} reads the store without an end, so its write-ahead log {} grows past {limit} MB; end that read or that \
             process, or the disk fills up",
            self.path.display()
        )
    }
}

/// Watches the length of a store's log, whenever something was written to it.
#[derive(Debug)]
pub(crate) struct WalWatch {
    path: PathBuf,
    map: PathBuf,
    limit: u64,
    looked: Option<Instant>,
    long: Option<LongWal>,
}

impl WalWatch {
    pub(crate) fn new(store: &Path, limit: u64) -> WalWatch {
        let beside = |end: &str| {
            let mut name = store.as_os_str().to_owned();
            name.push(end);
            PathBuf::from(name)
        };
        WalWatch { path: beside("-wal"), map: beside("-shm"), limit, looked: None, long: None }
    }

    /// Tells whether the log was too long at the last look, whoever is to blame.
    pub(crate) fn is_long(&self) -> bool {
        self.looked.is_some()
    }

    /// Tells when it was looked for who reads, while the log is too long.
    pub(crate) fn looked(&self) -> Option<Instant> {
        self.looked
    }

    /// Gives what the last look found.
    pub(crate) fn found(&self) -> Option<&LongWal> {
        self.long.as_ref()
    }

    /// Looks at the log's length, and for who reads when it is too long.
    pub(crate) fn look(&mut self) -> Option<&LongWal> {
        let length = fs::metadata(&self.path).map_or(0, |metadata| metadata.len());
        if length <= self.limit {
            (self.looked, self.long) = (None, None);
        } else if self.looked.is_none_or(|looked| looked.elapsed() >= PAUSE) {
            self.looked = Some(Instant::now());
            // The system's list of locks is read in parts, and locks that come and go meanwhile can hide others.
            let looks = (0..LOOKS).map(|_| holders(&self.map));
            let holders = looks.into_iter().find(|found| !found.is_empty()).unwrap_or_default();
            // Nobody else: it is a long read of our own, or one large commit.
            self.long = (!holders.is_empty()).then(|| LongWal {
                path: self.path.clone(),
                limit: self.limit,
                holders,
            });
        }
        self.long.as_ref()
    }
}

/// Finds the other processes that are in the middle of a read, by their locks on the map; where the system does not
/// tell of locks, those that have the map open.
fn holders(map: &Path) -> Vec<Holder> {
    let Ok(metadata) = fs::metadata(map) else { return Vec::new() };
    let mut pids = match fs::read_to_string("/proc/locks") {
        Ok(locks) => {
            let readers = readers(&locks, metadata.ino());
            readers.into_iter().filter(|pid| has_open(*pid, map) != Some(false)).collect()
        }
        Err(_) => others().filter(|pid| has_open(*pid, map) == Some(true)).collect::<Vec<i32>>(),
    };
    let own = i32::try_from(std::process::id()).unwrap_or(0);
    pids.retain(|pid| *pid != own);
    pids.sort_unstable();
    pids.dedup();
    pids.into_iter().map(|pid| Holder { pid, command: command(pid) }).collect()
}

/// Reads from `/proc/locks` who locks the bytes of a read in a file. The device stands there too, but not every file
/// system gives the same one to `stat`.
fn readers(locks: &str, inode: u64) -> Vec<i32> {
    let reader = |line: &str| -> Option<i32> {
        // 1: POSIX  ADVISORY  READ 4242 00:2b:5678 124 124
        let mut words = line.split_whitespace().skip(1);
        let posix = words.next()? == "POSIX";
        let (_, _, pid, file) = (words.next()?, words.next()?, words.next()?, words.next()?);
        let (first, last) = (words.next()?.parse::<u64>().ok()?, words.next()?);
        let last = last.parse::<u64>().unwrap_or(u64::MAX);
        let is_it = file.rsplit(':').next()?.parse() == Ok(inode);
        let reads = first <= *READ_LOCKS.end() && last >= *READ_LOCKS.start();
        let pid: i32 = pid.parse().ok()?;
        (posix && is_it && reads && pid > 0).then_some(pid)
    };
    locks.lines().filter_map(reader).collect()
}

fn others() -> impl Iterator<Item = i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// Tells whether a process has a file open; `None` when that may not be looked at.
fn has_open(pid: i32, file: &Path) -> Option<bool> {
    let mut files = fs::read_dir(format!("/proc/{pid}/fd")).ok()?.flatten();
    let file = fs::canonicalize(file).ok()?;
    Some(files.any(|open| fs::read_link(open.path()).is_ok_and(|target| target == file)))
}

fn command(pid: i32) -> String {
    told(&fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default())
}

/// Says a command line in short: the program without its folders, which may be long and say little.
fn told(words: &[u8]) -> String {
    let program = words.split(|byte| *byte == 0).next().unwrap_or_default();
    let folders = program.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
    let words = words.get(folders..).unwrap_or_default();
    let words: Vec<u8> = words.iter().map(|byte| if *byte == 0 { b' ' } else { *byte }).collect();
    let line = one_line(String::from_utf8_lossy(&words).trim());
    match line.char_indices().nth(COMMAND) {
        _ if line.is_empty() => "its command cannot be read".to_owned(),
        Some((at, _)) => format!("{}…", line.get(..at).unwrap_or(&line)),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_told_by_its_program() {
        assert_eq!(told(b"/a long/folder/sqlite3\0/tmp/events.db\0"), "sqlite3 /tmp/events.db");
        assert_eq!(told(b"sqlite3\0"), "sqlite3");
        assert_eq!(told(b""), "its command cannot be read");
        let cut = told(format!("/bin/x\0{}", "y".repeat(200)).as_bytes());
        assert_eq!((cut.chars().count(), cut.ends_with('…')), (COMMAND + 1, true));
    }

    #[test]
    fn a_read_is_known_by_its_lock() {
        let locks = "1: POSIX  ADVISORY  READ 4242 00:2b:77 124 124\n\
                     2: POSIX  ADVISORY  READ 4243 00:2b:77 128 128\n\
                     2: -> POSIX  ADVISORY  READ 4250 00:2b:77 124 124\n\
                     3: POSIX  ADVISORY  WRITE 4244 00:2b:77 120 120\n\
                     4: POSIX  ADVISORY  READ 4245 00:2b:78 124 124\n\
                     5: FLOCK  ADVISORY  WRITE 4246 00:2b:77 0 EOF\n\
                     6: POSIX  ADVISORY  READ 0 00:2b:77 123 123\n\
                     7: POSIX  ADVISORY  WRITE 4247 00:2b:77 120 EOF\n\
                     nonsense\n";
        assert_eq!(readers(locks, 77), [4242, 4247]);
    }
}
