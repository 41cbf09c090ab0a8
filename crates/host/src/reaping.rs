//! What agents leave behind: found by the mark in its environment, ended once its runner cannot do it any more.
//!
//! While a runner lives it sees to this itself: it is the parent of whatever the agent starts, however that detaches.
//! What a runner leaves that was killed is known by three variables every process of an agent is started with: where
//! its spool is (which says that it is of this repository), its agent's name, and the token of that launch. A process
//! whose token is not the one we gave out is shown and never touched.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::Arc;

use orchflow_core::AgentKey;
use orchflow_core::describe::one_line;
use orchflow_mux::leftover::{self, Process};

use crate::paths::RepositoryFolders;
use crate::runners::{end_marked, runner_of};
use crate::world::{World, blocking};

/// The most characters of a command line that are shown.
const COMMAND: usize = 120;

/// A living process that was started below an agent of this repository, whose runner is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orphan {
    /// The process.
    pub process: Process,
    /// The agent it says it came of.
    pub agent: AgentKey,
    /// Whether it carries the token that was given to that agent.
    pub is_verified: bool,
    /// Its command line, in one line.
    pub command: String,
}

/// Finds what agents of a repository left behind, oldest first. Agents of which `is_starting` says so are left out:
/// their runner may be on its way.
pub fn orphans(folders: &RepositoryFolders, is_starting: impl Fn(&AgentKey) -> bool) -> Vec<Orphan> {
    let root = folders.data().join("agents");
    let mut tokens: BTreeMap<AgentKey, Option<Vec<u8>>> = BTreeMap::new();
    let mut living: BTreeMap<AgentKey, bool> = BTreeMap::new();
    let mut found: Vec<Orphan> = leftover::with_variable("ORCHFLOW_SPOOL")
        .into_iter()
        .filter_map(|started| {
            let agent: AgentKey = started.variable("ORCHFLOW_AGENT")?.to_str()?.parse().ok()?;
            let is_ours = started.variable("ORCHFLOW_SPOOL")? == folders.spool(&agent).as_os_str()
                && Path::new(started.variable("ORCHFLOW_SPOOL")?).starts_with(&root);
            let lives = || runner_of(folders, &agent).is_some_and(|runner| leftover::lives(&runner));
            if !is_ours || is_starting(&agent) || *living.entry(agent.clone()).or_insert_with(lives) {
                return None;
            }
            let read = || std::fs::read(folders.agent(&agent).join("token")).ok();
            let known = tokens.entry(agent.clone()).or_insert_with(read);
            let token = started.variable("ORCHFLOW_TOKEN").map(OsStr::as_bytes).unwrap_or_default();
            let is_verified =
                !token.is_empty() && known.as_ref().is_some_and(|known| known.trim_ascii() == token);
            Some(Orphan {
                process: started.process,
                command: command(started.process.pid),
                is_verified,
                agent,
            })
        })
        .collect();
    found.sort_by_key(|orphan| (orphan.process.started, orphan.process.pid));
    found
}

/// Gives a process's command line in one line that is safe to show.
pub fn command(pid: i32) -> String {
    let bytes = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words: Vec<String> = bytes
        .split(|byte| *byte == 0)
        .filter(|word| !word.is_empty())
        .map(|word| String::from_utf8_lossy(word).into_owned())
        .collect();
    one_line(&words.join(" ")).chars().take(COMMAND).collect()
}

/// Ends everything that carries the token an agent was given, politely, then by force. Gives how many there were.
pub fn end_orphans(folders: &RepositoryFolders, agent: &AgentKey) -> usize {
    let token = std::fs::read_to_string(folders.agent(agent).join("token")).unwrap_or_default();
    end_marked(token.trim())
}

impl World {
    /// Ends what agents left behind that have ended, however that came about: their runner, or the host that was about
    /// to see to it, may have been killed.
    pub(crate) async fn sweep(self: &Arc<Self>) {
        let ended = self
            .engine()
            .ask(|state| {
                let ended = state.agents.values().filter(|agent| agent.has_ended());
                ended.map(|agent| agent.key.clone()).collect::<std::collections::BTreeSet<AgentKey>>()
            })
            .await;
        let Some(ended) = ended else { return };
        let world = Arc::clone(self);
        let swept = blocking(move || {
            let left = orphans(&world.folders, |agent| !ended.contains(agent));
            let agents: std::collections::BTreeSet<AgentKey> =
                left.into_iter().filter(|orphan| orphan.is_verified).map(|orphan| orphan.agent).collect();
            agents.into_iter().map(|agent| (end_orphans(&world.folders, &agent), agent)).collect::<Vec<_>>()
        })
        .await;
        for (count, agent) in swept {
            tracing::info!(%agent, count, "processes of an agent that had ended were ended");
        }
    }
}
