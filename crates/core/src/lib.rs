//! The pure heart of orchflow: vocabulary, decide, evolve and the command catalogue.
//!
//! Nothing here knows a clock, an environment, a file or a thread: time and fresh ids come in with each
//! input, and what should happen in the world goes out as [`effect::Effect`] data.

#![forbid(unsafe_code)]

pub mod catalogue;
pub mod command;
pub mod decide;
pub mod describe;
pub mod effect;
pub mod event;
pub mod explain;
pub mod filter;
pub mod id;
pub mod policy;
pub mod price;
pub mod redact;
pub mod refusal;
pub mod report;
pub mod rule;
pub mod state;
pub mod usage;

pub use id::{AgentKey, EventSeq, RunId, Timestamp};
pub use refusal::{Code, Refusal};
