//! What the benchmark programs share: the clock, arguments, and a small log that many processes append to.

pub mod front;
pub mod rows;

use std::error::Error;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// The error of a benchmark program: whatever went wrong, in words.
pub type Fault = Box<dyn Error + Send + Sync>;

/// Tells the wall clock in nanoseconds since 1970, the one clock that all processes share.
pub fn now_ns() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |span| span.as_nanos())
}

/// Appends one line in one write, so that lines of many processes stay whole.
///
/// # Errors
/// When the file cannot be opened or written.
pub fn append_line(path: &Path, line: &str) -> Result<(), Fault> {
    let mut file = OpenOptions::new().append(true).create(true).open(path)?;
    file.write_all(format!("{line}\n").as_bytes())?;
    Ok(())
}

/// Command-line arguments of the form `--name value`, and the rest.
#[derive(Debug, Default)]
pub struct Arguments {
    named: Vec<(String, String)>,
    /// What stands after the named ones.
    pub rest: Vec<String>,
}

impl Arguments {
    /// Reads the arguments of this process.
    ///
    /// # Errors
    /// When a name has no value.
    pub fn read() -> Result<Self, Fault> {
        let mut found = Self::default();
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            match word.strip_prefix("--") {
                Some("") => found.rest.extend(words.by_ref()),
                Some(name) => {
                    let value = words.next().ok_or_else(|| format!("--{name} needs a value"))?;
                    found.named.push((name.to_owned(), value));
                }
                None => found.rest.push(word),
            }
        }
        Ok(found)
    }

    /// Finds a named argument.
    ///
    /// # Errors
    /// When it is missing.
    pub fn get(&self, name: &str) -> Result<&str, Fault> {
        self.find(name).ok_or_else(|| format!("--{name} is missing").into())
    }

    /// Finds a named argument that may be absent.
    pub fn find(&self, name: &str) -> Option<&str> {
        self.named.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Finds a number.
    ///
    /// # Errors
    /// When it is missing or no number.
    pub fn number(&self, name: &str) -> Result<u64, Fault> {
        Ok(self.get(name)?.parse()?)
    }
}
