//! Filters, pages and rows of the log.

use orchflow_core::event::{EventBody, UnreadableEvent};
use orchflow_core::filter::Filter;

/// Narrows a page of events. Empty filters nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// Only this agent, by its short name.
    pub agent: Option<String>,
    /// Only this run.
    pub run: Option<u64>,
    /// Only these types.
    pub types: Vec<String>,
    /// Only events that touch this file.
    pub path: Option<Vec<u8>>,
    /// Only events at or after this time, in microseconds since 1970 UTC.
    pub since: Option<i64>,
    /// Only events at or before this time.
    pub until: Option<i64>,
    /// Only events whose text has all of these words.
    pub text: Option<String>,
    /// What else is asked for, in the words of the filter grammar. Its times are the caller's to resolve
    /// into `since` and `until`: they depend on a clock.
    pub more: Filter,
}

/// Where a page begins and which way it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Page {
    /// The newest events, or those before a place; newest first.
    Before(Option<u64>),
    /// The events after a place; oldest first.
    After(u64),
}

/// One row of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRow {
    /// Its place.
    pub seq: u64,
    /// Its id.
    pub id: String,
    /// Microseconds since 1970 UTC.
    pub timestamp: i64,
    /// Its type.
    pub event_type: String,
    /// Who did it.
    pub actor: String,
    /// The agent's short name.
    pub agent: Option<String>,
    /// The user.
    pub user: Option<String>,
    /// The run.
    pub run: Option<u64>,
    /// Its payload as JSON.
    pub data: String,
    /// The place of the event it follows from.
    pub cause: Option<u64>,
    /// The paths it touches.
    pub paths: Vec<Vec<u8>>,
}

impl EventRow {
    /// Reads the payload.
    ///
    /// # Errors
    /// [`UnreadableEvent`] when a newer or damaged row cannot be read by this version.
    pub fn body(&self) -> Result<EventBody, UnreadableEvent> {
        EventBody::from_text(&self.event_type, &self.data)
    }
}
