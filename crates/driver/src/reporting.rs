//! Reports on their way to the host or the spool, in order, without holding up the terminal.

use std::collections::VecDeque;
use std::io::{PipeReader, PipeWriter};
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use orchflow_agent::hooks::{Answer, DIRECT_FORMAT, direct, read_direct};
use orchflow_core::report::{Channel, Report};
use orchflow_hook::{Delivery, Reporter, ReporterOptions};

use crate::session::Event;

/// How often the host is told of a spool that waits.
const NUDGE: Duration = Duration::from_secs(10);

/// How long a decision is waited for on one connection; the question then stands in the terminal alone.
const DECISION: Duration = Duration::from_secs(86_400);

/// Most reports that may wait; whoever has more to tell waits with them.
const MOST: usize = 1000;

enum Item {
    Report(Box<Report>),
    /// A status, to be stated once what was reported before is safe.
    State(String),
    Ask {
        question: u64,
        report: Box<Report>,
        given_up: PipeWriter,
    },
}

/// Takes reports and delivers them on a thread of its own.
pub struct Reporting {
    queue: Option<Sender<Item>>,
    thread: Option<JoinHandle<()>>,
    waiting: Arc<AtomicUsize>,
}

impl Reporting {
    /// Begins. Without `options` nothing is reported, and nobody but the terminal is asked.
    pub fn start(options: Option<ReporterOptions>, events: Sender<Event>) -> Reporting {
        let (queue, items) = channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let left = Arc::clone(&waiting);
        let thread = thread::spawn(move || deliver(options, &items, &events, &left));
        Reporting { queue: Some(queue), thread: Some(thread), waiting }
    }

    /// Reports something the agent did.
    pub fn report(&self, report: Report) {
        self.send(Item::Report(Box::new(report)));
    }

    /// Has a status stated, behind all that was reported before: it comes back as [`Event::State`].
    pub fn state(&self, sequence: String) {
        self.send(Item::State(sequence));
    }

    /// Asks the host; what it answers comes back as [`Event::Answered`]. Dropping the pipe gives the question up.
    pub fn ask(&self, question: u64, report: Report) -> Option<PipeReader> {
        let (open, given_up) = std::io::pipe().ok()?;
        self.send(Item::Ask { question, report: Box::new(report), given_up });
        Some(open)
    }

    /// Waits until there is room for more. Each report is delivered or spooled within about a second.
    pub fn wait_for_room(&self) {
        while self.waiting.load(Ordering::Relaxed) > MOST {
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Delivers what is left, waiting at most so long.
    pub fn finish(mut self, patience: Duration) {
        self.queue = None;
        let deadline = Instant::now() + patience;
        let Some(thread) = self.thread.take() else { return };
        while !thread.is_finished() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn send(&self, item: Item) {
        if let Some(queue) = &self.queue {
            self.waiting.fetch_add(1, Ordering::Relaxed);
            let _ = queue.send(item);
        }
    }
}

fn deliver(
    options: Option<ReporterOptions>,
    items: &Receiver<Item>,
    events: &Sender<Event>,
    waiting: &AtomicUsize,
) {
    let mut reporter = options.clone().map(Reporter::new);
    let mut spooled = false;
    let mut lost = VecDeque::new();
    loop {
        let next = if spooled {
            items.recv_timeout(NUDGE)
        } else {
            items.recv().map_err(|_| RecvTimeoutError::Disconnected)
        };
        if next.is_ok() {
            waiting.fetch_sub(1, Ordering::Relaxed);
        }
        match (next, &mut reporter) {
            (Ok(Item::State(sequence)), _) => drop(events.send(Event::State(sequence))),
            (Ok(_), None) => {}
            (Ok(Item::Report(report)), Some(reporter)) => {
                let body = direct(Channel::Hook, &report);
                match reporter.deliver(DIRECT_FORMAT, "", &body) {
                    Delivery::Durable => spooled = false,
                    Delivery::Spooled => spooled = true,
                    Delivery::Lost(error) => lost.push_back(error.to_string()),
                }
            }
            (Ok(Item::Ask { question, report, given_up }), Some(_)) => {
                let body = direct(Channel::Hook, &report);
                let (options, events) = (options.clone(), events.clone());
                thread::spawn(move || {
                    let answer = options.map(|options| decide(options, &body, &given_up));
                    let _ = events.send(Event::Answered(question, answer.unwrap_or(Answer::NoOpinion)));
                });
            }
            // Somebody has to tell the host of what waits in the spool, also when nothing more happens.
            (Err(RecvTimeoutError::Timeout), reporter) => {
                spooled = !reporter.as_mut().is_none_or(Reporter::nudge);
            }
            (Err(RecvTimeoutError::Disconnected), _) => return,
        }
        if let Some(error) = lost.pop_front() {
            let _ = events.send(Event::Trouble(format!("a report was lost: {error}")));
        }
    }
}

/// Asks on a connection of its own, so that other reports go on.
fn decide(options: ReporterOptions, body: &[u8], given_up: &PipeWriter) -> Answer {
    let mut reporter = Reporter::new(options);
    let asked = reporter.ask_for_decision(DIRECT_FORMAT, "ask", body, DECISION, given_up.as_fd());
    match asked {
        Ok(Some(opinion)) => read_direct(&opinion.output),
        Ok(None) | Err(_) => Answer::NoOpinion,
    }
}
