//! One caller of the socket and the bytes on their way to it.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io::ErrorKind;

use orchflow_wire::Message;
use rmpv::Value;
use tokio::net::UnixStream;
use tokio::sync::Notify;

/// Bytes kept for a caller that does not read its answers, before it is cut off.
const LIMIT: usize = 32 << 20;

#[derive(Debug)]
struct Parcel {
    bytes: Vec<u8>,
    written: usize,
    /// Picture that a later picture makes worthless.
    replaceable: bool,
}

/// A connected caller.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) id: u64,
    pub(super) stream: UnixStream,
    parcels: RefCell<VecDeque<Parcel>>,
    waiting: Cell<usize>,
    filled: Notify,
    closed: Cell<bool>,
}

impl Connection {
    pub(super) fn new(id: u64, stream: UnixStream) -> Connection {
        Connection {
            id,
            stream,
            parcels: RefCell::default(),
            waiting: Cell::new(0),
            filled: Notify::new(),
            closed: Cell::new(false),
        }
    }

    /// Tells how many bytes the caller has not taken yet.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.get()
    }

    /// Sends what must arrive.
    pub(super) fn send(&self, message: &Message) {
        self.push(message.encode(), false);
    }

    /// Sends a notification that must arrive.
    pub(super) fn notify(&self, method: &str, params: Vec<Value>) {
        self.send(&Message::Notification { method: method.to_owned(), params });
    }

    /// Sends an encoded picture, which [`Connection::drop_pictures`] may take back.
    pub(super) fn send_picture(&self, encoded: &[u8]) {
        self.push(encoded.to_vec(), true);
    }

    fn push(&self, bytes: Vec<u8>, replaceable: bool) {
        if self.closed.get() {
            return;
        }
        let mut written = 0;
        if self.waiting.get() == 0 {
            // The common case: written at once, without a turn of the loop.
            match self.stream.try_write(&bytes) {
                Ok(count) => written = count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => return self.close(),
            }
        }
        let left = bytes.len() - written;
        if left == 0 {
            return;
        }
        self.waiting.set(self.waiting.get() + left);
        self.parcels.borrow_mut().push_back(Parcel { bytes, written, replaceable });
        if self.waiting.get() > LIMIT {
            self.close();
        }
        self.filled.notify_one();
    }

    /// Takes back pictures of which nothing was sent.
    pub(super) fn drop_pictures(&self) {
        let mut parcels = self.parcels.borrow_mut();
        parcels.retain(|parcel| !parcel.replaceable || parcel.written > 0);
        self.waiting.set(parcels.iter().map(|parcel| parcel.bytes.len() - parcel.written).sum());
    }

    /// Cuts the caller off.
    pub(super) fn close(&self) {
        self.closed.set(true);
        self.filled.notify_one();
    }

    /// Writes what waits, calling `on_empty` each time nothing is left; ends when the caller is gone.
    pub(super) async fn drain(&self, on_empty: impl Fn()) {
        loop {
            self.filled.notified().await;
            while !self.closed.get() && self.waiting.get() > 0 {
                if self.stream.writable().await.is_err() || !self.write_some() {
                    self.close();
                }
            }
            if self.closed.get() {
                return;
            }
            on_empty();
        }
    }

    fn write_some(&self) -> bool {
        let mut parcels = self.parcels.borrow_mut();
        while let Some(parcel) = parcels.front_mut() {
            match self.stream.try_write(parcel.bytes.get(parcel.written..).unwrap_or_default()) {
                Ok(count) => {
                    parcel.written += count;
                    self.waiting.set(self.waiting.get().saturating_sub(count));
                    if parcel.written == parcel.bytes.len() {
                        parcels.pop_front();
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
                Err(_) => return false,
            }
        }
        true
    }
}
