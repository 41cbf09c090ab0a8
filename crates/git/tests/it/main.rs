//! The crate against real repositories, sealed off from the machine's configuration.

// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used)]

mod apply;
mod checkpoint;
mod diff;
mod files;
mod operations;
mod part;
mod repository;
mod support;
mod worktrees;
