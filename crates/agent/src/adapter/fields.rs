//! The fields of a hook's body, read by name and cut to what a report may hold.

use serde_json::{Map, Value};

use crate::hooks::{cut, cut_text};

/// A body that is a JSON object.
pub(super) struct Fields(pub(super) Map<String, Value>);

impl Fields {
    /// Gives a text.
    pub(super) fn text(&self, key: &str) -> Option<String> {
        self.0.get(key)?.as_str().map(cut_text)
    }

    /// Gives any value, or null.
    pub(super) fn value(&self, key: &str) -> Value {
        self.0.get(key).cloned().map_or(Value::Null, cut)
    }

    /// Gives a text that lies deeper, by the path of keys that leads to it.
    pub(super) fn deep_text(&self, pointer: &str) -> Option<String> {
        let (first, rest) = pointer.split_once('/').unwrap_or((pointer, ""));
        let value = self.0.get(first)?;
        let value = if rest.is_empty() { value } else { value.pointer(&format!("/{rest}"))? };
        value.as_str().map(cut_text)
    }

    /// Gives a number that is not negative; what it has behind the point is left out.
    pub(super) fn number(&self, key: &str) -> Option<u64> {
        let value = self.0.get(key)?;
        value.as_u64().or_else(|| value.as_f64().filter(|number| *number >= 0.0).map(|number| number as u64))
    }

    /// Gives the whole body back.
    pub(super) fn whole(self) -> Value {
        cut(Value::Object(self.0))
    }
}
