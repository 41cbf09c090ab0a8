//! Parameters of methods: read strictly, refused by name.

use orchflow_core::state::State;
use orchflow_core::{AgentKey, Code, Refusal, RunId};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Reads the parameters of a method. An absent map is an empty one.
///
/// # Errors
/// A usage refusal that names the field.
pub fn read<T: DeserializeOwned>(method: &str, params: Value) -> Result<T, Refusal> {
    let params = match params {
        // An empty Lua table cannot be told from an empty list.
        Value::Null => Value::Object(serde_json::Map::new()),
        Value::Array(items) if items.is_empty() => Value::Object(serde_json::Map::new()),
        Value::Object(mut entries) => {
            entries.retain(|_, value| !value.is_null());
            Value::Object(entries)
        }
        other => other,
    };
    serde_json::from_value(params)
        .map_err(|error| Refusal::new(Code::Usage, format!("{method}: {error}")).hint(usage(method)))
}

fn usage(method: &str) -> String {
    match orchflow_core::catalogue::find(method) {
        Some(command) => format!("usage: {}", command.usage()),
        None => "orchflow help lists what there is".to_owned(),
    }
}

/// Finds a run by number, or the newest.
///
/// # Errors
/// [`Code::UnknownRun`].
pub fn find_run(state: &State, run: Option<u64>) -> Result<RunId, Refusal> {
    let found = match run {
        Some(number) => state.runs.get(&RunId(number)),
        None => state.last_run(),
    };
    found.map(|run| run.run).ok_or_else(|| {
        let message = match run {
            Some(number) => format!("there is no run {number}"),
            None => "there is no run yet".to_owned(),
        };
        Refusal::new(Code::UnknownRun, message)
            .hint("start one: orchflow swarm --agents claude,rehearsal Say what should be done")
    })
}

/// Finds agents by name; `all` means every agent of the run, or of the newest.
///
/// # Errors
/// [`Code::UnknownAgent`] names the one that is not there and those that are.
pub fn find_agents(state: &State, names: &[String], run: Option<u64>) -> Result<Vec<AgentKey>, Refusal> {
    let mut found = Vec::new();
    for name in names {
        if name == "all" {
            let run = find_run(state, run)?;
            found.extend(state.agents_of(run).into_iter().map(|agent| agent.key.clone()));
            continue;
        }
        let in_run = run.and_then(|run| state.agents.get(&AgentKey::new(RunId(run), name.as_str())));
        let agent = in_run.or_else(|| {
            state.find_agent(name).filter(|agent| run.is_none_or(|run| agent.key.run == RunId(run)))
        });
        match agent {
            Some(agent) => found.push(agent.key.clone()),
            None => return Err(unknown_agent(state, name)),
        }
    }
    found.dedup();
    Ok(found)
}

fn unknown_agent(state: &State, name: &str) -> Refusal {
    let standing: Vec<&str> = state
        .agents
        .values()
        .filter(|agent| agent.phase != orchflow_core::state::Phase::Cleaned)
        .map(|agent| agent.key.name.as_str())
        .collect();
    let hint = match standing.as_slice() {
        [] => "there are none yet; orchflow swarm starts some".to_owned(),
        names => format!("there are: {}", names.join(", ")),
    };
    Refusal::new(Code::UnknownAgent, format!("there is no agent {name}")).hint(hint)
}

/// One name, several with commas between, or a list of names.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Names {
    /// One word.
    One(String),
    /// A list.
    Many(Vec<String>),
}

impl Names {
    /// Gives the text of a filter where they are one: some word has a `:`, which no name of an agent has.
    pub fn filter(&self) -> Option<String> {
        let words = match self {
            Names::One(text) => std::slice::from_ref(text),
            Names::Many(list) => list.as_slice(),
        };
        words.iter().any(|word| word.contains(':')).then(|| words.join(" "))
    }

    /// Gives the single names.
    pub fn into_list(self) -> Vec<String> {
        let words = match self {
            Names::One(text) => vec![text],
            Names::Many(list) => list,
        };
        let parts = words.iter().flat_map(|word| word.split(','));
        parts.map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
    }
}
