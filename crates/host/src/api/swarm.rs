//! Runs and agents: started, spoken to, ended, cleaned away.

use std::sync::Arc;

use orchflow_agent::catalogue::Presence;
use orchflow_core::command::{AgentSpec, Base, Command, ViewPlace};
use orchflow_core::decide::Input;
use orchflow_core::event::payload::Bytes;
use orchflow_core::state::Phase;
use orchflow_core::{AgentKey, Code, Refusal, RunId};
use orchflow_git::GitError;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Session;
use super::params::{find_agents, find_run, read};
use crate::config::{TmuxLayout, TmuxServer};
use crate::world::{World, blocking};

/// Where a front says that it is.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Front {
    tmux: Option<String>,
    tmux_pane: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct SwarmParams {
    objective: String,
    agents: Vec<String>,
    include_changes: Option<bool>,
    view: Option<String>,
    front: Front,
}

pub(super) async fn swarm(world: &Arc<World>, session: &Session, params: Value) -> Result<Value, Refusal> {
    let params: SwarmParams = read("swarm", params)?;
    let (kinds, mut warnings) = choose_kinds(world, session, params.agents)?;
    let mut specs = Vec::new();
    for kind in &kinds {
        specs.push(spec(world, session, kind, None)?);
    }
    let (place, note) = place(world, session, params.view.as_deref(), &params.front)?;
    warnings.extend(note);
    let base = find_base(world, params.include_changes).await?;
    let label = base.label.clone();
    let command = Command::StartRun { objective: params.objective, base, agents: specs, place };
    let committed = submit(world, session, command).await?;
    let run = committed.run.unwrap_or(RunId(0));
    let agents: Vec<Value> =
        committed.agents.iter().map(|agent| json!({ "agent": agent.name, "run": run })).collect();
    Ok(json!({ "run": run, "base": label, "agents": agents, "warnings": warnings }))
}

async fn submit(
    world: &Arc<World>,
    session: &Session,
    command: Command,
) -> Result<orchflow_core::decide::Reply, Refusal> {
    // Agents of the new run get the front's environment; the run's number is known only after the
    // commit, and its first effect needs it before, so the newest front's stands for the next run.
    let _one = if matches!(command, Command::StartRun { .. }) {
        let one = world.starting.lock().await;
        let environment = Arc::clone(&session.environment);
        let shared = Arc::clone(world);
        world
            .engine()
            .ask(move |state| {
                let next = RunId(state.last_run().map_or(1, |run| run.run.0 + 1));
                shared.keep_environment(next, environment);
            })
            .await
            .ok_or_else(|| super::no_answer(world))?;
        Some(one)
    } else {
        None
    };
    let input = Input::Command { actor: session.actor.clone(), command };
    Ok(world.engine().submit(input).await?.reply)
}

/// Chooses the kinds: those named, else the configured, else what is installed, else rehearsals.
fn choose_kinds(
    world: &World,
    session: &Session,
    named: Vec<String>,
) -> Result<(Vec<String>, Vec<String>), Refusal> {
    if !named.is_empty() {
        return Ok((named, Vec::new()));
    }
    if !world.config.agents.is_empty() {
        return Ok((world.config.agents.clone(), Vec::new()));
    }
    let search = search_path(session);
    let installed: Vec<String> = world
        .kinds()
        .catalogue
        .iter()
        .filter(|entry| matches!(entry.detect(&search), Presence::Installed { .. }))
        .filter(|entry| entry.signals().hooks)
        .map(|entry| entry.name.clone())
        .collect();
    if !installed.is_empty() {
        return Ok((installed, Vec::new()));
    }
    let note = "no agent program is installed; three rehearsals play a script instead (no model)".to_owned();
    Ok((vec!["rehearsal".to_owned(); 3], vec![note]))
}

fn search_path(session: &Session) -> std::ffi::OsString {
    let given = session.environment.iter().find(|(name, _)| name == "PATH").map(|(_, value)| value.clone());
    given.or_else(|| std::env::var_os("PATH")).unwrap_or_default()
}

fn spec(world: &World, session: &Session, kind: &str, name: Option<String>) -> Result<AgentSpec, Refusal> {
    let kinds = world.kinds();
    let Some(entry) = kinds.catalogue.get(kind) else {
        // A file of the user's that is wrong explains more than a list of what there is.
        let file = format!("{kind}.toml");
        let problem = kinds.problems.iter().find(|problem| problem.contains(&file));
        let known: Vec<&str> = kinds.catalogue.iter().map(|entry| entry.name.as_str()).collect();
        let hint = match problem {
            Some(problem) => problem.clone(),
            None => format!("there are: {}; orchflow agents says more", known.join(", ")),
        };
        return Err(Refusal::new(Code::UnknownKind, format!("there is no kind of agent {kind}")).hint(hint));
    };
    if let Presence::Missing { hint } = entry.detect(&search_path(session)) {
        return Err(
            Refusal::new(Code::AgentMissing, format!("{} ({kind}) is not installed", entry.title)).hint(hint)
        );
    }
    Ok(AgentSpec {
        kind: entry.name.clone(),
        name,
        title: entry.title.clone(),
        rehearsal: entry.is_rehearsal(),
        signals: entry.signals(),
    })
}

