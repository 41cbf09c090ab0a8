//! The backend of a place without terminals: a script, a pipe, an editor that opens its own windows.

use super::view::{Opened, Reason, ViewRequest};

/// Opens no views and says why.
#[derive(Debug, Clone)]
pub struct NoBackend {
    why: String,
}

impl NoBackend {
    /// Makes a backend that gives `why` (a clause such as "this is not inside tmux") as its reason.
    pub fn new(why: impl Into<String>) -> Self {
        NoBackend { why: why.into() }
    }

    /// Leaves every agent detached.
    pub fn open_many(&self, requests: &[ViewRequest]) -> Vec<Opened> {
        requests.iter().map(|_| Opened::Detached(Reason::NoTerminal { why: self.why.clone() })).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_agent_is_detached_with_the_reason() {
        let request = ViewRequest {
            agent: "claude".into(),
            title: "claude".into(),
            argv: vec!["orchflow".into(), "attach".into(), "claude".into()],
            cwd: "/".into(),
        };
        let opened = NoBackend::new("this is not inside tmux").open_many(&[request.clone(), request]);
        assert_eq!(opened.len(), 2);
        for one in opened {
            let Opened::Detached(reason) = one else { panic!("nothing opens") };
            assert_eq!(reason.to_string(), "this is not inside tmux");
        }
    }
}
