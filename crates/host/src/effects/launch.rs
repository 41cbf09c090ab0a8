//! Agents started under runners of their own, and ended.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use orchflow_agent::catalogue::Presence;
use orchflow_agent::launch::{LaunchContext, prepare};
use orchflow_core::effect::{Ended, Outcome};
use orchflow_core::event::payload::Bytes;
use orchflow_core::state::StatusSource;
use orchflow_core::{AgentKey, Code, Refusal};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::Command;

use super::{failed, worktree_files};
use crate::world::{World, blocking};

/// How long a runner may take to say that its program runs.
const START: Duration = Duration::from_secs(10);
/// How long a runner whose program has ended may take to leave.
const LEAVE: Duration = Duration::from_secs(2);
/// How long an agent may take to end by itself after it was asked to.
const GRACE: Duration = Duration::from_secs(3);

/// What `orchflow runner` reads from its standard input. It holds the agent's environment, so it is
/// never written to a file.
#[derive(Debug, Serialize, Deserialize)]
pub struct RunnerLaunch {
    /// The runner's socket.
    pub socket: PathBuf,
    /// Program and arguments, as bytes.
    pub argv: Vec<Vec<u8>>,
    /// The program's whole environment, as bytes.
    pub environment: Vec<(Vec<u8>, Vec<u8>)>,
    /// Where it works.
    pub folder: PathBuf,
    /// The agent.
    pub agent: AgentKey,
    /// The agent's token.
    pub token: String,
    /// The host's socket.
    pub host_socket: PathBuf,
    /// The agent's spool.
    pub spool: PathBuf,
    /// Where the runner says who it is.
    pub runner_file: PathBuf,
    /// Where the runner says how its program ended.
    pub exit_file: PathBuf,
    /// Whether output and quiet are worth a report.
    pub report_output: bool,
    /// What titles and notifications mean.
    #[serde(default)]
    pub shown: orchflow_agent::catalogue::ShownPatterns,
}

/// What the runner prints, in one line, once its program runs.
#[derive(Debug, Serialize, Deserialize)]
pub struct RunnerReady {
    /// The runner's process id.
    pub runner_pid: u32,
    /// The program's process id.
    pub pid: u32,
    /// Why there is no program, if there is none.
    pub error: Option<String>,
}

pub(super) async fn launch(
    world: &Arc<World>,
    agent: &AgentKey,
    kind: &str,
    index: u32,
    worktree: &Bytes,
    session: Option<(String, bool)>,
) -> Outcome {
    match world.runners.connect(agent).await {
        Ok((_, hello)) if hello.exited.is_none() => {
            // An earlier host started it and died before it could say so.
            world.watch_runner(agent);
            return Outcome::Launched {
                pid: hello.child_pid.unsigned_abs(),
                runner_pid: hello.pid.unsigned_abs(),
                argv: Vec::new(),
                environment: Vec::new(),
                ports: Vec::new(),
                notices: Vec::new(),
            };
        }
        // It only keeps the last screen of the process before, and makes way.
        Ok((client, _)) => {
            let _ = tokio::time::timeout(LEAVE, client.close()).await;
            world.runner_left(agent).await;
        }
        Err(_) => {}
    }
    match try_launch(world, agent, kind, index, worktree, session).await {
        Ok(outcome) => {
            world.watch_runner(agent);
            outcome
        }
        Err(refusal) => Outcome::Failed(refusal),
    }
}

