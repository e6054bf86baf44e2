//! Looks a message up in its session's log.
//!
//! Owns the one question that a turn asks of a log: a message of the vendor that
//! is taken back is rare, so no index is kept for it.

use kefu_core::{
    log::{EventBody, LogEvent},
    turn::Said,
};
use kefu_plugin_api::ids::{MessageId, SessionId};
use rusqlite::params;

use super::{StoreError, reader::Readers};

/// Where a message stands in a log.
pub(super) fn said(
    readers: &Readers,
    session: &SessionId,
    message: &MessageId,
) -> Result<Option<Said>, StoreError> {
    let entries: Vec<Vec<u8>> = readers.read("find a message", |connection| {
        connection
            .prepare_cached(
                "SELECT json FROM events WHERE session = ? AND instr(json, ?) > 0 ORDER BY seq",
            )?
            .query_map(
                params![session.as_str(), message.as_str().as_bytes()],
                |row| row.get(0),
            )?
            .collect()
    })?;
    let mut said = Said::default();
    for json in entries {
        let event: LogEvent = serde_json::from_slice(&json)
            .map_err(|error| StoreError::new("read an event", error))?;
        match event.body {
            EventBody::Message(logged) if logged.id == *message => said.seqs.push(event.seq),
            EventBody::Recalled { message: taken } => said.recalled |= taken == *message,
            // It is named for another reason, or in somebody's words.
            _ => {}
        }
    }
    Ok((!said.seqs.is_empty()).then_some(said))
}
