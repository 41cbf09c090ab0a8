//! A runner in a process of its own, and conditions to wait for.
//!
//! The test binary starts itself again: the one test named [`PROCESS_TEST`] of each file that uses this becomes
//! the runner when [`VARIABLE`] is set.

#![allow(dead_code)]

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use orchflow_mux::client::RunnerClient;
use orchflow_mux::emulator::Size;
use orchflow_mux::runner::{self, RunnerOptions};
use orchflow_mux::signal::Signal;

/// Set in the process that shall be a runner.
pub const VARIABLE: &str = "ORCHFLOW_TEST_RUNNER";

/// The test that becomes the runner.
pub const PROCESS_TEST: &str = "runner_process";

/// Longest wait for a condition.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// Time for one call.
pub const CALL: Duration = Duration::from_secs(10);

/// Is the runner, in the process that was started for it; otherwise does nothing.
pub fn become_runner() {
    let Some(folder) = std::env::var_os(VARIABLE).map(PathBuf::from) else { return };
    let mut words = fs::read_to_string(folder.join("command")).unwrap();
    words.pop();
    let command: Vec<OsString> = words.split('\0').map(OsString::from).collect();
    let mut options = RunnerOptions::new(folder.join("r/1-test.sock"), command, folder.clone());
    for name in ["PATH", "HOME"] {
        options.environment.extend(std::env::var_os(name).map(|value| (name.into(), value)));
    }
    options.environment.push(("TERM".into(), "xterm-256color".into()));
    options.size = Size::new(80, 24);
    options.exit_file = Some(folder.join("exit.json"));
    options.runner_file = Some(folder.join("runner.json"));
    options.marker = ("ORCHFLOW_TEST_MARKER".into(), folder.clone().into());
    options.exempt_variable = Some("ORCHFLOW_TEST_EXEMPT".into());
    options.grace = Duration::from_millis(400);
    options.linger = Duration::from_secs(30);
    let log = folder.join("signals");
    let mut seen = String::new();
    let sink = move |signal: Signal, at_us: u64| {
        assert!(at_us > 1_600_000_000_000_000, "a time since the epoch");
        seen.push_str(&format!("{signal:?}\n"));
        fs::write(&log, &seen).unwrap();
    };
    let _ = runner::run(options, Box::new(sink));
    std::process::exit(0);
}

/// A runner under test. Dropping it ends it and its program.
pub struct TestRunner {
    pub folder: tempfile::TempDir,
    pub process: Child,
}

impl TestRunner {
    /// Starts `command` under a runner and waits until it answers.
    pub fn start(command: &[&str]) -> TestRunner {
        let runner = TestRunner::start_unchecked(command);
        wait_for("the runner answers", || RunnerClient::connect(&runner.socket(), CALL).is_ok());
        runner
    }

    /// Starts `script` in a shell under a runner.
    pub fn shell(script: &str) -> TestRunner {
        TestRunner::start(&["/bin/sh", "-c", script])
    }

    /// Starts without waiting for anything.
    pub fn start_unchecked(command: &[&str]) -> TestRunner {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("command"), command.join("\0") + "\0").unwrap();
        let process = Command::new(std::env::current_exe().unwrap())
            .args([PROCESS_TEST, "--exact", "--nocapture", "--test-threads=1"])
            .env(VARIABLE, folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        TestRunner { folder, process }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn socket(&self) -> PathBuf {
        self.path("r/1-test.sock")
    }

    pub fn client(&self) -> RunnerClient {
        RunnerClient::connect(&self.socket(), CALL).unwrap()
    }

    pub fn signals(&self) -> String {
        fs::read_to_string(self.path("signals")).unwrap_or_default()
    }

    pub fn wait_for_signal(&self, signal: &str) {
        wait_for(&format!("signal {signal}"), || self.signals().contains(signal));
    }

    pub fn wait_for_screen(&self, text: &str) {
        let mut client = self.client();
        wait_for(&format!("{text:?} on the screen"), || {
            client.screen().unwrap().rows.join("\n").contains(text)
        });
    }

    pub fn exit(&self) -> serde_json::Value {
        wait_for("the exit file", || self.path("exit.json").exists());
        serde_json::from_str(&fs::read_to_string(self.path("exit.json")).unwrap()).unwrap()
    }
}

impl Drop for TestRunner {
    fn drop(&mut self) {
        if let Ok(mut client) = RunnerClient::connect(&self.socket(), Duration::from_secs(2)) {
            let _ = client.close();
            let _ = client.stop(Duration::from_millis(100));
        }
        let deadline = Instant::now() + Duration::from_secs(3);
        while Instant::now() < deadline && matches!(self.process.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Waits until `condition` holds, and fails with its name after [`DEADLINE`].
#[track_caller]
pub fn wait_for(name: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain: {name}");
        std::thread::sleep(Duration::from_millis(3));
    }
}

/// Tells whether a process with this number lives and is no zombie.
pub fn lives(pid: i32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit(')').next().unwrap().trim_start().starts_with(['Z', 'X']))
}

pub fn read_pid(path: &Path) -> i32 {
    wait_for("a pid file", || fs::read_to_string(path).is_ok_and(|text| text.ends_with('\n')));
    fs::read_to_string(path).unwrap().trim().parse().unwrap()
}
