//! Measures a line's way from the program to a view, against a bare pty and a socket, and a runner's memory.
//!
//! `cargo run --release -p orchflow-mux --example echo_latency [-- --json]`
//!
//! Every figure is measured in turn with its baseline, in several rounds; medians are printed. The same binary plays
//! all parts: the program that prints time stamps, the runner, the peer of the socket round trip.

use std::error::Error;
use std::ffi::OsString;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use orchflow_mux::client::{RunnerClient, ViewEvent};
use orchflow_mux::emulator::Size;
use orchflow_mux::runner::{RunnerOptions, run};
use orchflow_mux::signal::NoSignals;
use portable_pty::{CommandBuilder, PtySize, native_pty_system};
use rustix::time::{ClockId, clock_gettime};

type Failure = Box<dyn Error>;

const LINES: usize = 200;
const ROUNDS: usize = 5;
const PACE: Duration = Duration::from_millis(4);
const CALL: Duration = Duration::from_secs(10);

fn main() -> Result<(), Failure> {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let words: Vec<&str> = arguments.iter().filter_map(|word| word.to_str()).collect();
    match words.as_slice() {
        ["print"] => print_lines(),
        ["fill"] => fill(),
        ["answer"] => answer(),
        ["runner", socket, part] => be_runner(Path::new(socket), part),
        _ => measure(words.contains(&"--json")),
    }
}

/// Nanoseconds of a clock all processes share.
fn now() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

fn print_lines() -> Result<(), Failure> {
    let mut output = std::io::stdout().lock();
    // Give the view time to be there.
    std::thread::sleep(Duration::from_millis(300));
    for _ in 0..LINES {
        std::thread::sleep(PACE);
        output.write_all(format!("T{}E\n", now()).as_bytes())?;
        output.flush()?;
    }
    Ok(())
}

/// Fills screen and scrollback with full lines of mixed colours.
fn fill() -> Result<(), Failure> {
    let mut output = std::io::stdout().lock();
    for number in 0..2100 {
        let colour = number % 6 + 31;
        let text: String =
            (0..100u8).map(|column| char::from(b'!' + (column + (number % 90) as u8) % 90)).collect();
        let (left, right) = text.split_at(40);
        output.write_all(format!("\x1b[{colour}m{left}\x1b[0m{right}").as_bytes())?;
    }
    output.write_all(b"\r\nfilled\r\n")?;
    output.flush()?;
    std::thread::sleep(Duration::from_secs(600));
    Ok(())
}

/// Sends back each byte it gets.
fn answer() -> Result<(), Failure> {
    let mut byte = [0];
    loop {
        if std::io::stdin().read(&mut byte)? == 0 {
            return Ok(());
        }
        let mut output = std::io::stdout().lock();
        output.write_all(&byte)?;
        output.flush()?;
    }
}

fn be_runner(socket: &Path, part: &str) -> Result<(), Failure> {
    let command = vec![std::env::current_exe()?.into_os_string(), part.into()];
    let mut options = RunnerOptions::new(socket.to_owned(), command, std::env::temp_dir());
    options.linger = Duration::from_millis(200);
    options.size = Size::new(100, 30);
    run(options, Box::new(NoSignals))?;
    Ok(())
}

struct Runner {
    process: Child,
    client: RunnerClient,
}

fn start_runner(folder: &Path, part: &str) -> Result<Runner, Failure> {
    let socket: PathBuf = folder.join(format!("{}.sock", now()));
    let process = Command::new(std::env::current_exe()?)
        .arg("runner")
        .arg(&socket)
        .arg(part)
        .stdin(Stdio::null())
        .spawn()?;
    let deadline = Instant::now() + CALL;
    loop {
        match RunnerClient::connect(&socket, CALL) {
            Ok(client) => return Ok(Runner { process, client }),
            Err(error) if Instant::now() > deadline => return Err(error.into()),
            Err(_) => std::thread::sleep(Duration::from_millis(2)),
        }
    }
}

/// Collects the ages of the time stamps in a stream of bytes.
#[derive(Default)]
struct Ages {
    rest: String,
    nanoseconds: Vec<u64>,
}

impl Ages {
    fn feed(&mut self, bytes: &[u8]) {
        let seen = now();
        self.rest.push_str(&String::from_utf8_lossy(bytes));
        while let Some(end) = self.rest.find('E') {
            let line: String = self.rest.drain(..=end).collect();
            let stamp =
                line.rsplit('T').next().and_then(|stamp| stamp.trim_end_matches('E').parse::<u64>().ok());
            // A repaint shows old lines again.
            if let Some(age) =
                stamp.map(|stamp| seen.saturating_sub(stamp)).filter(|age| *age < 1_000_000_000)
            {
                self.nanoseconds.push(age);
            }
        }
    }
}

