//! Runners: found, spoken to, and told apart from those that are gone.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use orchflow_core::AgentKey;
use orchflow_core::decide::{GoneAgent, Input};
use orchflow_mux::async_client::AsyncRunnerClient;
use orchflow_mux::leftover::{self, Marker};
use orchflow_mux::protocol::Hello;
use rustix::process::Signal;
use serde::Deserialize;
use tokio::io::AsyncReadExt as _;
use tokio::net::UnixStream;

use crate::paths::RepositoryFolders;
use crate::world::{World, blocking, lock};

/// How long a runner may take to say who it is.
const GREETING: Duration = Duration::from_secs(2);
/// How long what a lost runner left behind may take to end by itself.
const GRACE: Duration = Duration::from_secs(2);
/// How long after its connection ended a runner that lives is connected to again, try by try.
const RECONNECT: [Duration; 4] = [
    Duration::from_millis(10),
    Duration::from_millis(50),
    Duration::from_millis(250),
    Duration::from_secs(1),
];
const LAST_RECONNECT: Duration = Duration::from_secs(10);
/// How often a dying process is looked at.
const LOOK: Duration = Duration::from_millis(10);

/// The runners of a repository.
pub struct Runners {
    folders: RepositoryFolders,
    /// Runner process ids, to know an agent's process by its ancestors.
    pids: Mutex<HashMap<i32, AgentKey>>,
}

/// What a runner writes down when it starts.
#[derive(Debug, Deserialize)]
struct RunnerFile {
    pid: i32,
    started: Option<u64>,
    /// The boot it ran in; runners of older versions did not say.
    #[serde(default)]
    boot: Option<String>,
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

    /// Forgets a runner that is gone; the system may give its process id to anybody.
    fn forget(&self, agent: &AgentKey) {
        lock(&self.pids).retain(|_, known| known != agent);
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
        let answers = agents.into_iter().map(|agent| async move {
            let answer = self.connect(&agent).await;
            (agent, answer)
        });
        for (agent, answer) in futures::future::join_all(answers).await {
            match answer {
                Ok((_, hello)) if hello.exited.is_none() => living.push(agent),
                Ok((_, hello)) => {
                    gone.push((agent, hello.exited.map(|exit| (exit.code, exit.signal))));
                }
                Err(_) => {
                    let exit = read_exit(&self.folders.agent(&agent).join("exit.json"));
                    // One that is merely slow to answer, on a machine that has much to do, is not gone.
                    if exit.is_none() && self.process_lives(&agent) {
                        living.push(agent);
                    } else {
                        gone.push((agent, exit));
                    }
                }
            }
        }
        (living, gone)
    }

    /// Tells whether the process of an agent's runner is still there.
    fn process_lives(&self, agent: &AgentKey) -> bool {
        runner_of(&self.folders, agent).is_some_and(|process| leftover::lives(&process))
    }
}

impl World {
    /// Looks on while an agent's runner lives, over a connection that ends with it.
    pub(crate) fn watch_runner(self: &Arc<Self>, agent: &AgentKey) {
        let (world, agent) = (Arc::clone(self), agent.clone());
        tokio::spawn(async move {
            let mut pauses = RECONNECT.iter();
            loop {
                if let Ok(mut stream) = UnixStream::connect(world.folders.runner_socket(&agent)).await {
                    // A runner says nothing to a caller that asks nothing.
                    let mut chunk = [0u8; 64];
                    while stream.read(&mut chunk).await.is_ok_and(|count| count > 0) {}
                }
                // A connection may end for reasons of its own; a process that just ends is given a moment.
                let has_exited = world.folders.agent(&agent).join("exit.json").exists();
                if has_exited || !world.runners.process_lives(&agent) {
                    break;
                }
                tokio::time::sleep(*pauses.next().unwrap_or(&LAST_RECONNECT)).await;
            }
            world.lost_runner(&agent).await;
        });
    }

