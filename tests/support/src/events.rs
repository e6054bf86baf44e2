//! A session's log as the visitor API shows it, and what must hold of any log.

use anyhow::Result;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeSet;

/// An event of a session's log.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Event {
    /// Its number; starts at 1, without gaps.
    pub seq: u64,
    /// Its id.
    pub id: String,
    /// The session it belongs to.
    pub session: String,
    /// What happened, such as `message`.
    #[serde(rename = "type")]
    pub kind: String,
    /// When, RFC 3339.
    pub at: String,
    /// The particulars.
    pub data: Value,
}

impl Event {
    /// The text of a text message, else nothing.
    pub fn text(&self) -> Option<&str> {
        (self.kind == "message")
            .then(|| self.data["content"]["text"].as_str())
            .flatten()
    }

    /// Whose message it is (`visitor`, `robot`, `agent`, `system`), else nothing.
    pub fn from_kind(&self) -> Option<&str> {
        (self.kind == "message")
            .then(|| self.data["from"]["kind"].as_str())
            .flatten()
    }
}

/// What the gateway answered to a message it took.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Accepted {
    /// The message's id.
    pub id: String,
    /// Its place in the log.
    pub seq: u64,
}

/// Fails unless the log is numbered 1, 2, 3 … and no id repeats.
pub fn check_gap_free(events: &[Event]) -> Result<()> {
    for (place, event) in (1u64..).zip(events) {
        anyhow::ensure!(
            event.seq == place,
            "seq {} stands at place {place}: {}",
            event.seq,
            outline(events)
        );
    }
    let ids: BTreeSet<_> = events.iter().map(|event| &event.id).collect();
    anyhow::ensure!(
        ids.len() == events.len(),
        "an event id repeats: {}",
        outline(events)
    );
    Ok(())
}

/// A log in a line per event, for messages.
pub(crate) fn outline(events: &[Event]) -> String {
    let lines = events
        .iter()
        .map(|event| format!("\n  {} {} {}", event.seq, event.kind, event.data));
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn event(seq: u64, id: &str) -> Event {
        let at = "2026-01-01T00:00:00.000Z".to_owned();
        let data =
            json!({ "from": { "kind": "agent" }, "content": { "type": "text", "text": "hi" } });
        Event {
            seq,
            id: id.to_owned(),
            session: "s".to_owned(),
            kind: "message".to_owned(),
            at,
            data,
        }
    }

    #[test]
    fn a_gap_or_a_repeated_id_in_a_log_is_found() {
        assert!(check_gap_free(&[event(1, "a"), event(2, "b")]).is_ok());
        assert!(check_gap_free(&[event(1, "a"), event(3, "b")]).is_err());
        assert!(check_gap_free(&[event(1, "a"), event(2, "a")]).is_err());
    }

    #[test]
    fn text_and_sender_are_read_from_messages_only() {
        let mut said = event(1, "a");
        assert_eq!((said.text(), said.from_kind()), (Some("hi"), Some("agent")));
        said.kind = "queue".to_owned();
        assert_eq!((said.text(), said.from_kind()), (None, None));
    }
}