fn through_pty() -> Result<Vec<u64>, Failure> {
    let pair =
        native_pty_system().openpty(PtySize { rows: 30, cols: 100, pixel_width: 0, pixel_height: 0 })?;
    let mut command = CommandBuilder::new(std::env::current_exe()?);
    command.arg("print");
    let mut child = pair.slave.spawn_command(command)?;
    drop(pair.slave);
    let mut reader = pair.master.try_clone_reader()?;
    let mut ages = Ages::default();
    let mut chunk = [0; 4096];
    while let Ok(count @ 1..) = reader.read(&mut chunk) {
        ages.feed(chunk.get(..count).unwrap_or_default());
    }
    child.wait()?;
    Ok(ages.nanoseconds)
}

fn through_runner(folder: &Path) -> Result<Vec<u64>, Failure> {
    let mut runner = start_runner(folder, "print")?;
    runner.client.view(100, 30, true, false)?;
    let mut ages = Ages::default();
    loop {
        match runner.client.event(CALL)? {
            ViewEvent::Output(bytes) => ages.feed(&bytes),
            ViewEvent::Exited(_) => break,
            ViewEvent::Driving(_) | ViewEvent::Bell => {}
        }
    }
    runner.client.close()?;
    runner.process.wait()?;
    Ok(ages.nanoseconds)
}

fn round_trips() -> Result<Vec<u64>, Failure> {
    let (mut ours, theirs) = UnixStream::pair()?;
    let mut peer = Command::new(std::env::current_exe()?)
        .arg("answer")
        .stdin(Stdio::from(std::os::fd::OwnedFd::from(theirs.try_clone()?)))
        .stdout(Stdio::from(std::os::fd::OwnedFd::from(theirs)))
        .spawn()?;
    let mut times = Vec::new();
    let mut byte = [0];
    for _ in 0..LINES {
        std::thread::sleep(PACE);
        let start = now();
        ours.write_all(b"x")?;
        ours.read_exact(&mut byte)?;
        times.push(now() - start);
    }
    drop(ours);
    peer.wait()?;
    Ok(times)
}

/// Reads a runner's proportional set size in kB, with screen and scrollback full.
fn memory(folder: &Path) -> Result<u64, Failure> {
    let mut runner = start_runner(folder, "fill")?;
    let deadline = Instant::now() + CALL;
    while !runner.client.screen()?.rows.iter().any(|row| row == "filled") {
        if Instant::now() > deadline {
            return Err("the program did not fill its screen".into());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let lines = runner.client.scrollback(usize::MAX)?;
    let full = lines.iter().filter(|line| line.len() == 100).count();
    assert!(full >= 1900, "{full} full lines are kept");
    let rollup = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", runner.process.id()))?;
    let pss = rollup
        .lines()
        .find_map(|line| line.strip_prefix("Pss:"))
        .and_then(|line| line.split_whitespace().next()?.parse().ok())
        .ok_or("no Pss in smaps_rollup")?;
    runner.client.close()?;
    runner.client.stop(Duration::from_millis(100))?;
    runner.process.wait()?;
    Ok(pss)
}

fn percentile(times: &mut [u64], percent: usize) -> f64 {
    times.sort_unstable();
    let index = (times.len() * percent / 100).min(times.len().saturating_sub(1));
    times.get(index).copied().unwrap_or_default() as f64 / 1000.0
}

fn measure(json: bool) -> Result<(), Failure> {
    let folder = std::env::temp_dir().join(format!("echo-latency-{}", std::process::id()));
    let (mut pty, mut view, mut socket) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        pty.extend(through_pty()?);
        view.extend(through_runner(&folder)?);
        socket.extend(round_trips()?);
    }
    let pss = memory(&folder)?;
    std::fs::remove_dir_all(&folder)?;
    let [direct, viewed, trip] = [&mut pty, &mut view, &mut socket].map(|times| percentile(times, 50));
    let allowed = direct + 1.5 * trip;
    let report = serde_json::json!({
        "lines": view.len(),
        "direct_pty_us": direct,
        "direct_pty_p95_us": percentile(&mut pty, 95),
        "socket_round_trip_us": trip,
        "view_us": viewed,
        "view_p95_us": percentile(&mut view, 95),
        "allowed_us": allowed,
        "ratio": viewed / allowed,
        "runner_pss_kb": pss,
    });
    let mut output = std::io::stdout().lock();
    if json {
        writeln!(output, "{report}")?;
    } else {
        writeln!(output, "line to a bare pty        {direct:8.1} us")?;
        writeln!(output, "socket round trip         {trip:8.1} us")?;
        writeln!(
            output,
            "line to a runner's view   {viewed:8.1} us   {:.2} x (pty + 1.5 round trips)",
            viewed / allowed
        )?;
        writeln!(output, "runner, 2,000 full lines  {pss:8} kB PSS")?;
    }
    Ok(())
}
