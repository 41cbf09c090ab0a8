//! Permissions asked for: of the host and in the terminal at once; the first answer counts.

use std::io::PipeReader;
use std::time::{Duration, Instant};

use orchflow_agent::hooks::Answer;
use orchflow_agent::terminal::Key;
use orchflow_core::report::Report;

use super::{Leave, Phase, Session};
use crate::backend::{Question, Verdict};
use crate::bounded::bounded;
use crate::transcript;

/// How long a question that was answered in the terminal is still asked of the host.
const SETTLED: Duration = Duration::from_secs(1);

/// A question that is open.
pub(super) struct Open {
    id: u64,
    pub(super) question: Question,
    /// As long as it lives, the host is asked.
    asks: Option<PipeReader>,
}

impl Session {
    pub(super) fn ask(&mut self, question: Question) -> Result<(), Leave> {
        if self.is_cancelling {
            (question.reply)(Verdict::Cancelled);
            return Ok(());
        }
        self.asked += 1;
        let report = Report::ApprovalRequested {
            tool: question.tool.clone(),
            input: bounded(&question.input),
            tool_use_id: question.tool_use_id.clone(),
            answerable: true,
        };
        let asks = self.reporting.ask(self.asked, report);
        self.state("blocked", Some("permission"), Some(&format!("approve {}", question.summary)));
        self.questions.push_back(Open { id: self.asked, question, asks });
        self.log(&[])
    }

    /// Takes what the host answered.
    pub(super) fn answered(&mut self, id: u64, answer: Answer) -> Result<(), Leave> {
        let Some(place) = self.questions.iter().position(|open| open.id == id) else { return Ok(()) };
        let can_change = self.questions.get(place).is_some_and(|open| open.question.can_change);
        let verdict = match answer {
            Answer::Allow { updated_input: Some(_) } if !can_change => Verdict::Deny {
                reason: "it was allowed with other arguments, which this agent cannot take; ask anew"
                    .to_owned(),
            },
            Answer::Allow { updated_input } => Verdict::Allow { always: false, updated_input },
            Answer::Deny { reason } => Verdict::Deny { reason },
            // The terminal is left to answer.
            Answer::NoOpinion => return Ok(()),
        };
        self.settle(place, verdict)
    }

    /// Takes a key that answers the question in the footer. Tells whether it was taken.
    pub(super) fn press_at_question(&mut self, key: &Key) -> Result<bool, Leave> {
        let Some(open) = self.questions.front() else { return Ok(false) };
        let allow = |always| Verdict::Allow { always, updated_input: None };
        let verdict = match key {
            Key::Text('y' | 'Y') => allow(false),
            Key::Text('a' | 'A') if open.question.can_always => allow(true),
            Key::Text('n' | 'N') => {
                Verdict::Deny { reason: "the human said no in the agent's terminal".to_owned() }
            }
            // A question is answered by its own keys only: text was meant for something else.
            Key::Text(_) => return Ok(true),
            _ => return Ok(false),
        };
        self.settle(0, verdict)?;
        Ok(true)
    }

    fn settle(&mut self, place: usize, verdict: Verdict) -> Result<(), Leave> {
        let Some(open) = self.questions.remove(place) else { return Ok(()) };
        let said = match &verdict {
            Verdict::Allow { always: true, .. } => "allowed from now on".to_owned(),
            Verdict::Allow { .. } => "allowed".to_owned(),
            Verdict::Deny { reason } => format!("denied: {reason}"),
            Verdict::Cancelled => "not asked any more".to_owned(),
        };
        let summary = open.question.summary.clone();
        (open.question.reply)(verdict);
        // The host is to hear from the status that it was answered here, before nobody waits for it any more.
        self.settled.extend(open.asks.map(|asks| (Instant::now() + SETTLED, asks)));
        if self.questions.is_empty() && self.phase == Phase::Working {
            self.state("working", None, None);
        }
        self.log(&transcript::note(&format!("{summary}: {said}")))
    }

    /// Gives up what is open, since the turn is over or being interrupted.
    pub(super) fn cancel_questions(&mut self) {
        for open in std::mem::take(&mut self.questions) {
            (open.question.reply)(Verdict::Cancelled);
        }
    }
}
