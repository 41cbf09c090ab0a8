//! Qwen Code keeps a file for each of its processes, `sessions/PID.json` in its folder, and the sessions of a folder in a
//! folder of that name, `projects/-src-repo/chats/ID.jsonl`. It takes up only those of the folder it works in, by the
//! `cwd` of each line (version 0.24.4).

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use super::{Copied, OpenSession, Running, Variable, files};
use crate::launch::{Launch, LaunchContext};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Process {
    pid: i32,
    session_id: String,
    /// Boot and clock ticks since it, `01e814f9-60e1-4d1e-8895-f5d605823076:4779051`.
    proc_start: Option<String>,
}

fn folder(variable: Variable<'_>) -> Option<PathBuf> {
    variable("QWEN_HOME").or_else(|| Some(variable("HOME")?.join(".qwen")))
}

pub(super) fn open(running: Running<'_>, variable: Variable<'_>) -> Option<OpenSession> {
    let folder = folder(variable)?;
    running.family.iter().find_map(|(pid, started)| {
        let text = files::read(&folder.join("sessions").join(format!("{pid}.json")))?;
        let process: Process = serde_json::from_str(&text).ok()?;
        let at = process.proc_start.as_deref().map(|at| at.rsplit(':').next().unwrap_or_default());
        let is_same = process.pid == *pid && at.is_none_or(|at| at == started.to_string());
        let has_begun = chat(&folder, &process.session_id).is_some();
        is_same.then_some(OpenSession { id: process.session_id, has_begun, status: None, is_stated: true })
    })
}

fn chat(folder: &Path, session: &str) -> Option<PathBuf> {
    let name = format!("{session}.jsonl");
    let projects = files::below(&folder.join("projects"), 1);
    let chats = projects.into_iter().map(|project| project.join("chats").join(&name));
    // Copies of it may stand in the projects of worktrees.
    chats.filter_map(|file| Some((file.metadata().ok()?.modified().ok()?, file))).max().map(|(_, file)| file)
}

/// Copies the session to those of the worktree.
pub(super) fn copy(
    context: &LaunchContext,
    variable: Variable<'_>,
    session: &str,
    launch: &mut Launch,
) -> Option<Copied> {
    let folder = folder(variable)?;
    let text = files::read_lines(&chat(&folder, session)?)?;
    let first: Value = serde_json::from_str(text.lines().next()?).ok()?;
    // As the program itself will see it.
    let worktree = std::fs::canonicalize(&context.worktree).unwrap_or_else(|_| context.worktree.clone());
    let worktree = worktree.to_str()?;
    let text = files::with_value(&text, "cwd", first.get("cwd")?.as_str()?, worktree);
    let project: String =
        worktree.chars().map(|one| if one.is_ascii_alphanumeric() { one } else { '-' }).collect();
    let file = folder.join("projects").join(project).join("chats").join(format!("{session}.jsonl"));
    launch.files.push((file, text.into_bytes(), 0o600));
    Some(Copied { id: session.to_owned(), file: None })
}

#[cfg(test)]
mod tests {
    use super::super::tests::World;
    use super::*;
    use crate::catalogue::Kind;

    const ID: &str = "30003649-ae61-45ab-b613-68fcb3255be5";

    #[test]
    fn a_process_names_its_session_and_the_worktree_gets_a_copy_of_it() {
        let world = World::new();
        world.write(
            ".qwen/sessions/77.json",
            &format!(r#"{{"schemaVersion":1,"pid":77,"procStart":"boot:5","sessionId":"{ID}"}}"#),
        );
        let qwen = Kind::Program("qwen");
        assert!(!world.open(qwen, &[(70, 1), (77, 5)]).unwrap().has_begun);
        let said = "{\"cwd\":\"/src/repo\",\"text\":\"in /src/repo\"}\n";
        world.write(&format!(".qwen/projects/-src-repo/chats/{ID}.jsonl"), &format!("{said}{said}{{\"half"));
        let found = world.open(qwen, &[(70, 1), (77, 5)]).unwrap();
        assert_eq!((found.id.as_str(), found.has_begun, found.is_stated), (ID, true, true));
        assert_eq!(world.open(qwen, &[(77, 6)]), None, "the number is another process's");

        let (copied, launch) = world.copy(copy, ID);
        assert_eq!(copied.unwrap(), Copied { id: ID.into(), file: None });
        let [(file, text, 0o600)] = launch.files.as_slice() else { panic!("{launch:?}") };
        let name = format!(".qwen/projects/-no-where-7-qwen/chats/{ID}.jsonl");
        assert_eq!(*file, world.home().join(name));
        let line = "{\"cwd\":\"/no/where/7-qwen\",\"text\":\"in /src/repo\"}\n";
        assert_eq!(String::from_utf8_lossy(text), format!("{line}{line}"));
        assert_eq!(world.copy(copy, "another").0, None);
    }
}
