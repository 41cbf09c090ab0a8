//! What can be seen of a sandbox's agents through the program itself.

use serde_json::Value;

use crate::{Sandbox, eventually};

impl Sandbox {
    /// Gives the rows of `orchflow status`.
    ///
    /// # Panics
    /// When it fails.
    #[track_caller]
    pub fn status(&self) -> Vec<Value> {
        match self.data_of(["status", "--json"]) {
            Value::Array(rows) => rows,
            other => panic!("not a list: {other}"),
        }
    }

    /// Gives one agent's row of `orchflow status`.
    ///
    /// # Panics
    /// When there is no such agent.
    #[track_caller]
    pub fn agent(&self, name: &str) -> Value {
        let rows = self.status();
        rows.iter().find(|row| row["agent"] == name).cloned().unwrap_or_else(|| panic!("no {name}: {rows:?}"))
    }

    /// Waits until an agent's row is as wanted, and gives it.
    ///
    /// # Panics
    /// When it does not come to be.
    #[track_caller]
    pub fn until(&self, name: &str, what: &str, mut wanted: impl FnMut(&Value) -> bool) -> Value {
        eventually(&format!("{name}: {what}"), || {
            let row = self.status().into_iter().find(|row| row["agent"] == name)?;
            wanted(&row).then_some(row)
        })
    }

    /// Gives every event of these types (all when none are named), oldest first.
    ///
    /// # Panics
    /// When the log cannot be read.
    #[track_caller]
    pub fn events(&self, types: &[&str]) -> Vec<Value> {
        let mut words = vec!["log", "--json", "--after", "0", "--limit", "10000"];
        let list = types.join(",");
        if !types.is_empty() {
            words.extend(["--type", &list]);
        }
        match self.data_of(words) {
            Value::Array(rows) => rows,
            other => panic!("not a list: {other}"),
        }
    }

    /// Waits until the log holds an event of this type that is as wanted, and gives it.
    ///
    /// # Panics
    /// When there is none.
    #[track_caller]
    pub fn until_event(&self, event_type: &str, what: &str, mut wanted: impl FnMut(&Value) -> bool) -> Value {
        eventually(&format!("{event_type}: {what}"), || {
            self.events(&[event_type]).into_iter().find(|event| wanted(event))
        })
    }
}