async fn try_launch(
    world: &Arc<World>,
    agent: &AgentKey,
    kind: &str,
    index: u32,
    worktree: &Bytes,
    session: Option<(String, bool)>,
) -> Result<Outcome, Refusal> {
    let internal = |message: String| Refusal::new(Code::Internal, message);
    let kinds = world.kinds();
    let Some(entry) = kinds.catalogue.get(kind) else {
        return Err(Refusal::new(Code::UnknownKind, format!("the catalogue has no agent {kind}")));
    };
    let environment = world.environment(agent.run);
    let search = environment.iter().find(|(name, _)| name == "PATH").map(|(_, value)| value.clone());
    let program = match entry.detect(&search.unwrap_or_default()) {
        Presence::BuiltIn => None,
        Presence::Installed { path } => Some(path),
        Presence::Missing { hint } => {
            return Err(
                Refusal::new(Code::AgentMissing, format!("{} is not installed", entry.title)).hint(hint)
            );
        }
    };
    if let Some(program) = &program {
        check_script(program)?;
    }
    let folder = world.folders.agent(agent);
    let token = make_token().map_err(|error| internal(format!("no random bytes: {error}")))?;
    let ports = free_ports(world, agent).await;
    let worktree_path = PathBuf::from(OsString::from_vec(worktree.0.clone()));
    let context = LaunchContext {
        key: agent.clone(),
        agent_dir: folder.clone(),
        worktree: worktree_path.clone(),
        program,
        hook_program: world.programs.hook.clone(),
        orchflow_program: world.programs.orchflow.clone(),
        front_environment: environment.as_ref().clone(),
        socket: world.folders.host_socket(),
        token: token.clone(),
        spool: world.folders.spool(agent),
        ports: ports.clone(),
        extra_args: Vec::new(),
        session_id: Some(uuid::Uuid::now_v7().to_string()),
        fork: session.as_ref().is_some_and(|(_, fork)| *fork),
        resume: session.map(|(session, _)| session),
        persona: index,
        trusted: world.trusts_repository(entry, &environment, &worktree_path),
        policy_enforced: false,
    };
    // A session that is copied is read here.
    let wanted = entry.clone();
    let launch = blocking(move || prepare(&wanted, &context))
        .await
        .map_err(|error| Refusal::new(Code::Config, error.to_string()))?;
    // What the process before left behind carries the token that is about to be replaced.
    world.end_leftover(agent).await;
    forget_exit(&folder.join("exit.json"))
        .map_err(|error| internal(format!("{} is in the way: {error}", folder.display())))?;
    let mut files = launch.files;
    files.push((folder.join("token"), token.clone().into_bytes(), 0o600));
    let (at, links) = (folder.clone(), launch.links);
    blocking(move || make_links(&links).and_then(|()| write_files(&at, &files))).await.map_err(|error| {
        internal(format!("what {} is started with cannot be written: {error}", entry.title))
    })?;
    world.hooks.keep_token(agent, token.clone());
    let mut notices = Vec::new();
    if let Some(notice) = entry.notice().filter(|notice| world.tell_once(notice)) {
        notices.push((notice.topic.to_owned(), notice.message.to_owned()));
    }
    let (tree, wanted) = (worktree_path.clone(), launch.worktree_files);
    let common = world.repository.common_directory().to_owned();
    let kept = blocking(move || worktree_files::write(&tree, &common, &wanted))
        .await
        .map_err(|error| internal(format!("{} cannot be prepared: {error}", worktree_path.display())))?;
    for path in kept {
        let title = &entry.title;
        let message = format!(
            "something of the repository stands at {path}, so {title} has no hooks of orchflow: its tools and permissions are \
             not seen, its status comes from its window title alone"
        );
        notices.push(("no-hooks".to_owned(), message));
    }
    setup(world, &worktree_path, &launch.environment).await?;

    let order = RunnerLaunch {
        socket: world.folders.runner_socket(agent),
        argv: launch.argv.iter().map(|word| word.as_bytes().to_vec()).collect(),
        environment: launch
            .environment
            .iter()
            .map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()))
            .collect(),
        folder: worktree_path,
        agent: agent.clone(),
        token,
        host_socket: world.folders.host_socket(),
        spool: world.folders.spool(agent),
        runner_file: folder.join("runner.json"),
        exit_file: folder.join("exit.json"),
        report_output: !entry.signals().hooks || entry.status.source == StatusSource::Screen,
        shown: entry.shown(),
    };
    let ready = start_runner(world, &order, &folder.join("runner.log")).await?;
    world.runners.remember(i32::try_from(ready.runner_pid).unwrap_or(0), agent);
    let mut names: Vec<String> =
        launch.environment.iter().map(|(name, _)| name.to_string_lossy().into_owned()).collect();
    names.sort();
    Ok(Outcome::Launched {
        pid: ready.pid,
        runner_pid: ready.runner_pid,
        argv: order.argv.into_iter().map(Bytes).collect(),
        environment: names,
        ports,
        notices,
    })
}

