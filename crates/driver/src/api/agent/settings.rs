//! What an agent is told when it is started.

use std::path::{Path, PathBuf};

use orchflow_agent::catalogue::Api;
use orchflow_agent::orders::Orders;
use rustix::rand::{GetRandomFlags, getrandom};

use super::CUT_OFF;
use crate::api::fault::{Fault, FaultKind};
use crate::api::history::History;
use crate::api::store::Store;

/// One launch of an agent.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Its name for people.
    pub title: String,
    /// How its model is reached.
    pub api: Api,
    /// Where it works.
    pub worktree: PathBuf,
    /// The folder of its own files.
    pub folder: PathBuf,
    /// The session to take up again.
    pub resume: Option<String>,
}

/// Describes something on this machine that is not as it must be.
pub(super) fn broken(message: impl Into<String>) -> Fault {
    Fault::new(FaultKind::Rejected, message, "run `orchflow doctor`")
}

impl Settings {
    /// Reads them from a driver's orders; `folder` holds the agent's own files.
    ///
    /// # Errors
    /// What is missing, for people.
    pub fn from_orders(orders: &Orders, worktree: &Path, folder: &Path) -> Result<Settings, String> {
        let api = orders.api.clone().ok_or("the orders say nothing about a model; the host writes them")?;
        Ok(Settings {
            title: orders.title.clone(),
            api,
            worktree: worktree.to_owned(),
            folder: folder.to_owned(),
            resume: orders.resume.clone(),
        })
    }

    /// Gives the address to ask: what a variable says, or the entry.
    pub(super) fn base_url(&self) -> String {
        let said = self.api.base_url_env.as_ref().and_then(|name| std::env::var(name).ok());
        said.filter(|url| !url.trim().is_empty()).unwrap_or_else(|| self.api.base_url.clone())
    }

    /// Names the variables that commands of the agent do not see: its key, other keys of models, our token.
    pub(super) fn hidden(&self) -> Vec<String> {
        let keys = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
        let mut hidden: Vec<String> = keys.filter(|name| name.ends_with("_API_KEY")).collect();
        hidden.extend(self.api.key.env.iter().cloned());
        hidden.push("ORCHFLOW_TOKEN".to_owned());
        hidden
    }

    /// Takes up the earlier conversation, or begins one; says what was in the way.
    pub(super) fn history(&self, store: &Store) -> (History, Option<String>) {
        let Some(session) = &self.resume else { return (History::new(new_session()), None) };
        match store.load(session) {
            Ok(mut history) => {
                history.settle(CUT_OFF);
                (history, None)
            }
            Err(why) => (History::new(new_session()), Some(why)),
        }
    }
}

fn new_session() -> String {
    let mut random = [0u8; 16];
    let _ = getrandom(&mut random, GetRandomFlags::empty());
    format!("api-{:032x}", u128::from_be_bytes(random))
}
