//! A runner's life from its first to its last breath.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::{Duration, Instant};

use rustix::process::{Signal as ProcessSignal, WaitStatus, getpid, set_child_subreaper, setsid};
use serde_json::json;
use tokio::net::UnixListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Mutex, Notify, watch};
use tokio::task::{LocalSet, spawn_local};

use super::connection::Connection;
use super::core::Core;
use super::input::InputQueue;
use super::options::{RunnerError, RunnerOptions};
use super::pace::Pacer;
use super::pty::{Pty, Reading};
use super::views::Views;
use super::{child, files, server};
use crate::emulator::WeztermEmulator;
use crate::filter::Filter;
use crate::leftover::{self, Process};
use crate::protocol::{Exit, PROTOCOL};
use crate::signal::{Signal, SignalSink, now_us};

/// Output handed on as one piece. Bytes.
const PIECE: usize = 64 * 1024;

/// Output that is handed on without looking for more. Bytes.
const SMALL: usize = 1024;

/// How often a pty that nobody has open is looked at, while its program lives.
const REOPEN: Duration = Duration::from_secs(1);

/// Time without output after which the program counts as quiet.
const QUIET: Duration = Duration::from_secs(2);

/// Output still read after the program's end, in case something it left behind prints without end. Bytes.
const LAST_OUTPUT: usize = 64 << 20;

/// Time the last words to callers may take.
const FAREWELL: Duration = Duration::from_millis(500);

/// Everything the tasks of a runner share. They all run on one thread.
pub(super) struct Runner {
    pub(super) options: RunnerOptions,
    pub(super) core: RefCell<Core>,
    pub(super) pty: Pty,
    pub(super) program: i32,
    pub(super) input: InputQueue,
    /// One prompt at a time.
    pub(super) pasting: Mutex<()>,
    /// Something was printed.
    pub(super) printed: Notify,
    /// A frame has to be painted later.
    pub(super) frame: Notify,
    /// The program was quiet and is not any more.
    active: Notify,
    /// How the program ended, once nothing of it is left.
    pub(super) exit: watch::Sender<Option<Exit>>,
    /// How the program itself ended.
    ended: watch::Sender<Option<WaitStatus>>,
    /// What was halted, while the program is paused.
    pub(super) halted: RefCell<BTreeSet<Process>>,
    /// One pause or resume at a time.
    pausing: Mutex<()>,
    /// Somebody asked the runner to leave.
    pub(super) close: Notify,
    pub(super) callers: RefCell<BTreeMap<u64, Rc<Connection>>>,
    leave_at_once: Cell<bool>,
}

/// Runs one program until it and all that came of it has ended, and its last screen was shown long enough.
///
/// It makes the process a session leader, where it can, and a child subreaper; it blocks; it is meant to be all that
/// the process does.
///
/// # Errors
/// [`RunnerError`] when it could not start. A program that starts and fails is no error.
pub fn run(options: RunnerOptions, sink: Box<dyn SignalSink>) -> Result<Exit, RunnerError> {
    // A group leader cannot become a session leader; then its launcher has seen to that already.
    let _ = setsid();
    set_child_subreaper(Some(getpid()))
        .map_err(|error| RunnerError::system("become a subreaper")(error.into()))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(RunnerError::system("start the event loop"))?;
    LocalSet::new().block_on(&runtime, live(options, sink))
}

async fn live(options: RunnerOptions, mut sink: Box<dyn SignalSink>) -> Result<Exit, RunnerError> {
    let listener = files::listen(&options.socket)?;
    let inode = files::inode(&options.socket);
    // Before the program starts, so that its end is not missed.
    let mut deaths = signal(SignalKind::child()).map_err(RunnerError::system("watch for ended processes"))?;
    let (pty, program) = match Pty::start(&options) {
        Ok(started) => started,
        Err(error) => {
            let exit = Exit { code: Some(127), signal: None, leftover_ended: 0 };
            record_exit(&options, exit, Some(&error.to_string()));
            sink.emit(Signal::Exited { code: exit.code, signal: None, leftover_ended: 0 }, now_us());
            files::remove_socket(&options.socket, inode);
            return Err(error);
        }
    };
    let mut signals = Pacer::new(sink);
    signals.emit(Signal::Started { pid: program });
    let core = Core {
        filter: Filter::new(options.filter, options.size),
        emulator: WeztermEmulator::new(options.size, options.scrollback_lines),
        views: Views::default(),
        signals,
        status: None,
        exit: None,
        pieces: 0,
        active: None,
    };
    let runner = Rc::new(Runner {
        core: RefCell::new(core),
        pty,
        program,
        input: InputQueue::default(),
        pasting: Mutex::new(()),
        printed: Notify::new(),
        frame: Notify::new(),
        active: Notify::new(),
        exit: watch::Sender::new(None),
        ended: watch::Sender::new(None),
        halted: RefCell::default(),
        pausing: Mutex::new(()),
        close: Notify::new(),
        callers: RefCell::default(),
        leave_at_once: Cell::new(false),
        options,
    });
    runner.record_start();
    let reaper = Rc::clone(&runner);
    spawn_local(async move {
        loop {
            if let Some(status) = child::reap(reaper.program) {
                reaper.ended.send_replace(Some(status));
            }
            if deaths.recv().await.is_none() {
                return;
            }
        }
    });
    Runner::start_tasks(&runner, listener);
    let exit = runner.see_to_the_end().await;
    runner.say_farewell().await;
    files::remove_socket(&runner.options.socket, inode);
    Ok(exit)
}

