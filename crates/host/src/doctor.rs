//! What is wrong with a repository's host and its surroundings, and what of it can be mended without harm.
//!
//! Each finding says what it is and whether mending it is safe. Safe is what nobody can miss afterwards: a process that
//! carries the token of an agent that has ended, a socket nobody listens at, git's record of a worktree whose files are
//! gone, what waits in the trash. What may hold somebody's work is named, and left.

mod files;
mod processes;
mod programs;
mod store;
mod trees;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use orchflow_core::state::Phase;
use orchflow_core::{AgentKey, Refusal};
use serde::Serialize;

use crate::host::StartError;
use crate::world::{Environment, Programs, World};

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// It is as it should be.
    Ok,
    /// Worth knowing.
    Note,
    /// To be mended.
    Problem,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What kind of thing: `orphan`, `runner`, `worktree`, `git_record`, `socket`, `lock`, `spool`, `trash`, `hook`, `store`,
    /// `git`, `agent`, `host`.
    pub kind: &'static str,
    /// How much it matters.
    pub level: Level,
    /// What it is, in one line.
    pub what: String,
    /// Whether `--fix` mends it.
    pub safe: bool,
    /// What `--fix` does, or what to do oneself.
    pub advice: Option<String>,
    /// Set once it was to be mended: whether it is.
    pub mended: Option<bool>,
    /// How it is mended.
    #[serde(skip)]
    mend: Option<Mend>,
}

/// What mends a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Mend {
    EndOrphans(AgentKey),
    RemoveSocket(PathBuf),
    ForgetWorktree(PathBuf),
    RemoveFolder(PathBuf),
    RemoveLock(PathBuf),
    ReadSpool(AgentKey),
    EmptyTrash,
}

impl Finding {
    fn new(kind: &'static str, level: Level, what: impl Into<String>) -> Finding {
        let what = orchflow_core::describe::one_line(&what.into());
        Finding { kind, level, what, safe: false, advice: None, mended: None, mend: None }
    }

    fn ok(kind: &'static str, what: impl Into<String>) -> Finding {
        Finding::new(kind, Level::Ok, what)
    }

    fn note(kind: &'static str, what: impl Into<String>) -> Finding {
        Finding::new(kind, Level::Note, what)
    }

    fn problem(kind: &'static str, what: impl Into<String>) -> Finding {
        Finding::new(kind, Level::Problem, what)
    }

    fn advice(mut self, advice: impl Into<String>) -> Finding {
        self.advice = Some(advice.into());
        self
    }

    fn mended_by(mut self, mend: Mend, advice: impl Into<String>) -> Finding {
        self.safe = true;
        self.mend = Some(mend);
        self.advice(advice)
    }
}

/// An agent as far as its surroundings matter.
#[derive(Debug, Clone)]
struct Known {
    phase: Phase,
    worktree: Option<PathBuf>,
}

impl Known {
    fn has_ended(&self) -> bool {
        matches!(self.phase, Phase::Exited | Phase::FailedToStart | Phase::Cleaned)
    }

    fn is_starting(&self) -> bool {
        matches!(self.phase, Phase::Requested | Phase::Starting)
    }
}

type Agents = BTreeMap<AgentKey, Known>;

/// Looks at everything; with `fix`, mends what is safe. `environment` is that of whoever asks: its `PATH` says which
/// agents' programs are there.
///
/// # Errors
/// A refusal when the host is just leaving.
pub async fn examine(
    world: &Arc<World>,
    environment: &Environment,
    fix: bool,
) -> Result<Vec<Finding>, Refusal> {
    let mut findings = look(world, environment).await?;
    if fix {
        for finding in &mut findings {
            let Some(mend) = finding.mend.clone() else { continue };
            let done = carry_out(world, mend).await;
            if let Err(why) = &done {
                finding.advice = Some(why.clone());
            }
            finding.mended = Some(done.is_ok());
        }
    }
    Ok(findings)
}

