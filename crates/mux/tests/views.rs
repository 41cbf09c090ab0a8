//! Views of a runner: who drives, who gets the stream, who gets frames.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "helpers of tests may panic"
)]

mod support;

use std::fs;
use std::time::{Duration, Instant};

use orchflow_mux::client::{ClientError, RunnerClient, ViewEvent};
use orchflow_mux::emulator::{Cursor, Emulator as _, Size, Style, WeztermEmulator};
use orchflow_mux::filter::{Filter, FilterOptions, FilterSink};
use orchflow_mux::protocol::Exit;
use orchflow_mux::signal::Signal;
use support::{CALL, DEADLINE, TestRunner, wait_for};

#[test]
fn runner_process() {
    support::become_runner();
}

/// A view with a terminal behind it.
struct View {
    client: RunnerClient,
    filter: Option<Filter>,
    screen: WeztermEmulator,
    bytes: Vec<u8>,
    pictures: usize,
    driving: Vec<bool>,
    bells: usize,
    exit: Option<Exit>,
}

impl View {
    fn open(runner: &TestRunner, columns: u16, rows: u16, drive: bool, frames: bool) -> View {
        let mut client = runner.client();
        let opened = client.view(columns, rows, drive, frames).unwrap();
        assert_eq!(opened.driving, drive);
        let size = Size::new(columns, rows);
        View {
            client,
            filter: Some(Filter::new(FilterOptions::default(), size)),
            screen: WeztermEmulator::new(size, 0),
            bytes: Vec::new(),
            pictures: 0,
            driving: Vec::new(),
            bells: 0,
            exit: None,
        }
    }

    /// Takes the next event; false when none came within `timeout`.
    fn take(&mut self, timeout: Duration) -> bool {
        match self.client.event(timeout) {
            Ok(ViewEvent::Output(bytes)) => {
                self.bytes.extend_from_slice(&bytes);
                self.pictures += 1;
                let mut filter = self.filter.take().unwrap();
                filter.feed(&bytes, self);
                self.filter = Some(filter);
            }
            Ok(ViewEvent::Driving(driving)) => self.driving.push(driving),
            Ok(ViewEvent::Bell) => self.bells += 1,
            Ok(ViewEvent::Exited(exit)) => self.exit = Some(exit),
            Err(ClientError::TimedOut | ClientError::Closed) => return false,
            Err(error) => panic!("{error}"),
        }
        true
    }

    fn text(&mut self) -> String {
        self.screen.text().join("\n")
    }

    #[track_caller]
    fn wait_for(&mut self, name: &str, mut condition: impl FnMut(&mut View) -> bool) {
        let deadline = Instant::now() + DEADLINE;
        while !condition(self) {
            assert!(Instant::now() < deadline, "waited in vain: {name}\n{}", self.text());
            self.take(Duration::from_millis(50));
        }
    }

    #[track_caller]
    fn wait_for_text(&mut self, text: &str) {
        self.wait_for(text, |view| view.text().contains(text));
    }

    fn was_sent(&self, text: &str) -> bool {
        self.bytes.windows(text.len()).any(|window| window == text.as_bytes())
    }
}

impl FilterSink for View {
    fn display(&mut self, bytes: &[u8]) {
        self.screen.feed(bytes);
    }
    fn emulate(&mut self, bytes: &[u8]) {
        self.screen.feed(bytes);
    }
    fn relay(&mut self, _bytes: &[u8]) {}
    fn repaint(&mut self) {}
    fn answer(&mut self, _bytes: &[u8]) {
        panic!("a view was asked something");
    }
    fn cursor(&mut self) -> Cursor {
        self.screen.cursor()
    }
    fn pen(&mut self) -> Style {
        self.screen.pen()
    }
    fn signal(&mut self, _signal: Signal) {}
}

#[test]
fn the_driving_view_sees_what_was_there_and_what_comes() {
    let runner = TestRunner::shell("stty raw -echo; printf 'before\\r\\n\\033[31mred'; cat");
    runner.wait_for_screen("red");
    let mut view = View::open(&runner, 90, 20, true, false);
    view.wait_for_text("before\nred");
    view.client.view_input(b"\r\n\x1b[1mtyped").unwrap();
    view.wait_for_text("typed");
    assert_eq!(view.text(), runner.client().screen().unwrap().rows.join("\n"));
    let hello = runner.client().hello().unwrap();
    assert_eq!((hello.columns, hello.rows), (90, 20));
    assert!(view.was_sent("\r\n\x1b[1mtyped"), "the stream is passed on as it is");
}

#[test]
fn the_newest_driver_wins_and_the_former_takes_over_again() {
    let runner = TestRunner::shell("trap 'stty size' WINCH; echo ready; while :; do sleep 0.05; done");
    runner.wait_for_screen("ready");
    let mut first = View::open(&runner, 90, 20, true, false);
    first.wait_for_text("20 90");
    let mut second = View::open(&runner, 70, 15, true, false);
    second.wait_for_text("15 70");
    first.wait_for("the loss of the wheel", |view| view.driving == [false]);
    // It goes on seeing what is there, in frames.
    first.wait_for_text("15 70");
    drop(second);
    first.wait_for("the wheel back", |view| view.driving == [false, true]);
    first.wait_for("its own size again", |view| view.text().matches("20 90").count() == 2);
    first.client.view_resize(60, 12).unwrap();
    wait_for("the new size", || runner.client().hello().unwrap().columns == 60);
}

