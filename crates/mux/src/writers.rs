//! Finds who still writes: processes of a family that have files below a folder open for writing.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::leftover::{self, Process};

/// A file that has not changed for so long is not being written, though somebody keeps it open: the log of a
/// server that has nothing to do.
const STILL: Duration = Duration::from_secs(30);

/// The most files told of.
const MOST: usize = 16;

/// A file that somebody writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Who.
    pub process: Process,
    /// The name of its program, as the system keeps it: at most 15 bytes.
    pub command: String,
    /// The file, as the system names it.
    pub path: PathBuf,
}

/// Finds the files below `folder` that descendants of the runner of `program` write; what the program itself has
/// open is left out, and so is what has not changed for half a minute. Each file is told once, in the order of
/// their names. It reads `/proc`, and blocks for a moment.
pub fn written_below(folder: &Path, program: i32) -> Vec<Written> {
    let Some(runner) = leftover::parent(program) else { return Vec::new() };
    let Ok(folder) = fs::canonicalize(folder) else { return Vec::new() };
    let mut found = BTreeMap::new();
    for process in leftover::descendants(runner, None) {
        if process.pid == program {
            continue;
        }
        for path in open_for_writing(process.pid, &folder) {
            let command = || {
                let name = fs::read(format!("/proc/{}/comm", process.pid)).unwrap_or_default();
                String::from_utf8_lossy(&name).trim_end().to_owned()
            };
            if is_fresh(&path) {
                found.entry(path).or_insert_with(|| (process, command()));
            }
        }
    }
    let written = found.into_iter().map(|(path, (process, command))| Written { process, command, path });
    written.take(MOST).collect()
}

/// Gives the regular files below a folder that a process has open for writing.
fn open_for_writing(pid: i32, folder: &Path) -> Vec<PathBuf> {
    // Another user's, or one that just ended: there is nothing to see.
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/fd")) else { return Vec::new() };
    entries
        .flatten()
        .filter_map(|entry| {
            let path = fs::read_link(entry.path()).ok()?;
            let below = path.starts_with(folder) && path != folder;
            let number = entry.file_name();
            let is_written = below && writes(pid, number.to_str()?)?;
            // One that was deleted is not found under its name.
            (is_written && fs::symlink_metadata(&path).is_ok_and(|file| file.is_file())).then_some(path)
        })
        .collect()
}

/// Tells whether a file is open for writing, by the access mode of its flags.
fn writes(pid: i32, number: &str) -> Option<bool> {
    let info = fs::read(format!("/proc/{pid}/fdinfo/{number}")).ok()?;
    let line = info.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"flags:"))?;
    let flags = u32::from_str_radix(std::str::from_utf8(line).ok()?.trim(), 8).ok()?;
    Some(flags & 0b11 != 0)
}

fn is_fresh(path: &Path) -> bool {
    let changed = fs::metadata(path).and_then(|file| file.modified());
    // A clock that was set back makes it fresh.
    changed.is_ok_and(|at| SystemTime::now().duration_since(at).map_or(true, |age| age < STILL))
}

impl Written {
    /// Gives the file's path below a folder, as bytes.
    pub fn below(&self, folder: &Path) -> Vec<u8> {
        let folder = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
        self.path.strip_prefix(folder).unwrap_or(&self.path).as_os_str().as_bytes().to_vec()
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command, Stdio};

    use super::*;

    struct Ending(Child);

    impl Drop for Ending {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    /// Starts a shell that starts another; both wait for the end of their input.
    fn family(folder: &Path, script: &str) -> Ending {
        let child = Command::new("sh")
            .args(["-c", script])
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Ending(child)
    }

    fn wait_for(found: impl Fn() -> Vec<Written>) -> Vec<Written> {
        for _ in 0..500 {
            let found = found();
            if !found.is_empty() {
                return found;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Vec::new()
    }

    #[test]
    fn a_child_that_holds_a_file_for_writing_is_found_and_the_program_is_not() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("sub dir")).unwrap();
        let script =
            "exec 9<&0; sh -c 'exec 4>> \"sub dir/log\"; exec cat <&9' & exec 3> own.txt; exec cat <&9";
        let family = family(folder.path(), script);
        // The test is the parent, as a runner is of its program.
        let program = family.0.id() as i32;
        let found = wait_for(|| written_below(folder.path(), program));
        let names: Vec<_> = found.iter().map(|file| file.below(folder.path())).collect();
        assert_eq!(names, [b"sub dir/log".to_vec()], "{found:?}");
        assert!(["cat", "sh"].contains(&found[0].command.as_str()), "{found:?}");
        assert_ne!(found[0].process.pid, program);

        // Reading is not writing, and another folder is another folder.
        assert_eq!(written_below(Path::new("/usr"), program), []);
        // A file that rests is not being written.
        let old = SystemTime::now() - Duration::from_secs(60);
        fs::File::options()
            .append(true)
            .open(folder.path().join("sub dir/log"))
            .unwrap()
            .set_modified(old)
            .unwrap();
        assert_eq!(written_below(folder.path(), program), []);
    }

    #[test]
    fn what_is_only_read_or_deleted_does_not_count() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("read"), "x").unwrap();
        let script = "exec 9<&0; sh -c 'exec 3> gone; rm gone; exec 4< read; exec 5> kept; exec cat <&9' & exec cat <&9";
        let family = family(folder.path(), script);
        let program = family.0.id() as i32;
        let is_kept = |file: &Written| file.path.ends_with("kept");
        let found = wait_for(|| {
            let found = written_below(folder.path(), program);
            if found.iter().any(is_kept) { found } else { Vec::new() }
        });
        assert_eq!(
            found.iter().map(|file| file.below(folder.path())).collect::<Vec<_>>(),
            [b"kept".to_vec()]
        );
    }

    #[test]
    fn a_process_that_is_gone_writes_nothing() {
        assert_eq!(written_below(Path::new("/tmp"), i32::MAX), []);
    }
}
