//! What fronts can ask for, by name, with JSON in and JSON out. Sockets and screens are the fronts' own.

mod adopt;
mod agents;
mod approvals;
mod attach;
mod base;
mod clean;
mod cost;
mod decide;
mod doctor;
mod event;
mod file;
mod kinds;
mod log;
mod params;
mod place;
mod resume;
mod review;
mod rules;
mod status;
mod steer;
mod swarm;
mod undo;
mod views;
mod wait;
mod why;

use std::path::PathBuf;
use std::sync::Arc;

use orchflow_core::catalogue::{Callers, find};
use orchflow_core::command::Command;
use orchflow_core::decide::Input;
use orchflow_core::event::Actor;
use orchflow_core::{Code, Refusal, RunId};
use serde_json::{Value, json};

pub(crate) use agents::ask_version;
pub use log::event_json;
pub use status::{add_store, status_json};

use crate::paths::{quick_common_dir, quick_worktree};
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
    if matches!(method, "swarm" | "spawn" | "adopt" | "accept" | "reject" | "undo" | "redo") {
        check_worktree(world, session)?;
    }
    match method {
        "status" => status::call(world, params).await,
        "swarm" => swarm::swarm(world, session, params).await,
        "spawn" => swarm::spawn(world, session, params).await,
        "send" => steer::send(world, session, params).await,
        "stop" => steer::stop(world, session, params).await,
        "pause" => steer::pause(world, session, params).await,
        "resume" => resume::resume(world, session, params).await,
        "clean" => clean::clean(world, session, params).await,
        "attach" => attach::attach(world, params).await,
        "log" => log::call(world, params).await,
        "await_events" => log::await_events(world, params).await,
        "review" => review::list(world, params).await,
        "file" => file::call(world, params).await,
        "seen" => decide::seen(world, session, params).await,
        "accept" => decide::decide(world, session, params, true).await,
        "reject" => decide::decide(world, session, params, false).await,
        "comment" => decide::comment(world, session, params).await,
        "undo" => undo::undo(world, session).await,
        "redo" => undo::redo(world, session).await,
        "approvals" => approvals::list(world, params).await,
        "rules" => rules::call(world, session, params).await,
        "cost" => cost::call(world, params).await,
        "budget" => cost::budget(world, session, params).await,
        "approve" => approvals::answer(world, session, params, true).await,
        "deny" => approvals::answer(world, session, params, false).await,
        "agents" => agents::list(world, session).await,
        "adopt" => adopt::adopt(world, session, params).await,
        "doctor" => doctor::call(world, session, params).await,
        "focus" => views::focus(world, params).await,
        "show" => views::show(world, session, params).await,
        "event" => event::call(world, params).await,
        "why" => why::call(world, params).await,
        "wait" => wait::call(world, session, params).await,
        _ => Err(Refusal::new(Code::Usage, format!("there is no method {method}"))
            .hint("orchflow help lists what there is")),
    }
}

/// Carries out a method whose answer is written straight as msgpack; `None` where it has to be [`call`].
pub async fn call_packed(
    world: &Arc<World>,
    method: &str,
    params: &Value,
) -> Option<Result<Vec<u8>, Refusal>> {
    match method {
        // It only reads, so agents may call it as well.
        "log" => log::packed(world, params).await,
        _ => None,
    }
}

/// Refuses what begins or ends in "your tree" where the caller stands in another worktree of the user's:
/// the host works in one of them.
fn check_worktree(world: &World, session: &Session) -> Result<(), Refusal> {
    let ours = world.repository.worktree();
    let Some(theirs) = quick_worktree(&session.folder) else { return Ok(()) };
    let is_agents =
        std::fs::canonicalize(&world.folders.worktrees).is_ok_and(|root| theirs.starts_with(root));
    let is_same = std::fs::canonicalize(ours).is_ok_and(|ours| ours == theirs);
    let shares_host = quick_common_dir(&theirs).as_deref() == Some(world.repository.common_directory());
    if is_agents || is_same || !shares_host {
        return Ok(());
    }
    let message =
        format!("this repository's host works in {}, and you are in {}", ours.display(), theirs.display());
    Err(Refusal::new(Code::Repository, message)
        .hint("run it there, or end the host (orchflow host stop; agents work on) and run it here again"))
}

/// Brings a command in and gives its reply once it is durable.
async fn submit(
    world: &Arc<World>,
    session: &Session,
    command: Command,
) -> Result<orchflow_core::decide::Reply, Refusal> {
    // Agents of the new run get the front's environment; the run's number is known only after the
    // commit, and its first effect needs it before, so the newest front's stands for the next run.
    let _one = if matches!(command, Command::StartRun { .. } | Command::AdoptSession { .. }) {
        let one = world.starting.lock().await;
        let environment = Arc::clone(&session.environment);
        let shared = Arc::clone(world);
        world
            .engine()
            .ask(move |state| {
                let next = RunId(state.last_run().map_or(1, |run| run.run.0 + 1));
                shared.keep_environment(next, environment);
            })
            .await
            .ok_or_else(|| no_answer(world))?;
        Some(one)
    } else {
        None
    };
    let input = Input::Command { actor: session.actor.clone(), command };
    Ok(world.engine().submit(input).await?.reply)
}

/// Writes a refusal for the wire.
pub fn refusal_json(refusal: &Refusal) -> Value {
    json!({ "code": refusal.code.word(), "message": refusal.message, "hint": refusal.hint })
}

/// Says why the loop gave no answer: the host leaves, or the commit the answer had to wait for failed.
pub(crate) fn no_answer(world: &World) -> Refusal {
    if !world.engine().is_open() {
        return Refusal::new(Code::Stopping, "the host is stopping")
            .hint("run the command again; it starts a new host");
    }
    let why = world.engine().pulse().borrow().read_only.clone();
    Refusal::new(Code::ReadOnly, why.unwrap_or_else(|| "the store took no writes just now".to_owned()))
        .hint("nothing was lost and agents work on; free space or mend the store, then try again")
}

pub(crate) fn store_refusal(error: &orchflow_store::StoreError) -> Refusal {
    let code = match error {
        orchflow_store::StoreError::Full { .. } => Code::ReadOnly,
        _ => Code::Internal,
    };
    Refusal::new(code, error.to_string())
}
