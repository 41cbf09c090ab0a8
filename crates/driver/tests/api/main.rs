//! API agents from outside: dialects, transport and tools.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test says what it expects by failing"
)]

mod recordings;
mod requests;
mod support;
mod tools;
mod transport;
