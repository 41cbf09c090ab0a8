//! Ctrl-C while a command waits: it says so and ends with 130; agents go on.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

use super::envelope::{Failure, INTERRUPTED, Report};

/// The run a command waits for, once it is known.
#[derive(Clone, Default)]
pub struct Awaited(Arc<Mutex<Value>>);

impl Awaited {
    /// Notes which run it is.
    pub fn set(&self, run: &Value) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = run.clone();
    }
}

/// From now on SIGINT ends the process with a report about the run that is waited for.
pub fn heed(command: &'static str, json: bool) -> Awaited {
    let awaited = Awaited::default();
    let Ok(runtime) = Builder::new_current_thread().enable_all().build() else { return awaited };
    let guard = runtime.enter();
    let Ok(mut interrupts) = signal(SignalKind::interrupt()) else { return awaited };
    drop(guard);
    let shared = awaited.clone();
    std::thread::spawn(move || {
        if runtime.block_on(interrupts.recv()).is_none() {
            return;
        }
        let failure = Failure::new("interrupted", INTERRUPTED, "interrupted; the agents go on")
            .hint("orchflow wait waits on; orchflow stop all ends them");
        let run = shared.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let _ = super::finish(command, json, Report { run, ..Report::failed(failure) });
        std::process::exit(i32::from(INTERRUPTED));
    });
    awaited
}
