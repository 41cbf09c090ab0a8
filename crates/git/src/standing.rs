//! How the human's file stands to the base of the agents' hunks: where lines are now, and whether a hunk would go in.

use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::apply::{Applied, accept};
use crate::files::File;
use crate::hunk::{Change, Hunk};
use crate::lines::{Text, changed_runs};

/// Foretells what accepting a hunk would come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forecast {
    /// It goes in.
    Clean,
    /// It meets other changes.
    Conflict,
    /// It is in already.
    Applied,
}

impl Forecast {
    /// Gives the word for it, as on screens.
    pub fn word(self) -> &'static str {
        match self {
            Forecast::Clean => "clean",
            Forecast::Conflict => "conflict",
            Forecast::Applied => "applied",
        }
    }
}

/// The most merges that are tried for one file; a hunk beyond them that meets a change counts as a conflict.
const MOST_MERGES: u32 = 64;

/// An edit of the human's: lines of the base that gave way to lines of the file, from 0.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Edit {
    base: Range<usize>,
    ours: Range<usize>,
    text: Vec<u8>,
}

/// The human's file beside the base of the agents' hunks.
#[derive(Debug)]
pub struct Standing {
    /// Both files, unless they are the same.
    files: Option<(Option<File>, Option<File>)>,
    edits: Vec<Edit>,
    merges: AtomicU32,
}

impl Standing {
    /// Compares the base with the human's file. Where they are the same, nothing is held.
    pub fn new(base: Option<File>, ours: Option<File>) -> Standing {
        let ours = ours.map(|ours| File { content: stored_form(base.as_ref(), ours.content), ..ours });
        let mut edits = Vec::new();
        if let (Some(base), Some(ours)) = (&base, &ours) {
            let text = Text::new(&ours.content);
            edits.extend(changed_runs(&base.content, &ours.content).into_iter().map(|run| {
                let lines = run.after.start as usize..run.after.end as usize;
                let base = run.before.start as usize..run.before.end as usize;
                Edit { base, text: text.slice(lines.clone()).to_vec(), ours: lines }
            }));
        }
        let files = if base == ours { None } else { Some((base, ours)) };
        Standing { files, edits, merges: AtomicU32::new(0) }
    }

    /// Counts the bytes it holds of both files.
    pub fn held(&self) -> usize {
        let both = self.files.iter().flat_map(|(base, ours)| [base, ours]);
        both.flatten().map(|file| file.content.len()).sum()
    }

    /// Gives the line, from 1, at which a line of the base, from 1, stands now.
    pub fn line(&self, base_line: u32) -> u32 {
        let at = base_line.saturating_sub(1) as usize;
        let passed = self.edits.partition_point(|edit| edit.base.end <= at);
        let before = passed.checked_sub(1).and_then(|place| self.edits.get(place));
        let now = before.map_or(at, |edit| edit.ours.end + (at - edit.base.end));
        u32::try_from(now + 1).unwrap_or(u32::MAX)
    }

    /// Foretells what accepting a hunk would come to; `before` is what the human took of the same agent's file.
    pub fn forecast(&self, hunk: &Hunk, before: &[&Hunk]) -> Forecast {
        let Some((base, ours)) = &self.files else { return Forecast::Clean };
        if hunk.change == Change::Lines && ours.is_some() {
            let range = hunk.old_range();
            let grows = hunk.new_lines > hunk.old_lines;
            let from = self.edits.partition_point(|edit| edit.base.end < range.start);
            let mut met = self
                .edits
                .get(from..)
                .unwrap_or_default()
                .iter()
                .take_while(|edit| edit.base.start <= range.end);
            let meets = |edit: &&Edit| {
                let touches = edit.base.end == range.start || edit.base.start == range.end;
                let both_grow = grows && edit.ours.len() > edit.base.len();
                !touches || both_grow || edit.base == range
            };
            let Some(edit) = met.find(meets) else { return Forecast::Clean };
            if edit.base == range && edit.text == hunk.added.as_bytes() {
                return Forecast::Applied;
            }
        }
        // Whole files are compared, not merged.
        if hunk.change == Change::Lines && self.merges.fetch_add(1, Ordering::Relaxed) >= MOST_MERGES {
            return Forecast::Conflict;
        }
        match accept(base.as_ref(), before, hunk, ours.as_ref()) {
            Applied::Changed(_) => Forecast::Clean,
            Applied::Already => Forecast::Applied,
            Applied::Conflict(_) => Forecast::Conflict,
        }
    }
}

/// Gives a working file's content with the line ends of its base where it has others throughout, as git converts
/// them on the way in.
fn stored_form(base: Option<&File>, content: Vec<u8>) -> Vec<u8> {
    let has_dos = |text: &[u8]| memchr::memmem::find(text, b"\r\n").is_some();
    let Some(base) = base.filter(|base| !has_dos(&base.content) && has_dos(&content)) else { return content };
    let lines = content.split_inclusive(|byte| *byte == b'\n');
    if base.content.contains(&0)
        || !lines.clone().all(|line| line.ends_with(b"\r\n") || !line.ends_with(b"\n"))
    {
        return content;
    }
    let mut stored = Vec::with_capacity(content.len());
    for line in lines {
        match line.strip_suffix(b"\r\n") {
            Some(bare) => {
                stored.extend_from_slice(bare);
                stored.push(b'\n');
            }
            None => stored.extend_from_slice(line),
        }
    }
    stored
}
