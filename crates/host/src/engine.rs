//! The one loop: inputs in, decided on a working copy, committed in groups, and only then told.
//!
//! The loop runs on a thread of its own and never waits for the disk: while the writer thread commits
//! one batch, the loop decides the next. Acknowledgements, effects and answers to questions of a batch
//! wait for its commit. A commit that fails discards the working copy: the state is loaded again from
//! the store, and everything decided since is refused.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use orchflow_core::decide::{Context, Input, Reply, decide};
use orchflow_core::effect::Effect;
use orchflow_core::event::Event;
use orchflow_core::redact::redact;
use orchflow_core::state::{Phase, State};
use orchflow_core::{AgentKey, Code, EventSeq, Refusal};
use orchflow_store::{Batch, Loaded, Reader, StoreError, Writer};
use tokio::sync::{oneshot, watch};

use crate::clock::MonotonicClock;
use crate::writing::Writing;

/// The most inputs decided before a batch goes to the writer.
const BATCH: usize = 4096;
/// How often a look is taken whose answer was lost each time.
const LOOKS: u32 = 50;
/// How long outcomes whose commit failed wait for another input before they are tried again.
const AGAIN: Duration = Duration::from_secs(10);

/// What an input's sender learns after the commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// What the decision says to its caller.
    pub reply: Reply,
    /// The place of the last event of the decision, or of the newest event when it brought none.
    pub seq: EventSeq,
}

type Ack = oneshot::Sender<Result<Committed, Refusal>>;
type Question = Box<dyn FnOnce(&State) -> Box<dyn FnOnce() + Send> + Send>;

/// What the commit of a batch wakes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pulse {
    /// The newest committed event.
    pub seq: EventSeq,
    /// Why the store takes no writes now.
    pub read_only: Option<String>,
    /// Who keeps the store's write-ahead log from being folded.
    pub long_wal: Option<String>,
}

impl Pulse {
    /// Gives what the human should know of the store.
    pub fn warnings(&self) -> Vec<&str> {
        self.long_wal.iter().map(String::as_str).collect()
    }
}

pub(crate) enum Message {
    Input {
        input: Box<Input>,
        report: Option<String>,
        ack: Option<Ack>,
    },
    Spool {
        inputs: Vec<(String, Input)>,
        ack: Ack,
    },
    Question(Question),
    Committed(Box<Result<(), StoreError>>, Option<Reloaded>),
    /// Who keeps the write-ahead log from being folded, when that changed.
    LongWal(Option<String>),
    Stop(oneshot::Sender<()>),
    /// Nothing came; outcomes that wait are tried again.
    Again,
}

pub(crate) type Reloaded = Result<(State, EventSeq), StoreError>;

pub(crate) enum Work {
    Commit(Box<Batch>),
    Seal(oneshot::Sender<()>),
}

/// The door to the loop. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Engine {
    sender: Sender<Message>,
    pulse: watch::Receiver<Pulse>,
}

/// What the loop hands to the world after a commit.
pub trait World: Send {
    /// Carries out an effect; its outcome comes back in at the door.
    fn carry_out(&mut self, effect: Effect);
}

impl Engine {
    /// Starts the loop on what was loaded. Gives the door, and the thread to join after a stop.
    ///
    /// `known` tells reports that were stored before.
    pub fn start(
        writer: Writer,
        loaded: Loaded,
        known: Reader,
        world: Box<dyn World>,
    ) -> (Engine, JoinHandle<()>) {
        let (sender, receiver) = channel();
        let seq = EventSeq(loaded.next_seq.0.saturating_sub(1));
        let (pulse_sender, pulse) =
            watch::channel(Pulse { seq, read_only: loaded.read_only.clone(), ..Pulse::default() });
        let (work, work_receiver) = channel();
        let back = sender.clone();
        let writer_thread = std::thread::spawn(move || Writing::new(writer, back).run(&work_receiver));
        let mut engine_loop = Loop {
            state: loaded.state,
            next_seq: loaded.next_seq,
            clock: MonotonicClock::since(loaded.last_at),
            pending: Pending::default(),
            in_flight: None,
            work,
            world,
            pulse: pulse_sender,
            again: Vec::new(),
            known,
        };
        let thread = std::thread::spawn(move || {
            engine_loop.run(&receiver);
            drop(engine_loop);
            let _ = writer_thread.join();
        });
        (Engine { sender, pulse }, thread)
    }

