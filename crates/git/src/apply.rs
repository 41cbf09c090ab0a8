//! Hunks brought into another version of their file, or taken out again: pure functions on bytes.
//!
//! [`accept`] brings an agent's hunk into the human's file, three-way against the base the agent started from.
//! [`reject`] takes a hunk out of the agent's file, three-way against the checkpoint it was seen in. Both leave
//! alone what else was edited there, and refuse with a [`Reason`] where they would have to guess.

use std::fmt;

use crate::FileMode;
use crate::files::File;
use crate::hunk::{Change, Hunk, is_binary};
use crate::lines::{Text, changed_runs};
use crate::merge::{Merge, Region, merge3};

/// What came of applying a hunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Applied {
    /// The file as it has to be now; `None` when it has to go.
    Changed(Option<File>),
    /// The file already is so.
    Already,
    /// It cannot be done without guessing; nothing has to be written.
    Conflict(Reason),
}

/// Says why a hunk does not go in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// The same lines were changed differently. The regions' base is the file the hunk was made for.
    SameLines(Vec<Region>),
    /// The file is not there any more.
    FileMissing,
    /// A file of that name is there already, with another content.
    FileExists,
    /// The file to be deleted was changed.
    FileChanged,
    /// The binary content was changed differently.
    BinaryChanged,
    /// The file's kind or mode was changed differently.
    ModeChanged,
    /// The hunk is not one of the given version of the file.
    NotOfThisFile,
    /// It moves another repository to another commit, which only the human can do.
    OtherRepository,
    /// The content is too large to be held in memory.
    TooLarge,
    /// It has no lines that could be decided on alone.
    Whole,
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::SameLines(regions) => {
                formatter.write_str("the same lines were changed differently")?;
                if let Some(region) = regions.first() {
                    let line = region.ours.start + 1;
                    write!(
                        formatter,
                        " at line {line}; edit them by hand, or change them back and try again"
                    )?;
                }
                Ok(())
            }
            Reason::FileMissing => {
                formatter.write_str("the file is not there any more; bring it back and try again")
            }
            Reason::FileExists => {
                formatter.write_str("another file of that name is there already; move it away and try again")
            }
            Reason::FileChanged => formatter
                .write_str("the file that would be deleted was changed; delete it by hand if that is meant"),
            Reason::BinaryChanged => {
                formatter.write_str("the binary file was changed here too; pick one version by hand")
            }
            Reason::ModeChanged => {
                formatter.write_str("the file's kind or mode was changed here too; pick one by hand")
            }
            Reason::NotOfThisFile => {
                formatter.write_str("the hunk is not one of this version of the file; list the hunks again")
            }
            Reason::OtherRepository => formatter.write_str(
                "it moves a submodule or nested repository to another commit; check that commit out by hand",
            ),
            Reason::Whole => formatter.write_str("it can only be decided on whole; leave its lines out"),
            Reason::TooLarge => formatter
                .write_str("the file is too large to be merged here; copy it from the agent's worktree"),
        }
    }
}

/// Applies line hunks, in any order, to the version of the file they were made for.
///
/// # Errors
/// [`Reason::NotOfThisFile`] when a hunk's old lines do not stand where it says, or two hunks overlap.
pub fn apply_hunks(base: &[u8], hunks: &[&Hunk]) -> Result<Vec<u8>, Reason> {
    let mut hunks: Vec<&Hunk> = hunks.to_vec();
    hunks.sort_by_key(|hunk| (hunk.old_range().start, hunk.old_range().end));
    let text = Text::new(base);
    let mut result = Vec::with_capacity(base.len());
    let mut position = 0;
    for hunk in hunks {
        let range = hunk.old_range();
        let stands_there = text.slice(range.clone()) == hunk.removed.as_bytes();
        if hunk.change != Change::Lines || range.start < position || range.end > text.count() || !stands_there
        {
            return Err(Reason::NotOfThisFile);
        }
        result.extend_from_slice(text.slice(position..range.start));
        result.extend_from_slice(hunk.added.as_bytes());
        position = range.end;
    }
    result.extend_from_slice(text.slice(position..text.count()));
    Ok(result)
}

