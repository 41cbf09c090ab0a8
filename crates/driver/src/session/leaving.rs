//! The way out: what is still to be told, and an exit code.

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use orchflow_core::report::Report;

use super::{Event, Leave, Phase, Session};
use crate::bounded;
use crate::transcript;

/// How long what was reported last may take on the way out.
const FAREWELL: Duration = Duration::from_secs(3);

impl Session {
    /// Ends the session and gives the exit code.
    pub(super) fn leave(mut self, leave: Leave) -> io::Result<ExitCode> {
        let (code, reason) = match leave {
            Leave::Broken(error) => {
                self.gate.open();
                self.backend.close();
                self.reporting.finish(FAREWELL);
                return Err(error);
            }
            Leave::Asked(reason) => (ExitCode::SUCCESS, reason),
            Leave::Gone(None) => (ExitCode::SUCCESS, "other"),
            Leave::Gone(Some(why)) => {
                self.gone(&why);
                (ExitCode::FAILURE, "other")
            }
        };
        self.gate.open();
        self.cancel_questions();
        self.backend.close();
        self.reporting.report(Report::SessionEnded { reason: reason.to_owned() });
        if code == ExitCode::SUCCESS {
            self.state("clear", None, None);
        }
        self.reporting.finish(FAREWELL);
        // Nothing but statuses matters any more; the terminal may be gone, and then there is nobody to see it.
        while let Ok(event) = self.arriving.try_recv() {
            if let (Event::State(sequence), true) = (event, self.terminal_reads_status) {
                let _ = self.display.control(&sequence);
            }
        }
        let _ = self.display.draw(&[], &[], 80);
        let _ = self.display.control("\u{1b}[?2004l\u{1b}]0;\u{1b}\\");
        Ok(code)
    }

    /// Tells that the backend went by itself.
    fn gone(&mut self, why: &str) {
        let _ = self.end_words();
        let why = bounded::text(why);
        let report = if self.phase == Phase::Working {
            Report::TurnFailed { error: why.clone(), message: self.speech.last_message() }
        } else {
            Report::NotificationShown { message: why.clone(), category: "error".to_owned() }
        };
        self.reporting.report(report);
        self.state("error", None, Some(&why));
        let _ = self.log(&transcript::note(&why));
    }
}
