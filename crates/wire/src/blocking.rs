//! A msgpack-RPC client on a unix socket for programs without an async runtime.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use rmpv::Value;

use crate::{FrameReader, Message, MessageError};

/// Says why a request has no answer.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// The socket failed.
    #[error("the connection failed: {0}")]
    Io(#[from] std::io::Error),
    /// The peer closed the connection before it answered.
    #[error("the connection was closed before an answer came")]
    Closed,
    /// No answer came in the given time.
    #[error("no answer within the given time")]
    TimedOut,
    /// The peer speaks something else.
    #[error(transparent)]
    Message(#[from] MessageError),
    /// The peer answered with an error value.
    #[error("refused: {0}")]
    Refused(Value),
}

/// A connection that asks one thing at a time and keeps notifications that arrive meanwhile.
#[derive(Debug)]
pub struct Client {
    stream: UnixStream,
    reader: FrameReader,
    next_id: u64,
    notifications: VecDeque<(String, Vec<Value>)>,
}

impl Client {
    /// Connects to the socket at `path`.
    ///
    /// # Errors
    /// What `connect(2)` says: `NotFound` or `ConnectionRefused` when nobody listens.
    pub fn connect(path: &Path) -> std::io::Result<Client> {
        Ok(Client::over(UnixStream::connect(path)?))
    }

    /// Speaks over a stream that is connected already.
    pub fn over(stream: UnixStream) -> Client {
        Client { stream, reader: FrameReader::default(), next_id: 1, notifications: VecDeque::new() }
    }

    /// Asks for `method` and waits for its answer, at most `timeout` between two reads.
    ///
    /// # Errors
    /// [`RequestError::Refused`] carries the peer's own error value.
    pub fn request(
        &mut self,
        method: &str,
        params: Vec<Value>,
        timeout: Option<Duration>,
    ) -> Result<Value, RequestError> {
        let id = self.next_id;
        self.next_id += 1;
        let request = Message::Request { id, method: method.to_owned(), params };
        self.stream.write_all(&request.encode())?;
        loop {
            match self.read_message(timeout)? {
                Message::Response { id: answered, error, result } if answered == id => {
                    return if error == Value::Nil { Ok(result) } else { Err(RequestError::Refused(error)) };
                }
                Message::Notification { method, params } => self.notifications.push_back((method, params)),
                Message::Response { .. } | Message::Request { .. } => {}
            }
        }
    }

    /// Sends a notification; nothing comes back.
    ///
    /// # Errors
    /// What writing to the socket says.
    pub fn notify(&mut self, method: &str, params: Vec<Value>) -> std::io::Result<()> {
        self.stream.write_all(&Message::Notification { method: method.to_owned(), params }.encode())
    }

    /// Waits for the next notification.
    ///
    /// # Errors
    /// [`RequestError::TimedOut`] when none came within `timeout`.
    pub fn notification(&mut self, timeout: Option<Duration>) -> Result<(String, Vec<Value>), RequestError> {
        loop {
            if let Some(notification) = self.notifications.pop_front() {
                return Ok(notification);
            }
            if let Message::Notification { method, params } = self.read_message(timeout)? {
                return Ok((method, params));
            }
        }
    }

    fn read_message(&mut self, timeout: Option<Duration>) -> Result<Message, RequestError> {
        self.stream.set_read_timeout(timeout)?;
        let mut chunk = [0u8; 16 * 1024];
        loop {
            if let Some(frame) = self.reader.next_frame().map_err(MessageError::from)? {
                return Ok(Message::decode(&frame)?);
            }
            match self.stream.read(&mut chunk) {
                Ok(0) => return Err(RequestError::Closed),
                Ok(count) => self.reader.push(chunk.get(..count).unwrap_or_default()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    return Err(RequestError::TimedOut);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_found_among_notifications() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let note = Message::Notification { method: "event".into(), params: vec![Value::from(1)] };
        let answer = Message::Response { id: 1, error: Value::Nil, result: Value::from(42) };
        theirs.write_all(&[note.encode(), answer.encode()].concat()).unwrap();
        let mut client = Client::over(ours);
        assert_eq!(client.request("x", vec![], None).unwrap(), Value::from(42));
        assert_eq!(client.notification(None).unwrap().0, "event");
    }

    #[test]
    fn a_silent_peer_and_a_gone_peer_are_told_apart() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let mut client = Client::over(ours);
        let silent = client.request("x", vec![], Some(Duration::from_millis(5)));
        assert!(matches!(silent, Err(RequestError::TimedOut)));
        drop(theirs);
        assert!(client.request("x", vec![], Some(Duration::from_millis(5))).is_err());
    }
}
