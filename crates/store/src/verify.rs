//! Walks the hash chain and says where it breaks.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension as _, Row, Rows, params};

use crate::chain::{Columns, GENESIS, Hash, chain_hash, payload_hash};
use crate::{Reader, StoreError, schema};

/// What a walk over the chain found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Events that were looked at.
    pub checked: u64,
    /// Where the chain does not hold: the place and what is wrong.
    pub broken: Option<(u64, String)>,
}

/// Checks the whole log, as it stands at one moment; events may be written meanwhile.
///
/// # Errors
/// What SQLite says.
pub fn verify(path: &Path) -> Result<Verdict, StoreError> {
    Reader::open(path)?.look(|connection| {
        schema::version(connection, path)?;
        let snapshot = connection.unchecked_transaction()?;
        let sealed = Sealed::read(&snapshot)?;
        let mut walk = Walk::from(0, GENESIS);
        walk.run(&snapshot, &sealed)?;
        Ok(walk.verdict)
    })
}

/// The place up to which the chain was found to hold, kept beside the log. It shows when the newest
/// events are cut off or the chain is written anew, which the chain alone cannot.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sealed {
    pub(crate) seq: u64,
    pub(crate) head: Hash,
}

impl Sealed {
    pub(crate) fn read(connection: &Connection) -> Result<Sealed, StoreError> {
        let meta = |name: &str| -> rusqlite::Result<Option<String>> {
            connection
                .query_row("SELECT value FROM meta WHERE name = ?1", [name], |row| row.get(0))
                .optional()
        };
        let Some(seq) = meta("sealed_seq")? else { return Ok(Sealed { seq: 0, head: GENESIS }) };
        let head = meta("sealed_hash")?.and_then(|text| blake3::Hash::from_hex(text).ok());
        match (seq.parse(), head) {
            (Ok(seq), Some(head)) => Ok(Sealed { seq, head: *head.as_bytes() }),
            _ => Err(StoreError::Damaged("the seal of the log is no seal".to_owned())),
        }
    }

    pub(crate) fn write(&self, connection: &Connection) -> rusqlite::Result<()> {
        connection
            .prepare_cached(
                "INSERT OR REPLACE INTO meta (name, value) VALUES ('sealed_seq', ?1), ('sealed_hash', ?2)",
            )?
            .execute(params![self.seq.to_string(), blake3::Hash::from_bytes(self.head).to_hex().as_str()])?;
        Ok(())
    }
}

