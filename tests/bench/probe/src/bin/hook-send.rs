//! Floor of a hook with the host up: a static process that sends its standard input over a socket and waits
//! for one byte.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use orchflow_bench::Fault;

fn main() -> Result<(), Fault> {
    let socket = std::env::args_os().nth(1).ok_or("usage: hook-send SOCKET")?;
    let mut body = Vec::new();
    std::io::stdin().lock().read_to_end(&mut body)?;
    let mut stream = UnixStream::connect(socket)?;
    let mut frame = u32::try_from(body.len())?.to_be_bytes().to_vec();
    frame.extend_from_slice(&body);
    stream.write_all(&frame)?;
    stream.read_exact(&mut [0_u8])?;
    Ok(())
}
