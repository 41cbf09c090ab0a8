//! Test doubles and temporary repositories shared by the tests of every crate.
//!
//! A [`Sandbox`] is a home of its own for one test: private folders, a cleared environment, repositories,
//! fake agents, and the `orchflow` program run in it. Everything that was started in it is known again by
//! its folder and is ended with it.
//!
//! Nothing here sleeps for luck: a test waits with [`wait_for`] for a condition that has a name.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test double fails by panicking")]

mod agents;
mod command;
mod follow;
mod observe;
mod processes;
mod programs;
mod repository;
mod sandbox;
mod wait;
mod wezterm;

pub use command::{Background, Outcome};
pub use follow::Follower;
pub use processes::{Process, lives};
pub use programs::build_hook;
pub use repository::{TemporaryRepository, write};
pub use rustix::process::Signal;
pub use sandbox::{MARKER, Sandbox};
pub use wait::{DEADLINE, eventually, wait_for};
pub use wezterm::{FakeWezterm, become_wezterm};
