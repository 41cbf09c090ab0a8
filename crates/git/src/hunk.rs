//! Hunks: the single changes a human decides on, with an identity that outlives what happens around them.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use crate::diff::{Entry, FileChange};
pub use crate::identity::{ContentHash, HunkId};
use crate::identity::{Digest, rotated};
use crate::lines::{self, Lines, Text, changed_runs};
use crate::{FileMode, show};

/// Lines of context kept on each side of a hunk.
const CONTEXT: usize = 3;
/// Longest heading, in bytes, as in git.
const LONGEST_HEADING: usize = 80;
/// How far into a file git looks for a NUL byte, which makes it binary.
const BINARY_PROBE: usize = 8_000;

/// Says what a hunk does to its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Change {
    /// Replaces a run of lines.
    Lines,
    /// Adds the whole file.
    Added,
    /// Deletes the whole file.
    Deleted,
    /// Replaces the content of a binary file.
    Binary,
    /// Makes the file executable, or takes that away.
    Mode,
    /// Replaces the file by one of another kind, such as a symbolic link.
    Replaced,
    /// Moves another repository (a submodule or a nested repository) to another commit. Cannot be applied.
    Commit,
    /// Replaces a content too large to be held. Cannot be applied here.
    TooLarge,
}

impl Change {
    /// Gives the word for it, as in events and on screens.
    pub fn word(self) -> &'static str {
        match self {
            Change::Lines => "lines",
            Change::Added => "added",
            Change::Deleted => "deleted",
            Change::Binary => "binary",
            Change::Mode => "mode",
            Change::Replaced => "replaced",
            Change::Commit => "commit",
            Change::TooLarge => "too_large",
        }
    }

    /// Says whether it concerns the whole content, not a run of lines or the mode.
    pub fn is_whole_file(self) -> bool {
        !matches!(self, Change::Lines | Change::Mode)
    }
}

/// One change, as small as can be decided on alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hunk {
    /// Its name.
    pub id: HunkId,
    /// The hash of what is seen of it.
    pub hash: ContentHash,
    /// Its file, in bytes, with `/` between the parts.
    pub path: Vec<u8>,
    /// What it does.
    pub change: Change,
    /// What kind of file stood there; `None` for an added file.
    pub old_mode: Option<FileMode>,
    /// What kind of file stands there; `None` for a deleted file.
    pub new_mode: Option<FileMode>,
    /// First old line, from 1, as in a unified diff: the line before when no old lines are concerned.
    pub old_start: u32,
    /// How many old lines.
    pub old_lines: u32,
    /// First new line, from 1, as in a unified diff: the line before when no new lines are concerned.
    pub new_start: u32,
    /// How many new lines.
    pub new_lines: u32,
    /// The old lines; the whole old content where the change is of the whole file.
    pub removed: Lines,
    /// The new lines; the whole new content where the change is of the whole file.
    pub added: Lines,
    /// Up to three unchanged lines above.
    pub before: Lines,
    /// Up to three unchanged lines below.
    pub after: Lines,
    /// The nearest line above that begins with a letter, `_` or `$`: mostly the function it is in. May be empty.
    pub heading: Vec<u8>,
    /// Whether a side is not text, so that its lines mean nothing.
    pub binary: bool,
}

impl Hunk {
    /// Counts the lines added; none for a binary file.
    pub fn insertions(&self) -> u32 {
        if self.binary { 0 } else { self.new_lines }
    }

    /// Counts the lines removed; none for a binary file.
    pub fn deletions(&self) -> u32 {
        if self.binary { 0 } else { self.old_lines }
    }

    /// Gives the old lines' range, from 0, end excluded.
    pub(crate) fn old_range(&self) -> std::ops::Range<usize> {
        let first = if self.old_lines == 0 { self.old_start } else { self.old_start.saturating_sub(1) };
        first as usize..first as usize + self.old_lines as usize
    }

    /// Gives the change that undoes this one. Its id and hash stay those of this hunk.
    #[must_use]
    pub fn inverse(&self) -> Hunk {
        let mut inverse = self.clone();
        std::mem::swap(&mut inverse.old_mode, &mut inverse.new_mode);
        std::mem::swap(&mut inverse.old_start, &mut inverse.new_start);
        std::mem::swap(&mut inverse.old_lines, &mut inverse.new_lines);
        std::mem::swap(&mut inverse.removed, &mut inverse.added);
        inverse.change = match self.change {
            Change::Added => Change::Deleted,
            Change::Deleted => Change::Added,
            other => other,
        };
        inverse
    }
}

