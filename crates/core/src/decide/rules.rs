//! Permissions answered: by the human, and by the rules the human made.

use super::Step;
use super::status::Seen;
use crate::command::Answer;
use crate::effect::EffectBody;
use crate::event::payload::{ApprovalAnswered, RuleAdded, RuleRemoved};
use crate::report::Channel;
use crate::rule::{NewRule, RuleScope, RuleSource, Verdict, judge};
use crate::state::{Phase, StatusState};
use crate::{AgentKey, Code, EventSeq, Refusal};

/// Answers what one approval asks for.
pub(super) fn answer(step: &mut Step<'_>, seq: EventSeq, answer: Answer) -> Result<(), Refusal> {
    let Some(approval) = step.state.approvals.get(&seq) else {
        if seq >= step.context.next_seq {
            return Err(Refusal::new(Code::UnknownApproval, format!("there is no approval a_{}", seq.0))
                .hint("orchflow approvals lists what waits"));
        }
        return Err(Refusal::new(Code::Superseded, format!("approval a_{} waits no more", seq.0))
            .hint("it was answered, or its tool call ended elsewhere; orchflow approvals lists what waits"));
    };
    let (agent, was) = (approval.agent.clone(), approval.input.clone());
    if !approval.answerable {
        let message = format!("{} offers no way to answer a_{} from here", agent.name, seq.0);
        return Err(Refusal::new(Code::NotAllowed, message)
            .hint(format!("answer in its pane: orchflow attach {}", agent.name)));
    }
    let Answer { allow, reason, input, rule } = answer;
    if !allow && input.is_some() {
        return Err(Refusal::new(Code::Usage, "what is denied gets no other arguments")
            .hint("say in the reason what to do instead"));
    }
    if input.as_ref().is_some_and(|input| !input.is_object()) {
        return Err(Refusal::new(Code::Usage, "arguments are a JSON object, such as {\"command\": \"ls\"}")
            .hint("orchflow approvals --json shows those that were asked for"));
    }
    if let Some(rule) = &rule {
        check(step, rule)?;
    }
    let input = input.filter(|input| input != &was);
    give(step, seq, ApprovalAnswered { approval: seq, allow, reason, rule: None, input });
    if let Some(rule) = rule {
        emit(step, rule);
        answer_waiting(step);
    }
    Ok(())
}

/// Makes a rule, and answers by it what waits.
pub(super) fn add(step: &mut Step<'_>, rule: NewRule) -> Result<(), Refusal> {
    check(step, &rule)?;
    if let Some(standing) = step.state.rules.values().find(|standing| standing.is(&rule)) {
        step.decision.reply.already = true;
        step.decision.reply.seq = Some(standing.seq);
        return Ok(());
    }
    let seq = emit(step, rule);
    step.decision.reply.seq = Some(seq);
    answer_waiting(step);
    Ok(())
}

/// Takes a rule back.
pub(super) fn remove(step: &mut Step<'_>, seq: EventSeq) -> Result<(), Refusal> {
    let Some(rule) = step.state.rules.get(&seq) else {
        return Err(Refusal::new(Code::UnknownRule, format!("there is no rule r_{}", seq.0))
            .hint("orchflow rules lists them"));
    };
    if rule.source != RuleSource::Log {
        // Who reads the file would find it again.
        return Err(Refusal::new(Code::NotAllowed, format!("rule r_{} is kept in a file of yours", seq.0))
            .hint("take it out of that file"));
    }
    let scope = rule.scope.clone();
    emit_about(step, &scope, RuleRemoved { rule: seq, why: "the human took it back".to_owned() });
    step.decision.reply.seq = Some(seq);
    Ok(())
}

/// Takes over the rules that always hold, as the user's files have them now.
pub(super) fn read(step: &mut Step<'_>, wanted: Vec<NewRule>) {
    let is_of_files = |source| source != RuleSource::Log;
    let gone: Vec<EventSeq> = step
        .state
        .rules
        .values()
        .filter(|rule| is_of_files(rule.source) && !wanted.iter().any(|wanted| rule.is(wanted)))
        .map(|rule| rule.seq)
        .collect();
    for rule in gone {
        let why = "it stands in the user's file no more".to_owned();
        step.emit_host(RuleRemoved { rule, why });
    }
    for rule in wanted {
        let stands = step.state.rules.values().any(|standing| standing.is(&rule));
        let is_sound = rule.scope == RuleScope::Always
            && is_of_files(rule.source)
            && rule.matcher.check(rule.verdict).is_ok();
        if !stands && is_sound {
            emit(step, rule);
        }
    }
    answer_waiting(step);
}

