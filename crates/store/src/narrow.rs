//! What a filter asks for, made ready to be written as SQL: patterns become names, groups become types, turns
//! become the places between which they lie.

use std::collections::BTreeMap;

use orchflow_core::filter::{AgentPattern, Filter, Is, TypeChoice, absolute};
use orchflow_core::{AgentKey, RunId};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _};

use crate::files::{self, Files};
use crate::query::EventFilter;
use crate::text::words;

/// A condition on `e`, with a value for each `?`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Condition {
    pub(crate) sql: String,
    pub(crate) values: Vec<Value>,
}

impl Condition {
    pub(crate) fn new(sql: impl Into<String>, values: Vec<Value>) -> Condition {
        Condition { sql: sql.into(), values }
    }

    fn not(self) -> Condition {
        // What has no agent, run or place is not what is left out.
        Condition { sql: format!("NOT coalesce({}, 0)", self.sql), values: self.values }
    }
}

/// A filter whose patterns are resolved.
#[derive(Debug, Default)]
pub(crate) struct Narrowed {
    /// Events of any of these agents; none asks for no agent.
    pub(crate) agents: Vec<String>,
    /// Events of any of these types; none asks for no type.
    pub(crate) types: Vec<String>,
    pub(crate) run: Option<u64>,
    pub(crate) files: Files,
    pub(crate) since: Option<i64>,
    pub(crate) until: Option<i64>,
    /// Places between which everything lies that can pass.
    pub(crate) low: i64,
    pub(crate) high: i64,
    pub(crate) conditions: Vec<Condition>,
    /// Words that must occur.
    pub(crate) text: Option<String>,
    /// Lists of words; where all of one occur, the event does not pass.
    pub(crate) without: Vec<Vec<String>>,
}

/// Resolves a filter; `None` where nothing can pass.
pub(crate) fn narrow(connection: &Connection, filter: &EventFilter) -> rusqlite::Result<Option<Narrowed>> {
    let more = &filter.more;
    let mut narrowed = Narrowed {
        agents: filter.agent.iter().cloned().collect(),
        types: filter.types.clone(),
        run: filter.run,
        files: filter.path.clone().map_or(Files::Any, Files::One),
        since: filter.since,
        until: filter.until,
        low: 0,
        high: i64::MAX,
        ..Narrowed::default()
    };
    let asked = filter.text.iter().chain(&more.text.include);
    let asked: Vec<&str> = asked.map(String::as_str).filter(|text| !text.trim().is_empty()).collect();
    narrowed.text = (!asked.is_empty()).then(|| asked.join(" "));
    narrowed.without =
        more.text.exclude.iter().map(|text| words(text)).filter(|words| !words.is_empty()).collect();
    if more.is_empty() {
        return Ok(Some(narrowed));
    }
    let passes = narrowed.add_types(more.event_types(), more.types.include.is_empty())
        && narrowed.add_runs(connection, more)?
        && narrowed.add_agents(connection, more)?
        && narrowed.add_turns(connection, more)?
        && files::narrow(connection, &more.files, &mut narrowed)?;
    for any in &more.is.include {
        narrowed
            .conditions
            .push(Condition::new(any_of(any.iter().map(|is| being(*is).to_owned()).collect()), Vec::new()));
    }
    for is in more.is.exclude.iter().flatten() {
        narrowed.conditions.push(Condition::new(being(*is), Vec::new()).not());
    }
    Ok(passes.then_some(narrowed))
}

impl Narrowed {
    fn add_types(&mut self, choice: Option<TypeChoice>, only_excludes: bool) -> bool {
        let Some(choice) = choice else { return true };
        let quoted = |names: &[&str]| format!("'{}'", names.join("', '"));
        let tool = format!("json_extract(e.event_data, '$.tool') IN ({})", quoted(TypeChoice::EDIT_TOOLS));
        for (types, not) in [(&choice.only_edits, ""), (&choice.no_edits, "NOT ")] {
            if !types.is_empty() {
                let sql = format!("(e.event_type NOT IN ({}) OR {not}coalesce({tool}, 0))", quoted(types));
                self.conditions.push(Condition::new(sql, Vec::new()));
            }
        }
        if only_excludes {
            let all = orchflow_core::event::EVENT_TYPES.iter();
            let out: Vec<&str> = all.copied().filter(|name| !choice.types.contains(name)).collect();
            if !out.is_empty() {
                // A type of a newer version is none of those that are left out.
                self.conditions
                    .push(Condition::new(format!("+e.event_type NOT IN ({})", quoted(&out)), Vec::new()));
            }
            return true;
        }
        if self.types.is_empty() {
            self.types = choice.types.iter().map(|name| (*name).to_owned()).collect();
        } else {
            self.types.retain(|name| choice.types.contains(&name.as_str()));
        }
        !self.types.is_empty()
    }

