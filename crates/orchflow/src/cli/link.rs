//! The way to a repository's host: found, or started.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use orchflow_host::host::locate;
use orchflow_host::paths::{RepositoryFolders, UserFolders, quick_common_dir};
use orchflow_mux::leftover::{self, Process};
use orchflow_wire::blocking::{Client, RequestError};
use orchflow_wire::json::{from_json, to_json};
use rmpv::Value;
use serde_json::{Map, Value as Json, json};

use super::envelope::{Failure, HOST, HOST_GONE, TIMED_OUT, USAGE};
use crate::process::host::NO_ROOM;

/// How long the host may take to answer an ordinary call.
const ANSWER: Duration = Duration::from_secs(60);

/// How long a host may take to start, or the one before it to leave.
const START: Duration = Duration::from_secs(15);

/// How long a front that waits looks for the next host.
const NEXT: Duration = Duration::from_secs(5);

/// How long a front that waits leaves the start of the next host to others, after one that was told to leave.
const OTHERS_FIRST: Duration = Duration::from_millis(500);

/// How long it pauses between two tries, at first and at most.
const PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(400);

/// A connection to the host, greeted.
pub struct Link {
    client: Client,
    /// What the host said about itself.
    pub hello: Json,
    /// Where it listens.
    pub socket: PathBuf,
    /// Its process, to see it leave.
    pub host: HostProcess,
}

/// Finds the socket without git where possible.
pub fn socket_of(folder: &Path) -> Result<PathBuf, Failure> {
    if let (Some(common), Ok(user)) = (quick_common_dir(folder), UserFolders::from_environment()) {
        return Ok(RepositoryFolders::new(user, &common, None).host_socket());
    }
    let (_, folders, _) = locate(folder).map_err(|error| start_failure(&error))?;
    Ok(folders.host_socket())
}

/// Finds the store of a repository's log.
pub fn store_of(folder: &Path) -> Result<PathBuf, Failure> {
    if let (Some(common), Ok(user)) = (quick_common_dir(folder), UserFolders::from_environment()) {
        return Ok(RepositoryFolders::new(user, &common, None).store());
    }
    let (_, folders, _) = locate(folder).map_err(|error| start_failure(&error))?;
    Ok(folders.store())
}

fn start_failure(error: &orchflow_host::StartError) -> Failure {
    use orchflow_host::StartError;
    let (code, exit) = match error {
        error if error.is_about_space() => {
            return Failure::new("read_only", HOST, error.to_string()).hint(NO_ROOM);
        }
        StartError::Repository(_) => ("repository", USAGE),
        StartError::Config(_) => ("config", USAGE),
        _ => ("internal", HOST),
    };
    Failure::new(code, exit, error.to_string())
}

/// Tells of progress; standard output is for data.
pub(super) fn say(text: &str) {
    drop(std::io::stderr().write_all(text.as_bytes()));
}

impl Link {
    /// Connects to the host of the repository `folder` is in, starting it if none runs.
    pub fn open(folder: &Path, with_environment: bool) -> Result<Link, Failure> {
        let socket = socket_of(folder)?;
        let mut tries = 0u64;
        loop {
            let client = match Client::connect(&socket) {
                Ok(client) => client,
                Err(_) => start_host(folder, &socket)?,
            };
            match Link::greet(client, socket.clone(), folder, with_environment) {
                // One that was just ending took the connection and answered nothing.
                Err(failure) if failure.code == HOST_GONE && tries < 8 => {
                    std::thread::sleep(Duration::from_millis(5 << tries));
                    tries += 1;
                }
                greeted => return greeted,
            }
        }
    }

    /// Connects to the host if one runs.
    pub fn running(folder: &Path) -> Result<Option<Link>, Failure> {
        let socket = socket_of(folder)?;
        match Client::connect(&socket) {
            Ok(client) => match Link::greet(client, socket, folder, false) {
                Err(failure) if failure.code == HOST_GONE => Ok(None),
                greeted => greeted.map(Some),
            },
            Err(_) => Ok(None),
        }
    }

    fn greet(
        mut client: Client,
        socket: PathBuf,
        folder: &Path,
        with_environment: bool,
    ) -> Result<Link, Failure> {
        let text = |name: &str| std::env::var(name).ok();
        let mut greeting = vec![
            (Value::from("protocol"), Value::from(1)),
            (Value::from("client"), Value::from("cli")),
            (Value::from("version"), Value::from(env!("CARGO_PKG_VERSION"))),
            (Value::from("pid"), Value::from(std::process::id())),
            (Value::from("cwd"), Value::Binary(folder.as_os_str().as_bytes().to_vec())),
            (Value::from("interactive"), Value::from(is_interactive())),
        ];
        for (name, variable) in [("user", "USER"), ("agent", "ORCHFLOW_AGENT"), ("token", "ORCHFLOW_TOKEN")] {
            if let Some(value) = text(variable) {
                greeting.push((Value::from(name), Value::from(value)));
            }
        }
        if with_environment {
            let pairs = std::env::vars_os().map(|(name, value)| {
                (Value::Binary(name.as_bytes().to_vec()), Value::Binary(value.as_bytes().to_vec()))
            });
            greeting.push((Value::from("env"), Value::Map(pairs.collect())));
        }
        let hello = client
            .request("hello", vec![Value::Map(greeting)], Some(ANSWER))
            .map_err(|error| request_failure("hello", error))?;
        let hello = to_json(&hello);
        let host = HostProcess::new(&hello, &socket);
        Ok(Link { client, hello, socket, host })
    }

