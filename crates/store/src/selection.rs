//! Filters and pages, written as SQL.

use rusqlite::Connection;
use rusqlite::types::Value;

use crate::query::{EventFilter, Page};

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

impl Selection {
    /// Writes everything a filter asks for but its text. `limit` is how many rows are wanted in all, where
    /// no other condition is added afterwards.
    pub(crate) fn new(
        connection: &Connection,
        filter: &EventFilter,
        page: Page,
        limit: Option<usize>,
    ) -> rusqlite::Result<Selection> {
        let (low, high) = bounds(connection, filter, page)?;
        let mut selection = Selection {
            by_path: filter.path.is_some(),
            parts: Vec::new(),
            values: Vec::new(),
            low,
            high,
            newest_first: matches!(page, Page::Before(_)),
        };
        let mut driven = false;
        if let Some(path) = &filter.path {
            selection.add("p.path = ?", Value::Blob(path.clone()));
            driven = true;
        }
        if let Some(agent) = &filter.agent {
            let column = if driven { "+e.ai_id = ?" } else { "e.ai_id = ?" };
            selection.add(column, Value::Text(agent.clone()));
            driven = true;
        }
        match (filter.types.as_slice(), limit) {
            ([], _) => {}
            ([one], _) => {
                let column = if driven { "+e.event_type = ?" } else { "e.event_type = ?" };
                selection.add(column, Value::Text(one.clone()));
                driven = true;
            }
            (several, Some(limit)) if !driven => {
                selection.add_merged(several, filter.run, limit);
                driven = true;
            }
            (several, _) => {
                let places: Vec<String> =
                    several.iter().map(|name| selection.place(Value::Text(name.clone()))).collect();
                selection.parts.push(format!("+e.event_type IN ({})", places.join(", ")));
                driven = true;
            }
        }
        if let Some(run) = filter.run {
            let column = if driven { "+e.session_id = ?" } else { "e.session_id = ?" };
            selection.add(column, Value::Text(run.to_string()));
        }
        let column = selection.seq();
        selection.add_bounds(column);
        Ok(selection)
    }

    /// Asks for several types at once: each type's own index gives its newest few, which are merged. Neither
    /// a rare nor a common type makes that long, as walking the log or sorting all of a type would.
    fn add_merged(&mut self, types: &[String], run: Option<u64>, limit: usize) {
        let run = run.map(|run| self.place(Value::Text(run.to_string())));
        let (low, high) = (self.place(Value::Integer(self.low)), self.place(Value::Integer(self.high)));
        let (order, limit) = (self.order(), self.limit(limit));
        let mut each = Vec::new();
        for name in types {
            let name = self.place(Value::Text(name.clone()));
            let run = run.as_ref().map_or(String::new(), |run| format!("AND +session_id = {run}"));
            each.push(format!(
                "SELECT seq FROM (SELECT seq FROM development_events
                 WHERE event_type = {name} AND seq > {low} AND seq < {high} {run} ORDER BY seq {order} LIMIT {limit})"
            ));
        }
        self.parts.push(format!("e.seq IN ({})", each.join(" UNION ALL ")));
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
fn bounds(connection: &Connection, filter: &EventFilter, page: Page) -> rusqlite::Result<(i64, i64)> {
    let (mut low, mut high) = (0i64, i64::MAX);
    if let Some(since) = filter.since {
        low = first_at(connection, since)? - 1;
    }
    if let Some(until) = filter.until.filter(|until| *until < i64::MAX) {
        high = first_at(connection, until + 1)?;
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
