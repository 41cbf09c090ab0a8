//! The hook program itself: `orchflow-hook [--wait SECONDS] FORMAT [NAME]`.
//!
//! An agent must never suffer from it. Whatever happens it says nothing and exits with 0, unless the
//! host answered otherwise or the policy is enforced.

use std::env;
use std::ffi::OsString;
use std::fmt::Display;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::ExitCode;
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags};

use crate::link::Watched;
use crate::report::{Report, new_id, now_micros};
use crate::reporter::{Delivery, Meanwhile, Opinion, Reporter, ReporterOptions};

/// Most bytes of standard input that are passed on.
const BODY_LIMIT: usize = 32 << 20;

/// Formats of programs that show their own dialog while their hook waits; whoever answers first decides.
const WITH_A_DIALOG: [&str; 2] = ["claude", "opencode"];

const USAGE: &str = "\
orchflow-hook [--wait SECONDS] FORMAT [NAME]

Passes standard input on to the orchflow host as a report of the agent named in the environment
(ORCHFLOW_SOCKET, ORCHFLOW_AGENT, ORCHFLOW_TOKEN, ORCHFLOW_SPOOL). Agents run it; you need not.

  --wait SECONDS  wait so long for a decision, print it and exit as it says
  --version       print the version
  ORCHFLOW_HOOK_DEBUG=1 in the environment makes it say on standard error what it could not do.
";

struct Arguments {
    wait: Option<Duration>,
    format: String,
    name: String,
}

/// Runs the program with the arguments after its name.
pub fn run(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<String> = arguments.map(|argument| argument.to_string_lossy().into_owned()).collect();
    match arguments.first().map(String::as_str) {
        Some("--version") => {
            say(io::stdout(), concat!("orchflow-hook ", env!("CARGO_PKG_VERSION"), "\n").as_bytes());
            return ExitCode::SUCCESS;
        }
        Some("--help" | "-h") => {
            say(io::stdout(), USAGE.as_bytes());
            return ExitCode::SUCCESS;
        }
        _ => {}
    }
    let Some(arguments) = parse(&arguments) else {
        // Standard input stays unread here: a person typed this, or a settings file is wrong. The code
        // is 0 all the same, since some agents take 2 for a refusal.
        say(io::stderr(), USAGE.as_bytes());
        return ExitCode::SUCCESS;
    };
    let (body, truncated) = read_body(io::stdin().lock());
    let Some(options) = ReporterOptions::from_environment() else {
        debug(
            &"ORCHFLOW_SOCKET, ORCHFLOW_AGENT, ORCHFLOW_TOKEN or ORCHFLOW_SPOOL is not set; nothing was reported",
        );
        return no_opinion(&arguments);
    };
    let at = now_micros();
    let parent = rustix::process::getppid();
    let report = Report {
        id: &new_id(at),
        agent: &options.agent.clone(),
        token: &options.token.clone(),
        at,
        format: &arguments.format,
        name: &arguments.name,
        body: &body,
        pid: parent.map_or(0, |parent| parent.as_raw_nonzero().get().unsigned_abs()),
        decision: false,
        truncated,
    };
    let mut reporter = Reporter::new(options);
    match arguments.wait {
        None => {
            if let Delivery::Lost(error) = reporter.deliver_report(&report) {
                lost(&error);
            }
            ExitCode::SUCCESS
        }
        Some(patience) => decide(&mut reporter, &report, patience, parent, &arguments),
    }
}

fn decide(
    reporter: &mut Reporter,
    report: &Report<'_>,
    patience: Duration,
    parent: Option<Pid>,
    arguments: &Arguments,
) -> ExitCode {
    let asker: Option<OwnedFd> =
        parent.and_then(|parent| rustix::process::pidfd_open(parent, PidfdFlags::empty()).ok());
    let stdout = io::stdout();
    let mut watched = vec![Watched::Reader(stdout.as_fd())];
    watched.extend(asker.as_ref().map(|pidfd| Watched::Process(pidfd.as_fd())));
    let meanwhile = match WITH_A_DIALOG.contains(&arguments.format.as_str()) {
        true => Meanwhile::Dialog,
        false => Meanwhile::Nothing,
    };
    match reporter.decide(report, patience, meanwhile, &watched) {
        Ok(Some(Opinion { output, exit })) => {
            say(&stdout, &output);
            ExitCode::from(exit)
        }
        Ok(None) => no_opinion(arguments),
        Err((error, lost_too)) => {
            debug(&error);
            if let Some(error) = lost_too {
                lost(&error);
            }
            no_opinion(arguments)
        }
    }
}

