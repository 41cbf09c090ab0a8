//! One input in; events and effects out. Pure: the same state and input give the same decision.
//!
//! Deciding emits events one by one and evolves the state with each, so that a later part of the same
//! decision sees the earlier one. A refusal emits nothing.

mod budget;
mod commands;
mod delivery;
mod holding;
mod limits;
mod outcomes;
mod pause;
mod reports;
mod resume;
mod review;
mod rules;
mod screen;
mod shown;
mod status;

use std::sync::Arc;

use crate::command::Command;
use crate::effect::{Effect, EffectBody, EffectId, Outcome, Timer};
use crate::event::{Actor, Event, EventBody};
use crate::policy::Policy;
use crate::report::ReportEnvelope;
use crate::rule::NewRule;
use crate::state::{Agent, PromptState, State};
use crate::{AgentKey, EventSeq, Refusal, RunId, Timestamp};

/// An agent whose runner is gone, with the exit code and the signal it wrote down, if it did.
pub type GoneAgent = (AgentKey, Option<(Option<i32>, Option<i32>)>);

/// Everything that can come in at the door.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// A front asks for something.
    Command {
        /// Who asks.
        actor: Actor,
        /// What for.
        command: Command,
    },
    /// An adapter saw something.
    Report(ReportEnvelope),
    /// An effect ended.
    EffectDone {
        /// Which one.
        effect: Effect,
        /// How.
        outcome: Outcome,
    },
    /// A host took over the repository.
    HostStarted {
        /// Its version.
        version: String,
        /// Its process id.
        pid: u32,
        /// Agents whose runner answers.
        living: Vec<AgentKey>,
        /// Agents whose runner is gone, with the exit it wrote down.
        gone: Vec<GoneAgent>,
    },
    /// An agent's runner is gone while the host looks on.
    RunnerGone {
        /// The agent.
        agent: AgentKey,
        /// The exit code and the signal the runner wrote down, if it did.
        exit: Option<(Option<i32>, Option<i32>)>,
    },
    /// The host leaves.
    HostStopping {
        /// Why.
        reason: String,
    },
    /// The user's own rules were read: those that always hold, all of them.
    UserRules {
        /// Who gave the occasion.
        actor: Actor,
        /// The rules.
        rules: Vec<NewRule>,
    },
    /// A backend saw that a view closed.
    ViewClosed {
        /// The agent.
        agent: AgentKey,
        /// The backend's name for the view.
        view: String,
    },
}

/// What comes in beside the input.
#[derive(Debug, Clone)]
pub struct Context {
    /// The time of this input.
    pub now: Timestamp,
    /// The seq the next event gets.
    pub next_seq: EventSeq,
    /// The user's word on money and limits.
    pub policy: Arc<Policy>,
}

/// What a decision brings.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Decision {
    /// What happened, in order.
    pub events: Vec<Event>,
    /// What should happen in the world.
    pub effects: Vec<Effect>,
    /// What the caller learns beside that it is done.
    pub reply: Reply,
}

/// What a command's caller learns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reply {
    /// The run that was started or used.
    pub run: Option<RunId>,
    /// The agents that were named.
    pub agents: Vec<AgentKey>,
    /// The prompts that were queued.
    pub prompts: Vec<(u64, AgentKey)>,
    /// Set when the wish was fulfilled before.
    pub already: bool,
    /// The event to wait for: the decision's own.
    pub seq: Option<EventSeq>,
}

/// Decides about one input and evolves `state` by what it brings.
///
/// # Errors
/// A [`Refusal`]; the state is then unchanged.
pub fn decide(state: &mut State, input: Input, context: &Context) -> Result<Decision, Refusal> {
    let mut step = Step { state, context, decision: Decision::default(), actor: Actor::Host, agent: None };
    let result = match input {
        Input::Command { actor, command } => {
            step.actor = actor;
            commands::decide(&mut step, command)
        }
        Input::Report(envelope) => {
            step.actor = Actor::Agent { agent: envelope.agent.clone() };
            step.agent = Some(envelope.agent.clone());
            reports::decide(&mut step, envelope);
            Ok(())
        }
        Input::EffectDone { effect, outcome } => {
            outcomes::decide(&mut step, &effect, outcome);
            Ok(())
        }
        Input::HostStarted { version, pid, living, gone } => {
            outcomes::host_started(&mut step, version, pid, &living, gone);
            Ok(())
        }
        Input::RunnerGone { agent, exit } => {
            outcomes::runner_gone(&mut step, &agent, exit);
            Ok(())
        }
        Input::HostStopping { reason } => {
            let body = crate::event::payload::HostStopped { reason };
            step.emit_host(body);
            Ok(())
        }
        Input::UserRules { actor, rules } => {
            step.actor = actor;
            rules::read(&mut step, rules);
            Ok(())
        }
        Input::ViewClosed { agent, view } => {
            // An exit closes an agent's views; their own ends are told after it.
            if step.state.agents.get(&agent).is_some_and(|agent| agent.has_view(&view)) {
                step.emit_for(&agent, crate::event::payload::ViewClosed { view });
            }
            Ok(())
        }
    };
    match result {
        Ok(()) => Ok(step.decision),
        Err(refusal) => {
            debug_assert!(step.decision.events.is_empty(), "a refusal must come before the first event");
            Err(refusal)
        }
    }
}

