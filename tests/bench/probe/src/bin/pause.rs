//! Stands for a view in a pane: reads its terminal until it ends.

use std::io::Read;

use orchflow_bench::Fault;

fn main() -> Result<(), Fault> {
    let mut buffer = [0_u8; 4096];
    while std::io::stdin().lock().read(&mut buffer)? > 0 {}
    Ok(())
}
