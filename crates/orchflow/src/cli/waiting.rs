//! `wait` and `swarm --wait`: until a run has nothing left to do, through one host after the other.

use std::time::{Duration, Instant};

use serde_json::{Map, Value};

use super::arguments::Words;
use super::commands::{Outcome, list, open, rows};
use super::envelope::{Failure, NEEDS_HUMAN, NEGATIVE, Report, TIMED_OUT, USAGE};
use super::link::{Link, Successor, say};
use super::{interrupt, show};

pub(super) fn wait(words: &Words) -> Outcome {
    check_policy(words)?;
    let awaited = interrupt::heed(words.command.name, words.has("json"));
    let (mut link, warnings) = open(words)?;
    // Named once, so that the next host waits for the same one.
    let run = match words.number("run") {
        Some(run) => Value::from(run),
        None => newest_run(&mut link, words)?,
    };
    awaited.set(&run);
    if let Some(number) = run.as_u64() {
        say(&format!("orchflow: waits for run {number}\n"));
    }
    let mut report = wait_for(&mut link, words, run, Instant::now());
    report.warnings.splice(0..0, warnings);
    Ok(report)
}

/// Gives the number of the newest run, or nothing when there is none.
fn newest_run(link: &mut Link, words: &Words) -> Result<Value, Failure> {
    let status = link.ask_through(&words.folder, "status", &Map::new(), None, Successor::Started)?;
    let newest = list(&status, "runs").last().and_then(|run| run.get("run"));
    Ok(newest.cloned().unwrap_or(Value::Null))
}

/// Checks the way of waiting before anything is started.
pub(super) fn check_policy(words: &Words) -> Result<(), Failure> {
    match words.text("on_approval").as_deref() {
        None | Some("stop" | "wait" | "deny") => Ok(()),
        Some(other) => {
            let message = format!("--on-approval {other} is none of stop, wait, deny");
            Err(Failure::new("usage", USAGE, message)
                .hint(format!("usage: orchflow {}", words.command.usage())))
        }
    }
}

/// Waits for a run with the host there is, and goes on with the next one when that goes away.
pub(super) fn wait_for(link: &mut Link, words: &Words, run: Value, begun: Instant) -> Report {
    let mut params = Map::new();
    if !run.is_null() {
        params.insert("run".to_owned(), run.clone());
    }
    if let Some(policy) = words.text("on_approval") {
        params.insert("on_approval".to_owned(), Value::from(policy));
    }
    let limit = words.number("timeout").map(Duration::from_secs);
    let left = limit.map(|limit| limit.saturating_sub(begun.elapsed()));
    let result = match link.ask_through(&words.folder, "wait", &params, left, Successor::Started) {
        Ok(result) => result,
        Err(failure) if failure.exit == TIMED_OUT => {
            let failure = Failure::new("timed_out", TIMED_OUT, "the time is over; the agents go on")
                .hint("orchflow wait waits on; orchflow status says how they are");
            return Report { run, ..Report::failed(failure) };
        }
        Err(failure) => return Report { run, ..Report::failed(failure) },
    };
    let failure = match result.get("outcome").and_then(Value::as_str) {
        Some("done") => None,
        Some("needs_human") => Some(
            Failure::new("needs_human", NEEDS_HUMAN, "an agent waits for you; the agents go on")
                .hint("orchflow approvals lists permissions; orchflow attach NAME shows an agent"),
        ),
        _ => {
            Some(Failure::new("agent_failed", NEGATIVE, "an agent failed").hint("orchflow status says which"))
        }
    };
    let run = result.get("run").cloned().unwrap_or(run);
    let mut text = show::outcome(&result);
    let approvals = rows(&result, "approvals");
    if approvals.as_array().is_some_and(|approvals| !approvals.is_empty()) {
        text.push_str(&show::approvals(&result));
    }
    Report { run, failure, ..Report::of(rows(&result, "agents"), text) }
}
