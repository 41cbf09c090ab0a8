//! Permissions agents wait for.

use std::sync::Arc;

use orchflow_core::command::Command;
use orchflow_core::decide::Input;
use orchflow_core::describe::tool_line;
use orchflow_core::state::State;
use orchflow_core::{Code, EventSeq, Refusal};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Session;
use super::params::read;
use crate::world::World;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Params {
    id: String,
    #[serde(default)]
    reason: Option<String>,
}

pub(super) async fn list(world: &Arc<World>) -> Result<Value, Refusal> {
    let approvals = world
        .engine()
        .look(|state| approvals_json(state, None))
        .await
        .ok_or_else(|| super::no_answer(world))?;
    Ok(json!({ "approvals": approvals }))
}

pub(super) fn approvals_json(state: &State, run: Option<orchflow_core::RunId>) -> Vec<Value> {
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
                "state": "pending",
            })
        })
        .collect()
}

pub(super) async fn answer(
    world: &Arc<World>,
    session: &Session,
    params: Value,
    allow: bool,
) -> Result<Value, Refusal> {
    let method = if allow { "approve" } else { "deny" };
    let params: Params = read(method, params)?;
    let digits = params.id.strip_prefix("a_").unwrap_or(&params.id);
    let approval = digits.parse().map(EventSeq).map_err(|_| {
        Refusal::new(Code::UnknownApproval, format!("{:?} is no approval's id", params.id))
            .hint("it looks like a_41; orchflow approvals lists them")
    })?;
    let reason = params.reason.filter(|reason| !reason.trim().is_empty());
    let command = Command::AnswerApproval { approval, allow, reason };
    world.engine().submit(Input::Command { actor: session.actor.clone(), command }).await?;
    let state = if allow { "allowed" } else { "denied" };
    Ok(json!({ "id": format!("a_{}", approval.0), "state": state }))
}
