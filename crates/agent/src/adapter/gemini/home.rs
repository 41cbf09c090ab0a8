//! A home for one agent, where the repository has settings of its own that ours must not stand beside.
//!
//! Gemini takes hooks from the settings of the workspace, or from extensions in its home. The home made here is the
//! user's by links, file by file, with one more extension: what Gemini signs in with, remembers and is told by the
//! user stays theirs, read and written through the links. Conversations of the agent stay with the agent.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::adapter::text_path;
use crate::catalogue::Entry;
use crate::launch::{Launch, LaunchContext, LaunchError};
use crate::trust::variable;

/// What the agent has for itself: conversations with what they refer to, and the extensions, which are linked singly.
const OWN: [&str; 4] = ["tmp", "history", "projects.json", "extensions"];

/// What Gemini may write into a home that had none of it: the link is there first, so that it goes to the user's.
const EXPECTED: [&str; 11] = [
    "GEMINI.md",
    "a2a-oauth-tokens.json",
    "gemini-credentials.json",
    "google_accounts.json",
    "installation_id",
    "keybindings.json",
    "mcp-oauth-tokens.json",
    "oauth_creds.json",
    "settings.json",
    "state.json",
    "trusted_hooks.json",
];

/// What Gemini reads beside its own folder.
const BESIDE: [&str; 2] = [".env", ".agents"];

/// Where the home of an agent is, in its folder.
const FOLDER: &str = "gemini-home";

/// Tells whether an agent needs a home. One that has it keeps it, for its conversations are there; one that goes on with
/// a conversation from the user's home gets none.
pub(super) fn is_needed(context: &LaunchContext) -> bool {
    let has_one = context.agent_dir.join(FOLDER).is_dir();
    let goes_on = context.resume.is_some() && !context.fork;
    has_one || (!goes_on && is_taken(&context.worktree))
}

/// Tells whether a worktree leaves no room for our settings: a file of the repository is there, or a link or another
/// thing in the place of a folder.
fn is_taken(worktree: &Path) -> bool {
    match fs::symlink_metadata(worktree.join(".gemini")) {
        Err(_) => false,
        Ok(folder) if !folder.is_dir() => true,
        Ok(_) => {
            let file = worktree.join(".gemini/settings.json");
            fs::symlink_metadata(&file).is_ok_and(|there| {
                !there.is_file() || !fs::read(&file).is_ok_and(|there| super::is_ours(&there))
            })
        }
    }
}

/// Adds the home to a launch: its links, its extension with `settings`, and the variables that name it.
pub(super) fn add(
    entry: &Entry,
    context: &LaunchContext,
    settings: Vec<u8>,
    launch: &mut Launch,
) -> Result<(), LaunchError> {
    let theirs = variable(&launch.environment, "GEMINI_CLI_HOME");
    let Some(theirs) = theirs.or_else(|| variable(&launch.environment, "HOME")) else { return Ok(()) };
    let home = context.agent_dir.join(FOLDER);
    let folder = home.join(".gemini");
    launch.links.extend(links(&theirs, &home));
    let extension = folder.join("extensions/orchflow");
    let manifest = json!({ "name": "orchflow", "version": env!("CARGO_PKG_VERSION") });
    // Where a user allows extensions by their source, one that has none keeps Gemini from starting at all.
    let source = json!({ "source": text_path(entry, &extension)?, "type": "local" });
    launch.files.extend([
        (extension.join("gemini-extension.json"), manifest.to_string().into_bytes(), 0o600),
        (extension.join(".gemini-extension-install.json"), source.to_string().into_bytes(), 0o600),
        (extension.join("hooks/hooks.json"), settings, 0o600),
    ]);
    if variable(&launch.environment, "GEMINI_CLI_TRUSTED_FOLDERS_PATH").is_none() {
        launch.set("GEMINI_CLI_TRUSTED_FOLDERS_PATH", theirs.join(".gemini/trustedFolders.json"));
    }
    launch.set("GEMINI_CLI_HOME", home);
    Ok(())
}

/// Gives the links, each where it stands and what it leads to.
fn links(theirs: &Path, home: &Path) -> Vec<(PathBuf, PathBuf)> {
    let folder = theirs.join(".gemini");
    let mut names: Vec<OsString> = names_in(&folder);
    names.extend(EXPECTED.map(OsString::from));
    names.retain(|name| {
        OWN.iter().all(|own| name != own) && name != "trustedFolders.json" && !is_passing(name)
    });
    names.sort();
    names.dedup();
    let mut links: Vec<(PathBuf, PathBuf)> =
        names.iter().map(|name| (home.join(".gemini").join(name), folder.join(name))).collect();
    for name in names_in(&folder.join("extensions")).iter().filter(|name| *name != "orchflow") {
        links.push((home.join(".gemini/extensions").join(name), folder.join("extensions").join(name)));
    }
    for name in BESIDE.iter().filter(|name| theirs.join(name).exists()) {
        links.push((home.join(name), theirs.join(name)));
    }
    links
}

