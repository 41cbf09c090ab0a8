//! A caller of a runner's socket on tokio: many calls at once over one connection.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use orchflow_wire::{FrameReader, Message};
use rmpv::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, oneshot};

use crate::client::{ClientError, ViewEvent, arguments, check_hello, connect_error, shape};
use crate::emulator::Size;
use crate::protocol::{self, Exit, Hello, Manner, Pasted, Refusal, Screen, ViewOpened};

type Answer = Result<Value, ClientError>;

/// Events kept for a view that does not take them; then the connection is no longer read.
const EVENTS: usize = 256;

#[derive(Debug, Default)]
struct Open {
    next_id: u64,
    waiting: HashMap<u64, oneshot::Sender<Answer>>,
    closed: bool,
}

/// A connection to one runner. Clones share it; it closes with the last of them.
#[derive(Debug, Clone)]
pub struct AsyncRunnerClient {
    open: Arc<Mutex<Open>>,
    writer: mpsc::UnboundedSender<Vec<u8>>,
    timeout: Duration,
}

/// What a view hears, in order.
pub type ViewEvents = mpsc::Receiver<ViewEvent>;

impl AsyncRunnerClient {
    /// Connects and greets as a host. `timeout` holds for every later call that has none of its own.
    ///
    /// # Errors
    /// [`ClientError::Gone`] when nobody listens, [`ClientError::Foreign`] when the protocols do not meet.
    pub async fn connect(
        socket: &Path,
        timeout: Duration,
    ) -> Result<(AsyncRunnerClient, Hello), ClientError> {
        let (client, hello, _) = AsyncRunnerClient::connect_as("host", socket, timeout).await?;
        Ok((client, hello))
    }

    /// Connects and greets as a view, whose events come through the channel.
    ///
    /// # Errors
    /// As [`AsyncRunnerClient::connect`].
    pub async fn connect_view(
        socket: &Path,
        timeout: Duration,
    ) -> Result<(AsyncRunnerClient, Hello, ViewEvents), ClientError> {
        AsyncRunnerClient::connect_as("view", socket, timeout).await
    }

    async fn connect_as(
        role: &str,
        socket: &Path,
        timeout: Duration,
    ) -> Result<(AsyncRunnerClient, Hello, ViewEvents), ClientError> {
        let stream = UnixStream::connect(socket).await.map_err(|error| connect_error(socket, error))?;
        let (reading, writing) = stream.into_split();
        let open = Arc::new(Mutex::new(Open::default()));
        let (writer, outgoing) = mpsc::unbounded_channel();
        let (sender, events) = mpsc::channel(EVENTS);
        tokio::spawn(write(writing, outgoing));
        tokio::spawn(read(reading, Arc::clone(&open), (role == "view").then_some(sender)));
        let client = AsyncRunnerClient { open, writer, timeout };
        let answer = client.ask("hello", arguments::hello(role), timeout).await?;
        Ok((client, check_hello(&answer)?, events))
    }

    async fn ask(&self, method: &str, params: Value, timeout: Duration) -> Answer {
        let (sender, receiver) = oneshot::channel();
        let id = {
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            if open.closed {
                return Err(ClientError::Closed);
            }
            open.next_id += 1;
            let id = open.next_id;
            open.waiting.insert(id, sender);
            id
        };
        let request = Message::Request { id, method: method.to_owned(), params: vec![params] };
        self.writer.send(request.encode()).map_err(|_| ClientError::Closed)?;
        match tokio::time::timeout(timeout, receiver).await {
            Ok(answer) => answer.unwrap_or(Err(ClientError::Closed)),
            Err(_) => {
                self.open.lock().unwrap_or_else(PoisonError::into_inner).waiting.remove(&id);
                Err(ClientError::TimedOut)
            }
        }
    }

    fn tell(&self, method: &str, params: Value) -> Result<(), ClientError> {
        let message = Message::Notification { method: method.to_owned(), params: vec![params] };
        self.writer.send(message.encode()).map_err(|_| ClientError::Closed)
    }