/// Decides where views go. Gives a note when they go nowhere.
fn place(
    world: &World,
    session: &Session,
    view: Option<&str>,
    front: &Front,
) -> Result<(ViewPlace, Option<String>), Refusal> {
    let tmux = || ViewPlace {
        backend: "tmux".to_owned(),
        tmux: front.tmux.as_deref().map(Bytes::from),
        tmux_pane: front.tmux_pane.clone(),
        editor: session.editor,
    };
    let none = || ViewPlace { backend: "none".to_owned(), ..ViewPlace::default() };
    let private = world.config.tmux.server == TmuxServer::Private;
    let has_tmux = (front.tmux.is_some() && front.tmux_pane.is_some()) || private;
    let wants_panes = world.config.tmux.layout != TmuxLayout::None;
    match view.unwrap_or("auto") {
        "none" => Ok((none(), None)),
        "tmux" if has_tmux => Ok((tmux(), None)),
        "tmux" => Err(Refusal::new(Code::Usage, "this front does not run inside tmux")
            .hint("start it in tmux, or set tmux.server = \"private\" in config.toml")),
        "nvim" if session.editor.is_some() => Ok((
            ViewPlace { backend: "nvim".to_owned(), editor: session.editor, ..ViewPlace::default() },
            None,
        )),
        "nvim" => Err(Refusal::new(Code::Usage, "--view nvim works only inside Neovim")),
        "auto" if !wants_panes => Ok((none(), None)),
        "auto" if has_tmux => Ok((tmux(), None)),
        "auto" if session.editor.is_some() => Ok((
            ViewPlace { backend: "nvim".to_owned(), editor: session.editor, ..ViewPlace::default() },
            None,
        )),
        "auto" => Ok((
            none(),
            Some("no tmux here: the agents are not shown; orchflow attach NAME shows one".to_owned()),
        )),
        other => Err(Refusal::new(Code::Usage, format!("--view {other} is none of auto, tmux, nvim, none"))),
    }
}

/// Finds the commit new worktrees start from.
async fn find_base(world: &Arc<World>, include_changes: Option<bool>) -> Result<Base, Refusal> {
    let repository = Arc::clone(&world.repository);
    blocking(move || base_of(&repository, include_changes)).await
}

fn base_of(repository: &orchflow_git::Repository, include_changes: Option<bool>) -> Result<Base, Refusal> {
    // Two looks that do not need each other; the second reads every file's state.
    let (head, uncommitted) = std::thread::scope(|threads| {
        let head = threads.spawn(|| repository.head());
        let uncommitted = repository.uncommitted();
        (head.join(), uncommitted)
    });
    let head = head.unwrap_or_else(|panic| std::panic::resume_unwind(panic)).map_err(git_refusal)?;
    let uncommitted = uncommitted.map_err(git_refusal)?;
    let count = uncommitted.total();
    let plain = Base {
        label: head.label(),
        commit: head.commit.to_string(),
        tree: head.tree.to_string(),
        branch: head.branch.clone(),
    };
    match (count, include_changes) {
        (0, _) | (_, Some(false)) => Ok(plain),
        (_, None) => {
            let message = format!("the worktree has {count} uncommitted changes; shall the agents see them?");
            Err(Refusal::new(Code::DirtyTree, message).hint(
                "--include-changes takes a snapshot along, --no-include-changes starts from the last commit",
            ))
        }
        (count, Some(true)) => {
            let kept = format!("refs/orchflow/snapshots/{}", crate::clock::now().0);
            let message = "orchflow: uncommitted work at the start of a run";
            let commit = repository.snapshot_uncommitted(&kept, message).map_err(git_refusal)?;
            let tree = repository.tree_of(&commit).map_err(git_refusal)?;
            Ok(Base {
                label: format!("{} + {count} uncommitted", head.label()),
                commit: commit.to_string(),
                tree: tree.to_string(),
                branch: head.branch,
            })
        }
    }
}

