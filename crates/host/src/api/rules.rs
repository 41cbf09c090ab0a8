//! Rules listed, made and taken back.

use std::sync::Arc;

use orchflow_core::command::Command;
use orchflow_core::rule::{Matcher, NewRule, Rule, RuleScope, RuleSource, Verdict};
use orchflow_core::{Code, EventSeq, Refusal};
use serde::Deserialize;
use serde_json::{Value, json};

use super::params::{find_agents, find_run, read};
use super::{Session, submit};
use crate::world::World;

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Params {
    action: Option<String>,
    rule: Option<String>,
    agent: Option<String>,
    run: Option<u64>,
    always: bool,
    reason: Option<String>,
}

pub(super) async fn call(world: &Arc<World>, session: &Session, params: Value) -> Result<Value, Refusal> {
    let params: Params = read("rules", params)?;
    world.refresh_rules(session.actor.clone()).await;
    match params.action.as_deref() {
        None => list(world).await,
        Some("remove") => remove(world, session, &params).await,
        Some("allow") => add(world, session, params, Verdict::Allow).await,
        Some("ask") => add(world, session, params, Verdict::Ask).await,
        Some("deny") => add(world, session, params, Verdict::Deny).await,
        Some(other) => {
            Err(Refusal::new(Code::Usage, format!("rules: {other:?} is not remove, allow, ask or deny"))
                .hint("orchflow rules lists them; orchflow rules deny --always Bash: git push*"))
        }
    }
}

/// Reads a matcher.
pub(super) fn matcher(text: &str) -> Result<Matcher, Refusal> {
    text.parse::<Matcher>().map_err(|bad| {
        Refusal::new(Code::Usage, format!("{text:?} is no rule: {bad}"))
            .hint("write TOOL: PATTERN, such as Bash: cargo test*")
    })
}

fn rule_json(rule: &Rule) -> Value {
    let (agent, run) = match &rule.scope {
        RuleScope::Agent { agent } => (Some(agent.to_string()), Some(agent.run)),
        RuleScope::Run { run } => (None, Some(*run)),
        RuleScope::Always => (None, None),
    };
    json!({
        "id": format!("r_{}", rule.seq.0),
        "verdict": rule.verdict.word(),
        "rule": rule.matcher.to_string(),
        "scope": rule.scope.to_string(),
        "agent": agent,
        "run": run,
        "reason": rule.reason,
        "source": rule.source,
        "at": rule.at,
    })
}

async fn list(world: &Arc<World>) -> Result<Value, Refusal> {
    let rules: Vec<Value> = world
        .engine()
        .look(|state| state.rules.values().map(rule_json).collect())
        .await
        .ok_or_else(|| super::no_answer(world))?;
    let warnings: Vec<String> = world.rules.problem().into_iter().collect();
    Ok(json!({ "rules": rules, "warnings": warnings }))
}

async fn remove(world: &Arc<World>, session: &Session, params: &Params) -> Result<Value, Refusal> {
    let text = params.rule.clone().unwrap_or_default();
    let digits = text.trim().strip_prefix("r_").unwrap_or(text.trim());
    let seq = digits.parse().map(EventSeq).map_err(|_| {
        Refusal::new(Code::UnknownRule, format!("{text:?} is no rule's id"))
            .hint("it looks like r_12; orchflow rules lists them")
    })?;
    let found = world
        .engine()
        .look(move |state| state.rules.get(&seq).cloned())
        .await
        .ok_or_else(|| super::no_answer(world))?;
    match found {
        Some(rule) if rule.source == RuleSource::Config => {
            return Err(Refusal::new(
                Code::NotAllowed,
                format!("r_{} stands in a file that is yours alone", seq.0),
            )
            .hint(format!("take it out of {}", world.rules.config().display())));
        }
        Some(Rule { verdict, scope, matcher, reason, source: RuleSource::Kept, .. }) => {
            let rule = NewRule { verdict, scope, matcher, reason, source: RuleSource::Kept };
            world.keep_rule(session.actor.clone(), rule, false).await?;
        }
        _ => {
            submit(world, session, Command::RemoveRule { rule: seq }).await?;
        }
    }
    Ok(json!({ "rules": [{ "id": format!("r_{}", seq.0), "state": "removed" }] }))
}

async fn add(
    world: &Arc<World>,
    session: &Session,
    params: Params,
    verdict: Verdict,
) -> Result<Value, Refusal> {
    let matcher = matcher(params.rule.as_deref().unwrap_or_default())?;
    matcher.check(verdict).map_err(|bad| Refusal::new(Code::Usage, bad.to_string()))?;
    let scope = match (params.agent, params.run, params.always) {
        (None, None, true) => RuleScope::Always,
        (Some(name), run, false) => {
            let find = move |state: &orchflow_core::state::State| {
                find_agents(state, std::slice::from_ref(&name), run)
            };
            let found = world.engine().ask(find).await.ok_or_else(|| super::no_answer(world))??;
            match found.into_iter().next() {
                Some(agent) => RuleScope::Agent { agent },
                None => return Err(Refusal::new(Code::UnknownAgent, "there is no such agent")),
            }
        }
        (None, Some(run), false) => {
            let find = move |state: &orchflow_core::state::State| find_run(state, Some(run));
            RuleScope::Run { run: world.engine().ask(find).await.ok_or_else(|| super::no_answer(world))?? }
        }
        _ => {
            return Err(Refusal::new(Code::Usage, "say for whom the rule is, and only once")
                .hint("--agent NAME, --run N or --always"));
        }
    };
    let reason = params.reason.filter(|reason| !reason.trim().is_empty());
    let is_always = scope == RuleScope::Always;
    let source = if is_always { RuleSource::Kept } else { RuleSource::Log };
    let rule = NewRule { verdict, scope, matcher, reason, source };
    if is_always {
        world.keep_rule(session.actor.clone(), rule.clone(), true).await?;
    } else {
        submit(world, session, Command::AddRule { rule: rule.clone() }).await?;
    }
    let made = world
        .engine()
        .ask(move |state| state.rules.values().find(|standing| standing.is(&rule)).map(rule_json))
        .await
        .ok_or_else(|| super::no_answer(world))?;
    Ok(json!({ "rules": made.into_iter().collect::<Vec<_>>() }))
}
