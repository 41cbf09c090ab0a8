//! Programs that have to be there, and in which version.

use std::ffi::OsString;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use orchflow_agent::catalogue::{Presence, version_in};

use super::Finding;
use crate::world::{Environment, Programs, World};

/// How long a program may take to say its version.
const VERSION: Duration = Duration::from_secs(5);

/// Looks at the hook program: agents that call one of another version, or none, report nothing.
pub(super) async fn hook(programs: &Programs) -> Finding {
    let own = env!("CARGO_PKG_VERSION");
    let path = programs.hook.display();
    let mut command = tokio::process::Command::new(&programs.hook);
    command.arg("--version").stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let build = "build or install orchflow again: it stands beside orchflow";
    match tokio::time::timeout(VERSION, command.output()).await {
        Err(_) => {
            Finding::problem("hook", format!("{path} does not say its version within 5 s")).advice(build)
        }
        Ok(Err(error)) => {
            Finding::problem("hook", format!("{path} cannot be run: {error}; agents report nothing"))
                .advice(build)
        }
        Ok(Ok(output)) => match version_in(&String::from_utf8_lossy(&output.stdout)) {
            Some(version) if version == own => {
                Finding::ok("hook", format!("orchflow-hook {version}: {path}"))
            }
            Some(version) => {
                Finding::problem("hook", format!("{path} is version {version}, and the host is {own}"))
                    .advice(build)
            }
            None => Finding::problem("hook", format!("{path} does not say its version")).advice(build),
        },
    }
}

/// Looks for the agents' programs where whoever asks would start them.
pub(super) async fn agents(world: &Arc<World>, environment: &Environment) -> Vec<Finding> {
    let path = environment.iter().find(|(name, _)| name == "PATH").map(|(_, value)| value.clone());
    let search: OsString = path.or_else(|| std::env::var_os("PATH")).unwrap_or_default();
    let kinds = world.kinds();
    let mut findings = Vec::new();
    for entry in kinds.catalogue.iter() {
        let finding = match entry.detect(&search) {
            Presence::BuiltIn => continue,
            Presence::Missing { hint } => {
                Finding::note("agent", format!("{} is not installed", entry.title)).advice(hint)
            }
            Presence::Installed { path } => {
                let version = crate::api::ask_version(&path, &entry.version_args, &search).await;
                let version = version.map(|version| format!(" {version}")).unwrap_or_default();
                Finding::ok("agent", format!("{}{version}: {}", entry.title, path.display()))
            }
        };
        findings.push(finding);
    }
    findings.extend(kinds.problems.iter().map(|problem| Finding::problem("agent", problem.clone())));
    findings
}
