//! Where the views of new agents go.

use orchflow_core::command::ViewPlace;
use orchflow_core::event::payload::Bytes;
use orchflow_core::{Code, Refusal};
use serde::Deserialize;

use super::Session;
use crate::config::{Config, PaneLayout, TmuxServer};
use crate::world::World;

/// Where a front says that it is.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Front {
    tmux: Option<String>,
    tmux_pane: Option<String>,
    wezterm_socket: Option<String>,
    wezterm_pane: Option<String>,
    /// What its `TERM_PROGRAM` says: each terminal program sets it for what runs in it, so it names the innermost.
    term_program: Option<String>,
}

impl Front {
    fn has_tmux(&self, config: &Config) -> bool {
        let is_inside = self.tmux.is_some() && self.tmux_pane.is_some();
        is_inside || config.tmux.server == TmuxServer::Private
    }

    fn has_wezterm(&self) -> bool {
        self.wezterm_socket.is_some() && self.wezterm_pane.is_some()
    }

    /// Names the terminal program whose panes are taken unasked: the innermost, which is tmux where both are, unless
    /// that wezterm was started from inside the tmux.
    fn innermost(&self, config: &Config) -> Option<&'static str> {
        let started_from_tmux = self.term_program.as_deref() == Some("WezTerm");
        match (self.has_tmux(config), self.has_wezterm()) {
            (true, true) if started_from_tmux && config.tmux.server == TmuxServer::User => Some("wezterm"),
            (true, _) => Some("tmux"),
            (false, true) => Some("wezterm"),
            (false, false) => None,
        }
    }
}

/// Decides where views go. Gives a note when they go nowhere.
pub(super) fn place(
    world: &World,
    session: &Session,
    view: Option<&str>,
    front: &Front,
) -> Result<(ViewPlace, Option<String>), Refusal> {
    decide(&world.config, session.editor, view, front)
}

fn decide(
    config: &Config,
    editor: Option<u64>,
    view: Option<&str>,
    front: &Front,
) -> Result<(ViewPlace, Option<String>), Refusal> {
    let tmux = || ViewPlace {
        backend: "tmux".to_owned(),
        tmux: front.tmux.as_deref().map(Bytes::from),
        tmux_pane: front.tmux_pane.clone(),
        editor,
        ..ViewPlace::default()
    };
    let wezterm = || ViewPlace {
        backend: "wezterm".to_owned(),
        wezterm_socket: front.wezterm_socket.as_deref().map(Bytes::from),
        wezterm_pane: front.wezterm_pane.clone(),
        editor,
        ..ViewPlace::default()
    };
    let nvim = || ViewPlace { backend: "nvim".to_owned(), editor, ..ViewPlace::default() };
    let none = || ViewPlace { backend: "none".to_owned(), ..ViewPlace::default() };
    let place = match view.unwrap_or("auto") {
        "none" => none(),
        "tmux" if front.has_tmux(config) => tmux(),
        "tmux" => {
            return Err(Refusal::new(Code::Usage, "this front does not run inside tmux")
                .hint("start it in tmux, or set tmux.server = \"private\" in config.toml"));
        }
        "wezterm" if front.has_wezterm() => wezterm(),
        "wezterm" => {
            return Err(Refusal::new(Code::Usage, "this front does not run inside wezterm")
                .hint("start it in a wezterm window, or choose --view nvim or --view none"));
        }
        "nvim" if editor.is_some() => nvim(),
        "nvim" => return Err(Refusal::new(Code::Usage, "--view nvim works only inside Neovim")),
        "auto" => match front.innermost(config) {
            Some("tmux") if config.tmux.layout == PaneLayout::None => none(),
            Some("tmux") => tmux(),
            Some(_) if config.wezterm.layout == PaneLayout::None => none(),
            Some(_) => wezterm(),
            None if config.tmux.layout == PaneLayout::None => none(),
            None if editor.is_some() => nvim(),
            None => {
                let note =
                    "no tmux or wezterm here: the agents are not shown; orchflow attach NAME shows one";
                return Ok((none(), Some(note.to_owned())));
            }
        },
        other => {
            let message = format!("--view {other} is none of auto, tmux, wezterm, nvim, none");
            return Err(Refusal::new(Code::Usage, message));
        }
    };
    Ok((place, None))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn front(tmux: bool, wezterm: bool, program: Option<&str>) -> Front {
        Front {
            tmux: tmux.then(|| "/tmp/x,1,0".to_owned()),
            tmux_pane: tmux.then(|| "%1".to_owned()),
            wezterm_socket: wezterm.then(|| "/run/gui-sock-7".to_owned()),
            wezterm_pane: wezterm.then(|| "3".to_owned()),
            term_program: program.map(str::to_owned),
        }
    }

    fn chosen(config: &Config, editor: Option<u64>, view: Option<&str>, front: &Front) -> String {
        decide(config, editor, view, front).map_or_else(|refusal| refusal.message, |(place, _)| place.backend)
    }

    #[test]
    fn the_innermost_terminal_program_is_taken() {
        let config = Config::default();
        for (tmux, wezterm, program, editor, expected) in [
            (false, false, None, None, "none"),
            (false, false, None, Some(1), "nvim"),
            (true, false, Some("tmux"), Some(1), "tmux"),
            (false, true, Some("WezTerm"), Some(1), "wezterm"),
            (true, true, Some("tmux"), Some(1), "tmux"),
            (true, true, None, None, "tmux"),
            (true, true, Some("WezTerm"), None, "wezterm"),
        ] {
            let place = chosen(&config, editor, None, &front(tmux, wezterm, program));
            assert_eq!(place, expected, "{tmux} {wezterm} {program:?}");
        }
        let (place, _) = decide(&config, None, None, &front(false, true, None)).unwrap();
        assert_eq!(place.wezterm_pane.as_deref(), Some("3"));
        assert_eq!((place.tmux, place.tmux_pane), (None, None));
    }

    #[test]
    fn what_is_asked_for_comes_first_and_is_refused_where_it_is_not() {
        let config = Config::default();
        assert_eq!(chosen(&config, None, Some("wezterm"), &front(true, true, None)), "wezterm");
        assert_eq!(chosen(&config, None, Some("tmux"), &front(true, true, Some("WezTerm"))), "tmux");
        let nowhere = front(false, false, None);
        assert!(chosen(&config, None, Some("wezterm"), &nowhere).contains("not run inside wezterm"));
        assert!(chosen(&config, None, Some("screen"), &nowhere).contains("auto, tmux, wezterm, nvim, none"));
    }

    #[test]
    fn a_layout_of_none_opens_nothing_by_itself() {
        let mut config = Config::default();
        config.wezterm.layout = PaneLayout::None;
        assert_eq!(chosen(&config, Some(1), None, &front(false, true, None)), "none");
        assert_eq!(chosen(&config, Some(1), None, &front(true, true, None)), "tmux");
    }
}
