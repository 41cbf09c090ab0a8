//! The engine of a repository's host: the one loop, the effect runners, the bus and the config.
//!
//! Start reading in [`engine`]: everything enters there, is decided by `orchflow_core`, committed by
//! `orchflow_store`, and only then answered, published and carried out.

#![forbid(unsafe_code)]

pub mod adoption;
pub mod api;
pub mod clock;
pub mod config;
mod consent;
pub mod doctor;
pub mod editors;
pub mod effects;
pub mod engine;
mod failures;
pub mod hooks;
pub mod host;
pub mod kinds;
pub mod load;
mod notify;
mod pasted;
pub mod paths;
mod proposed;
pub mod reaping;
mod recovery;
pub mod review;
pub mod rules;
pub mod runners;
pub mod unified;
mod used;
pub mod world;
mod writers;
pub mod zone;

pub use engine::Engine;
pub use host::{Host, HostOptions, StartError};
pub use world::World;