    fn add_runs(&mut self, connection: &Connection, more: &Filter) -> rusqlite::Result<bool> {
        if more.runs.is_empty() {
            return Ok(true);
        }
        let newest: Option<String> = connection
            .prepare_cached(
                "SELECT session_id FROM development_events WHERE event_type = 'run_started' ORDER BY seq DESC LIMIT 1",
            )?
            .query_row([], |row| row.get(0))
            .optional()?
            .flatten();
        let newest = newest.and_then(|run| run.parse().ok()).unwrap_or(0);
        let numbers = |wanted: &[i64]| -> Vec<u64> {
            wanted.iter().filter_map(|run| u64::try_from(absolute(*run, newest)).ok()).collect()
        };
        let values = |runs: &[u64]| runs.iter().map(|run| Value::Text(run.to_string())).collect();
        let (mut any, none) = (numbers(&more.runs.include), numbers(&more.runs.exclude));
        if !none.is_empty() {
            let sql = format!("+e.session_id IN ({})", places(none.len()));
            self.conditions.push(Condition::new(sql, values(&none)).not());
        }
        if more.runs.include.is_empty() {
            return Ok(true);
        }
        any.retain(|run| self.run.is_none_or(|asked| asked == *run));
        match any.as_slice() {
            [] => return Ok(false),
            [one] => self.run = Some(*one),
            several => {
                let sql = format!("+e.session_id IN ({})", places(several.len()));
                self.conditions.push(Condition::new(sql, values(several)));
            }
        }
        Ok(true)
    }

    fn add_agents(&mut self, connection: &Connection, more: &Filter) -> rusqlite::Result<bool> {
        if more.agents.is_empty() {
            return Ok(true);
        }
        let sides = [&more.agents.include, &more.agents.exclude];
        let has_stars = sides.into_iter().flatten().any(|pattern| pattern.plain_name().is_none());
        let known = if has_stars { agent_names(connection)? } else { Vec::new() };
        if let Some(condition) = of_agents(&more.agents.exclude, &known) {
            self.conditions.push(condition.not());
        }
        if more.agents.include.is_empty() {
            return Ok(true);
        }
        let mut names: Vec<String> =
            more.agents.include.iter().flat_map(|pattern| names_of(pattern, &known)).collect();
        names.sort();
        names.dedup();
        if let Some(asked) = self.agents.first() {
            names.retain(|name| name == asked);
        }
        if more.agents.include.iter().any(|pattern| pattern.run.is_some()) {
            self.conditions.extend(of_agents(&more.agents.include, &known));
        }
        self.agents = names;
        Ok(!self.agents.is_empty())
    }

    fn add_turns(&mut self, connection: &Connection, more: &Filter) -> rusqlite::Result<bool> {
        if more.turns.is_empty() {
            return Ok(true);
        }
        let mut turns = BTreeMap::<AgentKey, Vec<(i64, i64)>>::new();
        let mut select = connection.prepare_cached(
            "SELECT seq, ai_id, session_id, json_extract(event_data, '$.turn') FROM development_events
             WHERE event_type = 'turn_started' AND ai_id IS NOT NULL AND session_id IS NOT NULL ORDER BY seq",
        )?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            let (name, run): (String, String) = (row.get(1)?, row.get(2)?);
            let Ok(run) = run.parse() else { continue };
            let turn = row.get::<_, Option<i64>>(3)?.unwrap_or(0);
            turns.entry(AgentKey::new(RunId(run), name)).or_default().push((turn, row.get(0)?));
        }
        let mut spans = [Vec::new(), Vec::new()];
        for (agent, turns) in &turns {
            let is_asked = more.admits_agent(agent)
                && self.run.is_none_or(|run| run == agent.run.0)
                && (self.agents.is_empty() || self.agents.contains(&agent.name));
            let newest = turns.last().map_or(0, |(turn, _)| *turn);
            for (place, (turn, begin)) in turns.iter().enumerate().filter(|_| is_asked) {
                let end = turns.get(place + 1).map_or(i64::MAX, |(_, begin)| *begin);
                for (spans, wanted) in spans.iter_mut().zip([&more.turns.include, &more.turns.exclude]) {
                    if wanted.iter().any(|wanted| absolute(*wanted, newest) == *turn) {
                        spans.push(Span { agent: agent.clone(), begin: *begin, end });
                    }
                }
            }
        }
        let [any, none] = spans;
        if !none.is_empty() {
            self.conditions.push(in_spans(&none).not());
        }
        if more.turns.include.is_empty() {
            return Ok(true);
        }
        self.low = any.iter().map(|span| span.begin - 1).min().unwrap_or(0);
        self.high = any.iter().map(|span| span.end).max().unwrap_or(0);
        if let [first, rest @ ..] = any.as_slice()
            && self.agents.is_empty()
            && rest.iter().all(|span| span.agent.name == first.agent.name)
        {
            self.agents.push(first.agent.name.clone());
        }
        self.conditions.push(in_spans(&any));
        Ok(!any.is_empty())
    }
}

