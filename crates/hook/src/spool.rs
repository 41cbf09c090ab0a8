//! The file that keeps an agent's reports while no host takes them.
//!
//! A record is `OFSP`, the payload's length and its CRC-32 (both 32 bits, little endian), then the
//! payload. Writers append under an exclusive `flock`, readers read under a shared one, so a record is
//! whole or was torn by a crash; torn bytes are found by their checksum and skipped. The host
//! begins at the front each time, for a report counts once by its id; the file is emptied only when all
//! of it was read and stored.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::FlockOperation;
use rustix::io::Errno;

use crate::checksum::crc32;

const MAGIC: [u8; 4] = *b"OFSP";
const HEADER_BYTES: usize = 12;

/// Largest payload of a record, in bytes.
pub const RECORD_LIMIT: usize = 40 << 20;

/// At least this much is looked at in one [`read`]; larger than the largest record, so that each fits.
const WINDOW_BYTES: u64 = 48 << 20;

/// How long another holder of the lock is waited for.
const LOCK_PATIENCE: Duration = Duration::from_secs(5);

/// Says why a spool could not be used.
#[derive(Debug)]
pub struct SpoolError {
    path: PathBuf,
    doing: &'static str,
    source: io::Error,
}

impl fmt::Display for SpoolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SpoolError { path, doing, source } = self;
        write!(f, "cannot {doing} the spool {}: {source}", path.display())?;
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                f.write_str("; free space there, or this agent's reports are lost")
            }
            io::ErrorKind::NotFound => f.write_str("; was the agent's folder removed while it runs?"),
            _ => Ok(()),
        }
    }
}

impl std::error::Error for SpoolError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// What a [`read`] found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Records {
    /// Payloads, each with the offset that follows its record.
    pub records: Vec<(u64, Vec<u8>)>,
    /// The offset to go on from, past torn bytes too.
    pub end: u64,
    /// Whether the file ends at `end`; if not, read again from there.
    pub complete: bool,
    /// Whether bytes were skipped that are no record: a writer died while it wrote.
    pub torn: bool,
}

/// Tells whether the spool holds something. What cannot be looked at counts as empty.
pub fn is_empty(path: &Path) -> bool {
    std::fs::metadata(path).map_or(true, |metadata| metadata.len() == 0)
}

/// Appends one record and returns when it is on the disk. The file is created (mode 0600) if needed.
///
/// # Errors
/// When the payload is over [`RECORD_LIMIT`], the disk is full, the folder is gone or another process
/// keeps the lock for 5 seconds; nothing of the record stays in the file then.
pub fn append(path: &Path, payload: &[u8]) -> Result<(), SpoolError> {
    let fail = |doing| move |source| SpoolError { path: path.to_owned(), doing, source };
    if payload.len() > RECORD_LIMIT {
        return Err(fail("append to")(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("a record of {} bytes is over the limit of {RECORD_LIMIT}", payload.len()),
        )));
    }
    let mut record = Vec::with_capacity(HEADER_BYTES + payload.len());
    record.extend_from_slice(&MAGIC);
    record.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    record.extend_from_slice(&crc32(payload).to_le_bytes());
    record.extend_from_slice(payload);

    let mut file =
        OpenOptions::new().append(true).create(true).mode(0o600).open(path).map_err(fail("open"))?;
    lock(&file, FlockOperation::NonBlockingLockExclusive).map_err(fail("lock"))?;
    let before = file.metadata().map_err(fail("look at"))?.len();
    if let Err(error) = file.write_all(&record) {
        // A part of a record would make its reader search for the next one.
        let _ = file.set_len(before);
        return Err(fail("append to")(error));
    }
    file.sync_data().map_err(fail("save"))
}

/// Reads the records from `from_offset` on; one call returns about 48 MB at most.
///
/// An offset past the end means that the file was emptied since, so reading starts at its beginning. A
/// missing file is an empty one.
///
/// # Errors
/// When the file cannot be opened, locked or read.
pub fn read(path: &Path, from_offset: u64) -> Result<Records, SpoolError> {
    let fail = |doing| move |source| SpoolError { path: path.to_owned(), doing, source };
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(Records { complete: true, ..Records::default() });
        }
        Err(error) => return Err(fail("open")(error)),
    };
    lock(&file, FlockOperation::NonBlockingLockShared).map_err(fail("lock"))?;
    let length = file.metadata().map_err(fail("look at"))?.len();
    let start = if from_offset > length { 0 } else { from_offset };
    file.seek(SeekFrom::Start(start)).map_err(fail("read"))?;
    let mut window = Vec::new();
    file.take(WINDOW_BYTES).read_to_end(&mut window).map_err(fail("read"))?;
    let complete = start + window.len() as u64 >= length;
    Ok(scan(&window, start, complete))
}

