//! How long a line takes from the program that prints it to whoever looks.
//!
//!     latency --direct FAKE-AGENT --count N      through a pty of its own: the floor
//!     latency --relay FAKE-AGENT --count N       the same behind somebody who only hands on what he reads, over a socket
//!     latency --runner SOCKET --count N          as a driving view of a runner, whose agent is told to print meanwhile
//!     latency --round-trip N                     a message of one line there and back over a unix socket
//!
//! Prints {"samples": [ns…]}; a line of the runner form that says `ready` comes first.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use orchflow_bench::front::map;
use orchflow_bench::{Arguments, Fault, now_ns};
use orchflow_wire::blocking::Client;
use portable_pty::{CommandBuilder, PtySize, native_pty_system};
use rmpv::Value;

/// Takes whole stamps (`<NANOSECONDS>`) out of what arrived and notes how old each is, but for those from before
/// `since`: a view begins with what stood on the screen already.
fn take_stamps(seen: &mut Vec<u8>, samples: &mut Vec<u64>, since: u128) {
    let now = now_ns();
    while let Some(end) = seen.iter().position(|byte| *byte == b'>') {
        let begin = seen.iter().take(end).rposition(|byte| *byte == b'<');
        let text = begin.and_then(|begin| seen.get(begin + 1..end)).map(String::from_utf8_lossy);
        if let Some(printed) =
            text.and_then(|text| text.parse::<u128>().ok()).filter(|printed| *printed >= since)
        {
            samples.push(u64::try_from(now.saturating_sub(printed)).unwrap_or(u64::MAX));
        }
        seen.drain(..=end);
    }
}

fn direct(agent: &str, count: usize, relayed: bool) -> Result<Vec<u64>, Fault> {
    let pair =
        native_pty_system().openpty(PtySize { rows: 30, cols: 100, pixel_width: 0, pixel_height: 0 })?;
    let mut command = CommandBuilder::new(agent);
    command.args(["--log", "/dev/null", "--prompt", &format!("ticks: {count}")]);
    let mut child = pair.slave.spawn_command(command)?;
    drop(pair.slave);
    let mut reader = pair.master.try_clone_reader()?;
    if relayed {
        let (near, mut far) = UnixStream::pair()?;
        let mut printed = std::mem::replace(&mut reader, Box::new(near));
        thread::spawn(move || std::io::copy(&mut printed, &mut far));
    }
    let (mut seen, mut samples, mut buffer) = (Vec::new(), Vec::new(), [0_u8; 4096]);
    let since = 0;
    while samples.len() < count {
        let got = reader.read(&mut buffer)?;
        seen.extend_from_slice(buffer.get(..got).unwrap_or_default());
        take_stamps(&mut seen, &mut samples, since);
    }
    child.kill()?;
    child.wait()?;
    Ok(samples)
}

fn through_runner(socket: &Path, count: usize) -> Result<Vec<u64>, Fault> {
    let patience = Some(Duration::from_secs(30));
    let mut client = Client::connect(socket)?;
    client.request("hello", vec![map([("protocol", 1.into()), ("role", "view".into())])], patience)?;
    let size = [("columns", 100.into()), ("rows", 30.into())];
    let [columns, rows] = size;
    client.request(
        "view",
        vec![map([columns, rows, ("drive", true.into()), ("frames", false.into())])],
        patience,
    )?;
    let since = now_ns();
    println!("ready");
    std::io::stdout().flush()?;
    let (mut seen, mut samples) = (Vec::new(), Vec::new());
    while samples.len() < count {
        let (method, parameters) = client.notification(patience)?;
        if method != "output" && method != "frame" {
            continue;
        }
        let bytes = parameters.first().and_then(|value| match value {
            Value::Map(entries) => {
                entries.iter().find(|(key, _)| key.as_str() == Some("bytes")).map(|(_, value)| value)
            }
            other => Some(other),
        });
        seen.extend_from_slice(bytes.and_then(Value::as_slice).unwrap_or_default());
        take_stamps(&mut seen, &mut samples, since);
    }
    Ok(samples)
}

fn round_trips(count: usize) -> Result<Vec<u64>, Fault> {
    const LINE: [u8; 100] = [b'x'; 100];
    let (mut near, mut far) = UnixStream::pair()?;
    let echo = thread::spawn(move || -> std::io::Result<()> {
        let mut line = LINE;
        for _ in 0..count {
            far.read_exact(&mut line)?;
            far.write_all(&line)?;
        }
        Ok(())
    });
    let mut samples = Vec::new();
    let mut line = LINE;
    for _ in 0..count {
        // As far apart as the lines are, so that both sides sleep in between.
        thread::sleep(Duration::from_millis(4));
        let begin = Instant::now();
        near.write_all(&LINE)?;
        near.read_exact(&mut line)?;
        samples.push(u64::try_from(begin.elapsed().as_nanos())?);
    }
    echo.join().map_err(|_| "the echo panicked")??;
    Ok(samples)
}

fn main() -> Result<(), Fault> {
    let arguments = Arguments::read()?;
    let samples = if let Some(count) = arguments.find("round-trip") {
        round_trips(count.parse()?)?
    } else {
        let count = usize::try_from(arguments.number("count")?)?;
        match (arguments.find("direct"), arguments.find("relay")) {
            (Some(agent), _) => direct(agent, count, false)?,
            (None, Some(agent)) => direct(agent, count, true)?,
            (None, None) => through_runner(Path::new(arguments.get("runner")?), count)?,
        }
    };
    println!("{}", serde_json::json!({ "samples": samples }));
    Ok(())
}
