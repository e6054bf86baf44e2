//! The position in all sessions of a visitor, as clients carry it.
//!
//! Owns what a position is and its opaque text. Deliberately asks nobody: it is
//! told of sessions and of events. Invariant: a session that is not in a
//! position is either new, and read from its start, or was over when the
//! position was made.
//!
//! Sessions do not become known in the order of their opening: two that open in
//! the same moment at two desks are written one after the other, and the later
//! may be the older. So a position names every session that is open, and those
//! that opened in the last minute before the newest even if they are over; only
//! of what is older and over it may be silent.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use kefu_plugin_api::ids::SessionId;
use serde::{Deserialize, Serialize};

/// A position in all sessions of a visitor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Position {
    /// Whatever was opened until then, in milliseconds, is in the position or
    /// over.
    settled: i64,
    sessions: BTreeMap<SessionId, Place>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    /// The number of the last event that was sent.
    seq: u64,
    opened_ms: i64,
    over: bool,
}

/// What is known of a session that was listed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Listed {
    pub(super) last_seq: u64,
    pub(super) opened_ms: i64,
    pub(super) over: bool,
}

/// What to do about an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// It is the next one of its session: send it.
    Send,
    /// It was sent already.
    Drop,
    /// Events before it are missing: read the session's log.
    ReadLog,
    /// Its session is not known: list the sessions.
    ListSessions,
}

#[derive(Serialize, Deserialize)]
struct Text {
    t: i64,
    s: BTreeMap<String, u64>,
}

impl Position {
    /// Takes note of a session that exists. Returns whether it has events that
    /// were not sent; the very first listing of a stream that starts now has
    /// none.
    pub(super) fn note(&mut self, session: &SessionId, listed: Listed, from_now: bool) -> bool {
        // One that is open was open, or not there, when the position was made,
        // and what was open is in it.
        let known = listed.over && listed.opened_ms <= self.settled;
        let place = self
            .sessions
            .entry(session.clone())
            .or_insert_with(|| Place {
                seq: if from_now || known {
                    listed.last_seq
                } else {
                    0
                },
                opened_ms: listed.opened_ms,
                over: false,
            });
        place.opened_ms = listed.opened_ms;
        place.over = listed.over && place.seq >= listed.last_seq;
        place.seq < listed.last_seq
    }

    /// All sessions of a listing were noted.
    pub(super) fn noted_all(&mut self) {
        let opened = self.sessions.values().map(|place| place.opened_ms);
        let newest = opened.max().unwrap_or(0);
        self.settled = self.settled.max(newest - LATECOMERS_MS);
    }

    /// What to do about an event.
    pub(super) fn step(&self, session: &SessionId, seq: u64) -> Step {
        match self.sessions.get(session) {
            None => Step::ListSessions,
            Some(place) if seq <= place.seq => Step::Drop,
            Some(place) if seq == place.seq + 1 => Step::Send,
            Some(_) => Step::ReadLog,
        }
    }

    /// An event was sent.
    pub(super) fn sent(&mut self, session: &SessionId, seq: u64, last: bool) {
        if let Some(place) = self.sessions.get_mut(session) {
            place.seq = seq;
            place.over |= last;
        }
    }

    /// The number of the last event that was sent of a session.
    pub(super) fn seq(&self, session: &SessionId) -> u64 {
        self.sessions.get(session).map_or(0, |place| place.seq)
    }

    /// As text for the client: what is over is left out, except the newest.
    pub(super) fn to_text(&self) -> String {
        let mut named: Vec<_> = self
            .sessions
            .iter()
            .filter(|(_, place)| !place.over || place.opened_ms > self.settled)
            .collect();
        if named.len() > MOST {
            named.sort_by_key(|(_, place)| (place.over, -place.opened_ms));
            named.truncate(MOST);
        }
        let text = Text {
            t: self.settled,
            s: named
                .into_iter()
                .map(|(session, place)| (session.as_str().to_owned(), place.seq))
                .collect(),
        };
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(&text).unwrap_or_default())
    }

    /// From a client's text; `None` if it was not given out here.
    pub(super) fn from_text(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let text: Text = serde_json::from_slice(&bytes).ok()?;
        if text.s.len() > MOST {
            return None;
        }
        let place = |seq| Place {
            seq,
            opened_ms: 0,
            over: false,
        };
        Some(Self {
            settled: text.t,
            sessions: text
                .s
                .into_iter()
                .map(|(session, seq)| (SessionId::new(session), place(seq)))
                .collect(),
        })
    }
}

