//! Views as tmux panes, beside the editor in the user's own server, or in a private one.
//!
//! - [`grammar`]: the control-mode stream; [`words`]: text of any content through tmux and back;
//! - [`conversation`]: one exchange of commands and answers with a server; [`version`]: which tmux it is;
//! - [`open`]: opening views where the [layout](super::layout) has them;
//! - [`pane`]: how panes are listed and recognised; their end is [watched](super::watch).
//!
//! The user's tmux stays the user's: nothing here takes the focus unasked, ends a zoom, resizes a window to
//! anything but the room of the new panes, sets an option outside its own panes, or stays attached to a
//! session.

pub mod conversation;
pub mod grammar;
pub mod open;
pub mod pane;
pub mod version;
pub mod words;

use std::ffi::OsStr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;

use self::conversation::{Command, Conversation, Socket};
use self::pane::Pane;
use super::layout::Layout;
use super::watch::Watch;
use super::{BackendError, PaneId, ViewEvent, ViewId, ViewInfo};

/// How long a server may take for one exchange; a healthy one needs milliseconds.
const DEFAULT_LIMIT: Duration = Duration::from_secs(5);

/// Where views are opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// To the right of an editor's pane in the user's server.
    Beside {
        /// The server's socket.
        socket: PathBuf,
        /// The server's process id, so that a later server at the same socket is not taken for it.
        server_pid: u32,
        /// The editor's pane.
        pane: PaneId,
    },
    /// In a session named `orchflow` of a server of its own, which runs without the user's configuration
    /// and ends with the last view.
    Private {
        /// The server's socket.
        socket: Socket,
        /// A window for each view, rather than up to four as panes of one.
        windows: bool,
    },
}

impl Place {
    /// Reads where a front is from its `TMUX` and `TMUX_PANE`.
    ///
    /// # Errors
    ///
    /// [`BackendError::NotInTmux`] names the variable that is not what tmux sets.
    pub fn beside(tmux: &OsStr, tmux_pane: &OsStr) -> Result<Self, BackendError> {
        let wrong = |variable, value: &OsStr| BackendError::NotInTmux {
            variable,
            value: value.to_string_lossy().into_owned(),
        };
        // SOCKET,PID,SESSION; only the socket may hold a comma.
        let mut parts = tmux.as_bytes().rsplitn(3, |byte| *byte == b',').skip(1);
        let server_pid = parts.next().and_then(|pid| std::str::from_utf8(pid).ok()?.parse().ok());
        let socket = parts.next().filter(|socket| socket.first() == Some(&b'/'));
        let (Some(server_pid), Some(socket)) = (server_pid, socket) else {
            return Err(wrong("TMUX", tmux));
        };
        let pane = tmux_pane.to_str().and_then(|pane| pane.parse().ok());
        let pane = pane.ok_or_else(|| wrong("TMUX_PANE", tmux_pane))?;
        let socket = PathBuf::from(std::ffi::OsString::from_vec(socket.to_vec()));
        Ok(Place::Beside { socket, server_pid, pane })
    }
}

/// What a tmux backend needs to know.
#[derive(Debug, Clone)]
pub struct TmuxOptions {
    /// The tmux program.
    pub program: PathBuf,
    /// Where views are opened.
    pub place: Place,
    /// How they are arranged.
    pub layout: Layout,
    /// Whose views these are; [`Tmux::list`] finds only views of the same owner.
    pub owner: String,
    /// How long the server may take for one exchange.
    pub limit: Duration,
}

impl TmuxOptions {
    /// Takes `tmux` from the `PATH`, tiles the views and waits five seconds at most.
    pub fn new(place: Place, owner: impl Into<String>) -> Self {
        TmuxOptions {
            program: PathBuf::from("tmux"),
            place,
            layout: Layout::default(),
            owner: owner.into(),
            limit: DEFAULT_LIMIT,
        }
    }
}

