//! Permissions agents wait for, and what became of those of the past.

mod history;

use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::Arc;

use orchflow_core::command::{Answer, Command};
use orchflow_core::decide::Input;
use orchflow_core::describe::tool_line;
use orchflow_core::rule::{Matcher, NewRule, RuleScope, RuleSource, Verdict, suggest};
use orchflow_core::state::{Approval, State};
use orchflow_core::{AgentKey, Code, EventSeq, Refusal, RunId};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Session;
use super::params::{Names, read};
use crate::proposed::proposed;
use crate::world::{World, blocking};

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ListParams {
    all: bool,
    filter: Option<Names>,
    limit: Option<usize>,
    before: Option<u64>,
    since_at: Option<i64>,
    until_at: Option<i64>,
}

pub(super) async fn list(world: &Arc<World>, params: Value) -> Result<Value, Refusal> {
    let params: ListParams = read("approvals", params)?;
    if params.all || params.filter.is_some() {
        return history::list(world, params).await;
    }
    let seen = world
        .engine()
        .look(|state| {
            let approvals = approvals_json(state, None);
            let kinds: Vec<_> = state.approvals.values().map(|approval| facts(state, approval)).collect();
            (approvals, kinds)
        })
        .await
        .ok_or_else(|| super::no_answer(world))?;
    let shared = Arc::clone(world);
    let approvals = blocking(move || {
        let (mut approvals, facts) = seen;
        for (row, facts) in approvals.iter_mut().zip(facts) {
            let Some(row) = row.as_object_mut() else { continue };
            let worktree =
                facts.worktree.as_deref().map(|bytes| Path::new(std::ffi::OsStr::from_bytes(bytes)));
            let input = row.get("input").cloned().unwrap_or_default();
            row.insert("proposed".to_owned(), proposed(&input, worktree).unwrap_or_default());
            row.insert("editable".to_owned(), json!(takes_arguments(&shared, &facts.kind)));
            row.insert("kind".to_owned(), json!(facts.kind));
        }
        approvals
    })
    .await;
    Ok(json!({ "approvals": approvals, "rules_problem": world.rules.problem() }))
}

pub(super) fn approvals_json(state: &State, run: Option<RunId>) -> Vec<Value> {
    state
        .approvals
        .values()
        .filter(|approval| run.is_none_or(|run| approval.agent.run == run))
        .map(|approval| {
            json!({
                "id": format!("a_{}", approval.seq.0),
                "agent": approval.agent.name,
                "run": approval.agent.run,
                "tool": approval.tool,
                "summary": tool_line(&approval.tool, &approval.input),
                "input": approval.input,
                "reason": approval.reason,
                "requested_at": approval.at,
                "answerable": approval.answerable,
                "rule": offered(state, approval).to_string(),
                "state": "pending",
            })
        })
        .collect()
}

/// What is known of who asks.
#[derive(Clone)]
struct Facts {
    agent: AgentKey,
    kind: String,
    worktree: Option<Vec<u8>>,
}

fn facts(state: &State, approval: &Approval) -> Facts {
    let agent = state.agents.get(&approval.agent);
    Facts {
        agent: approval.agent.clone(),
        kind: agent.map(|agent| agent.kind.clone()).unwrap_or_default(),
        worktree: agent.and_then(|agent| agent.worktree.as_ref()).map(|path| path.0.clone()),
    }
}

fn offered(state: &State, approval: &Approval) -> Matcher {
    let worktree = facts(state, approval).worktree.unwrap_or_default();
    suggest(&approval.tool, &approval.input, &worktree)
}

/// Tells whether agents of a kind take other arguments with a permission.
fn takes_arguments(world: &World, kind: &str) -> bool {
    let kinds = world.kinds();
    kinds.catalogue.get(kind).is_some_and(|entry| orchflow_agent::hooks::takes_arguments(entry.kind.word()))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Params {
    id: Names,
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    why: Option<String>,
    #[serde(default, rename = "for")]
    holds: Holds,
    #[serde(default)]
    rule: Option<String>,
    #[serde(default)]
    edit: Option<Value>,
}

/// How long an answer holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Holds {
    #[default]
    Once,
    Agent,
    Run,
    Always,
}