async fn look(world: &Arc<World>, environment: &Environment) -> Result<Vec<Finding>, Refusal> {
    let agents = world
        .engine()
        .ask(|state| {
            let known = |agent: &orchflow_core::state::Agent| Known {
                phase: agent.phase,
                worktree: agent.worktree.as_ref().map(|path| PathBuf::from(os_string(&path.0))),
            };
            state.agents.values().map(|agent| (agent.key.clone(), known(agent))).collect::<Agents>()
        })
        .await
        .ok_or_else(|| crate::api::no_answer(world))?;
    let read_only = world.engine().pulse().borrow().read_only.clone();
    let shared = Arc::clone(world);
    let mut findings = crate::world::blocking(move || {
        let world = &shared;
        let mut findings = processes::look(&world.folders, &agents);
        findings.extend(trees::look(&world.repository, &world.folders, &agents));
        findings.extend(files::look(&world.folders, &agents));
        findings.extend(store::look(&world.folders, read_only));
        findings
    })
    .await;
    findings.push(programs::hook(&world.programs).await);
    findings.push(Finding::ok("git", format!("git {}", world.repository.version())));
    findings.extend(programs::agents(world, environment).await);
    Ok(findings)
}

async fn carry_out(world: &Arc<World>, mend: Mend) -> Result<(), String> {
    if let Mend::ReadSpool(agent) = &mend {
        return world.drain_spool(agent).await.map_err(|refusal| refusal.to_string());
    }
    let world = Arc::clone(world);
    crate::world::blocking(move || match mend {
        Mend::EndOrphans(agent) => {
            crate::reaping::end_orphans(&world.folders, &agent);
            let left = crate::reaping::orphans(&world.folders, |other| *other != agent);
            match left.iter().find(|orphan| orphan.is_verified) {
                Some(orphan) => Err(format!("process {} does not end", orphan.process.pid)),
                None => Ok(()),
            }
        }
        Mend::RemoveSocket(path) => files::remove_dead_socket(&path),
        Mend::RemoveLock(path) => std::fs::remove_file(path).map_err(|error| error.to_string()),
        Mend::RemoveFolder(path) => std::fs::remove_dir(path).map_err(|error| error.to_string()),
        Mend::ForgetWorktree(path) => {
            if path.exists() {
                return Err("its files are there again".to_owned());
            }
            let bin = world.folders.worktrees.join("trash");
            let removed = orchflow_git::worktrees::remove(&world.repository, &[path], &bin);
            removed.into_iter().collect::<Result<Vec<_>, _>>().map(drop).map_err(|error| error.to_string())
        }
        Mend::EmptyTrash => {
            let bin = world.folders.worktrees.join("trash");
            orchflow_git::worktrees::trash::empty(&bin).map(drop).map_err(|error| error.to_string())
        }
        Mend::ReadSpool(_) => Ok(()),
    })
    .await
}

/// Says what is to be seen where no host can start, and why none can. Nothing is mended then: without a host nobody
/// knows what is still needed.
pub async fn examine_without_host(start: &std::path::Path, why: &str, programs: &Programs) -> Vec<Finding> {
    let mut findings =
        vec![Finding::problem("host", format!("no host can start: {why}")).advice("mend that first")];
    match crate::host::locate(start) {
        Ok((_, folders, _)) => {
            findings.extend(crate::world::blocking(move || store::look(&folders, None)).await);
        }
        Err(error) if error.to_string() == why => {}
        Err(error) => findings.push(located(&error)),
    }
    findings.push(programs::hook(programs).await);
    findings
}

fn located(error: &StartError) -> Finding {
    Finding::problem("host", error.to_string())
}

fn os_string(bytes: &[u8]) -> std::ffi::OsString {
    use std::os::unix::ffi::OsStringExt as _;
    std::ffi::OsString::from_vec(bytes.to_vec())
}