    /// Asks anew how runner and program are.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn hello(&self) -> Result<Hello, ClientError> {
        check_hello(&self.ask("hello", arguments::hello("host"), self.timeout).await?)
    }

    /// Writes a prompt into the program.
    ///
    /// # Errors
    /// [`ClientError::TimedOut`] means that the program has not taken all of it within `timeout`, and still may.
    pub async fn paste(
        &self,
        text: &[u8],
        manner: &Manner,
        timeout: Duration,
    ) -> Result<Pasted, ClientError> {
        let answer = self.ask("paste", arguments::paste(text, manner), timeout).await?;
        shape(&answer, Pasted::from_value)
    }

    /// Writes bytes into the program's input as they are.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn input(&self, bytes: &[u8]) -> Result<(), ClientError> {
        self.ask("input", arguments::bytes(bytes), self.timeout).await.map(drop)
    }

    /// Presses `escape` or `ctrl-c`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn interrupt(&self, key: &str) -> Result<(), ClientError> {
        self.ask("interrupt", arguments::one("key", key), self.timeout).await.map(drop)
    }

    /// Gives the screen another size.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn resize(&self, size: Size) -> Result<(), ClientError> {
        self.ask("resize", arguments::size(size), self.timeout).await.map(drop)
    }

    /// Sends a signal to the program's process group.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn signal(&self, name: &str) -> Result<(), ClientError> {
        self.ask("signal", arguments::one("name", name), self.timeout).await.map(drop)
    }

    /// Halts the program and everything it started, or lets it go on. Returns how many processes it was done to.
    /// Only runners of [`protocol::PAUSE_PROTOCOL`] know how.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn pause(&self, pause: bool) -> Result<u64, ClientError> {
        let method = if pause { "pause" } else { "resume" };
        let answer = self.ask(method, arguments::none(), self.timeout).await?;
        shape(&answer, Value::as_u64)
    }

    /// Ends the program, by force after `grace`, and waits until nothing of it is left.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn stop(&self, grace: Duration) -> Result<Exit, ClientError> {
        let grace_ms = grace.as_millis() as u64;
        // What it left behind is given the same time once more.
        let timeout = grace * 2 + self.timeout;
        let answer = self.ask("stop", arguments::one("grace_ms", grace_ms), timeout).await?;
        shape(&answer, Exit::from_value)
    }

    /// Reads the screen as text.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn screen(&self) -> Result<Screen, ClientError> {
        let answer = self.ask("screen", arguments::none(), self.timeout).await?;
        shape(&answer, Screen::from_value)
    }

    /// Reads up to `lines` rows above the screen, oldest first.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn scrollback(&self, lines: usize) -> Result<Vec<String>, ClientError> {
        let answer = self.ask("scrollback", arguments::one("lines", lines as u64), self.timeout).await?;
        shape(&answer, protocol::texts)
    }

    /// Lets the runner leave as soon as its program has ended.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn close(&self) -> Result<(), ClientError> {
        self.ask("close", arguments::none(), self.timeout).await.map(drop)
    }

    /// Becomes a view of `size`; it sets the screen's size if `drive`, and never gets the stream if `frames`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn view(&self, size: Size, drive: bool, frames: bool) -> Result<ViewOpened, ClientError> {
        let answer = self.ask("view", arguments::view(size, drive, frames), self.timeout).await?;
        shape(&answer, ViewOpened::from_value)
    }

    /// Sends keys of a view without waiting.
    ///
    /// # Errors
    /// [`ClientError::Closed`] when the connection is gone.
    pub fn view_input(&self, bytes: &[u8]) -> Result<(), ClientError> {
        self.tell("view_input", arguments::bytes(bytes))
    }

    /// Tells the size of a view without waiting.
    ///
    /// # Errors
    /// [`ClientError::Closed`] when the connection is gone.
    pub fn view_resize(&self, size: Size) -> Result<(), ClientError> {
        self.tell("view_resize", arguments::size(size))
    }
}

async fn write(mut stream: OwnedWriteHalf, mut outgoing: mpsc::UnboundedReceiver<Vec<u8>>) {
    while let Some(bytes) = outgoing.recv().await {
        if stream.write_all(&bytes).await.is_err() {
            return;
        }
    }
}

async fn read(mut stream: OwnedReadHalf, open: Arc<Mutex<Open>>, events: Option<mpsc::Sender<ViewEvent>>) {
    let mut frames = FrameReader::default();
    let mut chunk = vec![0u8; 16 * 1024];
    'connection: loop {
        match stream.read(&mut chunk).await {
            Ok(0) | Err(_) => break,
            Ok(count) => frames.push(chunk.get(..count).unwrap_or_default()),
        }
        loop {
            let message = match frames.next_frame() {
                Ok(Some(frame)) => Message::decode(&frame),
                Ok(None) => break,
                Err(_) => break 'connection,
            };
            match message {
                Ok(Message::Response { id, error, result }) => {
                    let sender = open.lock().unwrap_or_else(PoisonError::into_inner).waiting.remove(&id);
                    let answer = match error {
                        Value::Nil => Ok(result),
                        error => Err(ClientError::Refused(Refusal::from_value(&error))),
                    };
                    if let Some(sender) = sender {
                        let _ = sender.send(answer);
                    }
                }
                Ok(Message::Notification { method, params }) => {
                    let event = ViewEvent::from_notification(&method, params);
                    if let (Some(events), Some(event)) = (&events, event) {
                        // A slow view is not read, so that the runner sees it lag.
                        if events.send(event).await.is_err() {
                            break 'connection;
                        }
                    }
                }
                Ok(Message::Request { .. }) => {}
                Err(_) => break 'connection,
            }
        }
    }
    let mut open = open.lock().unwrap_or_else(PoisonError::into_inner);
    open.closed = true;
    open.waiting.clear();
}
