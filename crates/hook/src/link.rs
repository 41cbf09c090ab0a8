//! One connection to the host, on which nothing waits longer than its deadline.

use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType};

use crate::msgpack::{Unreadable, Value, Writer, read};

/// Largest answer read; a decision's output is a few hundred bytes.
const ANSWER_LIMIT: usize = 8 << 20;

/// Says why the host gave no answer.
#[derive(Debug)]
pub enum LinkError {
    /// Nobody listens there.
    Absent(Errno),
    /// The connection ended before the answer.
    Closed,
    /// The peer does not speak our protocol.
    Garbage,
    /// No answer came in time.
    TimedOut,
    /// The one the answer was for has gone.
    Abandoned,
    /// The host answered that it could not take it.
    Refused,
    /// The system refused to go on.
    System(Errno),
}

impl fmt::Display for LinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LinkError::Absent(error) => {
                write!(f, "no host answers at the socket ({error}); it starts with the next orchflow command")
            }
            LinkError::Closed => f.write_str("the host closed the connection before it answered"),
            LinkError::Garbage => f.write_str(
                "what listens at the socket does not speak orchflow's protocol; is it another version?",
            ),
            LinkError::TimedOut => f.write_str("the host did not answer in time"),
            LinkError::Abandoned => f.write_str("the agent no longer waits for the answer"),
            LinkError::Refused => f.write_str("the host refused the report; its log says why"),
            LinkError::System(error) => write!(f, "the connection to the host failed: {error}"),
        }
    }
}

impl std::error::Error for LinkError {}

