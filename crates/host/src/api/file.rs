//! A file as an agent left it in a checkpoint, beside what the agent started from.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use orchflow_core::event::EventBody;
use orchflow_core::{AgentKey, Code, Refusal};
use orchflow_git::blob::{Blob, BlobReader};
use orchflow_git::diff::Entry;
use orchflow_git::hunk::is_binary;
use orchflow_git::{FileMode, GitError, ObjectId, Repository};
use orchflow_store::{EventFilter, Page};
use orchflow_wire::json::bytes_to_json;
use serde::Deserialize;
use serde_json::{Value, json};

use super::params::{find_agents, read};
use crate::world::{World, blocking};

/// Contents over this size, in bytes, are named and not sent.
const LARGEST: u64 = 4 << 20;

/// The most checkpoints of an agent that are looked through for one.
const CHECKPOINTS: usize = 10_000;

/// How many digits of a checkpoint's id name it.
const SHORTEST: usize = 7;

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Params {
    run: Option<u64>,
    agent: String,
    path: Option<String>,
    path_b64: Option<String>,
    checkpoint: Option<String>,
}

/// A checkpoint and when it was taken.
struct Taken {
    commit: String,
    turn: u32,
    at: i64,
}

pub(super) async fn call(world: &Arc<World>, params: Value) -> Result<Value, Refusal> {
    let params: Params = read("file", params)?;
    let path = path_of(&params)?;
    let (name, run) = (params.agent.clone(), params.run);
    let (key, base_tree, newest) = world
        .engine()
        .ask(move |state| {
            let found = find_agents(state, std::slice::from_ref(&name), run)?.into_iter().next();
            let agent = found.and_then(|key| state.agents.get(&key));
            let agent = agent.ok_or_else(|| Refusal::new(Code::Usage, "file: name the agent"))?;
            let newest = agent.checkpoint.as_ref().map(|checkpoint| checkpoint.commit.clone());
            let newest = newest.ok_or_else(|| {
                Refusal::new(Code::Conflict, format!("{} has no checkpoint yet", agent.key.name))
                    .hint("one is taken when its turn ends; its files are in its worktree meanwhile")
            })?;
            Ok::<_, Refusal>((agent.key.clone(), agent.base_tree.clone(), newest))
        })
        .await
        .ok_or_else(|| super::no_answer(world))??;
    let wanted = params.checkpoint.clone().unwrap_or_else(|| newest.clone());
    let taken = checkpoint(world, &key, &wanted).await?;
    let known = if taken.commit == newest {
        let changes = world.changes(&key, &base_tree, &newest).await?;
        changes
            .iter()
            .find(|change| change.path == path)
            .map(|change| (change.old.clone(), change.new.clone()))
    } else {
        None
    };
    let (shared, commit, file) = (Arc::clone(world), taken.commit.clone(), path.clone());
    let sides = blocking(move || sides(&shared.repository, known, &base_tree, &commit, &file)).await;
    let (base, content) = sides.map_err(super::base::git_refusal)?;
    if base.is_missing() && content.is_missing() {
        let shown = String::from_utf8_lossy(&path);
        return Err(Refusal::new(Code::Usage, format!("{} has no file {shown}, nor had its base", key.name))
            .hint("paths begin at the repository's top; orchflow review lists what the agent changed"));
    }
    let binary = content.is_binary() || base.is_binary();
    let too_big = content.is_too_big() || base.is_too_big();
    let is_shown = !binary && !too_big;
    let (lines, eol, ended) = content.lines(is_shown);
    let (base_lines, base_eol, base_ended) = base.lines(is_shown);
    let mut value = json!({
        "agent": key.name,
        "run": key.run,
        "checkpoint": taken.commit,
        "newest": newest,
        "turn": taken.turn,
        "at": taken.at,
        "path": String::from_utf8_lossy(&path),
        "mode": content.mode().or(base.mode()).map(FileMode::octal),
        "binary": binary,
        "too_big": too_big,
        "missing": content.is_missing(),
        "base_missing": base.is_missing(),
        "lines": lines,
        "base_lines": base_lines,
        "eol": eol,
        "base_eol": base_eol,
        "ended": ended,
        "base_ended": base_ended,
    });
    let encoded = bytes_to_json(&path).get("b64").cloned();
    if let (Some(object), Some(encoded)) = (value.as_object_mut(), encoded) {
        object.insert("path_b64".to_owned(), encoded);
    }
    Ok(value)
}

fn path_of(params: &Params) -> Result<Vec<u8>, Refusal> {
    let path = match (&params.path_b64, &params.path) {
        (Some(encoded), _) => STANDARD
            .decode(encoded)
            .map_err(|error| Refusal::new(Code::Usage, format!("file: path_b64 is no base64: {error}")))?,
        (None, Some(path)) => path.as_bytes().to_vec(),
        (None, None) => Vec::new(),
    };
    orchflow_git::files::check_path(&path).map_err(|error| {
        Refusal::new(Code::Usage, error.to_string())
            .hint("a path begins at the repository's top, such as src/main.rs")
    })?;
    Ok(path)
}

