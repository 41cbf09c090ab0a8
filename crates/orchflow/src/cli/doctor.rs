//! `orchflow doctor`: what is wrong with the host's surroundings, asked of the host, or looked at without one where none
//! can start.

use std::fmt::Write as _;

use orchflow_core::describe::one_line;
use serde_json::{Map, Value, json};

use super::arguments::Words;
use super::commands::{Outcome, list, open};
use super::envelope::{Failure, HOST, NEGATIVE, Report};

/// Looks, and mends with `--fix`. What is left to mend makes the exit code 1.
pub(super) fn doctor(words: &Words) -> Outcome {
    let mut params = Map::new();
    params.insert("fix".to_owned(), Value::from(words.has("fix")));
    let asked = open(words).and_then(|(mut link, warnings)| {
        // Mending takes as long as processes take to end.
        Ok((link.ask_within("doctor", params, None)?, warnings))
    });
    let (findings, warnings) = match asked {
        Ok((result, warnings)) => (list(&result, "findings").to_vec(), warnings),
        // Outside a repository, and for an agent, there is nothing to look at either.
        Err(failure) if failure.exit != HOST && failure.code != "config" => return Err(failure),
        Err(failure) => (without_host(words, &failure)?, Vec::new()),
    };
    let part =
        |finding: &Value, name: &str| finding.get(name).and_then(Value::as_str).unwrap_or("").to_owned();
    let is_open = |finding: &&Value| {
        part(finding, "level") == "problem" && finding.get("mended").and_then(Value::as_bool) != Some(true)
    };
    let mut text = String::new();
    for finding in &findings {
        let mended = finding.get("mended").and_then(Value::as_bool);
        let word = if mended == Some(true) { "mended".to_owned() } else { part(finding, "level") };
        let _ =
            writeln!(text, "{word:<8} {:<10} {}", part(finding, "kind"), one_line(&part(finding, "what")));
        if mended != Some(true) && part(finding, "level") != "ok" && !part(finding, "advice").is_empty() {
            let _ = writeln!(text, "{:19} {}", "", one_line(&part(finding, "advice")));
        }
    }
    let problems: Vec<&Value> = findings.iter().filter(is_open).collect();
    let safe = problems.iter().filter(|finding| finding.get("safe") == Some(&json!(true))).count();
    let failure = (!problems.is_empty()).then(|| {
        let message = format!("{} to be mended", count(problems.len(), "problem"));
        let failure = Failure::new("problems", NEGATIVE, message);
        match safe {
            0 => failure.hint("each line above says what to do about it"),
            _ if words.has("fix") => failure.hint("what could not be mended says why above"),
            safe => failure.hint(format!("orchflow doctor --fix mends {safe} of them")),
        }
    });
    Ok(Report { failure, warnings, ..Report::of(Value::Array(findings), text) })
}

fn count(number: usize, word: &str) -> String {
    if number == 1 { format!("1 {word} is") } else { format!("{number} {word}s are") }
}

fn without_host(words: &Words, failure: &Failure) -> Result<Vec<Value>, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new("internal", HOST, error.to_string()))?;
    let programs = crate::process::host::programs();
    let look = orchflow_host::doctor::examine_without_host(&words.folder, &failure.message, &programs);
    let findings = runtime.block_on(look);
    let rows = findings.iter().map(|finding| serde_json::to_value(finding).unwrap_or_default());
    Ok(rows.collect())
}
