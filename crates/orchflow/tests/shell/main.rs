//! The shell front from outside: the program as it is built, a real repository, real processes.
//!
//! Every test has a sandbox of its own, so all of them may run at once.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test says what it expects by failing"
)]

mod acp;
mod api;
mod contract;
mod crash;
mod crash_fronts;
mod endless_reader;
mod failing;
mod focusing;
mod full_disk;
mod going_on;
mod gone_objects;
mod hooks;
mod identity;
mod life;
mod lists;
mod misuse;
mod money;
mod panes;
mod parts;
mod pausing;
mod peers;
mod prompts;
mod reaping;
mod rejoining;
mod resuming;
mod review;
mod rules;
mod surroundings;
mod telling;
mod tmux;
mod waiting;
mod wezterm;
mod writing;

use orchflow_testkit::Sandbox;

/// The program under test.
const ORCHFLOW: &str = env!("CARGO_BIN_EXE_orchflow");

/// Makes a sandbox with a repository of one commit.
fn sandbox() -> Sandbox {
    Sandbox::new(ORCHFLOW)
}

/// A rehearsal of one edit a turn: it writes its prompt behind a file of its own.
const WRITER: &str = "- - edit: {path: 'heard-{name}.txt', append: \"<{prompt}>\\n\"}\n";