/// The events of an agent's turn: from its beginning to before the next one's.
struct Span {
    agent: AgentKey,
    begin: i64,
    end: i64,
}

fn in_spans(spans: &[Span]) -> Condition {
    let one = |span: &Span| {
        format!("(+e.seq >= {} AND +e.seq < {} AND +e.ai_id = ? AND +e.session_id = ?)", span.begin, span.end)
    };
    let values =
        |span: &Span| [Value::Text(span.agent.name.clone()), Value::Text(span.agent.run.to_string())];
    Condition::new(any_of(spans.iter().map(one).collect()), spans.iter().flat_map(values).collect())
}

/// Writes that any of some conditions holds, as a tree that stays flat: SQLite takes none of any depth.
pub(crate) fn any_of(mut parts: Vec<String>) -> String {
    match parts.len() {
        0 => "0".to_owned(),
        1 => parts.remove(0),
        count => {
            let rest = parts.split_off(count / 2);
            format!("({} OR {})", any_of(parts), any_of(rest))
        }
    }
}

/// Writes `?, ?, …`.
pub(crate) fn places(count: usize) -> String {
    vec!["?"; count].join(", ")
}

fn agent_names(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut next = connection
        .prepare_cached("SELECT ai_id FROM development_events WHERE ai_id > ?1 ORDER BY ai_id LIMIT 1")?;
    let mut names = Vec::<String>::new();
    loop {
        let last = names.last().map_or("", String::as_str);
        match next.query_row([last], |row| row.get(0)).optional()? {
            Some(name) => names.push(name),
            None => return Ok(names),
        }
    }
}

fn names_of(pattern: &AgentPattern, known: &[String]) -> Vec<String> {
    match pattern.plain_name() {
        Some(name) => vec![name.to_owned()],
        None => known.iter().filter(|name| pattern.fits_name(name)).cloned().collect(),
    }
}

/// Writes that an event is about any of some agents; `None` where nothing is asked for.
fn of_agents(patterns: &[AgentPattern], known: &[String]) -> Option<Condition> {
    if patterns.is_empty() {
        return None;
    }
    let (mut parts, mut values) = (Vec::new(), Vec::new());
    for pattern in patterns {
        let names = names_of(pattern, known);
        if names.is_empty() {
            continue;
        }
        let run = if pattern.run.is_some() { " AND +e.session_id = ?" } else { "" };
        parts.push(format!("(+e.ai_id IN ({}){run})", places(names.len())));
        values.extend(names.into_iter().map(Value::Text));
        values.extend(pattern.run.map(|run| Value::Text(run.to_string())));
    }
    Some(Condition::new(any_of(parts), values))
}

/// Writes what it means that an event is something.
fn being(is: Is) -> &'static str {
    match is {
        Is::Human => "(e.actor IN ('human', 'script'))",
        Is::Host => "(e.actor = 'host')",
        Is::Agent => "(e.actor = 'agent')",
        Is::FailedEvent => {
            "(e.event_type IN ('tool_failed', 'agent_failed_to_start', 'checkpoint_failed', 'clean_failed',
                'decision_refused', 'undo_refused', 'prompt_undelivered', 'effect_lost')
              OR (e.event_type IN ('turn_ended', 'run_settled') AND json_extract(e.event_data, '$.outcome') = 'failed')
              OR (e.event_type = 'agent_status_changed' AND json_extract(e.event_data, '$.status') = 'failed')
              OR (e.event_type = 'agent_exited'
                  AND (coalesce(json_extract(e.event_data, '$.code'), 0) <> 0
                    OR json_extract(e.event_data, '$.signal') IS NOT NULL
                    OR coalesce(json_extract(e.event_data, '$.lost'), 0))))"
        }
        // The grammar gives these to hunks and agents alone.
        _ => "0",
    }
}
