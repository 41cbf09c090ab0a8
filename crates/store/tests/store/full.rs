//! A disk that is full: the commit says so, nothing is lost, and it goes on once there is room.

use std::path::{Path, PathBuf};
use std::process::Command;

use orchflow_store::verify::verify;
use orchflow_store::{Batch, EventFilter, Page, Reader, StoreError, Writer};

use crate::support::{batch, claude, event};

/// A disk of one megabyte.
struct TinyDisk {
    folder: tempfile::TempDir,
}

impl TinyDisk {
    /// Mounts one; `None` where that is not allowed.
    fn mount() -> Option<TinyDisk> {
        let folder = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"])
            .arg(folder.path())
            .output()
            .is_ok_and(|output| output.status.success());
        if !mounted {
            eprintln!("SKIPPED: a full disk needs a tmpfs of its own, and mounting one is not allowed here");
            return None;
        }
        Some(TinyDisk { folder })
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("events.db")
    }

    /// Takes space away.
    fn clutter(&self, bytes: usize) {
        std::fs::write(self.clutter_file(), vec![1u8; bytes]).unwrap();
    }

    fn clutter_file(&self) -> PathBuf {
        self.folder.path().join("clutter")
    }
}

impl Drop for TinyDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.folder.path()).status();
    }
}

/// Commits small batches until one fails, and then events one by one until there is no room for a single one; gives the
/// last event that was acknowledged.
fn commit_until_full(writer: &mut Writer, mut next: u64, path: &Path) -> u64 {
    for count in [5, 1] {
        loop {
            let events = (next..next + count).map(|seq| event(seq, &"words ".repeat(60))).collect();
            let reports_seen = vec![(claude(), format!("report-{next}"))];
            match writer.commit(&Batch { events, reports_seen, ..Batch::default() }) {
                Ok(()) => next += count,
                Err(StoreError::Full { path: told }) => {
                    assert_eq!(told, path);
                    break;
                }
                Err(other) => panic!("{other:?}"),
            }
        }
    }
    next - 1
}

#[test]
fn nothing_is_lost_on_a_full_disk_and_it_goes_on_with_room() {
    let Some(disk) = TinyDisk::mount() else { return };
    let path = disk.file();
    let (mut writer, _) = Writer::open(&path).unwrap();
    disk.clutter(350_000);
    let last = commit_until_full(&mut writer, 1, &path);
    assert!(last > 0);
    // Asked again, it says the same, and large or small makes no difference.
    for count in [1, 10_050] {
        let events = (last + 1..last + 1 + count).map(|seq| event(seq, &"x".repeat(400))).collect();
        let error = writer.commit(&batch(events)).unwrap_err();
        assert!(matches!(error, StoreError::Full { .. }), "{error:?}");
        assert!(error.to_string().contains("free some space"), "{error}");
    }
    // Reading goes on meanwhile.
    let reader = Reader::open(&path).unwrap();
    assert_eq!(reader.last_seq().unwrap(), last);
    assert_eq!(reader.page(&EventFilter::default(), Page::After(0), 100_000).unwrap().len(), last as usize);
    assert!(
        !reader.has_report(&claude(), &format!("report-{}", last + 1)).unwrap(),
        "a failed batch left nothing"
    );
    let (_, next) = writer.reload_state().unwrap();
    assert_eq!(next.0, last + 1);
    drop(reader);
    // Search may fail to follow; it must not harm.
    let _ = writer.index_text(100);
    std::fs::remove_file(disk.clutter_file()).unwrap();
    let events = (last + 1..last + 11).map(|seq| event(seq, "with room")).collect();
    writer.commit(&batch(events)).unwrap();
    while writer.index_text(100).unwrap() {}
    writer.seal().unwrap();
    drop(writer);
    let verdict = verify(&path).unwrap();
    assert_eq!((verdict.checked, verdict.broken), (last + 10, None));
    let (_, loaded) = Writer::open(&path).unwrap();
    assert_eq!(loaded.next_seq.0, last + 11);
}

#[test]
fn a_host_that_dies_on_a_full_disk_starts_with_room_again() {
    let Some(disk) = TinyDisk::mount() else { return };
    let path = disk.file();
    let last = {
        let (mut writer, _) = Writer::open(&path).unwrap();
        disk.clutter(300_000);
        commit_until_full(&mut writer, 1, &path)
    };
    std::fs::remove_file(disk.clutter_file()).unwrap();
    let (mut writer, loaded) = Writer::open(&path).unwrap();
    assert_eq!(loaded.next_seq.0, last + 1);
    writer.commit(&batch(vec![event(last + 1, "again")])).unwrap();
    assert_eq!(verify(&path).unwrap().checked, last + 1);
}