/// Tells whether something stands there for a moment only: a lock, or a file that is being written.
fn is_passing(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    name.starts_with("projects.json") || [".lock", ".tmp"].iter().any(|end| name.ends_with(end))
}

fn names_in(folder: &Path) -> Vec<OsString> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.file_name()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_is_needed_only_where_the_repository_has_something_there() {
        let tree = tempfile::tempdir().unwrap();
        let folder = tree.path().join(".gemini");
        let ours = super::super::settings("/an/older/hook");
        assert!(!is_taken(tree.path()));
        fs::create_dir(&folder).unwrap();
        assert!(!is_taken(tree.path()), "commands of its own are no trouble");
        fs::write(folder.join("settings.json"), &ours).unwrap();
        assert!(!is_taken(tree.path()), "from an earlier launch");
        let theirs = String::from_utf8(ours).unwrap().replacen('{', "{\"ui\":{},", 1);
        for theirs in
            ["{}", theirs.as_str(), r#"{"hooks":{"AfterTool":[{"hooks":[{"name":"lint"}]}]}}"#, "no JSON"]
        {
            fs::write(folder.join("settings.json"), theirs).unwrap();
            assert!(is_taken(tree.path()), "{theirs}");
        }
        fs::remove_file(folder.join("settings.json")).unwrap();
        std::os::unix::fs::symlink("/nowhere", folder.join("settings.json")).unwrap();
        assert!(is_taken(tree.path()));
        fs::remove_dir_all(&folder).unwrap();
        std::os::unix::fs::symlink("/nowhere", &folder).unwrap();
        assert!(is_taken(tree.path()));
    }

    #[test]
    fn who_has_a_home_keeps_it_and_who_goes_on_without_one_gets_none() {
        let root = tempfile::tempdir().unwrap();
        let worktree = root.path().join("tree");
        fs::create_dir_all(worktree.join(".gemini")).unwrap();
        fs::write(worktree.join(".gemini/settings.json"), "{}").unwrap();
        let mut context = LaunchContext {
            agent_dir: root.path().join("agent"),
            worktree: worktree.clone(),
            ..crate::launch::tests::context()
        };
        assert!(is_needed(&context));
        context.resume = Some("s-1".into());
        assert!(!is_needed(&context), "its conversation is in the user's home");
        context.fork = true;
        assert!(is_needed(&context), "a copy is made anywhere");
        context.fork = false;
        fs::create_dir_all(root.path().join("agent").join(FOLDER)).unwrap();
        fs::remove_file(worktree.join(".gemini/settings.json")).unwrap();
        assert!(is_needed(&context), "its conversation is in its own");
    }

    #[test]
    fn the_home_is_the_users_but_for_conversations_and_trust() {
        let theirs = tempfile::tempdir().unwrap();
        let folder = theirs.path().join(".gemini");
        for name in ["commands", "tmp", "history", "extensions/mine", "extensions/orchflow"] {
            fs::create_dir_all(folder.join(name)).unwrap();
        }
        for name in ["settings.json", "trustedFolders.json", "projects.json", "new.json", "a.json.lock"] {
            fs::write(folder.join(name), "{}").unwrap();
        }
        fs::write(theirs.path().join(".env"), "").unwrap();
        let links = links(theirs.path(), Path::new("/own"));
        let leads = |at: &str, to: &str| {
            assert!(links.contains(&(PathBuf::from(at), theirs.path().join(to))), "{at}: {links:?}");
        };
        leads("/own/.gemini/commands", ".gemini/commands");
        leads("/own/.gemini/new.json", ".gemini/new.json");
        leads("/own/.gemini/oauth_creds.json", ".gemini/oauth_creds.json");
        leads("/own/.gemini/extensions/mine", ".gemini/extensions/mine");
        leads("/own/.env", ".env");
        for own in [
            "tmp",
            "history",
            "projects.json",
            "extensions",
            "trustedFolders.json",
            "extensions/orchflow",
            "a.json.lock",
        ] {
            let at = Path::new("/own/.gemini").join(own);
            assert!(links.iter().all(|(there, _)| *there != at), "{own}");
        }
        assert_eq!(links.iter().filter(|(at, _)| at.ends_with("settings.json")).count(), 1);
    }
}
