//! Patterns for agents and files.

use crate::AgentKey;

/// Agents by name: `claude`, `7/claude`, `claude*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentPattern {
    /// Only in this run.
    pub run: Option<u64>,
    /// The name; `*` stands for any letters.
    pub name: String,
}

impl AgentPattern {
    /// Tells whether an agent is meant.
    pub fn fits(&self, agent: &AgentKey) -> bool {
        self.run.is_none_or(|run| agent.run.0 == run) && self.fits_name(&agent.name)
    }

    /// Tells whether a name is meant, in whatever run.
    pub fn fits_name(&self, name: &str) -> bool {
        matches(&letters(self.name.as_bytes(), false), name.as_bytes())
    }

    /// Gives the name where it stands for itself alone.
    pub fn plain_name(&self) -> Option<&str> {
        (!self.name.contains('*')).then_some(self.name.as_str())
    }
}

/// Files by path, over bytes: `*` within a folder, `**` across folders, `?` for one character. Without any of
/// them it is that file or everything below that folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilePattern(pub Vec<u8>);

impl FilePattern {
    /// Tells whether a path, from the repository's top, is meant.
    pub fn fits(&self, path: &[u8]) -> bool {
        let wanted = self.wanted();
        if is_glob(wanted) {
            return matches(&letters(wanted, true), path);
        }
        match path.strip_prefix(wanted) {
            Some(rest) => wanted.is_empty() || rest.is_empty() || rest.starts_with(b"/"),
            None => false,
        }
    }

    /// Gives the bytes every path that is meant begins with.
    pub fn prefix(&self) -> &[u8] {
        let wanted = self.wanted();
        let end = wanted.iter().position(|byte| matches!(byte, b'*' | b'?')).unwrap_or(wanted.len());
        wanted.get(..end).unwrap_or_default()
    }

    /// Gives the pattern as paths are written: without `./` before and `/` behind.
    fn wanted(&self) -> &[u8] {
        let wanted = self.0.strip_prefix(b"./").unwrap_or(&self.0);
        let wanted = wanted.strip_suffix(b"/").unwrap_or(wanted);
        if wanted == b"." { b"" } else { wanted }
    }
}

fn is_glob(pattern: &[u8]) -> bool {
    pattern.iter().any(|byte| matches!(byte, b'*' | b'?'))
}

/// One piece of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Letter {
    Byte(u8),
    /// One character that is no slash.
    One,
    /// Any bytes that are no slash.
    Within,
    /// Any bytes.
    Across,
    /// Any number of whole folders, each with its slash.
    Folders,
}

fn letters(pattern: &[u8], has_folders: bool) -> Vec<Letter> {
    let mut letters = Vec::with_capacity(pattern.len());
    let mut rest = pattern;
    while let Some((&first, after)) = rest.split_first() {
        let (letter, after) = match first {
            b'*' if has_folders && after.starts_with(b"*") => {
                let stars = rest.iter().take_while(|byte| **byte == b'*').count();
                let after = rest.get(stars..).unwrap_or_default();
                let begins_folder =
                    matches!(letters.last(), None | Some(Letter::Byte(b'/') | Letter::Folders));
                match after.strip_prefix(b"/") {
                    Some(below) if begins_folder => (Letter::Folders, below),
                    _ => (Letter::Across, after),
                }
            }
            b'*' => (Letter::Within, after),
            b'?' if has_folders => (Letter::One, after),
            byte => (Letter::Byte(byte), after),
        };
        letters.push(letter);
        rest = after;
    }
    letters
}

/// Tells whether a text is what a pattern says. Takes time with the product of their lengths, never more.
fn matches(pattern: &[Letter], text: &[u8]) -> bool {
    // `reached[i]`: the pattern's rest from some place on matches the text from byte i on.
    let mut reached = vec![false; text.len() + 1];
    if let Some(end) = reached.last_mut() {
        *end = true;
    }
    let at = |reached: &[bool], place: usize| reached.get(place).copied().unwrap_or(false);
    for letter in pattern.iter().rev() {
        let mut before = vec![false; text.len() + 1];
        for place in (0..=text.len()).rev() {
            let byte = text.get(place).copied();
            let next = at(&before, place + 1);
            let fits = match letter {
                Letter::Byte(wanted) => byte == Some(*wanted) && at(&reached, place + 1),
                Letter::One => {
                    byte.is_some_and(|byte| byte != b'/') && at(&reached, place + width(text, place))
                }
                Letter::Within => at(&reached, place) || (byte.is_some_and(|byte| byte != b'/') && next),
                Letter::Across => at(&reached, place) || (byte.is_some() && next),
                Letter::Folders => {
                    let starts = place == 0 || text.get(place - 1) == Some(&b'/');
                    at(&reached, place) && starts
                }
            };
            if let Some(cell) = before.get_mut(place) {
                *cell = fits;
            }
        }
        if *letter == Letter::Folders {
            // Whatever folder begins before one that fits, fits as well.
            let last = before.iter().rposition(|fits| *fits);
            for place in 0..last.unwrap_or(0) {
                let starts = place == 0 || text.get(place - 1) == Some(&b'/');
                if let Some(cell) = before.get_mut(place) {
                    *cell |= starts;
                }
            }
        }
        reached = before;
    }
    at(&reached, 0)
}

/// Counts the bytes of the character at a place; what is not UTF-8 is one byte each.
fn width(text: &[u8], place: usize) -> usize {
    let rest = text.get(place..).unwrap_or_default();
    let wanted = match rest.first() {
        Some(0xc2..=0xdf) => 2,
        Some(0xe0..=0xef) => 3,
        Some(0xf0..=0xf4) => 4,
        _ => 1,
    };
    let is_whole = rest.get(..wanted).is_some_and(|bytes| std::str::from_utf8(bytes).is_ok());
    if is_whole { wanted } else { 1 }
}
