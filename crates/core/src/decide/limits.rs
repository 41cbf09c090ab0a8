//! Models that do not answer for a while, and agents told to go on once they do.

use super::Step;
use crate::effect::{EffectBody, Timer};
use crate::event::payload::{LimitReached, PromptQueued};
use crate::state::{Agent, PromptOrigin};
use crate::usage::LimitKind;
use crate::{AgentKey, EventSeq, Timestamp};

/// What an agent is told then.
const GO_ON: &str = "continue";

/// Two ends of a limit that are not further apart are one, in microseconds.
const SAME: u64 = 5_000_000;
/// So soon after it was told a limit is told again by another channel, in microseconds.
const SOON: i64 = 5_000_000;

/// How long a program has to go on by itself before it is told to, in microseconds.
const GRACE: i64 = 15_000_000;

/// Notes a limit. Only a time that was told is waited for, and only so often in a row.
pub(super) fn reached(
    step: &mut Step<'_>,
    key: &AgentKey,
    limit: LimitKind,
    message: String,
    resets_at: Option<Timestamp>,
) {
    let Some(agent) = step.state.agents.get(key) else { return };
    // A program tells it by more than one channel.
    let is_known = agent.limit.as_ref().is_some_and(|known| {
        let apart = known.resets_at.zip(resets_at).map(|(known, told)| known.0.abs_diff(told.0));
        known.kind == limit
            && known.resets_at.is_some() == resets_at.is_some()
            && apart.is_none_or(|apart| apart < SAME)
            && step.context.now.0.saturating_sub(known.at.0) < SOON
    });
    if is_known {
        return;
    }
    let resumes = resets_at.is_some() && agent.resumptions < step.context.policy.resumptions;
    step.emit_for(key, LimitReached { limit, message, resets_at, resumes });
    let wake = step.state.agents.get(key).and_then(|agent| resumption(agent, step.context.now));
    if let Some(wake) = wake {
        step.want(wake);
    }
}

/// Gives the wake-up of an agent that is told to go on later.
pub(super) fn resumption(agent: &Agent, now: Timestamp) -> Option<EffectBody> {
    let limit = agent.limited().filter(|_| agent.resumes_later())?;
    let timer = Timer::Resumption { agent: agent.key.clone(), limit: limit.seq };
    let at = Timestamp(limit.resets_at?.0.saturating_add(GRACE).max(now.0));
    Some(EffectBody::Wake { timer, at })
}

/// Tells an agent to go on, unless it does already.
pub(super) fn over(step: &mut Step<'_>, key: &AgentKey, limit: EventSeq) {
    let Some(agent) = step.state.agents.get(key) else { return };
    let is_still_so = agent.resumes_later() && agent.limit.as_ref().is_some_and(|now| now.seq == limit);
    // A halted one is woken again when it goes on; one in a turn tries by itself.
    if !is_still_so || agent.is_halted() || agent.in_turn {
        return;
    }
    let prompt = step.next_seq().0;
    let body = PromptQueued { prompt, text: GO_ON.to_owned(), origin: PromptOrigin::Resumption };
    step.emit_caused(key, limit, body);
    step.deliver(key);
}