    /// Brings an input in and waits until what it brought is durable.
    ///
    /// # Errors
    /// The decision's own refusal, or [`Code::ReadOnly`] when the store took no writes.
    pub async fn submit(&self, input: Input) -> Result<Committed, Refusal> {
        let (ack, answer) = oneshot::channel();
        self.send(Message::Input { input: Box::new(input), report: None, ack: Some(ack) });
        answer.await.unwrap_or_else(|_| Err(stopping()))
    }

    /// Brings a report in that counts only once by its id, and waits until it is durable.
    ///
    /// # Errors
    /// As [`Engine::submit`].
    pub async fn report(&self, id: String, input: Input) -> Result<Committed, Refusal> {
        let (ack, answer) = oneshot::channel();
        self.send(Message::Input { input: Box::new(input), report: Some(id), ack: Some(ack) });
        answer.await.unwrap_or_else(|_| Err(stopping()))
    }

    /// Brings an input in without waiting.
    pub fn tell(&self, input: Input) {
        self.send(Message::Input { input: Box::new(input), report: None, ack: None });
    }

    /// Brings the records of a spool in, each with the id by which it counts once.
    ///
    /// # Errors
    /// As [`Engine::submit`].
    pub async fn spool(&self, inputs: Vec<(String, Input)>) -> Result<Committed, Refusal> {
        let (ack, answer) = oneshot::channel();
        self.send(Message::Spool { inputs, ack });
        answer.await.unwrap_or_else(|_| Err(stopping()))
    }

    /// Looks at the state. The answer comes once everything it rests on is durable; `None` when the
    /// host is leaving.
    pub async fn ask<T: Send + 'static>(&self, look: impl FnOnce(&State) -> T + Send + 'static) -> Option<T> {
        let (sender, answer) = oneshot::channel();
        let question: Question = Box::new(move |state| {
            let seen = look(state);
            Box::new(move || {
                let _ = sender.send(seen);
            })
        });
        self.send(Message::Question(question));
        answer.await.ok()
    }

    /// Looks at the state, and again where an answer was lost with a commit that failed: whoever only looks is answered
    /// also while the store takes no writes.
    pub async fn look<T: Send + 'static>(
        &self,
        look: impl Fn(&State) -> T + Clone + Send + 'static,
    ) -> Option<T> {
        for _ in 0..LOOKS {
            match self.ask(look.clone()).await {
                None if self.is_open() => {}
                seen => return seen,
            }
        }
        None
    }

    /// Tells whether the loop goes on. An answer that did not come while it does was lost with a commit
    /// that failed.
    pub fn is_open(&self) -> bool {
        self.pulse.has_changed().is_ok()
    }

    /// Gives a receiver that wakes at each commit.
    pub fn pulse(&self) -> watch::Receiver<Pulse> {
        self.pulse.clone()
    }

    /// Commits what was brought in so far, seals the store and ends the loop.
    pub async fn stop(&self) {
        let (sender, done) = oneshot::channel();
        self.send(Message::Stop(sender));
        let _ = done.await;
    }

    fn send(&self, message: Message) {
        // A closed door means that the host is leaving; the waiting side then learns that.
        let _ = self.sender.send(message);
    }
}

fn stopping() -> Refusal {
    Refusal::new(Code::Stopping, "the host is stopping").hint("run the command again; it starts a new host")
}

/// Decided and not yet handed to the writer.
#[derive(Default)]
struct Pending {
    events: Vec<Event>,
    effects: Vec<Effect>,
    outbox_done: Vec<orchflow_core::effect::EffectId>,
    reports: Vec<(AgentKey, String)>,
    after: After,
}

/// What waits for a commit.
#[derive(Default)]
struct After {
    effects: Vec<Effect>,
    acks: Vec<(Ack, Committed)>,
    answers: Vec<Box<dyn FnOnce() + Send>>,
    reports: std::collections::HashSet<(AgentKey, String)>,
    /// Outcomes of effects: the world changed, so they are brought in again if the commit fails.
    outcomes: Vec<Input>,
    last_seq: EventSeq,
}

