//! One use of a tool: asked for, allowed, done, told.

use std::time::Instant;

use orchflow_core::report::Report;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::Agent;
use crate::api::history::result;
use crate::api::message::{ToolCall, ToolResult};
use crate::api::tools::Outcome;
use crate::backend::Verdict;
use crate::bounded::bounded;

/// What the model is told of what the human stopped.
const INTERRUPTED: &str = "interrupted by the human; it was not done, or not to its end";

/// Shorter ids of providers may come again in a later answer.
const UNIQUE: usize = 12;

/// Most characters shown of arguments that cannot be read.
const SHOWN: usize = 200;

impl Agent {
    /// Uses a tool and gives what the model is told.
    pub(super) fn use_tool(&self, call: &ToolCall, is_cut: bool, cancel: &CancellationToken) -> ToolResult {
        if cancel.is_cancelled() {
            return result(call, INTERRUPTED.to_owned(), true);
        }
        let id = if call.id.len() < UNIQUE {
            format!("{}-{}", self.message_id(), call.id)
        } else {
            call.id.clone()
        };
        let using = Using { agent: self, tool: &call.name, id };
        let mut input = call.arguments.clone();
        self.report(Report::ToolRequested {
            tool_use_id: Some(using.id.clone()),
            tool: call.name.clone(),
            input: using.shown(&input),
        });
        if let Some(broken) = &call.broken {
            return result(call, using.failed(&input, unreadable(broken, is_cut), false), true);
        }
        if let Err(why) = self.toolbox.check(&call.name, &input) {
            return result(call, using.failed(&input, why, false), true);
        }
        if self.toolbox.asks(&call.name) {
            match self.outlet.ask(&call.name, using.shown(&input), Some(using.id.clone()), summary(call)) {
                Verdict::Allow { updated_input, .. } => {
                    if let Some(updated) = updated_input.filter(|updated| *updated != using.shown(&input)) {
                        input = updated;
                    }
                }
                Verdict::Deny { reason } => {
                    self.report(Report::ToolDenied {
                        tool_use_id: Some(using.id.clone()),
                        tool: call.name.clone(),
                        input: using.shown(&input),
                        reason: reason.clone(),
                    });
                    let said = if reason.trim().is_empty() { "no reason was given" } else { reason.trim() };
                    return result(call, format!("The human did not allow this: {said}"), true);
                }
                Verdict::Cancelled => {
                    return result(call, using.failed(&input, INTERRUPTED.to_owned(), true), true);
                }
            }
        }
        let begun = Instant::now();
        let outcome = self.toolbox.run(&call.name, &input, cancel);
        match outcome {
            Outcome::Done(text) => {
                self.report(Report::ToolFinished {
                    tool_use_id: Some(using.id.clone()),
                    tool: call.name.clone(),
                    input: using.shown(&input),
                    response: bounded(&json!({ "output": text })),
                    duration_ms: u64::try_from(begun.elapsed().as_millis()).ok(),
                });
                let mut told = text;
                if input != call.arguments {
                    told.insert_str(0, &format!("[the human changed the arguments to {input}]\n"));
                }
                result(call, told, false)
            }
            Outcome::Failed(why) => result(call, using.failed(&input, why, false), true),
            Outcome::Interrupted => result(call, using.failed(&input, INTERRUPTED.to_owned(), true), true),
        }
    }
}

/// A use that is under way.
struct Using<'a> {
    agent: &'a Agent,
    tool: &'a str,
    id: String,
}

impl Using<'_> {
    /// Gives arguments as they may be seen: bounded, without the key.
    fn shown(&self, input: &Value) -> Value {
        let mut shown = bounded(input);
        redact(&mut shown, &|text| self.agent.toolbox.redact(text));
        shown
    }

    /// Reports a failure, and gives what the model is told of it.
    fn failed(&self, input: &Value, error: String, interrupted: bool) -> String {
        self.agent.report(Report::ToolFailed {
            tool_use_id: Some(self.id.clone()),
            tool: self.tool.to_owned(),
            input: self.shown(input),
            error: error.clone(),
            interrupted,
        });
        error
    }
}

fn redact(value: &mut Value, clean: &dyn Fn(String) -> String) {
    match value {
        Value::String(text) => *text = clean(std::mem::take(text)),
        Value::Array(items) => items.iter_mut().for_each(|item| redact(item, clean)),
        Value::Object(fields) => fields.values_mut().for_each(|item| redact(item, clean)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn unreadable(broken: &str, is_cut: bool) -> String {
    if is_cut {
        return "Your answer reached its limit of tokens in the middle of this call, so it was not done. Do it in \
                smaller pieces: for a long file, write the beginning first and add the rest by Edit."
            .to_owned();
    }
    let shown: String = broken.chars().take(SHOWN).collect();
    format!("The arguments are no JSON object, so this was not done. They begin with: {shown}")
}

/// Says in a line what a tool would do.
fn summary(call: &ToolCall) -> String {
    let named = ["command", "file_path"].iter().find_map(|key| call.arguments.get(*key)?.as_str());
    let what = named.map_or_else(|| call.arguments.to_string(), str::to_owned);
    format!("{}: {}", call.name, crate::api::fault::one_line(&what))
}
