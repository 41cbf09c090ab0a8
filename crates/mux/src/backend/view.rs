//! What a view is, how it is asked for, and how it is recognised again.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::error::BackendError;

/// Asks for one view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ViewRequest {
    /// The agent's label, kept with the view so that a later host finds it again.
    pub agent: String,
    /// The title to show.
    pub title: String,
    /// The program and its arguments; they reach the program as they are, never through a shell.
    pub argv: Vec<OsString>,
    /// The directory the program starts in.
    pub cwd: PathBuf,
}

impl ViewRequest {
    /// Writes the command as a line that can be pasted into a POSIX shell, to say how a detached agent is
    /// seen.
    pub fn shell_line(&self) -> String {
        let words: Vec<String> = self.argv.iter().map(|word| shell_word(&word.to_string_lossy())).collect();
        words.join(" ")
    }
}

fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./=:,@+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// The number of a pane, written `%5` as tmux does; a server never gives one out twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct PaneId(pub u32);

impl fmt::Display for PaneId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "%{}", self.0)
    }
}

/// The text is not a pane id such as `%5`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a pane id; one looks like %5")]
pub struct NotAPane {
    text: String,
}

impl FromStr for PaneId {
    type Err = NotAPane;

    fn from_str(text: &str) -> Result<Self, NotAPane> {
        let wrong = || NotAPane { text: text.to_owned() };
        let digits = text.strip_prefix('%').ok_or_else(wrong)?;
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(wrong());
        }
        digits.parse().map(PaneId).map_err(|_| wrong())
    }
}

impl From<PaneId> for String {
    fn from(pane: PaneId) -> String {
        pane.to_string()
    }
}

impl TryFrom<String> for PaneId {
    type Error = NotAPane;

    fn try_from(text: String) -> Result<Self, NotAPane> {
        text.parse()
    }
}

/// Identifies a view for as long as it stands, and nothing else after that.
///
/// The pane's number is unique within one server, the server's pid tells servers apart, and the pane's pid
/// tells a view from a program that was started later in the same pane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ViewId {
    /// The process id of the terminal program's server.
    pub server_pid: u32,
    /// The pane.
    pub pane: PaneId,
    /// The process id of the program in the pane.
    pub pane_pid: u32,
}

impl fmt::Display for ViewId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} (process {} of server {})", self.pane, self.pane_pid, self.server_pid)
    }
}

/// Describes a view that stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ViewInfo {
    /// Which one it is.
    pub id: ViewId,
    /// The label it was opened for.
    pub agent: String,
    /// Its title now; the program in it may have changed it.
    pub title: String,
    /// Its width and height in cells.
    pub size: (u16, u16),
    /// Whether it is the active pane of its session's current window.
    pub active: bool,
}

/// What became of one request.
#[derive(Debug, Clone)]
pub enum Opened {
    /// A view stands.
    View(ViewId),
    /// There is no view; the agent works on without one.
    Detached(Reason),
}

impl Opened {
    /// Gives the view, where there is one.
    pub fn view(&self) -> Option<ViewId> {
        match self {
            Opened::View(view) => Some(*view),
            Opened::Detached(_) => None,
        }
    }
}

/// Why an agent has no view.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Reason {
    /// There is no terminal program to open one in.
    #[error("{why}")]
    NoTerminal {
        /// A clause such as "this is not inside tmux".
        why: String,
    },
    /// The user asked for none.
    #[error("the layout is `none`")]
    NotWanted,
    /// There are as many as may stand beside an editor.
    #[error("{most} views stand beside the editor, and that is the most there may be")]
    Enough {
        /// The most there may be.
        most: usize,
    },
    /// The editor would become too narrow.
    #[error("the editor's pane is {width} columns wide; {needed} let it keep {editor} beside a view")]
    TooNarrow {
        /// The width of the editor's pane, in columns.
        width: u16,
        /// The width that would be enough.
        needed: u16,
        /// What the editor keeps.
        editor: u16,
    },
    /// The views would become too small.
    #[error("there is no room for one more of at least {columns}×{rows} cells")]
    TooSmall {
        /// The least width of a view, in columns.
        columns: u16,
        /// The least height of a view, in rows.
        rows: u16,
    },
    /// A pane of the window is zoomed, and a new one would end that.
    #[error("the window is zoomed, and a new pane would end the zoom")]
    Zoomed,
    /// The terminal program could not.
    #[error("{0}")]
    Failed(Arc<BackendError>),
}

impl From<BackendError> for Reason {
    fn from(error: BackendError) -> Self {
        Reason::Failed(Arc::new(error))
    }
}

/// Tells that views are gone. Each view is told of once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ViewEvent {
    /// The view's program ended: the user closed it, it was closed on request, or it left by itself.
    ViewClosed(ViewId),
    /// The terminal program's server ended, and with it all its views.
    ServerGone {
        /// The server's process id.
        server_pid: u32,
        /// Those of its views that had not been told of.
        views: Vec<ViewId>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pane_ids_are_read_strictly() {
        assert_eq!("%5".parse(), Ok(PaneId(5)));
        assert_eq!(PaneId(17).to_string(), "%17");
        for wrong in ["", "%", "5", "%-1", "%+1", "% 1", "%1 ", "%1.2", "%99999999999", "@1"] {
            assert!(wrong.parse::<PaneId>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_view_id_is_kept_as_json() {
        let view = ViewId { server_pid: 10, pane: PaneId(5), pane_pid: 11 };
        let text = serde_json::to_string(&view).unwrap();
        assert_eq!(text, r#"{"server_pid":10,"pane":"%5","pane_pid":11}"#);
        assert_eq!(serde_json::from_str::<ViewId>(&text).unwrap(), view);
        assert!(serde_json::from_str::<ViewId>(&text.replace("%5", "5")).is_err());
    }

    #[test]
    fn the_line_to_paste_is_quoted() {
        let argv = ["orchflow", "attach", "it's", "", "a b"].map(OsString::from).to_vec();
        let request = ViewRequest { agent: "x".into(), title: "x".into(), argv, cwd: "/".into() };
        assert_eq!(request.shell_line(), r"orchflow attach 'it'\''s' '' 'a b'");
    }
}
