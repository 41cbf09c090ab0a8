//! Hooks of the user's own agents: what a launch gets, and what the bodies of their hooks mean.

use std::collections::BTreeMap;
use std::path::{Component, Path};

use serde::Deserialize;

use super::template;

/// Placeholders of files, arguments and environment.
pub(crate) const LAUNCH_PLACEHOLDERS: [&str; 5] = ["hook", "format", "agent_dir", "worktree", "session_id"];

/// Placeholders of the answers to a hook.
pub(crate) const ANSWER_PLACEHOLDERS: [&str; 1] = ["reason"];

/// Most files, and most rows of a mapping.
const MOST: usize = 64;

/// `[hooks]`: how a program without an adapter is made to report its actions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OwnHooks {
    /// The known format its hooks speak; without one `[[hooks.report]]` says what they mean.
    pub format: Option<String>,
    /// Arguments to add.
    pub args: Vec<String>,
    /// Environment variables to add.
    pub environment: BTreeMap<String, String>,
    /// Files to write before each launch.
    pub file: Vec<HookFile>,
    /// Where a body names its hook, as a JSON pointer; for hooks whose command line names none.
    pub name: Option<String>,
    /// Where a body names its session.
    pub session: Option<String>,
    /// What the hooks mean; the first row that fits counts.
    pub report: Vec<Mapping>,
}

/// A file of a launch.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HookFile {
    /// Where, below `{agent_dir}`.
    pub path: String,
    /// Its text.
    pub text: String,
    /// Whether it is a program.
    #[serde(default)]
    pub executable: bool,
}

/// One row of a mapping: a hook and the report it becomes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    /// The hook's name.
    pub hook: String,
    /// Only for bodies that hold these texts, by JSON pointer.
    #[serde(default)]
    pub when: BTreeMap<String, String>,
    /// The report's kind; see [`REPORTS`].
    pub report: String,
    /// Its fields: a JSON pointer into the body, or, without a slash at its beginning, the text itself.
    #[serde(default)]
    pub fields: BTreeMap<String, String>,
    /// What the hook prints when the human allows it.
    #[serde(default)]
    pub allow: Option<String>,
    /// Whether the program shows no dialog of its own while the hook waits for the human.
    #[serde(default)]
    pub held: bool,
    /// What it prints when the human denies it; `{reason}` stands for the words.
    #[serde(default)]
    pub deny: Option<String>,
}

/// Reports a hook can become: their kind, the fields they cannot do without, and those they may have.
pub const REPORTS: &[(&str, &[&str], &[&str])] = &[
    ("session_started", &["session_id"], &["source"]),
    ("session_ended", &[], &["reason"]),
    ("prompt_submitted", &["text"], &[]),
    ("turn_ended", &[], &["message"]),
    ("turn_failed", &[], &["error", "message"]),
    ("tool_requested", &["tool"], &["input", "tool_use_id"]),
    ("tool_finished", &["tool"], &["input", "response", "tool_use_id", "duration_ms"]),
    ("tool_failed", &["tool"], &["input", "error", "tool_use_id"]),
    ("tool_denied", &["tool"], &["input", "reason", "tool_use_id"]),
    ("approval_requested", &["tool"], &["input", "tool_use_id"]),
    ("text_displayed", &["text"], &["message_id"]),
    ("notification_shown", &["message"], &["category"]),
    (
        "usage_reported",
        &[],
        &[
            "model",
            "input_tokens",
            "cached_tokens",
            "cache_write_tokens",
            "output_tokens",
            "reasoning_tokens",
            "cost_usd",
        ],
    ),
];

impl OwnHooks {
    /// Gives the format its hooks are registered with.
    pub fn format_word(&self, entry: &str) -> String {
        self.format.clone().unwrap_or_else(|| format!("{OWN_FORMAT}{entry}"))
    }

