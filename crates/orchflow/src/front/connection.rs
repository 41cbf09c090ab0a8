//! One connection: frames in order, each message answered, whatever the peer sends.

use std::rc::Rc;
use std::sync::Arc;

use orchflow_core::{AgentKey, Code, Refusal};
use orchflow_host::World;
use orchflow_host::api::{self, Session};
use orchflow_host::hooks::Arrival;
use orchflow_wire::json::{from_json, to_json};
use orchflow_wire::{FrameReader, Message};
use rmpv::Value;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::editor::EditorLink;
use super::identity::{self, PROTOCOL, Peer};
use super::server::Presence;

/// The most bytes read at once.
const CHUNK: usize = 64 * 1024;

struct Connection {
    world: Arc<World>,
    presence: Rc<Presence>,
    peer: Peer,
    number: u64,
    session: Option<Session>,
    editor: Option<EditorLink>,
    out: mpsc::UnboundedSender<Vec<u8>>,
    /// Answers in the making; they end with the connection.
    tasks: JoinSet<()>,
}

/// Serves one connection until it closes.
pub(super) async fn serve(world: Arc<World>, presence: Rc<Presence>, stream: UnixStream, number: u64) {
    let peer = match Peer::of(&stream) {
        Ok(peer) => peer,
        Err(error) => {
            tracing::warn!(%error, "a connection of somebody else was closed");
            return;
        }
    };
    let (mut input, mut output) = stream.into_split();
    let (out, mut frames) = mpsc::unbounded_channel::<Vec<u8>>();
    let writer = tokio::task::spawn_local(async move {
        while let Some(frame) = frames.recv().await {
            if output.write_all(&frame).await.is_err() {
                break;
            }
        }
    });
    let mut connection =
        Connection { world, presence, peer, number, session: None, editor: None, out, tasks: JoinSet::new() };
    let mut reader = FrameReader::default();
    let mut chunk = vec![0u8; CHUNK];
    'reading: loop {
        let count = match input.read(&mut chunk).await {
            Ok(0) | Err(_) => break,
            Ok(count) => count,
        };
        reader.push(chunk.get(..count).unwrap_or_default());
        loop {
            match reader.next_frame() {
                Ok(Some(frame)) => {
                    if !connection.take(&frame).await {
                        break 'reading;
                    }
                }
                Ok(None) => break,
                Err(error) => {
                    tracing::warn!(%error, pid = connection.peer.pid, "a connection sent no msgpack; it is closed");
                    let refusal = Refusal::new(Code::Protocol, error.to_string());
                    connection.answer(0, Err(refusal));
                    break 'reading;
                }
            }
        }
        // Finished answers leave nothing to keep.
        while connection.tasks.try_join_next().is_some() {}
    }
    if connection.editor.is_some() {
        connection.world.editors.remove(number);
        orchflow_host::effects::views::editor_left(&connection.world, number);
    }
    connection.tasks.abort_all();
    while connection.tasks.join_next().await.is_some() {}
    drop(connection);
    let _ = writer.await;
}

impl Connection {
    /// Takes one frame. Gives whether the connection goes on.
    async fn take(&mut self, frame: &[u8]) -> bool {
        match Message::decode(frame) {
            Ok(Message::Request { id, method, params }) => self.request(id, &method, params).await,
            Ok(Message::Notification { method, params }) => {
                self.notification(&method, params).await;
                true
            }
            Ok(Message::Response { .. }) => {
                if let Some(editor) = &mut self.editor {
                    editor.feed(frame).await;
                }
                true
            }
            Err(error) => {
                tracing::warn!(%error, pid = self.peer.pid, "a message was not understood");
                self.answer(0, Err(Refusal::new(Code::Protocol, error.to_string())));
                true
            }
        }
    }

    fn answer(&self, id: u64, result: Result<Value, Refusal>) {
        let _ = self.out.send(response(id, result));
    }

    async fn request(&mut self, id: u64, method: &str, mut params: Vec<Value>) -> bool {
        let first = if params.is_empty() { Value::Nil } else { params.swap_remove(0) };
        match method {
            "hello" => {
                let result = self.hello(&first, false);
                let goes_on = result.is_ok();
                self.answer(id, result);
                goes_on
            }
            "report" => {
                self.report(id, &first).await;
                true
            }
            "drain" => {
                let result = self.drain(&first).await;
                self.answer(id, result);
                true
            }
            "host_stop" => {
                let result = match &self.session {
                    Some(session) if !matches!(session.actor, orchflow_core::event::Actor::Agent { .. }) => {
                        self.presence.leave.notify_one();
                        Ok(from_json(&json!({ "stopping": true })))
                    }
                    Some(_) => Err(Refusal::new(Code::NotAllowed, "agents may not stop the host")),
                    None => Err(greet_first()),
                };
                self.answer(id, result);
                true
            }
            _ => {
                let Some(session) = self.session.clone() else {
                    self.answer(id, Err(greet_first()));
                    return true;
                };
                let (world, out, method) = (Arc::clone(&self.world), self.out.clone(), method.to_owned());
                self.tasks.spawn_local(async move {
                    let params = to_json(&first);
                    let answer = match api::call_packed(&world, &method, &params).await {
                        Some(Ok(packed)) => Message::packed_response(id, &packed),
                        Some(Err(refusal)) => response(id, Err(refusal)),
                        None => {
                            let result = api::call(&world, &session, &method, params).await;
                            response(id, result.map(|result| from_json(&result)))
                        }
                    };
                    let _ = out.send(answer);
                });
                true
            }
        }
    }

