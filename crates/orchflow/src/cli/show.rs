//! Results as people read them on a terminal.

use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

mod approvals;
mod cost;

pub use approvals::{answer, approvals, rules};
pub use cost::{budgets, cost};

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn number(value: &Value, name: &str) -> u64 {
    value.get(name).and_then(Value::as_u64).unwrap_or(0)
}

fn items<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Drops what could steer the terminal.
fn plain(text: &str) -> String {
    orchflow_core::describe::one_line(text)
}

/// Shows who works, who waits, who is done.
pub fn status(result: &Value) -> String {
    let mut out = String::new();
    for run in items(result, "runs") {
        let _ = writeln!(
            out,
            "run {}  {}  {}  from {}",
            number(run, "run"),
            text(run, "state"),
            plain(text(run, "objective")),
            text(run, "base")
        );
    }
    let agents = items(result, "agents");
    if agents.is_empty() {
        out.push_str(
            "no agents; start some: orchflow swarm --agents claude,rehearsal Say what should be done\n",
        );
        return out;
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros() as u64;
    let mut rows = vec![
        ["", "agent", "status", "for", "source", "turn", "hunks", "diff", "cost", "prompts"]
            .map(str::to_owned),
    ];
    for agent in agents {
        let mark = match text(agent, "status") {
            "waiting" => "!",
            "failed" | "unknown" => "?",
            "working" | "starting" => ">",
            _ => " ",
        };
        let word = match agent.get("waiting_for").and_then(Value::as_str) {
            Some(what) => format!("waiting: {what}"),
            None => text(agent, "status").to_owned(),
        };
        let guess = if text(agent, "confidence") == "guess" { "?" } else { "" };
        let name = match agent.get("rehearsal").and_then(Value::as_bool) {
            Some(true) => format!("{} (rehearsal)", text(agent, "agent")),
            _ => text(agent, "agent").to_owned(),
        };
        let undelivered = number(agent, "undelivered");
        let prompts = match (number(agent, "queued"), undelivered) {
            (0, 0) => String::new(),
            (queued, 0) => format!("{queued} queued"),
            (0, lost) => format!("{lost} undelivered"),
            (queued, lost) => format!("{queued} queued, {lost} undelivered"),
        };
        rows.push([
            mark.to_owned(),
            name,
            word,
            age(now.saturating_sub(number(agent, "since"))),
            format!("{}{guess}", text(agent, "source")),
            number(agent, "turn").to_string(),
            number(agent, "undecided").to_string(),
            format!("+{} -{}", number(agent, "insertions"), number(agent, "deletions")),
            cost::of_agent(agent),
            prompts,
        ]);
    }
    out.push_str(&table(&rows));
    for agent in agents {
        let detail = plain(text(agent, "detail"));
        if !detail.is_empty() && matches!(text(agent, "status"), "waiting" | "failed") {
            let _ = writeln!(out, "{}: {detail}", text(agent, "agent"));
        }
        let note = plain(text(agent, "view_note"));
        if !note.is_empty() {
            let _ = writeln!(out, "{}: detached: {note}", text(agent, "agent"));
        }
    }
    if let Some(why) = result.get("read_only").and_then(Value::as_str) {
        let _ = writeln!(out, "the store takes no writes: {why}");
    }
    out
}

/// Writes microseconds as `0:41` or `2:03:20`.
fn age(micros: u64) -> String {
    let seconds = micros / 1_000_000;
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

/// Lays rows out in columns as wide as their widest cell.
fn table<const N: usize>(rows: &[[String; N]]) -> String {
    let mut widths = [0usize; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut out = String::new();
    for row in rows {
        let mut line = String::new();
        for (width, cell) in widths.iter().zip(row) {
            let _ = write!(line, "{cell:<width$}  ");
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// Shows events, oldest first.
pub fn events(events: &[Value]) -> String {
    events.iter().map(event).collect()
}

/// Shows one event in a line.
pub fn event(event: &Value) -> String {
    let who = event.get("agent").and_then(Value::as_str);
    let actor = match text(event, "actor") {
        "human" | "script" => "you",
        _ => who.unwrap_or("host"),
    };
    format!("{}  {:<12}  {}\n", clock(number(event, "timestamp")), actor, plain(text(event, "summary")))
}

/// Shows why something is as it is.
pub fn why(result: &Value) -> String {
    let mut out = String::new();
    for line in items(result, "lines") {
        let _ = writeln!(out, "{}", plain(line.as_str().unwrap_or_default()));
    }
    let evidence = items(result, "evidence");
    if !evidence.is_empty() {
        out.push_str("\nsignals, newest first\n");
    }
    for signal in evidence {
        let guess = if text(signal, "confidence") == "guess" { "?" } else { "" };
        let channel = format!("{}{guess}", text(signal, "channel"));
        let _ =
            writeln!(out, "  {}  {channel:<9}  {}", clock(number(signal, "at")), plain(text(signal, "says")));
    }
    out.push_str(&chain(items(result, "chain")));
    out
}

/// Shows a chain of causes, what began it last.
fn chain(events: &[Value]) -> String {
    let mut out = String::new();
    if !events.is_empty() {
        out.push_str("\nit follows from\n");
    }
    for cause in events {
        let _ = write!(out, "  {:>7}  {}", number(cause, "seq"), event(cause));
    }
    out
}

/// Shows one event whole.
pub fn whole_event(result: &Value) -> String {
    let none = Value::Null;
    let told = result.get("event").unwrap_or(&none);
    let mut out = format!("{}  {}\n{}", number(told, "seq"), text(told, "type"), event(told));
    for (name, word) in [("prompt", "prompt"), ("reasoning", "said")] {
        let words = plain(text(result, name));
        if !words.is_empty() {
            let _ = writeln!(out, "{word}: {words}");
        }
    }
    if let Some(confidence) = result.get("confidence").and_then(Value::as_f64) {
        let _ = writeln!(out, "confidence: {confidence}");
    }
    out.push_str(&chain(items(result, "chain")));
    let effects = items(result, "effects");
    if !effects.is_empty() {
        out.push_str("\nit led to\n");
    }
    for effect in effects {
        let _ = write!(out, "  {:>7}  {}", number(effect, "seq"), event(effect));
    }
    let diff = items(result, "diff");
    if !diff.is_empty() {
        out.push('\n');
    }
    for line in diff {
        let _ = writeln!(out, "{}", safe(line.as_str().unwrap_or_default()));
    }
    out
}

/// Writes a time as `14:02:09` UTC.
fn clock(micros: u64) -> String {
    let seconds = micros / 1_000_000 % 86_400;
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// Shows hunks as a diff people can decide on.
pub fn hunks(hunks: &[Value]) -> String {
    if hunks.is_empty() {
        return "nothing to review\n".to_owned();
    }
    let mut out = String::new();
    for hunk in hunks {
        let mut state = match text(hunk, "state") {
            "undecided" => String::new(),
            other => format!("  {other}"),
        };
        for mark in marks(hunk) {
            let _ = write!(state, "  {mark}");
        }
        let _ = writeln!(
            out,
            "{}  {}  {}  {} +{} -{}  {}{state}",
            short_id(text(hunk, "id")),
            text(hunk, "agent"),
            place(hunk),
            text(hunk, "change"),
            number(hunk, "insertions"),
            number(hunk, "deletions"),
            plain(text(hunk, "heading"))
        );
        for (name, sign) in [("removed", '-'), ("added", '+')] {
            for line in items(hunk, name) {
                let shown = line.as_str().map_or_else(|| "(not text)".to_owned(), safe);
                let _ = writeln!(out, "  {sign} {shown}");
            }
        }
        out.push('\n');
    }
    out.push_str("accept: orchflow accept ID   reject: orchflow reject ID --reason WHY\n");
    out
}

/// Says what bears on a hunk that waits for a decision.
fn marks(hunk: &Value) -> Vec<String> {
    let mut marks = Vec::new();
    if text(hunk, "state") != "undecided" {
        return marks;
    }
    match text(hunk, "forecast") {
        "conflict" => marks.push("conflicts".to_owned()),
        "applied" => marks.push("in your tree".to_owned()),
        _ => {}
    }
    if hunk.get("partly").is_some_and(Value::is_object) {
        marks.push("partly accepted".to_owned());
    }
    let rivals = items(hunk, "rivals").len();
    if let Some(rival) = hunk.get("rival_accepted").filter(|rival| rival.is_object()) {
        marks.push(format!(
            "rival of accepted {}:{}",
            plain(text(rival, "agent")),
            number(rival, "agent_line")
        ));
    } else if rivals > 0 {
        marks.push(format!("{rivals} rival{}", if rivals == 1 { "" } else { "s" }));
    }
    marks
}

/// Says where a hunk stands: in its agent's version, and where it would go in, if that is another line of the human's.
fn place(hunk: &Value) -> String {
    let (path, line, yours) = (plain(text(hunk, "path")), number(hunk, "agent_line"), number(hunk, "line"));
    // What only removes lines stands on the one before.
    let stands_before = number(hunk, "new_lines") == 0 && line + 1 == yours;
    if line == yours || stands_before {
        format!("{path}:{line}")
    } else {
        format!("{path}:{line} (yours: {yours})")
    }
}

fn short_id(id: &str) -> &str {
    id.get(..10).unwrap_or(id)
}

/// Shows a line of code as it is, but for control characters.
fn safe(line: &str) -> String {
    line.chars().map(|c| if c.is_control() && c != '\t' { '\u{fffd}' } else { c }).collect()
}

/// Shows what became of decisions.
pub fn decisions(results: &[Value]) -> String {
    let mut out = String::new();
    for result in results {
        let id = short_id(text(result, "id"));
        if text(result, "state") == "refused" {
            let _ = writeln!(out, "{id}  refused: {}", text(result, "message"));
            if let Some(hint) = result.get("hint").and_then(Value::as_str) {
                let _ = writeln!(out, "  {hint}");
            }
            continue;
        }
        let already =
            if result.get("already").and_then(Value::as_bool) == Some(true) { " already" } else { "" };
        let _ = writeln!(
            out,
            "{id}  {}{already}  {}  {}",
            text(result, "state"),
            text(result, "agent"),
            plain(text(result, "path"))
        );
    }
    out
}

/// Shows the kinds of agents.
pub fn agents(result: &Value) -> String {
    let mut rows = vec![["agent", "title", "version", "where"].map(str::to_owned)];
    for agent in items(result, "agents") {
        let place = match agent.get("path").and_then(Value::as_str) {
            Some(path) => path.to_owned(),
            None if text(agent, "kind") == "rehearsal" => "built in; plays a script, no model".to_owned(),
            None if text(agent, "kind") == "api" => model(agent.get("api").unwrap_or(&Value::Null)),
            None => format!("not installed; {}", text(agent, "hint")),
        };
        rows.push([
            text(agent, "name").to_owned(),
            text(agent, "title").to_owned(),
            text(agent, "version").to_owned(),
            place,
        ]);
    }
    table(&rows)
}

/// Says where a model is and whether its key was found in the environment.
fn model(api: &Value) -> String {
    let is = |key: &str| api.get(key).and_then(Value::as_bool) == Some(true);
    let names: Vec<&str> = api
        .get("key_env")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let key = match (is("key_set"), is("key_required")) {
        (true, _) => "its key is set".to_owned(),
        (false, true) if names.is_empty() => "its key comes from a command or the keyring".to_owned(),
        (false, true) => format!("{} is not set", names.join(" or ")),
        (false, false) => "needs no key".to_owned(),
    };
    format!("{} at {}; {key}", plain(text(api, "model")), plain(text(api, "base_url")))
}

/// Shows agents that were started elsewhere.
pub fn candidates(result: &Value) -> String {
    let mut rows = vec![["process", "agent", "where", "session", ""].map(str::to_owned)];
    for candidate in items(result, "candidates") {
        let number = candidate.get("process").and_then(Value::as_i64).unwrap_or(0);
        let place = match (text(candidate, "pane"), text(candidate, "tty")) {
            ("", tty) => tty,
            (pane, _) => pane,
        };
        let what = match text(candidate, "why_not") {
            "" => format!("orchflow adopt {number}"),
            why => format!("can only be looked at: {}", plain(why)),
        };
        rows.push([
            number.to_string(),
            text(candidate, "agent").to_owned(),
            plain(place),
            plain(text(candidate, "session")) + if is_guessed(candidate) { " (by its folder)" } else { "" },
            what,
        ]);
    }
    if rows.len() == 1 {
        return "no agent that was started elsewhere works in this repository\n".to_owned();
    }
    table(&rows)
}

/// Tells whether a session is not what the program itself says.
fn is_guessed(candidate: &Value) -> bool {
    candidate.get("stated").and_then(Value::as_bool) == Some(false)
}

/// Shows how a run ended.
pub fn outcome(result: &Value) -> String {
    let mut out = String::new();
    for agent in items(result, "agents") {
        let detail = plain(text(agent, "detail"));
        let tail = if detail.is_empty() { String::new() } else { format!(" ({detail})") };
        let _ = writeln!(
            out,
            "{}: {}{tail}, {} hunks",
            text(agent, "agent"),
            text(agent, "status"),
            number(agent, "hunks")
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn nothing_an_agent_wrote_can_steer_the_terminal() {
        let evil = "\u{1b}]0;x\u{7}\u{9b}31m";
        let hunk = json!({"id": "h_1", "agent": "a", "path": evil, "change": "modify", "heading": evil, "removed": [evil], "added": [evil], "state": "undecided"});
        let event = json!({"summary": evil, "agent": "a", "actor": "agent", "timestamp": 0});
        for shown in [hunks(&[hunk]), super::event(&event)] {
            assert!(shown.chars().all(|c| !c.is_control() || c == '\n'), "{shown:?}");
        }
    }

    #[test]
    fn ages_and_times_read_like_clocks() {
        assert_eq!(age(41_000_000), "0:41");
        assert_eq!(age(7_400_000_000), "2:03:20");
        assert_eq!(clock(50_529_000_000), "14:02:09");
    }
}
