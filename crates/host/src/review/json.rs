//! A hunk as fronts get it.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use orchflow_core::state::DecisionState;
use orchflow_git::hunk::{Change, Hunk};
use orchflow_git::standing::{Forecast, Standing};
use orchflow_wire::json::bytes_to_json;
use serde_json::{Value, json};

use super::rivals::{Rival, base_line};
use super::row::Row;
use crate::world::World;

/// Lines shown of one side of a hunk; the rest is counted.
const LINES_SHOWN: usize = 4000;

/// What a list needs no word of: it is asked for with the file that a hunk is in.
const BEYOND_A_LIST: [&str; 9] =
    ["removed", "added", "before", "after", "agent_path", "truncated", "turn", "changed_turn", "checkpoint"];

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
    let shown_path = match std::str::from_utf8(&hunk.path) {
        Ok(path) => path.to_owned(),
        Err(_) => String::from_utf8_lossy(&hunk.path).into_owned(),
    };
    let line = |rival: &Rival| standing.line(rival.base_line);
    let rivals: Vec<Value> = row
        .rivals
        .iter()
        .map(|rival| {
            json!({
                "id": rival.id.to_string(),
                "agent": rival.agent.name,
                "key": rival.agent.to_string(),
                "path": shown_path,
                "line": line(rival),
                "same": rival.same,
            })
        })
        .collect();
    let rival_accepted = row
        .rival_accepted
        .map(|rival| json!({ "id": rival.id.to_string(), "agent": rival.agent.name, "line": line(rival) }));
    let changed_turn = row.history.changed_turn(&hunk.id);
    let forecast = match row.state {
        Some(DecisionState::Accepted) => Forecast::Applied,
        _ => row.forecast(standing),
    };
    let mut value = json!({
        "id": hunk.id.to_string(),
        "hash": hunk.hash.to_string(),
        "agent": subject.key.name,
        "run": subject.key.run,
        "key": subject.key.to_string(),
        "turn": subject.turn,
        "changed_turn": changed_turn,
        "path": shown_path,
        "user_path": user_path.to_string_lossy(),
        "agent_path": agent_path.map(|path| path.to_string_lossy().into_owned()),
        "line": standing.line(base_line(hunk)),
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
        "rivals": rivals,
        "rival_accepted": rival_accepted,
        "forecast": forecast.word(),
        "words": changed_turn.and_then(|turn| row.history.words(turn)),
        "checkpoint": subject.checkpoint,
    });
    let encoded = bytes_to_json(&hunk.path).get("b64").cloned();
    if let Some(object) = value.as_object_mut() {
        if let Some(encoded) = encoded {
            object.insert("path_b64".to_owned(), encoded);
        }
        if brief {
            object.retain(|name, value| !BEYOND_A_LIST.contains(&name.as_str()) && !says_nothing(value));
        }
    }
    value
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
