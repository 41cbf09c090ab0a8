//! The status a program states about itself by OSC 7501.
//!
//! The sequence is `ESC ] 7501 ; state=S:app=NAME[:kind=K][:msg=BASE64] ST`; Claude Code and Codex
//! write it, Claude Code only to a terminal that answered its query `ESC ] 7501 ; ? ST` with the same.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use orchflow_core::report::{Report, StatedState};
use serde_json::json;

/// The number of the sequence.
pub const OSC_NUMBER: u32 = 7501;

/// Turns the fields of a status sequence, its message decoded, into a report.
pub fn stated(app: &str, state: &str, kind: Option<&str>, message: Option<&str>) -> Report {
    let state = match state {
        "idle" => StatedState::Idle,
        "working" => StatedState::Working,
        "blocked" => StatedState::Blocked,
        "done" => StatedState::Done,
        "error" => StatedState::Error,
        "clear" => StatedState::Clear,
        unknown => {
            let payload = json!({ "app": app, "state": unknown, "kind": kind, "message": message });
            return Report::Other { name: "osc7501".to_owned(), payload };
        }
    };
    let text = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(str::to_owned);
    Report::StatusStated { state, detail: text(message), category: text(kind) }
}

/// Writes the sequence, as the rehearsal does.
pub fn sequence(app: &str, state: &str, kind: Option<&str>, message: Option<&str>) -> String {
    let kind = kind.map(|kind| format!(":kind={kind}")).unwrap_or_default();
    let message = message.map(|message| format!(":msg={}", STANDARD.encode(message))).unwrap_or_default();
    format!("\u{1b}]{OSC_NUMBER};state={state}:app={app}{kind}{message}\u{1b}\\")
}

/// Reads the part of a sequence after `7501;`. `None` for the query and for what states no state.
pub fn parse(payload: &str) -> Option<Report> {
    let field = |wanted: &str| {
        payload
            .split(':')
            .find_map(|field| field.split_once('=').filter(|(name, _)| *name == wanted))
            .map(|(_, value)| value)
    };
    let message = field("msg").and_then(|encoded| STANDARD.decode(encoded).ok()).map(|bytes| {
        String::from_utf8_lossy(&bytes)
            .chars()
            .filter(|character| !character.is_control())
            .collect::<String>()
    });
    Some(stated(field("app").unwrap_or_default(), field("state")?, field("kind"), message.as_deref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let sequence = sequence("rehearsal", "blocked", Some("permission"), Some("approve Bash: touch zz"));
        assert_eq!(
            sequence,
            "\u{1b}]7501;state=blocked:app=rehearsal:kind=permission:msg=YXBwcm92ZSBCYXNoOiB0b3VjaCB6eg==\u{1b}\\"
        );
        let payload = sequence.trim_start_matches("\u{1b}]7501;").trim_end_matches("\u{1b}\\");
        let expected = Report::StatusStated {
            state: StatedState::Blocked,
            detail: Some("approve Bash: touch zz".into()),
            category: Some("permission".into()),
        };
        assert_eq!(parse(payload), Some(expected));
    }

    #[test]
    fn nonsense_is_kept_or_passed_over_and_control_bytes_never_pass() {
        assert_eq!(parse("?"), None);
        assert_eq!(parse(""), None);
        assert!(matches!(parse("state=dreaming:app=x"), Some(Report::Other { .. })));
        let hostile = format!("state=idle:msg={}", STANDARD.encode("a\u{1b}[31m\u{7}b"));
        let Some(Report::StatusStated { detail, .. }) = parse(&hostile) else { panic!() };
        assert_eq!(detail.as_deref(), Some("a[31mb"));
        assert!(matches!(parse("state=idle:msg=***"), Some(Report::StatusStated { detail: None, .. })));
    }
}
