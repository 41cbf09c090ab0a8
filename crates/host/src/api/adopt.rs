//! Agents started elsewhere: listed, and gone on with.

use std::os::unix::ffi::OsStrExt as _;
use std::sync::Arc;

use orchflow_agent::sessions::{is_session_id, keeps_to_its_folder};
use orchflow_core::command::{AdoptedSession, Command};
use orchflow_core::event::payload::Bytes;
use orchflow_core::{Code, Refusal};
use serde::Deserialize;
use serde_json::{Value, json};

use super::base::find_base;
use super::kinds::spec;
use super::params::read;
use super::place::{Front, place};
use super::{Session, submit};
use crate::adoption::{Candidate, candidates};
use crate::world::{World, blocking};

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct AdoptParams {
    process: Option<String>,
    session: Option<String>,
    agent: Option<String>,
    name: Option<String>,
    include_changes: Option<bool>,
    view: Option<String>,
    front: Front,
}

/// Lists who could be adopted, or adopts one: the process that is named, or a session of a kind of agent.
pub(super) async fn adopt(world: &Arc<World>, session: &Session, params: Value) -> Result<Value, Refusal> {
    let params: AdoptParams = read("adopt", params)?;
    let found = find(world).await;
    let adopted = match (&params.process, &params.session) {
        (None, None) => return Ok(json!({ "candidates": found.iter().map(shown).collect::<Vec<_>>() })),
        (Some(_), Some(_)) => {
            return Err(Refusal::new(Code::Usage, "adopt takes a process or --session, not both")
                .hint("orchflow adopt lists the processes"));
        }
        (Some(process), None) => of_process(&found, process)?,
        (None, Some(id)) => of_session(&found, id, params.agent.as_deref())?,
    };
    let (kind, mut adopted) = adopted;
    let kinds = world.kinds();
    if let Some(entry) = kinds.catalogue.get(&kind) {
        if entry.resume.args.is_empty() {
            return Err(Refusal::new(Code::NotAllowed, format!("{kind} cannot take up an earlier session"))
                .hint("its catalogue entry has no `resume.args`; orchflow spawn starts a new one"));
        }
        if entry.resume.bound {
            let message = format!("{kind} keeps a session to the folder it was begun in");
            return Err(Refusal::new(Code::NotAllowed, message)
                .hint("an agent works in a folder of its own; orchflow spawn starts a new one"));
        }
        adopted.copy |= !entry.resume.fork.is_empty() && keeps_to_its_folder(entry.kind);
    }
    let spec = spec(world, session, &kind, params.name)?;
    let (place, note) = place(world, session, params.view.as_deref(), &params.front)?;
    let base = find_base(world, params.include_changes).await?;
    let mut warnings: Vec<String> = note.into_iter().collect();
    if let Some(pid) = adopted.process {
        warnings.push(format!(
            "process {pid} goes on as well, in the session itself; end it there, or both work on the same task"
        ));
    }
    let (id, copy) = (adopted.id.clone(), adopted.copy);
    let command = Command::AdoptSession { base, agent: spec, session: adopted, place };
    let reply = submit(world, session, command).await?;
    let name = reply.agents.first().map(|agent| agent.name.clone());
    Ok(json!({
        "run": reply.run, "agent": name, "session": id, "copy": copy, "warnings": warnings,
    }))
}

async fn find(world: &Arc<World>) -> Vec<Candidate> {
    let world = Arc::clone(world);
    blocking(move || candidates(&world.repository, &world.folders, &world.kinds().catalogue)).await
}

fn shown(candidate: &Candidate) -> Value {
    let session = candidate.session.as_ref();
    json!({
        "process": candidate.pid,
        "agent": candidate.kind,
        "title": candidate.title,
        "command": candidate.command,
        "folder": candidate.folder.to_string_lossy(),
        "tty": candidate.tty,
        "pane": candidate.pane,
        "session": session.map(|session| session.id.as_str()),
        "status": session.and_then(|session| session.status.as_deref()),
        "stated": session.map(|session| session.is_stated),
        "adoptable": candidate.obstacle().is_none(),
        "why_not": candidate.obstacle(),
    })
}

fn of_process(found: &[Candidate], process: &str) -> Result<(String, AdoptedSession), Refusal> {
    let pid: i32 = process.parse().map_err(|_| {
        Refusal::new(Code::Usage, format!("{process:?} is not the number of a process"))
            .hint("orchflow adopt lists the processes that could be adopted")
    })?;
    let candidate = found.iter().find(|candidate| candidate.pid == pid).ok_or_else(|| {
        let message = format!("process {pid} is no agent's program that works in this repository");
        Refusal::new(Code::Usage, message).hint("orchflow adopt lists those that are")
    })?;
    match (&candidate.session, candidate.obstacle()) {
        (Some(session), None) => Ok((candidate.kind.clone(), opened(candidate, &session.id))),
        (_, why) => {
            Err(Refusal::new(Code::NotAllowed, why.unwrap_or_default()).hint(match &candidate.pane {
                Some(pane) => format!("it can only be looked at, in its pane {pane}"),
                None => "it can only be looked at, in its own terminal".to_owned(),
            }))
        }
    }
}

fn opened(candidate: &Candidate, id: &str) -> AdoptedSession {
    AdoptedSession {
        id: id.to_owned(),
        copy: true,
        process: u32::try_from(candidate.pid).ok(),
        folder: Some(Bytes(candidate.folder.as_os_str().as_bytes().to_vec())),
    }
}

fn of_session(
    found: &[Candidate],
    id: &str,
    kind: Option<&str>,
) -> Result<(String, AdoptedSession), Refusal> {
    if !is_session_id(id) {
        return Err(Refusal::new(Code::Usage, format!("{id:?} cannot be the id of a session"))
            .hint("give it as the agent's program shows it"));
    }
    let has_it = |candidate: &&Candidate| candidate.session.as_ref().is_some_and(|open| open.id == id);
    if let Some(candidate) = found.iter().find(has_it) {
        return of_process(found, &candidate.pid.to_string());
    }
    let kind = kind.ok_or_else(|| {
        Refusal::new(Code::Usage, "say which kind of agent the session is of")
            .hint(format!("orchflow adopt --session {id} --agent claude"))
    })?;
    Ok((kind.to_owned(), AdoptedSession { id: id.to_owned(), copy: false, process: None, folder: None }))
}