/// Places views in one tmux server. Needs a tokio runtime with I/O and time.
#[derive(Debug)]
pub struct Tmux {
    options: TmuxOptions,
    conversation: Conversation,
    watch: Watch,
    /// Held while views are opened, so that two openings do not plan for the same room.
    opening: tokio::sync::Mutex<()>,
}

impl Tmux {
    /// Checks that tmux is there and new enough, and starts nothing yet.
    ///
    /// A running server is spoken to with the program it was started from, where that can be found, for tmux
    /// answers only its own version.
    ///
    /// # Errors
    ///
    /// [`BackendError::ProgramMissing`] or [`BackendError::TooOld`].
    pub async fn new(options: TmuxOptions) -> Result<Self, BackendError> {
        let talk = |program, socket: &Socket| Conversation::new(program, socket.clone(), options.limit);
        let conversation = match &options.place {
            Place::Beside { socket, server_pid, .. } => {
                let socket = Socket::Path(socket.clone());
                let own = program_of(*server_pid).map(|program| talk(program, &socket));
                match own {
                    Some(own) if own.check_version().await.is_ok() => own,
                    _ => checked(talk(options.program.clone(), &socket)).await?,
                }
            }
            Place::Private { socket, .. } => checked(talk(options.program.clone(), socket)).await?,
        };
        Ok(Tmux { options, conversation, watch: Watch::default(), opening: tokio::sync::Mutex::new(()) })
    }

    /// Moves the user to a view: its window becomes the session's current one, its pane the window's active
    /// one. Where the window is zoomed, the zoom moves along.
    ///
    /// # Errors
    ///
    /// [`BackendError::Stale`] when the view is no longer the one that was opened.
    pub async fn focus(&self, view: &ViewId) -> Result<(), BackendError> {
        let panes = self.panes().await?;
        let mut standing = panes.iter().filter(|pane| pane.id == *view && !pane.dead);
        let Some(first) = standing.next() else { return Err(BackendError::Stale { view: *view }) };
        let front = match &self.options.place {
            Place::Beside { pane: editor, .. } => panes.iter().find(|pane| pane.id.pane == *editor),
            Place::Private { .. } => None,
        };
        // A window can be linked into several sessions: the front's own comes first.
        let shown_here = |pane: &&Pane| front.is_some_and(|front| front.session == pane.session);
        let pane = std::iter::once(first).chain(standing).find(shown_here).unwrap_or(first);
        let window = format!("{}:{}", pane.session, pane.window);
        let mut commands = vec![
            Command::new("select-window").args(["-t", &window]),
            Command::new("select-pane").args(["-Z", "-t", &view.pane.to_string()]),
        ];
        if let Some(front) = front.filter(|front| front.session != pane.session) {
            commands.extend(self.switches(&front.session, &pane.session).await?);
        }
        let outcomes = self.conversation.until_error(&commands).await?;
        for (outcome, command) in outcomes.into_iter().zip(&commands) {
            outcome.output(command)?;
        }
        Ok(())
    }

    /// Brings the clients of one session to another, to which the user carried the view.
    async fn switches(&self, from: &str, to: &str) -> Result<Vec<Command>, BackendError> {
        let clients = Command::new("list-clients").args(["-t", from, "-F", "#{client_name}"]);
        let clients = self.conversation.ask(&clients).await?;
        Ok(clients
            .iter()
            .map(|client| Command::new("switch-client").args(["-c", client, "-t", to]))
            .collect())
    }

    /// Sets the title of a view's pane.
    ///
    /// # Errors
    ///
    /// [`BackendError::Stale`] when the view is no longer the one that was opened.
    pub async fn rename(&self, view: &ViewId, title: &str) -> Result<(), BackendError> {
        if !self.alive(view).await? {
            return Err(BackendError::Stale { view: *view });
        }
        self.conversation.ask(&set_title(view.pane, title)).await.map(drop)
    }

