//! Finds the greeting of a repository.

use std::collections::VecDeque;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::language::{self, Language};
use crate::rehearsal::script::{Change, Edit};

/// Bounds of the search: a rehearsal begins within a moment, however large the repository.
const MOST_FILES: usize = 4_000;
const MOST_ENTRIES: usize = 40_000;
const LARGEST_FILE: u64 = 256 << 10;

/// Folders that hold what others wrote or what a build made.
const PASSED_OVER: [&str; 9] =
    ["target", "node_modules", "vendor", "third_party", "build", "dist", "out", "__pycache__", "venv"];

/// A word of greeting in a string of the source.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Greeting {
    /// The file, relative to the worktree.
    pub(super) path: String,
    /// The line, from 1.
    pub(super) line: usize,
    /// The word.
    pub(super) word: String,
    language: Language,
    text: String,
    literal: Literal,
}

/// Where a string and the word in it stand in their line, in bytes.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Literal {
    /// With its quotes.
    pub(super) range: Range<usize>,
    pub(super) quote: char,
    pub(super) word: Range<usize>,
}

/// Finds the greeting that a person would mean: in a file named for it, else near the root.
pub(super) fn find(worktree: &Path) -> Option<Greeting> {
    let mut files = source_files(worktree);
    // Names and depth decide, then the alphabet: the same tree gives the same answer.
    files.sort_by_cached_key(|path| {
        let name = path.to_lowercase();
        let named = name.contains("greet") || name.contains("hello");
        let aside = ["test", "example", "doc", "bench", "fixture"].iter().any(|word| name.contains(word));
        (aside, !named, path.matches('/').count(), path.clone())
    });
    files.into_iter().take(MOST_FILES).find_map(|path| {
        let language = Language::of(&path)?;
        let text = std::fs::read_to_string(worktree.join(&path)).ok()?;
        greeting_in(&path, language, text)
    })
}

fn greeting_in(path: &str, language: Language, text: String) -> Option<Greeting> {
    let mut offered =
        text.split('\n').enumerate().filter(|(_, line)| line.len() < 400 && language.may_change(line));
    let (index, literal) = offered.find_map(|(index, line)| {
        let literal = literal_in(line, language)?;
        // Only what the language can put a variable into is a greeting to change.
        language::configurable(language, line, &literal, "X").map(|_| (index, literal))
    })?;
    let word = text.split('\n').nth(index)?.get(literal.word.clone())?.to_owned();
    Some(Greeting { path: path.to_owned(), line: index + 1, word, language, text, literal })
}

impl Greeting {
    /// Gives the changes that let a variable set the greeting.
    pub(super) fn changes(&self, variable: &str, comments: bool) -> Vec<Edit> {
        let lines: Vec<&str> = self.text.split('\n').collect();
        let Some(line) = lines.get(self.line - 1) else { return Vec::new() };
        let Some(mut new) = language::configurable(self.language, line, &self.literal, variable) else {
            return Vec::new();
        };
        if comments {
            let indent: String = line.chars().take_while(|character| character.is_whitespace()).collect();
            let sign = self.language.comment();
            let end = if line.ends_with('\r') { "\r\n" } else { "\n" };
            new = format!(
                "{indent}{sign} {variable} sets the greeting; {:?} stands where it is not set.{end}{new}",
                self.word
            );
        }
        let mut edits = Vec::new();
        if let Some((old, new)) = language::preparation(self.language, &lines) {
            edits.push(Edit { path: self.path.clone(), change: Change::Replace { old, new } });
        }
        // Line ends around it make sure that no part of another line is meant.
        let (before, after) =
            (if self.line > 1 { "\n" } else { "" }, if self.line < lines.len() { "\n" } else { "" });
        edits.push(Edit {
            path: self.path.clone(),
            change: Change::Replace {
                old: format!("{before}{line}{after}"),
                new: format!("{before}{new}{after}"),
            },
        });
        edits
    }
}

