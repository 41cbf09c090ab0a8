//! Walks the hash chain and says where it breaks.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension as _};

use crate::chain::{Columns, GENESIS, Hash, chain_hash, payload_hash};
use crate::{Reader, StoreError};

/// What a walk over the chain found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Events that were looked at.
    pub checked: u64,
    /// Where the chain does not hold: the place and what is wrong.
    pub broken: Option<(u64, String)>,
}

/// Checks the whole log.
///
/// # Errors
/// What SQLite says.
pub fn verify(path: &Path) -> Result<Verdict, StoreError> {
    // Opened as a reader first, for its clear error.
    drop(Reader::open(path)?);
    let connection = Connection::open_with_flags(
        path,
        rusqlite::OpenFlags::SQLITE_OPEN_READ_WRITE | rusqlite::OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    connection.pragma_update(None, "query_only", true)?;
    walk(&connection, 0, GENESIS).map(|walk| walk.verdict)
}

pub(crate) struct Walk {
    pub(crate) verdict: Verdict,
    pub(crate) head: Hash,
    pub(crate) last_seq: u64,
    pub(crate) last_at: i64,
}

/// Checks the chain after `sealed` and gives its head, the last place and the last time.
pub(crate) fn head_since(connection: &Connection, sealed: u64) -> Result<(Hash, u64, i64), StoreError> {
    let start = match sealed {
        0 => GENESIS,
        sealed => connection
            .query_row("SELECT chain_hash FROM development_events WHERE seq = ?1", [sealed as i64], |row| row.get(0))
            .optional()?
            .ok_or_else(|| StoreError::Damaged(format!("event {sealed}, the sealed head, is gone")))?,
    };
    let mut walk = walk(connection, sealed, start)?;
    if let Some((seq, why)) = walk.verdict.broken {
        return Err(StoreError::Damaged(format!("at event {seq} {why}")));
    }
    if walk.verdict.checked == 0 && sealed > 0 {
        walk.last_at = connection.query_row(
            "SELECT timestamp FROM development_events WHERE seq = ?1",
            [sealed as i64],
            |row| row.get(0),
        )?;
    }
    Ok((walk.head, walk.last_seq, walk.last_at))
}

fn walk(connection: &Connection, after: u64, start: Hash) -> Result<Walk, StoreError> {
    let mut select = connection.prepare(
        "SELECT seq, id, timestamp, event_type, event_version, actor, ai_id, user_id, session_id, event_data,
            parent_event_id, payload_salt, payload_hash, chain_hash
         FROM development_events WHERE seq > ?1 ORDER BY seq",
    )?;
    let mut rows = select.query([after as i64])?;
    let mut walk =
        Walk { verdict: Verdict { checked: 0, broken: None }, head: start, last_seq: after, last_at: 0 };
    while let Some(row) = rows.next()? {
        let seq = row.get::<_, i64>(0)?.unsigned_abs();
        let mut broken = |why: &str| walk.verdict.broken = Some((seq, why.to_owned()));
        if seq != walk.last_seq + 1 {
            broken("one or more events before it are missing");
            break;
        }
        let text = |place: usize| row.get_ref(place).ok().and_then(|value| value.as_str().ok());
        let bytes = |place: usize| row.get_ref(place).ok().and_then(|value| value.as_blob().ok());
        let columns = Columns {
            seq,
            id: text(1).unwrap_or_default(),
            timestamp: row.get(2)?,
            event_type: text(3).unwrap_or_default(),
            event_version: row.get(4)?,
            actor: text(5).unwrap_or_default(),
            ai_id: text(6),
            user_id: text(7),
            session_id: text(8),
            parent_event_id: text(10),
        };
        let data = text(9).unwrap_or_default();
        let stored: Hash = bytes(12).and_then(|hash| hash.try_into().ok()).unwrap_or_default();
        // A purged payload is blank; its hash still stands in the chain.
        if !data.is_empty() && payload_hash(bytes(11).unwrap_or_default(), data) != stored {
            broken("the payload was changed");
            break;
        }
        let hash = chain_hash(&walk.head, &columns, &stored);
        if bytes(13) != Some(hash.as_slice()) {
            broken("the row or the one before it was changed");
            break;
        }
        walk.head = hash;
        walk.last_seq = seq;
        walk.last_at = columns.timestamp;
        walk.verdict.checked += 1;
    }
    Ok(walk)
}