#[test]
fn a_view_that_follows_changes_no_size() {
    let runner = TestRunner::shell("stty raw -echo; echo hello; cat");
    runner.wait_for_screen("hello");
    let mut view = View::open(&runner, 40, 10, false, false);
    view.wait_for_text("hello");
    assert_eq!(runner.client().hello().unwrap().columns, 80);
    view.client.view_input(b" there").unwrap();
    view.wait_for_text("there");
    assert!(view.driving.is_empty());
}

#[test]
fn a_view_that_cannot_keep_up_gets_the_last_screen() {
    let runner = TestRunner::shell(
        "stty raw -echo; head -c 1 >/dev/null; seq 1 400000; printf 'finished'; touch finished; sleep 60",
    );
    let mut view = View::open(&runner, 80, 24, true, false);
    view.client.view_input(b"x").unwrap();
    // The view reads nothing, and the program comes to its end all the same.
    wait_for("the program's end", || runner.path("finished").exists());
    let pid = runner.client().hello().unwrap().pid;
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let resident: u64 = resident.trim().split(' ').next().unwrap().parse().unwrap();
    assert!(resident < 64 * 1024, "{resident} kB");
    view.wait_for_text("finished");
    assert!(view.text().contains("400000"));
    assert!(view.bytes.len() < 1_500_000, "most of the flood was skipped: {}", view.bytes.len());
    // And the stream is back.
    assert_eq!(view.text(), runner.client().screen().unwrap().rows.join("\n"));
}

#[test]
fn frames_come_at_most_thirty_times_a_second() {
    let runner = TestRunner::shell(
        "while [ ! -e stop ]; do printf 'line after line\\r\\n'; done; echo stopped; sleep 60",
    );
    let mut view = View::open(&runner, 80, 24, true, true);
    view.wait_for("the first frame", |view| view.pictures > 0);
    view.pictures = 0;
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(1) {
        view.take(Duration::from_millis(20));
    }
    let rate = view.pictures as f64 / started.elapsed().as_secs_f64();
    assert!((5.0..34.0).contains(&rate), "{rate} frames a second");
    fs::write(runner.path("stop"), "").unwrap();
    view.wait_for_text("stopped");
}

#[test]
fn a_synchronized_update_is_painted_whole() {
    let runner = TestRunner::shell(
        "stty raw -echo; head -c 1 >/dev/null; printf '\\033[?2026h'; printf half; sleep 0.05; printf whole; \
         printf '\\033[?2026l'; sleep 60",
    );
    let mut view = View::open(&runner, 80, 24, true, true);
    view.client.view_input(b"x").unwrap();
    view.wait_for_text("half");
    assert!(view.text().contains("halfwhole"), "{}", view.text());
}

#[test]
fn the_bell_rings_in_views_of_either_kind() {
    let runner = TestRunner::shell("stty raw -echo; head -c 1 >/dev/null; printf 'ding\\007'; sleep 60");
    let mut frames = View::open(&runner, 80, 24, false, true);
    let mut stream = View::open(&runner, 80, 24, true, false);
    stream.client.view_input(b"x").unwrap();
    stream.wait_for("a bell in the stream", |view| view.was_sent("ding\x07"));
    frames.wait_for("a bell beside the frame", |view| view.bells == 1);
}

#[test]
fn a_program_that_switches_its_screen_does_not_switch_the_views() {
    let runner = TestRunner::shell(
        "stty raw -echo; echo main; head -c 1 >/dev/null; printf '\\033[?1049h\\033[Halternate'; \
         head -c 1 >/dev/null; printf '\\033[?1049l'; sleep 60",
    );
    let mut view = View::open(&runner, 80, 24, true, false);
    view.wait_for_text("main");
    view.client.view_input(b"x").unwrap();
    view.wait_for("the other screen", |view| {
        view.text().contains("alternate") && !view.text().contains("main")
    });
    assert!(runner.client().screen().unwrap().alternate);
    view.client.view_input(b"x").unwrap();
    view.wait_for("the first screen", |view| {
        view.text().contains("main") && !view.text().contains("alternate")
    });
    assert!(!view.was_sent("1049"));
}

#[test]
fn hostile_output_never_reaches_a_view() {
    let runner = TestRunner::shell(
        "stty raw -echo; head -c 1 >/dev/null; \
         printf 'a\\033]52;c;aGVsbG8=\\007b\\033Ptmux;\\033\\033]52;c;eA==\\007\\033\\\\c\\033_Gi=1\\033\\\\d\\033[21t\\033[cend'; sleep 60",
    );
    for (drive, frames) in [(true, false), (false, true)] {
        let mut view = View::open(&runner, 80, 24, drive, frames);
        view.client.view_input(b"x").unwrap();
        view.wait_for_text("abcdend");
        for hostile in ["]52", "tmux;", "\x1b_G", "[21t", "\x1b[c"] {
            assert!(!view.was_sent(hostile), "{hostile:?}");
        }
    }
}

#[test]
fn a_view_that_comes_too_late_sees_the_end() {
    let runner = TestRunner::shell("echo last words; exit 4");
    runner.exit();
    let mut view = View::open(&runner, 80, 24, true, false);
    view.wait_for("the exit", |view| view.exit.is_some_and(|exit| exit.code == Some(4)));
    view.wait_for_text("last words");
}

#[test]
fn a_view_that_vanishes_disturbs_nobody() {
    let runner = TestRunner::shell("while :; do printf 'flood flood flood '; done");
    for _ in 0..5 {
        // Dropped with a full socket in the middle of a message.
        let mut view = View::open(&runner, 80, 24, true, false);
        view.take(CALL);
    }
    let mut view = View::open(&runner, 80, 24, true, false);
    view.wait_for_text("flood");
    assert!(runner.client().hello().is_ok());
}