/// Gives the wake-ups that a host which just loaded the state has to arm again.
pub fn wake(state: &State, now: Timestamp) -> Vec<EffectBody> {
    let mut effects = Vec::new();
    // A paused agent's are armed when it goes on.
    for agent in state.agents.values().filter(|agent| agent.is_living() && !agent.is_halted()) {
        effects.extend(wake_agent(state, agent, now));
    }
    effects
}

/// Gives the wake-ups an agent needs as it stands now.
fn wake_agent(state: &State, agent: &Agent, now: Timestamp) -> Vec<EffectBody> {
    let mut effects = Vec::new();
    if !agent.ready {
        let timer = Timer::Readiness { agent: agent.key.clone(), attempt: 0 };
        effects.push(EffectBody::Wake { timer, at: delivery::readiness_check(now, 0) });
        effects.extend(delivery::ready_by(agent));
    }
    if reports::awaits_closing_hook(agent) {
        effects.push(reports::turn_close(agent, now));
    }
    effects.extend(limits::resumption(agent, now));
    effects.extend(holding::wake(agent, now));
    for prompt in state.prompts_of(&agent.key).filter(|prompt| prompt.state == PromptState::Written) {
        effects.push(delivery::acceptance(&agent.key, prompt.id, now));
    }
    effects
}

/// A decision in the making.
struct Step<'a> {
    state: &'a mut State,
    context: &'a Context,
    decision: Decision,
    actor: Actor,
    /// The agent the input is about.
    agent: Option<AgentKey>,
}

impl Step<'_> {
    fn next_seq(&self) -> EventSeq {
        EventSeq(self.context.next_seq.0 + self.decision.events.len() as u64)
    }

    fn last_seq(&self) -> Option<EventSeq> {
        self.decision.events.last().map(|event| event.seq)
    }

    fn push(
        &mut self,
        agent: Option<AgentKey>,
        run: Option<RunId>,
        cause: Option<EventSeq>,
        paths: Vec<Vec<u8>>,
        body: EventBody,
    ) -> EventSeq {
        let seq = self.next_seq();
        let actor = if is_hosts_own(&body) { Actor::Host } else { self.actor.clone() };
        let event = Event { seq, at: self.context.now, actor, agent, run, cause, paths, body };
        self.state.evolve(&event);
        self.decision.events.push(event);
        seq
    }

    /// Emits an event about the host.
    fn emit_host(&mut self, body: impl Into<EventBody>) -> EventSeq {
        let cause = self.last_seq();
        self.push(None, None, cause, Vec::new(), body.into())
    }

    /// Emits an event about an agent; its cause is this decision's last event, else the agent's open
    /// turn, else what asked for the agent.
    fn emit_for(&mut self, agent: &AgentKey, body: impl Into<EventBody>) -> EventSeq {
        self.emit_with_paths(agent, Vec::new(), body)
    }

    fn emit_with_paths(
        &mut self,
        agent: &AgentKey,
        paths: Vec<Vec<u8>>,
        body: impl Into<EventBody>,
    ) -> EventSeq {
        let standing = self.state.agents.get(agent).map(|agent| agent.turn_seq.unwrap_or(agent.seq));
        let cause = self.last_seq().or(standing);
        self.push(Some(agent.clone()), Some(agent.run), cause, paths, body.into())
    }

    fn emit_caused(&mut self, agent: &AgentKey, cause: EventSeq, body: impl Into<EventBody>) -> EventSeq {
        self.push(Some(agent.clone()), Some(agent.run), Some(cause), Vec::new(), body.into())
    }

    /// Wants an effect, in the name of the last event.
    fn want(&mut self, body: EffectBody) {
        let seq = self.last_seq().unwrap_or(self.context.next_seq);
        let index = self.decision.effects.len() as u32;
        self.decision.effects.push(Effect { id: EffectId { seq, index }, body });
    }

    /// Settles the run when nothing is left to do in it.
    fn settle(&mut self, run: RunId) {
        let agents = self.state.agents_of(run);
        if agents.is_empty() || self.state.runs.get(&run).is_none_or(|run| run.outcome.is_some()) {
            return;
        }
        if !agents.iter().all(|agent| self.state.is_settled(agent)) {
            return;
        }
        let failed = agents.iter().any(|agent| status::has_failed(agent));
        let outcome = if failed { "failed" } else { "done" }.to_owned();
        let cause = self.last_seq();
        let body = crate::event::payload::RunSettled { outcome };
        self.push(None, Some(run), cause, Vec::new(), body.into());
    }
}

/// Tells whether an event is the host's own doing, whoever gave the occasion.
fn is_hosts_own(body: &EventBody) -> bool {
    match body {
        EventBody::RunSettled(_)
        | EventBody::PromptWriting(_)
        | EventBody::PromptUndelivered(_)
        | EventBody::ApprovalSuperseded(_)
        | EventBody::ApprovalWithdrawn(_)
        | EventBody::ApprovalRejoined(_) => true,
        EventBody::ApprovalAnswered(body) => body.rule.is_some(),
        _ => false,
    }
}
