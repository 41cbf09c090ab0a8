//! The long-running processes: host, runner, rehearsal.

pub mod host;
pub mod runner;
