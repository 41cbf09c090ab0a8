//! Making worktrees, many at once.
//!
//! Git makes the records (`worktree add --no-checkout`), the files come from a template that git checked out, and the
//! index is exact, so that the first `git status` has nothing to read. Where a template will not do, or anything does
//! not turn out as it must, `git worktree add` does the whole.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread::ScopedJoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::Timespec;

use super::copy::{self, Manner, Outcome, for_each};
use super::finish::{finish, hook_path};
use super::remove::{discard, forget};
use super::strategy::{Strategy, Why};
use super::template::{self, Found, Template};
use super::{LOCK_REASON, Worktree, find, guard_main, instant, met_another};
use crate::command::failure;
use crate::{GitError, ObjectId, Repository};

/// How often git is asked for a worktree when it stumbles over another that is being made.
const ATTEMPTS: u32 = 6;

/// One worktree to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorktreeRequest {
    /// Where; must not exist yet, or be an empty folder.
    pub path: PathBuf,
    /// What it starts from.
    pub commit: ObjectId,
}

/// How worktrees are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Where templates are kept, best on the file system of the worktrees.
    pub templates: PathBuf,
    /// Where what has to make way is moved, on the same file system.
    pub trash: PathBuf,
    /// Whether git itself checks each copied worktree, which costs it a `git status`.
    pub verify: bool,
    /// Whether the repository's post-checkout hook runs, as `git worktree add` would run it.
    pub hook: bool,
    /// Whether `.worktreeinclude` is followed.
    pub include: bool,
    /// Whether git makes every worktree alone.
    pub plain: bool,
    /// Whether worktrees may be overlays over a template where this process may mount. Such a worktree costs no time
    /// and no space, but does not outlive a reboot by itself: it is mounted again when it is opened here, and until
    /// then its folder looks empty to everybody else.
    pub overlay: bool,
}

impl Options {
    /// Keeps templates and trash in a folder, beside the worktrees; everything else as a user expects it.
    pub fn in_folder(folder: &Path) -> Self {
        Options {
            templates: folder.join("templates"),
            trash: folder.join("trash"),
            verify: false,
            hook: true,
            include: true,
            plain: false,
            overlay: false,
        }
    }
}

/// A worktree that stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Created {
    /// The worktree.
    pub worktree: Worktree,
    /// How its files were made.
    pub strategy: Strategy,
    /// How many ignored files `.worktreeinclude` brought along.
    pub included: usize,
    /// What did not go as it should and does no harm: a hook that failed, a file that could not be brought along.
    pub warnings: Vec<String>,
}

/// Makes worktrees, detached at their commits and locked, and gives for each how it went, in order.
///
/// A worktree that an earlier call completed is found again; one that a crash left half made is made anew.
///
/// # Errors
/// For each request on its own: [`GitError::MainWorktree`], [`GitError::NotOurs`] when another worktree is there, what
/// git gives when the path is taken or the commit does not exist. What failed leaves nothing behind.
pub fn create(
    repository: &Repository,
    requests: &[WorktreeRequest],
    options: &Options,
) -> Vec<Result<Created, GitError>> {
    let mut results: Vec<Option<Result<Created, GitError>>> =
        requests.iter().map(|request| existing(repository, request, options).transpose()).collect();
    let mut by_commit: BTreeMap<&ObjectId, Vec<usize>> = BTreeMap::new();
    for (number, request) in requests.iter().enumerate() {
        if results.get(number).is_some_and(Option::is_none) {
            by_commit.entry(&request.commit).or_default().push(number);
        }
    }
    for (commit, numbers) in by_commit {
        let paths: Vec<&Path> =
            numbers.iter().filter_map(|number| requests.get(*number)).map(|request| &*request.path).collect();
        for (number, result) in numbers.iter().zip(create_of(repository, commit, &paths, options)) {
            if let Some(place) = results.get_mut(*number) {
                *place = Some(result);
            }
        }
    }
    let lost = || Err(GitError::Unreadable { command: "worktree add", detail: "expected a result each" });
    results.into_iter().map(|result| result.unwrap_or_else(lost)).collect()
}

/// Makes the template of a commit ahead of time, and says whether there is one to copy from.
///
/// # Errors
/// [`GitError::NoObject`] for an unknown commit; what git gives.
pub fn prepare(repository: &Repository, commit: &ObjectId, options: &Options) -> Result<bool, GitError> {
    Ok(matches!(template::find(repository, commit, &options.templates, true)?, Found::Template(_)))
}

