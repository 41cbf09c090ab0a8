//! The host's side of its socket: who connects, what they may ask, and what they are told.

mod connection;
mod editor;
mod identity;
pub mod server;
