//! `attach` in a terminal of its own, and what it leaves behind.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "helpers of tests may panic"
)]

mod support;

use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use orchflow_mux::attach::{AttachOptions, attach};
use orchflow_mux::client::RunnerClient;
use portable_pty::{Child, CommandBuilder, MasterPty, PtyPair, PtySize, native_pty_system};
use support::{CALL, TestRunner, wait_for};

/// Holds the socket, in the process that shall attach.
const SOCKET: &str = "ORCHFLOW_TEST_ATTACH";

#[test]
fn runner_process() {
    support::become_runner();
}

#[test]
fn attach_process() {
    let Some(socket) = std::env::var_os(SOCKET).map(PathBuf::from) else { return };
    let mut options = AttachOptions::new("claude");
    options.hold = std::env::var_os("ORCHFLOW_TEST_HOLD").is_some();
    if std::env::var_os("ORCHFLOW_TEST_PANIC").is_some() {
        std::thread::spawn(move || {
            wait_for("a picture", || {
                RunnerClient::connect(&socket, CALL).is_ok_and(|client| client.greeting().columns == 71)
            });
            let panicked = std::thread::spawn(|| panic!("on purpose")).join();
            assert!(panicked.is_err());
            std::process::exit(101);
        });
        let _ = attach(&std::env::var_os(SOCKET).map(PathBuf::from).unwrap(), &options);
        return;
    }
    let code = match attach(&socket, &options) {
        Ok(_) => 0,
        Err(error) => {
            println!("error: {error}");
            1
        }
    };
    std::process::exit(code);
}

/// A terminal with `attach` in it.
struct Terminal {
    pair: PtyPair,
    child: Box<dyn Child + Send + Sync>,
    writer: Box<dyn std::io::Write + Send>,
    seen: Arc<Mutex<Vec<u8>>>,
    before: String,
}

