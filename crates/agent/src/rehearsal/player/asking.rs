//! Asking for a permission: in the pane and through the hook at once; the first answer counts.

use std::path::Path;
use std::time::Instant;

use serde_json::{Map, Value, json};

use super::{Activity, DIM, Flow, Player, RESET};
use crate::rehearsal::reporting::{Decision, decision};
use crate::rehearsal::script::{Ask, Change, Edit};
use crate::rehearsal::tools;
use crate::terminal::plain;

/// As long as Claude Code's hook waits, in seconds.
const HOOK_WAIT_S: &str = "590";

impl Player {
    pub(super) fn ask(&mut self, ask: &Ask, said: &mut Option<String>) -> Result<(), Flow> {
        let mut input = Value::Object(ask.input.clone());
        let summary = format!("{}: {}", ask.tool, summary(&ask.input));
        let id = self.begin_tool(&ask.tool, &input, &summary)?;
        let answer = self.wait_for_answer(&ask.tool, &input, &summary)?;
        self.state("working", None, None)?;
        match answer {
            Decision::Allow { updated_input } => {
                if let Some(updated) = updated_input {
                    input = updated;
                }
                self.log(&[format!("{DIM}  ⎿ Allowed{RESET}")])?;
                self.use_allowed(&id, &ask.tool, &input)?;
                self.play_steps(&ask.then, said)
            }
            Decision::Deny { reason } => {
                self.log(&[format!("{DIM}  ⎿ Denied: {}{RESET}", plain(&reason))])?;
                let body = json!({
                    "tool_name": ask.tool,
                    "tool_input": input,
                    "tool_use_id": id,
                    "reason": reason,
                });
                self.report("PermissionDenied", body)?;
                self.play_steps(&ask.otherwise, said)
            }
        }
    }

    fn wait_for_answer(&mut self, tool: &str, input: &Value, summary: &str) -> Result<Decision, Flow> {
        let arguments = ["--wait", HOOK_WAIT_S, "claude", "PermissionRequest"];
        // No id of the use, as in the real agent's request.
        let body = json!({ "tool_name": tool, "tool_input": input, "permission_suggestions": [] });
        self.choice = None;
        // Dropping the task on any way out ends the hook, so that the host sees nobody waits any more.
        let mut hook = self.start_hook(&arguments, "PermissionRequest", body)?;
        self.activity = Activity::Asking(plain(summary));
        self.state("blocked", Some("permission"), Some(&format!("approve {summary}")))?;
        self.log(&[])?;
        let answer = loop {
            if let Some(allowed) = self.choice.take() {
                break if allowed {
                    Decision::Allow { updated_input: None }
                } else {
                    Decision::Deny { reason: "the human said no in the pane".to_owned() }
                };
            }
            let ended = hook.as_ref().and_then(|task| self.ended.remove(&task.id));
            if let Some(output) = ended {
                if let Some(task) = hook.take() {
                    task.ended();
                }
                // No opinion leaves the question to the pane.
                if let Some(decision) = decision(&output.stdout) {
                    break decision;
                }
            }
            self.next(None, true)?;
        };
        self.activity = Activity::Working;
        Ok(answer)
    }

    /// Uses a tool that was allowed; one that is not known here only counts as used.
    fn use_allowed(&mut self, id: &str, tool: &str, input: &Value) -> Result<(), Flow> {
        let begun = Instant::now();
        let worktree = self.options.worktree.clone();
        let text = |key: &str| input.get(key).and_then(Value::as_str);
        let result = match tool {
            "Bash" => match text("command") {
                Some(command) => return self.run_allowed(id, input, command),
                None => Err("no command was given".to_owned()),
            },
            "Edit" | "Write" => match edit_of(&worktree, input) {
                Some(edit) => tools::edit(&worktree, &edit),
                None => Err("give file_path, and old_string and new_string or content".to_owned()),
            },
            _ => Ok(json!({})),
        };
        self.finish_tool(id, tool, input, result, begun)
    }
}

fn edit_of(worktree: &Path, input: &Value) -> Option<Edit> {
    let text = |key: &str| input.get(key).and_then(Value::as_str).map(str::to_owned);
    let path = text("file_path")?;
    let inside = Path::new(&path).strip_prefix(worktree).ok().and_then(Path::to_str).map(str::to_owned);
    let change = match (text("content"), text("old_string"), text("new_string")) {
        (Some(content), _, _) => Change::Content(content),
        (None, Some(old), Some(new)) if !old.is_empty() => Change::Replace { old, new },
        (None, Some(_), Some(new)) => Change::Append(new),
        _ => return None,
    };
    Some(Edit { path: inside.unwrap_or(path), change })
}

/// Says in one line what a tool would do.
fn summary(input: &Map<String, Value>) -> String {
    let named = ["command", "file_path", "url", "query"].iter().find_map(|key| input.get(*key)?.as_str());
    named.map_or_else(|| Value::Object(input.clone()).to_string(), str::to_owned)
}
