//! The small program on the path of every agent action: standard input to the host or the spool.
//!
//! It knows nothing of what it carries. A report is bytes with a name, handed to the host over its
//! socket as one msgpack-RPC request and answered when it is durable; where no host answers it goes to
//! the agent's [`spool`], one append-only file, from which the host reads it later. The same library
//! gives the runner its [`Reporter`] and the host its reader of spools.
//!
//! Nothing but the standard library and rustix stands here: this program starts several times for
//! every step an agent takes.

mod checksum;
mod link;
mod msgpack;
pub mod program;
mod report;
mod reporter;
pub mod spool;

pub use link::LinkError;
pub use report::Report;
pub use reporter::{Delivery, Opinion, Reporter, ReporterOptions};
