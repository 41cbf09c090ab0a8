//! Worktrees, checkpoints, hunks and three-way application over git.
//!
//! What it does: finds and judges a repository ([`Repository`]), gives agents worktrees of their own
//! ([`worktrees`]), keeps their work as a chain of commits under `refs/orchflow/` ([`checkpoint`]), turns two
//! trees into hunks with an identity ([`diff`], [`hunk`]), and brings single hunks into another version of the
//! file or takes them out again ([`apply`], [`merge`]).
//!
//! What it does not: decide anything, touch a branch, write to the user's index, stash or refs outside
//! `refs/orchflow/`, or talk to a network. Calls block; the caller chooses the thread.
//!
//! Paths and contents are bytes throughout. Git runs in one module alone, with a sealed environment.

pub mod apply;
pub mod blob;
pub mod checkpoint;
mod command;
pub mod conversion;
pub mod diff;
mod error;
pub mod files;
pub mod forecast;
pub mod hunk;
mod identity;
mod ignored;
mod index;
mod lines;
mod loose;
pub mod merge;
mod object;
pub mod operations;
pub mod part;
mod repository;
pub mod rivals;
mod show;
pub mod standing;
mod uncommitted;
pub mod worktrees;

pub use command::Program;
pub use error::GitError;
pub use lines::Lines;
pub use object::{FileMode, ObjectId};
pub use repository::{Head, Repository};
pub use uncommitted::Uncommitted;