    fn hello(&mut self, params: &Value, is_editor_call: bool) -> Result<Value, Refusal> {
        let mut hello = identity::hello(&self.world, self.peer, params)?;
        let is_agent = matches!(hello.session.actor, orchflow_core::event::Actor::Agent { .. });
        if is_editor_call && hello.is_editor && !is_agent {
            hello.session.editor = Some(self.number);
        }
        let version = env!("CARGO_PKG_VERSION");
        let warning = (hello.version != version).then(|| {
            format!(
                "the host is orchflow {version}, this front {}; `orchflow host stop` ends the host",
                hello.version
            )
        });
        let actor = hello.session.actor.word();
        self.session = Some(hello.session);
        Ok(from_json(&json!({
            "protocol": PROTOCOL,
            "version": version,
            "host_pid": std::process::id(),
            "repository": self.world.repository.worktree().to_string_lossy(),
            "common_dir": self.world.repository.common_directory().to_string_lossy(),
            "actor": actor,
            "warning": warning,
        })))
    }

    /// Reports are taken in the order of their connection; one that waits for the human lets others pass.
    async fn report(&mut self, id: u64, params: &Value) {
        let arrival = match Arrival::from_value(params) {
            Ok(arrival) => arrival,
            Err(refusal) => return self.answer(id, Err(refusal)),
        };
        let (world, out) = (Arc::clone(&self.world), self.out.clone());
        let waits = arrival.waits();
        let work = async move {
            let result = world.take_report(arrival).await.map(|answer| match answer {
                None => Value::Map(vec![(Value::from("durable"), Value::from(true))]),
                Some(answer) => Value::Map(vec![
                    (Value::from("output"), Value::Binary(answer.output)),
                    (Value::from("exit"), Value::from(answer.exit)),
                ]),
            });
            let _ = out.send(response(id, result));
        };
        if waits {
            self.tasks.spawn_local(work);
        } else {
            work.await;
        }
    }

    async fn drain(&self, params: &Value) -> Result<Value, Refusal> {
        let field = |name: &str| {
            params
                .as_map()?
                .iter()
                .find(|(key, _)| key.as_str() == Some(name))
                .and_then(|(_, value)| value.as_str())
        };
        let wrong = || Refusal::new(Code::Usage, "drain without a good agent and token");
        let agent: AgentKey = field("agent").and_then(|name| name.parse().ok()).ok_or_else(wrong)?;
        self.world.check_token(&agent, field("token").ok_or_else(wrong)?)?;
        self.world.drain_spool(&agent).await?;
        Ok(Value::Nil)
    }

    async fn notification(&mut self, method: &str, mut params: Vec<Value>) {
        let first = if params.is_empty() { Value::Nil } else { params.swap_remove(0) };
        match method {
            "call" => self.editor_call(&first),
            "answer" => {
                if let Some(editor) = &self.editor {
                    editor.answered(&to_json(&first));
                }
            }
            _ => tracing::debug!(method, "a notification nobody waits for"),
        }
    }

    /// A call by notification, as an editor makes it so as never to wait.
    fn editor_call(&mut self, call: &Value) {
        let field = |name: &str| {
            call.as_map()?.iter().find(|(key, _)| key.as_str() == Some(name)).map(|(_, value)| value)
        };
        let (Some(id), Some(method)) =
            (field("id").and_then(Value::as_u64), field("method").and_then(Value::as_str))
        else {
            tracing::warn!("an editor's call without an id or a method");
            return;
        };
        let params = field("params").cloned().unwrap_or(Value::Nil);
        if method == "hello" {
            let result = self.hello(&params, true);
            let is_editor = self.session.as_ref().is_some_and(|session| session.editor.is_some());
            if self.editor.is_none() {
                // A script prints what it gets and wants the nulls; for an editor an absent key is the only nil.
                let is_script = params.as_map().is_some_and(|map| {
                    map.iter().any(|(key, value)| {
                        key.as_str() == Some("interactive") && value.as_bool() == Some(false)
                    })
                });
                let link = EditorLink::open(Arc::clone(&self.world), self.out.clone(), is_script);
                // Only the human's own editor is asked about buffers; an agent's could swallow what is accepted.
                if result.is_ok() && is_editor {
                    self.world.editors.add(self.number, link.caller());
                }
                self.editor = Some(link);
            }
            if let Some(editor) = &self.editor {
                editor.answer(id, result.map(|value| to_json(&value)));
            }
            return;
        }
        let Some(editor) = &self.editor else {
            tracing::warn!(method, "an editor calls before it greeted");
            return;
        };
        let Some(session) = self.session.clone() else {
            editor.answer(id, Err(greet_first()));
            return;
        };
        let params = to_json(&params);
        if method == "subscribe" {
            let cursor = params.get("cursor").and_then(serde_json::Value::as_u64);
            editor.subscribe(id, cursor);
            return;
        }
        let (world, method, answers) = (Arc::clone(&self.world), method.to_owned(), editor.answers());
        self.tasks.spawn_local(async move {
            let result = api::call(&world, &session, &method, params).await;
            answers.answer(id, result);
        });
    }
}

fn greet_first() -> Refusal {
    Refusal::new(Code::Protocol, "the first call must be hello")
}

fn response(id: u64, result: Result<Value, Refusal>) -> Vec<u8> {
    let (error, result) = match result {
        Ok(result) => (Value::Nil, result),
        Err(refusal) => (from_json(&api::refusal_json(&refusal)), Value::Nil),
    };
    Message::Response { id, error, result }.encode()
}
