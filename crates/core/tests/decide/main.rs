//! Tables and properties of `decide` and `evolve`: inputs in, facts and wishes out, no world between.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
#![allow(clippy::manual_is_multiple_of, reason = "a remainder picks one of several, and 0 is one of them")]

mod approvals;
mod claude;
mod delivery;
mod holding;
mod life;
mod naming;
mod needs;
mod pause;
mod properties;
mod readiness;
mod resume;
mod review;
mod scene;
mod screens;
mod titles;
mod views;
