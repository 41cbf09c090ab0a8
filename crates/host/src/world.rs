//! What effect runners and the api share: the repository, its folders, and everybody who is connected.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use orchflow_core::policy::Policy;
use orchflow_core::{AgentKey, RunId};
use orchflow_git::Repository;
use orchflow_store::{Reader, StoreError};

use crate::config::Config;
use crate::editors::Editors;
use crate::effects::views::Backends;
use crate::engine::Engine;
use crate::failures::Transcripts;
use crate::hooks::Hooks;
use crate::kinds::{Kinds, KindsReader};
use crate::load::Loads;
use crate::paths::RepositoryFolders;
use crate::review::Review;
use crate::rules::UserRules;
use crate::runners::Runners;

/// The programs the host starts.
#[derive(Debug, Clone)]
pub struct Programs {
    /// Orchflow itself.
    pub orchflow: PathBuf,
    /// The hook program.
    pub hook: PathBuf,
}

/// The environment of a front, in the order it came.
pub type Environment = Vec<(OsString, OsString)>;

/// Everything outside the loop.
pub struct World {
    /// The repository.
    pub repository: Arc<Repository>,
    /// Its folders.
    pub folders: RepositoryFolders,
    /// The user's configuration.
    pub config: Config,
    /// What it says of decisions.
    pub policy: Arc<Policy>,
    kinds: KindsReader,
    /// The programs the host starts.
    pub programs: Programs,
    /// Runners by agent.
    pub runners: Runners,
    /// Connected editors.
    pub editors: Editors,
    /// Hooks that wait for an answer.
    pub hooks: Hooks,
    /// Where programs write what they tell nowhere else.
    pub transcripts: Transcripts,
    /// What agents' processes took when they were measured last.
    pub loads: Loads,
    /// Hunks, computed once a checkpoint.
    pub review: Review,
    /// The rules that always hold.
    pub rules: UserRules,
    /// Where views are opened.
    pub backends: Backends,
    /// Runs are started one after the other, each with the environment of its own front.
    pub starting: tokio::sync::Mutex<()>,
    /// The newest checkpoint of each agent this host took: commit and tree.
    pub checkpoints: Mutex<HashMap<AgentKey, (String, String)>>,
    /// How often the trash was to be emptied since somebody began to.
    pub emptying: Arc<AtomicUsize>,
    engine: OnceLock<Engine>,
    environments: Mutex<HashMap<RunId, Arc<Environment>>>,
    readers: Mutex<Vec<Reader>>,
}

impl World {
    /// Gathers what was found; [`World::open_door`] follows.
    pub fn new(
        repository: Repository,
        folders: RepositoryFolders,
        config: Config,
        programs: Programs,
        policy: Policy,
    ) -> World {
        let runners = Runners::new(folders.clone());
        let rules = UserRules::new(&folders.user);
        let kinds = KindsReader::new(folders.user.config.join("agents"));
        let backends = Backends::new(&config, &folders.key);
        World {
            repository: Arc::new(repository),
            folders,
            config,
            policy: Arc::new(policy),
            kinds,
            programs,
            runners,
            editors: Editors::default(),
            hooks: Hooks::new(),
            transcripts: Transcripts::default(),
            loads: Loads::default(),
            review: Review::default(),
            rules,
            backends,
            starting: tokio::sync::Mutex::default(),
            checkpoints: Mutex::default(),
            emptying: Arc::default(),
            engine: OnceLock::new(),
            environments: Mutex::default(),
            readers: Mutex::default(),
        }
    }

    /// Makes the loop reachable.
    pub fn open_door(&self, engine: Engine) {
        let _ = self.engine.set(engine);
    }

    /// Gives the door to the loop.
    ///
    /// # Panics
    /// Before [`World::open_door`], which comes before anything can be asked of a world.
    #[allow(clippy::expect_used, reason = "the door is opened before the world is shared")]
    pub fn engine(&self) -> &Engine {
        self.engine.get().expect("the door is open")
    }

    /// Gives the kinds of agents as the user's files say now.
    pub fn kinds(&self) -> Arc<Kinds> {
        self.kinds.now()
    }

    /// Gives the kinds of agents as the user's files say, or said a moment ago: for reports.
    pub(crate) fn kinds_lately(&self) -> Arc<Kinds> {
        self.kinds.lately()
    }

    /// Keeps the environment of the front that started a run, in memory only.
    pub fn keep_environment(&self, run: RunId, environment: Arc<Environment>) {
        lock(&self.environments).insert(run, environment);
    }

    /// Gives the environment for agents of a run: that of its front, else the host's own.
    pub fn environment(&self, run: RunId) -> Arc<Environment> {
        lock(&self.environments).get(&run).cloned().unwrap_or_else(|| Arc::new(std::env::vars_os().collect()))
    }

    /// Waits until the state is as wanted, or the host leaves.
    pub async fn settled(
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

    /// Reads the store on a thread that may block.
    ///
    /// # Errors
    /// What the store says.
    pub async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        look: impl FnOnce(&Reader) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let world = Arc::clone(self);
        blocking(move || {
            let kept = lock(&world.readers).pop();
            let reader = match kept {
                Some(reader) => reader,
                None => Reader::open(&world.folders.store())?,
            };
            let result = look(&reader);
            lock(&world.readers).push(reader);
            result
        })
        .await
    }
}

/// Runs blocking work on a thread of its own kind and gives its result.
///
/// # Panics
/// Goes on with the panic of the work.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// Locks, also after another thread panicked: every critical section here leaves its value whole.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
