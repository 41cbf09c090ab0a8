//! API agents from outside: dialects, transport and tools.

#![allow(missing_docs)]

mod recordings;
mod requests;
mod support;
mod tools;
mod transport;