/// Checks that a script's interpreter is there: the system would name the script alone as missing.
fn check_script(program: &Path) -> Result<(), Refusal> {
    use std::io::Read as _;
    let mut head = Vec::new();
    let read = std::fs::File::open(program).and_then(|file| file.take(256).read_to_end(&mut head));
    let line = head.strip_prefix(b"#!").and_then(|rest| rest.split(|byte| *byte == b'\n').next());
    let (Ok(_), Some(line)) = (read, line) else { return Ok(()) };
    let line = String::from_utf8_lossy(line).into_owned();
    let Some(interpreter) = line.split_whitespace().next().filter(|path| !Path::new(path).exists()) else {
        return Ok(());
    };
    let message = format!("{} cannot run: it needs {interpreter}, which is not there", program.display());
    Err(Refusal::new(Code::AgentMissing, message)
        .hint(format!("install {interpreter}, or correct its first line")))
}

/// Takes away how the process before ended, or it would count for the next one.
fn forget_exit(path: &Path) -> std::io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn make_token() -> Result<String, rustix::io::Errno> {
    let mut bytes = [0u8; 24];
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Makes links, in place of links that lead elsewhere. A file that a program put in the place of one stays.
fn make_links(links: &[(PathBuf, PathBuf)]) -> std::io::Result<()> {
    for (at, target) in links {
        make_link(at, target).map_err(|error| named(at, &error))?;
    }
    Ok(())
}

fn make_link(at: &Path, target: &Path) -> std::io::Result<()> {
    // What is written through a link needs the folder it leads to.
    for path in [at, target] {
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
    }
    match std::fs::symlink_metadata(at) {
        Ok(there) if !there.is_symlink() => return Ok(()),
        Ok(_) if std::fs::read_link(at).is_ok_and(|leads| leads == *target) => return Ok(()),
        Ok(_) => std::fs::remove_file(at)?,
        Err(_) => {}
    }
    std::os::unix::fs::symlink(target, at)
}

fn write_files(folder: &Path, files: &[(PathBuf, Vec<u8>, u32)]) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700)))
        .map_err(|error| named(folder, &error))?;
    for (path, content, mode) in files {
        write_file(path, content, *mode).map_err(|error| named(path, &error))?;
    }
    Ok(())
}

fn write_file(path: &Path, content: &[u8], mode: u32) -> std::io::Result<()> {
    use std::io::Write as _;
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    let mut file =
        std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(path)?;
    file.write_all(content)
}

