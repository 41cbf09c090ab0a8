//! A repository's host from start to end: found folders, one lock, the loop, and what survived the last one.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use orchflow_core::decide::{Input, wake};
use orchflow_core::effect::{Effect, EffectBody, EffectId, Outcome};
use orchflow_core::state::Phase;
use orchflow_core::{AgentKey, EventSeq};
use orchflow_git::{GitError, Repository};
use orchflow_store::{OutboxRow, Reader, StoreError, Writer};
use tokio::runtime::Handle;

use crate::config::{Config, ConfigError};
use crate::effects::Executor;
use crate::engine::Engine;
use crate::paths::{PathError, RepositoryFolders, UserFolders};
use crate::world::{Programs, World};

/// Says why a host cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The folder is in no repository a host can serve.
    #[error(transparent)]
    Repository(#[from] GitError),
    /// A folder cannot be used.
    #[error(transparent)]
    Path(#[from] PathError),
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The process belongs to an agent of the repository.
    #[error("agent {0} may not start the host of its own repository; run orchflow in your own shell")]
    InsideAgent(String),
    /// Another host serves the repository.
    #[error("another host serves this repository (lock {0}); use it, or end it with `orchflow host stop`")]
    Running(PathBuf),
    /// The lock cannot be taken.
    #[error("the lock {path} cannot be taken: {source}")]
    Lock {
        /// The lock's file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
}

/// What a host is started with.
#[derive(Debug, Clone)]
pub struct HostOptions {
    /// Any folder in the repository.
    pub start: PathBuf,
    /// The programs it starts.
    pub programs: Programs,
    /// Its version.
    pub version: String,
}

/// A running host.
pub struct Host {
    /// What its fronts work with.
    pub world: Arc<World>,
    engine_thread: Option<JoinHandle<()>>,
    _lock: File,
}

/// Finds a repository's folders, as a front needs them to reach its host.
///
/// # Errors
/// As [`Host::start`].
pub fn locate(start: &Path) -> Result<(Repository, RepositoryFolders, Config), StartError> {
    let repository = Repository::discover(start)?;
    let user = UserFolders::from_environment()?;
    let config = Config::load(&user.config)?;
    let folders =
        RepositoryFolders::new(user, repository.common_directory(), config.worktrees.folder.as_deref());
    let repository = out_of_agents_worktree(repository, &folders)?;
    Ok((repository, folders, config))
}

/// A human who looks around in an agent's worktree still means the tree the agent's work goes into.
fn out_of_agents_worktree(
    repository: Repository,
    folders: &RepositoryFolders,
) -> Result<Repository, StartError> {
    let is_agents = std::fs::canonicalize(&folders.worktrees).is_ok_and(|root| {
        std::fs::canonicalize(repository.worktree()).is_ok_and(|tree| tree.starts_with(root))
    });
    let common = repository.common_directory();
    match common.parent() {
        Some(main) if is_agents && common.ends_with(".git") => Ok(Repository::discover(main)?),
        _ => Ok(repository),
    }
}

impl Host {
    /// Takes the lock, opens the store, finds runners that live, and asks again for what was not done.
    ///
    /// # Errors
    /// [`StartError`] says what is in the way.
    pub async fn start(options: HostOptions) -> Result<Host, StartError> {
        let (repository, folders, config) = locate(&options.start)?;
        folders.create()?;
        if let Some(agent) = crate::runners::enclosing_agent(&folders) {
            return Err(StartError::InsideAgent(agent));
        }
        let lock = take_lock(&folders.host_lock())?;
        let (writer, mut loaded) = Writer::open(&folders.store())?;
        let world = Arc::new(World::new(repository, folders, config, options.programs));
        let outbox = std::mem::take(&mut loaded.outbox);
        let should_run: Vec<AgentKey> = loaded
            .state
            .agents
            .values()
            .filter(|agent| agent.phase == Phase::Running)
            .map(|agent| agent.key.clone())
            .collect();
        let with_spool: Vec<AgentKey> = loaded
            .state
            .agents
            .values()
            .filter(|agent| agent.phase != Phase::Cleaned)
            .map(|agent| agent.key.clone())
            .collect();
        let executor = Executor::new(Arc::clone(&world), Handle::current());
        let known = Reader::open(&world.folders.store())?;
        let (engine, engine_thread) = Engine::start(writer, loaded, known, Box::new(executor.clone()));
        world.open_door(engine);
        let host = Host { world, engine_thread: Some(engine_thread), _lock: lock };
        host.recover(&executor, outbox, should_run, with_spool, options.version).await;
        Ok(host)
    }

    async fn recover(
        &self,
        executor: &Executor,
        outbox: Vec<OutboxRow>,
        should_run: Vec<AgentKey>,
        with_spool: Vec<AgentKey>,
        version: String,
    ) {
        let world = &self.world;
        // What agents said while no host listened comes before what we conclude from their silence.
        for agent in with_spool {
            if orchflow_hook::spool::is_empty(&world.folders.spool(&agent)) {
                continue;
            }
            if let Err(refusal) = world.drain_spool(&agent).await {
                tracing::warn!(%agent, %refusal, "a spool was left as it is");
            }
        }
        let (living, gone) = world.runners.find(should_run).await;
        for (agent, _) in gone.iter().filter(|(_, exit)| exit.is_none()) {
            let (world, agent) = (Arc::clone(world), agent.clone());
            tokio::spawn(async move { world.end_leftover(&agent).await });
        }
        for agent in &living {
            world.watch_runner(agent);
        }
        let pid = std::process::id();
        let started = Input::HostStarted { version, pid, living: living.clone(), gone };
        if let Err(refusal) = world.engine().submit(started).await {
            tracing::error!(%refusal, "the start could not be recorded");
        }
        for row in outbox {
            match row.effect {
                Ok(effect) if is_repeatable(&effect.body) => executor.start(effect),
                Ok(effect) => {
                    let why = "the host ended while it was being written; look at the agent's pane before you \
                               send it again";
                    let outcome = Outcome::Unknown(why.to_owned());
                    world.engine().tell(Input::EffectDone { effect, outcome });
                }
                Err(error) => {
                    tracing::error!(seq = row.id.seq.0, error, "an effect cannot be read; it is left")
                }
            }
        }
        let wakes = world.engine().ask(|state| wake(state, crate::clock::now())).await.unwrap_or_default();
        for (index, body) in wakes.into_iter().enumerate() {
            executor.start(Effect { id: EffectId { seq: EventSeq(0), index: index as u32 }, body });
        }
        for agent in living {
            world.restate(&agent).await;
        }
        let shared = Arc::clone(world);
        tokio::spawn(async move { crate::effects::views::find_again(&shared).await });
        crate::effects::empty_trash(world);
    }

    /// Stops in order: what was brought in is committed, the store is sealed. Agents work on.
    pub async fn stop(mut self, reason: &str) {
        let engine = self.world.engine();
        let _ = engine.submit(Input::HostStopping { reason: reason.to_owned() }).await;
        engine.stop().await;
        if let Some(thread) = self.engine_thread.take() {
            let _ = crate::world::blocking(move || thread.join()).await;
        }
    }
}

/// Keystrokes are never repeated; everything else finds out by itself what was done.
fn is_repeatable(body: &EffectBody) -> bool {
    !matches!(body, EffectBody::PastePrompt { .. })
}

impl World {
    /// Asks a living agent's runner for what may have been missed while no host ran.
    async fn restate(self: &Arc<Self>, agent: &AgentKey) {
        let Ok((_, hello)) = self.runners.connect(agent).await else { return };
        let Some(status) = &hello.status else { return };
        let report = orchflow_agent::status::stated(
            status.app.as_deref().unwrap_or_default(),
            &status.state,
            status.kind.as_deref(),
            status.message.as_deref(),
        );
        let at = orchflow_core::Timestamp(i64::try_from(status.at_us).unwrap_or(0));
        let envelope = orchflow_core::report::ReportEnvelope {
            id: format!("restated-{agent}-{}", status.at_us),
            agent: agent.clone(),
            at,
            channel: orchflow_core::report::Channel::Osc7501,
            report,
        };
        let _ = self.engine().report(envelope.id.clone(), Input::Report(envelope)).await;
    }
}

fn take_lock(path: &Path) -> Result<File, StartError> {
    use rustix::fs::{FlockOperation, flock};
    let fail = |source| StartError::Lock { path: path.to_path_buf(), source };
    let file = File::options().create(true).write(true).truncate(false).open(path).map_err(fail)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(StartError::Running(path.to_path_buf())),
        Err(errno) => Err(fail(errno.into())),
    }
}
