//! Runs several commands in turn (A B A B …), so that all meet the same weather, and prints how long each took.
//!
//!     alternate --rounds N [--input FILE] [--between COMMAND] -- A… --- B… [--- C…]
//!
//! Each command gets FILE as its standard input; its output is dropped. Between rounds COMMAND runs by `sh -c`,
//! unmeasured. Prints one JSON object: {"samples": [[nanoseconds…] for A, [nanoseconds…] for B, …], "failed": [n…]}.

use std::fs::File;
use std::process::{Command, Stdio};
use std::time::Instant;

use orchflow_bench::{Arguments, Fault};

fn main() -> Result<(), Fault> {
    let arguments = Arguments::read()?;
    let rounds = arguments.number("rounds")?;
    let commands: Vec<&[String]> =
        arguments.rest.split(|word| word == "---").filter(|words| !words.is_empty()).collect();
    let mut samples: Vec<Vec<u64>> = vec![Vec::new(); commands.len()];
    let mut failed: Vec<u64> = vec![0; commands.len()];
    // One round more than asked for: the first fills caches and is not counted.
    for round in 0..=rounds {
        if let Some(between) = arguments.find("between") {
            Command::new("sh").arg("-c").arg(between).stdout(Stdio::null()).status()?;
        }
        for ((words, samples), failed) in commands.iter().zip(&mut samples).zip(&mut failed) {
            let (program, rest) = words.split_first().ok_or("a command is empty")?;
            let mut command = Command::new(program);
            command.args(rest).stdout(Stdio::null()).stderr(Stdio::null());
            match arguments.find("input") {
                Some(path) => command.stdin(File::open(path)?),
                None => command.stdin(Stdio::null()),
            };
            let begin = Instant::now();
            let status = command.spawn()?.wait()?;
            let took = begin.elapsed();
            if round > 0 {
                samples.push(u64::try_from(took.as_nanos())?);
                *failed += u64::from(!status.success());
            }
        }
    }
    println!("{}", serde_json::json!({ "samples": samples, "failed": failed }));
    Ok(())
}