    async fn lost_runner(self: &Arc<Self>, agent: &AgentKey) {
        self.runners.forget(agent);
        // What it still had to tell comes before what its silence means.
        if let Err(refusal) = self.drain_spool(agent).await {
            tracing::warn!(%agent, %refusal, "a spool was left as it is");
        }
        let key = agent.clone();
        // Its start may not be known as done yet.
        let ended =
            self.engine().ask(move |state| state.agents.get(&key).is_none_or(|agent| agent.has_ended()));
        if ended.await != Some(false) {
            return;
        }
        let exit = read_exit(&self.folders.agent(agent).join("exit.json"));
        if exit.is_none() {
            tracing::warn!(%agent, "its runner is gone without a word");
            self.end_leftover(agent).await;
        }
        let mut pulse = self.engine().pulse();
        while let Err(refusal) = self.engine().submit(Input::RunnerGone { agent: agent.clone(), exit }).await
        {
            tracing::warn!(%agent, %refusal, "its end is not recorded yet");
            // While the store takes nothing, the next try is worth as much as the next commit of anybody.
            if pulse.changed().await.is_err() {
                return;
            }
        }
    }

    /// Waits until a runner that was told to leave is gone, a moment at most.
    pub(crate) async fn runner_left(&self, agent: &AgentKey) {
        let deadline = Instant::now() + GRACE;
        while self.runners.process_lives(agent) && Instant::now() < deadline {
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Ends what an agent left behind whose runner could not see to it: politely, then by force.
    pub(crate) async fn end_leftover(self: &Arc<Self>, agent: &AgentKey) {
        let Ok(token) = std::fs::read_to_string(self.folders.agent(agent).join("token")) else { return };
        let ended = blocking(move || end_marked(token.trim())).await;
        if ended > 0 {
            tracing::info!(%agent, ended, "processes of a lost agent were ended");
        }
    }
}

/// Ends every process that carries an agent's token. Gives how many there were.
pub(crate) fn end_marked(token: &str) -> usize {
    if token.is_empty() {
        return 0;
    }
    let marker = Marker { name: "ORCHFLOW_TOKEN".as_ref(), value: token.as_ref() };
    let mut seen = leftover::marked(marker, None);
    leftover::signal_all(&seen, Signal::TERM);
    leftover::signal_all(&seen, Signal::CONT);
    let deadline = Instant::now() + GRACE;
    while Instant::now() < deadline && seen.iter().any(leftover::lives) {
        std::thread::sleep(LOOK);
    }
    // Each round may meet children born in the one before.
    for _ in 0..100 {
        let left = leftover::marked(marker, None);
        if left.is_empty() {
            break;
        }
        leftover::signal_all(&left, Signal::KILL);
        seen.extend(left);
        std::thread::sleep(LOOK);
    }
    seen.len()
}

/// Names the agent of this repository that this process runs under, if it does.
///
/// A host inside an agent would end with it, and the agent's runner would not speak to it.
pub fn enclosing_agent(folders: &RepositoryFolders) -> Option<String> {
    let own = rustix::process::getpid().as_raw_nonzero().get();
    let ancestors = std::iter::successors(parent_of(own), |pid| parent_of(*pid)).take(256);
    let runners: Vec<i32> = ancestors.filter(|pid| is_runner(*pid)).collect();
    if runners.is_empty() {
        return None;
    }
    let agents = std::fs::read_dir(folders.data().join("agents")).ok()?;
    agents.flatten().find_map(|agent| {
        let runner = read_runner(&agent.path())?;
        let is_same = runners.contains(&runner.pid) && leftover::started(runner.pid) == runner.started;
        is_same.then(|| agent.file_name().to_string_lossy().replacen('-', "/", 1))
    })
}

/// Gives the process of an agent's runner as it was written down; it may have ended since.
pub(crate) fn runner_of(folders: &RepositoryFolders, agent: &AgentKey) -> Option<leftover::Process> {
    let runner = read_runner(&folders.agent(agent))?;
    if runner.boot.is_some() && runner.boot != leftover::boot() {
        return None;
    }
    Some(leftover::Process { pid: runner.pid, started: runner.started? })
}

fn is_runner(pid: i32) -> bool {
    let words = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    words.split(|byte| *byte == 0).nth(1) == Some(b"runner".as_slice())
}

fn read_runner(folder: &Path) -> Option<RunnerFile> {
    let text = std::fs::read_to_string(folder.join("runner.json")).ok()?;
    serde_json::from_str(&text).ok()
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
