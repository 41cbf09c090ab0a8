//! Where the views of new agents go.

use orchflow_core::command::ViewPlace;
use orchflow_core::event::payload::Bytes;
use orchflow_core::{Code, Refusal};
use serde::Deserialize;

use super::Session;
use crate::config::{TmuxLayout, TmuxServer};
use crate::world::World;

/// Where a front says that it is.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Front {
    tmux: Option<String>,
    tmux_pane: Option<String>,
}
/// Decides where views go. Gives a note when they go nowhere.
pub(super) fn place(
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
