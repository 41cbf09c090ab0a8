//! Tool calls: told in pieces by the program, put together here, and reported when there is something to say.

use std::collections::BTreeMap;
use std::time::Instant;

use orchflow_core::report::Report;
use serde_json::{Map, Value, json};

use super::conversation::Output;
use super::updates;
use crate::backend::Happening;
use crate::bounded::{self, bounded};

/// Most calls of a turn that are followed.
const CALLS: usize = 2000;

/// Most texts and diffs kept of one call.
const CONTENT: usize = 32;

/// One call, as far as it was told.
#[derive(Debug, Default)]
struct Call {
    name: Option<String>,
    title: Option<String>,
    /// The first of them: some programs end a call under another.
    first_title: Option<String>,
    kind: Option<String>,
    raw_input: Value,
    raw_output: Value,
    texts: Vec<String>,
    diffs: Vec<Value>,
    path: Option<String>,
    since: Option<Instant>,
    is_told: bool,
    is_over: bool,
    denied: Option<String>,
    plan: Option<Value>,
}

/// The calls of a turn.
#[derive(Debug, Default)]
pub(super) struct Tools {
    calls: BTreeMap<String, Call>,
}

impl Tools {
    /// Takes `tool_call`, `tool_call_update` or the call of a permission.
    pub(super) fn update(&mut self, update: &Value) -> Vec<Output> {
        let Some(id) = update.get("toolCallId").and_then(Value::as_str).map(bounded::text) else {
            return Vec::new();
        };
        if !self.calls.contains_key(&id) && self.calls.len() >= CALLS {
            return Vec::new();
        }
        let is_new = !self.calls.contains_key(&id);
        let call = self.calls.entry(id.clone()).or_default();
        if call.is_over {
            return Vec::new();
        }
        let has_input = call.merge(update);
        let mut outputs = Vec::new();
        if let Some(steps) = call.new_plan() {
            outputs.push(Output::Tell(Happening::Report(Report::PlanUpdated { steps })));
        }
        let status = update.get("status").and_then(Value::as_str).unwrap_or("pending");
        let is_over = matches!(status, "completed" | "failed");
        // What a call that is only being prepared is about comes with its updates.
        if is_over || status == "in_progress" || (has_input && !is_new) {
            outputs.extend(call.request(&id));
        }
        if is_over {
            call.is_over = true;
            outputs.push(call.end(&id, status == "completed"));
        }
        outputs
    }

    /// Reports a call as requested, if that was not done.
    pub(super) fn tell_requested(&mut self, id: &str) -> Option<Output> {
        self.calls.get_mut(&bounded::text(id))?.request(id)
    }

    /// Gives tool, arguments and a line about a call for which a permission is asked.
    pub(super) fn asked(&self, asked: &Value) -> (String, Value, String) {
        let id = asked.get("toolCallId").and_then(Value::as_str).map(bounded::text);
        let mut alone = Call::default();
        let call = match id.and_then(|id| self.calls.get(&id)) {
            Some(call) => call,
            None => {
                alone.merge(asked);
                &alone
            }
        };
        let (tool, input) = (call.tool(), call.input());
        let summary = orchflow_core::describe::tool_line(&tool, &input);
        (tool, input, summary)
    }

    /// Notes that the human denied a call.
    pub(super) fn deny(&mut self, id: &str, reason: &str) {
        if let Some(call) = self.calls.get_mut(&bounded::text(id)) {
            call.denied = Some(reason.to_owned());
        }
    }

    /// Ends the turn: what was requested and did not end, does not end any more.
    pub(super) fn end(&mut self, interrupted: bool) -> Vec<Output> {
        let calls = std::mem::take(&mut self.calls);
        let open = calls.into_iter().filter(|(_, call)| call.is_told && !call.is_over);
        open.map(|(id, call)| match &call.denied {
            Some(_) => call.end(&id, false),
            None => Output::Tell(Happening::Report(Report::ToolFailed {
                tool: call.tool(),
                input: call.input(),
                tool_use_id: Some(id),
                error: "the turn ended before it did".to_owned(),
                interrupted,
            })),
        })
        .collect()
    }
}

impl Call {
    /// Takes what an update tells. Tells whether its arguments were among it.
    fn merge(&mut self, update: &Value) -> bool {
        let text = |name: &str| update.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let own = [&update["_meta"]["claudeCode"]["toolName"], &update["_meta"]["toolName"]];
        let name = text("name").or_else(|| own.iter().find_map(|name| name.as_str()));
        let set = |known: &mut Option<String>, told: Option<&str>| {
            if let Some(told) = told {
                *known = Some(orchflow_core::describe::one_line(told));
            }
        };
        set(&mut self.name, name);
        set(&mut self.title, text("title"));
        if self.first_title.is_none() {
            set(&mut self.first_title, text("title"));
        }
        set(&mut self.kind, text("kind"));
        self.since.get_or_insert_with(Instant::now);
        for (known, name) in [(&mut self.raw_input, "rawInput"), (&mut self.raw_output, "rawOutput")] {
            if let Some(told) = update.get(name).filter(|told| !is_empty(told)) {
                *known = bounded(told);
            }
        }
        if let Some(content) = update["content"].as_array().filter(|content| !content.is_empty()) {
            self.texts.clear();
            // A later update of the same call may only have its words.
            let diffs: Vec<Value> = content.iter().take(CONTENT).filter_map(diff).collect();
            if !diffs.is_empty() {
                self.diffs = diffs;
            }
            let texts = content.iter().take(CONTENT).filter_map(|part| part["content"]["text"].as_str());
            self.texts = texts.map(bounded::text).collect();
        }
        let place = update["locations"].as_array().and_then(|places| places.first()?.get("path")?.as_str());
        if let Some(path) = place {
            self.path = Some(bounded::text(path));
        }
        update.get("rawInput").is_some_and(|told| !is_empty(told))
    }

