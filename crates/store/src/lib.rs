//! The durable event log in SQLite: one writer, many readers.
//!
//! - [`Writer`] commits batches: events, the aggregates they changed, and the outbox, in one transaction;
//! - [`Reader`] pages and searches, in parallel with the writer;
//! - [`chain`] and [`verify`] make every later change to the log visible.
//!
//! The table `development_events` is meant to be read by anybody with plain SQL.

#![forbid(unsafe_code)]

pub mod chain;
mod error;
mod event_row;
mod files;
mod folding;
mod guard;
mod narrow;
mod open;
mod query;
mod reader;
mod reports;
mod schema;
mod search;
mod selection;
mod text;
pub mod verify;
mod wal;
mod writer;

pub use error::StoreError;
pub use query::{EventFilter, EventRow, Page};
pub use reader::Reader;
pub use schema::SCHEMA_VERSION;
pub use wal::{Holder, LongWal, WAL_LIMIT};
pub use writer::{Batch, Loaded, OutboxRow, Writer};
