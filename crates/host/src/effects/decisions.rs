//! Hunks taken into the human's tree, out of an agent's worktree, and back again.
//!
//! Every change keeps what was there before under a ref, is made against what stands there now, and finds
//! out by itself whether it was made already.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use orchflow_core::effect::{EffectId, Outcome};
use orchflow_core::event::payload::{Bytes, HunkRef};
use orchflow_core::{Code, Refusal};
use orchflow_git::apply::{self, Applied, line_edits};
use orchflow_git::conversion::Conversion;
use orchflow_git::files::{self, File};
use orchflow_git::hunk::Hunk;
use orchflow_git::operations::{self, Kept};
use orchflow_git::part::Part;
use orchflow_git::worktrees::Worktree;
use orchflow_git::{FileMode, GitError, ObjectId};
use orchflow_wire::json::bytes_to_json;
use serde_json::{Value, json};

use super::checkpoints::{self, refusal};
use crate::editors::LoadedBuffer;
use crate::review::Subject;
use crate::world::{World, blocking};

/// What a decision does to a file of the human's tree.
struct Accepting {
    /// The change, of all the lines that are in the human's tree once it is done.
    hunk: Hunk,
    /// What was taken of the same file of the same agent before, in order.
    before: Vec<Hunk>,
}

async fn accepting(
    world: &Arc<World>,
    hunk: &HunkRef,
    base_tree: &str,
    before: &[HunkRef],
) -> Result<Accepting, Refusal> {
    let mut wanted = hunk.clone();
    let mut taken = Vec::new();
    for earlier in before {
        if earlier.is_same_content(hunk) {
            // The rest of a hunk goes in beside the lines that are there.
            wanted.lines =
                earlier.lines.as_ref().zip(wanted.lines).map(|(earlier, lines)| earlier.with(&lines));
        }
        match world.taken_of(earlier, base_tree).await {
            Ok(earlier) => taken.push(earlier),
            // Then it is simply part of what the human has.
            Err(refusal) => tracing::warn!(hunk = earlier.id, %refusal, "what was taken before is not known"),
        }
    }
    let hunk = world.taken_of(&wanted, base_tree).await?;
    Ok(Accepting { hunk, before: taken })
}

fn conflict(reason: &apply::Reason, place: &str) -> Refusal {
    Refusal::new(Code::Conflict, format!("it does not go into {place}: {reason}"))
}

/// Says whether a decision could be carried out now, and changes nothing.
///
/// # Errors
/// The refusal it would get.
pub async fn preview(
    world: &Arc<World>,
    hunk: &HunkRef,
    subject: &Subject,
    accept: bool,
) -> Result<(), Refusal> {
    if accept {
        let (agent, path) = (hunk.agent.clone(), hunk.path.0.clone());
        let before = world.engine().ask(move |state| state.accepted_of(&agent, &path)).await;
        let accepting = accepting(world, hunk, &subject.base_tree, &before.unwrap_or_default()).await?;
        let buffer = loaded_buffer(world, hunk).await?;
        plan_accept(world, accepting, &subject.base_tree, buffer).await.map(|_| ())
    } else {
        let worktree = subject.worktree.clone().unwrap_or_default();
        plan_reject(world, hunk, &subject.base_tree, &worktree).await.map(|_| ())
    }
}

fn user_path(world: &World, path: &[u8]) -> PathBuf {
    world.repository.worktree().join(OsStr::from_bytes(path))
}

async fn loaded_buffer(world: &Arc<World>, hunk: &HunkRef) -> Result<Option<LoadedBuffer>, Refusal> {
    let path = user_path(world, &hunk.path.0);
    let Some(path) = path.to_str() else { return Ok(None) };
    world.editors.loaded(path).await.map_err(|why| {
        let message = format!("an editor may have {path} open with changes, and does not answer: {why}");
        Refusal::new(Code::Conflict, message).hint("let it go on or close it, then try again")
    })
}

/// A file as it is and as it has to be, in the form of the worktree.
struct Plan {
    now: Option<File>,
    then: Option<File>,
    already: bool,
}

async fn plan_accept(
    world: &Arc<World>,
    accepting: Accepting,
    base_tree: &str,
    buffer: Option<LoadedBuffer>,
) -> Result<Plan, Refusal> {
    let (shared, base_tree) = (Arc::clone(world), base_tree.to_owned());
    let plan = blocking(move || -> Result<Result<Plan, Refusal>, GitError> {
        let repository = &shared.repository;
        let tree: ObjectId = base_tree.parse()?;
        let path = &accepting.hunk.path;
        let base = repository.file(&tree, path)?;
        let on_disk = files::read(repository.worktree(), path)?;
        let mode = on_disk.as_ref().map_or(FileMode::Regular, |file| file.mode);
        let now = match buffer {
            Some(buffer) => Some(File { mode, content: buffer.content }),
            None => on_disk,
        };
        let conversion = Conversion::in_repository(repository, path);
        let ours = now.as_ref().map(|file| conversion.to_stored(file)).transpose()?;
        let before: Vec<&Hunk> = accepting.before.iter().collect();
        let applied = apply::accept(base.as_ref(), &before, &accepting.hunk, ours.as_ref());
        finish_plan(applied, now, &conversion, "your tree")
    })
    .await;
    plan.map_err(|error| refusal(&error))?
}

