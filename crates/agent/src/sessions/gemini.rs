//! Gemini CLI keeps the sessions of a folder in `tmp/NAME/chats`, with the folder in a file beside them. It says nowhere
//! which process has which open. It takes one up from a file, as a new one (version 0.61.0).

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde_json::Value;

use super::{Copied, OpenSession, Running, Variable, files};
use crate::launch::{Launch, LaunchContext};

fn projects(variable: Variable<'_>) -> Option<Vec<PathBuf>> {
    let home = variable("GEMINI_CLI_HOME").or_else(|| variable("HOME"))?;
    Some(files::below(&home.join(".gemini/tmp"), 1))
}

/// Finds the session that was written last in the folder since the program started, where nobody else writes there.
pub(super) fn open(running: Running<'_>, variable: Variable<'_>) -> Option<OpenSession> {
    let since = running.since().filter(|_| running.is_alone)?;
    let is_of_folder = |project: &PathBuf| {
        let root = std::fs::read_to_string(project.join(".project_root")).unwrap_or_default();
        Path::new(root.trim_end()) == running.folder
    };
    let project = projects(variable)?.into_iter().find(is_of_folder)?;
    let chats = files::below(&project.join("chats"), 1).into_iter();
    let written = chats.filter_map(|file| {
        let metadata = file.metadata().ok()?;
        let at: SystemTime = metadata.modified().ok()?;
        // Those of its subagents stand in folders.
        (metadata.is_file() && at >= since).then_some((at, file))
    });
    let (_, file) = written.max()?;
    let text = files::read(&file)?;
    let has_begun = text.contains(r#""type":"gemini""#);
    Some(OpenSession { id: id(&text)?, has_begun, status: None, is_stated: false })
}

fn id(text: &str) -> Option<String> {
    let first: Value = serde_json::from_str(text.lines().next()?).ok()?;
    Some(first.get("sessionId")?.as_str()?.to_owned())
}

/// Finds the session's file: Gemini itself makes the copy.
pub(super) fn copy(
    _: &LaunchContext,
    variable: Variable<'_>,
    session: &str,
    _: &mut Launch,
) -> Option<Copied> {
    let projects = projects(variable)?;
    // A name ends with the first characters of the id.
    let mark = format!("-{}.json", session.get(..8)?);
    let chats = projects.iter().flat_map(|project| files::below(&project.join("chats"), 1));
    let mut named = chats.filter(|file| file.to_str().is_some_and(|name| name.contains(&mark)));
    let file = named.find(|file| files::read(file).and_then(|text| id(&text)).as_deref() == Some(session))?;
    Some(Copied { id: session.to_owned(), file: Some(file) })
}

#[cfg(test)]
mod tests {
    use super::super::tests::World;
    use super::*;
    use crate::catalogue::Kind;

    const ID: &str = "0fdb5d41-2422-4617-a8c6-ae34136f8b8e";

    #[test]
    fn the_session_is_the_one_last_written_in_the_folder_and_its_file_is_the_copy() {
        let world = World::new();
        let gemini = Kind::Program("gemini");
        let chat = ".gemini/tmp/repo/chats/session-2026-11-26T11-15-0fdb5d41.jsonl";
        world.write(".gemini/tmp/repo/.project_root", "/src/repo");
        world.write(chat, &format!("{{\"sessionId\":\"{ID}\",\"kind\":\"main\"}}\n"));
        std::fs::create_dir(world.home().join(".gemini/tmp/repo/chats/subagents")).unwrap();
        assert!(!world.open(gemini, &[(77, 5)]).unwrap().has_begun);
        world.write(chat, &format!("{{\"sessionId\":\"{ID}\"}}\n{{\"id\":\"m\",\"type\":\"gemini\"}}\n"));
        let found = world.open(gemini, &[(77, 5)]).unwrap();
        assert_eq!((found.id.as_str(), found.has_begun, found.is_stated), (ID, true, false));
        assert_eq!(world.open_beside_another(gemini, &[(77, 5)]), None, "it may be that one's");
        let later = u64::MAX / 200;
        assert_eq!(world.open(gemini, &[(77, later)]), None, "nobody wrote since it started");
        world.write(".gemini/tmp/repo/.project_root", "/src/another");
        assert_eq!(world.open(gemini, &[(77, 5)]), None);

        let (copied, launch) = world.copy(copy, ID);
        assert_eq!(copied.unwrap(), Copied { id: ID.into(), file: Some(world.home().join(chat)) });
        assert_eq!(launch.files, []);
        assert_eq!(world.copy(copy, "0fdb5d41-another").0, None);
        assert_eq!(world.copy(copy, "é").0, None);
    }
}
