//! Codex keeps each session in a file, `sessions/YYYY/MM/DD/rollout-TIME-ID.jsonl`, and a lock for each that is open,
//! `thread-writer-locks/ID.lock`. The program holds both itself, or its background server does, for all of the user's
//! (version 0.169.0).

use std::os::linux::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{OpenSession, Running, Variable, files};

/// How much of a session's file is read for its first line, which holds the model's instructions too.
const HEAD: u64 = 256 * 1024;

/// The first line of a session's file.
#[derive(Debug, Deserialize)]
struct Head {
    payload: Meta,
}

#[derive(Debug, Deserialize)]
struct Meta {
    id: String,
    cwd: PathBuf,
}

pub(super) fn open(running: Running<'_>, variable: Variable<'_>) -> Option<OpenSession> {
    let home = variable("CODEX_HOME").or_else(|| Some(variable("HOME")?.join(".codex")))?;
    // As the system names it where a process has it open.
    let locks = std::fs::canonicalize(home.join("thread-writer-locks")).ok()?;
    let own: Vec<String> = running
        .family
        .iter()
        .filter(|(pid, _)| !is_server(*pid))
        .flat_map(|(pid, _)| held_by(*pid, &locks))
        .collect();
    if let [id] = own.as_slice() {
        let has_begun = heads(&home, &own).next().is_some();
        return Some(OpenSession { id: id.clone(), has_begun, status: None, is_stated: true });
    }
    if !own.is_empty() || !running.is_alone {
        return None;
    }
    let open = held(&locks);
    let mut here = heads(&home, &open).filter(|head| head.cwd == running.folder);
    let found = here.next().filter(|_| here.next().is_none())?;
    Some(OpenSession { id: found.id, has_begun: true, status: None, is_stated: false })
}

/// Tells whether a process is the server that works for all programs, though one of them started it.
fn is_server(pid: i32) -> bool {
    is_server_command(&std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default())
}

/// The same of a command line, its words ended by NUL.
pub(super) fn is_server_command(words: &[u8]) -> bool {
    words.split(|byte| *byte == 0).any(|word| word == b"app-server")
}

/// Gives the sessions whose lock a process has open.
fn held_by(pid: i32, locks: &Path) -> Vec<String> {
    let handles = files::below(Path::new(&format!("/proc/{pid}/fd")), 1);
    let open = handles.iter().filter_map(|handle| std::fs::read_link(handle).ok());
    open.filter(|file| file.parent() == Some(locks)).filter_map(|file| locked(&file)).collect()
}

/// Gives the sessions whose lock any process holds. Nothing is locked for it, not even for a moment.
fn held(locks: &Path) -> Vec<String> {
    let table = std::fs::read_to_string("/proc/locks").unwrap_or_default();
    // `1: FLOCK  ADVISORY  WRITE 5326 fe:00:131 0 EOF`; devices are written differently on some file systems.
    let inodes: Vec<u64> = table
        .lines()
        .filter_map(|line| line.split_ascii_whitespace().find(|word| word.matches(':').count() == 2))
        .filter_map(|place| place.rsplit(':').next()?.parse().ok())
        .collect();
    files::below(locks, 1)
        .iter()
        .filter(|file| file.metadata().is_ok_and(|metadata| inodes.contains(&metadata.st_ino())))
        .filter_map(|file| locked(file))
        .collect()
}

fn locked(file: &Path) -> Option<String> {
    let id = file.file_name()?.to_str()?.strip_suffix(".lock")?;
    (!id.starts_with('.')).then(|| id.to_owned())
}

/// Reads the first lines of sessions, of those that have been written to.
fn heads(home: &Path, ids: &[String]) -> impl Iterator<Item = Meta> {
    let is_one = |file: &PathBuf| {
        let stem = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        ids.iter().any(|id| stem.ends_with(id.as_str()))
    };
    files::below(&home.join("sessions"), 4).into_iter().filter(is_one).filter_map(|file| head(&file))
}

fn head(file: &Path) -> Option<Meta> {
    use std::io::{BufRead as _, BufReader, Read as _};
    let mut line = String::new();
    let is_session = file.extension().is_some_and(|extension| extension == "jsonl");
    let opened = is_session.then(|| std::fs::File::open(file).ok()).flatten()?;
    BufReader::new(opened.take(HEAD)).read_line(&mut line).ok()?;
    Some(serde_json::from_str::<Head>(&line).ok()?.payload)
}

#[cfg(test)]
mod tests {
    use super::super::tests::World;
    use crate::catalogue::Kind;

    const ID: &str = "01a2178f-4cdf-74e0-a7a9-09beedeb1403";

    #[test]
    fn the_session_is_the_one_whose_lock_is_held_in_the_folder() {
        let world = World::new();
        let codex = Kind::Program("codex");
        let lock = world.write(&format!(".codex/thread-writer-locks/{ID}.lock"), "");
        world.write(".codex/thread-writer-locks/.coordination.lock", "");
        let rollout = format!(".codex/sessions/2026/11/26/rollout-2026-11-26T11-13-17-{ID}.jsonl");
        let head =
            |cwd: &str| format!(r#"{{"type":"session_meta","payload":{{"id":"{ID}","cwd":"{cwd}"}}}}"#);
        world.write(&rollout, &head("/src/repo"));
        let nobody = [(i32::MAX, 5)];
        assert_eq!(world.open(codex, &nobody), None, "nobody holds it");

        let held = std::fs::File::open(&lock).unwrap();
        held.lock().unwrap();
        let found = world.open(codex, &nobody).unwrap();
        assert_eq!((found.id.as_str(), found.has_begun, found.is_stated), (ID, true, false));
        assert_eq!(world.open_beside_another(codex, &nobody), None, "it may be that one's");
        world.write(&rollout, &head("/src/another"));
        assert_eq!(world.open(codex, &nobody), None);

        // Without the server the program has it open itself.
        let own = [(i32::try_from(std::process::id()).unwrap(), 5)];
        let found = world.open_beside_another(codex, &own).unwrap();
        assert_eq!((found.id.as_str(), found.has_begun, found.is_stated), (ID, true, true));
        std::fs::remove_file(world.home().join(&rollout)).unwrap();
        assert!(!world.open(codex, &own).unwrap().has_begun, "nothing was said yet");
    }
}
