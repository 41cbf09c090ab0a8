//! What an operation is about to change, kept first, so that it can be undone.
//!
//! The files are kept as they are on disk, in a commit under one of orchflow's refs: below `files/` by their paths,
//! for whoever looks with plain git, and listed in `manifest` (`mode path NUL` each, mode 000000 for "no file").

use crate::blob::BlobReader;
use crate::files::{self, File};
use crate::repository::own_ref;
use crate::{FileMode, GitError, ObjectId, Repository};

/// A file as it was; `None` when there was none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The path, in bytes.
    pub path: Vec<u8>,
    /// The file.
    pub file: Option<File>,
}

/// Mode of a path that held no file.
const NO_FILE: &str = "000000";

/// Keeps files as they were before an operation under a ref, in one call of git.
///
/// # Errors
/// [`GitError::RefRefused`], [`GitError::PathRefused`]; what git gives.
pub fn keep(repository: &Repository, ref_name: &str, entries: &[Kept]) -> Result<ObjectId, GitError> {
    own_ref(ref_name)?;
    let mut manifest = Vec::new();
    let mut script = format!(
        "commit {ref_name}\nmark :1\ncommitter orchflow <orchflow@localhost> now\ndata 6\nbefore\ndeleteall\n"
    )
    .into_bytes();
    for (number, entry) in entries.iter().enumerate() {
        files::check_path(&entry.path)?;
        let mode = entry.file.as_ref().map_or(NO_FILE, |file| file.mode.octal());
        manifest.extend_from_slice(mode.as_bytes());
        manifest.push(b' ');
        manifest.extend_from_slice(&entry.path);
        manifest.push(0);
        if let Some(file) = &entry.file {
            if file.mode == FileMode::Commit {
                let reason = "another repository cannot be kept as a file";
                return Err(GitError::PathRefused { path: entry.path.clone(), reason });
            }
            script.extend_from_slice(format!("M {mode} inline ").as_bytes());
            script.extend_from_slice(&quoted(b"files/", &entry.path));
            data(&mut script, &file.content);
            // A later path may need an earlier one's name as a folder, so each is there by its number as well.
            script.extend_from_slice(format!("M 100644 inline contents/{number}").as_bytes());
            data(&mut script, &file.content);
        }
    }
    script.extend_from_slice(b"M 100644 inline manifest");
    data(&mut script, &manifest);
    script.extend_from_slice(b"get-mark :1\ndone\n");
    let words = ["fast-import", "--quiet", "--force", "--done", "--date-format=now"];
    ObjectId::from_bytes(&repository.git().args(words).input(&script).run()?)
}

/// Reads back what [`keep`] kept, from the commit it gave.
///
/// # Errors
/// [`GitError::NoObject`] when it is gone; what git gives.
pub fn read_kept(repository: &Repository, commit: &ObjectId) -> Result<Vec<Kept>, GitError> {
    let gone = || GitError::NoObject { object: format!("{commit}:manifest") };
    let manifest = repository.file(commit, b"manifest")?.ok_or_else(gone)?;
    let words = ["ls-tree", "-z", "--full-tree", commit.as_str(), "--", "contents/"];
    let listing = repository.git().args(words).run()?;
    let mut blobs = BlobReader::open(repository);
    let mut kept = Vec::new();
    for (number, record) in manifest.content.split(|byte| *byte == 0).enumerate() {
        let Some((mode, path)) = record.split_at_checked(NO_FILE.len()) else { continue };
        let path = path.strip_prefix(b" ").unwrap_or(path).to_vec();
        files::check_path(&path)?;
        let file = match FileMode::from_octal(mode) {
            None => None,
            Some(mode) => {
                let id = find(&listing, number).ok_or_else(gone)?;
                Some(File { mode, content: blobs.read(&id)? })
            }
        };
        kept.push(Kept { path, file });
    }
    Ok(kept)
}

/// Finds `contents/NUMBER` in what `ls-tree -z` printed.
fn find(listing: &[u8], number: usize) -> Option<ObjectId> {
    let wanted = format!("\tcontents/{number}");
    let mut records = listing.split(|byte| *byte == 0);
    let record = records.find(|record| record.ends_with(wanted.as_bytes()))?;
    ObjectId::from_bytes(record.strip_suffix(wanted.as_bytes())?.rsplit(|byte| *byte == b' ').next()?).ok()
}

/// Puts a path in quotes, as `git fast-import` reads it.
fn quoted(prefix: &[u8], path: &[u8]) -> Vec<u8> {
    let mut text = vec![b'"'];
    for byte in prefix.iter().chain(path) {
        match byte {
            b'"' | b'\\' => text.extend_from_slice(&[b'\\', *byte]),
            b' '..=b'~' => text.push(*byte),
            other => text.extend_from_slice(format!("\\{other:03o}").as_bytes()),
        }
    }
    text.push(b'"');
    text
}

fn data(script: &mut Vec<u8>, content: &[u8]) {
    script.extend_from_slice(format!("\ndata {}\n", content.len()).as_bytes());
    script.extend_from_slice(content);
    script.push(b'\n');
}
