//! Codex CLI, as of version 0.169.0: hooks by `-c` of the launch, each pinned by its hash; status by OSC 7501;
//! answers to `PermissionRequest`.

mod hooks;
mod read;

use serde_json::Value;

use super::{Adapter, claude};
use crate::catalogue::Entry;
use crate::hooks::Answer;
use crate::launch::{Launch, LaunchContext, LaunchError, Notice};

/// Codex.
pub(super) const ADAPTER: Adapter = Adapter {
    name: "codex",
    hooks: true,
    launch,
    parse: read::parse,
    answer,
    notice: Some(NOTICE),
    trusts: None,
};

const NOTICE: Notice = Notice {
    topic: "codex-hooks",
    message: "orchflow starts Codex with hooks of its own and approves exactly these, by their hash, for each launch; \
              nothing is written into your Codex settings, and your own hooks stay as you trusted them",
};

/// Answers as Claude Code is answered. Where a permission comes with other arguments, Codex asks in its own pane after
/// all and runs what it asked for, so it gets none.
fn answer(name: &str, answer: &Answer) -> Option<Value> {
    match answer {
        Answer::Allow { updated_input: Some(_) } => None,
        answer => claude::answer(name, answer),
    }
}

fn launch(entry: &Entry, context: &LaunchContext, launch: &mut Launch) -> Result<(), LaunchError> {
    // Else a background process stays behind that outlives the pane. Where one of the user's runs already, to disable its
    // start would have a dialog ask what becomes of it.
    launch.argv.push("--no-daemon".into());
    for setting in hooks::settings(super::hook_path(entry, context)?, entry.approval.wait_s) {
        launch.argv.extend(["-c".into(), setting.into()]);
    }
    Ok(())
}
