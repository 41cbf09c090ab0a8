//! `.worktreeinclude`: ignored files that an agent needs nevertheless (`.env`, a cache), named in gitignore syntax.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use ignore::gitignore::{Gitignore, GitignoreBuilder};

use super::copy::SourceFile;
use crate::{GitError, Repository};

/// The file, at the root of the user's worktree.
const NAME: &str = ".worktreeinclude";

/// Lists the files of the user's worktree that git ignores and `.worktreeinclude` names.
pub(super) fn files(repository: &Repository) -> Result<Vec<SourceFile>, GitError> {
    let root = repository.worktree();
    let list = root.join(NAME);
    if !list.is_file() {
        return Ok(Vec::new());
    }
    let mut builder = GitignoreBuilder::new(root);
    if let Some(error) = builder.add(&list) {
        tracing::warn!(%error, "a line of .worktreeinclude is not understood");
    }
    let Ok(wanted) = builder.build() else { return Ok(Vec::new()) };
    // Git names whole ignored directories where it can, so it need not walk them; only what is wanted is walked here.
    let words = ["ls-files", "--others", "--ignored", "--exclude-standard", "--directory", "-z"];
    let ignored = repository.git().args(words).run()?;
    let mut found = Vec::new();
    for name in ignored.split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let path = name.strip_suffix(b"/").unwrap_or(name);
        walk(root, &wanted, path, &mut found);
    }
    Ok(found)
}

fn walk(root: &Path, wanted: &Gitignore, path: &[u8], found: &mut Vec<SourceFile>) {
    let mut waiting = vec![path.to_vec()];
    while let Some(path) = waiting.pop() {
        let relative = Path::new(OsStr::from_bytes(&path));
        let Ok(data) = fs::symlink_metadata(root.join(relative)) else { continue };
        if data.is_dir() {
            for entry in fs::read_dir(root.join(relative)).into_iter().flatten().flatten() {
                // Another repository's own records stay with it.
                if entry.file_name() != ".git" {
                    waiting.push([&path[..], b"/", entry.file_name().as_bytes()].concat());
                }
            }
        } else if wanted.matched_path_or_any_parents(relative, false).is_ignore() {
            found.push(SourceFile { path, expected: None });
        }
    }
}
