//! Views as wezterm panes beside the editor, by `wezterm cli`.
//!
//! - [`grammar`]: what the `cli` prints; [`conversation`]: its calls;
//! - [`process`]: the program in a pane, and the mark by which a view is known again;
//! - [`open`]: opening views where the [layout](super::layout) has them.
//!
//! The `cli` tells of nothing by itself: not of a pane that closed, not of how its program ended, not of a pane's
//! process. So a view is held by its process, which its terminal leads to, and [watched](super::watch) like any other:
//! wezterm is asked when something is wanted, never to find out whether something changed.

pub mod conversation;
pub mod error;
pub mod grammar;
pub mod open;
pub mod process;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;

pub use self::error::WeztermError;

use self::conversation::{Conversation, words};
use self::grammar::Pane;
use self::process::Leaders;
use super::layout::Layout;
use super::watch::Watch;
use super::{BackendError, PaneId, ViewEvent, ViewId, ViewInfo};

/// How long wezterm may take for one answer; a healthy one needs milliseconds.
const DEFAULT_LIMIT: Duration = Duration::from_secs(5);

/// Where views are opened: to the right of an editor's pane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The socket of the window's process or of the mux server the pane belongs to.
    pub socket: PathBuf,
    /// The editor's pane.
    pub pane: PaneId,
}

impl Place {
    /// Reads where a front is from its `WEZTERM_UNIX_SOCKET` and `WEZTERM_PANE`.
    ///
    /// # Errors
    ///
    /// [`WeztermError::NotInWezterm`] names the variable that is not what wezterm sets.
    pub fn beside(socket: &OsStr, pane: &OsStr) -> Result<Self, WeztermError> {
        let wrong = |variable, value: &OsStr| WeztermError::NotInWezterm {
            variable,
            value: value.to_string_lossy().into_owned(),
        };
        if socket.as_bytes().first() != Some(&b'/') || socket.as_bytes().contains(&0) {
            return Err(wrong("WEZTERM_UNIX_SOCKET", socket));
        }
        let number = pane.to_str().and_then(grammar::read_own_pane);
        let pane = number.ok_or_else(|| wrong("WEZTERM_PANE", pane))?;
        Ok(Place { socket: PathBuf::from(socket), pane })
    }
}

/// What a wezterm backend needs to know.
#[derive(Debug, Clone)]
pub struct WeztermOptions {
    /// The wezterm program, used where none stands beside the server's own.
    pub program: PathBuf,
    /// Where views are opened.
    pub place: Place,
    /// How they are arranged.
    pub layout: Layout,
    /// Whose views these are; [`Wezterm::list`] finds only views of the same owner. It holds no colon.
    pub owner: String,
    /// How long wezterm may take for one answer.
    pub limit: Duration,
}

impl WeztermOptions {
    /// Takes `wezterm` from the `PATH`, tiles the views and waits five seconds at most.
    pub fn new(place: Place, owner: impl Into<String>) -> Self {
        WeztermOptions {
            program: PathBuf::from("wezterm"),
            place,
            layout: Layout::default(),
            owner: owner.into(),
            limit: DEFAULT_LIMIT,
        }
    }
}

/// Places views in one wezterm. Needs a tokio runtime with I/O and time.
#[derive(Debug)]
pub struct Wezterm {
    options: WeztermOptions,
    conversation: Conversation,
    /// The process that listened at the socket when this was made; a later one there is another wezterm.
    server_pid: u32,
    watch: Watch,
    /// Held while views are opened, so that two openings do not plan for the same room.
    opening: tokio::sync::Mutex<()>,
}

impl Wezterm {
    /// Finds out who listens at the socket, and asks nothing yet.
    ///
    /// # Errors
    ///
    /// [`WeztermError::NoServer`] when nobody does.
    pub async fn new(options: WeztermOptions) -> Result<Self, WeztermError> {
        let socket = options.place.socket.clone();
        let conversation = Conversation::new(options.program.clone(), socket, options.limit);
        let server_pid = conversation.server_pid().await?;
        Ok(Wezterm {
            options,
            conversation: conversation.beside(server_pid),
            server_pid,
            watch: Watch::default(),
            opening: tokio::sync::Mutex::new(()),
        })
    }

    /// Moves the user to a view: it becomes the active pane, its tab the window's active one.
    ///
    /// # Errors
    ///
    /// [`BackendError::Stale`] when the view is no longer the one that was opened.
    pub async fn focus(&self, view: &ViewId) -> Result<(), BackendError> {
        if !self.alive(view).await? {
            return Err(BackendError::Stale { view: *view });
        }
        self.at_pane("activate-pane", view.pane).await?;
        Ok(())
    }

