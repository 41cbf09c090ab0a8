//! An agent without a mind: asks for bracketed paste, logs each prompt with its time, and does what the prompt says.
//!
//!     fake-agent --log FILE [--environment FOLDER] [--prompt TEXT]
//!
//! Log lines: `ready NS NAME`, `prompt NS NAME LENGTH`, `ran NS NAME CODE`, `printed NS NAME`.
//! Prompts it obeys: `run: COMMAND`, `flood: LINES_PER_SECOND SECONDS`, `lines: COUNT`, `ticks: COUNT`
//! (lines that say when they were printed), `leave`.
//! With --environment it writes what the orchestrator gave it (ORCHFLOW_*) into FOLDER/NAME.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use orchflow_bench::{Arguments, Fault, append_line, now_ns};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};

const PASTE_BEGINS: &[u8] = b"\x1b[200~";
const PASTE_ENDS: &[u8] = b"\x1b[201~";

struct Agent {
    name: String,
    log: PathBuf,
}

impl Agent {
    fn say(&self, what: &str, more: &str) -> Result<(), Fault> {
        append_line(&self.log, format!("{what} {} {} {more}", now_ns(), self.name).trim_end())
    }

    /// Answers one prompt. `false` ends the agent.
    fn obey(&self, prompt: &[u8]) -> Result<bool, Fault> {
        self.say("prompt", &prompt.len().to_string())?;
        let text = String::from_utf8_lossy(prompt);
        let text = text.trim();
        if let Some(command) = text.strip_prefix("run: ") {
            let status = Command::new("sh").arg("-c").arg(command).stdin(Stdio::null()).status()?;
            self.say("ran", &status.code().unwrap_or(-1).to_string())?;
        } else if let Some(numbers) = text.strip_prefix("flood: ") {
            let mut numbers = numbers.split(' ').map(str::parse::<u32>);
            let (Some(Ok(rate)), Some(Ok(seconds))) = (numbers.next(), numbers.next()) else {
                return Err("flood: RATE SECONDS".into());
            };
            flood(rate, seconds)?;
            self.say("printed", "")?;
        } else if let Some(count) = text.strip_prefix("lines: ") {
            let mut out = std::io::stdout().lock();
            for number in 0..count.parse::<u32>()? {
                write!(
                    out,
                    "\r\n{number:05} {}",
                    "the quick brown fox jumps over it ".repeat(3).get(..94).unwrap_or("")
                )?;
            }
            out.flush()?;
            self.say("printed", "")?;
        } else if let Some(count) = text.strip_prefix("ticks: ") {
            ticks(count.parse()?)?;
            self.say("printed", "")?;
        } else if text == "leave" {
            return Ok(false);
        }
        Ok(true)
    }
}

/// Prints at a steady rate, in absolute time, so that a late line does not shift the rest.
fn flood(rate: u32, seconds: u32) -> Result<(), Fault> {
    let begin = Instant::now();
    let mut out = std::io::stdout().lock();
    for number in 0..rate * seconds {
        let due = begin + Duration::from_secs(1) * number / rate.max(1);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        write!(out, "\r\n{number:06} compiling module {} of many, nothing to see here", number % 97)?;
        out.flush()?;
    }
    Ok(())
}

/// Prints lines that carry the time of their printing, far enough apart to be delivered one by one.
fn ticks(count: u32) -> Result<(), Fault> {
    let mut out = std::io::stdout().lock();
    for _ in 0..count {
        std::thread::sleep(Duration::from_millis(4));
        write!(out, "\r\n<{}>", now_ns())?;
        out.flush()?;
    }
    Ok(())
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

/// Takes the first whole prompt out of what was typed: text and pastes up to Enter outside a paste.
fn take_prompt(typed: &mut Vec<u8>) -> Option<Vec<u8>> {
    let mut prompt = Vec::new();
    let mut at = 0;
    loop {
        let rest = typed.get(at..)?;
        if rest.starts_with(PASTE_BEGINS) {
            let inside = rest.get(PASTE_BEGINS.len()..)?;
            let length = find(inside, PASTE_ENDS)?;
            prompt.extend_from_slice(inside.get(..length)?);
            at += PASTE_BEGINS.len() + length + PASTE_ENDS.len();
        } else if matches!(rest.first()?, b'\r' | b'\n') {
            typed.drain(..=at);
            return Some(prompt);
        } else {
            prompt.push(*rest.first()?);
            at += 1;
        }
    }
}

fn keep_environment(folder: &Path, name: &str) -> Result<(), Fault> {
    let mut lines = String::new();
    for (key, value) in std::env::vars_os() {
        if key.to_string_lossy().starts_with("ORCHFLOW_") {
            lines.push_str(&format!("{}={}\n", key.to_string_lossy(), value.to_string_lossy()));
        }
    }
    let path = folder.join(name.replace('/', "-"));
    let fresh = path.with_extension("new");
    std::fs::write(&fresh, lines)?;
    std::fs::rename(fresh, path)?;
    Ok(())
}

fn run() -> Result<(), Fault> {
    let arguments = Arguments::read()?;
    let folder = std::env::current_dir()?;
    let name = std::env::var("ORCHFLOW_AGENT")
        .unwrap_or_else(|_| folder.file_name().unwrap_or_default().to_string_lossy().into_owned());
    let agent = Agent { name, log: arguments.get("log")?.into() };
    if let Some(folder) = arguments.find("environment") {
        keep_environment(Path::new(folder), &agent.name)?;
    }
    if let Ok(mut mode) = tcgetattr(rustix::stdio::stdin()) {
        mode.make_raw();
        tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &mode)?;
    }
    print!("\x1b[?2004h> ");
    std::io::stdout().flush()?;
    agent.say("ready", "")?;
    if let Some(prompt) = arguments.find("prompt") {
        agent.obey(prompt.as_bytes())?;
    }
    let mut typed = Vec::new();
    let mut buffer = [0_u8; 65536];
    loop {
        let count = std::io::stdin().lock().read(&mut buffer)?;
        if count == 0 {
            return Ok(());
        }
        typed.extend_from_slice(buffer.get(..count).unwrap_or_default());
        // As a real one does: what arrives shows at once.
        print!("[{count} bytes]");
        std::io::stdout().flush()?;
        while let Some(prompt) = take_prompt(&mut typed) {
            if !agent.obey(&prompt)? {
                return Ok(());
            }
            print!("\r\n> ");
            std::io::stdout().flush()?;
        }
    }
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("fake-agent: {fault}");
            ExitCode::FAILURE
        }
    }
}
