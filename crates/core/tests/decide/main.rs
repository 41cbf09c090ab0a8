//! Tables and properties of `decide` and `evolve`: inputs in, facts and wishes out, no world between.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod approvals;
mod claude;
mod delivery;
mod life;
mod naming;
mod properties;
mod review;
mod scene;
