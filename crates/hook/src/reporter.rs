//! Hands reports to the host, or keeps them in the spool.

use std::env;
use std::os::fd::BorrowedFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::link::{Link, LinkError, Watched, pause};
use crate::msgpack::{Value, Writer};
use crate::report::{Report, new_id, now_micros};
use crate::spool::{self, SpoolError};

/// How long a report may wait for the host, in all.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long a host that let a report time out is left alone.
const REST: Duration = Duration::from_secs(5);

/// How long a host that ended may take to be followed by another, for an agent that shows no dialog meanwhile.
const NEXT_HOST: Duration = Duration::from_secs(15);

/// The pauses between looks for the next host; the last one again and again.
const LOOKS: [Duration; 4] = [
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_millis(1000),
];

/// What an agent can do itself while a decision is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meanwhile {
    /// It shows its own dialog, so that nobody suffers from a long wait.
    Dialog,
    /// Nothing: a wait for a host that does not come holds it up.
    Nothing,
}

/// Where reports go and who sends them.
#[derive(Debug, Clone)]
pub struct ReporterOptions {
    /// The host's socket.
    pub socket: PathBuf,
    /// The agent's full name, `7/claude`.
    pub agent: String,
    /// The agent's token.
    pub token: String,
    /// The agent's spool.
    pub spool: PathBuf,
}

impl ReporterOptions {
    /// Takes them from the environment an agent is started in; `None` where one is missing.
    pub fn from_environment() -> Option<ReporterOptions> {
        Some(ReporterOptions {
            socket: env::var_os("ORCHFLOW_SOCKET")?.into(),
            agent: env::var("ORCHFLOW_AGENT").ok()?,
            token: env::var("ORCHFLOW_TOKEN").ok()?,
            spool: env::var_os("ORCHFLOW_SPOOL")?.into(),
        })
    }
}

/// What became of a report.
#[derive(Debug)]
pub enum Delivery {
    /// The host has stored it.
    Durable,
    /// It is in the spool, on the disk.
    Spooled,
    /// Neither took it.
    Lost(SpoolError),
}

/// What the host wants the agent to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opinion {
    /// For standard output.
    pub output: Vec<u8>,
    /// The exit code.
    pub exit: u8,
}

/// Delivers one agent's reports in order, over one connection as long as it holds.
///
/// While the spool is not empty new reports go there too, behind the older ones, and the host is asked
/// to read it.
pub struct Reporter {
    options: ReporterOptions,
    link: Option<Link>,
    rests_until: Option<Instant>,
}

impl Reporter {
    /// Prepares to report; connects only when there is something to say.
    pub fn new(options: ReporterOptions) -> Self {
        Reporter { options, link: None, rests_until: None }
    }

    /// Delivers what this process saw just now. Returns within about a second.
    pub fn deliver(&mut self, format: &str, name: &str, body: &[u8]) -> Delivery {
        let (options, at) = (self.options.clone(), now_micros());
        self.deliver_report(&seen_now(&options, &new_id(at), at, format, name, body))
    }

    /// Delivers what this process asks just now and waits for the answer, at most so long, and only while the
    /// other end of the pipe `given_up` is open.
    ///
    /// # Errors
    /// Why there is no answer; the report is in the spool then, where that could be written.
    pub fn ask_for_decision(
        &mut self,
        format: &str,
        name: &str,
        body: &[u8],
        patience: Duration,
        given_up: BorrowedFd<'_>,
    ) -> Result<Option<Opinion>, LinkError> {
        let (options, at) = (self.options.clone(), now_micros());
        let id = new_id(at);
        let report = seen_now(&options, &id, at, format, name, body);
        let watched = [Watched::Reader(given_up)];
        self.decide(&report, patience, Meanwhile::Dialog, &watched).map_err(|(error, _)| error)
    }

    /// Delivers a report. Returns within about a second.
    pub fn deliver_report(&mut self, report: &Report<'_>) -> Delivery {
        let payload = report.encode();
        if spool::is_empty(&self.options.spool)
            && self.ask("report", &payload, Instant::now() + PATIENCE, &[]).is_ok()
        {
            return Delivery::Durable;
        }
        self.keep(&payload)
    }

    /// Asks the host to read the spool, if it holds something and the host was not just found stuck;
    /// tells whether nothing waits there any more. For callers that have been silent for a while.
    pub fn nudge(&mut self) -> bool {
        if spool::is_empty(&self.options.spool) {
            return true;
        }
        let mut argument = Writer::with_capacity(128);
        argument.map(2);
        argument.text("agent");
        argument.text(&self.options.agent);
        argument.text("token");
        argument.text(&self.options.token);
        self.ask("drain", &argument.into_bytes(), Instant::now() + PATIENCE, &[]).is_ok()
    }

