//! The words a script leaves open, put in when it is played.

use serde_json::Value;

use super::script::{Change, Edit, Step, Subagent};

/// The words that stand for a step's `{…}`.
#[derive(Debug, Clone)]
pub(super) struct Words<'a> {
    /// The agent's name.
    pub(super) name: &'a str,
    /// The first prompt.
    pub(super) objective: &'a str,
    /// This turn's prompt.
    pub(super) prompt: &'a str,
    /// The agent's place in its run, from 0.
    pub(super) index: u32,
}

impl Words<'_> {
    /// Puts the words into the steps of a turn.
    pub(super) fn fill_steps(&self, steps: &[Step]) -> Vec<Step> {
        let fill = |text: &String| self.fill(text);
        steps
            .iter()
            .map(|step| match step {
                Step::Say(text) => Step::Say(fill(text)),
                Step::Think(text) => Step::Think(fill(text)),
                Step::Read(path) => Step::Read(fill(path)),
                Step::Fail(text) => Step::Fail(fill(text)),
                Step::Run(command) => Step::Run(self.fill_command(command)),
                Step::Edit(edit) => {
                    let change = match &edit.change {
                        Change::Replace { old, new } => Change::Replace { old: fill(old), new: fill(new) },
                        Change::Append(text) => Change::Append(fill(text)),
                        Change::Content(text) => Change::Content(fill(text)),
                    };
                    Step::Edit(Edit { path: fill(&edit.path), change })
                }
                Step::Ask(ask) => {
                    let mut ask = ask.clone();
                    for (key, value) in &mut ask.input {
                        *value = self.fill_value(value, key == "command");
                    }
                    ask.then = self.fill_steps(&ask.then);
                    ask.otherwise = self.fill_steps(&ask.otherwise);
                    Step::Ask(ask)
                }
                Step::Subagent(Subagent { name, say }) => {
                    Step::Subagent(Subagent { name: fill(name), say: fill(say) })
                }
                Step::Wait(_) | Step::Flood(_) => step.clone(),
            })
            .collect()
    }

    /// Puts the words into a text: `{name}`, `{objective}`, `{prompt}`, `{index}`.
    pub(super) fn fill(&self, text: &str) -> String {
        let index = self.index.to_string();
        fill_with(text, &self.keyed(&index))
    }

    /// Puts the words into a shell command, each as a variable: however the script quotes it, what a
    /// prompt says is never run.
    pub(super) fn fill_command(&self, command: &str) -> String {
        let variables =
            ["name", "objective", "prompt", "index"].map(|key| (key, format!("\"${}\"", variable(key))));
        fill_with(command, &variables.each_ref().map(|(key, value)| (*key, value.as_str())))
    }

    /// Gives the environment in which such commands run.
    pub(super) fn environment(&self) -> Vec<(String, String)> {
        let index = self.index.to_string();
        let words = self.keyed(&index);
        words.iter().map(|(key, word)| (variable(key), within_environment(word))).collect()
    }

    /// Puts the words into every text of a tool's arguments.
    pub(super) fn fill_value(&self, value: &Value, is_command: bool) -> Value {
        match value {
            Value::String(text) if is_command => Value::String(self.fill_command(text)),
            Value::String(text) => Value::String(self.fill(text)),
            Value::Array(items) => items.iter().map(|item| self.fill_value(item, is_command)).collect(),
            Value::Object(map) => Value::Object(
                map.iter()
                    .map(|(key, value)| (key.clone(), self.fill_value(value, is_command || key == "command")))
                    .collect(),
            ),
            value => value.clone(),
        }
    }

    fn keyed<'a>(&'a self, index: &'a str) -> [(&'static str, &'a str); 4] {
        [("name", self.name), ("objective", self.objective), ("prompt", self.prompt), ("index", index)]
    }
}

// One pass, so that a word is never looked at again for further words.
fn fill_with(text: &str, words: &[(&str, &str)]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, from)) = rest.split_once('{') {
        out.push_str(before);
        let word =
            words.iter().find_map(|(key, word)| Some((from.strip_prefix(key)?.strip_prefix('}')?, word)));
        match word {
            Some((after, word)) => {
                out.push_str(word);
                rest = after;
            }
            None => {
                out.push('{');
                rest = from;
            }
        }
    }
    out.push_str(rest);
    out
}

fn variable(key: &str) -> String {
    format!("REHEARSAL_{}", key.to_uppercase())
}

/// Cuts a word to what the system lets one variable hold.
fn within_environment(word: &str) -> String {
    const LIMIT: usize = 100_000;
    let end = word.floor_char_boundary(word.len().min(LIMIT));
    word.get(..end).unwrap_or_default().replace('\0', "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_put_in_once_and_reach_a_shell_as_variables_only() {
        let words = Words { name: "rehearsal-2", objective: "{name}; $(rm -rf ~)", prompt: "it's", index: 1 };
        assert_eq!(
            words.fill("{name}: {objective} {unknown} {"),
            "rehearsal-2: {name}; $(rm -rf ~) {unknown} {"
        );
        assert_eq!(words.fill_command("echo {prompt} {x}"), "echo \"$REHEARSAL_PROMPT\" {x}");
        assert_eq!(words.environment()[2], ("REHEARSAL_PROMPT".to_owned(), "it's".to_owned()));
        let input = serde_json::json!({"command": "echo {prompt}", "description": "{prompt}"});
        let filled = words.fill_value(&input, false);
        assert_eq!(
            filled,
            serde_json::json!({"command": "echo \"$REHEARSAL_PROMPT\"", "description": "it's"})
        );
    }
}
