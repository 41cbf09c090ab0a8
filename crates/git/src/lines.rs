//! Lines of a file, as one run of bytes.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use imara_diff::Token;

/// Holds lines with their terminators. The lines of all hunks of a file share one allocation.
///
/// A line ends after each `\n`; only the last may lack one. For a binary file it holds the content as it is.
#[derive(Clone, Default)]
pub struct Lines {
    shared: Arc<[u8]>,
    range: Range<usize>,
}

impl Lines {
    /// Takes a part of what several share.
    pub(crate) fn part_of(shared: &Arc<[u8]>, range: Range<usize>) -> Self {
        Lines { shared: Arc::clone(shared), range }
    }

    /// Gives all bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.shared.get(self.range.clone()).unwrap_or_default()
    }

    /// Walks the lines, each with its terminator.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.as_bytes().split_inclusive(|byte| *byte == b'\n')
    }

    /// Counts the lines.
    pub fn count(&self) -> usize {
        count(self.as_bytes())
    }

    /// Says whether there are none.
    pub fn is_empty(&self) -> bool {
        self.as_bytes().is_empty()
    }
}

impl PartialEq for Lines {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Lines {}

impl From<Vec<u8>> for Lines {
    fn from(bytes: Vec<u8>) -> Self {
        let range = 0..bytes.len();
        Lines { shared: bytes.into(), range }
    }
}

impl From<&[u8]> for Lines {
    fn from(bytes: &[u8]) -> Self {
        Lines { shared: bytes.into(), range: 0..bytes.len() }
    }
}

/// Counts the lines of a text.
pub(crate) fn count(text: &[u8]) -> usize {
    let unended = text.last().is_some_and(|byte| *byte != b'\n');
    memchr::memchr_iter(b'\n', text).count() + usize::from(unended)
}

impl fmt::Debug for Lines {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.iter().map(crate::show::bytes)).finish()
    }
}

/// A text cut into lines, with fast access to any run of them.
pub(crate) struct Text<'a> {
    bytes: &'a [u8],
    /// Where each line starts, and at last where the text ends.
    starts: Vec<usize>,
}

impl<'a> Text<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        let mut starts = Vec::with_capacity(bytes.len() / 24 + 2);
        starts.push(0);
        starts.extend(memchr::memchr_iter(b'\n', bytes).map(|end| end + 1));
        if starts.last() != Some(&bytes.len()) {
            starts.push(bytes.len());
        }
        Text { bytes, starts }
    }

    /// Counts the lines.
    pub(crate) fn count(&self) -> usize {
        self.starts.len() - 1
    }

    /// Gives the lines of a range as they stand; what is beyond the end counts as nothing.
    pub(crate) fn slice(&self, lines: Range<usize>) -> &'a [u8] {
        let at = |line: usize| self.starts.get(line).copied().unwrap_or(self.bytes.len());
        self.bytes.get(at(lines.start)..at(lines.end)).unwrap_or_default()
    }
}

/// Gives the changed runs of lines between two texts, as (range before, range after), in order.
///
/// Runs are separated by at least one line that both have; positions follow git's indentation heuristic.
pub(crate) fn changed_runs(before: &[u8], after: &[u8]) -> Vec<imara_diff::Hunk> {
    if before == after {
        return Vec::new();
    }
    let mut input = imara_diff::InternedInput::default();
    input.reserve_for_token_source(&before, &after);
    input.update_before(imara_diff::TokenSource::tokenize(&before));
    let known = input.interner.num_tokens();
    input.update_after(imara_diff::TokenSource::tokenize(&after));
    if let Some(runs) = plain_runs(&input.before, &input.after, known, input.interner.num_tokens()) {
        return runs;
    }
    let mut diff = imara_diff::Diff::compute(imara_diff::Algorithm::Histogram, &input);
    diff.postprocess_lines(&input);
    diff.hunks().collect()
}

