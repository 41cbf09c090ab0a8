//! What a driver is told: which agent it stands in for, and how that is reached.
//!
//! An agent without a terminal of its own is run by a driver, `orchflow drive FILE`, in the runner's terminal.
//! The file is written for one launch. It holds no secrets: those come by the environment or a command.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::catalogue::{Acp, Api, Kind};

/// The name of the file among an agent's files.
pub const FILE: &str = "drive.json";

/// Largest file that is read, in bytes.
const FILE_LIMIT: u64 = 1 << 20;

/// One launch of an agent by its driver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Orders {
    /// How the agent is spoken with.
    pub kind: Kind,
    /// Its name within its run.
    pub name: String,
    /// Its name for people.
    pub title: String,
    /// The program that is spoken with, for kinds that have one.
    #[serde(default)]
    pub program: PathBuf,
    /// Its arguments.
    #[serde(default)]
    pub args: Vec<String>,
    /// The session to take up again.
    #[serde(default)]
    pub resume: Option<String>,
    /// What holds for agents of the Agent Client Protocol.
    #[serde(default)]
    pub acp: Acp,
    /// The model, for an agent that is one behind an HTTP interface. No key is in it.
    #[serde(default)]
    pub api: Option<Api>,
}

impl Orders {
    /// Reads a file of orders.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    pub fn read(file: &Path) -> Result<Orders, String> {
        let place = file.display();
        let unreadable = |error: std::io::Error| format!("the orders {place} cannot be read: {error}");
        let metadata = std::fs::metadata(file).map_err(unreadable)?;
        if !metadata.is_file() || metadata.len() > FILE_LIMIT {
            return Err(format!("the orders {place} are no regular file of at most {FILE_LIMIT} bytes"));
        }
        let text = std::fs::read(file).map_err(unreadable)?;
        serde_json::from_slice(&text)
            .map_err(|error| format!("the orders {place} make no sense: {error}; the host writes them"))
    }

    /// Writes them as they are read.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec_pretty(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_nonsense_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(FILE);
        let orders = Orders {
            kind: Kind::Acp,
            name: "opencode-2".into(),
            title: "opencode".into(),
            program: "/bin/opencode".into(),
            args: vec!["acp".into()],
            resume: Some("s1".into()),
            acp: Acp { mode: Some("plan".into()), ..Acp::default() },
            api: None,
        };
        std::fs::write(&file, orders.to_bytes()).unwrap();
        assert_eq!(Orders::read(&file), Ok(orders));
        std::fs::write(&file, "{\"kind\":\"smoke\"}").unwrap();
        assert!(Orders::read(&file).unwrap_err().contains("make no sense"));
        assert!(Orders::read(folder.path()).unwrap_err().contains("no regular file"));
        assert!(Orders::read(&folder.path().join("absent")).unwrap_err().contains("cannot be read"));
    }
}
