//! Plays turns: waits for prompts, does their steps, draws, reports.

mod asking;
mod steps;

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Stdout};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::Options;
use super::process::{self, Event, Output, Task};
use super::reporting::Session;
use super::script::Script;
use crate::status;
use crate::terminal::{self, Decoder, Display, Key, plain};

/// The name a rehearsal states its status under.
const APP: &str = "rehearsal";

/// How long the terminal may take to say that it understands status sequences.
const STATUS_PATIENCE: Duration = Duration::from_millis(100);

/// How long an Escape waits for the rest of a sequence.
const ESCAPE_PATIENCE: Duration = Duration::from_millis(30);

/// How long a report is waited for, as Claude Code would.
const HOOK_PATIENCE: Duration = Duration::from_secs(10);

/// Within this time a second Ctrl-C leaves.
const TWICE: Duration = Duration::from_secs(2);

const SPIN: Duration = Duration::from_millis(120);
const SPINNER: [char; 4] = ['◐', '◓', '◑', '◒'];

const DIM: &str = "\u{1b}[2m";
const BOLD: &str = "\u{1b}[1m";
const RESET: &str = "\u{1b}[0m";

/// Why something stopped before its end.
pub(super) enum Flow {
    /// The human pressed Escape.
    Interrupted,
    /// The script fails the turn.
    Failed(String),
    /// The program is to end, for this reason.
    Leave(&'static str),
    /// The terminal cannot be written to.
    Broken(io::Error),
}

impl From<io::Error> for Flow {
    fn from(error: io::Error) -> Self {
        Flow::Broken(error)
    }
}

enum Activity {
    Idle,
    Working,
    /// A question stands in the footer.
    Asking(String),
}

/// A rehearsal at work.
pub(super) struct Player {
    options: Options,
    script: Option<Script>,
    session: Session,
    display: Display<Stdout>,
    events: Sender<Event>,
    arriving: Receiver<Event>,
    decoder: Decoder,
    keys: VecDeque<Key>,
    escape_decides: Option<Instant>,
    typed: String,
    prompts: VecDeque<String>,
    objective: Option<String>,
    turn: usize,
    /// The words of the turn, for the commands of a script.
    environment: Vec<(String, String)>,
    activity: Activity,
    choice: Option<bool>,
    stated: String,
    terminal_reads_status: bool,
    spin: usize,
    next_spin: Instant,
    hint: &'static str,
    last_interrupt: Option<Instant>,
    tasks: u64,
    ended: BTreeMap<u64, Output>,
}

impl Player {
    pub(super) fn new(
        options: Options,
        script: Option<Script>,
        events: Sender<Event>,
        arriving: Receiver<Event>,
    ) -> Self {
        Player {
            session: Session::new(&options.worktree),
            options,
            script,
            display: Display::new(io::stdout()),
            events,
            arriving,
            decoder: Decoder::default(),
            keys: VecDeque::new(),
            escape_decides: None,
            typed: String::new(),
            prompts: VecDeque::new(),
            objective: None,
            turn: 0,
            environment: Vec::new(),
            activity: Activity::Idle,
            choice: None,
            stated: status::sequence(APP, "idle", None, None),
            terminal_reads_status: false,
            spin: 0,
            next_spin: Instant::now(),
            hint: "",
            last_interrupt: None,
            tasks: 0,
            ended: BTreeMap::new(),
        }
    }

    /// Plays until it is asked to leave or the terminal is gone.
    pub(super) fn play(mut self) -> io::Result<()> {
        let reason = match self.session() {
            Flow::Broken(error) => return Err(error),
            Flow::Leave(reason) => reason,
            Flow::Interrupted | Flow::Failed(_) => "other",
        };
        // Nothing is drawn any more: the terminal may be gone, and then there is nobody to see it.
        self.activity = Activity::Idle;
        let _ = self.report("SessionEnd", json!({ "reason": reason }));
        let _ = self.state("clear", None, None);
        let _ = self.display.draw(&[], &[], terminal::columns());
        let _ = self.display.control("\u{1b}[?2004l\u{1b}]0;\u{1b}\\");
        Ok(())
    }

    fn session(&mut self) -> Flow {
        match self.open() {
            Ok(()) => {}
            Err(flow) => return flow,
        }
        loop {
            let flow = match self.prompts.pop_front() {
                Some(prompt) => self.play_turn(prompt),
                None => self.next(None, true).map(drop),
            };
            match flow {
                Ok(()) | Err(Flow::Interrupted | Flow::Failed(_)) => {}
                Err(flow) => return flow,
            }
        }
    }