/// How long after its opening a session may become known. Opening takes at
/// most as long as a request, which is shorter.
const LATECOMERS_MS: i64 = 60_000;
/// More sessions are not listed either.
const MOST: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_that_starts_now_sends_only_what_comes() {
        let mut position = Position::default();
        assert!(!position.note(&id("a"), listed(7, 100, false), true));
        position.noted_all();
        assert_eq!(position.step(&id("a"), 7), Step::Drop);
        assert_eq!(position.step(&id("a"), 8), Step::Send);
        assert_eq!(position.step(&id("a"), 9), Step::ReadLog);
        assert_eq!(position.step(&id("b"), 1), Step::ListSessions);
    }

    #[test]
    fn a_new_session_is_read_from_its_start() {
        let mut position = Position::default();
        position.note(&id("a"), listed(7, 100, false), true);
        position.noted_all();
        assert!(position.note(&id("b"), listed(3, 200, false), false));
        position.noted_all();
        assert_eq!(position.step(&id("b"), 1), Step::Send);
    }

    #[test]
    fn sessions_of_the_same_moment_are_both_read_from_their_start() {
        let mut position = Position::default();
        position.note(&id("first"), listed(3, 1_000_000, false), true);
        position.noted_all();
        // It was written after the listing: in the same moment, or before.
        for (late, opened_ms) in [("same", 1_000_000), ("older", 999_000)] {
            assert!(position.note(&id(late), listed(2, opened_ms, false), false));
            position.noted_all();
            assert_eq!(position.seq(&id(late)), 0, "{late}");
        }
        // Also for a client that comes back, and where it is over already.
        let mut position = Position::default();
        position.note(&id("first"), listed(3, 1_000_000, false), true);
        position.noted_all();
        let mut again = Position::from_text(&position.to_text()).unwrap();
        assert!(again.note(&id("same"), listed(2, 1_000_000, true), false));
        assert!(again.note(&id("older"), listed(2, 999_000, true), false));
        assert!(!again.note(&id("first"), listed(3, 1_000_000, true), false));
    }

    #[test]
    fn a_session_that_ended_a_moment_ago_is_not_read_again() {
        let mut position = Position::default();
        position.note(&id("a"), listed(4, 1_000_000, true), true);
        position.note(&id("b"), listed(4, 1_030_000, false), true);
        position.note(&id("long ago"), listed(4, 900_000, true), true);
        position.noted_all();
        let mut again = Position::from_text(&position.to_text()).unwrap();
        assert!(!again.note(&id("a"), listed(4, 1_000_000, true), false));
        assert!(!again.note(&id("long ago"), listed(4, 900_000, true), false));
    }

    #[test]
    fn a_text_of_an_earlier_gateway_is_still_understood() {
        let text = URL_SAFE_NO_PAD.encode("{\"t\":1000000,\"s\":{\"b\":4}}");
        let mut position = Position::from_text(&text).unwrap();
        assert!(!position.note(&id("a"), listed(9, 990_000, true), false));
        assert!(!position.note(&id("b"), listed(4, 1_000_000, false), false));
        assert!(position.note(&id("c"), listed(1, 1_000_001, false), false));
    }

    #[test]
    fn a_position_comes_back_from_its_text() {
        let mut position = Position::default();
        position.note(&id("old"), listed(9, 50, true), true);
        position.note(&id("a"), listed(7, 100, false), true);
        position.noted_all();
        position.sent(&id("a"), 8, false);
        let mut again = Position::from_text(&position.to_text()).unwrap();
        // What was over stays over, what was missed is missing, what is new is new.
        assert!(!again.note(&id("old"), listed(9, 50, true), false));
        assert!(again.note(&id("a"), listed(10, 100, false), false));
        assert!(again.note(&id("b"), listed(2, 150, false), false));
        assert_eq!(again.seq(&id("a")), 8);
        assert_eq!(again.seq(&id("b")), 0);
    }

    #[test]
    fn a_session_that_is_over_leaves_the_text_but_not_the_newest() {
        let mut position = Position::default();
        position.note(&id("a"), listed(1, 100_000, false), true);
        position.note(&id("b"), listed(1, 200_000, false), true);
        position.noted_all();
        position.sent(&id("a"), 2, true);
        position.sent(&id("b"), 2, true);
        let mut again = Position::from_text(&position.to_text()).unwrap();
        assert_eq!(again.step(&id("a"), 3), Step::ListSessions);
        assert_eq!(again.seq(&id("b")), 2);
        assert!(!again.note(&id("a"), listed(2, 100_000, true), false));
        assert!(!again.note(&id("b"), listed(2, 200_000, true), false));
    }

    #[test]
    fn a_text_that_was_not_given_out_is_none() {
        for text in ["", "7", "e30", "####", &URL_SAFE_NO_PAD.encode("{\"t\":0}")] {
            assert_eq!(Position::from_text(text), None, "{text}");
        }
    }

    fn id(text: &str) -> SessionId {
        text.into()
    }

    fn listed(last_seq: u64, opened_ms: i64, over: bool) -> Listed {
        Listed {
            last_seq,
            opened_ms,
            over,
        }
    }
}
