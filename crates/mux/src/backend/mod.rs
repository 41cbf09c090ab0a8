//! Backends place *views*: they open a view here, focus it, name it, close it and list them.
//!
//! A view is a program that shows a runner (`orchflow attach …`); a backend never carries the bytes it shows,
//! and an agent never depends on one. Whatever a backend cannot place is *detached*, with a reason in words.

pub mod error;
pub mod layout;
pub mod none;
pub mod tmux;
pub mod view;
pub mod watch;
pub mod wezterm;

pub use error::BackendError;
pub use none::NoBackend;
pub use tmux::Tmux;
pub use view::{Opened, PaneId, Reason, ViewEvent, ViewId, ViewInfo, ViewRequest};
pub use wezterm::{Wezterm, WeztermError};

use tokio::sync::mpsc::UnboundedReceiver;

/// Places views in one terminal program, or in none.
#[derive(Debug)]
pub enum Backend {
    /// Opens nothing; every agent stays detached.
    None(NoBackend),
    /// Opens tmux panes or windows.
    Tmux(Box<Tmux>),
    /// Opens wezterm panes.
    Wezterm(Box<Wezterm>),
}

impl Backend {
    /// Gives the word for it that stands before a view's name, as in `tmux:%5`.
    pub fn word(&self) -> &'static str {
        match self {
            Backend::None(_) => "none",
            Backend::Tmux(_) => "tmux",
            Backend::Wezterm(_) => "wezterm",
        }
    }

    /// Names a view as this backend's own commands do: `%5` in tmux, `5` in wezterm.
    pub fn name_of(&self, view: &ViewId) -> String {
        match self {
            Backend::Wezterm(_) => view.pane.0.to_string(),
            Backend::None(_) | Backend::Tmux(_) => view.pane.to_string(),
        }
    }

    /// Opens a view for each request, in order, and says for each one what became of it.
    ///
    /// A view that cannot be opened is no failure of the agent: it is [`Opened::Detached`] with the reason.
    pub async fn open_many(&self, requests: &[ViewRequest]) -> Vec<Opened> {
        match self {
            Backend::None(none) => none.open_many(requests),
            Backend::Tmux(tmux) => tmux.open_many(requests).await,
            Backend::Wezterm(wezterm) => wezterm.open_many(requests).await,
        }
    }

    /// Moves the user to a view.
    ///
    /// # Errors
    ///
    /// [`BackendError::Stale`] when the view is no longer the one that was opened.
    pub async fn focus(&self, view: &ViewId) -> Result<(), BackendError> {
        match self {
            Backend::None(_) => Err(BackendError::Stale { view: *view }),
            Backend::Tmux(tmux) => tmux.focus(view).await,
            Backend::Wezterm(wezterm) => wezterm.focus(view).await,
        }
    }

    /// Sets the title shown with a view.
    ///
    /// # Errors
    ///
    /// [`BackendError::Stale`] when the view is no longer the one that was opened.
    pub async fn rename(&self, view: &ViewId, title: &str) -> Result<(), BackendError> {
        match self {
            Backend::None(_) => Err(BackendError::Stale { view: *view }),
            Backend::Tmux(tmux) => tmux.rename(view, title).await,
            Backend::Wezterm(wezterm) => wezterm.rename(view, title).await,
        }
    }

    /// Closes a view; the agent it shows lives on. A view that is gone already is closed.
    ///
    /// # Errors
    ///
    /// What the terminal program answered, if it could not.
    pub async fn close(&self, view: &ViewId) -> Result<(), BackendError> {
        match self {
            Backend::None(_) => Ok(()),
            Backend::Tmux(tmux) => tmux.close(view).await,
            Backend::Wezterm(wezterm) => wezterm.close(view).await,
        }
    }

    /// Lists the views of this owner that stand now, also those opened by an earlier host, and watches them.
    ///
    /// # Errors
    ///
    /// What kept the terminal program from answering; a program that is not running has no views.
    pub async fn list(&self) -> Result<Vec<ViewInfo>, BackendError> {
        match self {
            Backend::None(_) => Ok(Vec::new()),
            Backend::Tmux(tmux) => tmux.list().await,
            Backend::Wezterm(wezterm) => wezterm.list().await,
        }
    }

    /// Says whether a view still stands as it was opened.
    ///
    /// # Errors
    ///
    /// What kept the terminal program from answering.
    pub async fn alive(&self, view: &ViewId) -> Result<bool, BackendError> {
        match self {
            Backend::None(_) => Ok(false),
            Backend::Tmux(tmux) => tmux.alive(view).await,
            Backend::Wezterm(wezterm) => wezterm.alive(view).await,
        }
    }

    /// Hands over the channel that tells of views that closed; the first caller gets it.
    pub fn events(&self) -> Option<UnboundedReceiver<ViewEvent>> {
        match self {
            Backend::None(_) => None,
            Backend::Tmux(tmux) => tmux.events(),
            Backend::Wezterm(wezterm) => wezterm.events(),
        }
    }
}