/// Gives the changed runs where nothing has to be weighed: where all that is left, once the lines are out that stand
/// on one side only, is the same. Those lines are changed in any comparison, so none is shorter than this one; and
/// none of its runs could begin elsewhere, since what a run ends with stands nowhere else.
///
/// Most of what agents do is of this kind, and it is told in one pass. Lines below `known` are of `before`; there are
/// `all` different ones.
fn plain_runs(before: &[Token], after: &[Token], known: u32, all: u32) -> Option<Vec<imara_diff::Hunk>> {
    let mut is_after = vec![false; all as usize];
    for line in after {
        *is_after.get_mut(line.0 as usize)? = true;
    }
    let is_removed = |line: &Token| !is_after.get(line.0 as usize).copied().unwrap_or(false);
    let is_added = |line: &Token| line.0 >= known;
    let mut runs = Vec::new();
    let (mut old, mut new) = (0, 0);
    loop {
        let removed = before.get(old..)?.iter().take_while(|line| is_removed(line)).count();
        let added = after.get(new..)?.iter().take_while(|line| is_added(line)).count();
        if removed + added > 0 {
            let range = |start: usize, lines: usize| {
                Some(u32::try_from(start).ok()?..u32::try_from(start + lines).ok()?)
            };
            runs.push(imara_diff::Hunk { before: range(old, removed)?, after: range(new, added)? });
        }
        (old, new) = (old + removed, new + added);
        match (before.get(old), after.get(new)) {
            (None, None) => return Some(runs),
            (one, other) if one == other => (old, new) = (old + 1, new + 1),
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Compares by the general way alone.
    fn weighed(before: &[u8], after: &[u8]) -> Vec<imara_diff::Hunk> {
        let input = imara_diff::InternedInput::new(before, after);
        let mut diff = imara_diff::Diff::compute(imara_diff::Algorithm::Histogram, &input);
        diff.postprocess_lines(&input);
        diff.hunks().collect()
    }

    fn plain(before: &[u8], after: &[u8]) -> Option<Vec<imara_diff::Hunk>> {
        let mut input = imara_diff::InternedInput::default();
        input.update_before(imara_diff::TokenSource::tokenize(&before));
        let known = input.interner.num_tokens();
        input.update_after(imara_diff::TokenSource::tokenize(&after));
        plain_runs(&input.before, &input.after, known, input.interner.num_tokens())
    }

    fn lines_of(runs: &[imara_diff::Hunk]) -> usize {
        runs.iter().map(|run| run.before.len() + run.after.len()).sum()
    }

    #[test]
    fn lines_of_one_side_alone_need_no_weighing() {
        let before = b"a\n}\nb\n}\nc\n}\n";
        for after in [
            &b"a\n}\nB\n}\nc\n}\n"[..],
            b"new\na\n}\nb\n}\nc\n}\nend",
            b"a\n}\nb\n}\nx\ny\n}\n",
            b"}\n}\n}\n",
            b"",
        ] {
            assert_eq!(
                plain(before, after),
                Some(weighed(before, after)),
                "{}",
                String::from_utf8_lossy(after)
            );
        }
        // A brace more: which one it is has to be weighed.
        assert_eq!(plain(before, b"a\n}\nb\n}\nx\n}\nc\n}\n"), None);
        assert_eq!(plain(before, b"}\na\nb\n}\nc\n}\n"), None, "a line moved");
    }

    proptest! {
        #[test]
        fn what_is_told_in_one_pass_is_a_comparison_and_none_is_shorter(
            before in prop::collection::vec(0..6_u8, 0..24),
            after in prop::collection::vec(3..9_u8, 0..24),
        ) {
            let text = |lines: &[u8]| lines.iter().flat_map(|line| [b'a' + line, b'\n']).collect::<Vec<u8>>();
            let (before, after) = (text(&before), text(&after));
            if let Some(runs) = plain(&before, &after) {
                let (old, new) = (Text::new(&before), Text::new(&after));
                let (mut made, mut at) = (Vec::new(), 0);
                for run in &runs {
                    made.extend_from_slice(old.slice(at..run.before.start as usize));
                    made.extend_from_slice(new.slice(run.after.start as usize..run.after.end as usize));
                    at = run.before.end as usize;
                }
                made.extend_from_slice(old.slice(at..old.count()));
                prop_assert_eq!(made, after.clone());
                prop_assert!(lines_of(&runs) <= lines_of(&weighed(&before, &after)));
            }
        }
    }
}
