//! Views opened where the front is: beside it in tmux, or in a window of the editor.

mod known;

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use orchflow_core::AgentKey;
use orchflow_core::command::ViewPlace;
use orchflow_core::decide::Input;
use orchflow_core::effect::{Outcome, PerAgent};
use orchflow_mux::backend::tmux::conversation::Socket;
use orchflow_mux::backend::tmux::layout::Layout;
use orchflow_mux::backend::tmux::{Place, TmuxOptions};
use orchflow_mux::backend::{BackendError, Opened, Tmux, ViewEvent, ViewId, ViewRequest};
use serde_json::json;
use tokio::sync::OnceCell;

use self::known::Known;
use crate::config::{Tmux as TmuxConfig, TmuxLayout, TmuxServer};
use crate::world::{World, lock};

/// The places views are opened in, each connected when first needed.
pub struct Backends {
    config: TmuxConfig,
    key: String,
    /// Connected servers, by what `TMUX` and `TMUX_PANE` said.
    servers: tokio::sync::Mutex<HashMap<String, Arc<Tmux>>>,
    /// Views that are open, to know whose it was that closed.
    known: Mutex<Known>,
    /// Set once what an earlier host opened is known.
    found: OnceCell<()>,
    ports: Ports,
}

/// Ports given out by this host.
#[derive(Default)]
pub struct Ports {
    given: Mutex<HashMap<u16, AgentKey>>,
}

impl Ports {
    /// Claims a block for an agent, unless another has a part of it.
    pub fn claim(&self, agent: &AgentKey, block: &[u16]) -> bool {
        let mut given = lock(&self.given);
        if block.iter().any(|port| given.get(port).is_some_and(|owner| owner != agent)) {
            return false;
        }
        given.extend(block.iter().map(|port| (*port, agent.clone())));
        true
    }

    /// Gives an agent's ports back.
    pub fn release(&self, agent: &AgentKey) {
        lock(&self.given).retain(|_, owner| owner != agent);
    }
}

impl Backends {
    /// Makes the backends of one repository.
    pub fn new(config: &TmuxConfig, key: &str) -> Backends {
        Backends {
            config: config.clone(),
            key: key.to_owned(),
            servers: tokio::sync::Mutex::default(),
            known: Mutex::default(),
            found: OnceCell::new(),
            ports: Ports::default(),
        }
    }

    /// Gives the ports given out by this host.
    pub fn ports(&self) -> &Ports {
        &self.ports
    }

    fn place(&self, place: &ViewPlace) -> Result<(String, Place), String> {
        if self.config.server == TmuxServer::Private {
            let socket = Socket::Name(format!("orchflow-{}", self.key));
            let place = Place::Private { socket, windows: false };
            return Ok(("private".to_owned(), place));
        }
        let (Some(tmux), Some(pane)) = (&place.tmux, &place.tmux_pane) else {
            return Err("the front is not in tmux".to_owned());
        };
        let found =
            Place::beside(OsStr::from_bytes(&tmux.0), OsStr::new(pane)).map_err(|error| error.to_string())?;
        Ok((format!("{} {pane}", tmux.lossy()), found))
    }

    async fn tmux(&self, world: &Arc<World>, place: &ViewPlace) -> Result<Arc<Tmux>, String> {
        let (name, found) = self.place(place)?;
        let mut servers = self.servers.lock().await;
        if let Some(tmux) = servers.get(&name) {
            return Ok(Arc::clone(tmux));
        }
        let mut options = TmuxOptions::new(found, self.key.clone());
        options.layout = match self.config.layout {
            TmuxLayout::Tiled => Layout::Tiled,
            TmuxLayout::Stacked => Layout::Stacked,
            TmuxLayout::None => Layout::None,
        };
        let tmux = Arc::new(Tmux::new(options).await.map_err(|error| error.to_string())?);
        servers.insert(name.clone(), Arc::clone(&tmux));
        remember(world, servers.len(), place);
        if let Some(events) = tmux.events() {
            tokio::spawn(watch(Arc::clone(world), events, name));
        }
        Ok(tmux)
    }
}