impl Terminal {
    fn start(socket: &std::path::Path, variables: &[(&str, &str)]) -> Terminal {
        let size = PtySize { rows: 17, cols: 71, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).unwrap();
        let before = settings(&*pair.master);
        let mut command = CommandBuilder::new(std::env::current_exe().unwrap());
        command.args(["attach_process", "--exact", "--nocapture", "--test-threads=1", "--quiet"]);
        command.env(SOCKET, socket);
        command.env_remove("NVIM");
        for (name, value) in variables {
            command.env(name, value);
        }
        let child = pair.slave.spawn_command(command).unwrap();
        let writer = pair.master.take_writer().unwrap();
        let mut reader = pair.master.try_clone_reader().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&seen);
        std::thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(count @ 1..) = reader.read(&mut chunk) {
                kept.lock().unwrap().extend_from_slice(&chunk[..count]);
            }
        });
        Terminal { pair, child, writer, seen, before }
    }

    fn seen(&self) -> String {
        String::from_utf8_lossy(&self.seen.lock().unwrap()).into_owned()
    }

    #[track_caller]
    fn wait_for(&self, text: &str) {
        wait_for(&format!("{text:?} in {:?}", self.seen()), || self.seen().contains(text));
    }

    fn type_keys(&mut self, keys: &[u8]) {
        self.writer.write_all(keys).unwrap();
    }

    /// Waits for the end of `attach` and checks that the terminal is as it was.
    #[track_caller]
    fn assert_restored(&mut self) {
        wait_for("the end of attach", || self.child.try_wait().unwrap().is_some());
        wait_for("the settings from before", || settings(&*self.pair.master) == self.before);
        self.wait_for("\x1b[?1049l");
        let seen = self.seen();
        let left = seen.rfind("\x1b[?1049l").unwrap();
        for mode in ["\x1b[?1000l", "\x1b[?1006l", "\x1b[?2004l", "\x1b[?1l", "\x1b[?25h"] {
            assert!(seen.rfind(mode).unwrap() > seen.rfind("\x1b[?1049h").unwrap(), "{mode:?}");
        }
        for mode in ["\x1b[?1000h", "\x1b[?2004h", "\x1b[?25l"] {
            assert!(!seen[left..].contains(mode), "{mode:?} behind the end");
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn settings(master: &(dyn MasterPty + Send)) -> String {
    format!("{:?}", master.get_termios().unwrap())
}

fn program() -> TestRunner {
    let runner = TestRunner::shell(
        "stty raw -echo; printf '\\033[?2004h\\033[?1000h\\033[?1006h\\033[?1h\\033[?25lready'; cat",
    );
    runner.wait_for_screen("ready");
    runner
}

#[test]
fn attach_shows_the_program_passes_keys_and_detaches() {
    let runner = program();
    let mut terminal = Terminal::start(&runner.socket(), &[]);
    terminal.wait_for("ready");
    terminal.wait_for("\x1b[?2004h");
    let hello = runner.client().hello().unwrap();
    assert_eq!((hello.columns, hello.rows), (71, 17));
    assert_ne!(settings(&*terminal.pair.master), terminal.before);
    // Ctrl-C and Ctrl-\ twice are keys like others.
    terminal.type_keys(b"typed\x03\x1c\x1c!");
    terminal.wait_for("typed");
    terminal.type_keys(b"\x1cd");
    terminal.assert_restored();
    terminal.wait_for("detached from claude");
    assert!(runner.client().hello().unwrap().exited.is_none());
}

#[test]
fn a_resized_terminal_resizes_the_program() {
    let runner = program();
    let terminal = Terminal::start(&runner.socket(), &[]);
    terminal.wait_for("ready");
    terminal.pair.master.resize(PtySize { rows: 25, cols: 88, pixel_width: 0, pixel_height: 0 }).unwrap();
    wait_for("the new size", || runner.client().hello().unwrap().columns == 88);
}

#[test]
fn the_end_of_the_program_ends_the_view_with_its_code() {
    let runner = TestRunner::shell("stty raw -echo; printf ready; head -c 1 >/dev/null; exit 6");
    let mut terminal = Terminal::start(&runner.socket(), &[]);
    terminal.wait_for("ready");
    terminal.type_keys(b"x");
    terminal.assert_restored();
    terminal.wait_for("claude exited 6");
}

#[test]
fn the_last_screen_is_held_where_that_is_wanted() {
    let runner = TestRunner::shell("stty raw -echo; printf ready; head -c 1 >/dev/null; exit 6");
    let mut terminal = Terminal::start(&runner.socket(), &[("ORCHFLOW_TEST_HOLD", "1")]);
    terminal.wait_for("ready");
    terminal.type_keys(b"x");
    terminal.wait_for("claude exited 6; press a key");
    assert!(terminal.child.try_wait().unwrap().is_none());
    terminal.type_keys(b"q");
    terminal.assert_restored();
}

#[test]
fn a_killed_runner_is_told_and_the_terminal_restored() {
    let mut runner = program();
    let mut terminal = Terminal::start(&runner.socket(), &[]);
    terminal.wait_for("ready");
    runner.process.kill().unwrap();
    terminal.assert_restored();
    terminal.wait_for("the runner of claude is gone");
}

#[test]
fn a_signal_restores_the_terminal() {
    let runner = program();
    let mut terminal = Terminal::start(&runner.socket(), &[]);
    terminal.wait_for("ready");
    let pid = rustix::process::Pid::from_raw(terminal.child.process_id().unwrap() as i32).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    terminal.assert_restored();
    assert!(runner.client().hello().unwrap().exited.is_none());
}

#[test]
fn a_panic_restores_the_terminal() {
    let runner = program();
    let mut terminal = Terminal::start(&runner.socket(), &[("ORCHFLOW_TEST_PANIC", "1")]);
    terminal.assert_restored();
    terminal.wait_for("on purpose");
}

#[test]
fn a_view_killed_outright_harms_neither_program_nor_other_views() {
    let runner = program();
    let mut killed = Terminal::start(&runner.socket(), &[]);
    killed.wait_for("ready");
    killed.child.kill().unwrap();
    let mut terminal = Terminal::start(&runner.socket(), &[]);
    terminal.wait_for("ready");
    terminal.type_keys(b"still here");
    terminal.wait_for("still here");
}

#[test]
fn inside_neovim_a_view_takes_frames() {
    let runner = program();
    let mut terminal = Terminal::start(&runner.socket(), &[("NVIM", "/tmp/nvim.sock")]);
    terminal.wait_for("ready");
    terminal.type_keys(b"\r\nframed");
    terminal.wait_for("framed");
    // A frame addresses its rows; the stream would only hold the line end.
    terminal.wait_for("\x1b[2;1H");
}

#[test]
fn without_a_runner_there_is_a_clear_message() {
    let folder = tempfile::tempdir().unwrap();
    let mut terminal = Terminal::start(&folder.path().join("none.sock"), &[]);
    wait_for("the end of attach", || terminal.child.try_wait().unwrap().is_some());
    terminal.wait_for("claude has no runner");
    assert!(!terminal.seen().contains("1049"));
}