/// Something whose end makes waiting pointless.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Watched<'a> {
    /// A process, by its pidfd.
    Process(BorrowedFd<'a>),
    /// The reader of a pipe we write to.
    Reader(BorrowedFd<'a>),
}

/// A connection to the host that asks one thing at a time.
pub(crate) struct Link {
    socket: OwnedFd,
    inbox: Vec<u8>,
    last_id: u64,
}

impl Link {
    /// Connects. A full backlog is waited for until the deadline.
    pub(crate) fn open(path: &Path, deadline: Instant) -> Result<Link, LinkError> {
        let address = SocketAddrUnix::new(path).map_err(LinkError::Absent)?;
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
            .map_err(LinkError::System)?;
        loop {
            match rustix::net::connect(&socket, &address) {
                Ok(()) => return Ok(Link { socket, inbox: Vec::new(), last_id: 0 }),
                Err(Errno::INTR) => {}
                // A unix socket tells a full backlog so, and cannot be polled for room in it.
                Err(Errno::AGAIN) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return Err(LinkError::TimedOut);
                    }
                    std::thread::sleep(left.min(Duration::from_millis(5)));
                }
                Err(error) => return Err(LinkError::Absent(error)),
            }
        }
    }

    /// Sends a request with one argument, already encoded, and waits for its result.
    ///
    /// # Errors
    /// [`LinkError::Abandoned`] as soon as one of `watched` has gone; after any
    /// error but [`LinkError::Refused`] the connection is of no more use.
    pub(crate) fn ask(
        &mut self,
        method: &str,
        argument: &[u8],
        deadline: Instant,
        watched: &[Watched<'_>],
    ) -> Result<Value, LinkError> {
        self.last_id += 1;
        let mut request = Writer::with_capacity(32 + argument.len());
        request.array(4);
        request.unsigned(0);
        request.unsigned(self.last_id);
        request.text(method);
        request.array(1);
        let mut request = request.into_bytes();
        // In one piece, so that the host wakes up once.
        request.extend_from_slice(argument);
        self.send(&request, deadline, watched)?;
        loop {
            // The answer takes a while: to look for it at once would be in vain.
            self.wait(PollFlags::IN, deadline, watched)?;
            self.receive(deadline, watched)?;
            if let Some(outcome) = self.answer()? {
                return outcome;
            }
        }
    }

    /// Takes the answer to the last request out of what arrived, if it is whole.
    fn answer(&mut self) -> Result<Option<Result<Value, LinkError>>, LinkError> {
        loop {
            let (value, used) = match read(&self.inbox) {
                Ok(read) => read,
                Err(Unreadable::Incomplete) if self.inbox.len() <= ANSWER_LIMIT => return Ok(None),
                Err(_) => return Err(LinkError::Garbage),
            };
            self.inbox.drain(..used);
            let Value::Array(message) = value else { return Err(LinkError::Garbage) };
            let Ok([kind, id, error, result]) = <[Value; 4]>::try_from(message) else {
                return Err(LinkError::Garbage);
            };
            if kind != Value::Integer(1) {
                return Err(LinkError::Garbage);
            }
            // An older id answers a request that was given up.
            if i64::try_from(self.last_id).is_ok_and(|last| id == Value::Integer(last)) {
                let outcome = if error == Value::Nil { Ok(result) } else { Err(LinkError::Refused) };
                return Ok(Some(outcome));
            }
        }
    }

    fn send(&self, mut bytes: &[u8], deadline: Instant, watched: &[Watched<'_>]) -> Result<(), LinkError> {
        while !bytes.is_empty() {
            match rustix::net::send(&self.socket, bytes, SendFlags::NOSIGNAL) {
                Ok(sent) => bytes = bytes.get(sent..).unwrap_or_default(),
                Err(Errno::AGAIN) => self.wait(PollFlags::OUT, deadline, watched)?,
                Err(Errno::INTR) => {}
                Err(Errno::PIPE | Errno::CONNRESET) => return Err(LinkError::Closed),
                Err(error) => return Err(LinkError::System(error)),
            }
        }
        Ok(())
    }

    fn receive(&mut self, deadline: Instant, watched: &[Watched<'_>]) -> Result<(), LinkError> {
        let mut buffer = [0u8; 4096];
        loop {
            match rustix::net::recv(&self.socket, &mut buffer[..], RecvFlags::empty()) {
                Ok((0, _)) => return Err(LinkError::Closed),
                Ok((received, _)) => {
                    self.inbox.extend_from_slice(buffer.get(..received).unwrap_or_default());
                    return Ok(());
                }
                Err(Errno::AGAIN) => self.wait(PollFlags::IN, deadline, watched)?,
                Err(Errno::INTR) => {}
                Err(Errno::CONNRESET) => return Err(LinkError::Closed),
                Err(error) => return Err(LinkError::System(error)),
            }
        }
    }

    fn wait(&self, event: PollFlags, deadline: Instant, watched: &[Watched<'_>]) -> Result<(), LinkError> {
        watch(Some((self.socket.as_fd(), event)), deadline, watched)
    }
}

/// Waits for a while with nobody connected.
///
/// # Errors
/// [`LinkError::Abandoned`] as soon as one of `watched` has gone.
pub(crate) fn pause(until: Instant, watched: &[Watched<'_>]) -> Result<(), LinkError> {
    match watch(None, until, watched) {
        Err(LinkError::TimedOut) => Ok(()),
        outcome => outcome,
    }
}

/// Waits until something can be done with a connection, or one of `watched` has gone, or time is up.
fn watch(
    connection: Option<(BorrowedFd<'_>, PollFlags)>,
    deadline: Instant,
    watched: &[Watched<'_>],
) -> Result<(), LinkError> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(LinkError::TimedOut);
        }
        let mut sources = Vec::with_capacity(1 + watched.len());
        sources.extend(connection.map(|(socket, event)| PollFd::from_borrowed_fd(socket, event)));
        sources.extend(watched.iter().map(|watched| match *watched {
            Watched::Process(pidfd) => PollFd::from_borrowed_fd(pidfd, PollFlags::IN),
            Watched::Reader(pipe) => PollFd::from_borrowed_fd(pipe, PollFlags::empty()),
        }));
        let timeout = Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: left.subsec_nanos().into(),
        };
        match poll(&mut sources, Some(&timeout)) {
            Ok(0) | Err(Errno::INTR) => {}
            Ok(_) => {
                let happened = |source: &PollFd<'_>| !source.revents().is_empty();
                if connection.is_some() && sources.first().is_some_and(happened) {
                    return Ok(());
                }
                if sources.iter().any(happened) {
                    return Err(LinkError::Abandoned);
                }
            }
            Err(error) => return Err(LinkError::System(error)),
        }
    }
}
