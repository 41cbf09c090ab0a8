//! Drivers: programs of ours that stand in for agents without a terminal of their own.
//!
//! `orchflow drive FILE` runs in the runner's terminal like every other agent, so it outlives host, multiplexer and
//! editor, and `orchflow attach` shows it. It takes prompts from its terminal as pastes, states its status by OSC
//! 7501, reports to the host or the spool, and shows a small transcript. What it speaks with is a [`Backend`]; all
//! else is the same for each of them and stands in here. What is heavy to build stands in this crate too, so that
//! nobody else pays for it.

pub mod acp;
pub mod api;
pub mod backend;
mod bounded;
mod drive;
mod gate;
mod reporting;
mod session;
mod transcript;

pub use backend::{Backend, Happening, Outlet, Question, TurnEnd, Verdict};
pub use drive::drive;
