//! Gemini CLI, as of version 0.61.0: hooks by a settings file in the worktree, status by its window title.
//!
//! Gemini reads hooks from the user's settings, from an administrator's, from the workspace's and from extensions in its
//! home. The workspace's are given to one launch; where the repository has some of its own, a home of links is, with an
//! extension. It asks about permissions in its own pane alone: a hook may deny a tool before that, but
//! cannot answer for the human.

mod home;
mod read;

use serde_json::{Map, Value, json};

use super::{Adapter, hook_path, quote};
use crate::catalogue::Entry;
use crate::hooks::Answer;
use crate::launch::{Launch, LaunchContext, LaunchError, WorktreeFile};
use crate::trust::{Query, Rules};

/// Gemini.
pub(super) const ADAPTER: Adapter = Adapter {
    name: "gemini",
    hooks: true,
    launch,
    parse: read::parse,
    answer,
    notice: None,
    trusts: Some(trusts),
};

/// The hooks that say something once; those around the model run for every piece of an answer.
const REPORTED: [&str; 8] = [
    "SessionStart",
    "BeforeAgent",
    "BeforeTool",
    "AfterTool",
    "AfterAgent",
    "PreCompress",
    "Notification",
    "SessionEnd",
];

/// After so many milliseconds Gemini ends a hook.
const TIMEOUT_MS: u32 = 10_000;

fn launch(entry: &Entry, context: &LaunchContext, launch: &mut Launch) -> Result<(), LaunchError> {
    let settings = settings(hook_path(entry, context)?);
    if home::is_needed(context) {
        home::add(entry, context, settings, launch)?;
    } else {
        launch.worktree_files.push(WorktreeFile {
            path: ".gemini/settings.json",
            content: settings,
            is_ours,
        });
    }
    if context.trusted {
        launch.set("GEMINI_CLI_TRUST_WORKSPACE", "true");
    }
    if let (Some(session), None) = (&context.session_id, &context.resume) {
        launch.argv.extend(["--session-id".into(), session.into()]);
    }
    Ok(())
}

/// Writes the settings, the same for every agent: Gemini remembers hooks by their command.
fn settings(hook_program: &str) -> Vec<u8> {
    let program = quote(hook_program);
    let mut hooks = Map::new();
    for name in REPORTED {
        let command = format!("{program} gemini {name}");
        let hook =
            json!({ "type": "command", "name": "orchflow", "command": command, "timeout": TIMEOUT_MS });
        hooks.insert(name.to_owned(), json!([{ "hooks": [hook] }]));
    }
    let mut text = format!("{:#}", json!({ "hooks": hooks }));
    text.push('\n');
    text.into_bytes()
}

/// Tells whether a file of settings is ours, also of another version or installation: it holds our hooks and nothing else.
fn is_ours(settings: &[u8]) -> bool {
    let Ok(Value::Object(settings)) = serde_json::from_slice(settings) else { return false };
    let Some(hooks) = settings.get("hooks").and_then(Value::as_object).filter(|_| settings.len() == 1) else {
        return false;
    };
    let mut all = hooks.values().flat_map(|event| event.as_array().into_iter().flatten());
    !hooks.is_empty()
        && all.all(|group| {
            let hooks = group.get("hooks").and_then(Value::as_array);
            hooks.is_some_and(|hooks| {
                hooks.iter().all(|hook| hook.get("name").is_some_and(|it| it == "orchflow"))
            })
        })
}

fn answer(name: &str, answer: &Answer) -> Option<Value> {
    match (name, answer) {
        ("BeforeTool", Answer::Deny { reason }) => Some(json!({ "decision": "deny", "reason": reason })),
        _ => None,
    }
}

/// Tells whether the user trusts the main repository, by Gemini's own list of folders.
fn trusts(query: &Query<'_>) -> bool {
    let list = query.variable("GEMINI_CLI_TRUSTED_FOLDERS_PATH");
    let home = || query.variable("GEMINI_CLI_HOME").or_else(|| query.variable("HOME"));
    let file = list.or_else(|| home().map(|home| home.join(".gemini/trustedFolders.json")));
    file.and_then(|file| Rules::read(&file)).is_some_and(|rules| rules.trust(query))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_hook_runs_our_program_and_none_runs_for_every_piece() {
        let settings: Value = serde_json::from_slice(&settings("/it's/hook")).unwrap();
        let hooks = settings["hooks"].as_object().unwrap();
        assert_eq!(hooks.len(), REPORTED.len());
        assert!(!hooks.contains_key("AfterModel") && !hooks.contains_key("BeforeModel"));
        assert_eq!(hooks["AfterAgent"][0]["hooks"][0]["command"], r"'/it'\''s/hook' gemini AfterAgent");
        assert_eq!(hooks["AfterAgent"][0]["hooks"][0]["timeout"], 10_000);
    }

    #[test]
    fn only_a_tool_that_did_not_begin_is_denied() {
        let deny = Answer::Deny { reason: "no".into() };
        assert_eq!(answer("BeforeTool", &deny), Some(json!({"decision": "deny", "reason": "no"})));
        assert_eq!(answer("Notification", &deny), None);
        assert_eq!(answer("BeforeTool", &Answer::Allow { updated_input: None }), None);
    }
}
