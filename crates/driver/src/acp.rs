//! Agents of the Agent Client Protocol, version 1: JSON-RPC 2.0, a line each, on a program's standard input and output.
//!
//! The protocol is spoken by code of our own. The SDK (`agent-client-protocol` 5.0.0) starts processes and reads
//! lines without a limit in an executor of its own, while a driver has to bound what a program sends before it is
//! kept, end it by its process group, and go on from a message that makes no sense; and its types refuse whole
//! messages for one field, of which programs in use send several (`usage` in an answer, words of `_meta`). What we
//! write and read is held to the protocol's own JSON Schema by tests.
//!
//! `conversation` is a pure state machine from messages to messages; `child` is the program; here they are put
//! together.

mod child;
mod conversation;
mod failing;
mod files;
mod tools;
mod updates;
mod usage;

#[cfg(test)]
mod contract;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod recordings;

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::backend::{Backend, Happening, Outlet, Question, Verdict};
use orchflow_agent::orders::Orders;

use child::{Child, Said};
use conversation::{Conversation, Output};

/// How long a program may take to say what it is, and to open its session.
const PATIENCE: Duration = Duration::from_secs(90);

/// How long a program whose output ended may take to end itself.
const END_PATIENCE: Duration = Duration::from_secs(2);

/// What the conversation's thread waits for.
enum In {
    Said(Said),
    Prompt(String),
    Cancel,
    Verdict(u64, Verdict),
    Close,
}

/// An ACP program, as a backend.
pub struct AcpBackend {
    orders: Orders,
    worktree: PathBuf,
    inlet: Option<Sender<In>>,
    thread: Option<thread::JoinHandle<()>>,
    patience: Duration,
}

impl AcpBackend {
    /// Prepares to start the program of these orders in a worktree.
    pub fn new(orders: &Orders, worktree: &Path) -> AcpBackend {
        AcpBackend {
            orders: orders.clone(),
            worktree: worktree.to_owned(),
            inlet: None,
            thread: None,
            patience: PATIENCE,
        }
    }

    fn send(&self, what: In) {
        if let Some(inlet) = &self.inlet {
            let _ = inlet.send(what);
        }
    }
}

impl Backend for AcpBackend {
    fn start(&mut self, outlet: Outlet) {
        let (inlet, arriving) = channel();
        self.inlet = Some(inlet.clone());
        let (orders, worktree, patience) = (self.orders.clone(), self.worktree.clone(), self.patience);
        self.thread =
            Some(thread::spawn(move || converse(&orders, &worktree, inlet, &arriving, &outlet, patience)));
    }

    fn prompt(&mut self, text: &str) {
        self.send(In::Prompt(text.to_owned()));
    }

    fn cancel(&mut self) {
        self.send(In::Cancel);
    }

    fn close(&mut self) {
        self.send(In::Close);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn converse(
    orders: &Orders,
    worktree: &Path,
    inlet: Sender<In>,
    arriving: &Receiver<In>,
    outlet: &Outlet,
    patience: Duration,
) {
    let answers = inlet.clone();
    let mut child = match Child::start(&orders.program, &orders.args, worktree, move |said| {
        inlet.send(In::Said(said)).is_ok()
    }) {
        Ok(child) => child,
        Err(error) => {
            let program = orders.program.display();
            return outlet.tell(Happening::Gone(Some(format!("{program} cannot be started: {error}"))));
        }
    };
    let mut conversation = Conversation::new(orders, worktree);
    let opening = conversation.open();
    let mut speaker = Speaker { child: &mut child, outlet, answers, patience };
    let why = match speaker.carry_out(opening) {
        Some(why) => Some(why),
        None => speaker.go_on(&mut conversation, arriving),
    };
    let last_words = child.last_words();
    child.end();
    if let Some(why) = why {
        let program = orders.program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let last = if last_words.is_empty() { String::new() } else { format!("; it said: {last_words}") };
        outlet.tell(Happening::Gone(Some(format!("{program} {why}{last}"))));
    }
}

struct Speaker<'a> {
    child: &'a mut Child,
    outlet: &'a Outlet,
    answers: Sender<In>,
    patience: Duration,
}

impl Speaker<'_> {
    /// Talks until the end; gives its reason, if nobody asked for it.
    fn go_on(&mut self, conversation: &mut Conversation, arriving: &Receiver<In>) -> Option<String> {
        let opened_by = Instant::now() + self.patience;
        let mut ended: Option<(Instant, String)> = None;
        loop {
            let opening = conversation.is_opening().then_some(opened_by);
            let deadline = ended.as_ref().map(|(at, _)| *at).or(opening);
            let next = match deadline {
                None => arriving.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(deadline) => arriving.recv_timeout(deadline.saturating_duration_since(Instant::now())),
            };
            let outputs = match next {
                Ok(In::Said(Said::Line(line))) => {
                    let outputs = conversation.hear(&line);
                    self.child.heard();
                    outputs
                }
                Ok(In::Said(Said::TooLong)) => {
                    return Some(format!(
                        "sent a message of more than {} MiB, so it was ended",
                        child::LINE_LIMIT >> 20
                    ));
                }
                Ok(In::Said(Said::Closed { truncated })) => {
                    let how = if truncated { "in the middle of a message" } else { "" };
                    let why = format!("closed its output {how}").trim_end().to_owned();
                    ended.get_or_insert((Instant::now() + END_PATIENCE, why));
                    continue;
                }
                Ok(In::Said(Said::Exited(how))) => return Some(how),
                Ok(In::Prompt(text)) => conversation.prompt(&text),
                Ok(In::Cancel) => conversation.cancel(),
                Ok(In::Verdict(question, verdict)) => conversation.answer(question, &verdict),
                Ok(In::Close) | Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => {
                    return Some(match ended {
                        Some((_, why)) => why,
                        None => format!(
                            "did not answer {:?} within {} s; does it speak the Agent Client Protocol?",
                            conversation.waits_for(),
                            self.patience.as_secs()
                        ),
                    });
                }
            };
            if let Some(why) = self.carry_out(outputs) {
                return Some(why);
            }
        }
    }

    /// Does what the conversation wants; gives why it is over, if it is.
    fn carry_out(&mut self, outputs: Vec<Output>) -> Option<String> {
        for output in outputs {
            match output {
                Output::Send(message) => self.child.say(&message),
                Output::Tell(happening) => self.outlet.tell(happening),
                Output::Ask(id, asked) => {
                    let answers = self.answers.clone();
                    self.outlet.tell(Happening::Question(Question {
                        tool: asked.tool,
                        input: asked.input,
                        tool_use_id: asked.tool_use_id,
                        summary: asked.summary,
                        can_always: asked.can_always,
                        can_change: false,
                        reply: Box::new(move |verdict| drop(answers.send(In::Verdict(id, verdict)))),
                    }));
                }
                Output::Fail(why) => return Some(why),
            }
        }
        None
    }
}
