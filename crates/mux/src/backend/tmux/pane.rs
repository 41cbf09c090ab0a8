//! A tmux pane as the server lists it.

use super::conversation::Command;
use super::words;
use crate::backend::{BackendError, PaneId, ViewId, ViewInfo};

/// The pane option that keeps the agent's label.
pub const AGENT_OPTION: &str = "@orchflow_agent";
/// The pane option that keeps whose view it is, for several hosts may share one server.
pub const OWNER_OPTION: &str = "@orchflow_owner";

/// What a new pane is asked to print: the three parts of its identity.
pub const IDENTITY_FORMAT: &str = "#{pid} #{pane_id} #{pane_pid}";

/// One line of fields without spaces, the title last since it may hold anything but a line end.
const FORMAT: &str = "#{pid} #{session_id} #{window_id} #{pane_id} #{pane_pid} #{pane_index} #{pane_width} \
    #{pane_height} #{pane_dead} #{window_zoomed_flag} #{?#{&&:#{pane_active},#{window_active}},1,0} \
    #{?@orchflow_owner,#{@orchflow_owner},-} #{?@orchflow_agent,#{@orchflow_agent},-} #{pane_title}";

/// One pane; one that is shown in several sessions is listed once for each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pane {
    /// What identifies it; the pane's pid may be 0 once its program has ended.
    pub id: ViewId,
    /// The session, such as `$0`.
    pub session: String,
    /// The window, such as `@3`.
    pub window: String,
    /// Its place in the window, counted from the user's `pane-base-index`.
    pub index: u32,
    /// Its width in columns.
    pub width: u16,
    /// Its height in rows.
    pub height: u16,
    /// Whether its program has ended while the pane was kept.
    pub dead: bool,
    /// Whether a pane of its window is zoomed.
    pub zoomed: bool,
    /// Whether it is the active pane of its session's current window.
    pub active: bool,
    /// Whose view it is, as written by [`words::label`]; nothing for a pane that is no view.
    pub owner: Option<String>,
    /// The agent's label, as written by [`words::label`].
    pub agent: String,
    /// Its title.
    pub title: String,
}

impl Pane {
    /// Describes it as a view of `owner`, unless it is none.
    pub fn view_of(&self, owner: &str) -> Option<ViewInfo> {
        if self.dead || self.owner.as_deref() != Some(&words::label(owner)) {
            return None;
        }
        Some(ViewInfo {
            id: self.id,
            agent: words::unlabel(&self.agent)?,
            title: self.title.clone(),
            size: (self.width, self.height),
            active: self.active,
        })
    }
}

/// Asks for the panes of the window that holds `pane`.
pub fn around(pane: PaneId) -> Command {
    Command::new("list-panes").args(["-t", &pane.to_string(), "-F", FORMAT])
}

/// Asks for the panes of all sessions.
pub fn everywhere() -> Command {
    Command::new("list-panes").args(["-a", "-F", FORMAT])
}

/// Reads the answer to [`around`] or [`everywhere`].
///
/// # Errors
///
/// [`BackendError::Unreadable`] with a line, if none is a pane. A single odd pane of the user's does no harm.
pub fn read(lines: &[String]) -> Result<Vec<Pane>, BackendError> {
    let panes: Vec<Pane> = lines.iter().filter_map(|line| pane(line)).collect();
    match lines.first() {
        Some(line) if panes.is_empty() => Err(unreadable("list-panes", line)),
        _ => Ok(panes),
    }
}

/// Reads what [`IDENTITY_FORMAT`] printed.
///
/// # Errors
///
/// [`BackendError::Unreadable`] if it is no identity.
pub fn identity(command: &Command, lines: &[String]) -> Result<ViewId, BackendError> {
    let line = lines.first().map(String::as_str).unwrap_or_default();
    let parsed = || {
        let mut fields = line.split(' ');
        let id = ViewId {
            server_pid: fields.next()?.parse().ok()?,
            pane: fields.next()?.parse().ok()?,
            pane_pid: fields.next()?.parse().ok()?,
        };
        fields.next().is_none().then_some(id)
    };
    parsed().ok_or_else(|| unreadable(&command.name(), line))
}

fn unreadable(command: &str, line: &str) -> BackendError {
    BackendError::Unreadable { command: command.to_owned(), reply: line.to_owned() }
}

fn pane(line: &str) -> Option<Pane> {
    let mut fields = line.splitn(14, ' ');
    let server_pid = fields.next()?.parse().ok()?;
    let session = fields.next()?.to_owned();
    let window = fields.next()?.to_owned();
    let pane = fields.next()?.parse().ok()?;
    // tmux 3.8 gives no pid for a pane whose program has ended.
    let pane_pid = fields.next()?.parse().unwrap_or_default();
    let id = ViewId { server_pid, pane, pane_pid };
    Some(Pane {
        id,
        session,
        window,
        index: fields.next()?.parse().ok()?,
        width: fields.next()?.parse().ok()?,
        height: fields.next()?.parse().ok()?,
        dead: fields.next()? == "1",
        zoomed: fields.next()? == "1",
        active: fields.next()? == "1",
        owner: fields.next().filter(|owner| *owner != "-").map(str::to_owned),
        agent: fields.next()?.to_owned(),
        title: fields.next()?.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_pane() {
        let lines = ["10 $0 @3 %5 11 1 60 50 0 0 1 key claude=202 a title  with % and #{x}".to_owned()];
        let panes = read(&lines).unwrap();
        let view = panes[0].view_of("key").unwrap();
        assert_eq!(view.id, ViewId { server_pid: 10, pane: PaneId(5), pane_pid: 11 });
        assert_eq!(view.agent, "claude 2");
        assert_eq!(view.title, "a title  with % and #{x}");
        assert_eq!(view.size, (60, 50));
        assert!(view.active);
        assert_eq!(panes[0].view_of("other"), None);
    }

    #[test]
    fn other_panes_are_no_views() {
        let no_view = ["10 $0 @3 %5 11 1 60 50 0 0 1 - - ".to_owned()];
        let panes = read(&no_view).unwrap();
        assert_eq!((panes[0].owner.as_deref(), panes[0].title.as_str()), (None, ""));
        assert_eq!(panes[0].view_of("-"), None);
        let dead = ["10 $0 @3 %5  1 60 50 1 0 0 key claude t".to_owned()];
        assert!(read(&dead).unwrap()[0].dead);
        let dead = ["10 $0 @3 %5 11 1 60 50 1 0 1 key claude t".to_owned()];
        assert_eq!(read(&dead).unwrap()[0].view_of("key"), None);
        for wrong in ["", "x", "10 $0 @3 5 11 1 60 50 0 0 1 - - t", "10 $0 @3 %5 11 1 -60 50 0 0 1 - - t"] {
            assert!(read(&[wrong.to_owned()]).is_err(), "{wrong:?}");
            assert_eq!(read(&[wrong.to_owned(), dead[0].clone()]).unwrap().len(), 1);
        }
    }
}
