//! What a user's own agent is launched with so that it reports its actions.

use super::{Launch, LaunchContext, LaunchError};
use crate::adapter::text_path;
use crate::catalogue::{Entry, LAUNCH_PLACEHOLDERS, OwnHooks, RESUME_PLACEHOLDERS, fill};
use crate::sessions::Copied;

/// The folder below the agent's own where these files stand.
const FILES: &str = "files";

/// Adds files, arguments and environment of the entry's hooks.
pub(super) fn launch(
    entry: &Entry,
    hooks: &OwnHooks,
    context: &LaunchContext,
    launch: &mut Launch,
) -> Result<(), LaunchError> {
    let folder = context.agent_dir.join(FILES);
    let hook = crate::adapter::hook_path(entry, context)?.to_owned();
    let agent_dir = text_path(entry, &folder)?.to_owned();
    let worktree = text_path(entry, &context.worktree)?.to_owned();
    let session = context.resume.as_ref().or(context.session_id.as_ref()).cloned().unwrap_or_default();
    let format = hooks.format_word(&entry.name);
    let filled = |place: String, text: &str| {
        let value = |name: &str| {
            Some(match name {
                "hook" => hook.clone(),
                "format" => format.clone(),
                "agent_dir" => agent_dir.clone(),
                "worktree" => worktree.clone(),
                "session_id" => session.clone(),
                _ => return None,
            })
        };
        fill(text, &LAUNCH_PLACEHOLDERS, value).map_err(|why| LaunchError::Template {
            agent: entry.title.clone(),
            message: format!("{place}: {why}"),
        })
    };
    for (index, file) in hooks.file.iter().enumerate() {
        let text = filled(format!("hooks.file[{index}].text"), &file.text)?;
        let mode = if file.executable { 0o700 } else { 0o600 };
        launch.files.push((folder.join(&file.path), text.into_bytes(), mode));
    }
    for (index, text) in hooks.args.iter().enumerate() {
        launch.argv.push(filled(format!("hooks.args[{index}]"), text)?.into());
    }
    for (name, text) in &hooks.environment {
        let value = filled(format!("hooks.environment.{name}"), text)?;
        launch.set(name, value);
    }
    Ok(())
}

/// Adds the arguments that take up a session.
pub(super) fn resume_args(
    entry: &Entry,
    args: &[String],
    session: &Copied,
    context: &LaunchContext,
    launch: &mut Launch,
) -> Result<(), LaunchError> {
    let worktree = text_path(entry, &context.worktree)?;
    let file = session.file.as_deref().map(|file| text_path(entry, file)).transpose()?;
    for text in args {
        let filled = fill(text, &RESUME_PLACEHOLDERS, |name| match name {
            "session_id" => Some(session.id.clone()),
            "worktree" => Some(worktree.to_owned()),
            _ => file.map(str::to_owned),
        });
        let word = filled.map_err(|message| LaunchError::Template { agent: entry.title.clone(), message })?;
        launch.argv.push(word.into());
    }
    Ok(())
}

/// Adds the arguments that name a new session.
pub(super) fn session_args(
    entry: &Entry,
    args: &[String],
    session: &str,
    launch: &mut Launch,
) -> Result<(), LaunchError> {
    for text in args {
        let filled = fill(text, &["session_id"], |_| Some(session.to_owned()));
        let word = filled.map_err(|message| LaunchError::Template { agent: entry.title.clone(), message })?;
        launch.argv.push(word.into());
    }
    Ok(())
}
