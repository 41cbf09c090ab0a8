//! Which kinds of agents a front means, and whether they can be started.

use orchflow_agent::catalogue::Presence;
use orchflow_core::command::AgentSpec;
use orchflow_core::{Code, Refusal};

use super::Session;
use crate::world::World;

/// Chooses the kinds: those named, else the configured, else what is installed, else rehearsals.
pub(super) fn choose_kinds(
    world: &World,
    session: &Session,
    named: Vec<String>,
) -> Result<(Vec<String>, Vec<String>), Refusal> {
    if !named.is_empty() {
        return Ok((named, Vec::new()));
    }
    if !world.config.agents.is_empty() {
        return Ok((world.config.agents.clone(), Vec::new()));
    }
    let search = search_path(session);
    let kinds = world.kinds();
    let (driven, mut installed): (Vec<_>, Vec<_>) = kinds
        .catalogue
        .iter()
        .filter(|entry| matches!(entry.detect(&search), Presence::Installed { .. }))
        .filter(|entry| entry.signals().hooks)
        .partition(|entry| entry.kind.is_driven());
    // Most programs of the one sort are also of the other; nobody means them twice.
    if installed.is_empty() {
        installed = driven;
    }
    let installed: Vec<String> = installed.into_iter().map(|entry| entry.name.clone()).collect();
    if !installed.is_empty() {
        return Ok((installed, Vec::new()));
    }
    let note = "no agent program is installed; three rehearsals play a script instead (no model)".to_owned();
    Ok((vec!["rehearsal".to_owned(); 3], vec![note]))
}

pub(super) fn search_path(session: &Session) -> std::ffi::OsString {
    let given = session.environment.iter().find(|(name, _)| name == "PATH").map(|(_, value)| value.clone());
    given.or_else(|| std::env::var_os("PATH")).unwrap_or_default()
}

pub(super) fn spec(
    world: &World,
    session: &Session,
    kind: &str,
    name: Option<String>,
) -> Result<AgentSpec, Refusal> {
    let kinds = world.kinds();
    let Some(entry) = kinds.catalogue.get(kind) else {
        // A file of the user's that is wrong explains more than a list of what there is.
        let file = format!("{kind}.toml");
        let problem = kinds.problems.iter().find(|problem| problem.contains(&file));
        let known: Vec<&str> = kinds.catalogue.iter().map(|entry| entry.name.as_str()).collect();
        let hint = match problem {
            Some(problem) => problem.clone(),
            None => format!("there are: {}; orchflow agents says more", known.join(", ")),
        };
        return Err(Refusal::new(Code::UnknownKind, format!("there is no kind of agent {kind}")).hint(hint));
    };
    if let Presence::Missing { hint } = entry.detect(&search_path(session)) {
        return Err(
            Refusal::new(Code::AgentMissing, format!("{} ({kind}) is not installed", entry.title)).hint(hint)
        );
    }
    Ok(AgentSpec {
        kind: entry.name.clone(),
        name,
        title: entry.title.clone(),
        rehearsal: entry.is_rehearsal(),
        signals: entry.signals(),
    })
}