    /// Delivers a report that asks for a decision and waits for it, also beyond the end of a host: the next one is
    /// asked the same again.
    ///
    /// # Errors
    /// When there is no answer, and why; the report is in the spool then, unless the second value says
    /// that even this failed.
    pub(crate) fn decide(
        &mut self,
        report: &Report<'_>,
        patience: Duration,
        meanwhile: Meanwhile,
        watched: &[Watched<'_>],
    ) -> Result<Option<Opinion>, (LinkError, Option<SpoolError>)> {
        let asked = Report { decision: true, ..*report }.encode();
        let deadline = Instant::now() + patience;
        let mut outcome = self.ask_in_order(&asked, deadline, watched);
        if matches!(outcome, Err(LinkError::Closed)) {
            let until = match meanwhile {
                Meanwhile::Dialog => deadline,
                Meanwhile::Nothing => deadline.min(Instant::now() + NEXT_HOST),
            };
            outcome = self.ask_next_host(&asked, until, deadline, watched);
        }
        match outcome {
            Ok(result) => Ok(opinion(&result)),
            Err(error) => {
                let kept = Report { decision: false, ..*report };
                let lost = match self.keep(&kept.encode()) {
                    Delivery::Lost(error) => Some(error),
                    Delivery::Durable | Delivery::Spooled => None,
                };
                Err((error, lost))
            }
        }
    }

    /// Asks behind what waits in the spool.
    fn ask_in_order(
        &mut self,
        asked: &[u8],
        deadline: Instant,
        watched: &[Watched<'_>],
    ) -> Result<Value, LinkError> {
        self.nudge();
        // A host that is slow over a long spool may still answer: a decision has the patience.
        self.rests_until = None;
        self.ask("report", asked, deadline, watched)
    }

    /// Asks again as soon as there is another host, which has to be there in time.
    fn ask_next_host(
        &mut self,
        asked: &[u8],
        until: Instant,
        deadline: Instant,
        watched: &[Watched<'_>],
    ) -> Result<Value, LinkError> {
        let mut looks = LOOKS.iter().chain(LOOKS.last().into_iter().cycle());
        loop {
            let next = looks.next().map_or(until, |look| Instant::now() + *look);
            pause(next.min(until), watched)?;
            match self.ask_in_order(asked, deadline, watched) {
                Err(LinkError::Closed | LinkError::Absent(_)) if Instant::now() < until => {}
                outcome => return outcome,
            }
        }
    }

    fn keep(&mut self, payload: &[u8]) -> Delivery {
        match spool::append(&self.options.spool, payload) {
            Ok(()) => {
                self.nudge();
                Delivery::Spooled
            }
            Err(error) => Delivery::Lost(error),
        }
    }

    fn ask(
        &mut self,
        method: &str,
        argument: &[u8],
        deadline: Instant,
        watched: &[Watched<'_>],
    ) -> Result<Value, LinkError> {
        if self.rests_until.is_some_and(|until| Instant::now() < until) {
            return Err(LinkError::TimedOut);
        }
        let reused = self.link.is_some();
        let mut outcome = self.ask_once(method, argument, deadline, watched);
        // A connection from before the host's restart ends at its first use.
        if reused && matches!(outcome, Err(LinkError::Closed)) {
            outcome = self.ask_once(method, argument, deadline, watched);
        }
        if matches!(outcome, Err(LinkError::TimedOut)) {
            self.rests_until = Some(Instant::now() + REST);
        }
        outcome
    }

    fn ask_once(
        &mut self,
        method: &str,
        argument: &[u8],
        deadline: Instant,
        watched: &[Watched<'_>],
    ) -> Result<Value, LinkError> {
        let mut link = match self.link.take() {
            Some(link) => link,
            None => Link::open(&self.options.socket, deadline)?,
        };
        let outcome = link.ask(method, argument, deadline, watched);
        if matches!(outcome, Ok(_) | Err(LinkError::Refused)) {
            self.link = Some(link);
        }
        outcome
    }
}

/// Writes what this process saw of its agent.
fn seen_now<'a>(
    options: &'a ReporterOptions,
    id: &'a str,
    at: i64,
    format: &'a str,
    name: &'a str,
    body: &'a [u8],
) -> Report<'a> {
    Report {
        id,
        agent: &options.agent,
        token: &options.token,
        at,
        format,
        name,
        body,
        pid: std::process::id(),
        decision: false,
        truncated: false,
    }
}

/// Reads `{"output": …, "exit": …}`; anything else is no opinion.
fn opinion(result: &Value) -> Option<Opinion> {
    let Some(Value::Bytes(output)) = result.get("output") else { return None };
    let exit = match result.get("exit") {
        None => 0,
        Some(Value::Integer(exit)) => u8::try_from(*exit).ok()?,
        Some(_) => return None,
    };
    Some(Opinion { output: output.clone(), exit })
}