impl Runner {
    fn start_tasks(runner: &Rc<Runner>, listener: UnixListener) {
        let task = Rc::clone(runner);
        spawn_local(async move { task.read_output().await });
        let task = Rc::clone(runner);
        spawn_local(async move { task.input.drain(&task.pty, || task.core.borrow().pieces).await });
        let task = Rc::clone(runner);
        spawn_local(async move { task.paint_frames().await });
        let task = Rc::clone(runner);
        spawn_local(async move { task.notice_quiet().await });
        spawn_local(server::accept(Rc::clone(runner), listener));
        for kind in [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()] {
            let Ok(mut asked) = signal(kind) else { continue };
            let runner = Rc::clone(runner);
            spawn_local(async move {
                while asked.recv().await.is_some() {
                    runner.leave_at_once.set(true);
                    runner.close.notify_one();
                    runner.stop(runner.options.grace).await;
                }
            });
        }
    }

    /// Reads what the program prints, as fast as it prints.
    async fn read_output(&self) {
        let mut buffer = vec![0u8; PIECE];
        loop {
            if self.pty.readable().await.is_err() {
                return;
            }
            loop {
                let (count, last) = self.read_piece(&mut buffer, Pty::read);
                match last {
                    Reading::Bytes(_) => tokio::task::yield_now().await,
                    Reading::Nothing => break,
                    // Nobody has the other side open; a living program may open it again.
                    Reading::End if self.ended.borrow().is_some() => return,
                    Reading::End => {
                        if count == 0 {
                            let mut ended = self.ended.subscribe();
                            let _ = tokio::time::timeout(REOPEN, ended.wait_for(Option::is_some)).await;
                        }
                    }
                }
            }
        }
    }

    /// Reads at most one piece and hands it on. Returns its length and what the last read brought.
    fn read_piece(&self, buffer: &mut [u8], read: fn(&Pty, &mut [u8]) -> Reading) -> (usize, Reading) {
        let mut filled = 0;
        let last = loop {
            let Some(room) = buffer.get_mut(filled..).filter(|room| !room.is_empty()) else {
                break Reading::Bytes(filled);
            };
            match read(&self.pty, room) {
                Reading::Bytes(count) => {
                    filled += count;
                    // A key's echo or a line is shown before more is looked for.
                    if filled < SMALL {
                        break Reading::Bytes(filled);
                    }
                }
                other => break other,
            }
        };
        if let Some(bytes) = buffer.get(..filled).filter(|bytes| !bytes.is_empty()) {
            let after = self.core.borrow_mut().output(bytes);
            if !after.answers.is_empty() {
                self.input.push(&after.answers);
            }
            if after.frame_later {
                self.frame.notify_one();
            }
            if after.became_active {
                self.active.notify_one();
            }
            self.printed.notify_waiters();
        }
        (filled, last)
    }

    async fn paint_frames(&self) {
        loop {
            self.frame.notified().await;
            loop {
                let next = self.core.borrow_mut().paint_due();
                let Some(next) = next else { break };
                tokio::time::sleep_until(next.into()).await;
            }
        }
    }

    /// Notices when the program has printed nothing for a while. No timer runs while it is quiet.
    async fn notice_quiet(&self) {
        loop {
            self.active.notified().await;
            loop {
                let last = self.core.borrow().active;
                let Some(last) = last else { break };
                let due = last + QUIET;
                if due > Instant::now() {
                    tokio::time::sleep_until(due.into()).await;
                    continue;
                }
                let core = &mut *self.core.borrow_mut();
                core.active = None;
                core.signals.settle();
                core.signals.emit(Signal::OutputQuiet);
            }
        }
    }

