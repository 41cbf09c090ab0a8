//! Hunks of several agents that want the same lines.

use crate::hunk::{Change, Hunk};

/// Names a hunk by the list it stands in and its place there.
pub type Place = (usize, usize);

impl Hunk {
    /// Gives the lines of the base it takes, from 0, and whether it puts in more than it takes out; none where
    /// it takes no line.
    fn taken_lines(&self) -> Option<(std::ops::Range<usize>, bool)> {
        match self.change {
            Change::Mode => None,
            Change::Lines => Some((self.old_range(), self.new_lines > self.old_lines)),
            _ => Some((0..usize::MAX, true)),
        }
    }
}

/// Finds the hunks that contend for lines of one file, given as one list a version of it: two that change the same
/// lines of the base, or that both grow at one border. Each pair is given once, the earlier list's first.
pub fn rivals(lists: &[&[Hunk]]) -> Vec<(Place, Place)> {
    let mut spans = Vec::new();
    let mut modes = Vec::new();
    for (list, hunks) in lists.iter().enumerate() {
        for (place, hunk) in hunks.iter().enumerate() {
            match hunk.taken_lines() {
                Some((range, grows)) => spans.push((range, grows, (list, place))),
                None => modes.push((list, place)),
            }
        }
    }
    spans.sort_by_key(|(range, _, place)| (range.start, range.end, *place));
    let mut found = Vec::new();
    let mut pair = |one: Place, two: Place| {
        if one.0 != two.0 {
            found.push((one.min(two), one.max(two)));
        }
    };
    // What reaches to where the sweep stands.
    let mut open: Vec<(usize, bool, Place)> = Vec::new();
    for (range, grows, place) in &spans {
        open.retain(|(end, _, _)| *end >= range.start);
        for (end, other_grows, other) in &open {
            if *end > range.start || (*grows && *other_grows) {
                pair(*other, *place);
            }
        }
        open.push((range.end, *grows, *place));
    }
    for (count, one) in modes.iter().enumerate() {
        for two in modes.iter().skip(count + 1) {
            pair(*one, *two);
        }
    }
    found.sort_unstable();
    found
}
