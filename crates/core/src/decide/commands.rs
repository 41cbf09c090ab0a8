//! What fronts ask for.

use super::{Step, review, rules};
use crate::command::{AdoptedSession, AgentSpec, Base, Command, ViewPlace};
use crate::effect::EffectBody;
use crate::event::Actor;
use crate::event::payload::{
    AgentAdopted, AgentRequested, BudgetSet, CleanRequested, HumanProvidedGuidance, RunStarted,
    StopRequested, ViewRequested,
};
use crate::id::{MAX_AGENT_NAME, is_agent_name};
use crate::price::nanodollars;
use crate::state::budget::BudgetScope;
use crate::state::{Phase, PromptOrigin};
use crate::{AgentKey, Code, EventSeq, Refusal, RunId};

/// The most agents one run may have; more is a slip of the finger, not a wish.
const MAX_AGENTS: usize = 256;

pub(super) fn decide(step: &mut Step<'_>, command: Command) -> Result<(), Refusal> {
    if let Actor::Agent { agent } = &step.actor {
        return Err(Refusal::new(
            Code::NotAllowed,
            format!("agent {agent} may not do this; only the human may"),
        )
        .hint("run the command in your own shell or editor"));
    }
    match command {
        Command::StartRun { objective, base, agents, place, budget_usd } => {
            start_run(step, objective, base, agents, place, budget_usd)
        }
        Command::SpawnAgent { run, base, agent, prompt, place } => {
            spawn(step, run, &base, &agent, prompt, place)
        }
        Command::AdoptSession { base, agent, session, place } => adopt(step, base, &agent, session, place),
        Command::SendPrompt { to, text } => send(step, &to, &text),
        Command::StopAgents { agents } => stop(step, &agents),
        Command::ShowAgents { agents, place } => show(step, &agents, place),
        Command::PauseAgents { agents, pause } => super::pause::ask(step, &agents, pause),
        Command::ResumeAgents { agents, place } => super::resume::ask(step, &agents, &place),
        Command::AcceptHunk { hunk } => review::accept(step, hunk),
        Command::RejectHunk { hunk, reason } => review::reject(step, hunk, reason),
        Command::CommentHunk { hunk, text } => review::comment(step, hunk, text),
        Command::NoteSeen { hunks } => {
            review::see(step, hunks);
            Ok(())
        }
        Command::Undo => review::undo(step),
        Command::Redo => review::redo(step),
        Command::Clean { agent } => clean(step, &agent),
        Command::AnswerApproval { approval, answer } => rules::answer(step, approval, answer),
        Command::AddRule { rule } => rules::add(step, rule),
        Command::RemoveRule { rule } => rules::remove(step, rule),
        Command::SetBudget { scope, usd } => super::budget::set(step, scope, usd),
    }
}

fn start_run(
    step: &mut Step<'_>,
    objective: String,
    base: Base,
    agents: Vec<AgentSpec>,
    place: ViewPlace,
    budget_usd: Option<f64>,
) -> Result<(), Refusal> {
    if objective.trim().is_empty() {
        return Err(Refusal::new(Code::Usage, "a swarm needs an objective")
            .hint("orchflow swarm --agents claude,rehearsal Say what should be done"));
    }
    if agents.is_empty() || agents.len() > MAX_AGENTS {
        let message = format!("a swarm has 1 to {MAX_AGENTS} agents, not {}", agents.len());
        return Err(Refusal::new(Code::Usage, message).hint("name them: --agents claude,rehearsal"));
    }
    check_names(&agents)?;
    if budget_usd.is_some_and(|usd| nanodollars(usd).is_none()) {
        return Err(Refusal::new(Code::Usage, "a budget is a sum of US dollars, such as 5 or 0.50")
            .hint("orchflow swarm --budget 5 ..."));
    }
    let run = RunId(step.state.last_run().map_or(1, |run| run.run.0 + 1));
    let started = RunStarted {
        objective: objective.clone(),
        base: base.label.clone(),
        base_commit: base.commit.clone(),
        base_tree: base.tree.clone(),
        branch: base.branch.clone(),
    };
    step.push(None, Some(run), None, Vec::new(), started.into());
    let cause = step.last_seq().unwrap_or_default();
    if budget_usd.is_some() {
        let body = BudgetSet { scope: BudgetScope::Run(run), limit_usd: budget_usd };
        step.push(None, Some(run), Some(cause), Vec::new(), body.into());
    }
    let mut keys = Vec::new();
    for (index, spec) in agents.iter().enumerate() {
        let key = request_agent(step, run, &base, spec, index as u32, cause);
        keys.push(key);
    }
    for key in &keys {
        let prompt = step.queue(key, &objective, PromptOrigin::Objective);
        step.decision.reply.prompts.push((prompt, key.clone()));
    }
    step.want(EffectBody::CreateWorktrees { agents: keys.clone(), commit: base.commit, place });
    step.decision.reply.run = Some(run);
    step.decision.reply.agents = keys;
    Ok(())
}

