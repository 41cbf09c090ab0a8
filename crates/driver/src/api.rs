//! Agents that are nothing but a model behind an HTTP interface.
//!
//! [`wire`] writes requests and reads answers, as pure functions over bytes, in the dialects there are. [`transport`]
//! carries them: time limits, proxies, trying again. [`tools`] is what the model can do in its worktree, [`key`] where
//! the key comes from, [`agent`] the loop that makes an agent of it all.

pub mod agent;
pub mod briefing;
pub mod fault;
pub mod history;
pub mod key;
pub mod message;
pub mod store;
pub mod tools;
pub mod transport;
pub mod wire;
