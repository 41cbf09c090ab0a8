//! A blocking caller of a runner's socket, for hosts and tools without an async runtime.

use std::path::{Path, PathBuf};
use std::time::Duration;

use orchflow_wire::blocking::{Client, RequestError};
use rmpv::Value;

use crate::protocol::{
    self, Exit, Hello, Manner, OLDEST_PROTOCOL, PROTOCOL, Pasted, Refusal, Screen, ViewOpened, map,
};

/// Says why a runner did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens: the runner is gone.
    #[error("no runner answers on {0}: its program has ended, or the runner was killed")]
    Gone(PathBuf),
    /// The connection failed.
    #[error("the connection to the runner failed: {0}")]
    Io(#[from] std::io::Error),
    /// The runner closed the connection.
    #[error("the runner closed the connection")]
    Closed,
    /// No answer in time. What was asked may still happen.
    #[error("the runner did not answer in time")]
    TimedOut,
    /// The runner refused.
    #[error(transparent)]
    Refused(Refusal),
    /// The peer speaks something else, or another protocol.
    #[error("the peer is no runner this version can speak to: {0}")]
    Foreign(String),
}

impl From<RequestError> for ClientError {
    fn from(error: RequestError) -> ClientError {
        match error {
            RequestError::Io(error) => ClientError::Io(error),
            RequestError::Closed => ClientError::Closed,
            RequestError::TimedOut => ClientError::TimedOut,
            RequestError::Message(error) => ClientError::Foreign(error.to_string()),
            RequestError::Refused(value) => ClientError::Refused(Refusal::from_value(&value)),
        }
    }
}

/// Explains a failed connect: nobody listening means that the runner is gone.
pub(crate) fn connect_error(socket: &Path, error: std::io::Error) -> ClientError {
    match error.kind() {
        std::io::ErrorKind::NotFound | std::io::ErrorKind::ConnectionRefused => {
            ClientError::Gone(socket.to_owned())
        }
        _ => ClientError::Io(error),
    }
}

/// Checks what a peer said of itself.
pub(crate) fn check_hello(value: &Value) -> Result<Hello, ClientError> {
    let hello = Hello::from_value(value).ok_or_else(|| ClientError::Foreign(value.to_string()))?;
    if (OLDEST_PROTOCOL..=PROTOCOL).contains(&hello.protocol) {
        Ok(hello)
    } else {
        Err(ClientError::Foreign(format!(
            "it speaks protocol {}, this version {OLDEST_PROTOCOL} to {PROTOCOL}",
            hello.protocol
        )))
    }
}

pub(crate) fn shape<T>(value: &Value, read: impl FnOnce(&Value) -> Option<T>) -> Result<T, ClientError> {
    read(value).ok_or_else(|| ClientError::Foreign(format!("unexpected answer {value}")))
}

/// Arguments of the calls both kinds of client make.
pub(crate) mod arguments {
    use super::{PROTOCOL, Value, map};
    use crate::emulator::Size;
    use crate::protocol::Manner;

    pub(crate) fn hello(role: &str) -> Value {
        map([("protocol", PROTOCOL.into()), ("role", role.into())])
    }

    pub(crate) fn paste(text: &[u8], manner: &Manner) -> Value {
        map([
            ("text", Value::Binary(text.to_vec())),
            ("submit", manner.submit.into()),
            ("require_bracketed", manner.require_bracketed.into()),
            ("piece", manner.piece.map_or(Value::Nil, |most| (most as u64).into())),
            ("before", Value::Binary(manner.before.clone())),
            ("settle_ms", manner.settle_ms.into()),
        ])
    }

    pub(crate) fn bytes(bytes: &[u8]) -> Value {
        map([("bytes", Value::Binary(bytes.to_vec()))])
    }

    pub(crate) fn size(size: Size) -> Value {
        map([("columns", size.columns.into()), ("rows", size.rows.into())])
    }

    pub(crate) fn view(size: Size, drive: bool, frames: bool) -> Value {
        map([
            ("columns", size.columns.into()),
            ("rows", size.rows.into()),
            ("drive", drive.into()),
            ("frames", frames.into()),
        ])
    }

    pub(crate) fn one(key: &str, value: impl Into<Value>) -> Value {
        map([(key, value.into())])
    }

    pub(crate) fn none() -> Value {
        Value::Map(Vec::new())
    }
}

/// What a view hears.
#[derive(Debug, Clone, PartialEq)]
pub enum ViewEvent {
    /// Bytes for the view's terminal, stream or frame.
    Output(Vec<u8>),
    /// Whether this view sets the size from now on.
    Driving(bool),
    /// The program rang the bell, and the frame does not hold it.
    Bell,
    /// The program has ended.
    Exited(Exit),
}

impl ViewEvent {
    /// Reads a notification; `None` for one of a later protocol.
    pub fn from_notification(method: &str, params: Vec<Value>) -> Option<ViewEvent> {
        let first = params.into_iter().next();
        Some(match (method, first) {
            ("output" | "frame", Some(Value::Binary(bytes))) => ViewEvent::Output(bytes),
            ("driving", Some(driving)) => ViewEvent::Driving(driving.as_bool()?),
            ("bell", _) => ViewEvent::Bell,
            ("exited", Some(exit)) => ViewEvent::Exited(Exit::from_value(&exit)?),
            _ => return None,
        })
    }
}

/// A connection to one runner.
#[derive(Debug)]
pub struct RunnerClient {
    client: Client,
    timeout: Duration,
    hello: Hello,
}

