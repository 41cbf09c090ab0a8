//! The footer, and keys that are about the session rather than its text.

use std::time::{Duration, Instant};

use orchflow_agent::terminal::{self, plain};

use super::{Leave, Phase, Session};

/// Within this time a second Ctrl-C leaves.
const TWICE: Duration = Duration::from_secs(2);

const SPINNER: [char; 4] = ['◐', '◓', '◑', '◒'];

/// Most bytes of the input line that are drawn.
const SHOWN: usize = 4 << 10;

impl Session {
    /// Prepares the terminal: bracketed pastes, the title, and the question whether it reads statuses.
    pub(super) fn open(&mut self) -> Result<(), Leave> {
        let title = plain(&self.title);
        self.display.control(&format!("\u{1b}[?2004h\u{1b}]0;{title}\u{1b}\\\u{1b}]7501;?\u{1b}\\"))?;
        self.log(&[format!("{title} · driven by orchflow")])
    }

    /// Takes a Ctrl-C: the first interrupts, another one leaves.
    pub(super) fn interrupt(&mut self, busy: bool) -> Result<(), Leave> {
        let now = Instant::now();
        if self.last_interrupt.is_some_and(|last| now < last + TWICE) {
            return Err(Leave::Asked("prompt_input_exit"));
        }
        self.last_interrupt = Some(now);
        self.typed.clear();
        self.hint = "press Ctrl-C again to leave";
        if busy { self.cancel() } else { Ok(()) }
    }

    /// Prints lines and draws the footer.
    pub(super) fn log(&mut self, lines: &[String]) -> Result<(), Leave> {
        let columns = terminal::columns();
        let mut footer = Vec::with_capacity(4);
        if !self.speech.line().is_empty() {
            let line = plain(self.speech.line());
            let tail = line.chars().count().saturating_sub(columns.saturating_sub(4));
            footer.push(format!("  {}", line.chars().skip(tail).collect::<String>()));
        }
        let spinner = SPINNER.get(self.spin % SPINNER.len()).copied().unwrap_or(' ');
        let waiting = match self.prompts.len() {
            0 => String::new(),
            waiting => format!(" · {waiting} waiting"),
        };
        match (self.questions.front(), self.phase) {
            (Some(open), _) => {
                footer.push(plain(&open.question.summary));
                let always = if open.question.can_always { " · a always" } else { "" };
                let more = match self.questions.len() {
                    1 => String::new(),
                    all => format!(" · {} more", all - 1),
                };
                footer.push(format!("Allow it?  y yes{always} · n no · Esc interrupts{more}"));
            }
            (None, _) if !self.hint.is_empty() => footer.push(self.hint.to_owned()),
            (None, Phase::Starting) => footer.push(format!("{spinner} starting{waiting}")),
            (None, Phase::Working) if self.is_cancelling => {
                footer.push(format!("{spinner} stopping (Ctrl-C twice to leave){waiting}"));
            }
            (None, Phase::Working) => footer.push(format!("{spinner} working (esc to interrupt){waiting}")),
            (None, Phase::Idle) => footer.push("Enter sends · Esc interrupts · /exit leaves".to_owned()),
        }
        let typed = self.typed.get(..self.typed.floor_char_boundary(SHOWN)).unwrap_or_default();
        footer.push(format!("❯ {}", plain(typed)));
        Ok(self.display.draw(lines, &footer, columns)?)
    }
}