/// The contents of a changed file.
#[derive(Debug, Default)]
pub(crate) struct Sides {
    pub(crate) old: Vec<u8>,
    pub(crate) new: Vec<u8>,
    /// One of them was too large to read.
    pub(crate) too_large: bool,
}

/// Cuts a file's change into hunks.
pub(crate) fn of_file(scope: &str, change: &FileChange, sides: &Sides) -> Vec<Hunk> {
    let mode = |entry: &Option<Entry>| entry.as_ref().map(|entry| entry.mode);
    let (old_mode, new_mode) = (mode(&change.old), mode(&change.new));
    let is = |wanted| old_mode == Some(wanted) || new_mode == Some(wanted);
    let binary = is_binary(&sides.old) || is_binary(&sides.new);
    let mut maker = Maker { scope, change, binary, equals: HashMap::new(), digest: Digest::default() };

    if is(FileMode::Commit) {
        let line = |entry: &Option<Entry>| match entry {
            Some(Entry { mode: FileMode::Commit, id }) => format!("commit {id}\n").into_bytes(),
            _ => Vec::new(),
        };
        let (removed, added) = (line(&change.old), line(&change.new));
        return vec![maker.whole(Change::Commit, removed, added)];
    }
    if sides.too_large {
        return vec![maker.whole(Change::TooLarge, Vec::new(), Vec::new())];
    }
    let whole = match (old_mode, new_mode) {
        (None, _) => Some(Change::Added),
        (_, None) => Some(Change::Deleted),
        _ if is(FileMode::Symlink) && old_mode != new_mode => Some(Change::Replaced),
        _ if binary && sides.old != sides.new => Some(Change::Binary),
        _ => None,
    };
    let mut hunks = Vec::new();
    match whole {
        Some(kind) => hunks.push(maker.whole(kind, sides.old.clone(), sides.new.clone())),
        None => maker.runs(sides, &mut hunks),
    }
    if old_mode != new_mode && matches!(whole, None | Some(Change::Binary)) {
        hunks.push(maker.whole(Change::Mode, Vec::new(), Vec::new()));
    }
    hunks
}

/// Says whether git would take a content for binary.
pub fn is_binary(content: &[u8]) -> bool {
    content.get(..BINARY_PROBE).unwrap_or(content).contains(&0)
}

/// Makes the hunks of one file, counting equal ones.
struct Maker<'a> {
    scope: &'a str,
    change: &'a FileChange,
    binary: bool,
    equals: HashMap<[u8; 32], u32>,
    digest: Digest,
}