/// Leaves a store behind, closed in order or as a crash leaves it, on a disk that is full to its last page.
fn leave_full(disk: &TinyDisk, crashes: bool, keeps_map: bool) -> u64 {
    let path = disk.file();
    let (mut writer, _) = Writer::open(&path).unwrap();
    let events = (1..=40).map(|seq| event(seq, "before")).collect();
    writer.commit(&batch(events)).unwrap();
    writer.seal().unwrap();
    let events = (41..=60).map(|seq| event(seq, "only in the write-ahead log")).collect();
    let reports_seen = vec![(claude(), "known".to_owned())];
    writer.commit(&Batch { events, reports_seen, ..Batch::default() }).unwrap();
    if crashes {
        let other = disk.folder.path().join("other");
        std::fs::create_dir(&other).unwrap();
        for end in ["", "-wal", "-shm"] {
            let (from, to) = (format!("events.db{end}"), other.join(format!("events.db{end}")));
            std::fs::copy(disk.folder.path().join(from), to).unwrap();
        }
        drop(writer);
        for end in ["", "-wal", "-shm"] {
            let name = format!("events.db{end}");
            std::fs::rename(other.join(&name), disk.folder.path().join(&name)).unwrap();
        }
        if !keeps_map {
            std::fs::remove_file(disk.folder.path().join("events.db-shm")).unwrap();
        }
    } else {
        drop(writer);
    }
    let mut clutter = std::fs::File::create(disk.clutter_file()).unwrap();
    while std::io::Write::write_all(&mut clutter, &[1; 4096]).is_ok() {}
    60
}

#[test]
fn a_store_on_a_full_disk_is_read_and_takes_writes_once_there_is_room() {
    for (crashes, keeps_map) in [(false, true), (true, true), (true, false)] {
        let Some(disk) = TinyDisk::mount() else { return };
        let last = leave_full(&disk, crashes, keeps_map);
        let path = disk.file();
        let (mut writer, loaded) = Writer::open(&path).unwrap();
        assert_eq!(loaded.next_seq.0, last + 1, "also what stands only in the write-ahead log is there");
        // With its map in place there is room to look for room.
        let no_room = !(crashes && keeps_map);
        assert_eq!(loaded.read_only.is_some(), no_room, "{:?}", loaded.read_only);
        assert!(loaded.read_only.is_none_or(|why| why.contains("full") && why.contains("free some space")));
        let readers = [Reader::open(&path).unwrap(), Reader::open(&path).unwrap()];
        std::thread::scope(|scope| {
            for reader in readers {
                scope.spawn(move || {
                    for _ in 0..5 {
                        assert_eq!(reader.last_seq().unwrap(), last);
                        let page = reader.page(&EventFilter::default(), Page::After(0), 1000).unwrap();
                        assert_eq!(page.len() as u64, last);
                        assert!(reader.has_report(&claude(), "known").unwrap());
                    }
                });
            }
        });
        assert_eq!(verify(&path).unwrap().checked, last);
        for _ in 0..2 {
            let error = writer.commit(&batch(vec![event(last + 1, &"no room ".repeat(2000))])).unwrap_err();
            assert!(matches!(error, StoreError::Full { .. }), "{error:?}");
            assert_eq!(writer.reload_state().unwrap().1.0, last + 1);
        }
        assert!(!writer.index_text(10).is_ok_and(|more| more) || !no_room, "nothing is written meanwhile");
        let reader = Reader::open(&path).unwrap();
        assert_eq!(reader.last_seq().unwrap(), last);
        std::fs::remove_file(disk.clutter_file()).unwrap();
        writer.commit(&batch(vec![event(last + 1, "with room")])).unwrap();
        assert_eq!(reader.last_seq().unwrap(), last + 1, "the same reader goes on beside the writer");
        writer.seal().unwrap();
        drop((writer, reader));
        let (_, loaded) = Writer::open(&path).unwrap();
        assert_eq!((loaded.next_seq.0, loaded.read_only), (last + 2, None));
        assert_eq!(verify(&path).unwrap().checked, last + 1);
    }
}

#[test]
fn a_store_cannot_begin_on_a_full_disk() {
    let Some(disk) = TinyDisk::mount() else { return };
    disk.clutter(1_040_000);
    let error = Writer::open(&disk.file()).unwrap_err();
    assert!(matches!(error, StoreError::Full { .. }), "{error:?}");
    std::fs::remove_file(disk.clutter_file()).unwrap();
    drop(Writer::open(&disk.file()).unwrap());
}