fn literal_in(line: &str, language: Language) -> Option<Literal> {
    let mut at = 0;
    let bytes = line.as_bytes();
    while let Some(&byte) = bytes.get(at) {
        let quote = char::from(byte);
        if !language.quotes().contains(&quote) {
            at += 1;
            continue;
        }
        let mut end = at + 1;
        while let Some(&byte) = bytes.get(end).filter(|byte| **byte != bytes[at]) {
            end += if byte == b'\\' { 2 } else { 1 };
        }
        let content = line.get(at + 1..end)?;
        bytes.get(end)?;
        if let Some(word) = word_in(content) {
            let word = at + 1 + word.start..at + 1 + word.end;
            return Some(Literal { range: at..end + 1, quote, word });
        }
        at = end + 1;
    }
    None
}

/// Finds the word of greeting in a string: `Hello`, `greetings`, … standing by itself.
fn word_in(content: &str) -> Option<Range<usize>> {
    let mut start = None;
    let ends = content.char_indices().chain([(content.len(), ' ')]);
    for (at, character) in ends {
        // Letters, digits and what joins them to names: "hello_world" is no greeting.
        let joins = character.is_alphanumeric() || matches!(character, '_' | '/' | '\\' | '@' | '=');
        match (start, joins) {
            (None, true) => start = Some(at),
            (Some(begun), false) => {
                let word = content.get(begun..at)?.to_lowercase();
                if ["hello", "greetings", "greeting", "greet"].contains(&word.as_str())
                    && !matches!(character, '.' | '-' | ':' if content.get(at + 1..)?.starts_with(char::is_alphanumeric))
                {
                    return Some(begun..at);
                }
                start = None;
            }
            _ => {}
        }
    }
    None
}

/// Lists the files of known languages, nearer ones first, as text relative to the worktree.
fn source_files(worktree: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = VecDeque::from([PathBuf::new()]);
    let mut entries = 0;
    while let Some(folder) = folders.pop_front() {
        let Ok(listing) = std::fs::read_dir(worktree.join(&folder)) else { continue };
        let mut names: Vec<_> = listing.filter_map(Result::ok).collect();
        names.sort_by_key(std::fs::DirEntry::file_name);
        for entry in names {
            entries += 1;
            if entries > MOST_ENTRIES {
                return found;
            }
            let name = entry.file_name();
            let Some(name) = name.to_str().filter(|name| !name.starts_with('.')) else { continue };
            let path = folder.join(name);
            match entry.file_type() {
                Ok(kind) if kind.is_dir() && !PASSED_OVER.contains(&name) => folders.push_back(path),
                Ok(kind) if kind.is_file() && Language::of(name).is_some() => {
                    let small = entry.metadata().is_ok_and(|metadata| metadata.len() <= LARGEST_FILE);
                    found.extend(path.to_str().filter(|_| small).map(str::to_owned));
                }
                _ => {}
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_greeting_is_a_word_of_its_own_in_a_string() {
        for (content, word) in [
            ("Hello, {}!", Some("Hello")),
            ("well, HELLO", Some("HELLO")),
            ("Greetings", Some("Greetings")),
            ("hello_world", None),
            ("say/hello", None),
            ("othello", None),
            ("hello.txt", None),
            ("hello-world", None),
            ("Hello. World", Some("Hello")),
            ("", None),
        ] {
            assert_eq!(word_in(content).and_then(|range| content.get(range)), word, "{content}");
        }
    }

    #[test]
    fn the_search_passes_over_what_is_not_the_repositorys_own() {
        let tree = tempfile::tempdir().unwrap();
        for path in
            ["node_modules/hello.js", ".git/hello.py", "target/hello.rs", "docs/hello.py", "src/deep/app.py"]
        {
            let file = tree.path().join(path);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, "print('hello')\n").unwrap();
        }
        std::os::unix::fs::symlink("/etc", tree.path().join("link")).unwrap();
        assert_eq!(find(tree.path()).unwrap().path, "src/deep/app.py");
    }
}
