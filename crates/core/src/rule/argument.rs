//! The argument of a tool that tells most, and what a pattern may say of it.

use serde_json::Value;

use super::glob;

/// What an argument is, as far as that changes how it is matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArgumentKind {
    /// A command of a shell.
    Command,
    /// A path; within the agent's worktree it is counted from its top.
    Path,
    /// Anything else.
    Text,
}

/// The argument that tells most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Argument {
    /// What it is.
    pub kind: ArgumentKind,
    /// The argument.
    pub text: String,
}

/// Names of arguments, the most telling first.
const TELLING: &[(&str, ArgumentKind)] = &[
    ("command", ArgumentKind::Command),
    ("cmd", ArgumentKind::Command),
    ("file_path", ArgumentKind::Path),
    ("filePath", ArgumentKind::Path),
    ("notebook_path", ArgumentKind::Path),
    ("absolute_path", ArgumentKind::Path),
    ("path", ArgumentKind::Path),
    ("url", ArgumentKind::Text),
    ("query", ArgumentKind::Text),
    ("pattern", ArgumentKind::Text),
];

/// Parts of names of arguments that ask for more than the tool may do by itself.
const ELEVATED: &[&str] = &["sandbox", "escalat", "elevat", "privilege", "permission", "unrestricted"];

/// What makes several commands of one, or sends what it says elsewhere.
const OPERATORS: &[char] = &[';', '&', '|', '<', '>', '(', ')', '$', '`'];

/// Tells whether arguments ask for more than the tool may do by itself; no rule allows that.
pub(super) fn is_elevated(input: &Value) -> bool {
    let Value::Object(arguments) = input else { return false };
    arguments.iter().any(|(name, value)| {
        let name = name.to_lowercase();
        let is_set = !matches!(value, Value::Null | Value::Bool(false))
            && value.as_str().is_none_or(|word| !matches!(word, "" | "use_default" | "none" | "default"));
        is_set && ELEVATED.iter().any(|part| name.contains(part))
    })
}

impl Argument {
    /// Finds the argument that tells most. `worktree` is the agent's.
    pub fn of(input: &Value, worktree: &[u8]) -> Option<Argument> {
        TELLING.iter().find_map(|(name, kind)| {
            let text = words(input.get(name)?)?;
            let text = match kind {
                ArgumentKind::Path => from_top(&text, worktree).to_owned(),
                ArgumentKind::Command | ArgumentKind::Text => text,
            };
            Some(Argument { kind: *kind, text })
        })
    }

    /// Tells whether a pattern of a rule that allows fits; without one, whether any would.
    pub(super) fn is_allowed_by(&self, pattern: Option<&str>) -> bool {
        let pattern = pattern.unwrap_or("*");
        match self.kind {
            ArgumentKind::Command => {
                let text = self.text.trim();
                glob::fits(pattern, text, |at, text| text.get(at).is_some_and(|c| is_plain(*c)))
                    // `ls *` means `ls` alone as well.
                    || pattern.strip_suffix(" *").is_some_and(|bare| glob::exactly(text) == bare)
            }
            ArgumentKind::Path => {
                let leaves = self.text.split('/').any(|part| part == "..");
                !leaves && glob::fits(pattern, &self.text, within)
            }
            ArgumentKind::Text => glob::fits(pattern, &self.text, |_, _| true),
        }
    }

    /// Tells whether a pattern of a rule that denies or asks fits: the whole, or any command of several.
    pub(super) fn is_caught_by(&self, pattern: &str) -> bool {
        let fits = |text: &str| {
            glob::fits(pattern, text, |_, _| true)
                || pattern.strip_suffix(" *").is_some_and(|bare| glob::exactly(text) == bare)
        };
        if fits(self.text.trim()) {
            return true;
        }
        self.kind == ArgumentKind::Command
            && self
                .text
                .split(|c: char| c == '\n' || c == '\r' || c == '{' || c == '}' || OPERATORS.contains(&c))
                .flat_map(bare_commands)
                .any(fits)
    }
}

/// Gives a command and what it is once what stands before its program is left out.
fn bare_commands(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text.trim();
    let mut forms = vec![rest];
    while let Some((first, more)) = rest.split_once(char::is_whitespace) {
        let is_setting = first.contains('=') && !first.starts_with('-');
        if !is_setting && !matches!(first, "sudo" | "env" | "command" | "exec" | "nohup" | "time" | "!") {
            break;
        }
        rest = more.trim();
        forms.push(rest);
    }
    forms.into_iter().filter(|form| !form.is_empty())
}

pub(super) fn is_plain(c: char) -> bool {
    !c.is_control() && !OPERATORS.contains(&c)
}

/// Tells whether a star may stand for a character of a path: it hides no file, and leads nowhere else.
fn within(at: usize, text: &[char]) -> bool {
    let begins = at == 0 || text.get(at - 1) == Some(&'/');
    match text.get(at) {
        Some('.') => !begins,
        Some('/') => at > 0,
        Some(c) => !c.is_control(),
        None => false,
    }
}

/// Reads a command that came as a list of words, as some programs give it.
fn words(value: &Value) -> Option<String> {
    if let Value::String(text) = value {
        return Some(text.clone());
    }
    let words: Vec<&str> = value.as_array()?.iter().map(Value::as_str).collect::<Option<_>>()?;
    match words.as_slice() {
        [shell, flags, script]
            if ["sh", "bash", "zsh"].iter().any(|name| shell.rsplit('/').next() == Some(name))
                && flags.starts_with('-')
                && flags.ends_with('c') =>
        {
            Some((*script).to_owned())
        }
        // A word that a shell would read otherwise is no longer told from several, so no star may stand for it.
        words => Some(
            words
                .iter()
                .map(|word| {
                    let is_one = !word.is_empty() && word.chars().all(|c| is_plain(c) && !c.is_whitespace());
                    if is_one { (*word).to_owned() } else { format!("$'{word}'") }
                })
                .collect::<Vec<_>>()
                .join(" "),
        ),
    }
}

fn from_top<'a>(path: &'a str, worktree: &[u8]) -> &'a str {
    let root = std::str::from_utf8(worktree).unwrap_or_default();
    let inside = (!root.is_empty()).then(|| path.strip_prefix(root)?.strip_prefix('/')).flatten();
    inside.unwrap_or(path.strip_prefix("./").unwrap_or(path))
}
