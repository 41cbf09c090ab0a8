//! Processes without anybody who sees to them.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;

use orchflow_core::AgentKey;
use orchflow_core::state::Phase;
use orchflow_mux::leftover;

use super::{Agents, Finding, Mend};
use crate::paths::RepositoryFolders;
use crate::reaping::{Orphan, command, orphans};
use crate::runners::runner_of;

/// The most processes one finding names.
const NAMED: usize = 5;

pub(super) fn look(folders: &RepositoryFolders, agents: &Agents) -> Vec<Finding> {
    let left = orphans(folders, |agent| agents.get(agent).is_some_and(super::Known::is_starting));
    let mut findings = Vec::new();
    let mut verified: BTreeMap<&AgentKey, Vec<&Orphan>> = BTreeMap::new();
    for orphan in &left {
        if orphan.is_verified {
            verified.entry(&orphan.agent).or_default().push(orphan);
        } else {
            let what = format!(
                "process {} ({}) says that it came of {}, and does not carry the token of its last launch",
                orphan.process.pid, orphan.command, orphan.agent
            );
            findings.push(
                Finding::problem("orphan", what)
                    .advice(format!("look at it; if it is not wanted: kill {}", orphan.process.pid)),
            );
        }
    }
    for (agent, left) in verified {
        let named = left.iter().take(NAMED).map(|one| format!("{} ({})", one.process.pid, one.command));
        let more = left.len().saturating_sub(NAMED);
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        let what =
            format!("{agent} has ended and left processes: {}{more}", named.collect::<Vec<_>>().join(", "));
        findings.push(
            Finding::problem("orphan", what).mended_by(Mend::EndOrphans(agent.clone()), "--fix ends them"),
        );
    }
    findings.extend(runners(folders, agents));
    findings.extend(strangers(agents, &left));
    if findings.is_empty() {
        findings.push(Finding::ok("orphan", "no agent left a process behind"));
    }
    findings
}

/// Runners that live and that the host does not count on, and agents it counts on whose runner is gone.
fn runners(folders: &RepositoryFolders, agents: &Agents) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (agent, _) in agents.iter().filter(|(_, known)| known.phase == Phase::Running) {
        if !runner_of(folders, agent).is_some_and(|runner| leftover::lives(&runner)) {
            let what = format!("{agent} counts as running, and its runner is not there");
            findings.push(
                Finding::problem("runner", what).advice(format!(
                    "the host notices within seconds; if it does not: orchflow stop {agent}"
                )),
            );
        }
    }
    for entry in std::fs::read_dir(folders.data().join("agents")).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().replacen('-', "/", 1);
        let Ok(agent) = name.parse::<AgentKey>() else { continue };
        let Some(runner) = runner_of(folders, &agent).filter(leftover::lives) else { continue };
        // One that keeps the last screen of a program that ended leaves by itself.
        if entry.path().join("exit.json").exists() {
            continue;
        }
        if agents.get(&agent).is_none_or(super::Known::has_ended) {
            let what = format!(
                "process {} ({}) runs {agent}, which the host does not know as running",
                runner.pid,
                command(runner.pid)
            );
            findings.push(Finding::problem("runner", what).advice(format!(
                "its agent may be at work: look with orchflow attach {agent}; to end both: kill {}",
                runner.pid
            )));
        }
    }
    findings
}

/// Processes that work in the worktree of an agent that has ended and carry no mark: somebody's shell, or something that
/// cleared its environment. Whose they are cannot be known.
fn strangers(agents: &Agents, known: &[Orphan]) -> Vec<Finding> {
    let own = rustix::process::getuid().as_raw();
    let ended: Vec<_> = agents
        .iter()
        .filter(|(_, agent)| agent.has_ended())
        .filter_map(|(key, agent)| Some((key, std::fs::canonicalize(agent.worktree.as_ref()?).ok()?)))
        .collect();
    if ended.is_empty() {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        let is_own = entry.metadata().is_ok_and(|metadata| metadata.uid() == own);
        if !is_own || known.iter().any(|orphan| orphan.process.pid == pid) {
            continue;
        }
        let Ok(folder) = std::fs::read_link(entry.path().join("cwd")) else { continue };
        let Some((agent, _)) = ended.iter().find(|(_, worktree)| folder.starts_with(worktree)) else {
            continue;
        };
        let what =
            format!("process {pid} ({}) works in the worktree of {agent}, which has ended", command(pid));
        findings.push(
            Finding::note("orphan", what)
                .advice("it carries no mark of the agent, so it is left alone; it may be your own shell"),
        );
    }
    findings
}
