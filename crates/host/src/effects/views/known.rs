//! The views that are open now, as far as this host knows.

use std::collections::{HashMap, HashSet};

use orchflow_core::AgentKey;
use orchflow_mux::backend::ViewId;

/// Panes and windows, and whose they are.
#[derive(Default)]
pub(super) struct Known {
    /// Whose a pane is, and its name as in the agent's state: `tmux:%5`.
    panes: HashMap<ViewId, (AgentKey, String)>,
    /// Panes that closed before whoever opened them could say whose they were.
    early: HashSet<ViewId>,
    /// Windows of editors, by the editor's number.
    windows: HashMap<u64, Vec<(AgentKey, String)>>,
}

impl Known {
    /// Takes a pane in, with its name. Gives whether it still stands.
    pub(super) fn add_pane(&mut self, pane: ViewId, agent: &AgentKey, name: String) -> bool {
        let stands = !self.early.remove(&pane);
        if stands {
            self.panes.insert(pane, (agent.clone(), name));
        }
        stands
    }

    /// Takes a window of an editor in.
    pub(super) fn add_window(&mut self, editor: u64, agent: &AgentKey, window: String) {
        self.windows.entry(editor).or_default().push((agent.clone(), window));
    }

    /// Gives a pane that shows an agent, and its name.
    pub(super) fn pane_of(&self, agent: &AgentKey) -> Option<(ViewId, String)> {
        let found = self.panes.iter().find(|(_, (shown, _))| shown == agent);
        found.map(|(pane, (_, name))| (*pane, name.clone()))
    }

    /// Forgets a pane that closed. Gives whose it was, and its name within its backend.
    pub(super) fn pane_closed(&mut self, pane: ViewId) -> Option<(AgentKey, String)> {
        let closed = self.panes.remove(&pane);
        if closed.is_none() {
            self.early.insert(pane);
        }
        closed.map(without_backend)
    }

    /// Forgets the panes of a server that is gone, those `told` of as its last among them. Gives them as
    /// [`Known::pane_closed`] does.
    pub(super) fn server_gone(&mut self, server_pid: u32, told: Vec<ViewId>) -> Vec<(AgentKey, String)> {
        let unknown = told.into_iter().filter(|pane| !self.panes.contains_key(pane));
        self.early.extend(unknown);
        let gone = self.panes.extract_if(|pane, _| pane.server_pid == server_pid);
        gone.map(|(_, closed)| without_backend(closed)).collect()
    }

    /// Forgets the windows of an editor that is gone.
    pub(super) fn editor_gone(&mut self, editor: u64) -> Vec<(AgentKey, String)> {
        self.windows.remove(&editor).unwrap_or_default()
    }

    /// Tells whether a view, named as in the agent's state, is open.
    pub(super) fn stands(&self, agent: &AgentKey, backend: &str, name: &str) -> bool {
        match backend {
            "nvim" => self.windows.values().flatten().any(|(shown, window)| shown == agent && window == name),
            _ => {
                let full = format!("{backend}:{name}");
                self.panes.values().any(|(shown, pane)| shown == agent && *pane == full)
            }
        }
    }
}

fn without_backend((agent, name): (AgentKey, String)) -> (AgentKey, String) {
    let view = name.split_once(':').map_or(name.as_str(), |(_, view)| view).to_owned();
    (agent, view)
}

#[cfg(test)]
mod tests {
    use orchflow_mux::backend::PaneId;

    use super::*;

    fn pane(number: u32) -> ViewId {
        ViewId { server_pid: 7, pane: PaneId(number), pane_pid: 100 + number }
    }

    #[test]
    fn a_pane_that_closed_before_it_was_known_does_not_stand() {
        let agent: AgentKey = "1/claude".parse().unwrap();
        let mut known = Known::default();
        assert_eq!(known.pane_closed(pane(1)), None);
        assert!(!known.add_pane(pane(1), &agent, "tmux:%1".to_owned()));
        assert!(known.add_pane(pane(2), &agent, "tmux:%2".to_owned()));
        assert!(known.server_gone(8, Vec::new()).is_empty());
        assert_eq!(known.server_gone(7, vec![pane(2), pane(3)]), [(agent.clone(), "%2".to_owned())]);
        assert!(!known.add_pane(pane(3), &agent, "tmux:%3".to_owned()));
        assert!(!known.stands(&agent, "tmux", "%2"));
        assert_eq!(known.pane_of(&agent), None);
    }

    #[test]
    fn panes_of_different_backends_are_told_apart() {
        let agent: AgentKey = "1/claude".parse().unwrap();
        let mut known = Known::default();
        known.add_pane(pane(5), &agent, "wezterm:5".to_owned());
        assert!(known.stands(&agent, "wezterm", "5"));
        assert!(!known.stands(&agent, "tmux", "5") && !known.stands(&agent, "nvim", "5"));
        assert_eq!(known.pane_of(&agent), Some((pane(5), "wezterm:5".to_owned())));
        assert_eq!(known.pane_closed(pane(5)), Some((agent, "5".to_owned())));
    }

    #[test]
    fn windows_go_with_their_editor() {
        let agent: AgentKey = "1/claude".parse().unwrap();
        let mut known = Known::default();
        known.add_window(3, &agent, "1001".to_owned());
        assert!(known.stands(&agent, "nvim", "1001") && !known.stands(&agent, "tmux", "1001"));
        assert!(known.editor_gone(4).is_empty());
        assert_eq!(known.editor_gone(3), [(agent.clone(), "1001".to_owned())]);
        assert!(!known.stands(&agent, "nvim", "1001"));
    }
}
