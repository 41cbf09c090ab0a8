//! Holds a backend back that tells more than its driver can take.

use std::fmt;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::backend::Happening;
use crate::session::Event;

/// Most happenings that may wait for the driver.
const MOST: usize = 1024;

#[derive(Debug, Default)]
struct Waiting {
    count: usize,
    is_open: bool,
}

/// The driver's side.
#[derive(Debug, Clone, Default)]
pub struct Gate(Arc<(Mutex<Waiting>, Condvar)>);

impl Gate {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a way in.
    pub fn entrance(&self, events: Sender<Event>) -> Entrance {
        Entrance { gate: self.clone(), events }
    }

    /// Says that one happening was taken.
    pub fn took_one(&self) {
        let mut waiting = self.waiting();
        waiting.count = waiting.count.saturating_sub(1);
        drop(waiting);
        self.0.1.notify_one();
    }

    /// Lets everybody through from now on: nobody takes any more.
    pub fn open(&self) {
        self.waiting().is_open = true;
        self.0.1.notify_all();
    }
}

/// A backend's side.
#[derive(Clone)]
pub struct Entrance {
    gate: Gate,
    events: Sender<Event>,
}

impl Entrance {
    /// Sends a happening once there is room.
    pub fn send(&self, happening: Happening) {
        let mut waiting = self.gate.waiting();
        while waiting.count >= MOST && !waiting.is_open {
            waiting = self.gate.0.1.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        waiting.count += 1;
        drop(waiting);
        let _ = self.events.send(Event::Backend(happening));
    }
}

impl fmt::Debug for Entrance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Entrance")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    #[test]
    fn a_flood_waits_until_it_is_taken_and_passes_once_nobody_takes() {
        let (events, arriving) = channel();
        let gate = Gate::default();
        let entrance = gate.entrance(events);
        let flood = std::thread::spawn(move || {
            for _ in 0..3 * MOST {
                entrance.send(Happening::Note("x".to_owned()));
            }
        });
        for _ in 0..MOST + 10 {
            arriving.recv().unwrap();
            gate.took_one();
        }
        assert!(!flood.is_finished());
        gate.open();
        flood.join().unwrap();
        assert_eq!(arriving.iter().count(), 2 * MOST - 10);
    }
}
