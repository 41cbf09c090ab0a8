//! One agent at work: prompts in, turns, questions, and all that is told of them.

mod asking;
mod leaving;
mod screen;
mod speech;

use std::collections::VecDeque;
use std::io::{self, PipeReader, Stdout};
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use orchflow_agent::hooks::Answer;
use orchflow_agent::orders::Orders;
use orchflow_agent::status;
use orchflow_agent::terminal::{Decoder, Display, Input, Key};
use orchflow_core::report::Report;

use crate::backend::{Backend, Happening, TurnEnd};
use crate::bounded;
use crate::gate::Gate;
use crate::reporting::Reporting;
use crate::transcript;

use asking::Open;
use speech::Speech;

/// How long an Escape waits for the rest of a sequence.
const ESCAPE_PATIENCE: Duration = Duration::from_millis(30);

/// How often the footer moves while the agent works.
const SPIN: Duration = Duration::from_millis(200);

/// Longest line of thought that is waited for, in bytes.
const THOUGHT_LIMIT: usize = 2 << 10;

/// Most bytes of one prompt.
const PROMPT_LIMIT: usize = 16 << 20;

/// What a session waits for.
#[derive(Debug)]
pub enum Event {
    /// The terminal said something.
    Terminal(Input),
    /// The backend did.
    Backend(Happening),
    /// What was reported before this status is safe; it may be stated.
    State(String),
    /// The host answered a question.
    Answered(u64, Answer),
    /// Something to show that went wrong beside the work.
    Trouble(String),
}

/// Where the agent stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Starting,
    Idle,
    Working,
}

/// Why the session ends.
enum Leave {
    /// It was asked to.
    Asked(&'static str),
    /// What it drives is gone.
    Gone(Option<String>),
    /// The terminal cannot be written to.
    Broken(io::Error),
}

impl From<io::Error> for Leave {
    fn from(error: io::Error) -> Self {
        Leave::Broken(error)
    }
}

/// A driver at work.
pub struct Session {
    app: String,
    title: String,
    backend: Box<dyn Backend>,
    reporting: Reporting,
    arriving: Receiver<Event>,
    gate: Gate,
    display: Display<Stdout>,
    decoder: Decoder,
    escape_decides: Option<Instant>,
    typed: String,
    prompts: VecDeque<String>,
    phase: Phase,
    is_cancelling: bool,
    speech: Speech,
    /// What it thinks, up to the end of a line.
    thought: String,
    questions: VecDeque<Open>,
    settled: Vec<(Instant, PipeReader)>,
    asked: u64,
    stated: String,
    terminal_reads_status: bool,
    next_spin: Instant,
    spin: usize,
    hint: &'static str,
    last_interrupt: Option<Instant>,
}

impl Session {
    /// Prepares a session of a backend that was started.
    pub fn new(
        orders: &Orders,
        backend: Box<dyn Backend>,
        reporting: Reporting,
        arriving: Receiver<Event>,
        gate: Gate,
    ) -> Session {
        Session {
            // The fields of a status sequence are told apart by these signs.
            app: orders.name.replace([':', ';', '='], "-"),
            title: orders.title.clone(),
            backend,
            reporting,
            arriving,
            gate,
            display: Display::new(io::stdout()),
            decoder: Decoder::default(),
            escape_decides: None,
            typed: String::new(),
            prompts: VecDeque::new(),
            phase: Phase::Starting,
            is_cancelling: false,
            speech: Speech::default(),
            thought: String::new(),
            questions: VecDeque::new(),
            settled: Vec::new(),
            asked: 0,
            stated: String::new(),
            terminal_reads_status: false,
            next_spin: Instant::now(),
            spin: 0,
            hint: "",
            last_interrupt: None,
        }
    }

    /// Works until it is asked to leave, the backend is gone or the terminal is.
    pub fn run(mut self) -> io::Result<ExitCode> {
        let leave = match self.open() {
            Ok(()) => self.work(),
            Err(leave) => leave,
        };
        self.leave(leave)
    }

    fn work(&mut self) -> Leave {
        loop {
            if let Err(leave) = self.next() {
                return leave;
            }
            if self.phase == Phase::Idle
                && let Some(prompt) = self.prompts.pop_front()
                && let Err(leave) = self.begin_turn(&prompt)
            {
                return leave;
            }
        }
    }

