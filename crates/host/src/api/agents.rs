//! The kinds of agents: what is installed, where, and how to get the rest.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use orchflow_agent::catalogue::{Api, Presence, Source, version_in};
use orchflow_core::Refusal;
use serde_json::{Value, json};

use super::Session;
use crate::world::World;

/// How long a program may take to say its version.
const VERSION: Duration = Duration::from_secs(5);

pub(super) async fn list(world: &Arc<World>, session: &Session) -> Result<Value, Refusal> {
    let search = session
        .environment
        .iter()
        .find(|(name, _)| name == "PATH")
        .map(|(_, value)| value.clone())
        .or_else(|| std::env::var_os("PATH"))
        .unwrap_or_default();
    let mut agents = Vec::new();
    let kinds = world.kinds();
    for entry in kinds.catalogue.iter() {
        let source = match &entry.source {
            Source::BuiltIn => "built in".to_owned(),
            Source::File(path) => path.to_string_lossy().into_owned(),
        };
        let (installed, path, version, hint) = match entry.detect(&search) {
            Presence::BuiltIn => (true, None, Some(env!("CARGO_PKG_VERSION").to_owned()), None),
            Presence::Installed { path } => {
                let version = ask_version(&path, &entry.version_args, &search).await;
                (true, Some(path.to_string_lossy().into_owned()), version, None)
            }
            Presence::Missing { hint } => (false, None, None, Some(hint)),
        };
        agents.push(json!({
            "name": entry.name,
            "title": entry.title,
            "kind": entry.kind.word(),
            "rehearsal": entry.is_rehearsal(),
            "installed": installed,
            "path": path,
            "version": version,
            "hint": hint,
            "source": source,
            "api": entry.api.as_ref().map(|api| describe(api, session)),
        }));
    }
    Ok(json!({ "agents": agents, "warnings": kinds.problems }))
}

/// Describes a model behind an HTTP interface: which, where, and whether a key for it stands in the environment.
fn describe(api: &Api, session: &Session) -> Value {
    let is_set = |name: &String| {
        session.environment.iter().any(|(known, value)| known == name.as_str() && !value.is_empty())
    };
    json!({
        "model": api.model,
        "base_url": api.base_url,
        "key_env": api.key.env,
        "key_required": api.key.required,
        "key_set": api.key.env.iter().any(is_set),
    })
}

/// Asks a program for its version; nothing where it says none within five seconds.
pub(crate) async fn ask_version(program: &Path, arguments: &[String], search: &OsStr) -> Option<String> {
    if arguments.is_empty() {
        return None;
    }
    let mut command = tokio::process::Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true).env("PATH", search);
    let output = tokio::time::timeout(VERSION, command.output()).await.ok()?.ok()?;
    version_in(&String::from_utf8_lossy(&output.stdout))
}