pub(super) fn git_refusal(error: GitError) -> Refusal {
    Refusal::new(Code::Repository, error.to_string())
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SpawnParams {
    agent: String,
    #[serde(default)]
    prompt: Option<String>,
    #[serde(default)]
    run: Option<u64>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    include_changes: Option<bool>,
    #[serde(default)]
    view: Option<String>,
    #[serde(default)]
    front: Front,
}

pub(super) async fn spawn(world: &Arc<World>, session: &Session, params: Value) -> Result<Value, Refusal> {
    let params: SpawnParams = read("spawn", params)?;
    let wanted = params.run;
    let run = world
        .engine()
        .ask(move |state| find_run(state, wanted))
        .await
        .ok_or_else(|| super::no_answer(world))??;
    let agent = spec(world, session, &params.agent, params.name)?;
    let (place, note) = place(world, session, params.view.as_deref(), &params.front)?;
    // A later agent of a run starts where the others did, unless the human says otherwise.
    let base = match params.include_changes {
        Some(_) => find_base(world, params.include_changes).await?,
        None => run_base(world, run).await?,
    };
    world.keep_environment(run, Arc::clone(&session.environment));
    let prompt = params.prompt.filter(|prompt| !prompt.trim().is_empty());
    let command = Command::SpawnAgent { run, base, agent, prompt, place };
    let reply = submit(world, session, command).await?;
    let name = reply.agents.first().map(|agent| agent.name.clone());
    Ok(json!({ "run": run, "agent": name, "warnings": note.into_iter().collect::<Vec<_>>() }))
}

async fn run_base(world: &Arc<World>, run: RunId) -> Result<Base, Refusal> {
    world
        .engine()
        .ask(move |state| {
            state.runs.get(&run).map(|run| Base {
                label: run.base.clone(),
                commit: run.base_commit.clone(),
                tree: run.base_tree.clone(),
                branch: None,
            })
        })
        .await
        .flatten()
        .ok_or_else(|| super::no_answer(world))
}

/// One name, several with commas between, or a list of names.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Names {
    One(String),
    Many(Vec<String>),
}

