//! What a model can do: list, read, search, edit and write files of its worktree, and run commands there.
//!
//! A tool gets its arguments as the model wrote them and gives text for the model, also where it fails: the text
//! says what to do differently. Nothing leads out of the worktree but a command that was allowed.

mod command;
mod edit;
mod look;
mod place;

use std::path::{Path, PathBuf};
use std::time::Duration;

use orchflow_agent::catalogue::Approve;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::key::Secret;
use super::message::ToolSpec;
use place::Place;

/// Most bytes of text one use gives the model.
const OUTPUT_LIMIT: usize = 48 << 10;

/// What a use of a tool came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was done; the text is for the model.
    Done(String),
    /// It failed; the text says why and what to do.
    Failed(String),
    /// The human interrupted it.
    Interrupted,
}

/// The tools of one agent.
#[derive(Debug)]
pub struct Toolbox {
    place: Place,
    approve: Approve,
    command_limit: Duration,
    key: Option<Secret>,
    /// Names that are taken out of a command's environment.
    hidden: Vec<String>,
}

impl Toolbox {
    /// Opens the tools for a worktree. `hidden` are variables that commands do not see, beside every variable that
    /// holds the key.
    ///
    /// # Errors
    /// When the worktree is not there.
    pub fn new(
        worktree: &Path,
        approve: Approve,
        command_limit: Duration,
        key: Option<Secret>,
        hidden: Vec<String>,
    ) -> Result<Toolbox, String> {
        let place = Place::new(worktree)
            .map_err(|error| format!("the worktree {} cannot be used: {error}", worktree.display()))?;
        Ok(Toolbox { place, approve, command_limit, key, hidden })
    }

    /// Gives the worktree, links resolved.
    pub fn root(&self) -> &Path {
        self.place.root()
    }

    /// Tells whether a tool asks the human first.
    pub fn asks(&self, tool: &str) -> bool {
        match (self.approve, tool) {
            (_, "List" | "Read" | "Search") | (Approve::None, _) => false,
            (Approve::Run, "Edit" | "Write") => false,
            // Also what is not known; it fails after.
            (Approve::Run | Approve::All, _) => true,
        }
    }

    /// Checks a use before anybody is asked about it.
    ///
    /// # Errors
    /// What is wrong with it, for the model.
    pub fn check(&self, tool: &str, input: &Value) -> Result<(), String> {
        match tool {
            "List" | "Read" | "Search" => Ok(()),
            "Edit" => edit::plan_edit(&self.place, input).map(drop),
            "Write" => edit::plan_write(&self.place, input).map(drop),
            "Run" => command::of(input).map(drop),
            _ => Err(unknown(tool)),
        }
    }

    /// Uses a tool.
    pub fn run(&self, tool: &str, input: &Value, cancel: &CancellationToken) -> Outcome {
        let outcome = match tool {
            "List" => look::list(&self.place, input, cancel),
            "Read" => look::read(&self.place, input),
            "Search" => look::search(&self.place, input, cancel),
            "Edit" => edit::plan_edit(&self.place, input).and_then(|change| change.apply()),
            "Write" => edit::plan_write(&self.place, input).and_then(|change| change.apply()),
            "Run" => self.command(input, cancel),
            _ => Err(unknown(tool)),
        };
        if cancel.is_cancelled() && outcome.is_err() {
            return Outcome::Interrupted;
        }
        // A file or a command may show the key all the same; the model, the screen and the log do not need it.
        match outcome {
            Ok(text) => Outcome::Done(self.redact(text)),
            Err(text) => Outcome::Failed(self.redact(text)),
        }
    }

    /// Takes the key out of a text.
    pub fn redact(&self, text: String) -> String {
        match &self.key {
            Some(key) => key.redact(text),
            None => text,
        }
    }

    fn command(&self, input: &Value, cancel: &CancellationToken) -> Result<String, String> {
        let (command, wanted) = command::of(input)?;
        let limit = wanted.unwrap_or(self.command_limit).min(self.command_limit);
        let is_hidden = |name: &str, value: &str| {
            self.hidden.iter().any(|hidden| hidden == name)
                || self.key.as_ref().is_some_and(|key| key.is_in(value))
        };
        command::run(&command, self.place.root(), limit, &is_hidden, cancel)
    }
}

