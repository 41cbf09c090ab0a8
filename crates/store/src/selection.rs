//! Filters and pages, written as SQL.

use rusqlite::Connection;
use rusqlite::types::Value;

use crate::files::{self, Files};
use crate::narrow::{Condition, Narrowed};
use crate::query::Page;

/// The rows a filter and a page name: tables, conditions and their values.
///
/// `e` is the event; where a path is asked for, `p` is its row in the side table and drives, since a path
/// matches few events. `+` before a column keeps the planner from its index: of several filters the
/// narrowest drives, in the order path, agent, type, run.
pub(crate) struct Selection {
    by_path: bool,
    parts: Vec<String>,
    pub(crate) values: Vec<Value>,
    /// Only events after this place.
    pub(crate) low: i64,
    /// Only events before this place.
    pub(crate) high: i64,
    newest_first: bool,
}

/// What is asked for several times, and each time gives its newest few.
enum Merged<'a> {
    Paths(&'a [Vec<u8>]),
    Column(&'static str, &'a [String]),
}

impl Selection {
    /// Writes everything a filter asks for but its text. `limit` is how many rows are wanted in all, where
    /// no other condition is added afterwards.
    pub(crate) fn new(
        connection: &Connection,
        filter: &Narrowed,
        page: Page,
        limit: Option<usize>,
    ) -> rusqlite::Result<Selection> {
        let (low, high) = bounds(connection, filter, page)?;
        let mut selection = Selection {
            by_path: matches!(filter.files, Files::One(_)),
            parts: Vec::new(),
            values: Vec::new(),
            low,
            high,
            newest_first: matches!(page, Page::Before(_)),
        };
        let mut driven = false;
        let mut merged = None;
        match (&filter.files, limit) {
            (Files::Any, _) => {}
            (Files::One(path), _) => {
                selection.add("p.path = ?", Value::Blob(path.clone()));
                driven = true;
            }
            (Files::Few(paths), Some(_)) => {
                merged = Some(Merged::Paths(paths));
                driven = true;
            }
            (Files::Few(paths), None) => selection.add_condition(&files::touches(paths)),
            (Files::Condition(condition), _) => selection.add_condition(condition),
        }
        for (column, values) in [("ai_id", &filter.agents), ("event_type", &filter.types)] {
            match (values.as_slice(), limit) {
                ([], _) => {}
                ([one], _) => {
                    let plus = if driven { "+" } else { "" };
                    selection.add(&format!("{plus}e.{column} = ?"), Value::Text(one.clone()));
                    driven = true;
                }
                // A type is narrower than some agents, where both are asked for.
                (several, Some(_)) if !driven && (column == "event_type" || filter.types.is_empty()) => {
                    merged = Some(Merged::Column(column, several));
                    driven = true;
                }
                (several, _) => {
                    let places: Vec<String> =
                        several.iter().map(|name| selection.place(Value::Text(name.clone()))).collect();
                    selection.parts.push(format!("+e.{column} IN ({})", places.join(", ")));
                    driven |= column == "event_type";
                }
            }
        }
        if let Some(run) = filter.run {
            let column = if driven { "+e.session_id = ?" } else { "e.session_id = ?" };
            selection.add(column, Value::Text(run.to_string()));
        }
        for condition in &filter.conditions {
            selection.add_condition(condition);
        }
        match (merged, limit) {
            // What is merged is within the page already, and is what all else says.
            (Some(merged), Some(limit)) => selection.add_merged(&merged, limit),
            _ => {
                let column = selection.seq();
                selection.add_bounds(column);
            }
        }
        Ok(selection)
    }