/// Says of which path an error is.
fn named(path: &Path, error: &std::io::Error) -> std::io::Error {
    std::io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

/// Gives an agent a block of ports no other agent of this repository has and nobody listens on.
async fn free_ports(world: &Arc<World>, agent: &AgentKey) -> Vec<u16> {
    let count = world.config.worktrees.ports;
    if count == 0 {
        return Vec::new();
    }
    let mine = agent.clone();
    let taken = world
        .engine()
        .ask(move |state| {
            let others = state.agents.values().filter(|other| other.key != mine && other.worktree.is_some());
            others.flat_map(|other| other.ports.clone()).collect::<std::collections::HashSet<u16>>()
        })
        .await
        .unwrap_or_default();
    let first = world.config.worktrees.first_port;
    // Repositories begin at different places, so that their hosts need not agree.
    let spread = u16::from_str_radix(world.folders.key.get(..3).unwrap_or("0"), 16).unwrap_or(0);
    let reserved = world.backends.ports();
    let mut start = first.saturating_add(spread.saturating_mul(4));
    for _ in 0..2000 {
        let block: Vec<u16> = (start..start.saturating_add(count)).collect();
        let is_free = block.len() == usize::from(count)
            && block.iter().all(|port| {
                !taken.contains(port) && std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok()
            })
            && reserved.claim(agent, &block);
        if is_free {
            return block;
        }
        start = start.checked_add(count).filter(|start| *start < u16::MAX - count).unwrap_or(first);
    }
    Vec::new()
}

/// Runs the user's setup command in a fresh worktree.
async fn setup(
    world: &Arc<World>,
    worktree: &Path,
    environment: &[(OsString, OsString)],
) -> Result<(), Refusal> {
    let Some(command) = &world.config.worktrees.setup else { return Ok(()) };
    let mut child = Command::new("sh");
    child.arg("-c").arg(command).current_dir(worktree).env_clear().envs(environment.iter().cloned());
    child.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    child.process_group(0);
    let limit = Duration::from_secs(world.config.worktrees.setup_timeout_s);
    let refuse = |why: String| {
        Refusal::new(Code::Config, format!("the setup command failed: {why}"))
            .hint("mend worktrees.setup in config.toml")
    };
    let output = tokio::time::timeout(limit, child.output())
        .await
        .map_err(|_| refuse(format!("it took longer than {} s", limit.as_secs())))?
        .map_err(|error| refuse(error.to_string()))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
    Err(refuse(format!("{}: {}", output.status, orchflow_core::describe::one_line(last))))
}

async fn start_runner(world: &World, order: &RunnerLaunch, log: &Path) -> Result<RunnerReady, Refusal> {
    let internal = |message: String| Refusal::new(Code::Internal, message);
    let log_file = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(log)
        .map_err(|error| internal(format!("{} cannot be written: {error}", log.display())))?;
    let text = serde_json::to_vec(order).map_err(|error| internal(error.to_string()))?;
    let mut child = Command::new(&world.programs.orchflow)
        .arg("runner")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(log_file)
        .current_dir("/")
        .env_clear()
        .spawn()
        .map_err(|error| {
            internal(format!("{} cannot be started: {error}", world.programs.orchflow.display()))
        })?;
    let handshake = async {
        let mut input = child.stdin.take().ok_or("no standard input")?;
        input.write_all(&text).await.map_err(|error| error.to_string())?;
        drop(input);
        let output = child.stdout.take().ok_or("no standard output")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line).await.map_err(|error| error.to_string())?;
        serde_json::from_str::<RunnerReady>(&line).map_err(|_| format!("it said {line:?}"))
    };
    let answered = tokio::time::timeout(START, handshake).await;
    if answered.is_err() {
        // Its pty goes with it, and the agent with the pty: nothing runs unseen.
        let _ = child.kill().await;
    }
    let ready = answered
        .unwrap_or_else(|_| Err(format!("it was not ready within {} s", START.as_secs())))
        .map_err(|why| internal(format!("the runner did not start: {why}; see {}", log.display())))?;
    match ready.error {
        Some(error) => Err(Refusal::new(Code::AgentMissing, error)),
        None => Ok(ready),
    }
}

pub(super) async fn stop(world: &Arc<World>, agent: &AgentKey) -> Outcome {
    let Ok((client, _)) = world.runners.connect(agent).await else {
        return Outcome::Stopped(Ended::default());
    };
    match tokio::time::timeout(GRACE + Duration::from_secs(5), client.stop(GRACE)).await {
        Ok(Ok(exit)) => {
            let _ = client.close().await;
            Outcome::Stopped(Ended {
                code: exit.code,
                signal: exit.signal,
                leftover_ended: u32::try_from(exit.leftover_ended).unwrap_or(u32::MAX),
            })
        }
        Ok(Err(error)) => failed(format!("{agent} could not be stopped: {error}")),
        Err(_) => failed(format!("{agent} did not end in time; its runner goes on trying")),
    }
}
