//! Ctrl-C while a command waits: it says so and ends with 130; agents go on.

use serde_json::Value;
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

use super::envelope::{Failure, INTERRUPTED, Report};

/// From now on SIGINT ends the process with a report about `run`.
pub fn heed(command: &'static str, json: bool, run: Value) {
    let Ok(runtime) = Builder::new_current_thread().enable_all().build() else { return };
    let guard = runtime.enter();
    let Ok(mut interrupts) = signal(SignalKind::interrupt()) else { return };
    drop(guard);
    std::thread::spawn(move || {
        if runtime.block_on(interrupts.recv()).is_none() {
            return;
        }
        let failure = Failure::new("interrupted", INTERRUPTED, "interrupted; the agents go on")
            .hint("orchflow wait waits on; orchflow stop all ends them");
        let _ = super::finish(command, json, Report { run, ..Report::failed(failure) });
        std::process::exit(i32::from(INTERRUPTED));
    });
}
