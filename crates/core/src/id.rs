//! The names things go by.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Counts runs in one repository, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(pub u64);

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Microseconds since 1970-01-01 UTC.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

/// An event's place in the log: dense, from 1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventSeq(pub u64);

/// An agent's full name, written `RUN/NAME` (`7/claude-2`); unique in a repository for ever.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AgentKey {
    /// The run it was started in.
    pub run: RunId,
    /// Its short name, unique among agents whose worktree stands.
    pub name: String,
}

impl AgentKey {
    /// Joins a run and a name.
    pub fn new(run: RunId, name: impl Into<String>) -> Self {
        AgentKey { run, name: name.into() }
    }

    /// Gives the form used in file names and refs' last parts: `7-claude-2`.
    pub fn file_stem(&self) -> String {
        format!("{}-{}", self.run, self.name)
    }
}

impl fmt::Display for AgentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.run, self.name)
    }
}

/// Says that a text is not `RUN/NAME`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an agent's full name; it looks like 7/claude")]
pub struct BadAgentKey(pub String);

impl FromStr for AgentKey {
    type Err = BadAgentKey;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || BadAgentKey(text.to_owned());
        let (run, name) = text.split_once('/').ok_or_else(bad)?;
        // `parse` alone would take `+7` and `007` for 7, and a name must have one form.
        let is_number = run.bytes().all(|b| b.is_ascii_digit()) && (run == "0" || !run.starts_with('0'));
        let run = run.parse().ok().filter(|_| is_number).ok_or_else(bad)?;
        if !is_agent_name(name) {
            return Err(bad());
        }
        Ok(AgentKey::new(RunId(run), name))
    }
}

impl Serialize for AgentKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for AgentKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Tells whether a name can be an agent's: it becomes part of a ref, a path and a pane's title, so it
/// is ASCII letters, digits, `-` and `_`, starts with a letter or digit and has at most 40 bytes.
pub fn is_agent_name(name: &str) -> bool {
    (1..=MAX_AGENT_NAME).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        && name.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric)
}

/// The longest name of an agent, in bytes.
pub(crate) const MAX_AGENT_NAME: usize = 40;

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Writes bytes as base64 (RFC 4648 section 4).
pub(crate) fn base64(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().fold(0u32, |group, &byte| (group << 8) | u32::from(byte));
        let group = group << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let digit = (group >> (18 - 6 * place)) & 63;
            out.push(if place <= chunk.len() { char::from(BASE64[digit as usize]) } else { '=' });
        }
    }
    out
}

/// Reads base64 back; `None` when it is not.
pub(crate) fn unbase64(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=').as_bytes();
    let mut out = Vec::with_capacity(digits.len() * 3 / 4);
    for chunk in digits.chunks(4) {
        // One digit holds six bits, which are no byte.
        if chunk.len() == 1 {
            return None;
        }
        let mut group = 0u32;
        for digit in chunk {
            group = (group << 6) | BASE64.iter().position(|known| known == digit)? as u32;
        }
        group <<= 6 * (4 - chunk.len());
        let bytes = group.to_be_bytes();
        out.extend_from_slice(bytes.get(1..chunk.len())?);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agent_keys_are_read_as_written_and_nothing_else_is() {
        let key: AgentKey = "7/claude-2".parse().unwrap();
        assert_eq!(key, AgentKey::new(RunId(7), "claude-2"));
        assert_eq!(key.to_string(), "7/claude-2");
        let long = format!("7/{}", "a".repeat(41));
        for bad in ["claude", "/x", "7/", "x/y", "7/a b", "7/../x", "7/-x", "7/é", "+7/a", "07/a", "/", &long]
        {
            assert!(bad.parse::<AgentKey>().is_err(), "{bad}");
        }
    }
}