/// Checks the chain after what is sealed and gives its head, the last place and the last time.
pub(crate) fn head_since(connection: &Connection, sealed: &Sealed) -> Result<(Hash, u64, i64), StoreError> {
    let mut walk = Walk::from(sealed.seq, sealed.head);
    if sealed.seq > 0 {
        let (hash, at): (Hash, i64) = connection
            .query_row(
                "SELECT chain_hash, timestamp FROM development_events WHERE seq = ?1",
                [sealed.seq as i64],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .optional()?
            .ok_or_else(|| StoreError::Damaged(format!("event {}, the sealed head, is gone", sealed.seq)))?;
        if hash != sealed.head {
            return Err(StoreError::Damaged(format!("event {} is not the one that was sealed", sealed.seq)));
        }
        walk.last_at = at;
    }
    walk.run(connection, sealed)?;
    match walk.verdict.broken {
        Some((seq, why)) => Err(StoreError::Damaged(format!("at event {seq}: {why}"))),
        None => Ok((walk.head, walk.last_seq, walk.last_at)),
    }
}

struct Walk {
    verdict: Verdict,
    head: Hash,
    last_seq: u64,
    last_at: i64,
}

impl Walk {
    /// Begins after a place whose hash is known.
    fn from(last_seq: u64, head: Hash) -> Walk {
        Walk { verdict: Verdict { checked: 0, broken: None }, head, last_seq, last_at: 0 }
    }

    fn run(&mut self, connection: &Connection, sealed: &Sealed) -> Result<(), StoreError> {
        // From the beginning, rows before the first place count as well: there may be none.
        let after = if self.last_seq == 0 { i64::MIN } else { self.last_seq as i64 };
        let mut events = connection.prepare(
            "SELECT seq, id, timestamp, event_type, event_version, actor, ai_id, user_id, session_id, event_data,
                parent_event_id, parent_seq, payload_salt, payload_hash, chain_hash
             FROM development_events WHERE seq > ?1 ORDER BY seq",
        )?;
        let mut paths =
            connection.prepare("SELECT seq, path FROM event_paths WHERE seq > ?1 ORDER BY seq, path")?;
        let mut events = events.query([after])?;
        let mut paths = Paths::new(paths.query([after])?)?;
        while let Some(row) = events.next()? {
            if let Err((seq, why)) = self.step(row, &mut paths, sealed)? {
                self.verdict.broken = Some((seq, why.to_owned()));
                return Ok(());
            }
        }
        self.verdict.broken = match paths.next {
            Some((seq, _)) => {
                Some((seq.unsigned_abs(), "a path is noted for it, and it is not there".to_owned()))
            }
            None if self.last_seq < sealed.seq => {
                Some((self.last_seq + 1, format!("it and those up to {} are missing", sealed.seq)))
            }
            None => None,
        };
        Ok(())
    }

    /// Checks one row; gives the place and what is wrong with it.
    fn step(
        &mut self,
        row: &Row<'_>,
        paths: &mut Paths<'_>,
        sealed: &Sealed,
    ) -> Result<Result<(), (u64, &'static str)>, StoreError> {
        let place: i64 = row.get(0)?;
        let seq = place.unsigned_abs();
        let broken = |why| Ok(Err((seq, why)));
        if place < 1 {
            return broken("it stands before the first place");
        }
        if seq != self.last_seq + 1 {
            return broken("one or more events before it are missing");
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
            parent_seq: row.get::<_, Option<i64>>(11)?.map(i64::unsigned_abs),
        };
        let data = text(9).unwrap_or_default();
        let stored: Hash = bytes(13).and_then(|hash| hash.try_into().ok()).unwrap_or_default();
        let Some(noted) = paths.of(place)? else {
            return broken("a path is noted for an event before it that is not there");
        };
        // A purged payload is blank; its hash still stands in the chain.
        if !data.is_empty() && payload_hash(bytes(12).unwrap_or_default(), data, noted) != stored {
            return broken("its payload or its paths were changed");
        }
        let hash = chain_hash(&self.head, &columns, &stored);
        if bytes(14) != Some(hash.as_slice()) {
            return broken("it or the one before it was changed");
        }
        if seq == sealed.seq && hash != sealed.head {
            return broken("the log up to here was written anew");
        }
        self.head = hash;
        self.last_seq = seq;
        self.last_at = columns.timestamp;
        self.verdict.checked += 1;
        Ok(Ok(()))
    }
}

/// The side table of paths, read along with the events.
struct Paths<'s> {
    rows: Rows<'s>,
    next: Option<(i64, Vec<u8>)>,
    of_one: Vec<Vec<u8>>,
}

impl<'s> Paths<'s> {
    fn new(rows: Rows<'s>) -> rusqlite::Result<Paths<'s>> {
        let mut paths = Paths { rows, next: None, of_one: Vec::new() };
        paths.advance()?;
        Ok(paths)
    }

    fn advance(&mut self) -> rusqlite::Result<()> {
        self.next = match self.rows.next()? {
            Some(row) => Some((row.get(0)?, row.get(1)?)),
            None => None,
        };
        Ok(())
    }

    /// Gives the paths of an event; `None` when some are left that belong to none before it.
    fn of(&mut self, seq: i64) -> rusqlite::Result<Option<&[Vec<u8>]>> {
        self.of_one.clear();
        while let Some((of, path)) = self.next.take_if(|(of, _)| *of <= seq) {
            if of < seq {
                return Ok(None);
            }
            self.of_one.push(path);
            self.advance()?;
        }
        Ok(Some(&self.of_one))
    }
}
