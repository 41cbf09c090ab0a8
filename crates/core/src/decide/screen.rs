//! Whether an agent is at rest, by its screen: for programs that do not tell of every end of a turn.

use super::Step;
use super::reports::{NOT_BLOCKED, supersede};
use super::status::Seen;
use crate::AgentKey;
use crate::effect::{EffectBody, SCREEN_AT_REST, SCREEN_WORKING};
use crate::report::Channel;
use crate::state::{StatusSource, StatusState, TurnOutcome};

/// Wants a look at the screen of an agent in a turn that prints no more.
pub(super) fn look(step: &mut Step<'_>, key: &AgentKey) {
    let Some(agent) = step.state.agents.get(key) else { return };
    if agent.ready && agent.in_turn && !agent.is_halted() {
        // The turn that it is about stands for the attempt: an answer that comes late says nothing of the next one.
        let attempt = SCREEN_AT_REST.saturating_add(agent.turn);
        step.want(EffectBody::ReadScreen { agent: key.clone(), attempt });
    }
}

/// Takes what the screen of an agent showed when it printed no more: `found` is what stands there while it works or
/// asks, nothing where it is at rest.
pub(super) fn rests(step: &mut Step<'_>, key: &AgentKey, turn: u32, found: Option<(String, String)>) {
    let Some(agent) = step.state.agents.get(key) else { return };
    let is_meant = agent.in_turn && agent.turn == turn && agent.signals.status == StatusSource::Screen;
    if !is_meant || !agent.is_living() || agent.is_halted() {
        return;
    }
    let hooks = agent.signals.hooks;
    let waits = agent.status.state == StatusState::Waiting;
    match found {
        Some((what, _)) if what == SCREEN_WORKING => {
            if !hooks {
                step.see(key, Seen::new(StatusState::Working, Channel::Screen));
            }
        }
        // What its hook said of the question says more.
        Some(_) if waits => {}
        Some((what, text)) => {
            let seen = Seen::new(StatusState::Waiting, Channel::Screen).detail(Some(text));
            step.see(key, seen.waiting_for(what));
        }
        None => {
            supersede(step, key, None, NOT_BLOCKED);
            step.see(key, Seen::new(StatusState::Idle, Channel::Screen));
            // Its hooks tell of an end that is none by force.
            let outcome = if hooks { TurnOutcome::Interrupted } else { TurnOutcome::Done };
            step.end_turn(key, outcome, None);
        }
    }
}
