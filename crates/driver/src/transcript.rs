//! What a driver shows of an agent's work, in lines of its terminal.

use orchflow_agent::terminal::{plain, wrap};
use orchflow_core::report::Report;
use orchflow_core::usage::{PlanStatus, PlanStep};
use serde_json::Value;

/// Turns what follows dim.
pub const DIM: &str = "\u{1b}[2m";
/// Turns what follows bold.
pub const BOLD: &str = "\u{1b}[1m";
/// Ends colours.
pub const RESET: &str = "\u{1b}[0m";

/// Most lines shown of one text.
const MOST_LINES: usize = 20;

/// Most bytes of a text that are looked at.
const MOST_BYTES: usize = 8 << 10;

/// Shows a prompt as it was taken.
pub fn prompt(text: &str) -> Vec<String> {
    let mut lines = text.lines();
    let mut shown = vec![format!("{BOLD}❯ {}{RESET}", plain(lines.next().unwrap_or_default()))];
    shown.extend(lines.by_ref().take(MOST_LINES).map(|line| format!("  {}", plain(line))));
    let more = lines.count();
    if more > 0 {
        shown.push(format!("{DIM}  … {more} more lines{RESET}"));
    }
    shown
}

/// Shows whole lines of what the agent says; `first` of a message has its mark.
pub fn words(text: &str, first: bool, columns: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for (index, line) in text.split('\n').enumerate() {
        for (part, piece) in wrap(&plain(line), columns.saturating_sub(3)).into_iter().enumerate() {
            let mark = if first && index == 0 && part == 0 { "●" } else { " " };
            lines.push(format!("{mark} {piece}"));
        }
    }
    lines
}

/// Shows something that is only noted.
pub fn note(text: &str) -> Vec<String> {
    let mut lines = text.lines();
    let mut shown: Vec<String> =
        lines.by_ref().take(MOST_LINES).map(|line| format!("{DIM}  ⎿ {}{RESET}", plain(line))).collect();
    let more = lines.count();
    if more > 0 {
        shown.push(format!("{DIM}    … {more} more lines{RESET}"));
    }
    shown
}

/// Shows a report, if there is something to see.
pub fn report(report: &Report) -> Vec<String> {
    match report {
        Report::ToolRequested { tool, input, .. } => {
            let line = orchflow_core::describe::tool_line(tool, input);
            vec![format!("● {}", plain(line.get(..line.floor_char_boundary(200)).unwrap_or_default()))]
        }
        Report::ToolFinished { response, .. } => {
            let mut lines = note(&result_text(response));
            if lines.is_empty() {
                lines = note("done");
            }
            lines.truncate(9);
            lines
        }
        Report::ToolFailed { error, .. } => note(&format!("failed: {error}")),
        Report::ToolDenied { reason, .. } => note(&format!("denied: {reason}")),
        Report::PlanUpdated { steps } => plan(steps),
        Report::LimitReached { message, .. } | Report::NotificationShown { message, .. } => note(message),
        _ => Vec::new(),
    }
}

fn plan(steps: &[PlanStep]) -> Vec<String> {
    let mark = |status| match status {
        PlanStatus::Completed => '☒',
        PlanStatus::InProgress => '▸',
        PlanStatus::Pending => '☐',
    };
    let mut lines = vec!["● plan".to_owned()];
    lines.extend(
        steps.iter().take(MOST_LINES).map(|step| format!("    {} {}", mark(step.status), plain(&step.text))),
    );
    lines
}

/// Finds the text of a result, whatever its form.
fn result_text(response: &Value) -> String {
    let text = match response {
        Value::String(text) => text.as_str(),
        Value::Object(fields) => ["output", "text", "stdout", "content", "diff"]
            .iter()
            .find_map(|name| fields.get(*name)?.as_str())
            .unwrap_or_default(),
        _ => "",
    };
    text.get(..text.floor_char_boundary(MOST_BYTES)).unwrap_or_default().trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn hostile_words_steer_nothing() {
        let shown = [
            prompt("a\u{1b}[2J\nb\u{7}"),
            words("x\u{1b}]52;c;y\u{7}\nz", true, 80),
            note("q\u{9b}31m"),
            report(&Report::ToolFailed {
                tool_use_id: None,
                tool: "t".into(),
                input: json!({}),
                error: "\u{1b}c".into(),
                interrupted: false,
            }),
            report(&Report::ToolRequested {
                tool_use_id: None,
                tool: "run\u{1b}[1m".into(),
                input: json!({"command": "x\u{7}"}),
            }),
        ];
        for line in shown.iter().flatten() {
            let bare = line.replace(DIM, "").replace(BOLD, "").replace(RESET, "");
            assert!(!bare.chars().any(char::is_control), "{line:?}");
        }
    }

    #[test]
    fn long_texts_are_cut_and_say_so() {
        let many = "line\n".repeat(100);
        assert_eq!(prompt(&many).len(), MOST_LINES + 2);
        assert!(note(&many).last().unwrap().contains("80 more lines"));
        let finished = Report::ToolFinished {
            tool_use_id: None,
            tool: "t".into(),
            input: Value::Null,
            response: json!({ "output": many }),
            duration_ms: None,
        };
        assert_eq!(report(&finished).len(), 9);
    }
}
