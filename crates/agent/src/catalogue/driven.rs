//! What holds for agents without a terminal of their own.

use serde::{Deserialize, Serialize};

/// What holds for agents of the Agent Client Protocol.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Acp {
    /// The mode its session is put into, by the agent's own word for it; its default by default.
    pub mode: Option<String>,
    /// Whether it may read and write the files of its worktree through us. Some programs cannot make new files
    /// then.
    pub files: bool,
    /// Whether the tokens it tells at a turn's end count from the beginning of its session.
    pub counts_session: bool,
    /// How the only words of a turn begin that an error of the model ended, for programs that say that it ended well.
    pub failure: Vec<String>,
}

impl Default for Acp {
    fn default() -> Self {
        Acp { mode: None, files: true, counts_session: false, failure: Vec::new() }
    }
}
