//! The master side of a pty, for one thread and without blocking.

use std::io::{self, ErrorKind, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd as _, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;

use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use portable_pty::{CommandBuilder, MasterPty, PtySize, native_pty_system};
use rustix::io::ioctl_fionbio;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use tokio::net::unix::pipe::{Receiver, Sender};

use super::options::{RunnerError, RunnerOptions};
use crate::emulator::Size;

/// A pty with a program on its other side.
pub(super) struct Pty {
    /// tokio's pipes take any descriptor that can be polled.
    reader: Receiver,
    writer: Sender,
    master: Box<dyn MasterPty + Send>,
}

/// What a read brought.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reading {
    Bytes(usize),
    Nothing,
    End,
}

impl Pty {
    /// Opens a pty and starts the program in it: a session of its own, the pty its controlling terminal.
    pub(super) fn start(options: &RunnerOptions) -> Result<(Pty, i32), RunnerError> {
        let program =
            options.command.first().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let spawn_error = |reason: &dyn std::fmt::Display| RunnerError::Spawn {
            program: program.clone(),
            reason: format!("{reason:#}"),
        };
        if options.command.is_empty() {
            return Err(spawn_error(&"the command is empty"));
        }
        // portable-pty would start it in the home folder instead.
        if !options.working_directory.is_dir() {
            let folder = options.working_directory.display();
            return Err(spawn_error(&format!("its folder {folder} does not exist")));
        }
        let pair =
            native_pty_system().openpty(pty_size(options.size)).map_err(|error| spawn_error(&error))?;
        let mut command = CommandBuilder::from_argv(options.command.clone());
        command.env_clear();
        for (name, value) in options.environment.iter().chain([&options.marker]) {
            command.env(name, value);
        }
        command.cwd(&options.working_directory);
        let master = pair.master;
        let (reader, writer) = ends(&*master).map_err(RunnerError::system("watch the pty"))?;
        let child = pair.slave.spawn_command(command).map_err(|error| spawn_error(&error))?;
        let pid = child.process_id().and_then(|pid| i32::try_from(pid).ok()).unwrap_or_default();
        Ok((Pty { reader, writer, master }, pid))
    }

    /// Waits until there is something to read, or the end.
    pub(super) async fn readable(&self) -> io::Result<()> {
        self.reader.readable().await
    }

    /// Reads what is there into `buffer`.
    pub(super) fn read(&self, buffer: &mut [u8]) -> Reading {
        reading(|| self.reader.try_read(buffer))
    }

    /// Reads what is there, also when the event loop has not heard of it yet.
    pub(super) fn read_unannounced(&self, buffer: &mut [u8]) -> Reading {
        reading(|| Ok(rustix::io::read(&self.reader, &mut *buffer)?))
    }

    /// Writes some of `bytes` as soon as the program's side takes any. Returns how many.
    pub(super) async fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            self.writer.writable().await?;
            match self.writer.try_write(bytes) {
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
                result => return result,
            }
        }
    }

    /// Tells the program a new size.
    pub(super) fn resize(&self, size: Size) {
        if let Err(error) = self.master.resize(pty_size(size)) {
            tracing::debug!("the pty did not take its new size: {error}");
        }
    }

    /// Names the process group in the foreground, where the pty still has one.
    pub(super) fn foreground(&self) -> Option<i32> {
        self.master.process_group_leader()
    }
}

fn pty_size(size: Size) -> PtySize {
    PtySize { rows: size.rows, cols: size.columns, pixel_width: 0, pixel_height: 0 }
}

fn reading(mut read: impl FnMut() -> io::Result<usize>) -> Reading {
    loop {
        return match read() {
            Ok(0) => Reading::End,
            Ok(count) => Reading::Bytes(count),
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) if error.kind() == ErrorKind::WouldBlock => Reading::Nothing,
            // EIO: nobody has the other side open.
            Err(_) => Reading::End,
        };
    }
}

/// Opens both directions of a master for the event loop.
fn ends(master: &(dyn MasterPty + Send)) -> io::Result<(Receiver, Sender)> {
    let number = master.as_raw_fd().ok_or_else(|| io::Error::other("the pty has no descriptor"))?;
    let descriptor = own(number)?;
    ioctl_fionbio(&descriptor, true)?;
    let second = descriptor.try_clone()?;
    Ok((Receiver::from_owned_fd_unchecked(descriptor)?, Sender::from_owned_fd_unchecked(second)?))
}

/// Makes an owned duplicate of a descriptor of which only the number is known, as portable-pty gives it.
///
/// It is sent through a socket to ourselves: the one way to duplicate a bare number that needs no unsafe code.
fn own(number: RawFd) -> io::Result<OwnedFd> {
    let (ours, theirs) = UnixStream::pair()?;
    let descriptors = [number];
    let message = [ControlMessage::ScmRights(&descriptors)];
    sendmsg::<()>(ours.as_raw_fd(), &[IoSlice::new(b"d")], &message, MsgFlags::empty(), None)?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    recvmsg(&theirs, &mut [IoSliceMut::new(&mut [0])], &mut ancillary, RecvFlags::CMSG_CLOEXEC)?;
    ancillary
        .drain()
        .find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut received) => received.next(),
            _ => None,
        })
        .ok_or_else(|| io::Error::other("the descriptor did not come back"))
}