fn check_names(agents: &[AgentSpec]) -> Result<(), Refusal> {
    for spec in agents {
        let name = spec.name.as_ref().unwrap_or(&spec.kind);
        if !is_agent_name(name) {
            return Err(Refusal::new(Code::Usage, format!("{name:?} cannot be an agent's name"))
                .hint("use at most 40 letters, digits, - and _"));
        }
    }
    Ok(())
}

fn request_agent(
    step: &mut Step<'_>,
    run: RunId,
    base: &Base,
    spec: &AgentSpec,
    index: u32,
    cause: EventSeq,
) -> AgentKey {
    let wanted = spec.name.as_ref().unwrap_or(&spec.kind);
    let key = AgentKey::new(run, free_name(step, run, wanted));
    let body = AgentRequested {
        kind: spec.kind.clone(),
        title: spec.title.clone(),
        rehearsal: spec.rehearsal,
        index,
        base_commit: base.commit.clone(),
        base_tree: base.tree.clone(),
        base: base.label.clone(),
        signals: spec.signals,
    };
    step.emit_caused(&key, cause, body);
    key
}

/// Finds the first of `name`, `name-2`, `name-3`, … that no agent of this run and no agent whose
/// worktree stands goes by.
fn free_name(step: &Step<'_>, run: RunId, name: &str) -> String {
    let is_taken = |candidate: &str| {
        step.state.agents.values().any(|agent| {
            agent.key.name == candidate && (agent.key.run == run || agent.phase != Phase::Cleaned)
        })
    };
    if !is_taken(name) {
        return name.to_owned();
    }
    let mut number = 2;
    loop {
        let suffix = format!("-{number}");
        // A long name gives way, or the number would make it no name at all.
        let stem = name.get(..MAX_AGENT_NAME - suffix.len()).unwrap_or(name);
        let candidate = format!("{stem}{suffix}");
        if !is_taken(&candidate) {
            return candidate;
        }
        number += 1;
    }
}

fn spawn(
    step: &mut Step<'_>,
    run: RunId,
    base: &Base,
    spec: &AgentSpec,
    prompt: Option<String>,
    place: ViewPlace,
) -> Result<(), Refusal> {
    let Some(objective) = step.state.runs.get(&run).map(|run| (run.objective.clone(), run.seq)) else {
        return Err(Refusal::new(Code::UnknownRun, format!("there is no run {run}"))
            .hint("start one: orchflow swarm --agents claude Say what should be done"));
    };
    check_names(std::slice::from_ref(spec))?;
    let index = step.state.agents_of(run).len() as u32;
    let key = request_agent(step, run, base, spec, index, objective.1);
    let (text, origin) = match prompt {
        Some(text) => (text, PromptOrigin::Message),
        None => (objective.0, PromptOrigin::Objective),
    };
    let prompt = step.queue(&key, &text, origin);
    step.want(EffectBody::CreateWorktrees { agents: vec![key.clone()], commit: base.commit.clone(), place });
    step.decision.reply.run = Some(run);
    step.decision.reply.prompts.push((prompt, key.clone()));
    step.decision.reply.agents = vec![key];
    Ok(())
}

/// Starts a run of an agent that goes on where another process of its program is. Nothing is said to it.
fn adopt(
    step: &mut Step<'_>,
    base: Base,
    spec: &AgentSpec,
    session: AdoptedSession,
    place: ViewPlace,
) -> Result<(), Refusal> {
    check_names(std::slice::from_ref(spec))?;
    let twin = step.state.agents.values().find(|agent| {
        let has_it =
            agent.session.as_ref() == Some(&session.id) || agent.resuming.as_ref() == Some(&session.id);
        has_it && !agent.has_ended()
    });
    if let Some(twin) = twin {
        return Err(Refusal::new(
            Code::StillLiving,
            format!("{} goes on in that session already", twin.key.name),
        )
        .hint(format!("orchflow attach {} shows it", twin.key.name)));
    }
    let run = RunId(step.state.last_run().map_or(1, |run| run.run.0 + 1));
    let started = RunStarted {
        objective: format!("adopted: {} session {}", spec.title, session.id),
        base: base.label.clone(),
        base_commit: base.commit.clone(),
        base_tree: base.tree.clone(),
        branch: base.branch.clone(),
    };
    step.push(None, Some(run), None, Vec::new(), started.into());
    let cause = step.last_seq().unwrap_or_default();
    let key = request_agent(step, run, &base, spec, 0, cause);
    let AdoptedSession { id, copy, process, folder } = session;
    step.emit_for(&key, AgentAdopted { session: id, copy, process, folder });
    step.want(EffectBody::CreateWorktrees { agents: vec![key.clone()], commit: base.commit, place });
    step.decision.reply.run = Some(run);
    step.decision.reply.agents = vec![key];
    Ok(())
}

