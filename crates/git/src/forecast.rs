//! Conflicts foreseen: what would not merge, found out without touching any worktree.

use crate::command::failure;
use crate::{GitError, ObjectId, Repository};

/// Gives the files in which two commits contradict each other, merged from their common ancestor by git itself,
/// renames and attributes included; empty when they merge cleanly. Writes nothing but objects.
///
/// # Errors
/// What git gives, among it commits without a common ancestor.
pub fn conflicts(
    repository: &Repository,
    one: &ObjectId,
    other: &ObjectId,
) -> Result<Vec<Vec<u8>>, GitError> {
    let words = ["merge-tree", "--write-tree", "--name-only", "--no-messages", "-z"];
    let output = repository.git().args(words).args([one.as_str(), other.as_str()]).output()?;
    match output.status.code() {
        Some(0) => Ok(Vec::new()),
        // The tree's id comes first; without it, git did not get as far as merging.
        Some(1) if !output.stdout.is_empty() => {
            let names = output.stdout.split(|byte| *byte == 0).skip(1).filter(|name| !name.is_empty());
            let mut names: Vec<Vec<u8>> = names.map(<[u8]>::to_vec).collect();
            names.dedup();
            Ok(names)
        }
        _ => Err(failure("merge-tree".to_owned(), &output)),
    }
}