/// Finds a checkpoint of an agent by its id or the id's beginning.
async fn checkpoint(world: &Arc<World>, key: &AgentKey, wanted: &str) -> Result<Taken, Refusal> {
    let filter = EventFilter {
        agent: Some(key.name.clone()),
        run: Some(key.run.0),
        types: vec!["checkpoint_taken".to_owned()],
        ..EventFilter::default()
    };
    let rows = world
        .read(move |reader| reader.page(&filter, Page::After(0), CHECKPOINTS))
        .await
        .map_err(|error| super::store_refusal(&error))?;
    let wanted = wanted.trim().to_lowercase();
    // The first that holds a tree is the one that tells when it came about.
    rows.iter()
        .filter_map(|row| match row.body() {
            Ok(EventBody::CheckpointTaken(body)) => {
                Some(Taken { commit: body.commit, turn: body.turn, at: row.timestamp })
            }
            _ => None,
        })
        .find(|taken| wanted.len() >= SHORTEST && taken.commit.starts_with(&wanted))
        .ok_or_else(|| {
            Refusal::new(Code::Usage, format!("{wanted} is no checkpoint of {}", key.name))
                .hint(format!("orchflow log type:checkpoint_taken agent:{} lists them", key.name))
        })
}

/// One side of the file.
enum Side {
    Missing,
    TooBig(FileMode),
    Content(FileMode, Vec<u8>),
}

impl Side {
    fn is_missing(&self) -> bool {
        matches!(self, Side::Missing)
    }

    fn is_too_big(&self) -> bool {
        matches!(self, Side::TooBig(_))
    }

    fn is_binary(&self) -> bool {
        matches!(self, Side::Content(_, content) if is_binary(content))
    }

    fn mode(&self) -> Option<FileMode> {
        match self {
            Side::Missing => None,
            Side::TooBig(mode) | Side::Content(mode, _) => Some(*mode),
        }
    }

    /// Gives the lines without their ends, what ends them, and whether the last one has its end. Where not every
    /// line ends in `\r\n`, each `\r` stays in its line.
    fn lines(&self, is_shown: bool) -> (Vec<Value>, &'static str, bool) {
        let Side::Content(_, content) = self else { return (Vec::new(), "lf", true) };
        let lines = || content.split_inclusive(|byte| *byte == b'\n');
        let is_dos =
            content.contains(&b'\n') && lines().all(|line| line.ends_with(b"\r\n") || !line.ends_with(b"\n"));
        let bare = |line: &[u8]| {
            let line = line.strip_suffix(b"\n").map_or(line, |line| match line.strip_suffix(b"\r") {
                Some(line) if is_dos => line,
                _ => line,
            });
            bytes_to_json(line)
        };
        let shown = if is_shown { lines().map(bare).collect() } else { Vec::new() };
        let ended = content.last().is_none_or(|byte| *byte == b'\n');
        (shown, if is_dos { "crlf" } else { "lf" }, ended)
    }
}

/// Reads the base's and the checkpoint's side.
fn sides(
    repository: &Repository,
    known: Option<(Option<Entry>, Option<Entry>)>,
    base_tree: &str,
    commit: &str,
    path: &[u8],
) -> Result<(Side, Side), GitError> {
    let (old, new) = match known {
        Some(known) => known,
        None => {
            let (base, commit): (ObjectId, ObjectId) = (base_tree.parse()?, commit.parse()?);
            (repository.entry(&base, path)?, repository.entry(&commit, path)?)
        }
    };
    let mut blobs = BlobReader::open(repository).with_limit(LARGEST);
    let mut side = |entry: Option<Entry>| {
        let Some(entry) = entry.filter(|entry| entry.mode != FileMode::Commit) else {
            return Ok(Side::Missing);
        };
        let mut side = Side::Missing;
        blobs.read_all(&[&entry.id], |_, blob| {
            side = match blob {
                Blob::Content(content) => Side::Content(entry.mode, content),
                Blob::TooLarge(_) => Side::TooBig(entry.mode),
            };
        })?;
        Ok::<Side, GitError>(side)
    };
    Ok((side(old)?, side(new)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(content: &[u8]) -> (Vec<Value>, &'static str, bool) {
        Side::Content(FileMode::Regular, content.to_vec()).lines(true)
    }

    #[test]
    fn what_ends_lines_is_told_apart_from_them() {
        assert_eq!(lines(b"a\nb\n"), (vec![json!("a"), json!("b")], "lf", true));
        assert_eq!(lines(b"a\r\nb"), (vec![json!("a"), json!("b")], "crlf", false));
        assert_eq!(lines(b"a\r\nb\n"), (vec![json!("a\r"), json!("b")], "lf", true));
        assert_eq!(lines(b""), (vec![], "lf", true));
        assert_eq!(lines(b"\xff\n"), (vec![json!({"b64": "/w=="})], "lf", true));
    }
}
