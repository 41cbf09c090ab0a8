//! `orchflow runner`: holds one agent's terminal, outlives the host, reports what it sees.

use std::ffi::OsString;
use std::io::{Read as _, Write as _};
use std::os::unix::ffi::OsStringExt as _;
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use orchflow_agent::catalogue::ShownPatterns;
use orchflow_agent::hooks::{DIRECT_FORMAT, direct};
use orchflow_core::report::{Channel, Report, StatedState};
use orchflow_hook::{Delivery, Reporter, ReporterOptions};
use orchflow_host::effects::{RunnerLaunch, RunnerReady};
use orchflow_mux::runner::{RunnerOptions, run as run_runner};
use orchflow_mux::signal::{Signal, SignalSink};

/// How often the host is told of a spool that waits.
const NUDGE: Duration = Duration::from_secs(10);

/// Reads its orders from standard input, starts the program, and stays until it is over.
pub fn run() -> ExitCode {
    let mut text = Vec::new();
    let order: RunnerLaunch = match std::io::stdin()
        .read_to_end(&mut text)
        .map_err(|error| error.to_string())
        .and_then(|_| serde_json::from_slice(&text).map_err(|error| error.to_string()))
    {
        Ok(order) => order,
        Err(error) => {
            return fail(&format!("the runner's orders cannot be read: {error}; it is started by the host"));
        }
    };
    drop(text);
    let to_os = |bytes: &Vec<u8>| OsString::from_vec(bytes.clone());
    let command = order.argv.iter().map(to_os).collect();
    let mut options = RunnerOptions::new(order.socket.clone(), command, order.folder.clone());
    options.environment = order.environment.iter().map(|(name, value)| (to_os(name), to_os(value))).collect();
    options.runner_file = Some(order.runner_file.clone());
    options.exit_file = Some(order.exit_file.clone());
    // The token is in the environment of everything the agent starts, and in nobody else's.
    options.marker = (OsString::from("ORCHFLOW_TOKEN"), OsString::from(&order.token));
    let (sink, reporter) = Reports::start(&order);
    let result = run_runner(options, Box::new(sink));
    // What is still on its way is delivered or spooled before this process ends.
    let _ = reporter.join();
    match result {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => fail(&error.to_string()),
    }
}

fn fail(message: &str) -> ExitCode {
    let ready = RunnerReady { runner_pid: std::process::id(), pid: 0, error: Some(message.to_owned()) };
    say(&ready);
    let _ = writeln!(std::io::stderr(), "orchflow runner: {message}");
    ExitCode::from(5)
}

/// Tells the host, once; afterwards nobody reads.
fn say(ready: &RunnerReady) {
    if let Ok(line) = serde_json::to_string(ready) {
        let _ = writeln!(std::io::stdout(), "{line}");
    }
}

/// Hands signals to a thread that delivers them, so that the terminal never waits for the host.
struct Reports {
    sender: Sender<(Channel, Report)>,
    report_output: bool,
    shown: ShownPatterns,
    /// What the title said last: neither a spinner nor a blinking word in it is worth a report each time it turns.
    titled: Option<(StatedState, Option<String>)>,
    said: bool,
}

impl Reports {
    fn start(order: &RunnerLaunch) -> (Reports, JoinHandle<()>) {
        let (sender, receiver) = channel();
        let options = ReporterOptions {
            socket: order.host_socket.clone(),
            agent: order.agent.to_string(),
            token: order.token.clone(),
            spool: order.spool.clone(),
        };
        let thread = std::thread::spawn(move || deliver(options, &receiver));
        let (report_output, shown) = (order.report_output, order.shown.clone());
        (Reports { sender, report_output, shown, titled: None, said: false }, thread)
    }
}

fn deliver(options: ReporterOptions, receiver: &Receiver<(Channel, Report)>) {
    let mut reporter = Reporter::new(options);
    let mut spooled = false;
    loop {
        let next = if spooled {
            receiver.recv_timeout(NUDGE)
        } else {
            receiver.recv().map_err(|_| RecvTimeoutError::Disconnected)
        };
        match next {
            Ok((channel, report)) => match reporter.deliver(DIRECT_FORMAT, "", &direct(channel, &report)) {
                Delivery::Durable => spooled = false,
                Delivery::Spooled => spooled = true,
                Delivery::Lost(error) => {
                    let _ = writeln!(std::io::stderr(), "orchflow runner: a report was lost: {error}");
                }
            },
            // Somebody has to tell the host of what waits in the spool, also when nothing more happens.
            Err(RecvTimeoutError::Timeout) => spooled = !reporter.nudge(),
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

impl SignalSink for Reports {
    fn emit(&mut self, signal: Signal, _at_us: u64) {
        let pid = std::process::id();
        let (channel, report) = match signal {
            Signal::Started { pid: child } => {
                if !self.said {
                    self.said = true;
                    say(&RunnerReady { runner_pid: pid, pid: child.unsigned_abs(), error: None });
                    if let Ok(null) = std::fs::File::options().write(true).open("/dev/null") {
                        let _ = rustix::stdio::dup2_stdout(&null);
                    }
                }
                return;
            }
            Signal::Status { state, app, kind, message } => {
                let app = app.unwrap_or_default();
                let report =
                    orchflow_agent::status::stated(&app, &state, kind.as_deref(), message.as_deref());
                (Channel::Osc7501, report)
            }
            Signal::Title(title) => match self.shown.read_title(&title) {
                Some(Report::StatusStated { state, detail, category }) => {
                    let said = Some((state, category.clone()));
                    if self.titled == said {
                        return;
                    }
                    self.titled = said;
                    (Channel::Title, Report::StatusStated { state, detail, category })
                }
                _ => return,
            },
            Signal::BracketedPaste(on) => (Channel::Osc, Report::BracketedPaste { on }),
            Signal::OutputActive if self.report_output => (Channel::Output, Report::OutputActive),
            Signal::OutputQuiet if self.report_output => (Channel::Output, Report::OutputQuiet),
            Signal::Notification { title, body } => {
                let message = match title {
                    Some(title) => format!("{title}: {body}"),
                    None => body,
                };
                if let Some(report) = self.shown.read_notification(&message) {
                    let _ = self.sender.send((Channel::Notification, report));
                }
                (Channel::Osc, Report::NotificationShown { message, category: "terminal".to_owned() })
            }
            Signal::Exited { code, signal, leftover_ended } => {
                let leftover_ended = u32::try_from(leftover_ended).unwrap_or(u32::MAX);
                (Channel::Process, Report::ProcessExited { code, signal, leftover_ended })
            }
            _ => return,
        };
        // The thread outlives every signal; it ends when the sender goes.
        let _ = self.sender.send((channel, report));
    }
}