    /// Closes a view's pane; one that is gone, or is no longer this view, is left as it is.
    ///
    /// # Errors
    ///
    /// What tmux answered, if the view stands on.
    pub async fn close(&self, view: &ViewId) -> Result<(), BackendError> {
        if !self.alive(view).await? {
            return Ok(());
        }
        let kill = Command::new("kill-pane").args(["-t", &view.pane.to_string()]);
        match self.conversation.ask(&kill).await {
            // It may have closed by itself meanwhile; with the last one its server ends too.
            Err(BackendError::Refused { .. } | BackendError::NoServer { .. })
                if !self.alive(view).await? =>
            {
                Ok(())
            }
            answer => answer.map(drop),
        }
    }

    /// Lists the owner's views, also those an earlier host opened, and watches them from now on.
    ///
    /// # Errors
    ///
    /// What kept the server from answering; a server that does not run has no views.
    pub async fn list(&self) -> Result<Vec<ViewInfo>, BackendError> {
        self.watch.all_of(|| self.views()).await
    }

    /// Says whether a view still stands as it was opened.
    ///
    /// # Errors
    ///
    /// What kept the server from answering.
    pub async fn alive(&self, view: &ViewId) -> Result<bool, BackendError> {
        Ok(self.panes().await?.iter().any(|pane| pane.id == *view && !pane.dead))
    }

    /// Hands over the channel that tells of views that closed; the first caller gets it.
    pub fn events(&self) -> Option<UnboundedReceiver<ViewEvent>> {
        self.watch.events()
    }

    async fn views(&self) -> Result<Vec<ViewInfo>, BackendError> {
        let mut views: Vec<ViewInfo> = Vec::new();
        for view in self.panes().await?.iter().filter_map(|pane| pane.view_of(&self.options.owner)) {
            match views.iter_mut().find(|known| known.id == view.id) {
                Some(known) => known.active |= view.active,
                None => views.push(view),
            }
        }
        Ok(views)
    }

    /// Lists all panes of the server; a server that does not run has none.
    async fn panes(&self) -> Result<Vec<Pane>, BackendError> {
        match self.conversation.ask(&pane::everywhere()).await {
            Ok(lines) => pane::read(&lines),
            Err(BackendError::NoServer { .. }) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }
}

async fn checked(conversation: Conversation) -> Result<Conversation, BackendError> {
    conversation.check_version().await?;
    Ok(conversation)
}

/// Finds the program a server was started from, also if it has been replaced since. Only one that is called
/// tmux is believed, for the server may have ended and its number be another process's.
fn program_of(server_pid: u32) -> Option<PathBuf> {
    let link = PathBuf::from(format!("/proc/{server_pid}/exe"));
    let program = std::fs::read_link(&link).ok()?;
    match program.file_name()?.as_bytes() {
        b"tmux" => Some(program),
        b"tmux (deleted)" => Some(link),
        _ => None,
    }
}

fn set_title(pane: PaneId, title: &str) -> Command {
    let title = words::literal(OsStr::new(&words::title(title)));
    Command::new("select-pane").args(["-t", &pane.to_string(), "-T"]).arg(title)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beside(tmux: &str, pane: &str) -> Result<Place, BackendError> {
        Place::beside(OsStr::new(tmux), OsStr::new(pane))
    }

    #[test]
    fn a_front_is_found_by_its_environment() {
        let expected = Place::Beside { socket: "/tmp/a,b/default".into(), server_pid: 4242, pane: PaneId(7) };
        assert_eq!(beside("/tmp/a,b/default,4242,0", "%7").unwrap(), expected);
        for (tmux, pane, variable) in [
            ("", "%7", "TMUX"),
            ("/tmp/x", "%7", "TMUX"),
            ("/tmp/x,pid,0", "%7", "TMUX"),
            ("x,1,0", "%7", "TMUX"),
            (",1,0", "%7", "TMUX"),
            ("/tmp/x,1,0", "", "TMUX_PANE"),
            ("/tmp/x,1,0", "7", "TMUX_PANE"),
        ] {
            let message = beside(tmux, pane).unwrap_err().to_string();
            assert!(message.starts_with(&format!("{variable} is ")), "{message}");
        }
    }
}