impl Names {
    fn into_list(self) -> Vec<String> {
        let words = match self {
            Names::One(text) => vec![text],
            Names::Many(list) => list,
        };
        let parts = words.iter().flat_map(|word| word.split(','));
        parts.map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SendParams {
    to: Names,
    #[serde(default)]
    text: String,
    #[serde(default)]
    run: Option<u64>,
}

pub(super) async fn send(world: &Arc<World>, session: &Session, params: Value) -> Result<Value, Refusal> {
    let params: SendParams = read("send", params)?;
    let names = params.to.into_list();
    let everybody = names.iter().any(|name| name == "all");
    let run = params.run;
    let to = world
        .engine()
        .ask(move |state| {
            let mut found = find_agents(state, &names, run)?;
            if everybody {
                // A message to all is for those who can hear it.
                found.retain(|key| {
                    state.agents.get(key).is_some_and(|agent| {
                        matches!(agent.phase, Phase::Requested | Phase::Starting | Phase::Running)
                    })
                });
            }
            Ok::<Vec<AgentKey>, Refusal>(found)
        })
        .await
        .ok_or_else(|| super::no_answer(world))??;
    if to.is_empty() {
        return Err(Refusal::new(Code::NotLiving, "no agent runs that could be told")
            .hint("orchflow status says who runs; orchflow spawn starts another"));
    }
    let reply = submit(world, session, Command::SendPrompt { to, text: params.text }).await?;
    let prompts: Vec<Value> = reply
        .prompts
        .iter()
        .map(|(id, agent)| json!({ "id": id, "agent": agent.name, "state": "queued" }))
        .collect();
    Ok(json!({ "prompts": prompts }))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct StopParams {
    agents: Names,
    #[serde(default)]
    run: Option<u64>,
}

pub(super) async fn stop(world: &Arc<World>, session: &Session, params: Value) -> Result<Value, Refusal> {
    let params: StopParams = read("stop", params)?;
    let names = params.agents.into_list();
    let run = params.run;
    let agents = world
        .engine()
        .ask(move |state| {
            // Whoever says "stop all" means every one that runs, of earlier runs as well.
            if run.is_none() && names.iter().any(|name| name == "all") {
                let living = state.agents.values().filter(|agent| {
                    matches!(agent.phase, Phase::Requested | Phase::Starting | Phase::Running)
                });
                return Ok(living.map(|agent| agent.key.clone()).collect());
            }
            find_agents(state, &names, run)
        })
        .await
        .ok_or_else(|| super::no_answer(world))??;
    let reply = submit(world, session, Command::StopAgents { agents: agents.clone() }).await?;
    // The answer says that they are gone, not that they were asked to go.
    let stopping = reply.agents.clone();
    world
        .settled(move |state| {
            stopping.iter().all(|key| {
                state.agents.get(key).is_none_or(|agent| !agent.is_living() && !agent.checkpointing)
            })
        })
        .await;
    let names: Vec<&str> = reply.agents.iter().map(|agent| agent.name.as_str()).collect();
    Ok(json!({ "stopped": names }))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct CleanParams {
    agents: Option<Names>,
    run: Option<u64>,
    dry_run: bool,
}

pub(super) async fn clean(world: &Arc<World>, session: &Session, params: Value) -> Result<Value, Refusal> {
    let params: CleanParams = read("clean", params)?;
    let names = params.agents.map(Names::into_list).unwrap_or_default();
    let run = params.run;
    let agents = world
        .engine()
        .ask(move |state| {
            if names.is_empty() {
                let ended = state.agents.values().filter(|agent| {
                    matches!(agent.phase, Phase::Exited | Phase::FailedToStart)
                        && run.is_none_or(|run| agent.key.run == RunId(run))
                });
                return Ok(ended.map(|agent| agent.key.clone()).collect());
            }
            find_agents(state, &names, run)
        })
        .await
        .ok_or_else(|| super::no_answer(world))??;
    let agents: Vec<AgentKey> = agents;
    let mut skipped = Vec::new();
    let mut asked = Vec::new();
    for key in agents {
        if params.dry_run {
            asked.push(key);
            continue;
        }
        match submit(world, session, Command::Clean { agent: key.clone() }).await {
            Ok(_) => asked.push(key),
            Err(refusal) => skipped.push(json!({
                "agent": key.name, "run": key.run, "why": refusal.message, "hint": refusal.hint,
            })),
        }
    }
    if params.dry_run {
        let would: Vec<Value> =
            asked.iter().map(|key| json!({ "agent": key.name, "run": key.run })).collect();
        return Ok(json!({ "cleaned": would, "skipped": skipped, "dry_run": true }));
    }
    let mut cleaned = Vec::new();
    for key in asked {
        let wait_for = key.clone();
        let after = world.engine().pulse().borrow().seq;
        world
            .settled(move |state| {
                state
                    .agents
                    .get(&wait_for)
                    .is_none_or(|agent| agent.phase == Phase::Cleaned || !agent.cleaning)
            })
            .await;
        let look = key.clone();
        let gone = world
            .engine()
            .ask(move |state| {
                let agent = state.agents.get(&look)?;
                Some((agent.phase, agent.kept_ref.clone(), state.undecided(agent)))
            })
            .await
            .flatten();
        match gone {
            Some((Phase::Cleaned, kept, undecided)) => {
                cleaned.push(json!({
                    "agent": key.name, "run": key.run, "kept": kept, "undecided": undecided,
                }));
            }
            _ => skipped.push(json!({
                "agent": key.name, "run": key.run,
                "why": "its worktree could not be removed",
                "hint": format!("orchflow log --type clean_failed --after {} says why", after.0.saturating_sub(50)),
            })),
        }
    }
    Ok(json!({ "cleaned": cleaned, "skipped": skipped }))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AttachParams {
    agent: String,
    #[serde(default)]
    #[allow(dead_code, reason = "for the front that shows the view")]
    follow: bool,
}

pub(super) async fn attach(world: &Arc<World>, params: Value) -> Result<Value, Refusal> {
    let params: AttachParams = read("attach", params)?;
    let names = vec![params.agent];
    let found = world
        .engine()
        .ask(move |state| {
            let keys = find_agents(state, &names, None)?;
            Ok::<_, Refusal>(
                keys.first()
                    .and_then(|key| state.agents.get(key))
                    .map(|agent| (agent.key.clone(), agent.phase)),
            )
        })
        .await
        .ok_or_else(|| super::no_answer(world))??;
    let Some((key, phase)) = found else {
        return Err(Refusal::new(Code::UnknownAgent, "name one agent"));
    };
    if matches!(phase, Phase::Cleaned | Phase::FailedToStart) {
        return Err(Refusal::new(Code::NotLiving, format!("{} has no terminal any more", key.name))
            .hint(format!("orchflow log --agent {} says what it did", key.name)));
    }
    let socket = world.folders.runner_socket(&key);
    Ok(json!({
        "agent": key.name,
        "run": key.run,
        "socket": socket.to_string_lossy(),
        "argv": [world.programs.orchflow.to_string_lossy(), "attach", key.to_string()],
    }))
}

impl World {
    /// Waits until the state is as wanted, or the host leaves.
    pub(super) async fn settled(
        &self,
        wanted: impl Fn(&orchflow_core::state::State) -> bool + Clone + Send + 'static,
    ) {
        let mut pulse = self.engine().pulse();
        loop {
            pulse.borrow_and_update();
            let look = wanted.clone();
            match self.engine().ask(move |state| look(state)).await {
                Some(true) => return,
                None if !self.engine().is_open() => return,
                Some(false) | None => {}
            }
            if pulse.changed().await.is_err() {
                return;
            }
        }
    }
}
