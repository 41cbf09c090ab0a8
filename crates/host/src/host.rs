//! A repository's host from start to end: found folders, one lock, the loop, and what survived the last one.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use orchflow_core::decide::Input;
use orchflow_git::{GitError, Repository};
use orchflow_store::{StoreError, Writer};
use tokio::runtime::Handle;

use crate::config::{Config, ConfigError};
use crate::effects::Executor;
use crate::engine::Engine;
use crate::paths::{PathError, RepositoryFolders, UserFolders};
use crate::recovery::Recovery;
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
    /// The user's table of prices is wrong.
    #[error("{0}")]
    Prices(String),
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The process belongs to an agent of the repository.
    #[error("agent {0} may not start the host of its own repository; run orchflow in your own shell")]
    InsideAgent(String),
    /// Another host serves the repository.
    #[error("another host serves this repository (lock {0}); use it, or end it with `orchflow host stop`")]
    Running(PathBuf),
    /// There is no room for what a host needs to begin at all.
    #[error("the disk that holds {0} is full; free some space on it, then run the command again")]
    Full(PathBuf),
    /// The lock cannot be taken.
    #[error("the lock {path} cannot be taken: {source}")]
    Lock {
        /// The lock's file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
}

impl StartError {
    /// Sorts what the system says of a lock or a socket that cannot be made.
    pub fn of_file(path: &Path, source: std::io::Error) -> StartError {
        match source.kind() {
            std::io::ErrorKind::StorageFull => StartError::Full(path.to_path_buf()),
            _ => StartError::Lock { path: path.to_path_buf(), source },
        }
    }

    /// Tells whether a disk without room is in the way.
    pub fn is_about_space(&self) -> bool {
        matches!(
            self,
            StartError::Full(_)
                | StartError::Path(PathError::Full(_))
                | StartError::Store(StoreError::Full { .. })
        )
    }
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
        let prices = orchflow_agent::prices::load(&folders.user.config.join("prices.toml"))
            .map_err(StartError::Prices)?;
        let policy = config.policy(prices);
        let world = Arc::new(World::new(repository, folders, config, options.programs, policy));
        let outbox = std::mem::take(&mut loaded.outbox);
        let executor = Executor::new(Arc::clone(&world), Handle::current());
        let policy = Arc::clone(&world.policy);
        let (engine, engine_thread) = Engine::start(writer, loaded, Box::new(executor.clone()), policy);
        world.open_door(engine);
        world.refresh_rules(orchflow_core::event::Actor::Host).await;
        Recovery::new(Arc::clone(&world), executor, outbox, options.version).begin().await;
        tokio::spawn(Arc::clone(&world).notify_of_needs());
        Ok(Host { world, engine_thread: Some(engine_thread), _lock: lock })
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

fn take_lock(path: &Path) -> Result<File, StartError> {
    use rustix::fs::{FlockOperation, flock};
    let fail = |source| StartError::of_file(path, source);
    let file = File::options().create(true).write(true).truncate(false).open(path).map_err(fail)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(StartError::Running(path.to_path_buf())),
        Err(errno) => Err(fail(errno.into())),
    }
}