/// Leaves the decision to the agent's own dialog; under an enforced policy it denies.
fn no_opinion(arguments: &Arguments) -> ExitCode {
    const REASON: &str = "orchflow enforces a policy and cannot ask: no decision came from its host";
    if arguments.wait.is_none() || env::var_os("ORCHFLOW_POLICY").is_none_or(|policy| policy != "enforced") {
        return ExitCode::SUCCESS;
    }
    let decision = match (arguments.format.as_str(), arguments.name.as_str()) {
        ("claude", "PermissionRequest") => {
            format!(r#""decision":{{"behavior":"deny","message":"{REASON}"}}"#)
        }
        ("claude", "PreToolUse") => {
            format!(r#""permissionDecision":"deny","permissionDecisionReason":"{REASON}""#)
        }
        ("copilot", "permissionRequest") => {
            say(io::stdout(), format!(r#"{{"behavior":"deny","message":"{REASON}"}}"#).as_bytes());
            return ExitCode::SUCCESS;
        }
        ("opencode", "permission.asked") => {
            say(io::stdout(), format!(r#"{{"reply":"reject","message":"{REASON}"}}"#).as_bytes());
            return ExitCode::SUCCESS;
        }
        // The way to refuse that the agents' command hooks have in common.
        _ => {
            say(io::stderr(), format!("{REASON}\n").as_bytes());
            return ExitCode::from(2);
        }
    };
    let name = &arguments.name;
    say(
        io::stdout(),
        format!(r#"{{"hookSpecificOutput":{{"hookEventName":"{name}",{decision}}}}}"#).as_bytes(),
    );
    ExitCode::SUCCESS
}

fn parse(arguments: &[String]) -> Option<Arguments> {
    let mut wait = None;
    let mut words = Vec::new();
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--wait" => wait = Some(seconds(arguments.next()?)?),
            option if option.starts_with("--wait=") => wait = Some(seconds(option.strip_prefix("--wait=")?)?),
            option if option.starts_with('-') => return None,
            word => words.push(word.to_owned()),
        }
    }
    let mut words = words.into_iter();
    let (format, name) = (words.next()?, words.next().unwrap_or_default());
    words.next().is_none().then_some(Arguments { wait, format, name })
}

fn seconds(text: &str) -> Option<Duration> {
    // A day is longer than any agent waits for a hook.
    text.parse().ok().filter(|seconds| (1..=86_400).contains(seconds)).map(Duration::from_secs)
}

/// Reads everything, so that the writer never meets a closed pipe, and keeps the first part.
fn read_body(mut input: impl Read) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    if let Err(error) = input.by_ref().take(BODY_LIMIT as u64).read_to_end(&mut body) {
        debug(&format_args!("standard input ended early: {error}"));
    }
    let rest = if body.len() == BODY_LIMIT { io::copy(&mut input, &mut io::sink()).unwrap_or(0) } else { 0 };
    (body, rest > 0)
}

/// What is lost is always said: the agent shows standard error of a hook to nobody but its log.
fn lost(error: &dyn Display) {
    say(io::stderr(), format!("orchflow-hook: a report is lost: {error}\n").as_bytes());
}

fn debug(message: &dyn Display) {
    if env::var_os("ORCHFLOW_HOOK_DEBUG").is_some() {
        say(io::stderr(), format!("orchflow-hook: {message}\n").as_bytes());
    }
}

/// Writes as far as somebody reads.
fn say(mut to: impl Write, bytes: &[u8]) {
    let _ = to.write_all(bytes).and_then(|()| to.flush());
}