/// Empties the file if all of it, up to `offset`, was read; tells whether it did.
///
/// A crash before this is called repeats reports, which their ids make harmless, and never skips any.
///
/// # Errors
/// When the file cannot be opened, locked or emptied.
pub fn truncate_if_consumed(path: &Path, offset: u64) -> Result<bool, SpoolError> {
    let fail = |doing| move |source| SpoolError { path: path.to_owned(), doing, source };
    let file = match OpenOptions::new().write(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        Err(error) => return Err(fail("open")(error)),
    };
    lock(&file, FlockOperation::NonBlockingLockExclusive).map_err(fail("lock"))?;
    if file.metadata().map_err(fail("look at"))?.len() != offset {
        return Ok(false);
    }
    file.set_len(0).map_err(fail("empty"))?;
    Ok(true)
}

/// Takes the lock, which the file's end of life gives back. Bounded, so that a stopped process that
/// holds it cannot stop an agent.
fn lock(file: &File, operation: FlockOperation) -> io::Result<()> {
    let deadline = Instant::now() + LOCK_PATIENCE;
    loop {
        match rustix::fs::flock(file.as_fd(), operation) {
            Ok(()) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(1)),
            Err(error) => return Err(error.into()),
        }
    }
}

enum Found<'a> {
    Record(&'a [u8]),
    Nothing,
    /// It may be a record that the window cuts.
    Cut,
}

fn record_at(window: &[u8], complete: bool) -> Found<'_> {
    let (head, rest) = match window.split_first_chunk::<HEADER_BYTES>() {
        Some(split) => split,
        None if !complete && MAGIC.starts_with(window.get(..4).unwrap_or(window)) => return Found::Cut,
        None => return Found::Nothing,
    };
    let [m0, m1, m2, m3, l0, l1, l2, l3, c0, c1, c2, c3] = *head;
    let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
    if [m0, m1, m2, m3] != MAGIC || length > RECORD_LIMIT {
        return Found::Nothing;
    }
    match rest.get(..length) {
        Some(payload) if crc32(payload) == u32::from_le_bytes([c0, c1, c2, c3]) => Found::Record(payload),
        None if !complete => Found::Cut,
        _ => Found::Nothing,
    }
}

