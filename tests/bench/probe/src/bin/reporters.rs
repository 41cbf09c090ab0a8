//! Many reporters at once, through the host, against raw commits of as many rows.
//!
//!     reporters --count 32 --rounds N --body FILE --source EVENTS.DB --target FILE     (with an agent's ORCHFLOW_*)
//!     reporters --count 1 --rate 800 --seconds 20 --body FILE
//!
//! The first form lets every reporter send a report and wait until it is durable, `rounds` times, and between such
//! blocks commits `count` raw rows as often. Prints {"host": [ns…], "raw": [ns…], "lost": n}. The second only writes at a
//! steady rate and prints {"sent": n, "lost": n}.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use orchflow_bench::rows::RawLog;
use orchflow_bench::{Arguments, Fault};
use orchflow_hook::{Delivery, Reporter, ReporterOptions};

fn reporter() -> Result<Reporter, Fault> {
    Ok(Reporter::new(ReporterOptions {
        socket: std::env::var("ORCHFLOW_SOCKET")?.into(),
        agent: std::env::var("ORCHFLOW_AGENT")?,
        token: std::env::var("ORCHFLOW_TOKEN")?,
        spool: std::env::var("ORCHFLOW_SPOOL")?.into(),
    }))
}

/// Sends `rounds` reports one after the other and gives each one's time in nanoseconds, and how many were not stored.
fn send(reporter: &mut Reporter, body: &[u8], rounds: u64) -> (Vec<u64>, u64) {
    let mut took = Vec::new();
    let mut lost = 0;
    for _ in 0..rounds {
        let begin = Instant::now();
        let delivery = reporter.deliver("claude", "PostToolUse", body);
        took.push(u64::try_from(begin.elapsed().as_nanos()).unwrap_or(u64::MAX));
        lost += u64::from(!matches!(delivery, Delivery::Durable));
    }
    (took, lost)
}

fn steady(arguments: &Arguments, body: &[u8]) -> Result<(), Fault> {
    let rate = u32::try_from(arguments.number("rate")?)?;
    let seconds = u32::try_from(arguments.number("seconds")?)?;
    let mut reporter = reporter()?;
    let begin = Instant::now();
    let mut lost = 0;
    for number in 0..rate * seconds {
        let due = begin + Duration::from_secs(1) * number / rate;
        thread::sleep(due.saturating_duration_since(Instant::now()));
        lost += send(&mut reporter, body, 1).1;
    }
    println!(
        "{}",
        serde_json::json!({ "sent": rate * seconds, "lost": lost, "seconds": begin.elapsed().as_secs_f64() })
    );
    Ok(())
}

fn main() -> Result<(), Fault> {
    let arguments = Arguments::read()?;
    let body = std::fs::read(arguments.get("body")?)?;
    if arguments.find("rate").is_some() {
        return steady(&arguments, &body);
    }
    let count = usize::try_from(arguments.number("count")?)?;
    let rounds = arguments.number("rounds")?;
    let mut log = RawLog::create(
        Path::new(arguments.get("source")?),
        Path::new(arguments.get("target")?),
        "tool_finished",
        arguments.number("count")?,
    )?;
    let mut reporters = (0..count).map(|_| reporter()).collect::<Result<Vec<_>, _>>()?;
    let (mut host, mut raw, mut lost) = (Vec::new(), Vec::new(), 0);
    for block in 0..=5 {
        let results: Vec<(Vec<u64>, u64)> = thread::scope(|scope| {
            let handles: Vec<_> = reporters
                .iter_mut()
                .map(|reporter| scope.spawn(|| send(reporter, &body, rounds.div_ceil(5))))
                .collect();
            handles.into_iter().filter_map(|handle| handle.join().ok()).collect()
        });
        let mut commits = Vec::new();
        for _ in 0..rounds.div_ceil(5) {
            let begin = Instant::now();
            log.commit(count)?;
            commits.push(u64::try_from(begin.elapsed().as_nanos())?);
        }
        // The first block warms up.
        if block > 0 {
            raw.extend(commits);
            for (took, missing) in results {
                host.extend(took);
                lost += missing;
            }
        }
    }
    println!("{}", serde_json::json!({ "host": host, "raw": raw, "lost": lost }));
    Ok(())
}
