//! Length-checked msgpack frames and the msgpack-RPC envelope every socket of orchflow speaks.
//!
//! - [`frame`]: cuts a byte stream into whole values, under limits, without decoding them twice;
//! - [`message`]: the request / response / notification envelope of msgpack-RPC;
//! - [`blocking`]: a client for programs without an async runtime;
//! - [`json`]: the mapping between wire values and JSON;
//! - [`pack`]: msgpack written straight into bytes, for answers of many rows.

#![forbid(unsafe_code)]

pub mod blocking;
pub mod frame;
pub mod json;
pub mod message;
pub mod pack;

pub use frame::{FrameError, FrameReader, Limits};
pub use message::{Message, MessageError};
