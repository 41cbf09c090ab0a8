//! Floor of a hook with the host down: a static process that appends its standard input to a file and makes
//! it durable.

use std::fs::OpenOptions;
use std::io::{Read, Write};

use orchflow_bench::Fault;

fn main() -> Result<(), Fault> {
    let path = std::env::args_os().nth(1).ok_or("usage: hook-append FILE")?;
    let mut body = Vec::new();
    std::io::stdin().lock().read_to_end(&mut body)?;
    let mut file = OpenOptions::new().append(true).create(true).open(path)?;
    file.write_all(&body)?;
    file.sync_data()?;
    Ok(())
}