    /// Names the tool: in the program's word where it has one, else by what it does.
    fn tool(&self) -> String {
        let title = self.first_title.as_ref().filter(|title| !title.contains(char::is_whitespace));
        let by_kind = match self.kind.as_deref() {
            Some("other") | None => None,
            Some(kind) => Some(kind.to_owned()),
        };
        self.name.clone().or(by_kind).or_else(|| title.cloned()).unwrap_or_else(|| "tool".to_owned())
    }

    /// Gives the arguments, with the words for file and change that all agents share.
    fn input(&self) -> Value {
        let mut input = match &self.raw_input {
            Value::Object(fields) => fields.clone(),
            Value::Null => Map::new(),
            other => Map::from_iter([("input".to_owned(), other.clone())]),
        };
        let has =
            |input: &Map<String, Value>, names: &[&str]| names.iter().any(|name| input.contains_key(*name));
        let diff = self.diffs.first();
        let is_about_file =
            diff.is_some() || matches!(self.kind.as_deref(), Some("edit" | "read" | "delete" | "move"));
        let path = diff.and_then(|diff| diff["path"].as_str()).or(self.path.as_deref());
        if let Some(path) =
            path.filter(|_| is_about_file && !has(&input, &["file_path", "path", "notebook_path"]))
        {
            input.insert("file_path".to_owned(), json!(path));
        }
        if let Some(diff) = diff.filter(|_| !has(&input, &["old_string", "new_string", "content"])) {
            match &diff["old"] {
                Value::String(old) if !old.is_empty() => {
                    input.insert("old_string".to_owned(), json!(old));
                    input.insert("new_string".to_owned(), diff["new"].clone());
                }
                _ => drop(input.insert("content".to_owned(), diff["new"].clone())),
            }
        }
        let is_titled = self.title.as_deref().is_some_and(|title| title.contains(char::is_whitespace));
        if is_titled
            && !has(&input, &["command", "file_path", "path", "url", "query", "pattern", "description"])
        {
            input.insert("description".to_owned(), json!(self.title));
        }
        Value::Object(input)
    }

    fn request(&mut self, id: &str) -> Option<Output> {
        if std::mem::replace(&mut self.is_told, true) {
            return None;
        }
        Some(Output::Tell(Happening::Report(Report::ToolRequested {
            tool_use_id: Some(id.to_owned()),
            tool: self.tool(),
            input: self.input(),
        })))
    }

    fn end(&self, id: &str, well: bool) -> Output {
        let (tool, input, tool_use_id) = (self.tool(), self.input(), Some(id.to_owned()));
        let report = if well {
            let duration_ms =
                self.since.map(|since| u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX));
            Report::ToolFinished { tool_use_id, tool, input, response: self.response(), duration_ms }
        } else if let Some(reason) = self.denied.clone() {
            Report::ToolDenied { tool_use_id, tool, input, reason }
        } else {
            let error = self.output().unwrap_or_else(|| "it failed without a word".to_owned());
            Report::ToolFailed { tool_use_id, tool, input, error, interrupted: false }
        };
        Output::Tell(Happening::Report(report))
    }

    fn output(&self) -> Option<String> {
        let raw = &self.raw_output;
        let raw = raw.as_str().or_else(|| {
            ["output", "content", "error", "message"].iter().find_map(|name| raw.get(*name)?.as_str())
        });
        match self.texts.is_empty() {
            false => Some(bounded::text(&self.texts.join("\n"))),
            true => raw.map(str::to_owned),
        }
    }

    fn response(&self) -> Value {
        let mut response = Map::new();
        if let Some(output) = self.output() {
            response.insert("output".to_owned(), json!(output));
        } else if !self.raw_output.is_null() {
            response.insert("raw".to_owned(), self.raw_output.clone());
        }
        if !self.diffs.is_empty() {
            response.insert("diffs".to_owned(), json!(self.diffs));
        }
        bounded(&Value::Object(response))
    }

    /// Reads the plan of a tool that keeps one, when it changed: opencode tells its plan in no other way.
    fn new_plan(&mut self) -> Option<Vec<orchflow_core::usage::PlanStep>> {
        let todos = self.raw_input.get("todos").filter(|todos| todos.is_array())?;
        if self.plan.as_ref() == Some(todos) {
            return None;
        }
        self.plan = Some(todos.clone());
        updates::steps(Some(todos)).filter(|steps| !steps.is_empty())
    }
}

fn diff(part: &Value) -> Option<Value> {
    if part["type"] != "diff" {
        return None;
    }
    let text = |name: &str| part.get(name).and_then(Value::as_str).map(bounded::text);
    Some(json!({ "path": text("path")?, "old": text("oldText"), "new": text("newText")? }))
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(fields) => fields.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}
