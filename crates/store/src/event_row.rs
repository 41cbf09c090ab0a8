//! How an event becomes a row: its payload as text, its id, its salt, its place in the chain.

use std::collections::VecDeque;

use orchflow_core::event::Event;
use orchflow_core::redact;
use rusqlite::{CachedStatement, Connection, OptionalExtension as _, params};
use uuid::Uuid;

use crate::chain::{self, Columns, Hash};

/// How many of the newest ids are kept in memory: nearly every event follows from one of them.
const RECENT: usize = 1024;

/// What rows are made with, beside the events themselves.
#[derive(Debug)]
pub(crate) struct RowMaker {
    /// Salts and ids are drawn from this and the place of the row; it is never stored.
    secret: [u8; 32],
    /// The newest ids, the last one belonging to the place before `next_seq`.
    recent: VecDeque<Uuid>,
    /// The hash the next row is chained to.
    pub(crate) head: Hash,
    /// The place of the next row.
    pub(crate) next_seq: u64,
}

impl RowMaker {
    pub(crate) fn new(secret: [u8; 32], head: Hash, next_seq: u64) -> RowMaker {
        RowMaker { secret, recent: VecDeque::with_capacity(RECENT), head, next_seq }
    }

    /// Goes back to where a failed batch began.
    pub(crate) fn back_to(&mut self, head: Hash, next_seq: u64) {
        self.recent.clear();
        self.head = head;
        self.next_seq = next_seq;
    }

    /// Draws the salt and the id of a row. The id is a version 7 UUID.
    fn draw(&self, seq: u64, at: i64) -> ([u8; 16], Uuid) {
        let drawn = blake3::keyed_hash(&self.secret, &seq.to_le_bytes());
        let drawn = drawn.as_bytes();
        let salt = drawn.first_chunk().copied().unwrap_or_default();
        let random = drawn.last_chunk().copied().unwrap_or_default();
        let millis = at.max(0).unsigned_abs() / 1000;
        (salt, uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
    }

    fn remember(&mut self, id: Uuid) {
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(id);
    }

    fn recent_id(&self, seq: u64) -> Option<Uuid> {
        let back = usize::try_from(self.next_seq.checked_sub(seq)?).ok()?;
        self.recent.get(self.recent.len().checked_sub(back)?).copied()
    }
}

/// Statements that write events, prepared once a batch.
pub(crate) struct RowWriter<'c> {
    event: CachedStatement<'c>,
    path: CachedStatement<'c>,
    id_of: CachedStatement<'c>,
}

impl<'c> RowWriter<'c> {
    pub(crate) fn new(connection: &'c Connection) -> rusqlite::Result<RowWriter<'c>> {
        Ok(RowWriter {
            event: connection.prepare_cached(
                "INSERT INTO development_events (seq, id, timestamp, event_type, event_version, actor, ai_id,
                    user_id, session_id, event_data, parent_event_id, parent_seq, payload_salt, payload_hash,
                    chain_hash)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
            )?,
            path: connection.prepare_cached("INSERT INTO event_paths (path, seq) VALUES (?1, ?2)")?,
            id_of: connection.prepare_cached("SELECT id FROM development_events WHERE seq = ?1")?,
        })
    }

    /// Writes one event and chains it to the one before.
    pub(crate) fn write(&mut self, maker: &mut RowMaker, event: &Event) -> rusqlite::Result<()> {
        let seq = event.seq.0;
        let data = payload_text(event)?;
        let (salt, id) = maker.draw(seq, event.at.0);
        let mut id_text = Uuid::encode_buffer();
        let id_text = &*id.hyphenated().encode_lower(&mut id_text);
        let mut parent_text = Uuid::encode_buffer();
        let parent_in_table: Option<String>;
        let parent_event_id: Option<&str> = match event.cause {
            None => None,
            Some(cause) => match maker.recent_id(cause.0) {
                Some(id) => Some(id.hyphenated().encode_lower(&mut parent_text)),
                None => {
                    parent_in_table = self.id_of.query_row([cause.0 as i64], |row| row.get(0)).optional()?;
                    parent_in_table.as_deref()
                }
            },
        };
        let mut paths: Vec<&[u8]> = event.paths.iter().map(Vec::as_slice).collect();
        paths.sort_unstable();
        paths.dedup();
        let run = event.run.map(|run| run.to_string());
        let columns = Columns {
            seq,
            id: id_text,
            timestamp: event.at.0,
            event_type: event.body.event_type(),
            event_version: 1,
            actor: event.actor.word(),
            ai_id: event.agent.as_ref().map(|agent| agent.name.as_str()),
            user_id: event.actor.user(),
            session_id: run.as_deref(),
            parent_event_id,
            parent_seq: event.cause.map(|cause| cause.0),
        };
        let payload = chain::payload_hash(&salt, &data, &paths);
        let hash = chain::chain_hash(&maker.head, &columns, &payload);
        self.event.execute(params![
            seq as i64,
            columns.id,
            columns.timestamp,
            columns.event_type,
            columns.event_version,
            columns.actor,
            columns.ai_id,
            columns.user_id,
            columns.session_id,
            data,
            columns.parent_event_id,
            columns.parent_seq.map(|seq| seq as i64),
            salt,
            payload,
            hash
        ])?;
        for path in paths {
            self.path.execute(params![path, seq as i64])?;
        }
        maker.remember(id);
        maker.head = hash;
        maker.next_seq = seq + 1;
        Ok(())
    }
}

/// Writes a payload as the text that is hashed and stored: JSON without secrets.
fn payload_text(event: &Event) -> rusqlite::Result<String> {
    let wrong = |error| rusqlite::Error::ToSqlConversionFailure(Box::new(error));
    let text = event.body.to_text().map_err(wrong)?;
    if !redact::may_hold_secret(&text) {
        return Ok(text);
    }
    let mut value = event.body.to_json().map_err(wrong)?;
    redact::redact(&mut value);
    Ok(value.to_string())
}
