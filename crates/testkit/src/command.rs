//! The program run as a script would, and what it answers.

use std::io::{Read, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// Longest time one command may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// The keys of the object of `--json`, in their order.
const KEYS: [&str; 9] = ["schema", "ok", "code", "run", "seq", "data", "next", "warnings", "error"];

/// How a command ended.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// What was run, for messages.
    pub words: String,
    /// The exit code; negative for the signal that ended it.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Outcome {
    /// Asserts the exit code and gives the outcome on.
    ///
    /// # Panics
    /// When the code is another one.
    #[track_caller]
    pub fn expect(self, code: i32) -> Outcome {
        assert_eq!(self.code, code, "{}\n-- stdout\n{}\n-- stderr\n{}", self.words, self.stdout, self.stderr);
        self
    }

    /// Reads the one object of `--json` and checks that it keeps the contract.
    ///
    /// # Panics
    /// When it does not.
    #[track_caller]
    pub fn json(&self) -> Value {
        let text = self.stdout.strip_suffix('\n').unwrap_or_else(|| panic!("no line: {self:?}"));
        assert!(!text.contains('\n'), "more than one line: {self:?}");
        let object: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {self:?}"));
        let keys: Vec<&str> = object.as_object().unwrap().keys().map(String::as_str).collect();
        // Keys are only ever added, behind those there are.
        assert_eq!(keys.get(..KEYS.len()), Some(KEYS.as_slice()), "{self:?}");
        assert_eq!(object["code"], self.code, "{self:?}");
        assert_eq!(object["ok"], self.code == 0, "{self:?}");
        assert_eq!(object["error"].is_null(), self.code == 0, "{self:?}");
        assert!(object["warnings"].is_array() && !object["data"].is_null(), "{self:?}");
        if let Some(error) = object["error"].as_object() {
            let keys: Vec<&str> = error.keys().map(String::as_str).collect();
            assert_eq!(keys, ["code", "message", "hint"], "{self:?}");
        }
        let schema = object["schema"].as_str().unwrap();
        assert!(schema.starts_with("orchflow.") && schema.ends_with("/1"), "{self:?}");
        object
    }

    /// Gives `error.code` of the object of `--json`.
    ///
    /// # Panics
    /// When there is none.
    #[track_caller]
    pub fn error_code(&self) -> String {
        let object = self.json();
        object["error"]["code"].as_str().unwrap_or_else(|| panic!("no error: {self:?}")).to_owned()
    }
}

/// A command that runs.
#[derive(Debug)]
pub struct Background {
    words: String,
    child: Child,
    stdout: Collected,
    stderr: Collected,
}

/// What a stream has brought so far, and the thread that reads it to its end.
#[derive(Debug)]
struct Collected {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: JoinHandle<()>,
}

impl Collected {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock().unwrap()).into_owned()
    }

    fn read_to_end(self) -> String {
        let Collected { bytes, reader } = self;
        reader.join().unwrap();
        String::from_utf8_lossy(&bytes.lock().unwrap()).into_owned()
    }
}

impl Background {
    /// Starts a command with this standard input.
    ///
    /// # Panics
    /// When it cannot be started.
    pub(crate) fn start(mut command: Command, input: &[u8]) -> Background {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let words = format!("{command:?}");
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{words}: {error}"));
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_vec();
        // A command that does not read its input must not hold the test.
        std::thread::spawn(move || drop(stdin.write_all(&input)));
        let stdout = collect(child.stdout.take().unwrap());
        let stderr = collect(child.stderr.take().unwrap());
        Background { words, child, stdout, stderr }
    }

    /// Gives its process's number.
    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap_or(0)
    }

    /// Tells whether it holds a socket beside its pairs, by which it hears of signals: it reached the host.
    pub fn has_connected(&self) -> bool {
        let files = std::fs::read_dir(format!("/proc/{}/fd", self.pid())).into_iter().flatten().flatten();
        let targets = files.filter_map(|file| std::fs::read_link(file.path()).ok());
        let sockets: std::collections::BTreeSet<_> =
            targets.filter(|target| target.as_os_str().as_bytes().starts_with(b"socket:")).collect();
        sockets.len() % 2 == 1
    }

    /// Tells whether it catches SIGINT, rather than being ended by it.
    pub fn heeds_interrupt(&self) -> bool {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap_or_default();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")?.trim().get(..16));
        let caught = caught.and_then(|mask| u64::from_str_radix(mask, 16).ok()).unwrap_or(0);
        caught & (1 << (Signal::INT.as_raw() - 1)) != 0
    }

    /// Gives what it has printed on standard error so far.
    pub fn told(&self) -> String {
        self.stderr.text()
    }

    /// Sends it SIGINT, as Ctrl-C does.
    pub fn interrupt(&self) {
        if let Some(pid) = Pid::from_raw(self.pid()) {
            let _ = kill_process(pid, Signal::INT);
        }
    }

    /// Gives what it has printed on standard output so far.
    pub fn printed(&self) -> String {
        self.stdout.text()
    }

    /// Tells whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)))
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it takes longer than a minute; it is ended then.
    #[track_caller]
    pub fn finish(mut self) -> Outcome {
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            match self.child.try_wait().unwrap() {
                Some(status) => break status,
                None if Instant::now() > deadline => {
                    let _ = self.child.kill();
                    let _ = self.child.wait();
                    panic!("it hangs: {}", self.words);
                }
                None => std::thread::sleep(Duration::from_millis(2)),
            }
        };
        Outcome {
            words: self.words,
            code: code(status),
            stdout: self.stdout.read_to_end(),
            stderr: self.stderr.read_to_end(),
        }
    }
}

fn code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| -status.signal().unwrap_or(0))
}

fn collect(mut stream: impl Read + Send + 'static) -> Collected {
    let bytes: Arc<Mutex<Vec<u8>>> = Arc::default();
    let shared = Arc::clone(&bytes);
    let reader = std::thread::spawn(move || {
        let mut chunk = [0u8; 16 * 1024];
        while let Ok(count @ 1..) = stream.read(&mut chunk) {
            shared.lock().unwrap().extend_from_slice(&chunk[..count]);
        }
    });
    Collected { bytes, reader }
}