pub(super) async fn answer(
    world: &Arc<World>,
    session: &Session,
    params: Value,
    allow: bool,
) -> Result<Value, Refusal> {
    let method = if allow { "approve" } else { "deny" };
    let mut params: Params = read(method, params)?;
    let ids = std::mem::replace(&mut params.id, Names::Many(Vec::new())).into_list();
    let ids = ids.iter().map(|id| number(id)).collect::<Result<Vec<EventSeq>, Refusal>>()?;
    if params.rule.is_some() && params.holds == Holds::Once {
        return Err(Refusal::new(Code::Usage, "a rule is for more than once")
            .hint("say for whom: --for agent, --for run or --for always"));
    }
    if ids.is_empty() || (ids.len() > 1 && (params.edit.is_some() || params.rule.is_some())) {
        return Err(Refusal::new(
            Code::Usage,
            "other arguments and a rule's text go with exactly one approval",
        )
        .hint("name it, such as a_41; orchflow approvals lists them"));
    }
    if let [id] = ids.as_slice() {
        return answer_one(world, session, &params, *id, allow).await;
    }
    let mut answers = Vec::new();
    let mut rules = Vec::new();
    for id in ids {
        let row = match answer_one(world, session, &params, id, allow).await {
            Ok(row) => {
                rules.extend(row.get("rule").filter(|rule| rule.is_string()).cloned());
                row
            }
            // The rule that was made with one of these was faster.
            Err(refusal) if refusal.code == Code::Superseded && !rules.is_empty() => {
                json!({ "id": format!("a_{}", id.0), "state": state_word(allow), "rule": rules.last() })
            }
            Err(refusal) => json!({
                "id": format!("a_{}", id.0),
                "state": "refused",
                "code": refusal.code.word(),
                "message": refusal.message,
                "hint": refusal.hint,
            }),
        };
        answers.push(row);
    }
    Ok(json!({ "answers": answers }))
}

fn state_word(allow: bool) -> &'static str {
    if allow { "allowed" } else { "denied" }
}

fn number(id: &str) -> Result<EventSeq, Refusal> {
    let digits = id.strip_prefix("a_").unwrap_or(id);
    digits.parse().map(EventSeq).map_err(|_| {
        Refusal::new(Code::UnknownApproval, format!("{id:?} is no approval's id"))
            .hint("it looks like a_41; orchflow approvals lists them")
    })
}

async fn answer_one(
    world: &Arc<World>,
    session: &Session,
    params: &Params,
    approval: EventSeq,
    allow: bool,
) -> Result<Value, Refusal> {
    let text = |words: &Option<String>| words.clone().filter(|words| !words.trim().is_empty());
    let reason = text(&params.reason).or(text(&params.why));
    let asked = world
        .engine()
        .look(move |state| {
            let asked = state.approvals.get(&approval)?;
            Some((facts(state, asked), offered(state, asked)))
        })
        .await
        .ok_or_else(|| super::no_answer(world))?;
    let mut answer = Answer { allow, reason: reason.clone(), ..Answer::default() };
    let mut always = None;
    // What waits no more is refused by the decision itself, with the reason.
    if let Some((facts, offered)) = asked {
        answer.input = edited(world, params, &facts)?;
        let verdict = if allow { Verdict::Allow } else { Verdict::Deny };
        let rule = new_rule(params, &facts, offered, verdict, reason)?;
        match rule {
            Some(rule) if rule.scope == RuleScope::Always => always = Some(rule),
            rule => answer.rule = rule,
        }
    }
    let made = answer.rule.as_ref().or(always.as_ref()).map(|rule| {
        let text = format!("{} {}", rule.verdict.word(), rule.matcher);
        (text, rule.scope.to_string())
    });
    let command = Command::AnswerApproval { approval, answer };
    world.engine().submit(Input::Command { actor: session.actor.clone(), command }).await?;
    if let Some(rule) = always {
        world.keep_rule(session.actor.clone(), rule, true).await.map_err(|mut refusal| {
            refusal.message = format!("a_{} is answered, but {}", approval.0, refusal.message);
            refusal
        })?;
    }
    let (rule, scope) = made.unzip();
    Ok(json!({ "id": format!("a_{}", approval.0), "state": state_word(allow), "rule": rule, "scope": scope }))
}

/// Reads the arguments that are to be used instead.
fn edited(world: &World, params: &Params, facts: &Facts) -> Result<Option<Value>, Refusal> {
    let Some(edit) = &params.edit else { return Ok(None) };
    let edit = match edit {
        Value::String(text) => serde_json::from_str(text).map_err(|error| {
            Refusal::new(Code::Usage, format!("--edit is no JSON: {error}"))
                .hint("orchflow approvals --json shows the arguments; give them whole, changed")
        })?,
        other => other.clone(),
    };
    if !takes_arguments(world, &facts.kind) {
        let message = format!("{} takes no other arguments with a permission", facts.agent.name);
        return Err(
            Refusal::new(Code::NotAllowed, message).hint("deny it and say in the reason what to do instead")
        );
    }
    Ok(Some(edit))
}

fn new_rule(
    params: &Params,
    facts: &Facts,
    offered: Matcher,
    verdict: Verdict,
    reason: Option<String>,
) -> Result<Option<NewRule>, Refusal> {
    let scope = match params.holds {
        Holds::Once => return Ok(None),
        Holds::Agent => RuleScope::Agent { agent: facts.agent.clone() },
        Holds::Run => RuleScope::Run { run: facts.agent.run },
        Holds::Always => RuleScope::Always,
    };
    let matcher = match &params.rule {
        None => offered,
        Some(text) => super::rules::matcher(text)?,
    };
    matcher.check(verdict).map_err(|bad| Refusal::new(Code::Usage, bad.to_string()))?;
    let source = if scope == RuleScope::Always { RuleSource::Kept } else { RuleSource::Log };
    Ok(Some(NewRule { verdict, scope, matcher, reason, source }))
}
