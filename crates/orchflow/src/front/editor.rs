//! An editor's connection: what it is told goes out through nvim-rs, a batch at a time.
//!
//! The editor never waits for us and we never wait inside something it waits for: its calls are
//! notifications, our answers, events and questions are one `nvim_exec_lua` call with a list, the next one
//! only after the editor took the last, and never more often than once a frame.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use nvim_rs::{Handler, Neovim};
use orchflow_core::Refusal;
use orchflow_host::World;
use orchflow_host::api::{add_store, event_json, refusal_json, status_json};
use orchflow_host::editors::Editor;
use orchflow_store::{EventFilter, Page};
use orchflow_wire::FrameReader;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt as _, TokioAsyncWriteCompatExt as _};

/// The time between two messages to one editor, unless an answer is among what waits.
const FRAME: Duration = Duration::from_millis(16);
/// The time between two looks at what happened, for a subscriber.
const NEWS: Duration = Duration::from_millis(80);
/// Events sent at once.
const EVENTS: usize = 200;
/// What the editor runs with each batch.
const RECEIVE: &str = "require('orchflow.client').receive(...)";
/// Bytes between nvim-rs and the socket.
const PIPE: usize = 1 << 20;

#[derive(Clone)]
struct Silent;

impl Handler for Silent {
    type Writer = Compat<DuplexStream>;
}

/// What waits to be sent, and who waits for the editor's answers.
#[derive(Default)]
struct Mailbox {
    waiting: Mutex<Vec<Value>>,
    filled: Notify,
    answered: Notify,
    taken: Notify,
    calls: Mutex<HashMap<u64, oneshot::Sender<Result<Value, String>>>>,
    next_call: Mutex<u64>,
}

impl Mailbox {
    fn put(&self, message: Value) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push(message);
        self.filled.notify_one();
    }

    /// Waits until the editor took everything.
    async fn emptied(&self) {
        loop {
            let taken = self.taken.notified();
            if self.waiting.lock().unwrap_or_else(PoisonError::into_inner).is_empty() {
                return;
            }
            taken.await;
        }
    }
}

/// Takes a question back that nobody waits for any more: an answer that "did not come in time" must not be
/// carried out later.
struct Question<'a> {
    mailbox: &'a Mailbox,
    id: u64,
}

impl Drop for Question<'_> {
    fn drop(&mut self) {
        self.mailbox.calls.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
        self.mailbox.waiting.lock().unwrap_or_else(PoisonError::into_inner).retain(|message| {
            message.get("kind").and_then(Value::as_str) != Some("call")
                || message.get("id").and_then(Value::as_u64) != Some(self.id)
        });
    }
}

/// A way to answer an editor's calls.
#[derive(Clone)]
pub(super) struct Answers(Arc<Mailbox>);

impl Answers {
    /// Answers a call.
    pub(super) fn answer(&self, id: u64, result: Result<Value, Refusal>) {
        self.0.put(match result {
            Ok(result) => json!({ "kind": "answer", "id": id, "ok": true, "result": result }),
            Err(refusal) => {
                json!({ "kind": "answer", "id": id, "ok": false, "error": refusal_json(&refusal) })
            }
        });
        self.0.answered.notify_one();
    }
}

/// One connected editor.
pub(super) struct EditorLink {
    world: Arc<World>,
    mailbox: Arc<Mailbox>,
    responses: DuplexStream,
    tasks: Mutex<JoinSet<()>>,
}

struct Caller(Arc<Mailbox>);

#[async_trait]
impl Editor for Caller {
    async fn call(&self, method: &str, params: Value) -> Result<Value, String> {
        let (sender, answer) = oneshot::channel();
        let id = {
            let mut next = self.0.next_call.lock().unwrap_or_else(PoisonError::into_inner);
            *next += 1;
            *next
        };
        self.0.calls.lock().unwrap_or_else(PoisonError::into_inner).insert(id, sender);
        let _question = Question { mailbox: &self.0, id };
        self.0.put(json!({ "kind": "call", "id": id, "method": method, "params": params }));
        answer.await.unwrap_or_else(|_| Err("the editor is gone".to_owned()))
    }
}