/// Applies hunks of any kind to the version of the file they were made for; `None` stands for no file.
///
/// # Errors
/// A [`Reason`] when a hunk is not one of this file, or cannot be applied at all.
pub fn apply_to_file(base: Option<&File>, hunks: &[&Hunk]) -> Result<Option<File>, Reason> {
    let mut file = base.cloned();
    let lines: Vec<&Hunk> = hunks.iter().copied().filter(|hunk| hunk.change == Change::Lines).collect();
    if !lines.is_empty() {
        let file = file.as_mut().ok_or(Reason::NotOfThisFile)?;
        file.content = apply_hunks(&file.content, &lines)?;
    }
    for hunk in hunks {
        let is_old =
            |file: &Option<File>| file.as_ref().is_some_and(|file| file.content == hunk.removed.as_bytes());
        match hunk.change {
            Change::Lines => {}
            Change::Commit => return Err(Reason::OtherRepository),
            Change::TooLarge => return Err(Reason::TooLarge),
            Change::Mode => {
                let file = file.as_mut().ok_or(Reason::NotOfThisFile)?;
                file.mode = hunk.new_mode.ok_or(Reason::NotOfThisFile)?;
            }
            Change::Added if file.is_none() => file = Some(new_file(hunk)?),
            Change::Deleted if is_old(&file) => file = None,
            Change::Replaced if is_old(&file) => file = Some(new_file(hunk)?),
            Change::Binary if is_old(&file) => {
                if let Some(file) = file.as_mut() {
                    file.content = hunk.added.as_bytes().to_vec();
                }
            }
            Change::Added | Change::Deleted | Change::Replaced | Change::Binary => {
                return Err(Reason::NotOfThisFile);
            }
        }
    }
    Ok(file)
}

fn new_file(hunk: &Hunk) -> Result<File, Reason> {
    let mode = hunk.new_mode.ok_or(Reason::NotOfThisFile)?;
    Ok(File { mode, content: hunk.added.as_bytes().to_vec() })
}

/// Brings a hunk into the human's version of its file.
///
/// `base` is the file as the agent found it, and what the hunks' old lines refer to; `ours` is the human's, in the
/// form git stores (see [`crate::conversion`]). `accepted_before` are hunks *of the same agent* and base that went in
/// earlier: where the new hunk overlaps or touches one of them it is a later version of it and takes its place.
/// Another agent's hunks are simply part of `ours`.
pub fn accept(base: Option<&File>, accepted_before: &[&Hunk], hunk: &Hunk, ours: Option<&File>) -> Applied {
    let accepted = latest(accepted_before);
    let mut wanted: Vec<&Hunk> =
        accepted.iter().copied().filter(|earlier| !replaces(hunk, earlier)).collect();
    wanted.push(hunk);
    match (apply_to_file(base, &accepted), apply_to_file(base, &wanted)) {
        (Ok(from), Ok(to)) => merge_file(from.as_ref(), ours, to.as_ref()),
        (Err(reason), _) | (_, Err(reason)) => Applied::Conflict(reason),
    }
}

/// Takes a hunk out of the agent's version of its file.
///
/// `checkpoint` is the file in the checkpoint the hunk was seen in; `current` is the file as it is now, in the form
/// git stores.
pub fn reject(checkpoint: Option<&File>, hunk: &Hunk, current: Option<&File>) -> Applied {
    take_out(checkpoint, &hunk.inverse(), current)
}

/// Takes out of the agent's version of its file what an inverse, whole or of a part, takes out of the checkpoint.
pub fn take_out(checkpoint: Option<&File>, inverse: &Hunk, current: Option<&File>) -> Applied {
    match apply_to_file(checkpoint, &[inverse]) {
        Ok(without) => merge_file(checkpoint, current, without.as_ref()),
        Err(reason) => Applied::Conflict(reason),
    }
}

