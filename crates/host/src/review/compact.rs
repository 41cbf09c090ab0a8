//! Hunks as an editor's list takes them, thousands in one go: what is the same for those of a file is said once, each
//! is a row of values in the order of [`COLUMNS`], and of the rest only what is not as `usual`.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::Arc;

use orchflow_core::state::DecisionState;
use orchflow_git::standing::{Forecast, Standing};
use serde_json::{Map, Value, json};

use super::json::{encoded, foretold, line, rival_accepted, rivals, shown, words};
use super::row::Row;

/// What the values of a row are, in order. One more may follow: a map of what is not as usual.
pub const COLUMNS: [&str; 10] = [
    "id",
    "hash",
    "line",
    "old_start",
    "old_lines",
    "new_start",
    "new_lines",
    "insertions",
    "deletions",
    "heading",
];

const LINES: &str = "lines";
const UNDECIDED: &str = "undecided";

/// Gives what holds for a hunk where its row says nothing else. What is not named is absent, empty or false.
fn usual() -> Value {
    json!({ "change": LINES, "state": UNDECIDED, "forecast": Forecast::Clean.word(), "comments": 0 })
}

/// Writes hunks: `{"columns": […], "usual": {…}, "files": [{"agent", "run", "key", "path", "path_b64"?, "user_path",
/// "words"?, "rows": [[…]]}]}`. A file stands there again where hunks of others come in between.
pub fn compact(worktree: &Path, rows: &[Row<'_>], standings: &[Arc<Standing>]) -> Value {
    let mut files: Vec<Value> = Vec::new();
    let mut last: Option<&Row<'_>> = None;
    let mut written: Vec<Value> = Vec::new();
    for (row, standing) in rows.iter().zip(standings) {
        if let Some(before) = last
            && !is_with(before, row)
        {
            files.push(file(worktree, before, std::mem::take(&mut written)));
        }
        written.push(values(row, standing));
        last = Some(row);
    }
    files.extend(last.map(|last| file(worktree, last, written)));
    json!({ "columns": COLUMNS, "usual": usual(), "files": files })
}

/// Says whether what is said of a file as a whole is the same for two hunks.
fn is_with(one: &Row<'_>, two: &Row<'_>) -> bool {
    std::ptr::eq(one.change, two.change) && words(one) == words(two)
}

fn file(worktree: &Path, row: &Row<'_>, rows: Vec<Value>) -> Value {
    let (key, path) = (&row.subject.key, &row.hunk.path);
    let user_path = worktree.join(OsStr::from_bytes(path));
    json!({
        "agent": key.name,
        "run": key.run,
        "key": key.to_string(),
        "path": shown(path),
        "path_b64": encoded(path),
        "user_path": user_path.to_string_lossy(),
        "words": words(row),
        "rows": rows,
    })
}

fn values(row: &Row<'_>, standing: &Standing) -> Value {
    let hunk = row.hunk;
    let mut values = vec![
        Value::from(hunk.id.to_string()),
        Value::from(hunk.hash.to_string()),
        Value::from(line(row, standing)),
        Value::from(hunk.old_start),
        Value::from(hunk.old_lines),
        Value::from(hunk.new_start),
        Value::from(hunk.new_lines),
        Value::from(hunk.insertions()),
        Value::from(hunk.deletions()),
        Value::from(String::from_utf8_lossy(&hunk.heading)),
    ];
    let rest = unusual(row, standing);
    if !rest.is_empty() {
        values.push(Value::Object(rest));
    }
    Value::Array(values)
}

/// Gives what is not as usual.
fn unusual(row: &Row<'_>, standing: &Standing) -> Map<String, Value> {
    let mut rest = Map::new();
    let mut word = |name: &str, word: &str, usual: &str| {
        if word != usual {
            rest.insert(name.to_owned(), Value::from(word));
        }
    };
    word("change", row.hunk.change.word(), LINES);
    word("state", row.state.map_or(UNDECIDED, DecisionState::word), UNDECIDED);
    word("forecast", foretold(row, standing).word(), Forecast::Clean.word());
    for (name, is) in [("binary", row.hunk.binary), ("seen", row.seen), ("changed", row.changed)] {
        if is {
            rest.insert(name.to_owned(), Value::Bool(true));
        }
    }
    if row.comments > 0 {
        rest.insert("comments".to_owned(), Value::from(row.comments));
    }
    if let Some(lines) = row.partly() {
        rest.insert("partly".to_owned(), json!(lines));
    }
    if !row.rivals.is_empty() {
        rest.insert("rivals".to_owned(), Value::Array(rivals(row, standing)));
    }
    if let Some(rival) = rival_accepted(row, standing) {
        rest.insert("rival_accepted".to_owned(), rival);
    }
    rest
}
