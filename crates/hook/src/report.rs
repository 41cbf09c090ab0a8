//! One report and its form on the wire.

use std::time::{SystemTime, UNIX_EPOCH};

use rustix::rand::{GetRandomFlags, getrandom};

use crate::msgpack::Writer;

/// What an adapter has to say: bytes with a name, and who says so.
///
/// On the wire and in the spool it is one msgpack map with the keys `id`, `agent`, `token`, `at`,
/// `format`, `name`, `body` (binary), `pid`, `decision` and `truncated`.
#[derive(Debug, Clone, Copy)]
pub struct Report<'a> {
    /// Unique for ever (32 hexadecimal digits): the same report delivered twice counts once.
    pub id: &'a str,
    /// The agent's full name, `7/claude`.
    pub agent: &'a str,
    /// Proves that the sender was started as this agent.
    pub token: &'a str,
    /// When it was seen, in microseconds since 1970-01-01 UTC.
    pub at: i64,
    /// What the body is written in: `claude`, …
    pub format: &'a str,
    /// The hook's name, or empty.
    pub name: &'a str,
    /// The body, untouched.
    pub body: &'a [u8],
    /// The process that caused the report.
    pub pid: u32,
    /// Whether the sender waits for an answer that it hands to the agent.
    pub decision: bool,
    /// Whether the body was cut at the limit.
    pub truncated: bool,
}

impl Report<'_> {
    /// Encodes the report as one msgpack map.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::with_capacity(self.body.len() + 256);
        writer.map(10);
        for (key, value) in [
            ("id", self.id),
            ("agent", self.agent),
            ("token", self.token),
            ("format", self.format),
            ("name", self.name),
        ] {
            writer.text(key);
            writer.text(value);
        }
        writer.text("at");
        writer.unsigned(self.at.max(0).unsigned_abs());
        writer.text("pid");
        writer.unsigned(u64::from(self.pid));
        writer.text("decision");
        writer.boolean(self.decision);
        writer.text("truncated");
        writer.boolean(self.truncated);
        writer.text("body");
        writer.binary(self.body);
        writer.into_bytes()
    }
}

/// Reads the wall clock, in microseconds since 1970-01-01 UTC.
pub(crate) fn now_micros() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// Makes a report's id: 48 bits of time in milliseconds, then 80 random bits, in hexadecimal.
pub(crate) fn new_id(at_micros: i64) -> String {
    let mut random = [0u8; 16];
    // Without random bytes, process and clock still tell two reports apart.
    if getrandom(&mut random, GetRandomFlags::empty()).map_or(true, |filled| filled < random.len()) {
        let nanos = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        random = (nanos ^ (u128::from(std::process::id()) << 64)).to_le_bytes();
    }
    let tail = u128::from_le_bytes(random) & ((1 << 80) - 1);
    let millis = (at_micros.max(0).unsigned_abs() / 1000) & ((1 << 48) - 1);
    format!("{:032x}", (u128::from(millis) << 80) | tail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::msgpack::{Value, read};

    #[test]
    fn a_report_is_one_map_with_its_body_untouched() {
        let id = new_id(1_795_182_105_963_000);
        let report = Report {
            id: &id,
            agent: "7/claude",
            token: "ab12",
            at: 1_795_182_105_963_000,
            format: "claude",
            name: "Stop",
            body: b"\xff{not json",
            pid: 42,
            decision: false,
            truncated: false,
        };
        let (value, _) = read(&report.encode()).unwrap();
        assert_eq!(value.get("body"), Some(&Value::Bytes(b"\xff{not json".to_vec())));
        assert_eq!(value.get("at"), Some(&Value::Integer(1_795_182_105_963_000)));
        assert_eq!(value.get("agent"), Some(&Value::Bytes(b"7/claude".to_vec())));
    }

    #[test]
    fn ids_are_32_hexadecimal_digits_that_begin_with_the_time_and_differ() {
        let (one, two) = (new_id(1_795_182_105_963_000), new_id(1_795_182_105_963_000));
        assert_eq!(one.len(), 32);
        assert!(one.bytes().all(|byte| byte.is_ascii_hexdigit()));
        assert_eq!(one[..12], two[..12]);
        assert_ne!(one, two);
    }
}
