//! A turn that its program calls over while a process it started still writes: the word "done" waits for that.
//!
//! What says so is kept as it came in, and taken up again once nothing is written any more, when the program goes
//! on to something else, or when somebody has a prompt for it.

use serde::{Deserialize, Serialize};

use super::status::Seen;
use super::{Step, reports};
use crate::effect::{EffectBody, Outcome, Timer};
use crate::event::payload::{TurnHeld, TurnReleased};
use crate::report::{Channel, Report, ReportEnvelope, StatedState, Writer};
use crate::state::{Agent, StatusState};
use crate::{AgentKey, Timestamp};

/// A report as it is kept in the log.
#[derive(Serialize, Deserialize)]
struct Held {
    channel: Channel,
    report: Report,
}

/// Tells whether a report would show its agent at rest: such a one is looked at twice.
pub(super) fn ends_work(report: &Report) -> bool {
    matches!(
        report,
        Report::StatusStated { state: StatedState::Done | StatedState::Idle, .. }
            | Report::TurnEnded { .. }
            | Report::OutputQuiet
    )
}

/// Tells whether a report shows that the program went on, so that what was held is past.
fn goes_on(report: &Report) -> bool {
    matches!(
        report,
        Report::StatusStated { .. }
            | Report::PromptSubmitted { .. }
            | Report::TurnEnded { .. }
            | Report::TurnFailed { .. }
            | Report::OutputQuiet
            | Report::ProcessExited { .. }
            | Report::ApprovalRequested { .. }
    )
}

/// Keeps a report back that would show its agent at rest while something of it still writes. Tells whether it did.
pub(super) fn hold(step: &mut Step<'_>, envelope: &ReportEnvelope) -> bool {
    let key = &envelope.agent;
    let Some(agent) = step.state.agents.get(key) else { return false };
    let works = agent.in_turn || agent.status.state == StatusState::Working;
    if !works || envelope.writers.is_empty() || !ends_work(&envelope.report) {
        if !agent.held.is_empty() {
            follow(step, key, &envelope.report);
        }
        return false;
    }
    let (known, is_first) = (agent.writers != envelope.writers, agent.held.is_empty());
    let held = Held { channel: envelope.channel, report: envelope.report.clone() };
    let Ok(report) = serde_json::to_value(held) else { return false };
    if agent.held.contains(&report) {
        return true;
    }
    step.emit_for(key, TurnHeld { writers: envelope.writers.clone(), report });
    if known {
        show(step, key);
    }
    if is_first {
        step.want(look_again(key, 0, step.context.now));
    }
    true
}

/// Goes by a report that came after what is held.
fn follow(step: &mut Step<'_>, key: &AgentKey, report: &Report) {
    let Some(agent) = step.state.agents.get(key) else { return };
    let was_silence = agent.held.iter().all(|held| held["report"]["kind"] == "output_quiet");
    if goes_on(report) {
        release(step, key);
    } else if *report == Report::OutputActive && was_silence {
        // It was silent for a moment, and prints again.
        step.emit_for(key, TurnReleased {});
    }
}

/// Shows who writes.
fn show(step: &mut Step<'_>, key: &AgentKey) {
    let Some(agent) = step.state.agents.get(key) else { return };
    let detail = agent.writers.first().map(|writer| {
        let more = match agent.writers.len() - 1 {
            0 => String::new(),
            count => format!(" and {count} more"),
        };
        format!("{} still writes {}{more}", writer.command, writer.path.lossy())
    });
    step.see(key, Seen::new(StatusState::Working, Channel::Process).detail(detail));
}

/// Takes up what was held.
pub(super) fn release(step: &mut Step<'_>, key: &AgentKey) {
    let Some(agent) = step.state.agents.get(key).filter(|agent| !agent.held.is_empty()) else { return };
    let held = agent.held.clone();
    step.emit_for(key, TurnReleased {});
    for report in held {
        match serde_json::from_value(report) {
            // What is held asks for nothing, so its id is of no use any more.
            Ok(Held { channel, report }) => reports::take(step, key, channel, report, ""),
            // It was written by another version, which is no reason to leave the turn open.
            Err(_) => step.end_turn(key, crate::state::TurnOutcome::Done, None),
        }
    }
}

/// Looks who writes by now.
pub(super) fn woken(step: &mut Step<'_>, key: &AgentKey, attempt: u32) {
    let Some(agent) = step.state.agents.get(key).filter(|agent| !agent.held.is_empty()) else { return };
    if let (Some(worktree), Some(pid)) = (agent.worktree.clone(), agent.pid) {
        step.want(EffectBody::LookForWriters { agent: key.clone(), worktree, pid, attempt });
    }
}

/// Goes by what was found.
pub(super) fn looked(step: &mut Step<'_>, key: &AgentKey, attempt: u32, outcome: Outcome) {
    let Some(agent) = step.state.agents.get(key).filter(|agent| !agent.held.is_empty()) else { return };
    match outcome {
        Outcome::Writers(writers) if !writers.is_empty() => {
            if agent.writers != writers {
                let report = serde_json::Value::Null;
                step.emit_for(key, TurnHeld { writers, report });
                show(step, key);
            }
            step.want(look_again(key, attempt.saturating_add(1), step.context.now));
        }
        // Where nobody can look, nothing is known to write.
        _ => {
            release(step, key);
            step.deliver(key);
            step.settle(key.run);
        }
    }
}

/// Wants the n-th look at who writes: soon, then ever less often.
pub(super) fn look_again(key: &AgentKey, attempt: u32, now: Timestamp) -> EffectBody {
    let after = 200_000_i64 << attempt.min(4);
    let timer = Timer::Writers { agent: key.clone(), attempt };
    EffectBody::Wake { timer, at: Timestamp(now.0.saturating_add(after)) }
}

/// Gives the wake-up an agent needs whose turn is held.
pub(super) fn wake(agent: &Agent, now: Timestamp) -> Option<EffectBody> {
    (!agent.held.is_empty()).then(|| look_again(&agent.key, 0, now))
}

impl ReportEnvelope {
    /// Tells whether who writes is to be looked up before this is taken: it would show its agent at rest.
    pub fn asks_for_writers(&self) -> bool {
        ends_work(&self.report)
    }

    /// Adds who writes.
    #[must_use]
    pub fn with_writers(mut self, writers: Vec<Writer>) -> Self {
        self.writers = writers;
        self
    }
}
