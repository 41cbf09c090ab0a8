//! A turn that an error of the model ended, though the program says that it ended well: the protocol's reasons to stop
//! have none for it, so some programs tell it in their own way.

use serde_json::Value;

/// So many bytes of a turn's words are looked at.
const HEAD: usize = 2000;

/// What speaks for a failure in the turn that goes on.
#[derive(Debug, Default)]
pub(super) struct Failing {
    /// Words that a turn begins with, and holds nothing else, where an error ended it; from the catalogue.
    prefixes: Vec<String>,
    said: String,
    has_worked: bool,
    is_told: bool,
}

impl Failing {
    pub(super) fn new(prefixes: &[String]) -> Failing {
        Failing { prefixes: prefixes.to_vec(), ..Failing::default() }
    }

    /// Begins with the next turn.
    pub(super) fn begin(&mut self) {
        *self = Failing { prefixes: std::mem::take(&mut self.prefixes), ..Failing::default() };
    }

    /// Takes an update in.
    pub(super) fn read(&mut self, kind: &str, update: &Value) {
        match kind {
            "agent_message_chunk" if self.said.len() < HEAD => {
                let text = update.pointer("/content/text").and_then(Value::as_str).unwrap_or_default();
                self.said.push_str(text.get(..text.floor_char_boundary(HEAD)).unwrap_or_default());
            }
            "tool_call" | "agent_thought_chunk" | "plan" => self.has_worked = true,
            // codex-acp 2.6.0.
            "session_info_update" => {
                if let Some(status) = update.pointer("/_meta/codex/threadStatus/type") {
                    self.is_told = status == "systemError";
                    if self.is_told {
                        // What is said from here on is the error.
                        self.said.clear();
                    }
                }
            }
            _ => {}
        }
    }

    /// Gives the error, where there was one.
    pub(super) fn error(&self) -> Option<String> {
        let said = self.said.trim();
        let begins = self.prefixes.iter().any(|prefix| said.starts_with(prefix.as_str()));
        let failed = self.is_told || (begins && !self.has_worked);
        failed.then(|| if said.is_empty() { "an error of its model" } else { said }.to_owned())
    }
}