    /// Names the tab of a view that has one for itself. A pane among others shows what its program calls itself:
    /// wezterm has no other name for it.
    ///
    /// # Errors
    ///
    /// [`BackendError::Stale`] when the view is no longer the one that was opened.
    pub async fn rename(&self, view: &ViewId, title: &str) -> Result<(), BackendError> {
        let panes = self.panes().await?;
        let standing = standing(&panes, self.server_pid);
        if !standing.iter().any(|(pane, leader)| self.is_view(pane, *leader, view)) {
            return Err(BackendError::Stale { view: *view });
        }
        let tab = panes.iter().find(|pane| pane.id == view.pane).map(|pane| pane.tab);
        if panes.iter().filter(|pane| Some(pane.tab) == tab).count() == 1 {
            let title: String = title.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
            let mut arguments = words(["--pane-id", &view.pane.0.to_string(), "--"]);
            arguments.push(title.into());
            self.conversation.ask("set-tab-title", &arguments).await?;
        }
        Ok(())
    }

    /// Closes a view's pane; one that is gone, or is no longer this view, is left as it is.
    ///
    /// # Errors
    ///
    /// What wezterm answered, if the view stands on.
    pub async fn close(&self, view: &ViewId) -> Result<(), BackendError> {
        if !self.alive(view).await? {
            return Ok(());
        }
        match self.at_pane("kill-pane", view.pane).await {
            // It may have closed by itself meanwhile.
            Err(WeztermError::Refused { .. }) if !self.alive(view).await? => Ok(()),
            answer => Ok(answer?),
        }
    }

    /// Lists the owner's views, also those an earlier host opened, and watches them from now on.
    ///
    /// # Errors
    ///
    /// What kept wezterm from answering; one that has ended has no views.
    pub async fn list(&self) -> Result<Vec<ViewInfo>, BackendError> {
        self.watch.all_of(|| self.views()).await
    }

    /// Says whether a view still stands as it was opened.
    ///
    /// # Errors
    ///
    /// What kept wezterm from answering.
    pub async fn alive(&self, view: &ViewId) -> Result<bool, BackendError> {
        let panes = self.panes().await?;
        let standing = standing(&panes, self.server_pid);
        Ok(standing.iter().any(|(pane, leader)| self.is_view(pane, *leader, view)))
    }

    /// Hands over the channel that tells of views that closed; the first caller gets it.
    pub fn events(&self) -> Option<UnboundedReceiver<ViewEvent>> {
        self.watch.events()
    }

    fn is_view(&self, pane: &Pane, leader: u32, view: &ViewId) -> bool {
        let id = ViewId { server_pid: self.server_pid, pane: pane.id, pane_pid: leader };
        id == *view && process::marked(leader).is_some_and(|(owner, _)| owner == self.options.owner)
    }

    async fn views(&self) -> Result<Vec<ViewInfo>, BackendError> {
        let panes = self.panes().await?;
        let standing = standing(&panes, self.server_pid);
        let info = |(pane, leader): &(&Pane, u32)| {
            let (owner, agent) = process::marked(*leader)?;
            (owner == self.options.owner).then(|| ViewInfo {
                id: ViewId { server_pid: self.server_pid, pane: pane.id, pane_pid: *leader },
                agent,
                title: pane.title.clone(),
                size: (pane.columns, pane.rows),
                active: pane.active,
            })
        };
        Ok(standing.iter().filter_map(info).collect())
    }

    /// Lists all panes; a wezterm that has ended, or another in its place, has none of ours.
    async fn panes(&self) -> Result<Vec<Pane>, WeztermError> {
        match self.conversation.server_pid().await {
            Ok(pid) if pid == self.server_pid => {}
            Ok(_) | Err(WeztermError::NoServer { .. }) => return Ok(Vec::new()),
            Err(error) => return Err(error),
        }
        self.conversation.list().await
    }

    async fn at_pane(&self, command: &str, pane: PaneId) -> Result<(), WeztermError> {
        self.conversation.ask(command, &["--pane-id", &pane.0.to_string()]).await.map(drop)
    }
}

/// Gives the panes whose program is seen, each with its process. The server's own process is never one.
fn standing(panes: &[Pane], server_pid: u32) -> Vec<(&Pane, u32)> {
    let leaders = Leaders::now();
    let leader = |pane: &Pane| pane.tty.as_deref().and_then(|tty| leaders.of(tty));
    panes
        .iter()
        .filter_map(|pane| Some((pane, leader(pane)?)))
        .filter(|(_, leader)| *leader != server_pid)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beside(socket: &str, pane: &str) -> Result<Place, WeztermError> {
        Place::beside(OsStr::new(socket), OsStr::new(pane))
    }

    #[test]
    fn a_front_is_found_by_its_environment() {
        let expected = Place { socket: "/run/user/1/wezterm/gui-sock-7".into(), pane: PaneId(3) };
        assert_eq!(beside("/run/user/1/wezterm/gui-sock-7", "3").unwrap(), expected);
        for (socket, pane, variable) in [
            ("", "3", "WEZTERM_UNIX_SOCKET"),
            ("gui-sock-7", "3", "WEZTERM_UNIX_SOCKET"),
            ("/x", "", "WEZTERM_PANE"),
            ("/x", "%3", "WEZTERM_PANE"),
            ("/x", "-3", "WEZTERM_PANE"),
        ] {
            let message = beside(socket, pane).unwrap_err().to_string();
            assert!(message.starts_with(&format!("{variable} is ")), "{message}");
        }
    }
}
