//! Review in the shell: hunks listed, decided on, commented on; files of checkpoints.

use std::io::{BufRead as _, Write as _};

use orchflow_wire::json::bytes_from_json;
use serde_json::{Map, Value, json};

use super::arguments::Words;
use super::commands::{Outcome, list as items, open, rows, warnings_of};
use super::envelope::{Failure, NEGATIVE, Report, USAGE};
use super::show;

/// Lists what waits for a decision.
pub fn list(words: &Words) -> Outcome {
    let (mut link, mut warnings) = open(words)?;
    let result = link.ask("review", words.params(&["json"]))?;
    warnings.extend(warnings_of(&result));
    let hunks = items(&result, "hunks");
    let next = result.get("next").cloned().unwrap_or(Value::Null);
    let seq = result.get("seq").cloned().unwrap_or(Value::Null);
    let run = result.get("run").cloned().unwrap_or(Value::Null);
    warnings.extend(elsewhere(&result));
    Ok(Report { run, next, seq, warnings, ..Report::of(rows(&result, "hunks"), show::hunks(hunks)) })
}

/// Says where other hunks wait: a review is of one run unless others are named.
fn elsewhere(result: &Value) -> impl Iterator<Item = String> + '_ {
    items(result, "elsewhere").iter().filter_map(|each| {
        let (run, hunks) = (each.get("run")?.as_u64()?, each.get("hunks")?.as_u64()?);
        let (noun, verb) = if hunks == 1 { ("hunk", "waits") } else { ("hunks", "wait") };
        Some(format!("{hunks} {noun} of run {run} {verb} as well: orchflow review run:{run}"))
    })
}

/// Accepts or rejects.
pub fn decide(words: &Words) -> Outcome {
    let hunks = named(words)?;
    let (mut link, warnings) = open(words)?;
    let mut params = words.params(&["json", "hunks"]);
    params.insert("hunks".to_owned(), Value::Array(hunks));
    let result = link.ask_within(words.command.name, params, None)?;
    let results = items(&result, "results");
    let refused: Vec<&Value> = results
        .iter()
        .filter(|result| result.get("state").and_then(Value::as_str) == Some("refused"))
        .collect();
    let failure = refused.first().map(|first| {
        let mut failure = Failure::from_json(first);
        failure.exit = NEGATIVE;
        failure
    });
    let text = show::decisions(results);
    Ok(Report { failure, warnings, ..Report::of(rows(&result, "results"), text) })
}

/// Says something about a hunk to its agent.
pub fn comment(words: &Words) -> Outcome {
    let (mut link, warnings) = open(words)?;
    let result = link.ask("comment", words.params(&["json"]))?;
    let names: Vec<&str> = items(&result, "prompts")
        .iter()
        .filter_map(|prompt| prompt.get("agent").and_then(Value::as_str))
        .collect();
    let text = format!("told {}\n", names.join(", "));
    Ok(Report { warnings, ..Report::of(rows(&result, "prompts"), text) })
}

/// Reads the hunks a command names, from its words or from standard input.
fn named(words: &Words) -> Result<Vec<Value>, Failure> {
    let mut hunks = Vec::new();
    for id in words.list("hunks") {
        if id == "-" {
            for line in std::io::stdin().lock().lines() {
                let line =
                    line.map_err(|error| Failure::new("usage", USAGE, format!("standard input: {error}")))?;
                // An id alone, or an id with its hash behind it.
                let mut parts = line.split_whitespace();
                if let Some(id) = parts.next() {
                    hunks.push(json!({ "id": id, "hash": parts.next() }));
                }
            }
        } else {
            hunks.push(json!({ "id": id }));
        }
    }
    Ok(hunks)
}

/// Takes the last decision back, or makes it again.
pub fn undo(words: &Words) -> Outcome {
    let (mut link, warnings) = open(words)?;
    let result = link.ask(words.command.name, Map::new())?;
    let message = result.get("message").and_then(Value::as_str).unwrap_or("done").to_owned();
    Ok(Report { warnings, ..Report::of(json!([result]), format!("{message}\n")) })
}

/// Notes what was shown.
pub fn seen(words: &Words) -> Outcome {
    let hunks = named(words)?;
    let (mut link, warnings) = open(words)?;
    let mut params = Map::new();
    params.insert("hunks".to_owned(), Value::Array(hunks));
    link.ask("seen", params)?;
    Ok(Report { warnings, ..Report::of(json!([]), String::new()) })
}

/// Prints a file of a checkpoint, byte for byte.
pub fn file(words: &Words) -> Outcome {
    let (mut link, warnings) = open(words)?;
    let result = link.ask("file", words.params(&["json"]))?;
    if words.has("json") {
        return Ok(Report { warnings, ..Report::of(json!([result]), String::new()) });
    }
    let text = |name: &str| result.get(name).and_then(Value::as_str).unwrap_or_default();
    let is = |name: &str| result.get(name).and_then(Value::as_bool).unwrap_or(false);
    let (path, agent) = (text("path"), text("agent"));
    let why = match (is("missing"), is("binary"), is("too_big")) {
        (true, _, _) => Some(format!("{agent} deleted {path}")),
        (_, true, _) => Some(format!("{path} is binary")),
        (_, _, true) => Some(format!("{path} is too large to be sent here")),
        _ => None,
    };
    if let Some(why) = why {
        let hint = match is("missing") {
            true => "--json gives the lines it had in the base".to_owned(),
            false => format!("git has it: git show {}:{path}", text("checkpoint")),
        };
        return Err(Failure::new("conflict", NEGATIVE, why).hint(hint));
    }
    let end: &[u8] = if text("eol") == "crlf" { b"\r\n" } else { b"\n" };
    let lines = items(&result, "lines");
    let mut bytes = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        bytes.extend(bytes_from_json(line).unwrap_or_default());
        if number + 1 < lines.len() || is("ended") {
            bytes.extend_from_slice(end);
        }
    }
    // A reader that left early is no failure.
    let _ = std::io::stdout().write_all(&bytes);
    Ok(Report { warnings, ..Report::default() })
}
