//! The hash chain: each event's hash covers the one before, so no row can change unseen.
//!
//! `payload_hash = BLAKE3(salt ‖ event_data ‖ paths)` and
//! `chain_hash = BLAKE3(previous chain_hash ‖ each other column ‖ payload_hash)`, each part of variable
//! length with its length before it. The salted payload hash stands in the row, so that a payload can be
//! blanked, with its salt and its paths, and the chain still holds.

/// A BLAKE3 hash.
pub type Hash = [u8; 32];

/// What stands before the first event.
pub const GENESIS: Hash = [0; 32];

/// The columns of an event the chain covers beside its payload.
#[derive(Debug, Clone, Copy)]
pub struct Columns<'a> {
    /// Its place in the log.
    pub seq: u64,
    /// Its id.
    pub id: &'a str,
    /// Microseconds since 1970 UTC.
    pub timestamp: i64,
    /// Its type.
    pub event_type: &'a str,
    /// The version of its type's payload.
    pub event_version: i64,
    /// Who did it.
    pub actor: &'a str,
    /// The agent.
    pub ai_id: Option<&'a str>,
    /// The user.
    pub user_id: Option<&'a str>,
    /// The run.
    pub session_id: Option<&'a str>,
    /// The event it follows from.
    pub parent_event_id: Option<&'a str>,
    /// The place of the event it follows from.
    pub parent_seq: Option<u64>,
}

/// Hashes a payload with its salt and the paths it touches, which are sorted and each there once.
pub fn payload_hash<P: AsRef<[u8]>>(salt: &[u8], event_data: &str, paths: &[P]) -> Hash {
    let mut hasher = blake3::Hasher::new();
    let mut bytes = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    };
    bytes(salt);
    bytes(event_data.as_bytes());
    for path in paths {
        bytes(path.as_ref());
    }
    *hasher.finalize().as_bytes()
}

/// Hashes one event onto the chain.
pub fn chain_hash(previous: &Hash, columns: &Columns<'_>, payload: &Hash) -> Hash {
    let mut hasher = blake3::Hasher::new();
    hasher.update(previous);
    hasher.update(&columns.seq.to_le_bytes());
    hasher.update(&columns.timestamp.to_le_bytes());
    hasher.update(&columns.event_version.to_le_bytes());
    let mut text = |value: Option<&str>| match value {
        Some(value) => {
            hasher.update(&(value.len() as u64 + 1).to_le_bytes());
            hasher.update(value.as_bytes());
        }
        None => {
            hasher.update(&0u64.to_le_bytes());
        }
    };
    text(Some(columns.id));
    text(Some(columns.event_type));
    text(Some(columns.actor));
    text(columns.ai_id);
    text(columns.user_id);
    text(columns.session_id);
    text(columns.parent_event_id);
    // Places begin at 1, so 0 stands for none.
    hasher.update(&columns.parent_seq.unwrap_or(0).to_le_bytes());
    hasher.update(payload);
    *hasher.finalize().as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns() -> Columns<'static> {
        Columns {
            seq: 1,
            id: "i",
            timestamp: 5,
            event_type: "t",
            event_version: 1,
            actor: "host",
            ai_id: Some("a"),
            user_id: None,
            session_id: None,
            parent_event_id: None,
            parent_seq: None,
        }
    }

    #[test]
    fn every_column_counts_and_none_can_lend_bytes_to_its_neighbour() {
        let no_paths: &[&[u8]] = &[];
        let payload = payload_hash(b"salt", "{}", no_paths);
        let base = chain_hash(&GENESIS, &columns(), &payload);
        let changed = [
            Columns { seq: 2, ..columns() },
            Columns { timestamp: 6, ..columns() },
            Columns { event_version: 2, ..columns() },
            Columns { actor: "human", ..columns() },
            Columns { session_id: Some("1"), ..columns() },
            Columns { parent_event_id: Some("i"), ..columns() },
            Columns { parent_seq: Some(1), ..columns() },
            Columns { ai_id: None, ..columns() },
            Columns { ai_id: None, user_id: Some("a"), ..columns() },
            Columns { ai_id: Some(""), ..columns() },
            Columns { id: "it", event_type: "", ..columns() },
        ];
        for columns in changed {
            assert_ne!(chain_hash(&GENESIS, &columns, &payload), base, "{columns:?}");
        }
        let path: &[u8] = b"a";
        let payloads = [
            payload_hash(b"salt", "{}", no_paths),
            payload_hash(b"sal", "t{}", no_paths),
            payload_hash(b"salt", "{}a", no_paths),
            payload_hash(b"salt", "{}", &[path]),
            payload_hash(b"salt", "{}", &[path, path]),
            payload_hash(b"salt", "{}", &[&b"aa"[..]]),
        ];
        for (place, payload) in payloads.iter().enumerate() {
            assert!(!payloads[..place].contains(payload), "{place}");
        }
    }
}
