//! What a worktree needs besides its files: the post-checkout hook, ignored files to bring along, the mark of completion.

use std::fs;
use std::path::{Path, PathBuf};

use super::copy::{self, Manner, for_each};
use super::create::{Created, Options};
use super::strategy::Strategy;
use super::{Worktree, include};
use crate::command::post_checkout_hook;
use crate::{GitError, ObjectId, Repository};

/// Runs the hook, brings ignored files along and marks the worktrees complete.
pub(super) fn finish(
    repository: &Repository,
    commit: &ObjectId,
    made: Vec<Result<(Worktree, Strategy), GitError>>,
    hook: Result<Option<PathBuf>, GitError>,
    options: &Options,
) -> Vec<Result<Created, GitError>> {
    let mut created: Vec<Result<Created, GitError>> = made
        .into_iter()
        .map(|made| {
            made.map(|(worktree, strategy)| Created { worktree, strategy, included: 0, warnings: Vec::new() })
        })
        .collect();
    if options.hook {
        run_hooks(repository, commit, hook, &mut created);
    }
    if options.include {
        include_files(repository, &mut created);
    }
    for result in &mut created {
        if let Ok(one) = result
            && let Err(error) = one.worktree.mark_ready()
        {
            *result = Err(error);
        }
    }
    created
}

fn run_hooks(
    repository: &Repository,
    commit: &ObjectId,
    hook: Result<Option<PathBuf>, GitError>,
    created: &mut [Result<Created, GitError>],
) {
    let hook = match hook {
        Ok(Some(hook)) => hook,
        Ok(None) => return,
        Err(error) => {
            for one in created.iter_mut().flatten() {
                one.warnings.push(format!("the post-checkout hook did not run: {error}"));
            }
            return;
        }
    };
    let paths: Vec<PathBuf> = created.iter().flatten().map(|one| one.worktree.path().to_owned()).collect();
    let ended = for_each(paths.len(), |number| {
        let path = paths.get(number).map_or(Path::new(""), PathBuf::as_path);
        post_checkout_hook(repository.program(), &hook, path, commit.as_str())
    });
    for (one, ended) in created.iter_mut().flatten().zip(ended) {
        match ended {
            Ok(status) if status.success() => {}
            Ok(status) => one.warnings.push(format!("the post-checkout hook failed ({status})")),
            Err(error) => one.warnings.push(format!("the post-checkout hook did not run: {error}")),
        }
    }
}

/// Finds the post-checkout hook, if there is one that can be run.
pub(super) fn hook_path(repository: &Repository) -> Result<Option<PathBuf>, GitError> {
    use std::os::unix::fs::PermissionsExt as _;
    let words = ["rev-parse", "--path-format=absolute", "--git-path", "hooks/post-checkout"];
    let hook = crate::command::printed_path(repository.git().with_hooks().args(words).run()?);
    let runs = fs::metadata(&hook).is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0);
    Ok(runs.then_some(hook))
}

fn include_files(repository: &Repository, created: &mut [Result<Created, GitError>]) {
    let files = match include::files(repository) {
        Ok(files) if files.is_empty() => return,
        Ok(files) => files,
        Err(error) => {
            for one in created.iter_mut().flatten() {
                one.warnings.push(format!("nothing of .worktreeinclude was brought along: {error}"));
            }
            return;
        }
    };
    let paths: Vec<PathBuf> = created.iter().flatten().map(|one| one.worktree.path().to_owned()).collect();
    let targets: Vec<&Path> = paths.iter().map(PathBuf::as_path).collect();
    let manner = Manner { modified: None, keep_existing: true };
    match copy::copy(repository.worktree(), &files, &targets, manner) {
        Ok(outcomes) => {
            for (one, outcome) in created.iter_mut().flatten().zip(outcomes) {
                one.included = outcome.stats.len();
                one.warnings.extend(outcome.error.map(|error| format!("not all was brought along: {error}")));
            }
        }
        Err(error) => {
            for one in created.iter_mut().flatten() {
                one.warnings.push(format!("not all of .worktreeinclude was brought along: {error}"));
            }
        }
    }
}