fn scan(window: &[u8], start: u64, complete: bool) -> Records {
    let mut found = Records { complete, ..Records::default() };
    let mut at = 0;
    while let Some(rest) = window.get(at..).filter(|rest| !rest.is_empty()) {
        match record_at(rest, complete) {
            Found::Record(payload) => {
                at += HEADER_BYTES + payload.len();
                found.records.push((start + at as u64, payload.to_vec()));
            }
            Found::Cut => break,
            Found::Nothing => {
                found.torn = true;
                at += 1 + rest.iter().skip(1).position(|&byte| byte == MAGIC[0]).unwrap_or(rest.len() - 1);
            }
        }
    }
    found.end = start + at as u64;
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Scratch {
            let path = std::env::temp_dir().join(format!("orchflow-spool-{}-{name}", std::process::id()));
            let _ = std::fs::remove_file(&path);
            Scratch(path)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.0);
        }
    }

    fn payloads(records: &Records) -> Vec<&[u8]> {
        records.records.iter().map(|(_, payload)| payload.as_slice()).collect()
    }

    #[test]
    fn records_come_back_in_order_from_any_offset_they_gave() {
        let file = Scratch::new("order");
        assert!(is_empty(&file.0));
        for payload in [&b"one"[..], b"", b"three"] {
            append(&file.0, payload).unwrap();
        }
        assert!(!is_empty(&file.0));
        let all = read(&file.0, 0).unwrap();
        assert_eq!(payloads(&all), [&b"one"[..], b"", b"three"]);
        assert!(all.complete && !all.torn);
        assert_eq!(all.end, all.records[2].0);
        let rest = read(&file.0, all.records[0].0).unwrap();
        assert_eq!(payloads(&rest), [&b""[..], b"three"]);
        assert_eq!(
            payloads(&read(&file.0, all.end + 99).unwrap()).len(),
            3,
            "an offset past the end starts again"
        );
    }

    #[test]
    fn a_missing_spool_is_empty() {
        let file = Scratch::new("missing");
        let records = read(&file.0, 7).unwrap();
        assert_eq!((records.records.len(), records.end, records.complete), (0, 0, true));
        assert!(truncate_if_consumed(&file.0, 0).unwrap());
    }

    #[test]
    fn it_is_emptied_only_when_all_of_it_was_read() {
        let file = Scratch::new("truncate");
        append(&file.0, b"one").unwrap();
        let end = read(&file.0, 0).unwrap().end;
        append(&file.0, b"two").unwrap();
        assert!(!truncate_if_consumed(&file.0, end).unwrap());
        let end = read(&file.0, end).unwrap().end;
        assert!(truncate_if_consumed(&file.0, end).unwrap());
        assert!(is_empty(&file.0));
    }

    #[test]
    fn a_torn_tail_is_reported_skipped_and_hides_nothing_after_it() {
        let file = Scratch::new("torn");
        append(&file.0, b"whole").unwrap();
        append(&file.0, b"this one will be torn").unwrap();
        let length = std::fs::metadata(&file.0).unwrap().len();
        for lost in 1..33 {
            let bytes = std::fs::read(&file.0).unwrap();
            std::fs::write(&file.0, &bytes[..(length - lost) as usize]).unwrap();
            let torn = read(&file.0, 0).unwrap();
            assert_eq!(payloads(&torn), [b"whole"], "{lost}");
            assert!(torn.torn, "{lost}");
            assert_eq!(torn.end, length - lost);
            append(&file.0, b"after").unwrap();
            let resumed = read(&file.0, 0).unwrap();
            assert_eq!(payloads(&resumed), [&b"whole"[..], b"after"], "{lost}");
            assert_eq!(payloads(&read(&file.0, torn.end).unwrap()), [b"after"]);
            std::fs::write(&file.0, &bytes).unwrap();
        }
    }

    #[test]
    fn a_flipped_bit_costs_one_record() {
        let file = Scratch::new("bit");
        for payload in [b"aaa", b"bbb", b"ccc"] {
            append(&file.0, payload).unwrap();
        }
        let mut bytes = std::fs::read(&file.0).unwrap();
        bytes[15 + 13] ^= 1;
        std::fs::write(&file.0, &bytes).unwrap();
        let records = read(&file.0, 0).unwrap();
        assert_eq!(payloads(&records), [b"aaa", b"ccc"]);
        assert!(records.torn);
    }

    #[test]
    fn a_window_that_cuts_a_record_stops_before_it() {
        let mut bytes = Vec::new();
        let file = Scratch::new("window");
        append(&file.0, b"first").unwrap();
        append(&file.0, b"second").unwrap();
        bytes.extend(std::fs::read(&file.0).unwrap());
        let first_end = HEADER_BYTES + 5;
        for cut in first_end..bytes.len() {
            let records = scan(&bytes[..cut], 100, false);
            assert_eq!(payloads(&records), [b"first"], "{cut}");
            assert_eq!((records.end, records.torn), (100 + first_end as u64, false), "{cut}");
        }
    }

    #[test]
    fn two_appenders_at_once_keep_their_records_whole() {
        let file = Scratch::new("two");
        std::thread::scope(|scope| {
            for writer in [b'a', b'b'] {
                let path = &file.0;
                scope.spawn(move || {
                    for round in 0..40usize {
                        append(path, &vec![writer; 1 + round * 997]).unwrap();
                    }
                });
            }
        });
        let records = read(&file.0, 0).unwrap();
        assert!(!records.torn);
        assert_eq!(records.records.len(), 80);
        for (_, payload) in &records.records {
            assert!(payload.iter().all(|byte| byte == &payload[0]));
        }
    }

    #[test]
    fn a_full_disk_is_named_and_says_what_to_do() {
        let error = append(Path::new("/dev/full"), b"x").unwrap_err().to_string();
        assert!(error.contains("/dev/full") && error.contains("free space"), "{error}");
    }
}
