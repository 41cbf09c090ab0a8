//! Agents that go on: halted ones are let go, ended ones are started again where their work stands.
//!
//! A program that can takes up its own session. One that cannot, or never got so far as to have one, begins a new session,
//! and is told what the one before did before anything else.

use super::Step;
use crate::command::{ResumeSpec, ViewPlace};
use crate::effect::EffectBody;
use crate::event::payload::AgentRestartRequested;
use crate::state::{Agent, Phase, PromptOrigin};
use crate::{AgentKey, Code, Refusal};

/// Asks for agents to go on. Those that run and are not halted are left alone.
pub(super) fn ask(step: &mut Step<'_>, agents: &[ResumeSpec], place: &ViewPlace) -> Result<(), Refusal> {
    for spec in agents {
        check(step, &spec.agent)?;
    }
    let runs = |spec: &&ResumeSpec| step.state.agents.get(&spec.agent).is_some_and(Agent::is_living);
    let (living, ended): (Vec<&ResumeSpec>, Vec<&ResumeSpec>) = agents.iter().partition(runs);
    let living: Vec<AgentKey> = living.into_iter().map(|spec| spec.agent.clone()).collect();
    super::pause::ask(step, &living, false)?;
    for spec in ended {
        restart(step, spec, place);
    }
    Ok(())
}

fn check(step: &Step<'_>, key: &AgentKey) -> Result<(), Refusal> {
    let Some(agent) = step.state.agents.get(key) else {
        return Err(Refusal::new(Code::UnknownAgent, format!("there is no agent {key}"))
            .hint("orchflow status lists them"));
    };
    let refuse = |message: String, hint: String| Err(Refusal::new(Code::NotLiving, message).hint(hint));
    match agent.phase {
        Phase::Running => Ok(()),
        Phase::Requested | Phase::Starting => refuse(
            format!("{} is still being started", key.name),
            "try again in a moment; orchflow status says when it runs".to_owned(),
        ),
        Phase::Cleaned => refuse(
            format!("the worktree of {} was removed", key.name),
            match &agent.kept_ref {
                Some(kept) => format!("its work is kept as {kept}; orchflow spawn starts another agent"),
                None => "orchflow spawn starts another agent".to_owned(),
            },
        ),
        Phase::Exited | Phase::FailedToStart if agent.checkpointing || agent.cleaning => {
            refuse(format!("the work of {} is just being kept", key.name), "try again in a moment".to_owned())
        }
        Phase::Exited | Phase::FailedToStart => Ok(()),
    }
}

fn restart(step: &mut Step<'_>, spec: &ResumeSpec, place: &ViewPlace) {
    let key = &spec.agent;
    let Some(agent) = step.state.agents.get(key) else { return };
    // Asked for twice in one breath, it is being started already.
    if !agent.has_ended() {
        return;
    }
    // A program keeps no session in which nothing was ever said; what was adopted is taken up from where it was.
    let had_session = if agent.turn > 0 { agent.session.clone() } else { agent.resuming.clone() };
    let session = had_session.filter(|_| spec.takes_up_sessions && !spec.fresh);
    let commit =
        agent.checkpoint.as_ref().map_or(&agent.base_commit, |checkpoint| &checkpoint.commit).clone();
    let begun = agent.turn > 0;
    let objective = step.state.runs.get(&key.run).map(|run| run.objective.clone()).unwrap_or_default();
    let summary = summary(agent, &objective);
    let is_new = session.is_none();
    let seq = step.emit_for(key, AgentRestartRequested { session, fresh: spec.fresh });
    if is_new && begun {
        step.queue(key, &summary, PromptOrigin::Resumed);
    } else if is_new && step.state.prompts_of(key).next().is_none() {
        step.queue(key, &objective, PromptOrigin::Objective);
    }
    step.want(EffectBody::CreateWorktrees { agents: vec![key.clone()], commit, place: place.clone() });
    step.decision.reply.seq = step.decision.reply.seq.or(Some(seq));
    step.decision.reply.agents.push(key.clone());
    step.decision.reply.already = false;
}

fn counted(count: u64, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// Tells a new session what the one before was about and how far it came.
fn summary(agent: &Agent, objective: &str) -> String {
    let mut text = String::from(
        "[orchflow] This is a new session. The one before ended and cannot be taken up; you have no memory of it.\n\n",
    );
    text.push_str(&format!("The objective was:\n\n{objective}\n\nWhat was done stands in this worktree"));
    text.push_str(&match &agent.checkpoint {
        Some(kept) if kept.files > 0 => {
            let files = counted(kept.files, "file");
            let turns = counted(u64::from(agent.turn), "turn");
            let lines = format!("+{} -{}", kept.insertions, kept.deletions);
            format!(": {files} changed in {turns}, {lines}; git diff {} shows it", agent.base_commit)
        }
        _ => ", if anything: no file was changed so far".to_owned(),
    });
    text.push_str(".\n");
    if let Some(words) = agent.last_text.as_deref().filter(|words| !words.trim().is_empty()) {
        text.push_str("\nThe last thing that was said:\n\n");
        for line in words.lines() {
            text.push_str(&format!("> {line}\n"));
        }
    }
    text.push_str("\nLook at what stands there, then go on with the objective.");
    text
}