impl Maker<'_> {
    /// Makes a hunk of the whole file.
    fn whole(&mut self, kind: Change, removed: Vec<u8>, added: Vec<u8>) -> Hunk {
        let lines = |text: &[u8]| match self.binary {
            true => 0,
            false => u32::try_from(lines::count(text)).unwrap_or(u32::MAX),
        };
        let place = Place { old: 0..lines(&removed), new: 0..lines(&added) };
        let hunk = self.hunk(kind, place, &removed, &added);
        Hunk { removed: Lines::from(removed), added: Lines::from(added), ..hunk }
    }

    /// Makes a hunk for each run of changed lines.
    fn runs(&mut self, sides: &Sides, hunks: &mut Vec<Hunk>) {
        let (old, new) = (Text::new(&sides.old), Text::new(&sides.new));
        let runs = changed_runs(&sides.old, &sides.new);
        hunks.reserve_exact(runs.len());
        // The lines of all hunks one behind the other, and where those of each end: before, removed, after, added.
        let (mut shared, mut ends) = (Vec::new(), Vec::with_capacity(runs.len()));
        let mut heading: &[u8] = &[];
        let mut looked_at = 0;
        for run in runs {
            let (start, end) = (run.before.start as usize, run.before.end as usize);
            for line in looked_at..start {
                let text = old.slice(line..line + 1);
                if text.first().is_some_and(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'$'))
                {
                    heading = text;
                }
            }
            looked_at = start;
            let removed = old.slice(start..end);
            let added = new.slice(run.after.start as usize..run.after.end as usize);
            let around =
                [start.saturating_sub(CONTEXT)..start, end..end + CONTEXT].map(|lines| old.slice(lines));
            let [before, after] = around;
            ends.push([before, removed, after, added].map(|text| {
                shared.extend_from_slice(text);
                shared.len()
            }));
            let mut hunk =
                self.hunk(Change::Lines, Place { old: run.before, new: run.after }, removed, added);
            let heading = heading.trim_ascii_end();
            hunk.heading = heading.get(..LONGEST_HEADING).unwrap_or(heading).to_vec();
            hunks.push(hunk);
        }
        let shared: Arc<[u8]> = shared.into();
        let mut start = 0;
        for (hunk, [before, removed, after, added]) in hunks.iter_mut().zip(ends) {
            hunk.before = Lines::part_of(&shared, start..before);
            hunk.removed = Lines::part_of(&shared, before..removed);
            hunk.after = Lines::part_of(&shared, removed..after);
            hunk.added = Lines::part_of(&shared, after..added);
            start = added;
        }
    }

    /// Makes a hunk without its lines, which its names are made of.
    fn hunk(&mut self, kind: Change, place: Place, removed: &[u8], added: &[u8]) -> Hunk {
        let change = self.change;
        let mode = |entry: &Option<Entry>| entry.as_ref().map(|entry| entry.mode);
        let (old_mode, new_mode) = (mode(&change.old), mode(&change.new));
        let octal = |mode: Option<FileMode>| mode.map_or("", FileMode::octal).as_bytes();
        let id = |entry: &'_ Option<Entry>| match (kind, entry) {
            // Without the contents at hand, their names stand for them.
            (Change::TooLarge, Some(entry)) => entry.id.as_str().to_owned().into_bytes(),
            _ => Vec::new(),
        };
        let seen = self.digest.of(&[
            kind.word().as_bytes(),
            &change.path,
            removed,
            added,
            octal(old_mode),
            octal(new_mode),
            &id(&change.old),
            &id(&change.new),
        ]);
        // The modes of a file say nothing about which of its lines changed, so they are not in a line hunk's name.
        let essence = match kind {
            Change::Lines if removed.is_empty() || added.is_empty() => {
                let (old, new) = (rotated(removed), rotated(added));
                self.digest.of(&[kind.word().as_bytes(), &change.path, &old, &new])
            }
            Change::Lines => self.digest.of(&[kind.word().as_bytes(), &change.path, removed, added]),
            _ => seen,
        };
        let ordinal = self.equals.entry(essence).or_insert(0);
        let name = self.digest.of(&[self.scope.as_bytes(), &essence, &ordinal.to_le_bytes()]);
        *ordinal += 1;
        let (old_start, old_lines) = place_of(&place.old);
        let (new_start, new_lines) = place_of(&place.new);
        Hunk {
            id: HunkId::beginning_of(&name),
            hash: ContentHash(seen),
            path: change.path.clone(),
            change: kind,
            old_mode,
            new_mode,
            old_start,
            old_lines,
            new_start,
            new_lines,
            removed: Lines::default(),
            added: Lines::default(),
            before: Lines::default(),
            after: Lines::default(),
            heading: Vec::new(),
            binary: self.binary,
        }
    }
}

struct Place {
    old: std::ops::Range<u32>,
    new: std::ops::Range<u32>,
}

/// Gives (start, lines) as in a unified diff.
fn place_of(range: &std::ops::Range<u32>) -> (u32, u32) {
    let lines = range.end - range.start;
    (if lines == 0 { range.start } else { range.start + 1 }, lines)
}

impl fmt::Display for Hunk {
    /// Shows the hunk as one line: its id, place and size, without control characters.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (id, path) = (self.id, show::bytes(&self.path));
        let (start, added, removed) = (self.new_start, self.insertions(), self.deletions());
        match self.change {
            Change::Lines => write!(formatter, "{id} {path}:{start} +{added} -{removed}"),
            other => write!(formatter, "{id} {path} {} +{added} -{removed}", other.word()),
        }
    }
}
