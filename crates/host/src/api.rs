//! What fronts can ask for, by name, with JSON in and JSON out. Sockets and screens are the fronts' own.

mod agents;
mod approvals;
mod log;
mod params;
mod review;
mod status;
mod swarm;
mod wait;

use std::path::PathBuf;
use std::sync::Arc;

use orchflow_core::catalogue::{Callers, find};
use orchflow_core::event::Actor;
use orchflow_core::{Code, Refusal};
use serde_json::{Value, json};

pub use log::event_json;
pub use status::status_json;

use crate::world::{Environment, World};

/// Who asks.
#[derive(Debug, Clone)]
pub struct Session {
    /// Who it counts as in the log.
    pub actor: Actor,
    /// Where its relative paths begin.
    pub folder: PathBuf,
    /// Its environment, for agents it starts.
    pub environment: Arc<Environment>,
    /// The number of its connection, if it is an editor.
    pub editor: Option<u64>,
}

/// Carries out one method.
///
/// # Errors
/// A refusal with a code, a message and mostly a hint.
pub async fn call(
    world: &Arc<World>,
    session: &Session,
    method: &str,
    params: Value,
) -> Result<Value, Refusal> {
    let known = match method {
        "await_events" => Some(Callers::Everyone),
        method => find(method).map(|command| command.callers),
    };
    if matches!(session.actor, Actor::Agent { .. }) && known != Some(Callers::Everyone) {
        return Err(Refusal::new(
            Code::NotAllowed,
            format!("agents may not call {method}; only the human may"),
        )
        .hint("run it in your own shell or editor"));
    }
    match method {
        "status" => status::call(world, params).await,
        "swarm" => swarm::swarm(world, session, params).await,
        "spawn" => swarm::spawn(world, session, params).await,
        "send" => swarm::send(world, session, params).await,
        "stop" => swarm::stop(world, session, params).await,
        "clean" => swarm::clean(world, session, params).await,
        "attach" => swarm::attach(world, params).await,
        "log" => log::call(world, params).await,
        "await_events" => log::await_events(world, params).await,
        "review" => review::list(world, params).await,
        "accept" => review::decide(world, session, params, true).await,
        "reject" => review::decide(world, session, params, false).await,
        "comment" => review::comment(world, session, params).await,
        "undo" => review::undo(world, session).await,
        "approvals" => approvals::list(world).await,
        "approve" => approvals::answer(world, session, params, true).await,
        "deny" => approvals::answer(world, session, params, false).await,
        "agents" => agents::list(world, session).await,
        "wait" => wait::call(world, session, params).await,
        _ => Err(Refusal::new(Code::Usage, format!("there is no method {method}"))
            .hint("orchflow help lists what there is")),
    }
}

/// Writes a refusal for the wire.
pub fn refusal_json(refusal: &Refusal) -> Value {
    json!({ "code": refusal.code.word(), "message": refusal.message, "hint": refusal.hint })
}

/// Says why the loop gave no answer: the host leaves, or the commit the answer had to wait for failed.
fn no_answer(world: &World) -> Refusal {
    if !world.engine().is_open() {
        return Refusal::new(Code::Internal, "the host is stopping")
            .hint("run the command again; it starts a new host");
    }
    let why = world.engine().pulse().borrow().read_only.clone();
    Refusal::new(Code::ReadOnly, why.unwrap_or_else(|| "the store took no writes just now".to_owned()))
        .hint("nothing was lost and agents work on; free space or mend the store, then try again")
}

fn store_refusal(error: &orchflow_store::StoreError) -> Refusal {
    let code = match error {
        orchflow_store::StoreError::Full { .. } => Code::ReadOnly,
        _ => Code::Internal,
    };
    Refusal::new(code, error.to_string())
}
