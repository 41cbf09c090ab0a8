//! Some lines of a hunk: the change they make alone, and the change that takes them out again.
//!
//! The lines that are not meant stay as they are, so where an added line goes among kept old ones has to be
//! known. Added and removed lines that are alike are taken for two states of one line and stand in its place;
//! without likeness old lines come before new ones, as in a diff.

use crate::apply::Reason;
use crate::hunk::{Change, Hunk};
use crate::lines::Lines;

/// The largest table of likenesses that is computed; larger hunks are paired by their order.
const LARGEST_TABLE: usize = 1 << 18;
/// How alike two lines must be to be one, of [`SAME`].
const ALIKE: u32 = 500;
/// The likeness of equal lines.
const SAME: u32 = 1000;

/// Lines of a hunk, counted from 1 on each side, in order.
#[derive(Debug, Clone, Copy)]
pub struct Part<'a> {
    /// Which of the added lines.
    pub added: &'a [u32],
    /// Which of the removed lines.
    pub removed: &'a [u32],
}

impl Hunk {
    /// Gives the change that only some of its lines make. Its id and hash stay those of this hunk.
    ///
    /// # Errors
    /// [`Reason::Whole`] where the change has no lines that could be taken alone.
    pub fn part(&self, part: Part<'_>) -> Result<Hunk, Reason> {
        let mixed = || {
            mix(&self.removed, &self.added, &|line| is_in(part.removed, line), &|line| {
                is_in(part.added, line)
            })
        };
        let mut hunk = self.clone();
        match self.change {
            _ if self.binary => return Err(Reason::Whole),
            Change::Lines | Change::Added => hunk.set_added(mixed()),
            Change::Deleted if self.names_all(part) => {}
            Change::Deleted => {
                hunk.become_lines();
                hunk.new_mode = hunk.old_mode;
                hunk.set_added(mixed());
            }
            _ => return Err(Reason::Whole),
        }
        Ok(hunk)
    }

    /// Gives the change that takes only some of its lines out of the file it led to. Its id and hash stay those
    /// of this hunk.
    ///
    /// # Errors
    /// [`Reason::Whole`] where the change has no lines that could be taken out alone.
    pub fn part_inverse(&self, part: Part<'_>) -> Result<Hunk, Reason> {
        let left = || {
            mix(&self.removed, &self.added, &|line| !is_in(part.removed, line), &|line| {
                !is_in(part.added, line)
            })
        };
        let mut hunk = self.inverse();
        match self.change {
            _ if self.binary => return Err(Reason::Whole),
            Change::Lines | Change::Deleted => hunk.set_added(left()),
            Change::Added if self.names_all(part) => {}
            Change::Added => {
                hunk.become_lines();
                hunk.new_mode = hunk.old_mode;
                hunk.set_added(left());
            }
            _ => return Err(Reason::Whole),
        }
        Ok(hunk)
    }

    fn names_all(&self, part: Part<'_>) -> bool {
        (1..=self.added.count() as u32).all(|line| is_in(part.added, line))
            && (1..=self.removed.count() as u32).all(|line| is_in(part.removed, line))
    }

    /// Turns a change of the whole file into one of all its lines.
    fn become_lines(&mut self) {
        self.change = Change::Lines;
        self.old_start = u32::from(self.old_lines > 0);
        self.new_start = 0;
    }

    fn set_added(&mut self, added: Lines) {
        self.new_lines = u32::try_from(added.count()).unwrap_or(u32::MAX);
        self.added = added;
    }
}

fn is_in(lines: &[u32], line: u32) -> bool {
    lines.binary_search(&line).is_ok()
}

