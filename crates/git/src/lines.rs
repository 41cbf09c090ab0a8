//! Lines of a file, as one run of bytes.

use std::fmt;

/// Holds lines with their terminators, in one allocation.
///
/// A line ends after each `\n`; only the last may lack one. For a binary file it holds the content as it is.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Lines(Vec<u8>);

impl Lines {
    /// Gives all bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Walks the lines, each with its terminator.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.0.split_inclusive(|byte| *byte == b'\n')
    }

    /// Counts the lines.
    pub fn count(&self) -> usize {
        let unended = self.0.last().is_some_and(|byte| *byte != b'\n');
        memchr::memchr_iter(b'\n', &self.0).count() + usize::from(unended)
    }

    /// Says whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<Vec<u8>> for Lines {
    fn from(bytes: Vec<u8>) -> Self {
        Lines(bytes)
    }
}

impl From<&[u8]> for Lines {
    fn from(bytes: &[u8]) -> Self {
        Lines(bytes.to_vec())
    }
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
    pub(crate) fn slice(&self, lines: std::ops::Range<usize>) -> &'a [u8] {
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
    let input = imara_diff::InternedInput::new(before, after);
    let mut diff = imara_diff::Diff::compute(imara_diff::Algorithm::Histogram, &input);
    diff.postprocess_lines(&input);
    diff.hunks().collect()
}
