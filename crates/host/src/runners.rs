//! Runners: found, spoken to, and told apart from those that are gone.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use orchflow_core::AgentKey;
use orchflow_core::decide::GoneAgent;
use orchflow_mux::async_client::AsyncRunnerClient;
use orchflow_mux::protocol::Hello;
use serde::Deserialize;

use crate::paths::RepositoryFolders;
use crate::world::lock;

/// How long a runner may take to say who it is.
const GREETING: Duration = Duration::from_secs(2);

/// The runners of a repository.
pub struct Runners {
    folders: RepositoryFolders,
    /// Runner process ids, to know an agent's process by its ancestors.
    pids: Mutex<HashMap<i32, AgentKey>>,
}

/// What a runner writes down when its program ended.
#[derive(Debug, Deserialize)]
struct ExitFile {
    code: Option<i32>,
    signal: Option<i32>,
}

impl Runners {
    /// Looks for runners in the repository's folders.
    pub fn new(folders: RepositoryFolders) -> Runners {
        Runners { folders, pids: Mutex::default() }
    }

    /// Connects to an agent's runner.
    ///
    /// # Errors
    /// Why it cannot be reached.
    pub async fn connect(&self, agent: &AgentKey) -> Result<(AsyncRunnerClient, Hello), String> {
        let socket = self.folders.runner_socket(agent);
        let connected = AsyncRunnerClient::connect(&socket, GREETING).await;
        let (client, hello) = connected.map_err(|error| error.to_string())?;
        self.remember(hello.pid, agent);
        Ok((client, hello))
    }

    /// Learns a runner's process id.
    pub fn remember(&self, pid: i32, agent: &AgentKey) {
        lock(&self.pids).insert(pid, agent.clone());
    }

    /// Tells which agent a process belongs to, by its ancestors.
    pub fn agent_of(&self, pid: i32) -> Option<AgentKey> {
        let pids = lock(&self.pids).clone();
        let mut pid = pid;
        // No process tree is that deep; a cycle cannot hold us.
        for _ in 0..256 {
            if let Some(agent) = pids.get(&pid) {
                return Some(agent.clone());
            }
            pid = parent_of(pid)?;
        }
        None
    }

    /// Sorts agents that should run into those whose runner answers and those that are gone.
    pub async fn find(&self, agents: Vec<AgentKey>) -> (Vec<AgentKey>, Vec<GoneAgent>) {
        let mut living = Vec::new();
        let mut gone = Vec::new();
        for agent in agents {
            match self.connect(&agent).await {
                Ok((_, hello)) if hello.exited.is_none() => living.push(agent),
                Ok((_, hello)) => {
                    gone.push((agent, hello.exited.map(|exit| (exit.code, exit.signal))));
                }
                Err(_) => {
                    let exit = read_exit(&self.folders.agent(&agent).join("exit.json"));
                    gone.push((agent, exit));
                }
            }
        }
        (living, gone)
    }
}

fn read_exit(path: &Path) -> Option<(Option<i32>, Option<i32>)> {
    let text = std::fs::read_to_string(path).ok()?;
    let exit: ExitFile = serde_json::from_str(&text).ok()?;
    Some((exit.code, exit.signal))
}

/// Reads a process's parent from `/proc`; `None` at the top of the tree.
fn parent_of(pid: i32) -> Option<i32> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name stands in parentheses and may hold anything, also parentheses.
    let (_, rest) = text.rsplit_once(')')?;
    let parent: i32 = rest.split_whitespace().nth(1)?.parse().ok()?;
    (parent > 0).then_some(parent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parent_of_this_process_is_found() {
        let parent = parent_of(i32::try_from(std::process::id()).unwrap()).unwrap();
        assert_eq!(parent, rustix::process::getppid().unwrap().as_raw_nonzero().get());
        assert!(parent_of(i32::MAX).is_none());
    }
}