impl RunnerClient {
    /// Connects and greets. `timeout` holds for every later call that has none of its own.
    ///
    /// # Errors
    /// [`ClientError::Gone`] when nobody listens, [`ClientError::Foreign`] when the protocols do not meet.
    pub fn connect(socket: &Path, timeout: Duration) -> Result<RunnerClient, ClientError> {
        let mut client = Client::connect(socket).map_err(|error| connect_error(socket, error))?;
        let answer = client.request("hello", vec![arguments::hello("host")], Some(timeout))?;
        Ok(RunnerClient { hello: check_hello(&answer)?, client, timeout })
    }

    /// Tells what the runner said when it was greeted.
    pub fn greeting(&self) -> &Hello {
        &self.hello
    }

    fn ask(&mut self, method: &str, params: Value, timeout: Duration) -> Result<Value, ClientError> {
        Ok(self.client.request(method, vec![params], Some(timeout))?)
    }

    /// Asks anew how runner and program are.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn hello(&mut self) -> Result<Hello, ClientError> {
        check_hello(&self.ask("hello", arguments::hello("host"), self.timeout)?)
    }

    /// Writes a prompt into the program.
    ///
    /// # Errors
    /// [`ClientError::TimedOut`] means that the program has not taken all of it within `timeout`, and still may.
    pub fn paste(&mut self, text: &[u8], manner: &Manner, timeout: Duration) -> Result<Pasted, ClientError> {
        let answer = self.ask("paste", arguments::paste(text, manner), timeout)?;
        shape(&answer, Pasted::from_value)
    }

    /// Writes bytes into the program's input as they are.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn input(&mut self, bytes: &[u8]) -> Result<(), ClientError> {
        self.ask("input", arguments::bytes(bytes), self.timeout).map(drop)
    }

    /// Presses `escape` or `ctrl-c`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn interrupt(&mut self, key: &str) -> Result<(), ClientError> {
        self.ask("interrupt", arguments::one("key", key), self.timeout).map(drop)
    }

    /// Gives the screen another size.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn resize(&mut self, columns: u16, rows: u16) -> Result<(), ClientError> {
        let size = crate::emulator::Size::new(columns, rows);
        self.ask("resize", arguments::size(size), self.timeout).map(drop)
    }

    /// Sends a signal to the program's process group.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn signal(&mut self, name: &str) -> Result<(), ClientError> {
        self.ask("signal", arguments::one("name", name), self.timeout).map(drop)
    }

    /// Halts the program and everything it started, or lets it go on. Returns how many processes it was done to.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn pause(&mut self, pause: bool) -> Result<u64, ClientError> {
        let method = if pause { "pause" } else { "resume" };
        let answer = self.ask(method, arguments::none(), self.timeout)?;
        shape(&answer, Value::as_u64)
    }

    /// Ends the program, by force after `grace`, and waits until nothing of it is left.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn stop(&mut self, grace: Duration) -> Result<Exit, ClientError> {
        let grace_ms = grace.as_millis() as u64;
        // What it left behind is given the same time once more.
        let timeout = grace * 2 + self.timeout;
        let answer = self.ask("stop", arguments::one("grace_ms", grace_ms), timeout)?;
        shape(&answer, Exit::from_value)
    }

    /// Reads the screen as text.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn screen(&mut self) -> Result<Screen, ClientError> {
        let answer = self.ask("screen", arguments::none(), self.timeout)?;
        shape(&answer, Screen::from_value)
    }

    /// Reads up to `lines` rows above the screen, oldest first.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn scrollback(&mut self, lines: usize) -> Result<Vec<String>, ClientError> {
        let answer = self.ask("scrollback", arguments::one("lines", lines as u64), self.timeout)?;
        shape(&answer, protocol::texts)
    }

    /// Lets the runner leave as soon as its program has ended.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn close(&mut self) -> Result<(), ClientError> {
        self.ask("close", arguments::none(), self.timeout).map(drop)
    }

    /// Becomes a view: from now on [`RunnerClient::event`] gives what its terminal shall show.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn view(
        &mut self,
        columns: u16,
        rows: u16,
        drive: bool,
        frames: bool,
    ) -> Result<ViewOpened, ClientError> {
        let size = crate::emulator::Size::new(columns, rows);
        let answer = self.ask("view", arguments::view(size, drive, frames), self.timeout)?;
        shape(&answer, ViewOpened::from_value)
    }

    /// Waits for the next thing a view hears.
    ///
    /// # Errors
    /// [`ClientError::TimedOut`] when nothing came, [`ClientError::Closed`] when the runner has left.
    pub fn event(&mut self, timeout: Duration) -> Result<ViewEvent, ClientError> {
        loop {
            let (method, params) = self.client.notification(Some(timeout))?;
            if let Some(event) = ViewEvent::from_notification(&method, params) {
                return Ok(event);
            }
        }
    }

    /// Sends keys of a view without waiting.
    ///
    /// # Errors
    /// What writing to the socket says.
    pub fn view_input(&mut self, bytes: &[u8]) -> Result<(), ClientError> {
        Ok(self.client.notify("view_input", vec![arguments::bytes(bytes)])?)
    }

    /// Tells the size of a view without waiting.
    ///
    /// # Errors
    /// What writing to the socket says.
    pub fn view_resize(&mut self, columns: u16, rows: u16) -> Result<(), ClientError> {
        let size = crate::emulator::Size::new(columns, rows);
        Ok(self.client.notify("view_resize", vec![arguments::size(size)])?)
    }
}