pub(super) fn require_living(step: &Step<'_>, agents: &[AgentKey]) -> Result<(), Refusal> {
    for key in agents {
        let Some(agent) = step.state.agents.get(key) else {
            return Err(Refusal::new(Code::UnknownAgent, format!("there is no agent {key}"))
                .hint("orchflow status lists them"));
        };
        if !matches!(agent.phase, Phase::Requested | Phase::Starting | Phase::Running) {
            return Err(Refusal::new(Code::NotLiving, format!("{} has ended", agent.key.name))
                .hint("its work stands for review; start another with orchflow spawn"));
        }
    }
    Ok(())
}

fn send(step: &mut Step<'_>, to: &[AgentKey], text: &str) -> Result<(), Refusal> {
    if text.trim().is_empty() {
        return Err(Refusal::new(Code::Usage, "there is no text to send")
            .hint("orchflow send claude Also handle the empty name"));
    }
    if to.is_empty() {
        return Err(Refusal::new(Code::Usage, "there is no agent to send it to")
            .hint("orchflow send all Also handle the empty name"));
    }
    require_living(step, to)?;
    let mut named: Vec<AgentKey> = Vec::new();
    for key in to {
        if named.contains(key) {
            continue;
        }
        named.push(key.clone());
        step.emit_for(key, HumanProvidedGuidance { text: text.to_owned(), context: Vec::new() });
        let prompt = step.queue(key, text, PromptOrigin::Message);
        step.decision.reply.prompts.push((prompt, key.clone()));
        step.deliver(key);
    }
    step.decision.reply.agents = named;
    Ok(())
}

fn show(step: &mut Step<'_>, agents: &[AgentKey], place: ViewPlace) -> Result<(), Refusal> {
    require_living(step, agents)?;
    let starting =
        agents.iter().find(|key| step.state.agents.get(key).is_some_and(|agent| !agent.is_living()));
    if let Some(key) = starting {
        return Err(Refusal::new(Code::NotLiving, format!("{} is still being started", key.name))
            .hint("try again in a moment; orchflow status says when it runs"));
    }
    let backend = format!("{}:", place.backend);
    let mut wanted = Vec::new();
    for key in agents {
        let Some(agent) = step.state.agents.get(key) else { continue };
        step.decision.reply.agents.push(key.clone());
        let is_shown = agent.viewing || agent.views.iter().any(|view| view.starts_with(&backend));
        if !is_shown && !wanted.contains(key) {
            step.emit_for(key, ViewRequested { backend: place.backend.clone() });
            wanted.push(key.clone());
        }
    }
    step.decision.reply.already = wanted.is_empty();
    if !wanted.is_empty() {
        step.want(EffectBody::OpenViews { agents: wanted, place });
    }
    Ok(())
}

fn stop(step: &mut Step<'_>, agents: &[AgentKey]) -> Result<(), Refusal> {
    for key in agents {
        if !step.state.agents.contains_key(key) {
            return Err(Refusal::new(Code::UnknownAgent, format!("there is no agent {key}")));
        }
    }
    for key in agents {
        let living =
            step.state.agents.get(key).is_some_and(|agent| {
                matches!(agent.phase, Phase::Requested | Phase::Starting | Phase::Running)
            });
        if living {
            step.emit_for(key, StopRequested {});
            step.want(EffectBody::StopAgent { agent: key.clone() });
            step.decision.reply.agents.push(key.clone());
        }
    }
    step.decision.reply.already = step.decision.reply.agents.is_empty();
    Ok(())
}

fn clean(step: &mut Step<'_>, key: &AgentKey) -> Result<(), Refusal> {
    let Some(agent) = step.state.agents.get(key) else {
        return Err(Refusal::new(Code::UnknownAgent, format!("there is no agent {key}")));
    };
    match agent.phase {
        Phase::Cleaned => {
            step.decision.reply.already = true;
            return Ok(());
        }
        // Whoever asks again waits for the same outcome.
        _ if agent.cleaning => return Ok(()),
        Phase::Exited | Phase::FailedToStart => {}
        Phase::Requested | Phase::Starting | Phase::Running => {
            return Err(Refusal::new(Code::StillLiving, format!("{} still runs", key.name))
                .hint(format!("end it first: orchflow stop {}", key.name)));
        }
    }
    let parent = agent.checkpoint.as_ref().map(|checkpoint| checkpoint.commit.clone());
    let worktree = agent.worktree.clone().unwrap_or_default();
    let seq = step.emit_for(key, CleanRequested {});
    // What waited for it to be started again will not be needed.
    step.give_up_prompts(key, "the agent's worktree is removed");
    step.want(EffectBody::CleanWorktree { agent: key.clone(), worktree, parent });
    step.decision.reply.seq = Some(seq);
    Ok(())
}
