//! The runner: one process that owns one program's pty, screen, process group and socket.
//!
//! It lives as long as its program and a little longer, so that the last screen can still be seen. It needs nobody:
//! the host that started it may die, views may come and go. Everything runs on one thread; what the program prints is
//! always read at once, whatever the views and the socket's callers do, and every queue has a bound.

mod child;
mod connection;
mod core;
mod files;
mod input;
mod lifecycle;
mod options;
mod pace;
mod pty;
mod server;
mod views;

pub use input::clean_prompt;
pub use lifecycle::run;
pub use options::{RunnerError, RunnerOptions};
