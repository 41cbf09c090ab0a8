//! A hunk as fronts get it.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use orchflow_core::state::DecisionState;
use orchflow_git::hunk::{Change, Hunk};
use orchflow_git::standing::{Forecast, Standing};
use orchflow_wire::json::bytes_to_json;
use serde_json::{Value, json};

use super::rivals::{Rival, agent_line, base_line};
use super::row::Row;
use crate::world::World;

/// Lines shown of one side of a hunk; the rest is counted.
const LINES_SHOWN: usize = 4000;

/// What a list needs no word of: it is asked for with the file that a hunk is in.
const BEYOND_A_LIST: [&str; 10] = [
    "removed",
    "added",
    "before",
    "after",
    "agent_path",
    "truncated",
    "turn",
    "changed_turn",
    "checkpoint",
    "agent_line",
];

/// Foretells what accepting a hunk would come to.
pub fn forecast(hunk: &Hunk, standing: &Standing, before: &[&Hunk]) -> Forecast {
    match hunk.change {
        Change::Commit | Change::TooLarge => Forecast::Conflict,
        _ => standing.forecast(hunk, before),
    }
}

/// Writes a hunk as fronts get it; briefly where only what a list shows is wanted, thousands of which an editor reads
/// in one go.
pub fn hunk_json(world: &World, row: &Row<'_>, standing: &Standing, brief: bool) -> Value {
    let (hunk, subject) = (row.hunk, row.subject);
    let path = OsStr::from_bytes(&hunk.path);
    let user_path = world.repository.worktree().join(path);
    let agent_path =
        subject.worktree.as_ref().map(|root| PathBuf::from(OsStr::from_bytes(&root.0)).join(path));
    let text = |lines: &orchflow_git::Lines| -> Vec<Value> {
        let shown = if hunk.binary || brief { 0 } else { LINES_SHOWN };
        lines.iter().take(shown).map(|line| bytes_to_json(without_end(line))).collect()
    };
    let is_long = hunk.removed.count() > LINES_SHOWN || hunk.added.count() > LINES_SHOWN;
    let changed_turn = row.history.changed_turn(&hunk.id);
    let mut value = json!({
        "id": hunk.id.to_string(),
        "hash": hunk.hash.to_string(),
        "agent": subject.key.name,
        "run": subject.key.run,
        "key": subject.key.to_string(),
        "turn": subject.turn,
        "changed_turn": changed_turn,
        "path": shown(&hunk.path),
        "user_path": user_path.to_string_lossy(),
        "agent_path": agent_path.map(|path| path.to_string_lossy().into_owned()),
        "line": line(row, standing),
        "agent_line": agent_line(hunk),
        "old_start": hunk.old_start,
        "old_lines": hunk.old_lines,
        "new_start": hunk.new_start,
        "new_lines": hunk.new_lines,
        "insertions": hunk.insertions(),
        "deletions": hunk.deletions(),
        "change": hunk.change.word(),
        "binary": hunk.binary,
        "heading": String::from_utf8_lossy(&hunk.heading),
        "removed": text(&hunk.removed),
        "added": text(&hunk.added),
        "before": text(&hunk.before),
        "after": text(&hunk.after),
        "truncated": is_long,
        "state": row.state.map_or("undecided", DecisionState::word),
        "partly": row.partly(),
        "comments": row.comments,
        "seen": row.seen,
        "changed": row.changed,
        "rivals": rivals(row, standing),
        "rival_accepted": rival_accepted(row, standing),
        "forecast": foretold(row, standing).word(),
        "words": words(row),
        "checkpoint": subject.checkpoint,
    });
    if let Some(object) = value.as_object_mut() {
        if let Some(encoded) = encoded(&hunk.path) {
            object.insert("path_b64".to_owned(), encoded);
        }
        if brief {
            object.retain(|name, value| !BEYOND_A_LIST.contains(&name.as_str()) && !says_nothing(value));
        }
    }
    value
}

/// Gives a path as it is shown.
pub(super) fn shown(path: &[u8]) -> String {
    match std::str::from_utf8(path) {
        Ok(path) => path.to_owned(),
        Err(_) => String::from_utf8_lossy(path).into_owned(),
    }
}

/// Gives a path's bytes where they are no text.
pub(super) fn encoded(path: &[u8]) -> Option<Value> {
    bytes_to_json(path).get("b64").cloned()
}

/// Gives the line of the human's file, from 1, at which a hunk would go in.
pub(super) fn line(row: &Row<'_>, standing: &Standing) -> u32 {
    standing.line(base_line(row.hunk))
}

/// Foretells what accepting a listed hunk would come to.
pub(super) fn foretold(row: &Row<'_>, standing: &Standing) -> Forecast {
    match row.state {
        Some(DecisionState::Accepted) => Forecast::Applied,
        _ => row.forecast(standing),
    }
}

/// Gives what its agent said when a hunk got its content.
pub(super) fn words<'a>(row: &Row<'a>) -> Option<&'a str> {
    row.history.changed_turn(&row.hunk.id).and_then(|turn| row.history.words(turn))
}

/// Writes other agents' versions of a hunk's lines.
pub(super) fn rivals(row: &Row<'_>, standing: &Standing) -> Vec<Value> {
    let path = shown(&row.hunk.path);
    let one = |rival: &Rival| {
        json!({
            "id": rival.id.to_string(),
            "agent": rival.agent.name,
            "key": rival.agent.to_string(),
            "path": path,
            "line": standing.line(rival.base_line),
            "agent_line": rival.agent_line,
            "same": rival.same,
        })
    };
    row.rivals.iter().map(one).collect()
}

/// Writes the version of a hunk's lines that was accepted.
pub(super) fn rival_accepted(row: &Row<'_>, standing: &Standing) -> Option<Value> {
    let rival = row.rival_accepted?;
    Some(json!({
        "id": rival.id.to_string(),
        "agent": rival.agent.name,
        "line": standing.line(rival.base_line),
        "agent_line": rival.agent_line,
    }))
}

/// Says whether a value is as good as an absent one.
fn says_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

fn without_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}