/// Finds a worktree an earlier call made; removes one it did not complete.
fn existing(
    repository: &Repository,
    request: &WorktreeRequest,
    options: &Options,
) -> Result<Option<Created>, GitError> {
    guard_main(repository, &request.path)?;
    if find(repository, &request.path)?.is_none() {
        return Ok(None);
    }
    let worktree = Worktree::known(repository, &request.path)?;
    if worktree.is_ready() && worktree.path().is_dir() && instant::ensure_mounted(&worktree).is_ok() {
        return Ok(Some(Created { worktree, strategy: Strategy::Found, included: 0, warnings: Vec::new() }));
    }
    discard_half_made(repository, &worktree, options)?;
    Ok(None)
}

fn discard_half_made(
    repository: &Repository,
    worktree: &Worktree,
    options: &Options,
) -> Result<(), GitError> {
    instant::release(worktree, &options.trash)?;
    discard(worktree.path(), &options.trash)?;
    forget(repository, worktree)
}

fn create_of(
    repository: &Repository,
    commit: &ObjectId,
    paths: &[&Path],
    options: &Options,
) -> Vec<Result<Created, GitError>> {
    std::thread::scope(|threads| {
        // Git says where its hooks are while the files are made.
        let hook = options.hook.then(|| threads.spawn(|| hook_path(repository)));
        let made = make(repository, commit, paths, options);
        let hook = hook.map_or(Ok(None), joined);
        finish(repository, commit, made, hook, options)
    })
}