/// Brings an agent's pane to the front, if it has one that still stands. Gives its name, or why there is none.
pub async fn focus(world: &Arc<World>, agent: &AgentKey) -> Result<String, String> {
    find_again(world).await;
    let Some(view) = lock(&world.backends.known).pane_of(agent) else {
        return Err("it is shown in no pane".to_owned());
    };
    let servers: Vec<Arc<Tmux>> = world.backends.servers.lock().await.values().cloned().collect();
    let mut why = "its pane is gone".to_owned();
    for tmux in servers {
        // A pane is known by its server's process and its own; another that has its number is not it.
        match tmux.focus(&view).await {
            Ok(()) => return Ok(format!("tmux:{}", view.pane)),
            Err(BackendError::Stale { .. }) => {}
            Err(error) => why = error.to_string(),
        }
    }
    Err(why)
}

/// The file that keeps where views were opened, for the host that comes after this one.
fn places_file(world: &World) -> PathBuf {
    world.folders.data().join("view-places.json")
}

fn remember(world: &World, known: usize, place: &ViewPlace) {
    let mut places = if known > 1 { read_places(world) } else { Vec::new() };
    if !places.contains(place) {
        places.push(place.clone());
    }
    let written = serde_json::to_vec(&places).map_err(std::io::Error::from);
    if let Err(error) = written.and_then(|text| std::fs::write(places_file(world), text)) {
        tracing::warn!(%error, "a later host will not know where views stand");
    }
}

fn read_places(world: &World) -> Vec<ViewPlace> {
    let text = std::fs::read(places_file(world)).unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default()
}

/// Finds the views an earlier host opened, and tells the loop of those that closed meanwhile. Done once;
/// nothing is opened before, or it would be taken for what is gone.
pub async fn find_again(world: &Arc<World>) {
    world.backends.found.get_or_init(|| find(world)).await;
}

async fn find(world: &Arc<World>) {
    for place in read_places(world) {
        let Ok(tmux) = world.backends.tmux(world, &place).await else { continue };
        for view in tmux.list().await.unwrap_or_default() {
            if let Ok(agent) = view.agent.parse::<AgentKey>() {
                lock(&world.backends.known).add_pane(view.id, &agent);
            }
        }
    }
    tell_gone(world, None).await;
}

/// Tells the loop of views it counts as open and which are not: those that an earlier host opened, or that
/// closed before the loop knew them.
pub(super) async fn tell_gone(world: &Arc<World>, only: Option<&[AgentKey]>) {
    let only = only.map(<[AgentKey]>::to_vec);
    let counted = world
        .engine()
        .ask(move |state| {
            let is_meant = |key: &AgentKey| only.as_ref().is_none_or(|only| only.contains(key));
            let agents =
                state.agents.values().filter(|agent| !agent.views.is_empty() && is_meant(&agent.key));
            agents.map(|agent| (agent.key.clone(), agent.views.clone())).collect::<Vec<_>>()
        })
        .await
        .unwrap_or_default();
    for (agent, views) in counted {
        for (backend, name) in views.iter().filter_map(|view| view.split_once(':')) {
            // An editor's windows were known by its connection, which ended with the host it was to.
            if !lock(&world.backends.known).stands(&agent, backend, name) {
                world.engine().tell(Input::ViewClosed { agent: agent.clone(), view: name.to_owned() });
            }
        }
    }
}

/// Tells the loop that an editor is gone, and its windows with it.
pub fn editor_left(world: &World, editor: u64) {
    for (agent, view) in lock(&world.backends.known).editor_gone(editor) {
        world.engine().tell(Input::ViewClosed { agent, view });
    }
}