    fn begin_turn(&mut self, prompt: &str) -> Result<(), Leave> {
        self.phase = Phase::Working;
        self.is_cancelling = false;
        self.speech.begin_turn();
        self.log(&transcript::prompt(prompt))?;
        self.reporting.report(Report::PromptSubmitted { text: bounded::text(prompt) });
        self.state("working", None, None);
        self.backend.prompt(prompt);
        Ok(())
    }

    /// Waits for what happens next, and handles it.
    fn next(&mut self) -> Result<(), Leave> {
        self.reporting.wait_for_room();
        let spins = (self.phase != Phase::Idle).then_some(self.next_spin);
        let deadline = [spins, self.escape_decides, self.speech.due()].into_iter().flatten().min();
        let event = match deadline {
            None => self.arriving.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(deadline) => self.arriving.recv_timeout(deadline.saturating_duration_since(Instant::now())),
        };
        match event {
            Ok(event) => self.handle(event)?,
            Err(RecvTimeoutError::Disconnected) => return Err(Leave::Asked("other")),
            Err(RecvTimeoutError::Timeout) => {}
        }
        let now = Instant::now();
        self.settled.retain(|(until, _)| *until > now);
        if self.escape_decides.is_some_and(|decides| decides <= now) {
            self.escape_decides = None;
            if let Some(key) = self.decoder.settle() {
                self.press(key)?;
            }
        }
        if self.speech.due().is_some_and(|due| due <= now) {
            self.speech.report(&self.reporting, false);
        }
        if spins.is_some_and(|spins| spins <= now) {
            self.spin += 1;
            self.next_spin = now + SPIN;
            self.log(&[])?;
        }
        Ok(())
    }

    fn handle(&mut self, event: Event) -> Result<(), Leave> {
        match event {
            Event::Terminal(Input::Bytes(bytes)) => {
                for key in self.decoder.feed(&bytes) {
                    self.press(key)?;
                }
                self.escape_decides = self.decoder.is_undecided().then(|| Instant::now() + ESCAPE_PATIENCE);
                Ok(())
            }
            Event::Terminal(Input::Hangup) => Err(Leave::Asked("other")),
            Event::State(sequence) => self.show_state(sequence),
            Event::Answered(question, answer) => self.answered(question, answer),
            Event::Trouble(what) => self.log(&transcript::note(&what)),
            Event::Backend(happening) => {
                self.gate.took_one();
                self.happened(happening)
            }
        }
    }

    fn happened(&mut self, happening: Happening) -> Result<(), Leave> {
        match happening {
            Happening::Thought(text) => return self.think(&text),
            Happening::Words { message, text } => {
                self.end_thought()?;
                return self.say(&message, &text);
            }
            Happening::Gone(why) => return Err(Leave::Gone(why)),
            _ => self.end_words()?,
        }
        self.end_thought()?;
        match happening {
            Happening::Ready { session, resumed, about } => {
                let source = if resumed { "resume" } else { "startup" }.to_owned();
                if !session.is_empty() {
                    self.reporting.report(Report::SessionStarted { session_id: session, source });
                }
                if self.phase == Phase::Starting {
                    self.phase = Phase::Idle;
                    self.state("idle", None, None);
                }
                self.log(&transcript::note(&about))
            }
            Happening::Note(text) => self.log(&transcript::note(&text)),
            Happening::Report(report) => {
                let lines = transcript::report(&report);
                self.reporting.report(report);
                self.log(&lines)
            }
            Happening::Question(question) => self.ask(question),
            Happening::TurnEnded(end) => self.end_turn(end),
            Happening::Words { .. } | Happening::Thought(_) | Happening::Gone(_) => Ok(()),
        }
    }

