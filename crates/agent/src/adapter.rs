//! What orchflow knows of single programs: a file for each, a table of them here.
//!
//! An adapter says what a launch needs beside the catalogue's entry, what the program's hooks say and how they are
//! answered. Its name is the `kind` of catalogue entries and the format on the command line of its hooks. A program
//! without one is driven by its catalogue entry alone.

mod aider;
mod claude;
mod codex;
mod copilot;
mod fields;
mod gemini;
mod opencode;
mod qwen;

pub(crate) use aider::CHAT as AIDER_CHAT;

use std::path::Path;

use serde_json::Value;

use crate::catalogue::Entry;
use crate::hooks::{Answer, Parsed};
use crate::launch::{Launch, LaunchContext, LaunchError};

/// One program.
#[derive(Debug)]
pub(crate) struct Adapter {
    /// Its name.
    pub(crate) name: &'static str,
    /// Whether what it is launched with makes it report its actions.
    pub(crate) hooks: bool,
    /// Adds its arguments, environment and files to a launch; the program and the entry's arguments stand there already.
    pub(crate) launch: fn(&Entry, &LaunchContext, &mut Launch) -> Result<(), LaunchError>,
    /// Reads the body of a hook, by its name or, where that is empty, by the body's own word.
    pub(crate) parse: fn(&str, Value) -> Parsed,
    /// Writes an answer in the program's words; `None` where the hook cannot carry it.
    pub(crate) answer: fn(&str, &Answer) -> Option<Value>,
    /// What a launch does in the human's name, which they are told once.
    pub(crate) notice: Option<crate::launch::Notice>,
    /// Reads the program's own records for whether the user trusts the main repository. None for programs that look
    /// after that themselves.
    pub(crate) trusts: Option<fn(&crate::trust::Query<'_>) -> bool>,
}

/// All of them.
const ADAPTERS: &[&Adapter] = &[
    &aider::ADAPTER,
    &claude::ADAPTER,
    &codex::ADAPTER,
    &copilot::ADAPTER,
    &gemini::ADAPTER,
    &opencode::ADAPTER,
    &qwen::ADAPTER,
];

/// Finds the adapter of a name.
pub(crate) fn find(name: &str) -> Option<&'static Adapter> {
    ADAPTERS.iter().find(|adapter| adapter.name == name).copied()
}

/// Names all of them.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    ADAPTERS.iter().map(|adapter| adapter.name)
}

/// Gives the path of the hook program as text, for what is written into JSON or a command line of a shell.
pub(crate) fn hook_path<'a>(entry: &Entry, context: &'a LaunchContext) -> Result<&'a str, LaunchError> {
    context.hook_program.to_str().ok_or_else(|| LaunchError::HookPath {
        path: context.hook_program.clone(),
        agent: entry.title.clone(),
    })
}

/// Gives the path of a file of the launch as text.
pub(crate) fn text_path<'a>(entry: &Entry, path: &'a Path) -> Result<&'a str, LaunchError> {
    path.to_str().ok_or_else(|| LaunchError::FilePath { path: path.to_owned(), agent: entry.title.clone() })
}

/// Quotes a word for a POSIX shell.
pub(crate) fn quote(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}