/// Merges two versions of a whole file, its mode and existence included, as `ours` made way for `theirs`.
pub fn merge_file(base: Option<&File>, ours: Option<&File>, theirs: Option<&File>) -> Applied {
    if ours == theirs || base == theirs {
        return Applied::Already;
    }
    if base == ours {
        return Applied::Changed(theirs.cloned());
    }
    let (ours, theirs) = match (ours, theirs) {
        (None, _) => return Applied::Conflict(Reason::FileMissing),
        (Some(_), None) => return Applied::Conflict(Reason::FileChanged),
        (Some(ours), Some(theirs)) => (ours, theirs),
    };
    let Some(base) = base else {
        // Both added it: the same content with another mode is theirs to decide.
        return if ours.content == theirs.content {
            Applied::Changed(Some(theirs.clone()))
        } else {
            Applied::Conflict(Reason::FileExists)
        };
    };
    let Some(mode) = either(&base.mode, &ours.mode, &theirs.mode) else {
        return Applied::Conflict(Reason::ModeChanged);
    };
    let is_link = |file: &File| file.mode == FileMode::Symlink;
    let content = if let Some(content) = either(&base.content, &ours.content, &theirs.content) {
        content.clone()
    } else if is_link(base) || is_link(ours) || is_link(theirs) {
        return Applied::Conflict(Reason::ModeChanged);
    } else if [base, ours, theirs].iter().any(|file| is_binary(&file.content)) {
        return Applied::Conflict(Reason::BinaryChanged);
    } else {
        match merge3(&base.content, &ours.content, &theirs.content) {
            Merge::Clean(content) => content,
            Merge::Conflict(regions) => return Applied::Conflict(Reason::SameLines(regions)),
        }
    };
    let merged = File { mode: *mode, content };
    if merged == *ours { Applied::Already } else { Applied::Changed(Some(merged)) }
}

/// Gives the value that one side alone changed, or both alike; `None` when they contradict each other.
fn either<'a, T: PartialEq>(base: &'a T, ours: &'a T, theirs: &'a T) -> Option<&'a T> {
    if ours == theirs || base == theirs {
        Some(ours)
    } else if base == ours {
        Some(theirs)
    } else {
        None
    }
}

/// Drops the accepted hunks that a later accepted one has taken the place of.
fn latest<'a>(accepted: &[&'a Hunk]) -> Vec<&'a Hunk> {
    let mut kept: Vec<&Hunk> = Vec::with_capacity(accepted.len());
    for hunk in accepted {
        kept.retain(|earlier| !replaces(hunk, earlier));
        kept.push(hunk);
    }
    kept
}

/// Says whether a later hunk of an agent takes the place of an earlier one. Hunks of one comparison never touch,
/// so two that do are two states of the same place.
fn replaces(later: &Hunk, earlier: &Hunk) -> bool {
    match (later.change, earlier.change) {
        (Change::Mode, Change::Mode) => true,
        (Change::Mode, other) | (other, Change::Mode) => !matches!(other, Change::Lines | Change::Binary),
        (Change::Lines, Change::Lines) => {
            let (later, earlier) = (later.old_range(), earlier.old_range());
            later.start <= earlier.end && earlier.start <= later.end
        }
        _ => true,
    }
}

/// A change to an editor's buffer: lines from `start` up to, not including, `end` (from 0) give way to `lines`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineEdit {
    /// First line to go.
    pub start: usize,
    /// The line after the last to go.
    pub end: usize,
    /// What comes in, without line ends.
    pub lines: Vec<Vec<u8>>,
}

/// Gives the edits that turn one text into another, fewest lines touched, from the last to the first: applied in
/// this order, no edit moves the lines of one that follows.
///
/// Lines are compared without their final `\n`, since an editor's buffer has none; whether the last line ends with
/// one is the buffer's own setting.
pub fn line_edits(before: &[u8], after: &[u8]) -> Vec<LineEdit> {
    let ended = |text: &[u8]| {
        let mut text = text.to_vec();
        if text.last().is_some_and(|byte| *byte != b'\n') {
            text.push(b'\n');
        }
        text
    };
    let (before, after) = (ended(before), ended(after));
    let new = Text::new(&after);
    let bare = |line: &[u8]| line.strip_suffix(b"\n").unwrap_or(line).to_vec();
    let edits = changed_runs(&before, &after).into_iter().rev().map(|run| LineEdit {
        start: run.before.start as usize,
        end: run.before.end as usize,
        lines: (run.after.start as usize..run.after.end as usize)
            .map(|line| bare(new.slice(line..line + 1)))
            .collect(),
    });
    edits.collect()
}