    fn end_turn(&mut self, end: TurnEnd) -> Result<(), Leave> {
        self.cancel_questions();
        self.phase = Phase::Idle;
        let message = self.speech.last_message();
        match end {
            TurnEnd::Done => {
                self.reporting.report(Report::TurnEnded { message });
                self.state("done", None, None);
                self.log(&[String::new()])
            }
            // An interrupted turn has no report of its own; its status alone says so.
            TurnEnd::Interrupted => {
                self.state("idle", None, None);
                self.log(&[transcript::note("Interrupted").concat(), String::new()])
            }
            TurnEnd::Failed { error } => {
                let error = bounded::text(&error);
                let mut lines = transcript::note(&error);
                lines.push(String::new());
                self.reporting.report(Report::TurnFailed { error: error.clone(), message });
                self.state("error", None, Some(&error));
                self.log(&lines)
            }
        }
    }

    /// Shows whole lines of what is thought.
    fn think(&mut self, text: &str) -> Result<(), Leave> {
        self.thought.push_str(text);
        match self.thought.rfind('\n') {
            Some(end) => {
                let rest = self.thought.split_off(end + 1);
                let whole = std::mem::replace(&mut self.thought, rest);
                self.log(&transcript::note(&whole))
            }
            None if self.thought.len() > THOUGHT_LIMIT => self.end_thought(),
            None => Ok(()),
        }
    }

    fn end_thought(&mut self) -> Result<(), Leave> {
        let thought = std::mem::take(&mut self.thought);
        if thought.trim().is_empty() { Ok(()) } else { self.log(&transcript::note(&thought)) }
    }

    /// Shows whole lines of what is said, and keeps the rest for the footer.
    fn say(&mut self, message: &str, text: &str) -> Result<(), Leave> {
        if self.speech.is_another(message) {
            self.end_words()?;
        }
        let lines = self.speech.take(message, text);
        self.speech.report_if_long(&self.reporting);
        if lines.is_empty() { Ok(()) } else { self.log(&lines) }
    }

    /// Says that a message is over.
    fn end_words(&mut self) -> Result<(), Leave> {
        let lines = self.speech.end(&self.reporting);
        if lines.is_empty() { Ok(()) } else { self.log(&lines) }
    }

    /// Has a status stated behind what was reported.
    fn state(&mut self, state: &str, kind: Option<&str>, message: Option<&str>) {
        let message = message.map(orchflow_core::describe::one_line);
        self.reporting.state(status::sequence(&self.app, state, kind, message.as_deref()));
    }

    fn show_state(&mut self, sequence: String) -> Result<(), Leave> {
        self.stated = sequence;
        if self.terminal_reads_status {
            self.display.control(&self.stated)?;
        }
        Ok(())
    }

    fn press(&mut self, key: Key) -> Result<(), Leave> {
        self.hint = "";
        if self.press_at_question(&key)? {
            return Ok(());
        }
        let busy = self.phase == Phase::Working;
        match key {
            Key::Osc(text) if text.split(';').next() == Some("7501") => {
                self.terminal_reads_status = true;
                let stated = std::mem::take(&mut self.stated);
                return if stated.is_empty() { Ok(()) } else { self.show_state(stated) };
            }
            Key::Osc(_) => return Ok(()),
            Key::Text(character) => self.typed.push(character),
            Key::Paste(text) if self.typed.len() + text.len() <= PROMPT_LIMIT => self.typed.push_str(&text),
            Key::Paste(_) => self.hint = "that paste is too long for one prompt",
            Key::Backspace => drop(self.typed.pop()),
            Key::CtrlU => self.typed.clear(),
            Key::Enter => self.submit()?,
            Key::Escape if busy => self.cancel()?,
            Key::Escape => self.typed.clear(),
            Key::CtrlD if self.typed.is_empty() && !busy => return Err(Leave::Asked("prompt_input_exit")),
            Key::CtrlD => {}
            Key::CtrlC => self.interrupt(busy)?,
        }
        self.log(&[])
    }

    fn submit(&mut self) -> Result<(), Leave> {
        let text = std::mem::take(&mut self.typed);
        match text.trim() {
            "" => {}
            "/exit" | "/quit" => return Err(Leave::Asked("prompt_input_exit")),
            prompt => self.prompts.push_back(prompt.to_owned()),
        }
        Ok(())
    }

    fn cancel(&mut self) -> Result<(), Leave> {
        self.is_cancelling = true;
        self.cancel_questions();
        self.backend.cancel();
        self.end_words()
    }
}
