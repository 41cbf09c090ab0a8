//! Editors that are connected now, and what the host asks of them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};

/// How long an editor may take to answer before it counts as hung.
const PATIENCE: Duration = Duration::from_millis(1500);

/// One connected editor.
#[async_trait]
pub trait Editor: Send + Sync {
    /// Asks the editor for something and waits for its answer.
    ///
    /// # Errors
    /// The editor's own words, or that its connection is gone.
    async fn call(&self, method: &str, params: Value) -> Result<Value, String>;
}

/// The editors that are connected now, by the number of their connection.
#[derive(Default)]
pub struct Editors {
    connected: Mutex<BTreeMap<u64, Arc<dyn Editor>>>,
}

/// A buffer that shows a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadedBuffer {
    /// The editor's number.
    pub editor: u64,
    /// The buffer's content as it would be written.
    pub content: Vec<u8>,
    /// Whether it has unsaved changes.
    pub modified: bool,
    /// The editor's count of changes to it.
    pub changedtick: i64,
}

impl Editors {
    /// Adds an editor.
    pub fn add(&self, number: u64, editor: Arc<dyn Editor>) {
        self.lock().insert(number, editor);
    }

    /// Forgets an editor.
    pub fn remove(&self, number: u64) {
        self.lock().remove(&number);
    }

    /// Tells whether an editor is connected.
    pub fn is_connected(&self, number: u64) -> bool {
        self.lock().contains_key(&number)
    }

    /// Tells how many are connected.
    pub fn count(&self) -> usize {
        self.lock().len()
    }

    /// Asks one editor.
    ///
    /// # Errors
    /// The editor's own words, that it is gone, or that it did not answer in time.
    pub async fn call(&self, number: u64, method: &str, params: Value) -> Result<Value, String> {
        let editor = self.lock().get(&number).cloned().ok_or("the editor is no longer connected")?;
        tokio::time::timeout(PATIENCE, editor.call(method, params))
            .await
            .unwrap_or_else(|_| Err("the editor did not answer in time".to_owned()))
    }

    /// Finds the editor that has a file loaded, a modified buffer before others.
    ///
    /// # Errors
    /// Why a connected editor cannot say whether it has.
    pub async fn loaded(&self, path: &str) -> Result<Option<LoadedBuffer>, String> {
        let numbers: Vec<u64> = self.lock().keys().copied().collect();
        let mut best: Option<LoadedBuffer> = None;
        for number in numbers {
            let answer = match self.call(number, "buffer_read", json!({ "path": path })).await {
                Ok(answer) => answer,
                // One that left meanwhile has nothing open any more.
                Err(_) if !self.lock().contains_key(&number) => continue,
                Err(why) => return Err(why),
            };
            let Some(buffer) = parse_buffer(number, &answer) else { continue };
            if best.as_ref().is_none_or(|best| buffer.modified && !best.modified) {
                best = Some(buffer);
            }
        }
        Ok(best)
    }

    /// Tells every editor that files changed on disk.
    pub async fn files_changed(&self, paths: &[String]) {
        let numbers: Vec<u64> = self.lock().keys().copied().collect();
        for number in numbers {
            let _ = self.call(number, "checktime", json!({ "paths": paths })).await;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<u64, Arc<dyn Editor>>> {
        self.connected.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn parse_buffer(editor: u64, answer: &Value) -> Option<LoadedBuffer> {
    if !answer.get("loaded")?.as_bool()? {
        return None;
    }
    let lines = answer.get("lines")?.as_array()?;
    let eol = answer.get("eol").and_then(Value::as_bool).unwrap_or(true);
    let separator: &[u8] =
        if answer.get("dos").and_then(Value::as_bool).unwrap_or(false) { b"\r\n" } else { b"\n" };
    let mut content = Vec::new();
    for (place, line) in lines.iter().enumerate() {
        if place > 0 {
            content.extend_from_slice(separator);
        }
        content.extend(orchflow_wire::json::bytes_from_json(line)?);
    }
    let is_empty = lines.len() == 1 && content.is_empty();
    if eol && !is_empty {
        content.extend_from_slice(separator);
    }
    Some(LoadedBuffer {
        editor,
        content,
        modified: answer.get("modified").and_then(Value::as_bool).unwrap_or(false),
        changedtick: answer.get("changedtick")?.as_i64()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_read_as_it_would_be_written() {
        let answer = json!({"loaded": true, "lines": ["a", {"b64": "/w=="}], "eol": true, "changedtick": 4});
        assert_eq!(parse_buffer(1, &answer).unwrap().content, b"a\n\xff\n");
        let answer =
            json!({"loaded": true, "lines": ["a", "b"], "eol": false, "dos": true, "changedtick": 4});
        assert_eq!(parse_buffer(1, &answer).unwrap().content, b"a\r\nb");
        let answer = json!({"loaded": true, "lines": [""], "eol": true, "changedtick": 4});
        assert_eq!(parse_buffer(1, &answer).unwrap().content, b"");
        assert!(parse_buffer(1, &json!({"loaded": false})).is_none());
    }
}
