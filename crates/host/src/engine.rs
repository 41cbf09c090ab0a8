//! The door to the one loop: inputs in, decided, committed in groups, and only then told.

mod event_loop;
mod writing;

use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;

use orchflow_core::decide::{Input, Reply};
use orchflow_core::effect::Effect;
use orchflow_core::policy::Policy;
use orchflow_core::state::State;
use orchflow_core::{Code, EventSeq, Refusal};
use orchflow_store::{Loaded, Writer};
use tokio::sync::{oneshot, watch};

/// How often a look is taken whose answer was lost each time.
const LOOKS: u32 = 50;

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

enum Message {
    Input { input: Box<Input>, report: Option<String>, ack: Option<Ack> },
    Spool { inputs: Vec<(String, Input)>, ack: Ack },
    Question(Question),
    Stop(oneshot::Sender<()>),
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
    pub fn start(
        writer: Writer,
        loaded: Loaded,
        world: Box<dyn World>,
        policy: Arc<Policy>,
    ) -> (Engine, JoinHandle<()>) {
        let (sender, receiver) = channel();
        let seq = EventSeq(loaded.next_seq.0.saturating_sub(1));
        let (pulse_sender, pulse) =
            watch::channel(Pulse { seq, read_only: loaded.read_only.clone(), ..Pulse::default() });
        let mut event_loop = event_loop::Loop::new(writer, loaded, world, pulse_sender, policy);
        let thread = std::thread::spawn(move || event_loop.run(&receiver));
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
