//! What an agent's hooks say, turned into reports; and what is said back.
//!
//! Nothing that arrived is lost here: a body that is broken, of the wrong shape or of an unknown hook
//! becomes [`Report::Other`] with what there was.

mod answer;
mod mapped;

use orchflow_core::report::{Channel, Report};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub use answer::{Answer, HookOutput, answer, read_direct, takes_arguments};

use crate::catalogue::{Catalogue, OWN_FORMAT};

/// The format of bodies that hold a report as it is; see [`direct`].
pub const DIRECT_FORMAT: &str = "report";

/// Longest string kept in a report, in bytes; what is over is cut with a marker.
pub const STRING_LIMIT: usize = 64 << 10;

/// A hook's body, read.
#[derive(Debug, Clone, PartialEq)]
pub struct Parsed {
    /// What was seen.
    pub report: Report,
    /// Where it comes from.
    pub channel: Channel,
    /// The program's session, if the body names it.
    pub session_id: Option<String>,
    /// The program's subagent that acts, if it is one.
    pub subagent: Option<String>,
    /// What was wrong with the body, for the host's log.
    pub note: Option<String>,
}

impl Parsed {
    /// Marks a permission asked for as out of reach: nobody waits for its answer on a connection.
    pub fn unanswerable(mut self) -> Parsed {
        if let Report::ApprovalRequested { answerable, .. } = &mut self.report {
            *answerable = false;
        }
        self
    }

    pub(crate) fn other(name: &str, payload: Value, note: impl Into<String>) -> Parsed {
        let report = Report::Other { name: cut_text(name), payload: cut(payload) };
        Parsed { report, channel: Channel::Hook, session_id: None, subagent: None, note: Some(note.into()) }
    }
}

/// Reads one hook's body. `name` is the hook's name as registered, or empty to take the body's word.
///
/// A permission asked for is marked answerable; a caller on whose connection nobody waits says
/// [`Parsed::unanswerable`].
pub fn parse(format: &str, name: &str, body: &[u8]) -> Parsed {
    let value = match serde_json::from_slice::<Value>(body) {
        Ok(value) => value,
        Err(error) => {
            let text = String::from_utf8_lossy(body).into_owned();
            return Parsed::other(name, Value::String(text), format!("the body is not JSON: {error}"));
        }
    };
    match crate::adapter::find(format) {
        Some(adapter) => (adapter.parse)(name, value),
        None if format == DIRECT_FORMAT => parse_direct(name, value),
        None => Parsed::other(name, value, format!("the format {format:?} is not known")),
    }
}

/// Tells whether an entry of the catalogue says how a format is read.
pub fn is_of_a_kind(format: &str) -> bool {
    format.starts_with(OWN_FORMAT)
}

/// Reads one hook's body as [`parse`] does, the formats of catalogue entries among them.
pub fn parse_of(catalogue: &Catalogue, format: &str, name: &str, body: &[u8]) -> Parsed {
    let Some(kind) = format.strip_prefix(OWN_FORMAT) else { return parse(format, name, body) };
    let value = match serde_json::from_slice::<Value>(body) {
        Ok(value) => value,
        Err(error) => {
            let text = String::from_utf8_lossy(body).into_owned();
            return Parsed::other(name, Value::String(text), format!("the body is not JSON: {error}"));
        }
    };
    match catalogue.get(kind) {
        Some(entry) => mapped::parse(entry, name, value),
        None => Parsed::other(name, value, format!("there is no agent {kind:?} any more")),
    }
}

/// Writes an answer as [`answer`] does, in the words of catalogue entries too.
pub fn answer_of(
    catalogue: &Catalogue,
    format: &str,
    name: &str,
    body: &[u8],
    decision: &Answer,
) -> HookOutput {
    match format.strip_prefix(OWN_FORMAT).map(|kind| catalogue.get(kind)) {
        Some(Some(entry)) => mapped::answer(entry, name, body, decision),
        _ => answer(format, name, decision),
    }
}

/// A report with its channel, as one process of ours tells it to another.
#[derive(Serialize, Deserialize)]
struct Direct {
    channel: Channel,
    report: Report,
}