    fn open(&mut self) -> Result<(), Flow> {
        let name = plain(&self.options.name);
        // Escape sequences, then the query whether status sequences are understood here.
        self.display.control(&format!("\u{1b}[?2004h\u{1b}]0;rehearsal: {name}\u{1b}\\"))?;
        self.display.control(&format!("\u{1b}]{};?\u{1b}\\", status::OSC_NUMBER))?;
        let script = match &self.options.script {
            Some(path) => plain(&path.to_string_lossy()),
            None => "built-in script".to_owned(),
        };
        self.log(&[
            format!("{BOLD}REHEARSAL – no model{RESET}  {name} · {script}"),
            format!("{DIM}Nothing here thinks: it plays a script, so that everything around it can be tried.{RESET}"),
            String::new(),
        ])?;
        let deadline = Instant::now() + STATUS_PATIENCE;
        while !self.terminal_reads_status && self.next(Some(deadline), true)? {}
        self.report("SessionStart", json!({ "source": "startup", "model": "none (rehearsal)" }))?;
        self.state("idle", None, None)?;
        self.log(&[])
    }

    fn play_turn(&mut self, prompt: String) -> Result<(), Flow> {
        let mut lines = prompt.lines();
        let mut shown = vec![format!("{BOLD}❯ {}{RESET}", plain(lines.next().unwrap_or_default()))];
        shown.extend(lines.take(20).map(|line| format!("  {}", plain(line))));
        self.activity = Activity::Working;
        self.log(&shown)?;
        self.session.next_prompt();
        self.report("UserPromptSubmit", json!({ "prompt": prompt }))?;
        self.state("working", None, None)?;
        self.objective.get_or_insert_with(|| prompt.clone());
        let outcome = self.play_steps_of(&prompt);
        self.turn += 1;
        self.activity = Activity::Idle;
        self.choice = None;
        match outcome {
            Ok(closing) => {
                let body = json!({
                    "stop_hook_active": false,
                    "last_assistant_message": closing,
                    "background_tasks": [],
                    "session_crons": [],
                });
                self.report("Stop", body)?;
                self.state("done", None, None)?;
                self.log(&[String::new()])
            }
            // As the real agent does: an interrupted turn ends without a hook, its status alone says so.
            Err(Flow::Interrupted) => {
                self.state("idle", None, None)?;
                self.log(&[format!("{DIM}  ⎿ Interrupted{RESET}"), String::new()])
            }
            Err(Flow::Failed(error)) => {
                self.log(&[format!("● {}", plain(&error)), String::new()])?;
                let body = json!({ "error": "unknown", "last_assistant_message": error });
                self.report("StopFailure", body)?;
                self.state("error", None, Some(&error))?;
                self.log(&[])
            }
            Err(flow) => Err(flow),
        }
    }

    /// Handles what happens next: a key, the end of a process, a beat of the spinner. `false` when it
    /// was time only. Keys are kept for later where the moment is not `attentive`.
    fn next(&mut self, until: Option<Instant>, attentive: bool) -> Result<bool, Flow> {
        loop {
            if attentive && let Some(key) = self.keys.pop_front() {
                self.press(key)?;
                return Ok(true);
            }
            let now = Instant::now();
            let spins = matches!(self.activity, Activity::Working).then_some(self.next_spin);
            let deadline = [until, spins, self.escape_decides].into_iter().flatten().min();
            let event = match deadline {
                None => self.arriving.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(deadline) => self.arriving.recv_timeout(deadline.saturating_duration_since(now)),
            };
            match event {
                Ok(Event::Bytes(bytes)) => {
                    self.keys.extend(self.decoder.feed(&bytes));
                    self.escape_decides =
                        self.decoder.is_undecided().then(|| Instant::now() + ESCAPE_PATIENCE);
                }
                Ok(Event::Ended { task, output }) => {
                    self.ended.insert(task, output);
                    return Ok(true);
                }
                Ok(Event::Hangup) | Err(RecvTimeoutError::Disconnected) => return Err(Flow::Leave("other")),
                Err(RecvTimeoutError::Timeout) => {
                    let now = Instant::now();
                    if self.escape_decides.is_some_and(|decides| decides <= now) {
                        self.escape_decides = None;
                        self.keys.extend(self.decoder.settle());
                    }
                    if spins.is_some_and(|spins| spins <= now) {
                        self.spin += 1;
                        self.next_spin = now + SPIN;
                        self.log(&[])?;
                    }
                    if until.is_some_and(|until| until <= now) {
                        return Ok(false);
                    }
                }
            }
        }
    }

