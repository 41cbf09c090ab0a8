//! Sockets nobody listens at, spools nobody reads, the trash.

use std::collections::BTreeSet;
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use orchflow_core::AgentKey;
use orchflow_core::state::Phase;
use orchflow_hook::spool;
use orchflow_mux::leftover;

use super::{Agents, Finding, Mend};
use crate::paths::RepositoryFolders;
use crate::runners::runner_of;

pub(super) fn look(folders: &RepositoryFolders, agents: &Agents) -> Vec<Finding> {
    let mut findings = sockets(folders, agents);
    findings.extend(spools(folders, agents));
    let bin = folders.worktrees.join("trash");
    let waiting = std::fs::read_dir(bin).map_or(0, |entries| entries.flatten().count());
    if waiting > 0 {
        let what = format!("{waiting} removed worktrees wait in the trash to be deleted");
        findings.push(Finding::note("trash", what).mended_by(Mend::EmptyTrash, "--fix deletes them now"));
    }
    findings
}

fn sockets(folders: &RepositoryFolders, agents: &Agents) -> Vec<Finding> {
    let live: BTreeSet<PathBuf> = agents
        .keys()
        .filter(|agent| runner_of(folders, agent).is_some_and(|runner| leftover::lives(&runner)))
        .chain(agents.iter().filter(|(_, known)| known.is_starting()).map(|(agent, _)| agent))
        .map(|agent| folders.runner_socket(agent))
        .collect();
    let entries = std::fs::read_dir(folders.runtime().join("r")).into_iter().flatten().flatten();
    let mut findings = Vec::new();
    for path in entries.map(|entry| entry.path()).filter(|path| !live.contains(path)) {
        if is_dead_socket(&path) {
            let what = format!("nobody listens at {}", path.display());
            findings.push(
                Finding::problem("socket", what).mended_by(Mend::RemoveSocket(path), "--fix removes it"),
            );
        }
    }
    findings
}

fn is_dead_socket(path: &Path) -> bool {
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket());
    is_socket
        && UnixStream::connect(path).is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused)
}

/// Removes a socket, unless somebody listens at it by now.
pub(super) fn remove_dead_socket(path: &Path) -> Result<(), String> {
    if !is_dead_socket(path) {
        return Err("somebody listens at it by now".to_owned());
    }
    std::fs::remove_file(path).map_err(|error| error.to_string())
}

fn spools(folders: &RepositoryFolders, agents: &Agents) -> Vec<Finding> {
    let entries = std::fs::read_dir(folders.data().join("agents")).into_iter().flatten().flatten();
    let mut findings = Vec::new();
    for entry in entries {
        let name = entry.file_name().to_string_lossy().replacen('-', "/", 1);
        let Ok(agent) = name.parse::<AgentKey>() else { continue };
        let path = folders.spool(&agent);
        if spool::is_empty(&path) {
            continue;
        }
        let size = std::fs::metadata(&path).map_or(0, |metadata| metadata.len());
        let what = format!("{size} bytes of what {agent} reported were never read");
        findings.push(match agents.get(&agent) {
            Some(known) if known.phase != Phase::Cleaned => {
                Finding::problem("spool", what).mended_by(Mend::ReadSpool(agent), "--fix reads them")
            }
            // What was counted already could not be told from what was not.
            _ => Finding::note("spool", what).advice(format!(
                "its worktree is gone, so they are read no more; they stand in {}",
                path.display()
            )),
        });
    }
    findings
}
