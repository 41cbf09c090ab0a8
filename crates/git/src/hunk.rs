//! Hunks: the single changes a human decides on, with an identity that outlives what happens around them.

use std::collections::HashMap;
use std::fmt;

use crate::diff::{Entry, FileChange};
use crate::lines::{Lines, Text, changed_runs};
use crate::{FileMode, show};

/// Lines of context kept on each side of a hunk.
const CONTEXT: usize = 3;
/// Longest heading, in bytes, as in git.
const LONGEST_HEADING: usize = 80;
/// How far into a file git looks for a NUL byte, which makes it binary.
const BINARY_PROBE: usize = 8_000;

/// Names a hunk: the same for the same change by the same agent to the same file, wherever in the file it has moved.
///
/// It is made from the scope, the path, the lines removed and added, and the hunk's place among equals. Lines that are
/// only put in or only taken out count in a fixed rotation, since where such a run begins is often open (a new
/// function between others may begin with its own brace or with that of the one before) and may turn out otherwise
/// when something around it changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HunkId([u8; 6]);

impl fmt::Display for HunkId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("h_")?;
        write_hex(formatter, &self.0)
    }
}

/// Stands for everything a human saw of a hunk: its kind, path, lines and modes. A decision that carries it
/// cannot hit anything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentHash([u8; 32]);

impl ContentHash {
    /// Gives the bytes of the BLAKE3 hash.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for ContentHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(formatter, &self.0)
    }
}

/// Writes bytes as hexadecimal digits, at most 32 of them; lists of thousands of hunks are full of these.
fn write_hex(formatter: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |value: u8| DIGITS.get(usize::from(value & 15)).copied().unwrap_or(b'0');
    let mut text = [0; 64];
    for (pair, byte) in text.chunks_exact_mut(2).zip(bytes) {
        pair.copy_from_slice(&[digit(byte >> 4), digit(*byte)]);
    }
    let written = text.get(..bytes.len() * 2).unwrap_or(&text);
    formatter.write_str(std::str::from_utf8(written).map_err(|_| fmt::Error)?)
}

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
    let mut maker = Maker { scope, change, binary, equals: HashMap::new() };

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
}

