//! An answer told while it is being written.

use std::time::Duration;

use super::limit_report;
use crate::api::transport::Progress;
use crate::api::wire::Piece;
use crate::backend::{Happening, Outlet};

/// Shorter waits are not worth a word about a limit.
const WORTH: Duration = Duration::from_secs(5);

/// Tells pieces of one message: text as it comes, reasoning by lines.
pub(super) struct Speech<'a> {
    outlet: &'a Outlet,
    message: String,
    thought: String,
    /// A limit is told of once.
    has_told: bool,
}

impl<'a> Speech<'a> {
    pub(super) fn new(outlet: &'a Outlet, message: String) -> Speech<'a> {
        Speech { outlet, message, thought: String::new(), has_told: false }
    }

    pub(super) fn take(&mut self, progress: Progress) {
        match progress {
            Progress::Piece(Piece::Text(text)) => {
                self.end_thought();
                self.outlet.tell(Happening::Words { message: self.message.clone(), text });
            }
            Progress::Piece(Piece::Reasoning(text)) => {
                self.thought.push_str(&text);
                while let Some((line, rest)) = self.thought.split_once('\n') {
                    let (line, rest) = (line.trim().to_owned(), rest.to_owned());
                    self.thought = rest;
                    if !line.is_empty() {
                        self.outlet.tell(Happening::Thought(line));
                    }
                }
            }
            Progress::Piece(Piece::Call(_)) => self.end_thought(),
            Progress::Again(fault, wait) => {
                let seconds = wait.as_secs_f64().round();
                let text = format!("{}; it is tried again in {seconds} s", fault.message);
                self.outlet.tell(Happening::Note(text));
                if wait >= WORTH
                    && !self.has_told
                    && let Some(report) = limit_report(&fault)
                {
                    self.has_told = true;
                    self.outlet.tell(Happening::Report(report));
                }
            }
        }
    }

    /// Says that the answer is over.
    pub(super) fn end_thought(&mut self) {
        let line = std::mem::take(&mut self.thought);
        if !line.trim().is_empty() {
            self.outlet.tell(Happening::Thought(line.trim().to_owned()));
        }
    }
}
