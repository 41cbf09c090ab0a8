//! The session a running program of an agent is in, as far as the program tells anybody.
//!
//! Claude Code keeps a file for each of its processes, `sessions/PID.json` in its folder, with the session and when the
//! process started (version 2.1.329). Of the other programs no such thing is known: their session files do not say whose
//! they are.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::catalogue::Kind;

/// The longest file of a process that is read, in bytes.
const LONGEST: u64 = 64 * 1024;

/// A session that a process has open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenSession {
    /// Its id.
    pub id: String,
    /// Whether anything was said in it: an empty one cannot be taken up.
    pub has_begun: bool,
    /// What the program says that it does: `idle`, `busy`.
    pub status: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClaudeProcess {
    pid: i32,
    session_id: String,
    proc_start: Option<String>,
    status: Option<String>,
}

/// Finds the session of a running process. `started` is in clock ticks since boot, `variable` reads the process's
/// environment.
pub fn of_process(
    kind: Kind,
    pid: i32,
    started: u64,
    variable: impl Fn(&str) -> Option<PathBuf>,
) -> Option<OpenSession> {
    match kind {
        Kind::Program("claude") => {
            let folder = variable("CLAUDE_CONFIG_DIR")
                .or_else(|| variable("HOME").map(|home| home.join(".claude")))?;
            claude(&folder, pid, started)
        }
        _ => None,
    }
}

fn claude(folder: &Path, pid: i32, started: u64) -> Option<OpenSession> {
    let path = folder.join("sessions").join(format!("{pid}.json"));
    if std::fs::metadata(&path).ok()?.len() > LONGEST {
        return None;
    }
    let process: ClaudeProcess = serde_json::from_slice(&std::fs::read(&path).ok()?).ok()?;
    // A file may be left of a process whose number is another's by now.
    let is_same = process.pid == pid
        && process.proc_start.as_deref().is_none_or(|at| at == started.to_string())
        && is_session_id(&process.session_id);
    if !is_same {
        return None;
    }
    let name = format!("{}.jsonl", process.session_id);
    let projects = std::fs::read_dir(folder.join("projects")).into_iter().flatten().flatten();
    let has_begun = projects.map(|project| project.path().join(&name)).any(|file| file.exists());
    Some(OpenSession { id: process.session_id, has_begun, status: process.status })
}

/// Tells whether a text can be a session's id: it becomes an argument of the program.
pub fn is_session_id(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_of_claude_code_names_its_session() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join(".claude");
        std::fs::create_dir_all(folder.join("sessions")).unwrap();
        let write = |text: &str| std::fs::write(folder.join("sessions/77.json"), text).unwrap();
        let variable = |name: &str| (name == "HOME").then(|| home.path().to_owned());
        let find = |started| of_process(Kind::Program("claude"), 77, started, variable);
        assert_eq!(find(5), None);
        write(
            r#"{"pid":77,"sessionId":"4ff4810b-ff1f","procStart":"5","status":"idle","kind":"interactive"}"#,
        );
        let session = find(5).unwrap();
        assert_eq!((session.id.as_str(), session.has_begun), ("4ff4810b-ff1f", false));
        assert_eq!(session.status.as_deref(), Some("idle"));
        assert_eq!(find(6), None, "the number is another process's");
        assert_eq!(of_process(Kind::Command, 77, 5, variable), None);
        std::fs::create_dir_all(folder.join("projects/-src-repo")).unwrap();
        std::fs::write(folder.join("projects/-src-repo/4ff4810b-ff1f.jsonl"), "").unwrap();
        assert!(find(5).unwrap().has_begun);
        for hostile in [
            r#"{"pid":77,"sessionId":"--dangerously-skip-permissions","procStart":"5"}"#,
            r#"{"pid":77,"sessionId":"a b","procStart":"5"}"#,
            r#"{"pid":77,"sessionId":"../../x","procStart":"5"}"#,
            r#"{"pid":78,"sessionId":"x","procStart":"5"}"#,
            "{",
        ] {
            write(hostile);
            assert_eq!(find(5), None, "{hostile}");
        }
    }
}
