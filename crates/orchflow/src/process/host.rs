//! `orchflow host`: one a repository, started by whichever front needs it.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use orchflow_host::host::StartError;
use orchflow_host::world::Programs;
use orchflow_host::{Host, HostOptions};
use serde_json::json;
use tokio::net::UnixListener;
use tokio::task::LocalSet;

use crate::front::server;

/// Set for a host that a front started: it leaves the front's session and says when it is ready.
pub const DETACHED: &str = "ORCHFLOW_HOST_DETACHED";

/// How many turns the connections get to say that the host leaves.
const FAREWELL: u32 = 50;

/// What to do about a disk on which no host can begin.
pub const NO_ROOM: &str = "agents that run go on; with some space the host starts again";

/// Runs the host until it leaves.
pub fn run(start: &Path) -> ExitCode {
    let detached = std::env::var_os(DETACHED).is_some();
    if detached {
        // Fails only for a process group's leader, which is a session of its own then anyway.
        let _ = rustix::process::setsid();
    }
    let _ = tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .with_max_level(tracing::Level::INFO)
        // The log may stand on a disk that is full, and complaining about it there would end the thread.
        .log_internal_errors(false)
        .try_init();
    let runtime =
        match tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(16).build() {
            Ok(runtime) => runtime,
            Err(error) => return say_failed("internal", &format!("no event loop: {error}"), None),
        };
    let local = LocalSet::new();
    let result = local.block_on(&runtime, serve(start, detached));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let (code, hint) = match &error {
                StartError::Running(_) => ("running", None),
                StartError::InsideAgent(_) => ("not_allowed", None),
                StartError::Repository(_) => ("repository", None),
                StartError::Config(_) => ("config", Some(":help orchflow-config lists the keys")),
                error if error.is_about_space() => ("read_only", Some(NO_ROOM)),
                _ => ("internal", None),
            };
            say_failed(code, &error.to_string(), hint)
        }
    }
}

fn say_failed(code: &str, message: &str, hint: Option<&str>) -> ExitCode {
    let line = json!({ "error": { "code": code, "message": message, "hint": hint } });
    let _ = writeln!(std::io::stdout(), "{line}");
    let _ = writeln!(std::io::stderr(), "orchflow: {message}");
    ExitCode::from(5)
}

async fn serve(start: &Path, detached: bool) -> Result<(), StartError> {
    let options = HostOptions {
        start: start.to_path_buf(),
        programs: programs(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let host = Host::start(options).await?;
    let socket = host.world.folders.host_socket();
    let lock = |source| StartError::of_file(&socket, source);
    // The lock is ours, so whatever stands there is stale.
    match std::fs::remove_file(&socket) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(lock(error)),
    }
    let listener = UnixListener::bind(&socket).map_err(lock)?;
    std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o600)).map_err(lock)?;
    let line = json!({ "socket": socket.to_string_lossy(), "pid": std::process::id() });
    let _ = writeln!(std::io::stdout(), "{line}");
    if detached {
        close_stdout();
    }
    // What was spooled between the first look and the socket has nobody else to fetch it.
    host.world.drain_all().await;
    tokio::spawn(Arc::clone(&host.world).drain_after_trouble());
    let reason = server::serve(&host, listener).await.map_err(lock)?;
    tracing::info!(reason, "the host leaves");
    let _ = std::fs::remove_file(&socket);
    host.stop(&reason).await;
    // Whoever still waits for an answer hears that the host leaves before its connection ends.
    for _ in 0..FAREWELL {
        tokio::task::yield_now().await;
    }
    Ok(())
}

/// Lets the front that waits on our standard output go on.
fn close_stdout() {
    if let Ok(null) = std::fs::File::options().write(true).open("/dev/null") {
        let _ = rustix::stdio::dup2_stdout(&null);
    }
}

/// Finds the programs that belong to this one.
pub fn programs() -> Programs {
    let orchflow = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("orchflow"));
    // After an upgrade in place the kernel marks the old file's name; the new one stands under it.
    let orchflow = match orchflow.to_str().and_then(|path| path.strip_suffix(" (deleted)")) {
        Some(path) => PathBuf::from(path),
        None => orchflow,
    };
    let hook = orchflow.with_file_name("orchflow-hook");
    Programs { hook, orchflow }
}
