//! Views opened where the front is: beside it in tmux or wezterm, or in a window of the editor.

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
use orchflow_core::event::payload::Bytes;
use orchflow_mux::backend::layout::Layout;
use orchflow_mux::backend::tmux::conversation::Socket;
use orchflow_mux::backend::tmux::{Place, TmuxOptions};
use orchflow_mux::backend::wezterm::{Place as WeztermPlace, WeztermOptions};
use orchflow_mux::backend::{Backend, BackendError, Opened, Tmux, ViewEvent, ViewId, ViewRequest, Wezterm};
use serde_json::json;
use tokio::sync::OnceCell;

use self::known::Known;
use crate::config::{Config, PaneLayout, TmuxServer};
use crate::world::{World, lock};

/// The places views are opened in, each connected when first needed.
pub struct Backends {
    config: Config,
    key: String,
    /// Connected servers, by what the front's environment said of them.
    servers: tokio::sync::Mutex<HashMap<String, Arc<Backend>>>,
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
    pub fn new(config: &Config, key: &str) -> Backends {
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

    /// Gives the name of a place's server and its pane, by which it is connected once.
    fn name(&self, place: &ViewPlace) -> String {
        let of = |server: &Option<Bytes>, pane: &Option<String>| {
            let server = server.as_ref().map(Bytes::lossy).unwrap_or_default();
            format!("{server} {}", pane.as_deref().unwrap_or_default())
        };
        match place.backend.as_str() {
            "wezterm" => of(&place.wezterm_socket, &place.wezterm_pane),
            _ if self.config.tmux.server == TmuxServer::Private => "private".to_owned(),
            _ => of(&place.tmux, &place.tmux_pane),
        }
    }

    async fn connect(&self, place: &ViewPlace) -> Result<Backend, BackendError> {
        if place.backend == "wezterm" {
            let socket = place.wezterm_socket.as_ref().map(|socket| socket.0.as_slice()).unwrap_or_default();
            let pane = place.wezterm_pane.as_deref().unwrap_or_default();
            let found = WeztermPlace::beside(OsStr::from_bytes(socket), OsStr::new(pane))?;
            let mut options = WeztermOptions::new(found, self.key.clone());
            options.layout = layout(self.config.wezterm.layout);
            return Ok(Backend::Wezterm(Box::new(Wezterm::new(options).await?)));
        }
        let found = if self.config.tmux.server == TmuxServer::Private {
            let socket = Socket::Name(format!("orchflow-{}", self.key));
            Place::Private { socket, windows: false }
        } else {
            let tmux = place.tmux.as_ref().map(|tmux| tmux.0.as_slice()).unwrap_or_default();
            let pane = place.tmux_pane.as_deref().unwrap_or_default();
            Place::beside(OsStr::from_bytes(tmux), OsStr::new(pane))?
        };
        let mut options = TmuxOptions::new(found, self.key.clone());
        options.layout = layout(self.config.tmux.layout);
        Ok(Backend::Tmux(Box::new(Tmux::new(options).await?)))
    }

    /// Gives the server of a place, connected when first needed.
    async fn server(&self, world: &Arc<World>, place: &ViewPlace) -> Result<Arc<Backend>, String> {
        let name = self.name(place);
        let mut servers = self.servers.lock().await;
        if let Some(server) = servers.get(&name) {
            return Ok(Arc::clone(server));
        }
        let server = Arc::new(self.connect(place).await.map_err(|error| error.to_string())?);
        servers.insert(name.clone(), Arc::clone(&server));
        remember(world, servers.len(), place);
        if let Some(events) = server.events() {
            tokio::spawn(watch(Arc::clone(world), events, name));
        }
        Ok(server)
    }
}

fn layout(configured: PaneLayout) -> Layout {
    match configured {
        PaneLayout::Tiled => Layout::Tiled,
        PaneLayout::Stacked => Layout::Stacked,
        PaneLayout::None => Layout::None,
    }
}

/// Brings an agent's pane to the front, if it has one that still stands. Gives its name, or why there is none.
pub async fn focus(world: &Arc<World>, agent: &AgentKey) -> Result<String, String> {
    find_again(world).await;
    let Some((view, name)) = lock(&world.backends.known).pane_of(agent) else {
        return Err("it is shown in no pane".to_owned());
    };
    let servers: Vec<Arc<Backend>> = world.backends.servers.lock().await.values().cloned().collect();
    let mut why = "its pane is gone".to_owned();
    for server in servers.iter().filter(|server| name.starts_with(server.word())) {
        // A pane is known by its server's process and its own; another that has its number is not it.
        match server.focus(&view).await {
            Ok(()) => return Ok(name),
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
        let Ok(server) = world.backends.server(world, &place).await else { continue };
        for view in server.list().await.unwrap_or_default() {
            if let Ok(agent) = view.agent.parse::<AgentKey>() {
                lock(&world.backends.known).add_pane(view.id, &agent, shown_as(&server, &view.id));
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
                let closed = lock(&world.backends.known).pane_closed(view);
                if let Some((agent, view)) = closed {
                    world.engine().tell(Input::ViewClosed { agent, view });
                }
            }
            ViewEvent::ServerGone { server_pid, views } => {
                let gone = lock(&world.backends.known).server_gone(server_pid, views);
                for (agent, view) in gone {
                    world.engine().tell(Input::ViewClosed { agent, view });
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
        "tmux" | "wezterm" => open_in_panes(world, agents, place).await,
        "nvim" => open_in_editor(world, agents, place).await,
        other => agents.iter().map(|agent| (agent.clone(), Err(format!("no views in {other}")))).collect(),
    })
}

/// Names a view as the agent's state does: `tmux:%5`.
fn shown_as(server: &Backend, view: &ViewId) -> String {
    format!("{}:{}", server.word(), server.name_of(view))
}

async fn open_in_panes(
    world: &Arc<World>,
    agents: &[AgentKey],
    place: &ViewPlace,
) -> Vec<PerAgent<(String, String)>> {
    let server = match world.backends.server(world, place).await {
        Ok(server) => server,
        Err(why) => return agents.iter().map(|agent| (agent.clone(), Err(why.clone()))).collect(),
    };
    let shown = |view: &ViewId| Ok((server.word().to_owned(), server.name_of(view)));
    let mut results = Vec::new();
    let mut wanted = Vec::new();
    for agent in agents {
        // A host that was killed may have opened it already.
        let standing = lock(&world.backends.known).pane_of(agent);
        match standing {
            Some((pane, name)) if name.starts_with(server.word()) => {
                results.push((agent.clone(), shown(&pane)));
            }
            _ => wanted.push(agent),
        }
    }
    let requests: Vec<ViewRequest> = wanted.iter().map(|agent| request(world, agent)).collect();
    for (agent, opened) in wanted.into_iter().zip(server.open_many(&requests).await) {
        let add = |pane| lock(&world.backends.known).add_pane(pane, agent, shown_as(&server, &pane));
        let result = match opened {
            Opened::View(pane) if add(pane) => shown(&pane),
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
