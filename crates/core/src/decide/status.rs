//! When an agent's status changes, and which of two sources is believed.

use super::Step;
use crate::AgentKey;
use crate::event::payload::AgentStatusChanged;
use crate::report::Channel;
use crate::state::agent::TURN_ENDED;
use crate::state::{Agent, Confidence, Phase, ReadySignal, StatusSource, StatusState, TurnOutcome};

/// A status as one source has it.
pub(super) struct Seen {
    pub state: StatusState,
    pub detail: Option<String>,
    pub waiting_for: Option<String>,
    pub source: Channel,
}

impl Seen {
    pub(super) fn new(state: StatusState, source: Channel) -> Self {
        Seen { state, detail: None, waiting_for: None, source }
    }

    pub(super) fn detail(mut self, detail: Option<String>) -> Self {
        self.detail = detail;
        self
    }

    pub(super) fn waiting_for(mut self, what: impl Into<String>) -> Self {
        self.waiting_for = Some(what.into());
        self
    }

    fn confidence(&self) -> Confidence {
        match self.source {
            Channel::Osc7501 => Confidence::Stated,
            Channel::Hook | Channel::Process | Channel::Title | Channel::Notification | Channel::Osc => {
                Confidence::Reported
            }
            Channel::Output | Channel::Screen => Confidence::Guess,
        }
    }
}

/// Tells whether `source` may change the status of `agent`: where the program states its own status,
/// that is the status of record, and only the process itself overrules it.
fn is_believed(agent: &Agent, seen: StatusState, source: Channel) -> bool {
    match source {
        Channel::Osc7501 | Channel::Process => true,
        // A hook is a process of its own and may come late; that it works on is the title's to say, once it says
        // anything.
        Channel::Hook => {
            let is_titles = seen == StatusState::Working && agent.status.source == Channel::Title;
            !agent.stated && !is_titles
        }
        // Before a program is ready its title may say anything, unless it is the sign of that.
        Channel::Title | Channel::Notification => {
            !agent.stated && (agent.ready || agent.signals.ready == ReadySignal::Status)
        }
        Channel::Osc | Channel::Output => !agent.stated && !agent.signals.hooks,
        Channel::Screen => {
            let is_asked = agent.ready && agent.signals.status == StatusSource::Screen;
            may_show_dialog(agent) || (is_asked && !agent.stated)
        }
    }
}

/// Tells whether an agent may stand in a dialog that it states nothing of: it is not ready, and what it stated
/// last, if anything, it took back.
pub(super) fn may_show_dialog(agent: &Agent) -> bool {
    let status = &agent.status;
    agent.is_living()
        && !agent.ready
        && (status.source != Channel::Osc7501 || status.state == StatusState::Starting)
}

impl Step<'_> {
    /// Takes over a status if its source is believed and it differs from the one that stands.
    pub(super) fn see(&mut self, key: &AgentKey, seen: Seen) {
        let Some(agent) = self.state.agents.get(key) else { return };
        if (agent.has_ended() && seen.source != Channel::Process)
            || !is_believed(agent, seen.state, seen.source)
        {
            return;
        }
        // What is printed by a program that is overdue does not make it ready, where something else has to.
        let by_output =
            agent.signals.ready == ReadySignal::Output || agent.signals.ready == ReadySignal::Start;
        let is_shown_late = agent.is_overdue(self.context.now) && agent.status.source == Channel::Process;
        if seen.source == Channel::Output && is_shown_late && !by_output {
            return;
        }
        let old = &agent.status;
        if old.state == seen.state
            && old.detail == seen.detail
            && old.waiting_for == seen.waiting_for
            && old.source == seen.source
        {
            return;
        }
        let confidence = seen.confidence();
        let body = AgentStatusChanged {
            status: seen.state,
            detail: seen.detail,
            waiting_for: seen.waiting_for,
            source: seen.source,
            confidence,
        };
        self.emit_for(key, body);
    }

    /// Shows that an agent should take prompts by now and does not, unless it says itself what it does. Its prompts
    /// stay queued, and go once it is ready after all.
    pub(super) fn show_overdue(&mut self, key: &AgentKey) {
        let Some(agent) = self.state.agents.get(key) else { return };
        let says_why = agent.status.source == Channel::Osc7501
            && matches!(agent.status.state, StatusState::Working | StatusState::Waiting);
        if agent.in_turn || says_why {
            return;
        }
        let what = format!("not ready after {} s; look at its pane", agent.signals.ready_within_s);
        self.see(key, Seen::new(StatusState::Waiting, Channel::Process).waiting_for(what));
    }

    /// Takes back that an agent seemed to wait, once it takes prompts: its sign of readiness need not be a status.
    pub(super) fn ready_after_all(&mut self, key: &AgentKey) {
        let Some(agent) = self.state.agents.get(key).filter(|agent| agent.is_living() && agent.ready) else {
            return;
        };
        let status = &agent.status;
        let was_ours = matches!(status.source, Channel::Process | Channel::Screen);
        if was_ours && status.state == StatusState::Waiting {
            self.see(key, Seen::new(StatusState::Idle, Channel::Process));
        }
    }

    /// Ends the open turn, if one is open: the worktree is kept, then the next prompt may go.
    pub(super) fn end_turn(&mut self, key: &AgentKey, outcome: TurnOutcome, message: Option<String>) {
        let Some(agent) = self.state.agents.get(key) else { return };
        if !agent.in_turn {
            return;
        }
        let turn = agent.turn;
        self.emit_for(key, crate::event::payload::TurnEnded { turn, outcome, message });
        self.want_checkpoint(key, TURN_ENDED);
    }
}

/// Tells whether an agent counts as failed when its run settles.
pub(super) fn has_failed(agent: &Agent) -> bool {
    if agent.stop_requested && agent.has_ended() {
        return false;
    }
    if agent.phase == Phase::FailedToStart || agent.undelivered > 0 {
        return true;
    }
    match &agent.exit {
        Some(exit) => exit.lost || exit.signal.is_some() || exit.code.is_some_and(|code| code != 0),
        None => agent.status.state == StatusState::Failed,
    }
}
