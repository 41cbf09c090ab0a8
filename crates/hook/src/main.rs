//! The hook program.

use std::process::ExitCode;

fn main() -> ExitCode {
    orchflow_hook::program::run(std::env::args_os().skip(1))
}
