//! GitHub Copilot CLI keeps each session in a folder, `session-state/ID`, with a lock that names the process that has it
//! open, and takes it up in the folder it was begun in (version 1.0.102).

use std::path::PathBuf;

use super::{Copied, OpenSession, Running, Variable, files};
use crate::launch::{Launch, LaunchContext};

fn sessions(variable: Variable<'_>) -> Option<PathBuf> {
    let home = variable("COPILOT_HOME").or_else(|| Some(variable("HOME")?.join(".copilot")))?;
    Some(home.join("session-state"))
}

pub(super) fn open(running: Running<'_>, variable: Variable<'_>) -> Option<OpenSession> {
    let locks: Vec<String> = running.family.iter().map(|(pid, _)| format!("inuse.{pid}.lock")).collect();
    // Of a process before that had the number a lock may be left in another session.
    let since = running.since()?;
    let held = |folder: &PathBuf| {
        let locks = locks.iter().filter_map(|name| folder.join(name).metadata().ok()?.modified().ok());
        locks.filter(|at| *at >= since).max()
    };
    let found = files::below(&sessions(variable)?, 1);
    let (_, folder) = found.into_iter().filter_map(|folder| Some((held(&folder)?, folder))).max()?;
    let said = files::read(&folder.join("events.jsonl")).unwrap_or_default();
    Some(OpenSession {
        id: folder.file_name()?.to_str()?.to_owned(),
        has_begun: said.contains(r#""type":"user.message""#),
        status: None,
        is_stated: true,
    })
}

/// Copies the session, for the worktree, under the id that the launch would give a new one.
pub(super) fn copy(
    context: &LaunchContext,
    variable: Variable<'_>,
    session: &str,
    launch: &mut Launch,
) -> Option<Copied> {
    let sessions = sessions(variable)?;
    let id = context.session_id.clone()?;
    let worktree = context.worktree.to_str()?;
    let about = files::read(&sessions.join(session).join("workspace.yaml"))?;
    let value = |key: &str| about.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(": "));
    let mut said = files::read_lines(&sessions.join(session).join("events.jsonl"))?;
    said = files::with_value(&said, "sessionId", session, &id);
    for (key, name) in [("cwd", "cwd"), ("git_root", "gitRoot")] {
        let old = value(key).unwrap_or_default();
        // Of one that needs quotes in YAML.
        let old = serde_json::from_str::<String>(old).unwrap_or_else(|_| old.trim_matches('\'').to_owned());
        said = files::with_value(&said, name, &old, worktree);
    }
    let quoted = serde_json::Value::from(worktree).to_string();
    let about: String = about
        .lines()
        .map(|line| match line.split_once(": ").map(|(key, _)| key) {
            Some("id") => format!("id: {id}\n"),
            Some(key @ ("cwd" | "git_root")) => format!("{key}: {quoted}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    for (name, text) in [("workspace.yaml", about), ("events.jsonl", said)] {
        launch.files.push((sessions.join(&id).join(name), text.into_bytes(), 0o600));
    }
    Some(Copied { id, file: None })
}

#[cfg(test)]
mod tests {
    use super::super::tests::World;
    use super::*;
    use crate::catalogue::Kind;

    #[test]
    fn the_lock_names_the_session_and_the_copy_is_of_the_worktree() {
        let world = World::new();
        let copilot = Kind::Program("copilot");
        let state = |name: &str| format!(".copilot/session-state/s-1/{name}");
        assert_eq!(world.open(copilot, &[(70, 1)]), None);
        world.write(&state("inuse.77.lock"), "77");
        world.write(
            &state("workspace.yaml"),
            "id: s-1\ncwd: /src/it's a repo\ngit_root: '/src/it''s'\nname: 'id: s-1'\n",
        );
        assert!(!world.open(copilot, &[(70, 1), (77, 5)]).unwrap().has_begun);
        let events = concat!(
            r#"{"type":"session.start","data":{"sessionId":"s-1","context":{"cwd":"/src/it's a repo"}}}"#,
            "\n",
            r#"{"type":"user.message","data":{"content":"s-1 in /src"}}"#,
            "\n",
        );
        world.write(&state("events.jsonl"), events);
        let found = world.open(copilot, &[(70, 1), (77, 5)]).unwrap();
        assert_eq!((found.id.as_str(), found.has_begun, found.is_stated), ("s-1", true, true));
        assert_eq!(world.open(copilot, &[(70, u64::MAX / 200), (77, 5)]), None, "left by one before it");

        let (copied, launch) = world.copy(copy, "s-1");
        assert_eq!(copied.unwrap(), Copied { id: "fresh".into(), file: None });
        let text = |name: &str| {
            let at = world.home().join(".copilot/session-state/fresh").join(name);
            let (_, bytes, _) = launch.files.iter().find(|(file, ..)| *file == at).unwrap();
            String::from_utf8_lossy(bytes).into_owned()
        };
        let about = "id: fresh\ncwd: \"/no/where/7-qwen\"\ngit_root: \"/no/where/7-qwen\"\nname: 'id: s-1'\n";
        assert_eq!(text("workspace.yaml"), about);
        let wanted = events
            .replace(r#""sessionId":"s-1""#, r#""sessionId":"fresh""#)
            .replace("/src/it's a repo", "/no/where/7-qwen");
        assert_eq!(text("events.jsonl"), wanted);
        assert_eq!(world.copy(copy, "s-2").0, None);
    }
}
