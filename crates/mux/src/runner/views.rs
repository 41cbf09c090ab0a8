//! The views of one screen: who sets its size, who gets the stream, who gets frames.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use orchflow_wire::Message;
use rmpv::Value;

use super::connection::Connection;
use crate::emulator::{Emulator, Size};
use crate::filter::Modes;
use crate::paint::{self, Frames};

/// Least time between two frames of one view.
const FRAME: Duration = Duration::from_millis(33);

/// Longest time a program may hold back frames by a synchronized update.
const HOLD: Duration = Duration::from_millis(150);

/// Stream bytes that may wait for a view before it gets frames instead.
const LAG: usize = 256 * 1024;

#[derive(Debug)]
struct View {
    connection: Rc<Connection>,
    size: Size,
    wants_drive: bool,
    frames_only: bool,
    /// It could not keep up with the stream and waits for its queue to empty.
    lagging: bool,
    streaming: bool,
    frames: Frames,
    painted: Option<Instant>,
    dirty: bool,
}

/// The views, by connection.
#[derive(Debug, Default)]
pub(super) struct Views {
    views: BTreeMap<u64, View>,
    driver: Option<u64>,
    held_since: Option<Instant>,
}

/// What the screen gives for painting.
pub(super) struct Picture<'a> {
    pub(super) emulator: &'a mut dyn Emulator,
    pub(super) modes: &'a Modes,
}

impl Views {
    /// Adds or changes a view. Returns the size the screen shall have from now on.
    pub(super) fn open(
        &mut self,
        connection: &Rc<Connection>,
        size: Size,
        drive: bool,
        frames_only: bool,
        screen: Size,
    ) -> Size {
        let view = View {
            connection: Rc::clone(connection),
            size,
            wants_drive: drive,
            frames_only,
            lagging: false,
            streaming: false,
            frames: Frames::default(),
            painted: None,
            dirty: true,
        };
        self.views.insert(connection.id, view);
        if drive {
            // The new driver learns it from its answer.
            if let Some(former) = self.driver.replace(connection.id).filter(|former| *former != connection.id)
            {
                self.tell_driving(former, false);
            }
            return size;
        }
        if self.driver == Some(connection.id) {
            return self.next_driver().unwrap_or(screen);
        }
        screen
    }

    /// Changes a view's size. Returns the size the screen shall have from now on.
    pub(super) fn resize(&mut self, id: u64, size: Size, screen: Size) -> Size {
        if let Some(view) = self.views.get_mut(&id) {
            view.size = size;
            view.frames.invalidate();
            view.dirty = true;
            // It may have the screen's size now, or no longer.
            view.streaming = false;
        }
        if self.driver == Some(id) { size } else { screen }
    }

    /// Takes a view away. Returns the size the next driver wants, if there is a new one.
    pub(super) fn remove(&mut self, id: u64) -> Option<Size> {
        self.views.remove(&id)?;
        if self.driver == Some(id) { self.next_driver() } else { None }
    }

    fn next_driver(&mut self) -> Option<Size> {
        let next =
            self.views.iter().rev().find(|(_, view)| view.wants_drive).map(|(id, view)| (*id, view.size));
        self.driver = next.map(|(id, _)| id);
        let (id, size) = next?;
        self.tell_driving(id, true);
        Some(size)
    }

    fn tell_driving(&self, id: u64, driving: bool) {
        if let Some(view) = self.views.get(&id) {
            view.connection.notify("driving", vec![Value::from(driving)]);
        }
    }

    pub(super) fn is_driver(&self, id: u64) -> bool {
        self.driver == Some(id)
    }

    /// Decides anew who gets the stream; `resized` paints everybody from the start.
    pub(super) fn settle(&mut self, picture: &mut Picture<'_>, resized: bool) {
        let screen = picture.emulator.size();
        let mut encoded = None;
        for view in self.views.values_mut() {
            let streams = !view.frames_only && !view.lagging && view.size == screen;
            if streams && (resized || !view.streaming) {
                let paint = encoded.get_or_insert_with(|| encode("output", full_after_reset(picture)));
                view.connection.send_picture(paint);
            } else if !streams && (view.streaming || resized) {
                view.frames.invalidate();
                view.dirty = true;
            }
            view.streaming = streams;
        }
    }

    /// Hands on output that was just drawn: `stream` to the views that stream, or a paint of everything when
    /// `repaint` is set. Returns whether a frame has to be painted later.
    pub(super) fn output(
        &mut self,
        stream: Vec<u8>,
        repaint: bool,
        bell: bool,
        picture: &mut Picture<'_>,
        now: Instant,
    ) -> bool {
        if self.views.is_empty() {
            return false;
        }
        self.hold(picture.modes, now);
        if self.views.values().any(|view| view.streaming) {
            let stream = if repaint { full_after_reset(picture) } else { stream };
            if !stream.is_empty() {
                let encoded = encode("output", stream);
                for view in self.views.values_mut().filter(|view| view.streaming) {
                    view.connection.send_picture(&encoded);
                    if view.connection.waiting() > LAG {
                        view.connection.drop_pictures();
                        view.lagging = true;
                        view.streaming = false;
                        view.frames.invalidate();
                        view.dirty = true;
                    }
                }
            }
        }
        for view in self.views.values_mut().filter(|view| !view.streaming) {
            view.dirty = true;
            if bell && view.connection.waiting() == 0 {
                view.connection.notify("bell", Vec::new());
            }
        }
        self.paint_due(picture, now).is_some()
    }

    /// Notes when a synchronized update began.
    fn hold(&mut self, modes: &Modes, now: Instant) {
        self.held_since = modes.is_set(2026).then(|| self.held_since.unwrap_or(now));
    }

    /// Paints the frames that are due. Returns when the next one is.
    pub(super) fn paint_due(&mut self, picture: &mut Picture<'_>, now: Instant) -> Option<Instant> {
        let held_until = self.held_since.map(|since| since + HOLD);
        let mut next: Option<Instant> = None;
        for view in self.views.values_mut().filter(|view| view.dirty && !view.streaming) {
            // A view that still reads its last frame is painted when it has: see `emptied`.
            if view.connection.waiting() > 0 || view.lagging {
                continue;
            }
            let due = view.painted.map_or(now, |painted| painted + FRAME).max(held_until.unwrap_or(now));
            if due > now {
                next = Some(next.map_or(due, |next| next.min(due)));
                continue;
            }
            view.dirty = false;
            view.painted = Some(now);
            let frame = view.frames.next(picture.emulator, picture.modes, view.size);
            if !frame.is_empty() {
                view.connection.send_picture(&encode("frame", frame));
            }
        }
        next
    }

    /// A view has read all that waited for it. Returns whether it must be looked after.
    pub(super) fn emptied(&mut self, id: u64, picture: &mut Picture<'_>) -> bool {
        let Some(view) = self.views.get_mut(&id) else { return false };
        if view.lagging {
            view.lagging = false;
            self.settle(picture, false);
            return true;
        }
        view.dirty && !view.streaming
    }

    /// Tells every view something.
    pub(super) fn tell(&self, method: &str, value: &Value) {
        for view in self.views.values() {
            view.connection.notify(method, vec![value.clone()]);
        }
    }
}

fn full_after_reset(picture: &mut Picture<'_>) -> Vec<u8> {
    paint::full(picture.emulator, picture.modes)
}

fn encode(method: &str, bytes: Vec<u8>) -> Vec<u8> {
    Message::Notification { method: method.to_owned(), params: vec![Value::Binary(bytes)] }.encode()
}