/// Gives the removed lines that do not go and the added ones that come, each in its place.
fn mix(removed: &Lines, added: &Lines, goes: &dyn Fn(u32) -> bool, comes: &dyn Fn(u32) -> bool) -> Lines {
    let (old, new): (Vec<&[u8]>, Vec<&[u8]>) = (removed.iter().collect(), added.iter().collect());
    let mut mixed: Vec<&[u8]> = Vec::with_capacity(old.len().max(new.len()));
    let mut old_places = old.iter().zip(1u32..);
    let mut new_places = new.iter().zip(1u32..);
    let mut pass = |olds: usize, news: usize| {
        mixed.extend(old_places.by_ref().take(olds).filter(|(_, line)| !goes(*line)).map(|(text, _)| *text));
        mixed.extend(new_places.by_ref().take(news).filter(|(_, line)| comes(*line)).map(|(text, _)| *text));
    };
    let (mut old_at, mut new_at) = (0, 0);
    for (old_place, new_place) in pairs(&old, &new) {
        pass(old_place - old_at, new_place - new_at);
        pass(1, 1);
        (old_at, new_at) = (old_place + 1, new_place + 1);
    }
    pass(old.len() - old_at, new.len() - new_at);
    Lines::from(joined(&mixed, &old, &new))
}

/// Puts lines together; one that had no end, being the last of its file, gets one where others follow.
fn joined(lines: &[&[u8]], old: &[&[u8]], new: &[&[u8]]) -> Vec<u8> {
    let is_dos = old.iter().chain(new).any(|line| line.ends_with(b"\r\n"));
    let mut text = Vec::with_capacity(lines.iter().map(|line| line.len() + 2).sum());
    for (place, line) in lines.iter().enumerate() {
        text.extend_from_slice(line);
        if place + 1 < lines.len() && !line.ends_with(b"\n") {
            text.extend_from_slice(if is_dos { b"\r\n" } else { b"\n" });
        }
    }
    text
}

/// Pairs old lines with the new ones they became, in order, so that the likenesses add up to the most.
fn pairs(old: &[&[u8]], new: &[&[u8]]) -> Vec<(usize, usize)> {
    if old.len().saturating_mul(new.len()) > LARGEST_TABLE {
        return (0..old.len().min(new.len())).map(|place| (place, place)).collect();
    }
    let width = new.len() + 1;
    let mut best = vec![0u32; (old.len() + 1) * width];
    let at = |row: usize, column: usize| row * width + column;
    let value = |best: &[u32], row, column| best.get(at(row, column)).copied().unwrap_or(0);
    // As many lines out as in: each has its own, like or not.
    let equal = old.len() == new.len();
    let score = |row: usize, column: usize| -> u32 {
        let (Some(one), Some(two)) = (old.get(row), new.get(column)) else { return 0 };
        let likeness = likeness(one, two);
        if likeness >= ALIKE { likeness } else { u32::from(equal && row == column) }
    };
    for row in (0..old.len()).rev() {
        for column in (0..new.len()).rev() {
            let apart = value(&best, row + 1, column).max(value(&best, row, column + 1));
            let points = score(row, column);
            let paired = if points > 0 { points + value(&best, row + 1, column + 1) } else { 0 };
            if let Some(place) = best.get_mut(at(row, column)) {
                *place = apart.max(paired);
            }
        }
    }
    let (mut row, mut column, mut found) = (0, 0, Vec::new());
    while row < old.len() && column < new.len() {
        let here = value(&best, row, column);
        let points = score(row, column);
        if points > 0 && here == points + value(&best, row + 1, column + 1) {
            found.push((row, column));
            (row, column) = (row + 1, column + 1);
        } else if here == value(&best, row + 1, column) {
            row += 1;
        } else {
            column += 1;
        }
    }
    found
}

/// Says how much of the longer line stands in the shorter at the same ends, of [`SAME`]. Space around it does
/// not count.
fn likeness(one: &[u8], two: &[u8]) -> u32 {
    let (one, two) = (one.trim_ascii(), two.trim_ascii());
    let longest = one.len().max(two.len());
    if longest == 0 {
        return SAME;
    }
    let front = one.iter().zip(two).take_while(|(a, b)| a == b).count();
    let most = one.len().min(two.len()) - front;
    let back = one.iter().rev().zip(two.iter().rev()).take(most).take_while(|(a, b)| a == b).count();
    u32::try_from((front + back) * SAME as usize / longest).unwrap_or(SAME)
}
