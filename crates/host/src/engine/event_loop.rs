//! The one loop: inputs decided on a working copy, committed in groups, and only then told.
//!
//! The loop has a thread of its own. It decides everything that waits, commits that as one batch, and tells of
//! it; what comes in during a commit makes the next batch. So a single report costs no more thread changes than
//! the way to the loop and back. Acknowledgements, effects and answers to questions of a batch wait for its
//! commit. A commit that fails discards the working copy: the state is loaded again from the store, and
//! everything decided is refused.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use orchflow_core::decide::{Context, Input, Reply, decide};
use orchflow_core::effect::Effect;
use orchflow_core::event::Event;
use orchflow_core::policy::Policy;
use orchflow_core::redact::redact;
use orchflow_core::state::{Phase, State};
use orchflow_core::{AgentKey, Code, EventSeq, Refusal};
use orchflow_store::{Batch, Loaded, StoreError, Writer};
use tokio::sync::watch;

use super::writing::Writing;
use super::{Ack, Committed, Message, Pulse, World};
use crate::clock::MonotonicClock;

/// The most inputs decided before a batch is committed.
const BATCH: usize = 4096;
/// How long outcomes whose commit failed wait for another input before they are tried again.
const AGAIN: Duration = Duration::from_secs(10);
/// Decided and not yet committed.
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

pub(super) struct Loop {
    writing: Writing,
    state: State,
    next_seq: EventSeq,
    clock: MonotonicClock,
    pending: Pending,
    world: Box<dyn World>,
    pulse: watch::Sender<Pulse>,
    policy: Arc<Policy>,
    /// Outcomes whose commit failed.
    again: Vec<Input>,
}

impl Loop {
    pub(super) fn new(
        writer: Writer,
        loaded: Loaded,
        world: Box<dyn World>,
        pulse: watch::Sender<Pulse>,
        policy: Arc<Policy>,
    ) -> Loop {
        Loop {
            writing: Writing::new(writer),
            state: loaded.state,
            next_seq: loaded.next_seq,
            clock: MonotonicClock::since(loaded.last_at),
            pending: Pending::default(),
            world,
            pulse,
            policy,
            again: Vec::new(),
        }
    }

    /// Works until it is told to stop, or nobody is left to tell it.
    pub(super) fn run(&mut self, receiver: &Receiver<Message>) {
        while let Some(first) = self.wait(receiver) {
            for input in std::mem::take(&mut self.again) {
                self.decide(input, None, None);
            }
            let mut stop = None;
            let mut next = first;
            let mut count = 0;
            while let Some(message) = next {
                match message {
                    Message::Stop(done) => stop = Some(done),
                    message => self.take(message),
                }
                count += 1;
                next = if count < BATCH { receiver.try_recv().ok() } else { None };
            }
            self.commit();
            if let Some(done) = stop {
                self.writing.seal();
                let _ = done.send(());
                return;
            }
        }
    }

    /// Waits for a message and does meanwhile what can wait. Gives no message where outcomes have waited long enough
    /// to be tried again, and nothing once nobody can send any more.
    fn wait(&mut self, receiver: &Receiver<Message>) -> Option<Option<Message>> {
        loop {
            self.tell_of_wal();
            let rest = self.writing.pause();
            let patience = match (rest, self.again.is_empty()) {
                (Some(pause), _) => pause,
                (None, false) => AGAIN,
                (None, true) => return receiver.recv().ok().map(Some),
            };
            match receiver.recv_timeout(patience) {
                Ok(message) => return Some(Some(message)),
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) if rest.is_some() => {
                    self.writing.rest();
                    if !self.again.is_empty() && patience >= AGAIN {
                        return Some(None);
                    }
                }
                Err(RecvTimeoutError::Timeout) => return Some(None),
            }
        }
    }

    fn tell_of_wal(&mut self) {
        if let Some(long_wal) = self.writing.long_wal() {
            self.pulse.send_modify(|pulse| pulse.long_wal = long_wal);
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
                if self.pending.is_empty() {
                    answer();
                } else {
                    self.pending.after.answers.push(answer);
                }
            }
            Message::Stop(_) => {}
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
            let known =
                self.pending.after.reports.contains(&report) || self.writing.has_report(&report.0, &report.1);
            if known {
                let reply = Reply { already: true, ..Reply::default() };
                let committed = Committed { reply, seq: self.last_seq() };
                self.pending.after.acks.extend(ack.map(|ack| (ack, committed)));
                return;
            }
            self.pending.after.reports.insert(report.clone());
            self.pending.reports.push(report);
        }
        let policy = Arc::clone(&self.policy);
        let context = Context { now: self.clock.tick(), next_seq: self.next_seq, policy };
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

    /// Commits what was decided, and tells of it.
    fn commit(&mut self) {
        self.writing.end_look();
        if self.pending.is_empty() {
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
        match self.writing.commit(&batch) {
            Ok(()) => {
                self.pulse.send_modify(|pulse| {
                    (pulse.seq, pulse.read_only) = (after.last_seq, None);
                });
                self.tell(after);
            }
            Err(error) => self.take_back(&error, after),
        }
    }

    /// A commit failed: what was decided is discarded and refused.
    fn take_back(&mut self, error: &StoreError, after: After) {
        tracing::error!(%error, "a commit failed");
        let refusal = Refusal::new(Code::ReadOnly, error.to_string())
            .hint("nothing was lost and agents work on; free space or mend the store, then try again");
        self.again = after.outcomes;
        match self.writing.reload() {
            Ok((state, next_seq)) => {
                self.state = state;
                self.next_seq = next_seq;
            }
            Err(error) => tracing::error!(%error, "the state cannot be loaded again"),
        }
        self.pulse.send_modify(|pulse| pulse.read_only = Some(refusal.message.clone()));
        for (ack, _) in after.acks {
            let _ = ack.send(Err(refusal.clone()));
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
