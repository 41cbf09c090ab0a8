//! Keeps a conversation among the agent's files, so that it can be taken up after a crash. No key is in it.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::history::History;

/// The name of the file.
const FILE: &str = "conversation.json";

/// Largest file that is read, in bytes.
const LIMIT: u64 = 256 << 20;

/// The place of a conversation.
#[derive(Debug, Clone)]
pub struct Store {
    file: PathBuf,
}

impl Store {
    /// Names the place in an agent's folder.
    pub fn new(folder: &Path) -> Store {
        Store { file: folder.join(FILE) }
    }

    /// Keeps a conversation, the whole of it or nothing. Only its owner can read it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(&self, history: &History) -> io::Result<()> {
        let beside = self.file.with_extension("json.new");
        let _ = fs::remove_file(&beside);
        let mut out = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
        out.write_all(&serde_json::to_vec(history)?)?;
        out.sync_data()?;
        drop(out);
        fs::rename(&beside, &self.file)
    }

    /// Takes up a session's conversation.
    ///
    /// # Errors
    /// Why it cannot be, for people.
    pub fn load(&self, session: &str) -> Result<History, String> {
        let place = self.file.display();
        let unreadable =
            |error: io::Error| format!("the earlier conversation {place} cannot be read: {error}");
        let metadata = fs::symlink_metadata(&self.file).map_err(unreadable)?;
        if !metadata.is_file() || metadata.len() > LIMIT {
            return Err(format!(
                "the earlier conversation {place} is no regular file of at most {LIMIT} bytes"
            ));
        }
        let bytes = fs::read(&self.file).map_err(unreadable)?;
        let history: History = serde_json::from_slice(&bytes)
            .map_err(|error| format!("the earlier conversation {place} makes no sense: {error}"))?;
        if history.session == session {
            Ok(history)
        } else {
            Err(format!("the conversation {place} is that of another session, {}", history.session))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::message::Message;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn what_is_kept_is_taken_up_and_only_its_owner_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path());
        let mut history = History::new("s-1".into());
        history.push(Message::User { text: "hello \u{1f388}".into() });
        store.save(&history).unwrap();
        store.save(&history).unwrap();
        assert_eq!(store.load("s-1"), Ok(history));
        let mode = fs::metadata(folder.path().join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(store.load("s-2").unwrap_err().contains("another session"));
        fs::write(folder.path().join(FILE), "{").unwrap();
        assert!(store.load("s-1").unwrap_err().contains("makes no sense"));
        assert!(Store::new(&folder.path().join("none")).load("s-1").unwrap_err().contains("cannot be read"));
    }
}