    /// Asks for a method that changes nothing and may take long, of one host after the other until one answers.
    ///
    /// # Errors
    /// As [`Link::go_on`]; the host's refusal.
    pub fn ask_through(
        &mut self,
        folder: &Path,
        method: &str,
        params: &Map<String, Json>,
        limit: Option<Duration>,
        next: Successor,
    ) -> Result<Json, Failure> {
        let begun = Instant::now();
        loop {
            // Without time, there is still an answer that needs none.
            let left = limit.map(|limit| limit.saturating_sub(begun.elapsed()).max(Duration::from_millis(1)));
            match self.ask_within(method, params.clone(), left) {
                Err(failure) if failure.is_host_gone() => self.go_on(folder, &failure, left, next)?,
                answer => return answer,
            }
        }
    }

    /// Goes on with the next host after this one went away, and starts it if nobody else does. Says so on standard
    /// error.
    ///
    /// # Errors
    /// [`HOST_GONE`] when there is none within some seconds; a time that is over when `limit` is.
    fn go_on(
        &mut self,
        folder: &Path,
        lost: &Failure,
        limit: Option<Duration>,
        next: Successor,
    ) -> Result<(), Failure> {
        say("orchflow: the host went away; agents go on; looking for the next one\n");
        let begun = Instant::now();
        // One that was told to leave takes its socket away; it still writes down what it knows then, and whoever told it
        // wants to see it gone. One that died left its socket behind.
        let was_told = lost.code != HOST_GONE || !self.socket.exists();
        let others_first = match next {
            _ if !was_told => Duration::ZERO,
            Successor::Started => OTHERS_FIRST,
            Successor::Awaited => NEXT * 2,
        };
        while !self.host.has_left() && begun.elapsed() < NEXT {
            std::thread::sleep(Duration::from_millis(10));
        }
        let left_at = Instant::now();
        let mut pause = PAUSE;
        loop {
            let found = match Link::running(folder) {
                Ok(None) if left_at.elapsed() >= others_first => Link::open(folder, false).map(Some),
                found => found,
            };
            let why = match found {
                Ok(Some(link)) => {
                    *self = link;
                    say("orchflow: going on with the next host\n");
                    return Ok(());
                }
                Ok(None) => "it was told to leave, and nobody started another".to_owned(),
                Err(failure) => failure.message,
            };
            if limit.is_some_and(|limit| begun.elapsed() >= limit) {
                return Err(Failure::new("timed_out", TIMED_OUT, "the time is over"));
            }
            if begun.elapsed() >= NEXT {
                let message = format!("the host went away, and there is no next one: {why}");
                return Err(Failure::new(HOST_GONE, HOST, message)
                    .hint("agents go on; run the command again once nothing is in the way"));
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Asks for a method.
    pub fn ask(&mut self, method: &str, params: Map<String, Json>) -> Result<Json, Failure> {
        self.ask_within(method, params, Some(ANSWER))
    }

    /// Asks for a method that may take longer, or for ever.
    pub fn ask_within(
        &mut self,
        method: &str,
        params: Map<String, Json>,
        timeout: Option<Duration>,
    ) -> Result<Json, Failure> {
        let params = vec![from_json(&Json::Object(params))];
        let answer = self.client.request(method, params, timeout);
        answer.map(|value| to_json(&value)).map_err(|error| request_failure(method, error))
    }

    /// Gives what the host warns about.
    pub fn warning(&self) -> Option<String> {
        self.hello.get("warning").and_then(Json::as_str).map(str::to_owned)
    }
}

/// Tells whether a person sits at this front.
fn is_interactive() -> bool {
    use std::io::IsTerminal as _;
    std::io::stdin().is_terminal() || std::io::stderr().is_terminal()
}

fn request_failure(method: &str, error: RequestError) -> Failure {
    match error {
        RequestError::Refused(value) => Failure::from_json(&to_json(&value)),
        RequestError::TimedOut => {
            Failure::new("timed_out", TIMED_OUT, format!("the host did not answer {method} in time"))
                .hint("agents go on; orchflow status says how they are")
        }
        RequestError::Closed | RequestError::Io(_) => {
            Failure::new(HOST_GONE, HOST, format!("the host went away during {method}"))
                .hint("agents go on; run the command again, it starts a new host")
        }
        RequestError::Message(error) => Failure::new("protocol", HOST, error.to_string()),
    }
}

/// Starts the host and waits until it listens.
fn start_host(folder: &Path, socket: &Path) -> Result<Client, Failure> {
    let (_, folders, _) = locate(folder).map_err(|error| start_failure(&error))?;
    folders.create().map_err(|error| start_failure(&error.into()))?;
    let fail = |why: String| Failure::new("internal", HOST, format!("the host cannot be started: {why}"));
    let log = folders.host_log();
    if std::fs::metadata(&log).is_ok_and(|meta| meta.len() > 1 << 20) {
        let _ = std::fs::rename(&log, log.with_extension("log.old"));
    }
    let opened = match std::fs::OpenOptions::new().create(true).append(true).open(&log) {
        // A host without a log is better than none: it says itself what to free.
        Err(error) if error.kind() == std::io::ErrorKind::StorageFull => {
            std::fs::OpenOptions::new().append(true).open("/dev/null")
        }
        opened => opened,
    };
    let log_file = opened.map_err(|error| fail(format!("{} cannot be written: {error}", log.display())))?;
    let deadline = Instant::now() + START;
    loop {
        let log_file = log_file.try_clone().map_err(|error| fail(error.to_string()))?;
        spawn_host(folder, log_file, &fail)?;
        // Another front may have started one first, whose socket needs a moment. Or the one that has the
        // lock is leaving: then it takes another try.
        let mut last = None;
        for wait in [0u64, 5, 20, 50, 100, 200] {
            std::thread::sleep(Duration::from_millis(wait));
            match Client::connect(socket) {
                Ok(client) => return Ok(client),
                Err(error) => last = Some(error),
            }
        }
        if Instant::now() > deadline {
            let why = last.map_or_else(|| "it does not listen".to_owned(), |error| error.to_string());
            return Err(fail(format!("{why}; see {}", log.display())));
        }
    }
}

/// Starts a host and waits until it listens, or says that another has the lock.
fn spawn_host(folder: &Path, log: std::fs::File, fail: &impl Fn(String) -> Failure) -> Result<(), Failure> {
    let program = std::env::current_exe().map_err(|error| fail(error.to_string()))?;
    let mut child = Command::new(program)
        .arg("-C")
        .arg(folder)
        .arg("host")
        .env(crate::process::host::DETACHED, "1")
        .env_remove("ORCHFLOW_AGENT")
        .env_remove("ORCHFLOW_TOKEN")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .map_err(|error| fail(error.to_string()))?;
    let mut line = String::new();
    if let Some(output) = child.stdout.take() {
        let _ = BufReader::new(output).read_line(&mut line);
    }
    let said: Json = serde_json::from_str(&line).unwrap_or(Json::Null);
    let Some(error) = said.get("error") else { return Ok(()) };
    let _ = child.wait();
    if error.get("code").and_then(Json::as_str) == Some("running") {
        return Ok(());
    }
    Err(Failure::from_json(error))
}

/// Who starts the next host after one that was told to leave. After one that died, whoever notices it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Successor {
    /// This front: agents work on, and it waits for them.
    Started,
    /// Somebody else: this front only looks, and whoever told the host to leave may have meant it.
    Awaited,
}

/// A host as it is seen from outside.
#[derive(Debug, Clone)]
pub struct HostProcess {
    process: Option<Process>,
    socket: PathBuf,
}

impl HostProcess {
    fn new(hello: &Json, socket: &Path) -> HostProcess {
        let pid = hello.get("host_pid").and_then(Json::as_i64).and_then(|pid| i32::try_from(pid).ok());
        let process = pid.and_then(|pid| Some(Process { pid, started: leftover::started(pid)? }));
        HostProcess { process, socket: socket.to_path_buf() }
    }

    /// Tells whether this host serves no more: it is gone, or it gave the lock back. One that stopped listening
    /// still has the lock until all it knew is on the disk.
    pub fn has_left(&self) -> bool {
        self.process.is_none_or(|process| !leftover::lives(&process)) || is_unlocked(&self.socket)
    }
}

/// Tells whether no host has the lock.
fn is_unlocked(socket: &Path) -> bool {
    use rustix::fs::{FlockOperation, flock};
    let Ok(lock) = std::fs::File::open(socket.with_file_name("host.lock")) else { return true };
    flock(&lock, FlockOperation::NonBlockingLockShared).is_ok()
}

/// Says where the host listens, for fronts that connect by themselves.
pub fn connect_json(link: &Link) -> Json {
    json!({
        "socket": link.socket.to_string_lossy(),
        "version": link.hello.get("version"),
        "repository": link.hello.get("repository"),
        "host_pid": link.hello.get("host_pid"),
    })
}
