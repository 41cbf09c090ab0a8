//! The store on real files: what is acknowledged is there, what is there can be found, what was changed shows.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "tests"
)]

mod batches;
mod beside;
mod chain;
mod crash;
mod forget;
mod full;
mod pages;
mod support;
mod wal;
