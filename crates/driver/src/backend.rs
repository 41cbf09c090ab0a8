//! What a driver speaks with, and what it hears from it.

use std::fmt;
use std::sync::mpsc::channel;

use orchflow_core::report::Report;
use serde_json::Value;

use crate::gate::Entrance;

/// An agent behind a protocol of its own.
///
/// The methods return at once: what takes time is done on threads of the backend, and told through its [`Outlet`].
/// There is one turn at a time, begun by [`Backend::prompt`] and ended by [`Happening::TurnEnded`].
pub trait Backend {
    /// Begins; [`Happening::Ready`] tells that prompts are taken, [`Happening::Gone`] that it came to nothing.
    fn start(&mut self, outlet: Outlet);

    /// Begins a turn with the human's words.
    fn prompt(&mut self, text: &str);

    /// Ends the turn early. The turn's end is told all the same, mostly as [`TurnEnd::Interrupted`].
    fn cancel(&mut self);

    /// Ends all it started. May take a moment.
    fn close(&mut self);
}

/// What a backend tells.
#[derive(Debug)]
pub enum Happening {
    /// It takes prompts.
    Ready {
        /// Its session's id, for taking it up again; empty where there is none.
        session: String,
        /// Whether an earlier session was taken up.
        resumed: bool,
        /// What it is, in a line: its name, its version, its model.
        about: String,
    },
    /// A piece of what the agent says. Pieces of one message follow each other.
    Words {
        /// The message they belong to; may be empty.
        message: String,
        /// The piece.
        text: String,
    },
    /// A piece of what it thinks; shown, not reported.
    Thought(String),
    /// Something to report as it is: a tool, a plan, usage, a limit. It is also shown.
    Report(Report),
    /// It asks for a permission.
    Question(Question),
    /// Something for people, shown only.
    Note(String),
    /// The turn is over.
    TurnEnded(TurnEnd),
    /// It is gone, with the reason if that was not asked for. Nothing comes after it.
    Gone(Option<String>),
}

/// How a turn ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TurnEnd {
    /// Well.
    Done,
    /// In an error.
    Failed {
        /// What went wrong, and what to do where that is known.
        error: String,
    },
    /// The human interrupted it.
    Interrupted,
}

/// A permission asked for.
pub struct Question {
    /// The tool it wants to use.
    pub tool: String,
    /// Its arguments.
    pub input: Value,
    /// The backend's id of this use.
    pub tool_use_id: Option<String>,
    /// What it wants, in a line.
    pub summary: String,
    /// Whether it may be allowed from now on, in the agent's own way.
    pub can_always: bool,
    /// Whether its arguments may be changed.
    pub can_change: bool,
    /// Is told the verdict, once.
    pub reply: Box<dyn FnOnce(Verdict) + Send>,
}

impl fmt::Debug for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Question")
            .field("tool", &self.tool)
            .field("input", &self.input)
            .finish_non_exhaustive()
    }
}

/// What was decided about a question.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// It may be done.
    Allow {
        /// Whether the agent shall not ask for the like again.
        always: bool,
        /// The arguments to use instead; only where the question can be changed.
        updated_input: Option<Value>,
    },
    /// It may not.
    Deny {
        /// Why; the agent may be told.
        reason: String,
    },
    /// The turn is being interrupted.
    Cancelled,
}

/// The way from a backend to its driver; every thread of the backend may have one.
#[derive(Debug, Clone)]
pub struct Outlet(pub(crate) Entrance);

impl Outlet {
    /// Tells something; waits while the driver has much to do, so that a flood stays where it comes from. What is
    /// told to a driver that has left is lost.
    pub fn tell(&self, happening: Happening) {
        self.0.send(happening);
    }

    /// Asks for a permission and waits for the verdict.
    pub fn ask(&self, tool: &str, input: Value, tool_use_id: Option<String>, summary: String) -> Verdict {
        let (sender, verdict) = channel();
        self.tell(Happening::Question(Question {
            tool: tool.to_owned(),
            input,
            tool_use_id,
            summary,
            can_always: false,
            can_change: true,
            reply: Box::new(move |verdict| drop(sender.send(verdict))),
        }));
        verdict.recv().unwrap_or(Verdict::Cancelled)
    }
}