/// Answers an approval by the strictest rule that fits it. Tells whether one did.
pub(super) fn answer_by_rule(step: &mut Step<'_>, seq: EventSeq) -> bool {
    let Some(approval) = step.state.approvals.get(&seq).filter(|approval| approval.answerable) else {
        return false;
    };
    let agent = step.state.agents.get(&approval.agent);
    let worktree = agent.and_then(|agent| agent.worktree.as_ref()).map_or(&[][..], |root| root.0.as_slice());
    let rules = step.state.rules.values();
    let found = judge(rules, &approval.agent, &approval.tool, &approval.input, worktree);
    let Some(rule) = found.filter(|rule| rule.verdict != Verdict::Ask) else { return false };
    let allow = rule.verdict == Verdict::Allow;
    let why = rule.reason.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    let word = if allow { "allows" } else { "denies" };
    let reason = format!("a rule of the human's {word} {}{why}", rule.matcher);
    let rule = Some(rule.seq);
    give(step, seq, ApprovalAnswered { approval: seq, allow, reason: Some(reason), rule, input: None });
    true
}

/// Hands an answer over and notes it.
fn give(step: &mut Step<'_>, seq: EventSeq, answered: ApprovalAnswered) {
    let Some(approval) = step.state.approvals.get(&seq) else { return };
    let (agent, request) = (approval.agent.clone(), approval.request.clone());
    let (allow, reason, input) = (answered.allow, answered.reason.clone(), answered.input.clone());
    step.emit_caused(&agent, seq, answered);
    step.want(EffectBody::AnswerHook { agent: agent.clone(), request, allow: Some(allow), reason, input });
    // A program that states its status says so itself; of the others only the next hook would tell.
    let waits_on = step.state.approvals.values().any(|approval| approval.agent == agent);
    if !waits_on {
        step.see(&agent, Seen::new(StatusState::Working, Channel::Hook));
    }
}

/// Answers what waits and a rule fits by now.
fn answer_waiting(step: &mut Step<'_>) {
    let waiting: Vec<EventSeq> = step.state.approvals.keys().copied().collect();
    for seq in waiting {
        answer_by_rule(step, seq);
    }
}

fn check(step: &Step<'_>, rule: &NewRule) -> Result<(), Refusal> {
    rule.matcher.check(rule.verdict).map_err(|bad| {
        Refusal::new(Code::Usage, bad.to_string()).hint("one rule a tool: Bash: cargo test*")
    })?;
    let unknown =
        |message: String| Err(Refusal::new(Code::UnknownAgent, message).hint("see orchflow status"));
    match &rule.scope {
        RuleScope::Agent { agent } => match step.state.agents.get(agent) {
            None => unknown(format!("there is no agent {agent}")),
            Some(agent) if agent.phase == Phase::Cleaned => {
                unknown(format!("the worktree of {} is gone", agent.key))
            }
            Some(_) => Ok(()),
        },
        RuleScope::Run { run } if !step.state.runs.contains_key(run) => {
            Err(Refusal::new(Code::UnknownRun, format!("there is no run {run}")))
        }
        RuleScope::Run { .. } => Ok(()),
        RuleScope::Always if rule.source == RuleSource::Log => Err(Refusal::new(
            Code::Internal,
            "a rule that always holds is kept with the user, not in one repository's log",
        )),
        RuleScope::Always => Ok(()),
    }
}

fn emit(step: &mut Step<'_>, rule: NewRule) -> EventSeq {
    let NewRule { verdict, scope, matcher, reason, source } = rule;
    let body = RuleAdded { verdict, scope: scope.clone(), matcher, reason, source };
    emit_about(step, &scope, body)
}

fn emit_about(step: &mut Step<'_>, scope: &RuleScope, body: impl Into<crate::event::EventBody>) -> EventSeq {
    let (agent, run): (Option<AgentKey>, _) = match scope {
        RuleScope::Agent { agent } => (Some(agent.clone()), Some(agent.run)),
        RuleScope::Run { run } => (None, Some(*run)),
        RuleScope::Always => (None, None),
    };
    let cause = step.last_seq();
    step.push(agent, run, cause, Vec::new(), body.into())
}