fn unknown(tool: &str) -> String {
    format!("there is no tool {tool:?}; there are List, Read, Search, Edit, Write and Run")
}

/// Describes the tools to the model.
pub fn specs(command_limit: Duration) -> Vec<ToolSpec> {
    let string = |description: &str| json!({ "type": "string", "description": description });
    let number = |description: &str| json!({ "type": "integer", "description": description });
    let object = |properties: Value, required: &[&str]| {
        json!({
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": false,
        })
    };
    let path = "the file, from the top of the worktree";
    vec![
        ToolSpec {
            name: "List",
            description: "Lists files below a folder of the worktree, without those git ignores.",
            parameters: object(
                json!({
                    "path": string("the folder, from the top of the worktree; by default its top"),
                    "glob": string("only files like this, for example **/*.rs"),
                }),
                &[],
            ),
        },
        ToolSpec {
            name: "Read",
            description: "Reads a text file of the worktree. Long files come in stretches of lines.",
            parameters: object(
                json!({
                    "file_path": string(path),
                    "offset": number("the first line, counted from 1"),
                    "limit": number("how many lines"),
                }),
                &["file_path"],
            ),
        },
        ToolSpec {
            name: "Search",
            description: "Finds lines that match a regular expression in files of the worktree, without those git ignores.",
            parameters: object(
                json!({
                    "pattern": string("the regular expression, in Rust's syntax; (?i) ignores case"),
                    "path": string("the folder or file to search; by default all"),
                    "glob": string("only files like this, for example *.md"),
                }),
                &["pattern"],
            ),
        },
        ToolSpec {
            name: "Edit",
            description: "Replaces text in a file of the worktree. old_string must be there exactly once, with its \
                          blanks and line breaks, unless replace_all is true. Read the file first.",
            parameters: object(
                json!({
                    "file_path": string(path),
                    "old_string": string("the text to replace, exactly as it stands in the file"),
                    "new_string": string("the text to put in its place"),
                    "replace_all": { "type": "boolean", "description": "replace it everywhere" },
                }),
                &["file_path", "old_string", "new_string"],
            ),
        },
        ToolSpec {
            name: "Write",
            description: "Writes a whole file of the worktree, new or in place of what was there.",
            parameters: object(
                json!({ "file_path": string(path), "content": string("everything the file shall hold") }),
                &["file_path", "content"],
            ),
        },
        ToolSpec {
            name: "Run",
            description: "Runs a command with sh at the top of the worktree. Nothing can be typed into it, and what \
                          it leaves running is ended. The human may be asked first.",
            parameters: object(
                json!({
                    "command": string("the command"),
                    "timeout_s": number(&format!(
                        "how long it may take, in seconds; at most {}",
                        command_limit.as_secs()
                    )),
                }),
                &["command"],
            ),
        },
    ]
}

/// Gives an argument that must be a text.
fn text<'a>(input: &'a Value, name: &str) -> Result<&'a str, String> {
    match input.get(name) {
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err(format!("{name} must be a string")),
        None => Err(format!("{name} is missing")),
    }
}

/// Gives an argument that may be a text; empty is none.
fn optional<'a>(input: &'a Value, name: &str) -> Result<Option<&'a str>, String> {
    match input.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str()).filter(|text| !text.is_empty())),
        Some(_) => Err(format!("{name} must be a string")),
    }
}

/// Gives an argument that may be a number above nothing; some models write numbers as text.
fn number(input: &Value, name: &str) -> Result<Option<u64>, String> {
    let value = match input.get(name) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) => text.trim().parse().ok(),
        Some(Value::Number(number)) => number.as_u64(),
        Some(_) => None,
    };
    value.map(Some).ok_or_else(|| format!("{name} must be a whole number, not below 0"))
}

/// Says where an agent works, for the places of its files.
pub fn relative(root: &Path, path: &Path) -> PathBuf {
    path.strip_prefix(root).unwrap_or(path).to_owned()
}
