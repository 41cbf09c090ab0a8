//! What a command ends with: the one JSON object of `--json`, or text; and the exit code.

use orchflow_core::Refusal;
use serde_json::{Value, json};

/// Done.
pub const DONE: u8 = 0;
/// A negative result: an agent failed, a hunk was refused.
pub const NEGATIVE: u8 = 1;
/// The words on the command line make no sense.
pub const USAGE: u8 = 2;
/// A human is needed.
pub const NEEDS_HUMAN: u8 = 3;
/// The time is over; agents go on.
pub const TIMED_OUT: u8 = 4;
/// The host or the store failed.
pub const HOST: u8 = 5;
/// Interrupted, as shells number it; agents go on.
pub const INTERRUPTED: u8 = 130;

/// The code of a failure whose cause is that the host went away.
pub const HOST_GONE: &str = "host_gone";

/// Why a command failed.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The kind.
    pub code: String,
    /// What happened and why.
    pub message: String,
    /// What to do next.
    pub hint: Option<String>,
    /// The exit code.
    pub exit: u8,
}

impl Failure {
    /// Makes a failure.
    pub fn new(code: &str, exit: u8, message: impl Into<String>) -> Failure {
        Failure { code: code.to_owned(), message: message.into(), hint: None, exit }
    }

    /// Adds what to do next.
    pub fn hint(mut self, hint: impl Into<String>) -> Failure {
        self.hint = Some(hint.into());
        self
    }

    /// Tells whether the host went away before it answered: the next one may be asked.
    pub fn is_host_gone(&self) -> bool {
        matches!(self.code.as_str(), HOST_GONE | "stopping")
    }

    /// Reads the host's refusal.
    pub fn from_json(error: &Value) -> Failure {
        let text = |name: &str| error.get(name).and_then(Value::as_str).map(str::to_owned);
        let code = text("code").unwrap_or_else(|| "internal".to_owned());
        let exit = exit_of(&code);
        Failure {
            message: text("message").unwrap_or_else(|| "the host refused without a reason".to_owned()),
            hint: text("hint"),
            code,
            exit,
        }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Failure {
        let code = refusal.code.word();
        Failure { exit: exit_of(&code), code, message: refusal.message, hint: refusal.hint }
    }
}

/// Sorts a refusal's code into the exit codes scripts know.
fn exit_of(code: &str) -> u8 {
    match code {
        "usage" | "unknown_agent" | "unknown_kind" | "unknown_run" | "unknown_approval" | "agent_missing"
        | "config" | "repository" => USAGE,
        "dirty_tree" => NEEDS_HUMAN,
        "internal" | "stopping" | "read_only" | "protocol" | "running" | "unknown" => HOST,
        _ => NEGATIVE,
    }
}

/// How a command ended.
#[derive(Debug, Default)]
pub struct Report {
    /// The run it is about.
    pub run: Value,
    /// The newest event it rests on.
    pub seq: Value,
    /// Its rows.
    pub data: Value,
    /// Where the next page begins.
    pub next: Value,
    /// What was odd.
    pub warnings: Vec<String>,
    /// The same for people.
    pub text: String,
    /// Set when it failed.
    pub failure: Option<Failure>,
}

impl Report {
    /// A report of data and its text.
    pub fn of(data: Value, text: String) -> Report {
        Report { data, text, ..Report::default() }
    }

    /// A report of a failure.
    pub fn failed(failure: Failure) -> Report {
        Report { failure: Some(failure), ..Report::default() }
    }

    /// Gives the exit code.
    pub fn exit_code(&self) -> u8 {
        self.failure.as_ref().map_or(DONE, |failure| failure.exit)
    }

    /// Writes the one object of `--json`.
    pub fn to_json(&self, command: &str) -> Value {
        let error = self
            .failure
            .as_ref()
            .map(|failure| json!({ "code": failure.code, "message": failure.message, "hint": failure.hint }));
        let data = if self.data.is_null() { json!([]) } else { self.data.clone() };
        json!({
            "schema": format!("orchflow.{command}/1"),
            "ok": self.failure.is_none(),
            "code": self.exit_code(),
            "run": self.run,
            "seq": self.seq,
            "data": data,
            "next": self.next,
            "warnings": self.warnings,
            "error": error,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_object_has_its_keys_in_their_order_also_on_failure() {
        let report = Report::failed(Failure::new("usage", USAGE, "no").hint("do"));
        assert_eq!(
            report.to_json("review").to_string(),
            r#"{"schema":"orchflow.review/1","ok":false,"code":2,"run":null,"seq":null,"data":[],"next":null,"warnings":[],"error":{"code":"usage","message":"no","hint":"do"}}"#
        );
    }
}