    /// Ends the program: asks, then insists. Returns how it ended, once nothing of it is left.
    pub(super) async fn stop(&self, grace: Duration) -> Option<Exit> {
        let mut exit = self.exit.subscribe();
        if self.ended.borrow().is_none() {
            self.signal_program(ProcessSignal::TERM);
            self.signal_program(ProcessSignal::CONT);
            self.resume().await;
            let mut ended = self.ended.subscribe();
            let within = tokio::time::timeout(grace / 2, ended.wait_for(Option::is_some)).await.is_ok();
            if !within {
                // Interactive shells ignore the one and heed the other.
                self.signal_program(ProcessSignal::HUP);
                let within = tokio::time::timeout(grace / 2, ended.wait_for(Option::is_some)).await.is_ok();
                if !within {
                    self.signal_program(ProcessSignal::KILL);
                }
            }
        }
        exit.wait_for(Option::is_some).await.ok().and_then(|exit| *exit)
    }

    /// Halts the program and everything it started. Returns how many processes stand still.
    pub(super) async fn pause(&self) -> usize {
        let _one = self.pausing.lock().await;
        child::halt_family(&self.options, &self.halted).await;
        // A program that stands still is not quiet.
        self.core.borrow_mut().active = None;
        self.halted.borrow().len()
    }

    /// Lets everything go on that was halted. Returns how many processes there were.
    pub(super) async fn resume(&self) -> usize {
        let _one = self.pausing.lock().await;
        let halted = std::mem::take(&mut *self.halted.borrow_mut());
        if halted.is_empty() {
            return 0;
        }
        // Its silence counts from now, also where it says nothing more.
        self.core.borrow_mut().active = Some(Instant::now());
        self.active.notify_one();
        leftover::signal_all(&halted, ProcessSignal::CONT)
    }

    pub(super) fn signal_program(&self, signal: ProcessSignal) {
        if self.ended.borrow().is_none() {
            child::signal_groups(self.program, self.pty.foreground(), signal);
        }
    }

    /// Waits for the program's end and leaves nothing of it behind.
    async fn see_to_the_end(&self) -> Exit {
        let mut ended = self.ended.subscribe();
        let status = ended.wait_for(Option::is_some).await.ok().and_then(|status| *status);
        self.read_rest();
        let leftover_ended = child::end_family(&self.options).await;
        self.read_rest();
        self.input.clear();
        let exit = Exit {
            code: status.and_then(|status| status.exit_status()),
            signal: status.and_then(|status| status.terminating_signal()),
            leftover_ended,
        };
        record_exit(&self.options, exit, None);
        {
            let core = &mut *self.core.borrow_mut();
            core.exit = Some(exit);
            // Nothing follows the exit, not even quiet.
            core.active = None;
            core.signals.settle();
            core.signals.emit(Signal::Exited { code: exit.code, signal: exit.signal, leftover_ended });
            core.views.tell("exited", &exit.to_value());
        }
        self.exit.send_replace(Some(exit));
        exit
    }

    fn read_rest(&self) {
        let mut buffer = vec![0u8; PIECE];
        let mut left = LAST_OUTPUT;
        while left > 0 {
            let (count, last) = self.read_piece(&mut buffer, Pty::read_unannounced);
            left = left.saturating_sub(count);
            if !matches!(last, Reading::Bytes(_)) {
                return;
            }
        }
    }

    /// Keeps the last screen for a while, then lets the callers read their last answers.
    async fn say_farewell(&self) {
        if !self.leave_at_once.get() {
            let _ = tokio::time::timeout(self.options.linger, self.close.notified()).await;
        }
        let deadline = Instant::now() + FAREWELL;
        let waits = || self.callers.borrow().values().any(|caller| caller.waiting() > 0);
        // The tasks that wrote the last answers must have had their turn.
        tokio::task::yield_now().await;
        while waits() && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn record_start(&self) {
        let Some(path) = &self.options.runner_file else { return };
        let pid = getpid().as_raw_nonzero().get();
        let content = json!({
            "protocol": PROTOCOL,
            "pid": pid,
            "started": leftover::started(pid),
            "boot": leftover::boot(),
            "child_pid": self.program,
            "child_started": leftover::started(self.program),
            "socket": self.options.socket.to_string_lossy(),
            "at_us": now_us(),
        });
        if let Err(error) = files::write_durably(path, &content) {
            tracing::warn!("cannot write {}: {error}", path.display());
        }
    }
}

fn record_exit(options: &RunnerOptions, exit: Exit, error: Option<&str>) {
    let Some(path) = &options.exit_file else { return };
    let content = json!({
        "code": exit.code,
        "signal": exit.signal,
        "leftover_ended": exit.leftover_ended,
        "at_us": now_us(),
        "error": error,
    });
    if let Err(error) = files::write_durably(path, &content) {
        tracing::warn!("cannot write {}: {error}", path.display());
    }
}
