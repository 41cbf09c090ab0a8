//! Three-way merge of a text, line by line, byte for byte.
//!
//! Both sides are compared with the base. A change of one side alone is taken. Where both changed the same lines
//! the result is clean only if they made the same of them. Changes that merely touch (one ends where the other
//! begins) are both taken, in the base's order, unless both put in more lines than they take out: then the order
//! of what was put in at the border would be a guess, and it is a conflict. Two different insertions at one place
//! are the plainest case of that.

use std::ops::Range;

use imara_diff::{Algorithm, Diff, IndentHeuristic, IndentLevel, Interner, Token};

use crate::lines::Text;

/// What came of a merge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Merge {
    /// The merged text.
    Clean(Vec<u8>),
    /// Where the sides contradict each other.
    Conflict(Vec<Region>),
}

/// A place of a conflict, as ranges of lines from 0, end excluded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Region {
    /// In the base.
    pub base: Range<usize>,
    /// In our side.
    pub ours: Range<usize>,
    /// In their side.
    pub theirs: Range<usize>,
}

/// Merges what `ours` and `theirs` each made of `base`.
pub fn merge3(base: &[u8], ours: &[u8], theirs: &[u8]) -> Merge {
    if base == ours || ours == theirs {
        return Merge::Clean(theirs.to_vec());
    }
    if base == theirs {
        return Merge::Clean(ours.to_vec());
    }
    let mut interner = Interner::new((base.len() + ours.len() + theirs.len()) / 24 + 16);
    let mut tokens = |text| imara_diff::sources::byte_lines(text).map(|line| interner.intern(line)).collect();
    let (base_tokens, our_tokens, their_tokens): (Vec<_>, Vec<_>, Vec<_>) =
        (tokens(base), tokens(ours), tokens(theirs));
    let mut runs = changed(&interner, &base_tokens, &our_tokens, Side::Ours);
    runs.extend(changed(&interner, &base_tokens, &their_tokens, Side::Theirs));
    runs.sort_by_key(|run| (run.base.start, run.base.end, run.side));

    let mut merger = Merger {
        base: Text::new(base),
        ours: Text::new(ours),
        theirs: Text::new(theirs),
        position: 0,
        our_position: 0,
        their_position: 0,
        merged: Vec::with_capacity(ours.len().max(theirs.len())),
        conflicts: Vec::new(),
    };
    let mut runs = runs.into_iter().peekable();
    while let Some(first) = runs.next() {
        let mut group = Group::new(first);
        while let Some(run) = runs.next_if(|run| group.meets(run)) {
            group.add(run);
        }
        merger.take(&group);
    }
    merger.finish()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Side {
    Ours,
    Theirs,
}

/// A run of base lines that a side changed.
struct Run {
    side: Side,
    base: Range<usize>,
    /// How many lines stand there now.
    lines: usize,
}

impl Run {
    fn grows(&self) -> bool {
        self.lines > self.base.len()
    }
}

fn changed(interner: &Interner<&[u8]>, base: &[Token], other: &[Token], side: Side) -> Vec<Run> {
    let mut diff = Diff::default();
    diff.compute_with(Algorithm::Histogram, base, other, interner.num_tokens());
    let indent = |token| {
        let line: &[u8] = interner[token];
        IndentLevel::for_ascii_line(line.iter().copied(), 8)
    };
    diff.postprocess_with(base, other, IndentHeuristic::new(indent));
    let runs = diff.hunks().map(|hunk| Run {
        side,
        base: hunk.before.start as usize..hunk.before.end as usize,
        lines: hunk.after.len(),
    });
    runs.collect()
}

/// Runs of both sides that have to be judged together.
struct Group {
    base: Range<usize>,
    /// Whether a run that ends where the group ends puts in more than it takes out.
    grows_at_end: bool,
    our_growth: Option<isize>,
    their_growth: Option<isize>,
}

impl Group {
    fn new(run: Run) -> Self {
        let base = run.base.start..run.base.start;
        let mut group = Group { base, grows_at_end: false, our_growth: None, their_growth: None };
        group.add(run);
        group
    }

    fn meets(&self, run: &Run) -> bool {
        run.base.start < self.base.end
            || (run.base.start == self.base.end && self.grows_at_end && run.grows())
    }

    fn add(&mut self, run: Run) {
        if run.base.end > self.base.end {
            self.base.end = run.base.end;
            self.grows_at_end = run.grows();
        } else if run.base.end == self.base.end {
            self.grows_at_end |= run.grows();
        }
        let growth = run.lines as isize - run.base.len() as isize;
        let side = match run.side {
            Side::Ours => &mut self.our_growth,
            Side::Theirs => &mut self.their_growth,
        };
        *side = Some(side.unwrap_or(0) + growth);
    }
}

struct Merger<'a> {
    base: Text<'a>,
    ours: Text<'a>,
    theirs: Text<'a>,
    /// First base line not taken yet, and the lines of each side that stand beside it.
    position: usize,
    our_position: usize,
    their_position: usize,
    merged: Vec<u8>,
    conflicts: Vec<Region>,
}

impl Merger<'_> {
    fn take(&mut self, group: &Group) {
        let unchanged = group.base.start - self.position;
        self.our_position += unchanged;
        self.their_position += unchanged;
        let lines = group.base.len();
        let our_lines = lines.saturating_add_signed(group.our_growth.unwrap_or(0));
        let their_lines = lines.saturating_add_signed(group.their_growth.unwrap_or(0));
        let region = Region {
            base: group.base.clone(),
            ours: self.our_position..self.our_position + our_lines,
            theirs: self.their_position..self.their_position + their_lines,
        };
        let ours = self.ours.slice(region.ours.clone());
        let theirs = self.theirs.slice(region.theirs.clone());
        let base = self.base.slice(self.position..group.base.start);
        let fits = self.push(base);
        let fits = match (group.our_growth, group.their_growth) {
            (Some(_), Some(_)) if ours != theirs => false,
            (None, _) => self.push(theirs),
            _ => self.push(ours),
        } && fits;
        self.position = group.base.end;
        self.our_position = region.ours.end;
        self.their_position = region.theirs.end;
        if !fits {
            self.conflicts.push(region);
        }
    }

    /// Appends lines; `false` if they would run into a last line that has no terminator, which happens when one
    /// side took the final line end away and the other went on after it.
    fn push(&mut self, lines: &[u8]) -> bool {
        let torn = !lines.is_empty() && self.merged.last().is_some_and(|byte| *byte != b'\n');
        self.merged.extend_from_slice(lines);
        !torn
    }

    fn finish(mut self) -> Merge {
        let rest = self.base.slice(self.position..self.base.count());
        if !self.push(rest) {
            let left = self.base.count() - self.position;
            self.conflicts.push(Region {
                base: self.position..self.base.count(),
                ours: self.our_position..self.our_position + left,
                theirs: self.their_position..self.their_position + left,
            });
        }
        if self.conflicts.is_empty() { Merge::Clean(self.merged) } else { Merge::Conflict(self.conflicts) }
    }
}
