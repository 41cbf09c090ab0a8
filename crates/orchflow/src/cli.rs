//! The command line: words in, text or JSON out, a meaningful exit code.

mod arguments;
mod commands;
mod doctor;
mod envelope;
mod follow;
mod interrupt;
mod link;
mod review;
mod show;
mod waiting;

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};

use arguments::Words;
use envelope::{Failure, Report};

/// Runs the command named on the command line.
pub fn main() -> ExitCode {
    let words = match arguments::read(std::env::args_os()) {
        Ok(words) => words,
        Err(arguments::Stop::Shown(code)) => return ExitCode::from(code),
        Err(arguments::Stop::Usage { json, command, failure }) => {
            return finish(&command, json, Report::failed(*failure));
        }
    };
    match words.command.name {
        "host" if words.text("action").is_none() => crate::process::host::run(&words.folder),
        "runner" => crate::process::runner::run(),
        "hook" => orchflow_hook::program::run(words.list("words").into_iter().map(Into::into)),
        "rehearsal" => commands::rehearsal(&words),
        "drive" => orchflow_driver::drive(std::path::Path::new(&words.text("orders").unwrap_or_default())),
        "attach" => commands::attach(&words),
        "completions" => commands::completions(&words),
        "catalogue" => commands::catalogue(&words),
        _ => run(&words),
    }
}

fn run(words: &Words) -> ExitCode {
    let report = commands::run(words);
    finish(words.command.name, words.has("json"), report)
}

/// Set by the one that reports: a command that ends while it is interrupted has one result, not two.
static REPORTED: Mutex<bool> = Mutex::new(false);

/// Prints what there is to print and gives the exit code.
fn finish(command: &str, json: bool, report: Report) -> ExitCode {
    if std::mem::replace(&mut *REPORTED.lock().unwrap_or_else(PoisonError::into_inner), true) {
        // The other one prints, and ends the process.
        loop {
            std::thread::park();
        }
    }
    let code = report.exit_code();
    let mut out = std::io::stdout().lock();
    if json {
        let _ = writeln!(out, "{}", report.to_json(command));
    } else {
        let _ = out.write_all(report.text.as_bytes());
        let mut err = std::io::stderr().lock();
        for warning in &report.warnings {
            let _ = writeln!(err, "orchflow: {warning}");
        }
        if let Some(Failure { message, hint, .. }) = &report.failure {
            let _ = writeln!(err, "orchflow: {message}");
            if let Some(hint) = hint {
                let _ = writeln!(err, "  {hint}");
            }
        }
    }
    let _ = out.flush();
    ExitCode::from(code)
}