impl EditorLink {
    /// Begins to talk to an editor over the frames of its connection.
    ///
    /// `with_nulls` keeps keys without a value, which scripts print.
    pub(super) fn open(
        world: Arc<World>,
        out: mpsc::UnboundedSender<Vec<u8>>,
        with_nulls: bool,
    ) -> EditorLink {
        let (responses, to_nvim_rs) = duplex(PIPE);
        let (from_nvim_rs, writer) = duplex(PIPE);
        let (neovim, io) = Neovim::new(to_nvim_rs.compat(), writer.compat_write(), Silent);
        let mailbox = Arc::new(Mailbox::default());
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            if let Err(error) = io.await {
                tracing::debug!(%error, "an editor's connection ended");
            }
        });
        tasks.spawn(forward(from_nvim_rs, out));
        tasks.spawn(push(Arc::clone(&mailbox), neovim, with_nulls, FRAME));
        EditorLink { world, mailbox, responses, tasks: Mutex::new(tasks) }
    }

    /// Gives the host a way to ask this editor.
    pub(super) fn caller(&self) -> Arc<dyn Editor> {
        Arc::new(Caller(Arc::clone(&self.mailbox)))
    }

    /// Gives a way to answer its calls later.
    pub(super) fn answers(&self) -> Answers {
        Answers(Arc::clone(&self.mailbox))
    }

    /// Answers a call.
    pub(super) fn answer(&self, id: u64, result: Result<Value, Refusal>) {
        self.answers().answer(id, result);
    }

    /// Hands a whole, checked response frame to nvim-rs.
    pub(super) async fn feed(&mut self, frame: &[u8]) {
        if let Err(error) = self.responses.write_all(frame).await {
            tracing::debug!(%error, "a response came after its connection ended");
        }
    }

    /// Takes the editor's answer to one of our calls.
    pub(super) fn answered(&self, answer: &Value) {
        let Some(id) = answer.get("id").and_then(Value::as_u64) else { return };
        let waiting = self.mailbox.calls.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
        let Some(waiting) = waiting else { return };
        let result = if answer.get("ok").and_then(Value::as_bool).unwrap_or(false) {
            Ok(answer.get("result").cloned().unwrap_or(Value::Null))
        } else {
            let why = answer.get("error").and_then(Value::as_str).unwrap_or("the editor refused");
            Err(why.to_owned())
        };
        let _ = waiting.send(result);
    }

    /// Tells the editor what happens from now on, or from a place in the log.
    pub(super) fn subscribe(&self, id: u64, cursor: Option<u64>) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.spawn(news(Arc::clone(&self.world), self.answers(), id, cursor));
    }
}

/// Copies whole frames from nvim-rs to the socket.
async fn forward(mut from: DuplexStream, out: mpsc::UnboundedSender<Vec<u8>>) {
    let mut reader = FrameReader::default();
    let mut chunk = vec![0u8; 64 * 1024];
    loop {
        match from.read(&mut chunk).await {
            Ok(0) | Err(_) => return,
            Ok(count) => reader.push(chunk.get(..count).unwrap_or_default()),
        }
        while let Ok(Some(frame)) = reader.next_frame() {
            if out.send(frame).is_err() {
                return;
            }
        }
    }
}

/// Sends what waits, a batch at a time.
async fn push(
    mailbox: Arc<Mailbox>,
    neovim: Neovim<Compat<DuplexStream>>,
    with_nulls: bool,
    frame: Duration,
) {
    let write = if with_nulls { orchflow_wire::json::from_json } else { without_null };
    loop {
        mailbox.filled.notified().await;
        let batch = std::mem::take(&mut *mailbox.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        if batch.is_empty() {
            continue;
        }
        let list = rmpv::Value::Array(batch.iter().map(write).collect());
        if let Err(error) = neovim.exec_lua(RECEIVE, vec![list]).await {
            if error.is_channel_closed() {
                return;
            }
            tracing::warn!(%error, "an editor did not take a message");
        }
        mailbox.taken.notify_waiters();
        // A list comes in many pages, each asked for when the one before is there: none of them waits for the next frame.
        tokio::select! {
            () = tokio::time::sleep(frame) => {}
            () = mailbox.answered.notified() => {}
        }
    }
}

/// Writes JSON for Lua, where an absent key is the only nil.
fn without_null(value: &Value) -> rmpv::Value {
    match value {
        Value::Object(entries) => rmpv::Value::Map(
            entries
                .iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(key, value)| (rmpv::Value::from(key.as_str()), without_null(value)))
                .collect(),
        ),
        Value::Array(items) => rmpv::Value::Array(items.iter().map(without_null).collect()),
        other => orchflow_wire::json::from_json(other),
    }
}

