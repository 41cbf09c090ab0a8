//! Claude Code keeps a file for each of its processes, `sessions/PID.json` in its folder, with the session and when the
//! process started (version 2.1.329).

use std::path::Path;

use serde::Deserialize;

use super::{OpenSession, Running, Variable, files};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Process {
    pid: i32,
    session_id: String,
    proc_start: Option<String>,
    status: Option<String>,
}

pub(super) fn open(running: Running<'_>, variable: Variable<'_>) -> Option<OpenSession> {
    let folder = variable("CLAUDE_CONFIG_DIR").or_else(|| Some(variable("HOME")?.join(".claude")))?;
    running.family.iter().find_map(|(pid, started)| of_process(&folder, *pid, *started))
}

fn of_process(folder: &Path, pid: i32, started: u64) -> Option<OpenSession> {
    let text = files::read(&folder.join("sessions").join(format!("{pid}.json")))?;
    let process: Process = serde_json::from_str(&text).ok()?;
    // A file may be left of a process whose number is another's by now.
    let is_same =
        process.pid == pid && process.proc_start.as_deref().is_none_or(|at| at == started.to_string());
    if !is_same {
        return None;
    }
    let name = format!("{}.jsonl", process.session_id);
    let has_begun = files::below(&folder.join("projects"), 1).iter().any(|it| it.join(&name).exists());
    Some(OpenSession { id: process.session_id, has_begun, status: process.status, is_stated: true })
}

#[cfg(test)]
mod tests {
    use super::super::{Running, of_program};
    use crate::catalogue::Kind;

    #[test]
    fn a_process_of_claude_code_names_its_session() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join(".claude");
        std::fs::create_dir_all(folder.join("sessions")).unwrap();
        let write = |text: &str| std::fs::write(folder.join("sessions/77.json"), text).unwrap();
        let variable = |name: &str| (name == "HOME").then(|| home.path().to_owned());
        let of = |kind, started| {
            let running = Running { family: &[(77, started)], folder: home.path(), is_alone: true };
            of_program(kind, running, &variable)
        };
        let find = |started| of(Kind::Program("claude"), started);
        assert_eq!(find(5), None);
        write(
            r#"{"pid":77,"sessionId":"4ff4810b-ff1f","procStart":"5","status":"idle","kind":"interactive"}"#,
        );
        let session = find(5).unwrap();
        assert_eq!((session.id.as_str(), session.has_begun), ("4ff4810b-ff1f", false));
        assert_eq!((session.status.as_deref(), session.is_stated), (Some("idle"), true));
        assert_eq!(find(6), None, "the number is another process's");
        assert_eq!(of(Kind::Command, 5), None);
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
