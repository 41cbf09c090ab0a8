//! The orchflow command: the command line, and the processes behind it (host, runner, rehearsal, hook).
//!
//! [`cli`] reads words and prints; [`front`] is the host's side of every socket; [`process`] holds the
//! entry points of the long-running processes.

#![forbid(unsafe_code)]

mod cli;
mod front;
mod process;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