/// Writes a report as the body of the format [`DIRECT_FORMAT`]: the way in which the runner tells what
/// it saw on the terminal, and a driver what its agent did.
pub fn direct(channel: Channel, report: &Report) -> Vec<u8> {
    json!(Direct { channel, report: report.clone() }).to_string().into_bytes()
}

fn parse_direct(name: &str, value: Value) -> Parsed {
    let value = cut(value);
    match Direct::deserialize(&value) {
        Ok(Direct { channel, report }) => {
            Parsed { report, channel, session_id: None, subagent: None, note: None }
        }
        Err(error) => Parsed::other(name, value, format!("the body is no report: {error}")),
    }
}

/// Cuts every long string in a value.
pub(crate) fn cut(mut value: Value) -> Value {
    cut_in_place(&mut value);
    value
}

fn cut_in_place(value: &mut Value) {
    match value {
        Value::String(text) if text.len() > STRING_LIMIT => *text = cut_text(text),
        Value::Array(items) => items.iter_mut().for_each(cut_in_place),
        Value::Object(map) => {
            if map.keys().any(|key| key.len() > STRING_LIMIT) {
                *map = std::mem::take(map).into_iter().map(|(key, value)| (cut_text(&key), value)).collect();
            }
            map.values_mut().for_each(cut_in_place);
        }
        _ => {}
    }
}

/// Cuts a text at a character boundary and says how much is missing.
pub(crate) fn cut_text(text: &str) -> String {
    if text.len() <= STRING_LIMIT {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(STRING_LIMIT);
    let (kept, rest) = text.split_at(end);
    format!("{kept}\n[{} more bytes were cut by orchflow]", rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broken_bodies_are_kept_as_text() {
        for body in [&b""[..], b"{", b"\xff\xfe", b"{\"a\":1} trailing", &b"[".repeat(10_000)] {
            let parsed = parse("claude", "Stop", body);
            let Report::Other { name, payload } = &parsed.report else { panic!("{parsed:?}") };
            assert_eq!(name, "Stop");
            assert_eq!(payload.as_str(), Some(&*String::from_utf8_lossy(body)));
            assert!(parsed.note.is_some());
        }
    }

    #[test]
    fn an_unknown_format_is_kept_whole() {
        let parsed = parse("smoke", "signal", b"{\"puffs\":3}");
        assert_eq!(parsed.report, Report::Other { name: "signal".into(), payload: json!({"puffs": 3}) });
    }

    #[test]
    fn long_strings_are_cut_between_characters_and_say_so() {
        let long = "é".repeat(STRING_LIMIT);
        let body = json!({"deep": [{"text": long}], "x": "short"}).to_string();
        let Report::Other { payload, .. } = parse("smoke", "", body.as_bytes()).report else { panic!() };
        let text = payload["deep"][0]["text"].as_str().unwrap();
        assert!(text.len() < STRING_LIMIT + 64);
        let keys = json!({"a": [{"k".repeat(STRING_LIMIT + 7): "x"}]}).to_string();
        let Report::Other { payload: cut, .. } = parse("smoke", "", keys.as_bytes()).report else { panic!() };
        let (key, value) = cut["a"][0].as_object().unwrap().iter().next().unwrap();
        assert!(
            key.ends_with("[7 more bytes were cut by orchflow]") && value == "x",
            "{}",
            &key[STRING_LIMIT..]
        );
        assert!(
            text.starts_with('é') && text.ends_with("[65536 more bytes were cut by orchflow]"),
            "{}",
            &text[STRING_LIMIT..]
        );
        assert_eq!(payload["x"], "short");
    }

    #[test]
    fn what_the_runner_tells_comes_back_as_it_was() {
        for (channel, report) in [
            (Channel::Process, Report::ProcessExited { code: Some(1), signal: None, leftover_ended: 2 }),
            (Channel::Output, Report::OutputQuiet),
            (Channel::Osc, Report::TitleChanged { title: "x".into() }),
        ] {
            let parsed = parse(DIRECT_FORMAT, "", &direct(channel, &report));
            assert_eq!((parsed.channel, parsed.report), (channel, report));
        }
        let parsed =
            parse(DIRECT_FORMAT, "exit", b"{\"channel\":\"process\",\"report\":{\"kind\":\"dreamt\"}}");
        assert!(matches!(parsed.report, Report::Other { .. }) && parsed.note.is_some());
    }
}