impl Maker<'_> {
    /// Makes a hunk of the whole file.
    fn whole(&mut self, kind: Change, removed: Vec<u8>, added: Vec<u8>) -> Hunk {
        let (removed, added) = (Lines::from(removed), Lines::from(added));
        let (old_lines, new_lines) = if self.binary { (0, 0) } else { (count(&removed), count(&added)) };
        let place = Place { old: 0..old_lines, new: 0..new_lines };
        self.hunk(kind, place, removed, added)
    }

    /// Makes a hunk for each run of changed lines.
    fn runs(&mut self, sides: &Sides, hunks: &mut Vec<Hunk>) {
        let (old, new) = (Text::new(&sides.old), Text::new(&sides.new));
        let mut heading: &[u8] = &[];
        let mut looked_at = 0;
        for run in changed_runs(&sides.old, &sides.new) {
            let (start, end) = (run.before.start as usize, run.before.end as usize);
            for line in looked_at..start {
                let text = old.slice(line..line + 1);
                if text.first().is_some_and(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'$'))
                {
                    heading = text;
                }
            }
            looked_at = start;
            let removed = Lines::from(old.slice(start..end));
            let added = Lines::from(new.slice(run.after.start as usize..run.after.end as usize));
            let mut hunk =
                self.hunk(Change::Lines, Place { old: run.before, new: run.after }, removed, added);
            hunk.before = Lines::from(old.slice(start.saturating_sub(CONTEXT)..start));
            hunk.after = Lines::from(old.slice(end..end + CONTEXT));
            let heading = heading.trim_ascii_end();
            hunk.heading = heading.get(..LONGEST_HEADING).unwrap_or(heading).to_vec();
            hunks.push(hunk);
        }
    }

    fn hunk(&mut self, kind: Change, place: Place, removed: Lines, added: Lines) -> Hunk {
        let change = self.change;
        let mode = |entry: &Option<Entry>| entry.as_ref().map(|entry| entry.mode);
        let (old_mode, new_mode) = (mode(&change.old), mode(&change.new));
        let octal = |mode: Option<FileMode>| mode.map_or("", FileMode::octal).as_bytes();
        let id = |entry: &Option<Entry>| match (kind, entry) {
            // Without the contents at hand, their names stand for them.
            (Change::TooLarge, Some(entry)) => entry.id.as_str().to_owned().into_bytes(),
            _ => Vec::new(),
        };
        let seen = digest(&[
            kind.word().as_bytes(),
            &change.path,
            removed.as_bytes(),
            added.as_bytes(),
            octal(old_mode),
            octal(new_mode),
            &id(&change.old),
            &id(&change.new),
        ]);
        // The modes of a file say nothing about which of its lines changed, so they are not in a line hunk's name.
        let essence = match kind {
            Change::Lines => {
                let (old, new) = if removed.is_empty() || added.is_empty() {
                    (rotated(&removed), rotated(&added))
                } else {
                    (removed.as_bytes().to_vec(), added.as_bytes().to_vec())
                };
                digest(&[kind.word().as_bytes(), &change.path, &old, &new])
            }
            _ => seen,
        };
        let ordinal = self.equals.entry(essence).or_insert(0);
        let name = digest(&[self.scope.as_bytes(), &essence, &ordinal.to_le_bytes()]);
        *ordinal += 1;
        let mut short = [0; 6];
        short.iter_mut().zip(name).for_each(|(to, from)| *to = from);
        let (old_start, old_lines) = place_of(&place.old);
        let (new_start, new_lines) = place_of(&place.new);
        Hunk {
            id: HunkId(short),
            hash: ContentHash(seen),
            path: change.path.clone(),
            change: kind,
            old_mode,
            new_mode,
            old_start,
            old_lines,
            new_start,
            new_lines,
            removed,
            added,
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

/// Gives the lines in the one of their rotations that sorts first, found in linear time by the two-pointer comparison
/// of candidate starts.
fn rotated(lines: &Lines) -> Vec<u8> {
    let all: Vec<&[u8]> = lines.iter().collect();
    let count = all.len();
    let at = |start: usize, step: usize| all.get((start + step) % count.max(1));
    let (mut best, mut other, mut same) = (0, 1, 0);
    while best < count && other < count && same < count {
        match at(best, same).cmp(&at(other, same)) {
            std::cmp::Ordering::Equal => {
                same += 1;
                continue;
            }
            std::cmp::Ordering::Greater => best += same + 1,
            std::cmp::Ordering::Less => other += same + 1,
        }
        if best == other {
            other += 1;
        }
        same = 0;
    }
    let start = best.min(other);
    all.iter().cycle().skip(start).take(count).copied().collect::<Vec<_>>().concat()
}

fn count(lines: &Lines) -> u32 {
    u32::try_from(lines.count()).unwrap_or(u32::MAX)
}

/// Hashes parts, each with its length, so that no two lists of parts run into each other.
fn digest(parts: &[&[u8]]) -> [u8; 32] {
    let length = parts.iter().map(|part| part.len() + size_of::<u64>()).sum();
    let mut input = Vec::with_capacity(length);
    for part in parts {
        input.extend_from_slice(&(part.len() as u64).to_le_bytes());
        input.extend_from_slice(part);
    }
    // In one go: for inputs as short as most hunks, feeding a hasher part by part costs more than hashing.
    *blake3::hash(&input).as_bytes()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rotation_has_one_form() {
        let all: [&[u8]; 6] = [b"b\n", b"a\n", b"a\n", b"c\n", b"a\n", b"b\n"];
        let expected = rotated(&Lines::from(all.concat()));
        assert_eq!(expected, b"a\na\nc\na\nb\nb\n");
        for start in 0..all.len() {
            let (back, front) = all.split_at(start);
            assert_eq!(rotated(&Lines::from([front, back].concat().concat())), expected);
        }
        assert_eq!(rotated(&Lines::default()), b"");
        assert_eq!(rotated(&Lines::from(&b"one"[..])), b"one");
        assert_eq!(rotated(&Lines::from(&b"x\nx\n"[..])), b"x\nx\n");
    }
}