    pub(super) fn check(&self) -> Result<(), String> {
        match &self.format {
            Some(_) if !self.report.is_empty() => {
                return Err(
                    "hooks.format: [[hooks.report]] says what the hooks mean already; leave one out".into()
                );
            }
            Some(format) if crate::adapter::find(format).is_none() => {
                let known: Vec<&str> = crate::adapter::names().collect();
                let known = known.join(", ");
                return Err(format!("hooks.format: {format:?} is not known; there are: {known}"));
            }
            None if self.report.is_empty() => {
                return Err("hooks.report: say what its hooks mean, or name a known hooks.format".into());
            }
            _ => {}
        }
        if self.file.len() > MOST || self.report.len() > MOST {
            return Err(format!("hooks: at most {MOST} files and {MOST} reports"));
        }
        for (index, text) in self.args.iter().enumerate() {
            template::check(text, &LAUNCH_PLACEHOLDERS)
                .map_err(|why| format!("hooks.args[{index}]: {why}"))?;
        }
        for (name, text) in &self.environment {
            template::check(text, &LAUNCH_PLACEHOLDERS)
                .map_err(|why| format!("hooks.environment.{name}: {why}"))?;
        }
        for (index, file) in self.file.iter().enumerate() {
            file.check().map_err(|(field, why)| format!("hooks.file[{index}].{field}: {why}"))?;
        }
        for (place, pointer) in [("hooks.name", &self.name), ("hooks.session", &self.session)] {
            if pointer.as_ref().is_some_and(|pointer| !pointer.starts_with('/')) {
                return Err(format!("{place}: a JSON pointer begins with a slash, as \"/session_id\""));
            }
        }
        for (index, row) in self.report.iter().enumerate() {
            row.check().map_err(|(field, why)| format!("hooks.report[{index}].{field}: {why}"))?;
        }
        Ok(())
    }
}

/// How the format of an entry's own mapping begins; the entry's name follows.
pub(crate) const OWN_FORMAT: &str = "kind:";

impl HookFile {
    fn check(&self) -> Result<(), (&'static str, String)> {
        let path = Path::new(&self.path);
        let is_below = path.components().all(|component| matches!(component, Component::Normal(_)));
        if self.path.is_empty() || !is_below || self.path.contains('\0') || self.path.ends_with('/') {
            let why =
                format!("{:?} is no path below the agent's folder, as \"hooks/settings.json\"", self.path);
            return Err(("path", why));
        }
        template::check(&self.text, &LAUNCH_PLACEHOLDERS).map_err(|why| ("text", why))
    }
}

impl Mapping {
    fn check(&self) -> Result<(), (String, String)> {
        let wrong = |field: &str, why: String| Err((field.to_owned(), why));
        let Some((_, required, optional)) = REPORTS.iter().find(|(kind, ..)| *kind == self.report) else {
            let known: Vec<&str> = REPORTS.iter().map(|(kind, ..)| *kind).collect();
            return wrong(
                "report",
                format!("{:?} is not known; there are: {}", self.report, known.join(", ")),
            );
        };
        if self.hook.is_empty() || self.hook.contains(char::is_whitespace) {
            return wrong("hook", "give the hook's name, without blanks".to_owned());
        }
        for field in self.fields.keys() {
            if !required.contains(&field.as_str()) && !optional.contains(&field.as_str()) {
                let known: Vec<&str> = required.iter().chain(*optional).copied().collect();
                let why = format!("{} has no such field; it has: {}", self.report, known.join(", "));
                return Err((format!("fields.{field}"), why));
            }
        }
        if let Some(missing) = required.iter().find(|field| !self.fields.contains_key(**field)) {
            return Err((format!("fields.{missing}"), format!("{} cannot do without it", self.report)));
        }
        if let Some(pointer) = self.when.keys().find(|pointer| !pointer.starts_with('/')) {
            return Err((format!("when.{pointer:?}"), "a JSON pointer begins with a slash".to_owned()));
        }
        for (field, text) in [("allow", &self.allow), ("deny", &self.deny)] {
            let Some(text) = text else { continue };
            if self.report != "approval_requested" {
                return wrong(field, "only an approval_requested is answered".to_owned());
            }
            template::check(text, &ANSWER_PLACEHOLDERS).map_err(|why| (field.to_owned(), why))?;
        }
        Ok(())
    }
}
