//! Floor of a host: for each frame it gets, one commit of one row, then one byte back.
//!
//!     commit-server --socket S --source EVENTS.DB --target FILE --type tool_finished
//!
//! Prints `ready` once it listens; ends when its standard input does.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Arc, Mutex};

use orchflow_bench::rows::RawLog;
use orchflow_bench::{Arguments, Fault};

fn serve(mut stream: UnixStream, log: &Mutex<RawLog>) -> Result<(), Fault> {
    let mut length = [0_u8; 4];
    while stream.read_exact(&mut length).is_ok() {
        let mut body = vec![0_u8; usize::try_from(u32::from_be_bytes(length))?];
        stream.read_exact(&mut body)?;
        log.lock().map_err(|_| "a commit panicked")?.commit(1)?;
        stream.write_all(&[1])?;
    }
    Ok(())
}

fn main() -> Result<(), Fault> {
    let arguments = Arguments::read()?;
    let log = RawLog::create(
        Path::new(arguments.get("source")?),
        Path::new(arguments.get("target")?),
        arguments.get("type")?,
        1,
    )?;
    let log = Arc::new(Mutex::new(log));
    let listener = UnixListener::bind(arguments.get("socket")?)?;
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // One at a time: the hooks it is compared with come one at a time too.
            if let Err(fault) = serve(stream, &log) {
                eprintln!("commit-server: {fault}");
            }
        }
    });
    println!("ready");
    std::io::stdout().flush()?;
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