async fn plan_reject(
    world: &Arc<World>,
    hunk: &HunkRef,
    base_tree: &str,
    worktree: &Bytes,
) -> Result<Plan, Refusal> {
    let whole = world.hunk_of(hunk, base_tree).await?;
    let inverse = match &hunk.lines {
        None => Ok(whole.inverse()),
        Some(lines) => whole.part_inverse(Part { added: &lines.added, removed: &lines.removed }),
    };
    let inverse = inverse.map_err(|reason| conflict(&reason, "the agent's worktree"))?;
    let (shared, hunk, worktree) = (Arc::clone(world), hunk.clone(), worktree.clone());
    let plan = blocking(move || -> Result<Result<Plan, Refusal>, GitError> {
        let worktree = checkpoints::open(&shared, &worktree)?;
        let path = &inverse.path;
        let commit: ObjectId = hunk.checkpoint.parse()?;
        let seen = shared.repository.file(&commit, path)?;
        let now = files::read(worktree.path(), path)?;
        let conversion = Conversion::in_worktree(&shared.repository, &worktree, path);
        let current = now.as_ref().map(|file| conversion.to_stored(file)).transpose()?;
        let applied = apply::take_out(seen.as_ref(), &inverse, current.as_ref());
        finish_plan(applied, now, &conversion, "the agent's worktree")
    })
    .await;
    plan.map_err(|error| refusal(&error))?
}

fn finish_plan(
    applied: Applied,
    now: Option<File>,
    conversion: &Conversion<'_>,
    place: &str,
) -> Result<Result<Plan, Refusal>, GitError> {
    Ok(match applied {
        Applied::Changed(then) => {
            let then = then.map(|file| conversion.to_working(&file, now.as_ref())).transpose()?;
            Ok(Plan { now, then, already: false })
        }
        Applied::Already => Ok(Plan { then: now.clone(), now, already: true }),
        Applied::Conflict(reason) => Err(conflict(&reason, place)),
    })
}

/// Keeps a file as it is and as it will be, so that the change can be taken back later.
async fn keep(world: &Arc<World>, id: EffectId, path: &[u8], plan: &Plan) -> Result<String, Refusal> {
    let name = format!("{}{}", super::operations::OPERATIONS, id.seq.0);
    let entries = [&plan.now, &plan.then].map(|file| Kept { path: path.to_vec(), file: file.clone() });
    let (shared, kept) = (Arc::clone(world), name.clone());
    let result = blocking(move || {
        // An earlier try of this operation kept what was there before it; that is what an undo needs.
        if shared.repository.read_ref(&kept)?.is_none() {
            operations::keep(&shared.repository, &kept, &entries)?;
        }
        Ok::<(), GitError>(())
    })
    .await;
    result.map_err(|error| refusal(&error))?;
    Ok(name)
}

/// Writes what a plan says, unless the file is no longer what the plan was made for.
async fn write(root: PathBuf, path: &[u8], plan: &Plan) -> Result<(), Refusal> {
    let (path, seen, then) = (path.to_vec(), plan.now.clone(), plan.then.clone());
    let written = blocking(move || {
        let content = |file: &Option<File>| file.as_ref().map(|file| file.content.clone());
        if content(&files::read(&root, &path)?) != content(&seen) {
            return Ok(false);
        }
        match then {
            Some(file) => files::write_atomic(&root, &path, &file.content, file.mode)?,
            None => {
                files::remove(&root, &path)?;
            }
        }
        Ok::<bool, GitError>(true)
    })
    .await;
    match written.map_err(|error| refusal(&error))? {
        true => Ok(()),
        false => Err(Refusal::new(Code::Conflict, "the file changed meanwhile").hint("try again")),
    }
}

pub(super) async fn accept(
    world: &Arc<World>,
    id: EffectId,
    hunk: &HunkRef,
    base_tree: &str,
    before: &[HunkRef],
) -> Outcome {
    match try_accept(world, id, hunk, base_tree, before).await {
        Ok(outcome) => outcome,
        Err(refusal) => Outcome::Failed(refusal),
    }
}

async fn try_accept(
    world: &Arc<World>,
    id: EffectId,
    hunk: &HunkRef,
    base_tree: &str,
    before: &[HunkRef],
) -> Result<Outcome, Refusal> {
    let accepting = accepting(world, hunk, base_tree, before).await?;
    let buffer = loaded_buffer(world, hunk).await?;
    let place = if buffer.is_some() { "buffer" } else { "file" };
    let plan = plan_accept(world, accepting, base_tree, buffer.clone()).await?;
    let kept_ref = Some(keep(world, id, &hunk.path.0, &plan).await?);
    if !plan.already {
        put_in_user_tree(world, &hunk.path.0, &plan, buffer).await?;
    }
    Ok(Outcome::Decided { applied_to: place.to_owned(), already: plan.already, kept_ref })
}

