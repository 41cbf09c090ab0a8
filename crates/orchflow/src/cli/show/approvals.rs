//! Permissions and rules as people read them on a terminal.

use std::fmt::Write as _;

use serde_json::Value;

use super::{clock, items, number, plain, safe, table, text};

/// The most lines of a command or a diff that one approval shows.
const LINES: usize = 30;

/// Shows the permissions agents wait for, or those of the past.
pub fn approvals(result: &Value) -> String {
    let approvals = items(result, "approvals");
    let mut out = String::new();
    for approval in approvals {
        let state = text(approval, "state");
        let _ = writeln!(
            out,
            "{}  {} wants {}",
            text(approval, "id"),
            text(approval, "agent"),
            plain(text(approval, "summary"))
        );
        if state == "pending" {
            out.push_str(&pending(approval));
        } else {
            let _ = writeln!(out, "  {}", past(approval));
        }
    }
    match (approvals.is_empty(), result.get("next").is_some()) {
        (true, true) => "no permission was asked for that fits\n".to_owned(),
        (true, false) => "nobody waits for a permission; --all shows those of the past\n".to_owned(),
        (false, _) => out,
    }
}

fn pending(approval: &Value) -> String {
    let mut out = String::new();
    let reason = plain(text(approval, "reason"));
    if !reason.is_empty() {
        let _ = writeln!(out, "  why: \"{reason}\"");
    }
    let command = approval.get("input").map_or("", |input| text(input, "command"));
    if command.contains('\n') {
        out.push_str(&block(command.lines()));
    }
    let none = Value::Null;
    let proposed = approval.get("proposed").unwrap_or(&none);
    let lines = items(proposed, "lines");
    if !lines.is_empty() {
        let note = plain(text(proposed, "note"));
        let note = if note.is_empty() { String::new() } else { format!(" ({note})") };
        let _ = writeln!(out, "  proposed{note}:");
        out.push_str(&block(lines.iter().filter_map(Value::as_str)));
    }
    let id = text(approval, "id");
    if approval.get("answerable").and_then(Value::as_bool) == Some(true) {
        let _ = writeln!(out, "  orchflow approve {id}   orchflow deny {id} WHY");
        let rule = plain(text(approval, "rule"));
        if !rule.is_empty() {
            let _ =
                writeln!(out, "  or by the rule \"{rule}\": orchflow approve {id} --for agent|run|always");
        }
    } else {
        let _ = writeln!(out, "  answer in its pane: orchflow attach {}", text(approval, "agent"));
    }
    out
}

fn block<'a>(lines: impl Iterator<Item = &'a str>) -> String {
    let lines: Vec<&str> = lines.collect();
    let mut out: String = lines.iter().take(LINES).map(|line| format!("    {}\n", safe(line))).collect();
    if lines.len() > LINES {
        let _ = writeln!(out, "    … {} more lines; orchflow approvals --json has them", lines.len() - LINES);
    }
    out
}

fn past(approval: &Value) -> String {
    let mut line = format!("{} {}", clock(number(approval, "requested_at")), text(approval, "state"));
    let by = plain(text(approval, "by"));
    if !by.is_empty() {
        let _ = write!(line, " by {by}");
    }
    if approval.get("edited").and_then(Value::as_bool) == Some(true) {
        line.push_str(" with other arguments");
    }
    let answer = plain(text(approval, "answer"));
    if !answer.is_empty() {
        let _ = write!(line, ": {answer}");
    }
    line
}

/// Shows what became of one approval.
pub fn answer(row: &Value) -> String {
    let mut out = format!("{} {}", text(row, "id"), text(row, "state"));
    let message = plain(text(row, "message"));
    if !message.is_empty() {
        let _ = write!(out, ": {message}");
    }
    let rule = plain(text(row, "rule"));
    if !rule.is_empty() {
        let _ = write!(out, "; rule: {rule} ({})", text(row, "scope"));
    }
    out.push('\n');
    out
}

/// Shows rules.
pub fn rules(result: &Value) -> String {
    let rules = items(result, "rules");
    if rules.is_empty() {
        return "no rules; orchflow approve ID --for run makes one\n".to_owned();
    }
    if let [rule] = rules
        && text(rule, "state") == "removed"
    {
        return format!("{} removed\n", text(rule, "id"));
    }
    let mut rows = vec![["id", "says", "rule", "for", "kept in", "why"].map(str::to_owned)];
    for rule in rules {
        let place = match text(rule, "source") {
            "config" => "your rules.toml",
            "kept" => "orchflow's rules.toml",
            _ => "the log",
        };
        rows.push([
            text(rule, "id").to_owned(),
            text(rule, "verdict").to_owned(),
            plain(text(rule, "rule")),
            text(rule, "scope").to_owned(),
            place.to_owned(),
            plain(text(rule, "reason")),
        ]);
    }
    table(&rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_an_agent_asks_for_cannot_steer_the_terminal() {
        let evil = "x\u{1b}]0;x\u{7}\ny\u{9b}31m";
        let approval = json!({"id": "a_1", "agent": "a", "state": "pending", "answerable": true, "summary": evil,
            "reason": evil, "rule": evil, "input": {"command": evil},
            "proposed": {"lines": [evil], "note": evil}});
        let shown = approvals(&json!({ "approvals": [approval] }));
        assert!(shown.chars().all(|c| !c.is_control() || c == '\n'), "{shown:?}");
        assert!(shown.contains("proposed (x") && shown.contains("--for agent|run|always"), "{shown}");
    }

    #[test]
    fn long_commands_are_cut_and_say_so() {
        let command = "x\n".repeat(100);
        let approval = json!({"id": "a_1", "agent": "a", "state": "pending", "input": {"command": command}});
        let shown = approvals(&json!({ "approvals": [approval] }));
        assert!(shown.contains("70 more lines") && shown.contains("orchflow attach a"), "{shown}");
    }
}
