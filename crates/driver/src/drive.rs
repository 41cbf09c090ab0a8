//! `orchflow drive FILE`: a driver from its first byte to its exit code.

use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::sync::mpsc::channel;

use orchflow_agent::catalogue::Kind;
use orchflow_agent::orders::Orders;
use orchflow_agent::terminal::{self, RawMode};
use orchflow_hook::ReporterOptions;

use crate::acp::AcpBackend;
use crate::api::agent::{ApiBackend, Settings};
use crate::backend::{Backend, Outlet};
use crate::gate::Gate;
use crate::reporting::Reporting;
use crate::session::{Event, Session};

/// Drives the agent of a file of orders on the terminal of this process, until it is asked to leave.
pub fn drive(file: &Path) -> ExitCode {
    match run(file) {
        Ok(code) => code,
        Err(error) => {
            let _ = writeln!(io::stderr(), "orchflow drive: {error}\r");
            ExitCode::FAILURE
        }
    }
}

fn run(file: &Path) -> Result<ExitCode, String> {
    let orders = Orders::read(file)?;
    let worktree =
        std::env::current_dir().map_err(|error| format!("the working directory is gone: {error}"))?;
    let folder = file.parent().unwrap_or(Path::new("."));
    let mut backend = backend(&orders, &worktree, folder)?;
    let raw = RawMode::enter().map_err(|error| {
        format!("it works in a terminal and standard input is none ({error}); the host starts it")
    })?;
    let (events, arriving) = channel();
    let keys = events.clone();
    terminal::read(move |input| keys.send(Event::Terminal(input)).is_ok());
    let reporting = Reporting::start(ReporterOptions::from_environment(), events.clone());
    let gate = Gate::default();
    backend.start(Outlet(gate.entrance(events)));
    let left = Session::new(&orders, backend, reporting, arriving, gate).run();
    drop(raw);
    left.map_err(|error| format!("the terminal is gone: {error}"))
}

/// Chooses what is spoken with.
fn backend(orders: &Orders, worktree: &Path, folder: &Path) -> Result<Box<dyn Backend>, String> {
    match orders.kind {
        Kind::Acp => Ok(Box::new(AcpBackend::new(orders, worktree))),
        Kind::Api => {
            let settings = Settings::from_orders(orders, worktree, folder)?;
            Ok(Box::new(ApiBackend::new(settings)))
        }
        kind => Err(format!("an agent of kind {} needs no driver", kind.word())),
    }
}
