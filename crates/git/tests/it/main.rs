//! The crate against real repositories, sealed off from the machine's configuration.

mod apply;
mod checkpoint;
mod diff;
mod files;
mod operations;
mod repository;
mod support;
mod worktrees;