/// Tells the loop of views that close.
async fn watch(
    world: Arc<World>,
    mut events: tokio::sync::mpsc::UnboundedReceiver<ViewEvent>,
    server: String,
) {
    while let Some(event) = events.recv().await {
        match event {
            ViewEvent::ViewClosed(view) => {
                let agent = lock(&world.backends.known).pane_closed(view);
                if let Some(agent) = agent {
                    world.engine().tell(Input::ViewClosed { agent, view: view.pane.to_string() });
                }
            }
            ViewEvent::ServerGone { server_pid, views } => {
                let gone = lock(&world.backends.known).server_gone(server_pid, views);
                for (view, agent) in gone {
                    world.engine().tell(Input::ViewClosed { agent, view: view.pane.to_string() });
                }
                world.backends.servers.lock().await.remove(&server);
            }
        }
    }
}

fn request(world: &World, agent: &AgentKey) -> ViewRequest {
    let mut argv: Vec<OsString> = vec![world.programs.orchflow.clone().into()];
    argv.extend(["attach".into(), agent.to_string().into()]);
    ViewRequest {
        agent: agent.to_string(),
        title: agent.name.clone(),
        argv,
        cwd: world.repository.worktree().to_path_buf(),
    }
}

pub(super) async fn open(world: &Arc<World>, agents: &[AgentKey], place: &ViewPlace) -> Outcome {
    find_again(world).await;
    Outcome::ViewsOpened(match place.backend.as_str() {
        "tmux" => open_in_tmux(world, agents, place).await,
        "nvim" => open_in_editor(world, agents, place).await,
        other => agents.iter().map(|agent| (agent.clone(), Err(format!("no views in {other}")))).collect(),
    })
}

async fn open_in_tmux(
    world: &Arc<World>,
    agents: &[AgentKey],
    place: &ViewPlace,
) -> Vec<PerAgent<(String, String)>> {
    let tmux = match world.backends.tmux(world, place).await {
        Ok(tmux) => tmux,
        Err(why) => return agents.iter().map(|agent| (agent.clone(), Err(why.clone()))).collect(),
    };
    let shown = |pane: ViewId| Ok(("tmux".to_owned(), pane.pane.to_string()));
    let mut results = Vec::new();
    let mut wanted = Vec::new();
    for agent in agents {
        // A host that was killed may have opened it already.
        let standing = lock(&world.backends.known).pane_of(agent);
        match standing {
            Some(pane) => results.push((agent.clone(), shown(pane))),
            None => wanted.push(agent),
        }
    }
    let requests: Vec<ViewRequest> = wanted.iter().map(|agent| request(world, agent)).collect();
    for (agent, opened) in wanted.into_iter().zip(tmux.open_many(&requests).await) {
        let result = match opened {
            Opened::View(pane) if lock(&world.backends.known).add_pane(pane, agent) => shown(pane),
            Opened::View(_) => Err("its pane was closed at once".to_owned()),
            Opened::Detached(reason) => Err(reason.to_string()),
        };
        results.push((agent.clone(), result));
    }
    results
}

async fn open_in_editor(
    world: &Arc<World>,
    agents: &[AgentKey],
    place: &ViewPlace,
) -> Vec<PerAgent<(String, String)>> {
    let mut results = Vec::new();
    for agent in agents {
        let result = match place.editor {
            None => Err("the editor is gone".to_owned()),
            Some(editor) => {
                let argv: Vec<String> = request(world, agent)
                    .argv
                    .iter()
                    .map(|word| word.to_string_lossy().into_owned())
                    .collect();
                let params = json!({
                    "agent": agent.name, "run": agent.run, "argv": argv, "name": agent.name,
                });
                world.editors.call(editor, "open_view", params).await.and_then(|answer| {
                    // An editor without room for a window says so by giving none.
                    let window = answer.get("window").and_then(serde_json::Value::as_i64);
                    let reason = answer.get("reason").and_then(serde_json::Value::as_str);
                    let window =
                        window.ok_or_else(|| reason.unwrap_or("the editor opened no window").to_owned())?;
                    let name = window.to_string();
                    lock(&world.backends.known).add_window(editor, agent, name.clone());
                    if world.editors.is_connected(editor) {
                        return Ok(("nvim".to_owned(), name));
                    }
                    editor_left(world, editor);
                    Err("the editor is gone".to_owned())
                })
            }
        };
        results.push((agent.clone(), result));
    }
    results
}
