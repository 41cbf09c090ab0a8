//! Agents halted where they stand, and let go on.

use super::Step;
use crate::effect::{EffectBody, Outcome};
use crate::event::payload::{AgentPaused, AgentResumed, PauseFailed, PauseRequested, ResumeRequested};
use crate::state::Phase;
use crate::{AgentKey, Code, Refusal};

/// Asks for agents to be halted or to go on. Those that are so already are left alone.
pub(super) fn ask(step: &mut Step<'_>, agents: &[AgentKey], pause: bool) -> Result<(), Refusal> {
    for key in agents {
        let Some(agent) = step.state.agents.get(key) else {
            return Err(Refusal::new(Code::UnknownAgent, format!("there is no agent {key}"))
                .hint("orchflow status lists them"));
        };
        match agent.phase {
            Phase::Running if !pause => super::budget::refuse_to_resume(step, key)?,
            Phase::Running => {}
            Phase::Requested | Phase::Starting => {
                return Err(Refusal::new(Code::NotLiving, format!("{} is still being started", key.name))
                    .hint("try again in a moment; orchflow status says when it runs"));
            }
            Phase::Exited | Phase::FailedToStart | Phase::Cleaned => {
                return Err(Refusal::new(Code::NotLiving, format!("{} has ended", key.name))
                    .hint("orchflow status says who runs"));
            }
        }
    }
    step.decision.reply.already = true;
    for key in agents {
        let Some(agent) = step.state.agents.get(key) else { continue };
        step.decision.reply.agents.push(key.clone());
        if agent.pausing.unwrap_or(agent.paused.is_some()) == pause {
            continue;
        }
        step.decision.reply.already = false;
        let seq = match pause {
            true => step.emit_for(key, PauseRequested {}),
            false => step.emit_for(key, ResumeRequested {}),
        };
        step.decision.reply.seq = step.decision.reply.seq.or(Some(seq));
        step.want(EffectBody::PauseAgent { agent: key.clone(), pause });
    }
    Ok(())
}

/// Notes how it went.
pub(super) fn done(step: &mut Step<'_>, key: &AgentKey, pause: bool, outcome: Outcome) {
    let Some(agent) = step.state.agents.get(key).filter(|agent| agent.is_living()) else { return };
    match outcome {
        // Asked for again after a crash, it was so already.
        Outcome::Paused { .. } if agent.pausing.is_none() && agent.paused.is_some() == pause => {}
        Outcome::Paused { processes } if pause => {
            step.emit_for(key, AgentPaused { processes });
        }
        Outcome::Paused { processes } => {
            step.emit_for(key, AgentResumed { processes });
            // What it had no time for while it stood still gets its whole time now.
            let (state, now) = (&*step.state, step.context.now);
            let timers = state.agents.get(key).map(|agent| super::wake_agent(state, agent, now));
            for timer in timers.into_iter().flatten() {
                step.want(timer);
            }
            step.deliver(key);
        }
        other => {
            let message = match other {
                Outcome::Failed(refusal) => super::outcomes::explain(&refusal),
                Outcome::Unknown(why) => why,
                _ => "its outcome is unknown".to_owned(),
            };
            step.emit_for(key, PauseFailed { pause, message });
            step.deliver(key);
        }
    }
}
