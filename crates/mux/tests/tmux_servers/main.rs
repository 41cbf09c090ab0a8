//! The tmux backend against real tmux servers, of each version that is there.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test's helpers fail loudly and say what they skip"
)]

mod conversation;
mod private;
mod quiet;
mod server;
mod views;
