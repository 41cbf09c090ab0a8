//! Waiting for a condition that has a name.

use std::time::{Duration, Instant};

/// Longest wait for one condition.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(8);

/// Waits until `condition` holds, and fails with its name after [`DEADLINE`].
///
/// # Panics
/// When the condition does not come to hold.
#[track_caller]
pub fn wait_for(name: &str, mut condition: impl FnMut() -> bool) {
    eventually(name, || condition().then_some(()));
}

/// Waits until `look` finds something and gives it; fails with the name after [`DEADLINE`].
///
/// # Panics
/// When nothing is found.
#[track_caller]
pub fn eventually<T>(name: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain: {name}");
        std::thread::sleep(LOOK);
    }
}
