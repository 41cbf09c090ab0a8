//! Worktrees nobody needs, git's records of worktrees that are gone, locks of a git that was killed.

use std::collections::BTreeSet;
use std::path::PathBuf;

use orchflow_core::state::Phase;
use orchflow_git::Repository;
use orchflow_git::worktrees::{self, Worktree};

use super::{Agents, Finding, Mend};
use crate::paths::RepositoryFolders;

pub(super) fn look(repository: &Repository, folders: &RepositoryFolders, agents: &Agents) -> Vec<Finding> {
    let standing: BTreeSet<PathBuf> = agents
        .values()
        .filter(|agent| agent.phase != Phase::Cleaned)
        .filter_map(|agent| agent.worktree.clone())
        .chain(agents.iter().filter(|(_, agent)| agent.is_starting()).map(|(key, _)| folders.worktree(key)))
        .collect();
    let mut findings = Vec::new();
    match worktrees::list(repository) {
        Ok(listed) => {
            for record in listed.iter().filter(|record| !record.main && record.ours) {
                let is_wanted = standing.contains(&record.path);
                if record.path.exists() || is_wanted || !record.path.starts_with(&folders.worktrees) {
                    continue;
                }
                let what = format!(
                    "git keeps a record of the worktree {}, whose files are gone and whose agent needs it no more",
                    record.path.display()
                );
                findings.push(
                    Finding::problem("git_record", what)
                        .mended_by(Mend::ForgetWorktree(record.path.clone()), "--fix takes the record out"),
                );
            }
        }
        Err(error) => findings.push(Finding::problem("git_record", error.to_string())),
    }
    for (agent, known) in agents.iter().filter(|(_, known)| known.phase != Phase::Cleaned) {
        let Some(path) = &known.worktree else { continue };
        if !path.exists() {
            let what = format!("the worktree of {agent} is gone: {}", path.display());
            findings.push(Finding::problem("worktree", what).advice(format!(
                "orchflow resume {agent} makes it anew from the last checkpoint; orchflow clean {agent} gives it up"
            )));
        } else if known.has_ended()
            && let Ok(worktree) = Worktree::open(repository, path)
        {
            let lock = worktree.git_directory().join("index.lock");
            if lock.exists() {
                let what = format!("a git that was killed left its lock in the worktree of {agent}");
                findings.push(
                    Finding::problem("lock", what).mended_by(Mend::RemoveLock(lock), "--fix takes it away"),
                );
            }
        }
    }
    for entry in std::fs::read_dir(&folders.worktrees).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = entry.file_name();
        // Templates and the trash are folders of ours beside the worktrees.
        let is_agents = name
            .to_string_lossy()
            .split_once('-')
            .is_some_and(|(run, _)| !run.is_empty() && run.bytes().all(|byte| byte.is_ascii_digit()));
        if !is_agents || standing.contains(&path) || !path.is_dir() {
            continue;
        }
        let what = format!("{} belongs to no agent that is known", path.display());
        let is_empty = std::fs::read_dir(&path).is_ok_and(|mut inside| inside.next().is_none());
        let finding = Finding::problem("worktree", what);
        findings.push(if is_empty {
            finding.mended_by(Mend::RemoveFolder(path), "it is empty: --fix removes it")
        } else {
            finding.advice("it may hold work: look into it, then delete it")
        });
    }
    if findings.is_empty() {
        findings
            .push(Finding::ok("worktree", format!("{} worktrees stand, each has its agent", standing.len())));
    }
    findings
}
