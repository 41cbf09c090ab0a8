//! The program's processes: reaping them, signalling them, ending what is left of them.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, getpid, kill_process_group, wait};

use super::options::RunnerOptions;
use crate::leftover::{self, Marker, Process};

/// How often a dying process is looked at.
const LOOK: Duration = Duration::from_millis(10);

/// How often is looked for what still moves while a family is halted.
const ROUNDS: usize = 100;

/// Takes every dead child off the system's table. Returns how the program ended, if it was among them.
pub(super) fn reap(program: i32) -> Option<WaitStatus> {
    let mut found = None;
    while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
        if pid.as_raw_nonzero().get() == program {
            found = Some(status);
        }
    }
    found
}

/// Signals the program's process group, and the group in the foreground where that is another.
pub(super) fn signal_groups(program: i32, foreground: Option<i32>, signal: Signal) {
    let groups: BTreeSet<i32> = foreground.into_iter().chain([program]).filter(|group| *group > 1).collect();
    for group in groups.into_iter().filter_map(Pid::from_raw) {
        let _ = kill_process_group(group, signal);
    }
}

/// Finds everything that came of the program: the runner's descendants and all that carry the marker.
pub(super) fn family(options: &RunnerOptions) -> BTreeSet<Process> {
    let exempt = options.exempt_variable.as_deref();
    let mut found = leftover::descendants(getpid().as_raw_nonzero().get(), exempt);
    let marker = Marker { name: &options.marker.0, value: &options.marker.1 };
    found.extend(leftover::marked(marker, exempt));
    found
}

/// Halts everything that came of the program and is not in `halted` yet, and adds it there. What halted by itself
/// before, such as a job of a shell, is left to whoever halted it.
///
/// It ends once nothing moves: a process may have been born while its parent was about to halt.
pub(super) async fn halt_family(options: &RunnerOptions, halted: &RefCell<BTreeSet<Process>>) {
    for _ in 0..ROUNDS {
        let found = family(options);
        let fresh: BTreeSet<Process> = found
            .difference(&halted.borrow())
            .copied()
            .filter(|process| !leftover::is_halted(process))
            .collect();
        leftover::signal_all(&fresh, Signal::STOP);
        halted.borrow_mut().extend(&fresh);
        if fresh.is_empty() && halted.borrow().iter().all(leftover::stands_still) {
            return;
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Ends everything that is left of the program: politely, then by force. Returns how many processes there were.
pub(super) async fn end_family(options: &RunnerOptions) -> usize {
    let mut seen = family(options);
    if seen.is_empty() {
        return 0;
    }
    leftover::signal_all(&seen, Signal::TERM);
    // A stopped process hears the other signal only when it goes on.
    leftover::signal_all(&seen, Signal::CONT);
    let deadline = Instant::now() + options.grace;
    while Instant::now() < deadline && seen.iter().any(leftover::lives) {
        tokio::time::sleep(LOOK).await;
    }
    // Each round may meet children born in the one before.
    for _ in 0..100 {
        let left = family(options);
        if left.is_empty() {
            break;
        }
        leftover::signal_all(&left, Signal::KILL);
        seen.extend(left);
        tokio::time::sleep(LOOK).await;
    }
    seen.len()
}

/// Reads a signal by its name, with or without `SIG`.
pub(super) fn signal_by_name(name: &str) -> Option<Signal> {
    Some(match name.strip_prefix("SIG").unwrap_or(name) {
        "HUP" => Signal::HUP,
        "INT" => Signal::INT,
        "QUIT" => Signal::QUIT,
        "TERM" => Signal::TERM,
        "KILL" => Signal::KILL,
        "STOP" => Signal::STOP,
        "TSTP" => Signal::TSTP,
        "CONT" => Signal::CONT,
        "USR1" => Signal::USR1,
        "USR2" => Signal::USR2,
        "WINCH" => Signal::WINCH,
        _ => return None,
    })
}