    /// Asks for several values of a column at once: each value's own index gives its newest few, which are
    /// merged. Neither a rare nor a common value makes that long, as walking the log or sorting all of a
    /// value would. Everything asked for so far is asked of each.
    fn add_merged(&mut self, merged: &Merged<'_>, limit: usize) {
        let (low, high) = (self.place(Value::Integer(self.low)), self.place(Value::Integer(self.high)));
        let (order, limit) = (self.order(), self.limit(limit));
        let rest: String =
            std::mem::take(&mut self.parts).iter().map(|part| format!(" AND {part}")).collect();
        let mut each = Vec::new();
        let mut ask = |from: &str, seq: &str, value: String| {
            each.push(format!(
                "SELECT seq FROM (SELECT {seq} AS seq FROM {from} = {value}
                 AND {seq} > {low} AND {seq} < {high}{rest} ORDER BY {seq} {order} LIMIT {limit})"
            ));
        };
        match merged {
            Merged::Column(column, values) => {
                for value in *values {
                    let value = self.place(Value::Text(value.clone()));
                    ask(&format!("development_events e WHERE e.{column}"), "e.seq", value);
                }
            }
            Merged::Paths(paths) => {
                let from = "event_paths q CROSS JOIN development_events e ON e.seq = q.seq WHERE q.path";
                for path in *paths {
                    let value = self.place(Value::Blob(path.clone()));
                    ask(from, "q.seq", value);
                }
            }
        }
        self.parts.push(format!("e.seq IN ({})", each.join(" UNION ALL ")));
    }

    /// Adds a condition with its values.
    fn add_condition(&mut self, condition: &Condition) {
        let mut pieces = condition.sql.split('?');
        let mut sql = pieces.next().unwrap_or_default().to_owned();
        for (piece, value) in pieces.zip(&condition.values) {
            sql.push_str(&self.place(value.clone()));
            sql.push_str(piece);
        }
        self.parts.push(sql);
    }

    /// Narrows a column that holds places to the page's.
    pub(crate) fn add_bounds(&mut self, column: &str) {
        if self.low > 0 {
            self.add(&format!("{column} > ?"), Value::Integer(self.low));
        }
        if self.high < i64::MAX {
            self.add(&format!("{column} < ?"), Value::Integer(self.high));
        }
    }

    /// Adds a condition with one value.
    pub(crate) fn add(&mut self, condition: &str, value: Value) {
        let place = self.place(value);
        self.parts.push(condition.replace('?', &place));
    }

    fn place(&mut self, value: Value) -> String {
        self.values.push(value);
        format!("?{}", self.values.len())
    }

    /// Adds how many rows are wanted at most, and gives its place in the statement.
    pub(crate) fn limit(&mut self, limit: usize) -> String {
        self.place(Value::Integer(i64::try_from(limit).unwrap_or(i64::MAX)))
    }

    /// Gives the column that holds the place and is in order.
    pub(crate) fn seq(&self) -> &'static str {
        if self.by_path { "p.seq" } else { "e.seq" }
    }

    /// Gives the tables.
    pub(crate) fn from(&self) -> &'static str {
        if self.by_path {
            "event_paths p CROSS JOIN development_events e ON e.seq = p.seq"
        } else {
            "development_events e"
        }
    }

    /// Gives the table of paths, to be joined to `e`, if it is needed.
    pub(crate) fn path_join(&self) -> &'static str {
        if self.by_path { "CROSS JOIN event_paths p ON p.seq = e.seq" } else { "" }
    }

    /// Writes the conditions, `1` when there are none.
    pub(crate) fn condition(&self) -> String {
        if self.parts.is_empty() { "1".to_owned() } else { self.parts.join(" AND ") }
    }

    /// Gives the order of the page.
    pub(crate) fn order(&self) -> &'static str {
        if self.newest_first { "DESC" } else { "ASC" }
    }
}

/// Gives the places between which a page lies, both outside of it.
fn bounds(connection: &Connection, filter: &Narrowed, page: Page) -> rusqlite::Result<(i64, i64)> {
    let (mut low, mut high) = (filter.low, filter.high);
    if let Some(since) = filter.since {
        low = low.max(first_at(connection, since)? - 1);
    }
    if let Some(until) = filter.until.filter(|until| *until < i64::MAX) {
        high = high.min(first_at(connection, until + 1)?);
    }
    let place = |seq: u64| i64::try_from(seq).unwrap_or(i64::MAX);
    match page {
        Page::Before(Some(seq)) => high = high.min(place(seq)),
        Page::Before(None) => {}
        Page::After(seq) => low = low.max(place(seq)),
    }
    Ok((low, high))
}

/// Finds the first event at or after a time. Time never runs backwards in the log, so halving finds it.
fn first_at(connection: &Connection, at: i64) -> rusqlite::Result<i64> {
    let mut probe = connection.prepare_cached("SELECT timestamp FROM development_events WHERE seq = ?1")?;
    let last: Option<i64> = connection
        .prepare_cached("SELECT max(seq) FROM development_events")?
        .query_row([], |row| row.get(0))?;
    let (mut low, mut high) = (1, last.unwrap_or(0) + 1);
    while low < high {
        let middle = low + (high - low) / 2;
        let timestamp: i64 = probe.query_row([middle], |row| row.get(0))?;
        if timestamp < at { low = middle + 1 } else { high = middle }
    }
    Ok(low)
}
