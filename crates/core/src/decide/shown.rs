//! A status that a program shows in its title or a notification, where it states none.

use super::Step;
use super::reports::{NOT_BLOCKED, awaits_closing_hook, supersede, supersede_unblocked, turn_close};
use super::status::Seen;
use crate::AgentKey;
use crate::report::{Channel, StatedState};
use crate::state::{ReadySignal, StatusState, TurnOutcome};

pub(super) fn decide(
    step: &mut Step<'_>,
    key: &AgentKey,
    state: StatedState,
    detail: Option<String>,
    waiting_for: Option<String>,
    source: Channel,
) {
    let Some(agent) = step.state.agents.get(key) else { return };
    let may_say = agent.ready || agent.signals.ready == ReadySignal::Status;
    if agent.stated || !may_say {
        return;
    }
    let (hooks, in_turn, was) = (agent.signals.hooks, agent.in_turn, agent.status.clone());
    match state {
        StatedState::Working => {
            let flying = step.in_flight(key).is_some();
            // Where hooks carry the prompt, they start the turn; their content is worth the wait.
            if !hooks && (flying || !in_turn) {
                step.start_turn(key, "it shows that it works", None);
            }
            if source == Channel::Hook {
                // The program counts what it waits for itself: nothing.
                supersede(step, key, None, NOT_BLOCKED);
            } else {
                supersede_unblocked(step, key);
            }
            step.see(key, Seen::new(StatusState::Working, source).detail(detail));
        }
        StatedState::Blocked => {
            let waiting_for = waiting_for.unwrap_or_else(|| "approval".to_owned());
            // What its hook said of it says more.
            let told = was.state == StatusState::Waiting
                && was.source == Channel::Hook
                && was.waiting_for.as_ref() == Some(&waiting_for);
            let detail = if told { was.detail } else { detail };
            step.see(key, Seen::new(StatusState::Waiting, source).detail(detail).waiting_for(waiting_for));
        }
        // Its hooks tell of an end as such: this is an interruption.
        StatedState::Idle if source == Channel::Hook => {
            supersede(step, key, None, NOT_BLOCKED);
            step.see(key, Seen::new(StatusState::Idle, source).detail(detail));
            step.end_turn(key, TurnOutcome::Interrupted, None);
        }
        StatedState::Idle => {
            supersede(step, key, None, NOT_BLOCKED);
            // A turn's end that a hook told of stays what it is: at rest is at rest.
            let told = matches!(was.state, StatusState::Done | StatusState::Failed) && !in_turn;
            if !told {
                step.see(key, Seen::new(StatusState::Idle, source).detail(detail));
            }
            // Without hooks nobody can tell an end from an interruption.
            rest(step, key, TurnOutcome::Done, None);
        }
        StatedState::Done => {
            supersede(step, key, None, NOT_BLOCKED);
            step.see(key, Seen::new(StatusState::Done, source).detail(detail));
            rest(step, key, TurnOutcome::Done, None);
        }
        StatedState::Error => {
            supersede(step, key, None, NOT_BLOCKED);
            step.see(key, Seen::new(StatusState::Failed, source).detail(detail.clone()));
            step.end_turn(key, TurnOutcome::Failed, detail);
            step.expect_late_hook(key);
        }
        StatedState::Clear => {}
    }
}

/// Ends the turn of a program at rest: at once where nothing else tells of it, else after its closing hook had the
/// time to come.
fn rest(step: &mut Step<'_>, key: &AgentKey, outcome: TurnOutcome, message: Option<String>) {
    let Some(agent) = step.state.agents.get(key) else { return };
    if awaits_closing_hook(agent) {
        let close = turn_close(agent, step.context.now);
        step.want(close);
    } else if !agent.signals.hooks {
        step.end_turn(key, outcome, message);
    }
    step.expect_late_hook(key);
}