    fn press(&mut self, key: Key) -> Result<(), Flow> {
        let asking = matches!(self.activity, Activity::Asking(_));
        let busy = !matches!(self.activity, Activity::Idle);
        self.hint = "";
        match key {
            Key::Osc(text) if text.split(';').next() == Some("7501") => {
                if !self.terminal_reads_status {
                    self.terminal_reads_status = true;
                    // Late answers are welcome: say where things stand.
                    if self.turn > 0 || busy {
                        self.display.control(&self.stated)?;
                    }
                }
                return Ok(());
            }
            Key::Osc(_) => return Ok(()),
            Key::Text('y' | 'Y') if asking => self.choice = Some(true),
            Key::Text('n' | 'N') if asking => self.choice = Some(false),
            // A question is answered by its own keys only: text was meant for something else.
            Key::Text(_) if asking => {}
            Key::Text(character) => self.typed.push(character),
            Key::Paste(text) => self.typed.push_str(&text),
            Key::Backspace => drop(self.typed.pop()),
            Key::CtrlU => self.typed.clear(),
            Key::Enter => self.submit()?,
            Key::Escape if busy => return Err(Flow::Interrupted),
            Key::Escape => self.typed.clear(),
            Key::CtrlD if self.typed.is_empty() && !busy => return Err(Flow::Leave("prompt_input_exit")),
            Key::CtrlD => {}
            Key::CtrlC => {
                let now = Instant::now();
                if self.last_interrupt.is_some_and(|last| now < last + TWICE) {
                    return Err(Flow::Leave("prompt_input_exit"));
                }
                self.last_interrupt = Some(now);
                self.typed.clear();
                self.hint = "press Ctrl-C again to leave";
                if busy {
                    return Err(Flow::Interrupted);
                }
            }
        }
        self.log(&[])
    }

    fn submit(&mut self) -> Result<(), Flow> {
        let text = std::mem::take(&mut self.typed);
        match text.trim() {
            "" => Ok(()),
            "/exit" | "/quit" => Err(Flow::Leave("prompt_input_exit")),
            prompt => {
                self.prompts.push_back(prompt.to_owned());
                Ok(())
            }
        }
    }

    /// Prints lines and draws the footer.
    fn log(&mut self, lines: &[String]) -> Result<(), Flow> {
        let mut footer = Vec::with_capacity(3);
        match &self.activity {
            Activity::Idle if self.hint.is_empty() => {
                footer.push("rehearsal · Enter sends · Esc interrupts · /exit leaves".to_owned());
            }
            Activity::Idle => footer.push(self.hint.to_owned()),
            Activity::Working => {
                let spinner = SPINNER.get(self.spin % SPINNER.len()).unwrap_or(&' ');
                let waiting = match self.prompts.len() {
                    0 => String::new(),
                    waiting => format!(" · {waiting} waiting"),
                };
                footer.push(format!("{spinner} Rehearsing (esc to interrupt){waiting}"));
            }
            Activity::Asking(question) => {
                footer.push(question.clone());
                footer.push("Allow it?  y yes · n no · Esc interrupts".to_owned());
            }
        }
        footer.push(format!("❯ {}", plain(&self.typed)));
        let columns = terminal::columns();
        Ok(self.display.draw(lines, &footer, columns)?)
    }

    /// States the status, to a terminal that reads it.
    fn state(&mut self, state: &str, kind: Option<&str>, message: Option<&str>) -> Result<(), Flow> {
        self.stated = status::sequence(APP, state, kind, message);
        if self.terminal_reads_status {
            self.display.control(&self.stated)?;
        }
        Ok(())
    }

    /// Reports through the hook program and waits until it took the report.
    fn report(&mut self, name: &str, fields: Value) -> Result<(), Flow> {
        let Some(task) = self.start_hook(&["claude", name], name, fields)? else { return Ok(()) };
        let deadline = Instant::now() + HOOK_PATIENCE;
        loop {
            if self.ended.remove(&task.id).is_some() {
                task.ended();
                return Ok(());
            }
            let went_on = self.next(Some(deadline), false)?;
            if !went_on && Instant::now() >= deadline {
                return Ok(());
            }
        }
    }

    fn start_hook(&mut self, arguments: &[&str], name: &str, fields: Value) -> Result<Option<Task>, Flow> {
        let Some(hook) = self.options.hook.clone() else { return Ok(None) };
        let body = self.session.body(name, fields);
        self.tasks += 1;
        match process::hook(self.tasks, &hook, arguments, body, &self.events) {
            Ok(task) => Ok(Some(task)),
            Err(error) => {
                let path = plain(&hook.to_string_lossy());
                self.log(&[format!("{DIM}  ⎿ {name} was not reported: {path}: {error}{RESET}")])?;
                Ok(None)
            }
        }
    }
}