/// Puts a file into the human's tree: into the buffer where one is loaded, and saving is left to its
/// owner; else onto the disk.
async fn put_in_user_tree(
    world: &Arc<World>,
    path: &[u8],
    plan: &Plan,
    buffer: Option<LoadedBuffer>,
) -> Result<(), Refusal> {
    let full = user_path(world, path);
    match (buffer, &plan.then) {
        (Some(buffer), Some(then)) => apply_to_buffer(world, &full, &buffer, &then.content).await,
        _ => {
            write(world.repository.worktree().to_path_buf(), path, plan).await?;
            world.editors.files_changed(&[full.to_string_lossy().into_owned()]).await;
            Ok(())
        }
    }
}

async fn apply_to_buffer(
    world: &Arc<World>,
    path: &Path,
    buffer: &LoadedBuffer,
    content: &[u8],
) -> Result<(), Refusal> {
    let edits: Vec<Value> = line_edits(&buffer.content, content)
        .into_iter()
        .map(|edit| {
            let lines: Vec<Value> = edit
                .lines
                .iter()
                .map(|line| bytes_to_json(line.strip_suffix(b"\r").unwrap_or(line)))
                .collect();
            json!({ "start": edit.start, "end_": edit.end, "lines": lines })
        })
        .collect();
    let params = json!({ "path": path.to_string_lossy(), "changedtick": buffer.changedtick, "edits": edits });
    world.editors.call(buffer.editor, "buffer_apply", params).await.map(|_| ()).map_err(|why| {
        Refusal::new(Code::Conflict, format!("the buffer did not take it: {why}")).hint("try again")
    })
}

pub(super) async fn reject(
    world: &Arc<World>,
    id: EffectId,
    hunk: &HunkRef,
    base_tree: &str,
    worktree: &Bytes,
) -> Outcome {
    let rejected = async {
        let plan = plan_reject(world, hunk, base_tree, worktree).await?;
        let kept_ref = Some(keep(world, id, &hunk.path.0, &plan).await?);
        if !plan.already {
            let root = PathBuf::from(OsStr::from_bytes(&worktree.0));
            write(root, &hunk.path.0, &plan).await?;
        }
        Ok::<_, Refusal>(Outcome::Decided { applied_to: "file".to_owned(), already: plan.already, kept_ref })
    };
    rejected.await.unwrap_or_else(Outcome::Failed)
}

pub(super) async fn undo(
    world: &Arc<World>,
    hunk: &HunkRef,
    decision: &str,
    kept_ref: &str,
    worktree: &Bytes,
) -> Outcome {
    match try_undo(world, hunk, decision, kept_ref, worktree).await {
        Ok(()) => Outcome::Undone,
        Err(refusal) => Outcome::Failed(refusal),
    }
}

async fn try_undo(
    world: &Arc<World>,
    hunk: &HunkRef,
    decision: &str,
    kept_ref: &str,
    worktree: &Bytes,
) -> Result<(), Refusal> {
    if kept_ref.is_empty() {
        return Ok(());
    }
    let accepted = decision == "accept";
    let buffer = if accepted { loaded_buffer(world, hunk).await? } else { None };
    let (shared, name, path, root) =
        (Arc::clone(world), kept_ref.to_owned(), hunk.path.0.clone(), worktree.clone());
    let from_buffer = buffer.clone();
    let plan = blocking(move || -> Result<Result<Plan, Refusal>, GitError> {
        let repository = &shared.repository;
        let Some(commit) = repository.read_ref(&name)? else {
            let message = format!("what was there before is gone: {name} does not exist");
            return Ok(Err(Refusal::new(Code::Unknown, message)));
        };
        let mut kept = operations::read_kept(repository, &commit)?.into_iter();
        let (before, after) =
            (kept.next().and_then(|kept| kept.file), kept.next().and_then(|kept| kept.file));
        let agents: Option<Worktree> = if accepted { None } else { Some(checkpoints::open(&shared, &root)?) };
        let folder = agents.as_ref().map_or_else(|| repository.worktree(), Worktree::path);
        let on_disk = files::read(folder, &path)?;
        let mode = on_disk.as_ref().map_or(FileMode::Regular, |file| file.mode);
        let now = match from_buffer {
            Some(buffer) => Some(File { mode, content: buffer.content }),
            None => on_disk,
        };
        let place = if accepted { "your tree" } else { "the agent's worktree" };
        Ok(match apply::merge_file(after.as_ref(), now.as_ref(), before.as_ref()) {
            Applied::Changed(then) => Ok(Plan { now, then, already: false }),
            Applied::Already => Ok(Plan { then: now.clone(), now, already: true }),
            Applied::Conflict(reason) => Err(conflict(&reason, place)),
        })
    })
    .await
    .map_err(|error| refusal(&error))??;
    if plan.already {
        return Ok(());
    }
    if accepted {
        put_in_user_tree(world, &hunk.path.0, &plan, buffer).await
    } else {
        write(PathBuf::from(OsStr::from_bytes(&worktree.0)), &hunk.path.0, &plan).await
    }
}
