//! Hunks as events name them: what was decided on, which of its lines, what was shown.

use serde::{Deserialize, Serialize};

use super::payload::Bytes;
use crate::{AgentKey, RunId};

/// A hunk as a decision names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HunkRef {
    /// Its identity, which survives edits around it.
    pub id: String,
    /// The hash of the content the human saw, in hex.
    pub hash: String,
    /// The agent whose it is, as `RUN/NAME`.
    pub agent: AgentKey,
    /// Its file.
    pub path: Bytes,
    /// The line in the base it begins at, from 1.
    pub line: u32,
    /// The line of its agent's version it stands at, from 1, as lists name it. Older events do not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_line: Option<u32>,
    /// Lines it adds.
    pub insertions: u32,
    /// Lines it removes.
    pub deletions: u32,
    /// The checkpoint it was seen in.
    pub checkpoint: String,
    /// The lines that are meant; all of them when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lines: Option<HunkLines>,
}

impl HunkRef {
    /// Gives the run of the hunk's agent.
    pub fn run(&self) -> RunId {
        self.agent.run
    }

    /// Gives the line by which people are told of it.
    pub fn told_line(&self) -> u32 {
        self.agent_line.unwrap_or(self.line)
    }

    /// Tells whether another names the same content of the same hunk, whichever of its lines.
    pub fn is_same_content(&self, other: &HunkRef) -> bool {
        self.id == other.id && self.hash == other.hash
    }

    /// Gives all of its lines.
    pub fn all_lines(&self) -> HunkLines {
        HunkLines { added: (1..=self.insertions).collect(), removed: (1..=self.deletions).collect() }
    }
}

/// Some lines of a hunk, counted from 1 on each side, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HunkLines {
    /// Which of the lines it adds.
    #[serde(default)]
    pub added: Vec<u32>,
    /// Which of the lines it removes.
    #[serde(default)]
    pub removed: Vec<u32>,
}

impl HunkLines {
    /// Puts line numbers in order, each once.
    #[must_use]
    pub fn in_order(mut self) -> HunkLines {
        for side in [&mut self.added, &mut self.removed] {
            side.sort_unstable();
            side.dedup();
        }
        self
    }

    /// Tells whether there are none.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty()
    }

    /// Gives these and others together.
    #[must_use]
    pub fn with(&self, other: &HunkLines) -> HunkLines {
        let join = |one: &[u32], two: &[u32]| [one, two].concat();
        HunkLines { added: join(&self.added, &other.added), removed: join(&self.removed, &other.removed) }
            .in_order()
    }

    /// Gives these but for others.
    #[must_use]
    pub fn without(&self, other: &HunkLines) -> HunkLines {
        let left = |one: &[u32], two: &[u32]| -> Vec<u32> {
            one.iter().copied().filter(|line| two.binary_search(line).is_err()).collect()
        };
        HunkLines { added: left(&self.added, &other.added), removed: left(&self.removed, &other.removed) }
    }

    /// Tells whether others are all among these.
    pub fn covers(&self, other: &HunkLines) -> bool {
        other.without(self).is_empty()
    }

    /// Tells whether some of others are among these.
    pub fn meets(&self, other: &HunkLines) -> bool {
        other.without(self) != *other
    }
}

/// Says how a list of lines is written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} names no lines; +1-3,-2 means the added lines 1 to 3 and the second removed one")]
pub struct UnreadableLines(String);

/// The most lines one list may name; a hunk that is shown has fewer.
const MOST_LINES: usize = 100_000;

impl std::str::FromStr for HunkLines {
    type Err = UnreadableLines;

    /// Reads `+1-3,-2`: added lines 1 to 3, and the second removed one.
    fn from_str(text: &str) -> Result<HunkLines, UnreadableLines> {
        let wrong = || UnreadableLines(text.to_owned());
        let mut lines = HunkLines::default();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (side, numbers) = match (part.strip_prefix('+'), part.strip_prefix('-')) {
                (Some(numbers), _) => (&mut lines.added, numbers),
                (_, Some(numbers)) => (&mut lines.removed, numbers),
                _ => return Err(wrong()),
            };
            let (first, last) = numbers.split_once('-').unwrap_or((numbers, numbers));
            let number = |digits: &str| digits.parse::<u32>().ok().filter(|number| *number > 0);
            let (first, last) = number(first).zip(number(last)).ok_or_else(wrong)?;
            if first > last || (last - first) as usize >= MOST_LINES.saturating_sub(side.len()) {
                return Err(wrong());
            }
            side.extend(first..=last);
        }
        if lines.is_empty() { Err(wrong()) } else { Ok(lines.in_order()) }
    }
}

/// A hunk as it was shown, with its place, so that another content of the same place is known for a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenHunk {
    /// Its identity.
    pub id: String,
    /// The hash of its content, in hex.
    pub hash: String,
    /// The agent whose it is.
    pub agent: AgentKey,
    /// Its file.
    pub path: Bytes,
    /// Where in the base it stands.
    pub place: HunkPlace,
}

/// Where a hunk stands in the base of its file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HunkPlace {
    /// What it does: `lines`, `mode`, or something to the whole file.
    pub change: String,
    /// First old line, as in a unified diff.
    pub start: u32,
    /// How many old lines.
    pub lines: u32,
}

impl HunkPlace {
    /// Tells whether two changes to one file stand in one place: hunks of one comparison never touch, so two
    /// that do are two states of the same change.
    pub fn is_same(&self, other: &HunkPlace) -> bool {
        let both = |word: &str| (self.change == word, other.change == word);
        match (both("mode"), both("lines")) {
            ((true, true), _) => true,
            ((true, false) | (false, true), _) => false,
            (_, (true, true)) => {
                let (one, two) = (self.range(), other.range());
                one.start <= two.end && two.start <= one.end
            }
            _ => true,
        }
    }

    fn range(&self) -> std::ops::Range<u32> {
        let start = if self.lines == 0 { self.start } else { self.start.saturating_sub(1) };
        start..start.saturating_add(self.lines)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> HunkLines {
        text.parse().unwrap()
    }

    #[test]
    fn lines_are_read_as_they_are_written() {
        let read = lines("+3,-2,+1-2,+2");
        assert_eq!((read.added.as_slice(), read.removed.as_slice()), (&[1, 2, 3][..], &[2][..]));
        for wrong in ["", "1", "+0", "+3-1", "+x", "+1-", "-", "+1-4000000000", "h_1"] {
            assert!(wrong.parse::<HunkLines>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn lines_are_counted_like_sets() {
        let (one, two) = (lines("+1-3,-1"), lines("+3-4,-1"));
        assert_eq!(one.with(&two), lines("+1-4,-1"));
        assert_eq!(one.without(&two), lines("+1-2"));
        assert!(one.meets(&two) && !one.covers(&two) && one.covers(&lines("+2,-1")));
        assert!(!lines("+1").meets(&lines("-1")));
    }

    #[test]
    fn a_place_is_known_again_with_another_content() {
        let hunk = |change: &str, start, lines| HunkPlace { change: change.to_owned(), start, lines };
        assert!(hunk("lines", 4, 2).is_same(&hunk("lines", 5, 3)));
        assert!(hunk("lines", 4, 0).is_same(&hunk("lines", 5, 1)), "they touch");
        assert!(!hunk("lines", 4, 2).is_same(&hunk("lines", 9, 1)));
        assert!(hunk("added", 0, 0).is_same(&hunk("added", 0, 0)));
        assert!(!hunk("mode", 0, 0).is_same(&hunk("lines", 0, 0)));
    }
}
