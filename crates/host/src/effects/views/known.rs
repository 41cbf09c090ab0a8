//! The views that are open now, as far as this host knows.

use std::collections::{HashMap, HashSet};

use orchflow_core::AgentKey;
use orchflow_mux::backend::ViewId;

/// Panes and windows, and whose they are.
#[derive(Default)]
pub(super) struct Known {
    panes: HashMap<ViewId, AgentKey>,
    /// Panes that closed before whoever opened them could say whose they were.
    early: HashSet<ViewId>,
    /// Windows of editors, by the editor's number.
    windows: HashMap<u64, Vec<(AgentKey, String)>>,
}

impl Known {
    /// Takes a pane in. Gives whether it still stands.
    pub(super) fn add_pane(&mut self, pane: ViewId, agent: &AgentKey) -> bool {
        let stands = !self.early.remove(&pane);
        if stands {
            self.panes.insert(pane, agent.clone());
        }
        stands
    }

    /// Takes a window of an editor in.
    pub(super) fn add_window(&mut self, editor: u64, agent: &AgentKey, window: String) {
        self.windows.entry(editor).or_default().push((agent.clone(), window));
    }

    /// Gives a pane that shows an agent.
    pub(super) fn pane_of(&self, agent: &AgentKey) -> Option<ViewId> {
        self.panes.iter().find(|(_, shown)| *shown == agent).map(|(pane, _)| *pane)
    }

    /// Forgets a pane that closed. Gives whose it was.
    pub(super) fn pane_closed(&mut self, pane: ViewId) -> Option<AgentKey> {
        let agent = self.panes.remove(&pane);
        if agent.is_none() {
            self.early.insert(pane);
        }
        agent
    }

    /// Forgets the panes of a server that is gone, those `told` of as its last among them.
    pub(super) fn server_gone(&mut self, server_pid: u32, told: Vec<ViewId>) -> Vec<(ViewId, AgentKey)> {
        let unknown = told.into_iter().filter(|pane| !self.panes.contains_key(pane));
        self.early.extend(unknown);
        self.panes.extract_if(|pane, _| pane.server_pid == server_pid).collect()
    }

    /// Forgets the windows of an editor that is gone.
    pub(super) fn editor_gone(&mut self, editor: u64) -> Vec<(AgentKey, String)> {
        self.windows.remove(&editor).unwrap_or_default()
    }

    /// Tells whether a view, named as in the agent's state, is open.
    pub(super) fn stands(&self, agent: &AgentKey, backend: &str, name: &str) -> bool {
        match backend {
            "tmux" => self.panes.iter().any(|(pane, shown)| shown == agent && pane.pane.to_string() == name),
            _ => self.windows.values().flatten().any(|(shown, window)| shown == agent && window == name),
        }
    }
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
        assert!(!known.add_pane(pane(1), &agent));
        assert!(known.add_pane(pane(2), &agent));
        assert!(known.server_gone(8, Vec::new()).is_empty());
        assert_eq!(known.server_gone(7, vec![pane(2), pane(3)]), [(pane(2), agent.clone())]);
        assert!(!known.add_pane(pane(3), &agent));
        assert!(!known.stands(&agent, "tmux", "%2"));
        assert_eq!(known.pane_of(&agent), None);
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