struct Loop {
    state: State,
    next_seq: EventSeq,
    clock: MonotonicClock,
    pending: Pending,
    in_flight: Option<After>,
    work: Sender<Work>,
    world: Box<dyn World>,
    pulse: watch::Sender<Pulse>,
    /// Outcomes whose commit failed.
    again: Vec<Input>,
    /// Tells reports that were stored before.
    known: Reader,
}

impl Loop {
    fn run(&mut self, receiver: &Receiver<Message>) {
        let mut stopping: Option<oneshot::Sender<()>> = None;
        loop {
            let first = if self.again.is_empty() {
                receiver.recv().ok()
            } else {
                match receiver.recv_timeout(AGAIN) {
                    Ok(message) => Some(message),
                    Err(RecvTimeoutError::Timeout) => Some(Message::Again),
                    Err(RecvTimeoutError::Disconnected) => None,
                }
            };
            let Some(first) = first else { break };
            for input in std::mem::take(&mut self.again) {
                self.decide(input, None, None);
            }
            let mut next = Some(first);
            let mut count = 0;
            while let Some(message) = next {
                match message {
                    Message::Stop(done) => stopping = Some(done),
                    message => self.take(message),
                }
                count += 1;
                next = if count < BATCH { receiver.try_recv().ok() } else { None };
            }
            self.flush();
            if self.in_flight.is_none() && stopping.is_some() {
                break;
            }
        }
        if let Some(done) = stopping {
            let _ = self.work.send(Work::Seal(done));
        }
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Input { input, report, ack } => self.decide(*input, report, ack),
            Message::Spool { inputs, ack } => {
                for (id, input) in inputs {
                    if self.can_be_new(&input) {
                        self.decide(input, Some(id), None);
                    }
                }
                let committed = Committed { reply: Reply::default(), seq: self.last_seq() };
                self.pending.after.acks.push((ack, committed));
            }
            Message::Question(question) => {
                let answer = question(&self.state);
                if !self.pending.is_empty() {
                    self.pending.after.answers.push(answer);
                } else if let Some(after) = &mut self.in_flight {
                    after.answers.push(answer);
                } else {
                    answer();
                }
            }
            Message::Committed(result, reloaded) => self.committed(*result, reloaded),
            Message::LongWal(long_wal) => {
                self.pulse.send_modify(|pulse| pulse.long_wal = long_wal);
            }
            Message::Stop(_) | Message::Again => {}
        }
    }

    fn last_seq(&self) -> EventSeq {
        EventSeq(self.next_seq.0.saturating_sub(1))
    }

    /// Tells whether a spooled report may be new. With an agent's worktree the ids of its reports are gone; what was
    /// in its spool was read before.
    fn can_be_new(&self, input: &Input) -> bool {
        let Input::Report(envelope) = input else { return true };
        let agent = self.state.agents.get(&envelope.agent);
        agent.is_none_or(|agent| agent.phase != Phase::Cleaned)
    }

    fn decide(&mut self, input: Input, report: Option<String>, ack: Option<Ack>) {
        let report = match (report, &input) {
            (Some(id), Input::Report(envelope)) => Some((envelope.agent.clone(), id)),
            _ => None,
        };
        if let Some(report) = report {
            let known = self.pending.after.reports.contains(&report)
                || self.in_flight.as_ref().is_some_and(|after| after.reports.contains(&report))
                || self.known.has_report(&report.0, &report.1).unwrap_or_else(|error| {
                    tracing::warn!(%error, "nobody can say whether a report is known; it is taken");
                    false
                });
            if known {
                let reply = Reply { already: true, ..Reply::default() };
                let committed = Committed { reply, seq: self.last_seq() };
                self.pending.after.acks.extend(ack.map(|ack| (ack, committed)));
                return;
            }
            self.pending.after.reports.insert(report.clone());
            self.pending.reports.push(report);
        }
        let context = Context { now: self.clock.tick(), next_seq: self.next_seq };
        let done = match &input {
            Input::EffectDone { effect, .. } if effect.body.is_durable() => Some(effect.id),
            _ => None,
        };
        if matches!(input, Input::EffectDone { .. }) {
            self.pending.after.outcomes.push(input.clone());
        }
        match decide(&mut self.state, input, &context) {
            Ok(decision) => {
                self.pending.outbox_done.extend(done);
                self.next_seq = EventSeq(self.next_seq.0 + decision.events.len() as u64);
                self.pending.events.extend(decision.events);
                self.pending.effects.extend(decision.effects);
                let committed = Committed { reply: decision.reply, seq: self.last_seq() };
                self.pending.after.acks.extend(ack.map(|ack| (ack, committed)));
            }
            Err(refusal) => {
                if let Some(ack) = ack {
                    let _ = ack.send(Err(refusal));
                }
            }
        }
    }

    /// Hands what is pending to the writer, if the writer is free.
    fn flush(&mut self) {
        if self.in_flight.is_some() || self.pending.is_empty() {
            return;
        }
        let mut pending = std::mem::take(&mut self.pending);
        let mut after = std::mem::take(&mut pending.after);
        if !pending.has_rows() {
            self.tell(after);
            return;
        }
        let mut aggregates = Vec::new();
        for key in self.state.take_touched() {
            let (kind, name) = key.columns();
            match self.state.aggregate_text(&key) {
                // A prompt has to reach its agent as it was written; it is removed once it did.
                Ok(text) if kind == "prompt" => aggregates.push((kind, name, text)),
                Ok(text) => aggregates.push((kind, name, text.map(without_secrets))),
                Err(error) => tracing::error!(kind, name, %error, "an aggregate cannot be written"),
            }
        }
        let (durable, fleeting): (Vec<Effect>, Vec<Effect>) =
            pending.effects.into_iter().partition(|effect| effect.body.is_durable());
        after.effects = durable.iter().cloned().chain(fleeting).collect();
        after.last_seq = self.last_seq();
        let batch = Batch {
            events: pending.events,
            aggregates,
            outbox_add: durable,
            outbox_done: pending.outbox_done,
            reports_seen: pending.reports,
        };
        self.in_flight = Some(after);
        let _ = self.work.send(Work::Commit(Box::new(batch)));
    }

    fn committed(&mut self, result: Result<(), StoreError>, reloaded: Option<Reloaded>) {
        let Some(after) = self.in_flight.take() else { return };
        match result {
            Ok(()) => {
                self.pulse.send_modify(|pulse| {
                    (pulse.seq, pulse.read_only) = (after.last_seq, None);
                });
                self.tell(after);
            }
            Err(error) => {
                tracing::error!(%error, "a commit failed");
                let refusal = Refusal::new(Code::ReadOnly, error.to_string()).hint(
                    "nothing was lost and agents work on; free space or mend the store, then try again",
                );
                let pending = std::mem::take(&mut self.pending);
                self.again = after.outcomes.into_iter().chain(pending.after.outcomes).collect();
                match reloaded {
                    Some(Ok((state, next_seq))) => {
                        self.state = state;
                        self.next_seq = next_seq;
                    }
                    Some(Err(error)) => tracing::error!(%error, "the state cannot be loaded again"),
                    None => {}
                }
                self.pulse.send_if_modified(|pulse| {
                    pulse.read_only = Some(refusal.message.clone());
                    true
                });
                for (ack, _) in after.acks.into_iter().chain(pending.after.acks) {
                    let _ = ack.send(Err(refusal.clone()));
                }
            }
        }
    }

    fn tell(&mut self, after: After) {
        for (ack, committed) in after.acks {
            let _ = ack.send(Ok(committed));
        }
        for answer in after.answers {
            answer();
        }
        for effect in after.effects {
            self.world.carry_out(effect);
        }
    }
}

impl Pending {
    fn has_rows(&self) -> bool {
        !(self.events.is_empty()
            && self.effects.is_empty()
            && self.outbox_done.is_empty()
            && self.reports.is_empty())
    }

    fn is_empty(&self) -> bool {
        !self.has_rows() && self.after.acks.is_empty() && self.after.answers.is_empty()
    }
}

/// Takes secrets out of an aggregate, as the log has them taken out of its events.
fn without_secrets(text: String) -> String {
    match serde_json::from_str(&text) {
        Ok(mut value) => {
            redact(&mut value);
            value.to_string()
        }
        Err(_) => text,
    }
}