/// Follows the log for one editor: events from its cursor, and the status when it changed.
async fn news(world: Arc<World>, answers: Answers, id: u64, cursor: Option<u64>) {
    let mut pulse = world.engine().pulse();
    let mut cursor = cursor.unwrap_or_else(|| pulse.borrow().seq.0);
    answers.answer(id, Ok(json!({ "cursor": cursor })));
    let mut shown = Value::Null;
    loop {
        // A hung editor is sent nothing more; the log keeps it until it goes on.
        answers.0.emptied().await;
        let told = pulse.borrow_and_update().clone();
        let after = cursor;
        let rows = world
            .read(move |reader| reader.page(&EventFilter::default(), Page::After(after), EVENTS))
            .await
            .unwrap_or_default();
        let more = rows.len() == EVENTS;
        if let Some(last) = rows.last() {
            cursor = last.seq;
            let events: Vec<Value> =
                rows.iter().map(|row| event_json(row, &world.folders.worktrees)).collect();
            answers.0.put(json!({ "kind": "events", "events": events, "cursor": cursor }));
        }
        let shared = Arc::clone(&world);
        let status = world.engine().ask(move |state| status_json(&shared, state, None, false)).await;
        let Some(mut status) = status else {
            if !world.engine().is_open() {
                return;
            }
            continue;
        };
        add_store(&mut status, &told);
        if status != shown {
            answers.0.put(json!({ "kind": "status", "status": status.clone() }));
            shown = status;
        }
        tokio::time::sleep(NEWS).await;
        if !more && pulse.changed().await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use orchflow_wire::Message;

    use super::*;

    /// The other end of a connection: takes batches as Neovim does.
    struct Peer {
        from: DuplexStream,
        to: DuplexStream,
        reader: FrameReader,
    }

    impl Peer {
        /// Takes the next batch, says so, and gives the kinds of what is in it, with their numbers.
        async fn batch(&mut self) -> Vec<(String, u64)> {
            let mut chunk = vec![0u8; 4096];
            let frame = loop {
                match self.reader.next_frame().unwrap() {
                    Some(frame) => break frame,
                    None => {
                        let count = self.from.read(&mut chunk).await.unwrap();
                        self.reader.push(&chunk[..count]);
                    }
                }
            };
            let Message::Request { id, method, params } = Message::decode(&frame).unwrap() else {
                panic!("a batch is a request");
            };
            assert_eq!((method.as_str(), params[0].as_str()), ("nvim_exec_lua", Some(RECEIVE)));
            let taken = Message::Response { id, error: rmpv::Value::Nil, result: rmpv::Value::Nil };
            self.to.write_all(&taken.encode()).await.unwrap();
            let list = orchflow_wire::json::to_json(&params[1][0]);
            let of = |item: &Value| (item["kind"].as_str().unwrap().to_owned(), item["id"].as_u64().unwrap());
            list.as_array().unwrap().iter().map(of).collect()
        }
    }

    /// Begins to push, with a frame that does not end while a test runs.
    fn pushing() -> (Answers, Peer, JoinSet<()>) {
        let (to, to_nvim_rs) = duplex(PIPE);
        let (from, writer) = duplex(PIPE);
        let (neovim, io) = Neovim::new(to_nvim_rs.compat(), writer.compat_write(), Silent);
        let mailbox = Arc::new(Mailbox::default());
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { drop(io.await) });
        tasks.spawn(push(Arc::clone(&mailbox), neovim, false, Duration::from_secs(86_400)));
        (Answers(mailbox), Peer { from, to, reader: FrameReader::default() }, tasks)
    }

    fn told(kind: &str, id: u64) -> (String, u64) {
        (kind.to_owned(), id)
    }

    #[tokio::test]
    async fn answers_do_not_wait_for_the_next_frame() {
        let (answers, mut peer, _tasks) = pushing();
        for id in 1..=20 {
            answers.answer(id, Ok(json!({})));
            assert_eq!(peer.batch().await, [told("answer", id)]);
        }
    }

    #[tokio::test]
    async fn what_nobody_asked_for_waits_for_the_frame_or_for_an_answer() {
        let (answers, mut peer, _tasks) = pushing();
        answers.0.put(json!({ "kind": "status", "id": 1 }));
        assert_eq!(peer.batch().await, [told("status", 1)]);
        answers.0.put(json!({ "kind": "status", "id": 2 }));
        // Were it sent at once, these turns would be enough for it.
        for _ in 0..1000 {
            tokio::task::yield_now().await;
        }
        answers.answer(3, Ok(json!({})));
        assert_eq!(peer.batch().await, [told("status", 2), told("answer", 3)]);
    }
}