fn joined<T>(handle: ScopedJoinHandle<'_, T>) -> T {
    handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

fn make(
    repository: &Repository,
    commit: &ObjectId,
    paths: &[&Path],
    options: &Options,
) -> Vec<Result<(Worktree, Strategy), GitError>> {
    if options.plain {
        return all_plain(repository, commit, paths, Why::Wanted);
    }
    // Where a template is to be expected, git makes its records while we look for it.
    let (records, found) = std::thread::scope(|threads| {
        let expected = template::is_expected(&options.templates);
        let records = expected.then(|| threads.spawn(|| all_records(repository, commit, paths)));
        let found = template::find(repository, commit, &options.templates, paths.len() > 1);
        (records.map(joined), found)
    });
    let why = match found {
        Ok(Found::Template(template)) => {
            let records = records.unwrap_or_else(|| all_records(repository, commit, paths));
            return from_template(repository, commit, paths, records, &template, options);
        }
        Ok(Found::Absent) => Why::Single,
        Ok(Found::Unsuited(why)) => why,
        Err(error) => {
            tracing::warn!(%error, "no template, git makes each worktree alone");
            Why::Template
        }
    };
    for worktree in records.into_iter().flatten().flatten() {
        if let Err(error) = discard_half_made(repository, &worktree, options) {
            tracing::warn!(%error, "a worktree's record that was made too early stays");
        }
    }
    all_plain(repository, commit, paths, why)
}

/// Lets git make the records of worktrees, without their files.
fn all_records(
    repository: &Repository,
    commit: &ObjectId,
    paths: &[&Path],
) -> Vec<Result<Worktree, GitError>> {
    for_each(paths.len(), |number| {
        add(repository, commit, paths.get(number).copied().unwrap_or(Path::new("")), false)
    })
}

fn all_plain(
    repository: &Repository,
    commit: &ObjectId,
    paths: &[&Path],
    why: Why,
) -> Vec<Result<(Worktree, Strategy), GitError>> {
    for_each(paths.len(), |number| {
        let path = paths.get(number).copied().unwrap_or(Path::new(""));
        Ok((add(repository, commit, path, true)?, Strategy::Plain(why)))
    })
}

/// Lets git make a worktree, with or without its files.
fn add(
    repository: &Repository,
    commit: &ObjectId,
    path: &Path,
    checkout: bool,
) -> Result<Worktree, GitError> {
    let words = ["worktree", "add", "--quiet", "--detach", "--lock", "--reason", LOCK_REASON];
    let how = if checkout { "--checkout" } else { "--no-checkout" };
    // The hook is run later, for every way alike.
    let mut attempt = 0;
    loop {
        attempt += 1;
        let git = repository.git().args(words).arg(how);
        let output = git.arg(path).arg(commit.as_str()).output()?;
        if output.status.success() {
            return Worktree::open(repository, path);
        }
        if attempt == ATTEMPTS || !met_another(&output) {
            return Err(failure("worktree add".to_owned(), &output));
        }
        std::thread::sleep(Duration::from_millis(1 << attempt));
    }
}

/// Fills worktrees from a template; those that do not come out right are made by git.
fn from_template(
    repository: &Repository,
    commit: &ObjectId,
    paths: &[&Path],
    added: Vec<Result<Worktree, GitError>>,
    template: &Template,
    options: &Options,
) -> Vec<Result<(Worktree, Strategy), GitError>> {
    let mut made: Vec<Option<Strategy>> =
        added.iter().map(|added| instantly(repository, template, added.as_ref().ok()?, options)).collect();
    let rest: Vec<(usize, &Path)> = added
        .iter()
        .enumerate()
        .filter(|(number, _)| made.get(*number) == Some(&None))
        .filter_map(|(number, added)| Some((number, added.as_ref().ok()?.path())))
        .collect();
    let targets: Vec<&Path> = rest.iter().map(|(_, path)| *path).collect();
    let outcomes = copy_all(template, &targets, options);
    for ((number, _), outcome) in rest.iter().zip(&outcomes) {
        if let Some(Ok(worktree)) = added.get(*number)
            && write_index(worktree, template, outcome)
            && let Some(place) = made.get_mut(*number)
        {
            *place = Some(Strategy::Copy);
        }
    }
    for_each(paths.len(), |number| {
        let again = |path: &Path| Ok((add(repository, commit, path, true)?, Strategy::Plain(Why::Mismatch)));
        match added.get(number) {
            Some(Ok(worktree)) => match made.get(number) {
                Some(Some(strategy)) if !options.verify || is_clean(repository, worktree) => {
                    Ok((worktree.clone(), *strategy))
                }
                _ => {
                    discard_half_made(repository, worktree, options)?;
                    again(worktree.path())
                }
            },
            // Git refused this path; it will say why again.
            failed => {
                if let Some(Err(error)) = failed {
                    tracing::warn!(%error, "a worktree's record cannot be made");
                }
                again(paths.get(number).copied().unwrap_or(Path::new("")))
            }
        }
    })
}

/// Makes a worktree's files without copying, where the file system can or the caller allows it.
fn instantly(
    repository: &Repository,
    template: &Template,
    worktree: &Worktree,
    options: &Options,
) -> Option<Strategy> {
    let made = if instant::is_subvolume(&template.tree) {
        instant::snapshot(repository.program(), template, worktree).ok().map(|()| Strategy::Snapshot)
    } else if options.overlay {
        let made = instant::overlay(template, worktree);
        made.inspect_err(|error| tracing::info!(%error, "no overlay")).ok().map(|()| Strategy::Overlay)
    } else {
        None
    }?;
    // The files are the template's own to `stat`, so its index is right as it is.
    let index = worktree.git_directory().join("index");
    let written = fs::write(&index, template.index.bytes());
    written.inspect_err(|error| tracing::warn!(%error, "an index cannot be written")).ok().map(|()| made)
}

/// Copies the template's files into all targets; gives nothing when the template is no good any more.
fn copy_all(template: &Template, targets: &[&Path], options: &Options) -> Vec<Outcome> {
    if targets.is_empty() {
        return Vec::new();
    }
    // Older than the index by more than a second, so that git never has to doubt whether a file changed while the
    // index was written. A later edit has a later time.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::from_secs(2));
    let modified = Timespec { tv_sec: now.as_secs().saturating_sub(2) as i64, tv_nsec: 0 };
    let manner = Manner { modified: Some(modified), keep_existing: false };
    copy::copy(&template.tree, &template.files, targets, manner).unwrap_or_else(|error| {
        tracing::warn!(%error, "a template cannot be copied from");
        if let Some(folder) = template.tree.parent()
            && let Err(error) = template::discard(&options.templates, folder)
        {
            tracing::warn!(%error, "a damaged template stays");
        }
        Vec::new()
    })
}

/// Gives a copied worktree its index; `false` when the copy is not whole.
fn write_index(worktree: &Worktree, template: &Template, outcome: &Outcome) -> bool {
    if let Some(error) = &outcome.error {
        tracing::warn!(%error, "a worktree cannot be copied");
        return false;
    }
    let index = worktree.git_directory().join("index");
    let Some(bytes) = template.index.rewritten(&outcome.stats) else {
        tracing::warn!(copied = outcome.stats.len(), "a worktree lacks files of its template");
        return false;
    };
    let written = fs::write(&index, bytes);
    written.inspect_err(|error| tracing::warn!(%error, "an index cannot be written")).is_ok()
}

/// Asks git whether a worktree differs from its commit in anything.
fn is_clean(repository: &Repository, worktree: &Worktree) -> bool {
    let git = crate::command::Git::new(repository.program());
    let git = git.on(worktree.git_directory(), worktree.path());
    let status = git.args(["status", "--porcelain", "-z", "--untracked-files=all"]).run();
    match status {
        Ok(output) if output.is_empty() => true,
        Ok(_) => {
            tracing::warn!("git finds a copied worktree changed");
            false
        }
        Err(error) => {
            tracing::warn!(%error, "git cannot check a copied worktree");
            false
        }
    }
}
