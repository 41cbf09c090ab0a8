//! What the agent says, on its way to the screen and to the host.

use std::time::{Duration, Instant};

use orchflow_agent::terminal;
use orchflow_core::report::Report;

use crate::bounded;
use crate::reporting::Reporting;
use crate::transcript;

/// How long a piece may wait for more before it is reported.
const PIECE_PATIENCE: Duration = Duration::from_millis(700);

/// A piece of so many bytes is reported at once.
const PIECE: usize = 4 << 10;

/// Most bytes reported of a turn's words.
const TURN_LIMIT: usize = 1 << 20;

/// Longest line that is kept for the footer, in bytes.
const LINE_LIMIT: usize = 4 << 10;

/// The message being said.
#[derive(Debug, Default)]
pub(super) struct Speech {
    message: String,
    is_open: bool,
    index: u64,
    unreported: String,
    since: Option<Instant>,
    line: String,
    is_begun: bool,
    said: String,
    reported: usize,
}

impl Speech {
    /// Forgets the turn before.
    pub(super) fn begin_turn(&mut self) {
        *self = Speech::default();
    }

    /// Tells whether a piece belongs to another message than the one being said.
    pub(super) fn is_another(&self, message: &str) -> bool {
        self.is_open && self.message != message
    }

    /// Takes a piece; gives the lines it completes.
    pub(super) fn take(&mut self, message: &str, text: &str) -> Vec<String> {
        if !self.is_open {
            self.is_open = true;
            message.clone_into(&mut self.message);
            self.index = 0;
            self.is_begun = false;
            self.said.clear();
        }
        if self.said.len() < TURN_LIMIT {
            self.said.push_str(text);
        }
        if self.reported + self.unreported.len() < TURN_LIMIT {
            self.unreported.push_str(text);
            self.since.get_or_insert_with(Instant::now);
        }
        self.line.push_str(text);
        match self.line.rfind('\n') {
            Some(end) => {
                let rest = self.line.split_off(end + 1);
                let whole = std::mem::replace(&mut self.line, rest);
                self.show(whole.trim_end_matches('\n'))
            }
            None if self.line.len() > LINE_LIMIT => {
                let whole = std::mem::take(&mut self.line);
                self.show(&whole)
            }
            None => Vec::new(),
        }
    }

    fn show(&mut self, text: &str) -> Vec<String> {
        let lines = transcript::words(text, !self.is_begun, terminal::columns());
        self.is_begun = true;
        lines
    }

    /// Gives the line that is not whole yet.
    pub(super) fn line(&self) -> &str {
        &self.line
    }

    /// Gives the time at which what waits is to be reported.
    pub(super) fn due(&self) -> Option<Instant> {
        self.since.map(|since| since + PIECE_PATIENCE)
    }

    /// Reports what waits, if that is much.
    pub(super) fn report_if_long(&mut self, reporting: &Reporting) {
        if self.unreported.len() >= PIECE {
            self.report(reporting, false);
        }
    }

    /// Reports what waits.
    pub(super) fn report(&mut self, reporting: &Reporting, last: bool) {
        self.since = None;
        if self.unreported.is_empty() {
            return;
        }
        let text = std::mem::take(&mut self.unreported);
        self.reported += text.len();
        let text = if self.reported >= TURN_LIMIT {
            format!("{}\n[what it said further in this turn was not kept by orchflow]", bounded::text(&text))
        } else {
            bounded::text(&text)
        };
        let message_id = self.message.clone();
        reporting.report(Report::TextDisplayed { message_id, index: self.index, last, text });
        self.index += 1;
    }

    /// Ends the message; gives the lines that are left of it.
    pub(super) fn end(&mut self, reporting: &Reporting) -> Vec<String> {
        if !self.is_open {
            return Vec::new();
        }
        self.report(reporting, true);
        self.is_open = false;
        let rest = std::mem::take(&mut self.line);
        if rest.trim().is_empty() { Vec::new() } else { self.show(rest.trim_end()) }
    }

    /// Gives the last message of the turn, if there was one.
    pub(super) fn last_message(&self) -> Option<String> {
        let said = self.said.trim();
        (!said.is_empty()).then(|| bounded::text(said))
    }
}
