//! Agents: the catalogue, how each is launched, and its wire turned into reports.
//!
//! Which agents there are is data ([`catalogue`]). How one is started ([`launch`]), what its hooks say
//! ([`hooks`], with what is special to a program in `adapter/`), what its terminal says ([`status`], [`screen`]) are pure functions over that data: they
//! start nothing and wait for nothing. The built-in [`rehearsal`] is the one program in here; what it shares with
//! the drivers of agents that have no terminal is [`terminal`], and [`orders`] is what a driver is told.

mod adapter;
pub mod catalogue;
pub mod hooks;
pub mod launch;
pub mod orders;
pub mod rehearsal;
pub mod screen;
pub mod sessions;
pub mod status;
pub mod terminal;
