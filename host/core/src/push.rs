//! What an app's own server is told, in which form, and when it is told again.
//!
//! Owns which events of a log are pushed, the waits between tries, and both
//! forms of a push. Pure: a session, an event and the moment come in, values go
//! out; signing and sending are the host's. Invariant: the same event of the
//! same session always comes to the same push, so that a repeat is recognised.

mod rongcloud;

pub use rongcloud::{Post, post};

use std::time::Duration;

use jiff::fmt::rfc2822;
use kefu_plugin_api::{
    ids::{AppId, DeskId, ProviderId},
    time::Timestamp,
};
use serde::Serialize;

use crate::{
    log::{EventBody, LogEvent},
    session::Record,
};

/// Whether the app's server hears of an event: whatever somebody said, a form
/// that the visitor left, and what was taken back.
pub fn is_pushed(event: &EventBody) -> bool {
    matches!(
        event,
        EventBody::Message(_)
            | EventBody::Recalled { .. }
            | EventBody::LeaveMessageSubmitted { .. }
    )
}

/// The first and the last number among new events that are pushed.
pub fn span(events: &[LogEvent]) -> Option<(u64, u64)> {
    let mut numbers = events
        .iter()
        .filter(|event| is_pushed(&event.body))
        .map(|event| event.seq);
    let first = numbers.next()?;
    Some((first, numbers.next_back().unwrap_or(first)))
}

/// When to try again after so many tries, this one included; `None`: never. A
/// server may ask for a longer wait than the next of the list, up to a day,
/// and for no shorter one.
pub fn next_try(
    tries: u32,
    waits: &[Duration],
    asked_ms: Option<i64>,
    now: Timestamp,
) -> Option<Timestamp> {
    let place = usize::try_from(tries.checked_sub(1)?).ok()?;
    let wait = waits.get(place)?.as_millis();
    let wait = i64::try_from(wait).unwrap_or(LONGEST_ASKED_MS);
    let asked = asked_ms.unwrap_or(0).min(LONGEST_ASKED_MS);
    Some(now.plus_ms(wait.max(asked)))
}

/// How long a `Retry-After` asks to wait: seconds, or a date of HTTP.
pub fn asked_wait_ms(value: &str, now: Timestamp) -> Option<i64> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        let seconds = value.parse::<i64>().unwrap_or(i64::MAX);
        return Some(seconds.saturating_mul(1000));
    }
    let date = rfc2822::DateTimeParser::new().parse_timestamp(value).ok()?;
    let at = Timestamp::from_unix_ms(date.as_millisecond());
    Some(at.since_ms(now).max(0))
}

/// The JSON of a push: the event as apps read it in the log, and whose it is.
#[derive(Debug, Serialize)]
pub struct EventPush<'a> {
    #[serde(flatten)]
    event: &'a LogEvent,
    app: &'a AppId,
    desk: &'a DeskId,
    provider: &'a ProviderId,
    visitor: Person<'a>,
    #[serde(skip_serializing_if = "is_false")]
    replayed: bool,
}

#[derive(Debug, Serialize)]
struct Person<'a> {
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    portrait: Option<&'a str>,
}

impl<'a> EventPush<'a> {
    /// Of an event in this session's log; `replayed` where people have it sent
    /// again after it was given up.
    pub fn new(record: &'a Record, event: &'a LogEvent, replayed: bool) -> Self {
        Self {
            event,
            app: &record.app,
            desk: &record.desk,
            provider: &record.provider,
            visitor: Person {
                id: &record.visitor.id,
                name: record.visitor.name.as_deref(),
                portrait: record.visitor.portrait.as_deref(),
            },
            replayed,
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it so")]
fn is_false(value: &bool) -> bool {
    !value
}

/// No server is waited for longer on its own wish.
const LONGEST_ASKED_MS: i64 = 24 * 3_600_000;

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_ms(1_700_000_000_000);

    fn wait(tries: u32, asked: Option<i64>) -> Option<i64> {
        let waits = [5, 300, 86_400].map(Duration::from_secs);
        next_try(tries, &waits, asked, NOW).map(|at| at.since_ms(NOW))
    }

    #[test]
    fn every_failed_try_but_the_last_has_its_wait() {
        let waits = [1, 2, 3, 4, 5].map(|tries| wait(tries, None));
        let expected = [Some(5_000), Some(300_000), Some(86_400_000), None, None];
        assert_eq!(waits, expected);
    }

    #[test]
    fn a_server_may_ask_for_a_longer_wait_up_to_a_day() {
        assert_eq!(wait(1, Some(60_000)), Some(60_000));
        assert_eq!(wait(2, Some(60_000)), Some(300_000));
        assert_eq!(wait(1, Some(i64::MAX)), Some(86_400_000));
        assert_eq!(wait(1, Some(-5)), Some(5_000));
        assert_eq!(wait(4, Some(60_000)), None, "not for more tries");
    }

    #[test]
    fn a_wish_to_wait_is_read_as_seconds_or_as_a_date() {
        let ms = |text: &str| asked_wait_ms(text, NOW);
        assert_eq!(ms("120"), Some(120_000));
        assert_eq!(ms(" 0 "), Some(0));
        assert_eq!(ms("99999999999999999999"), Some(i64::MAX));
        assert_eq!(ms("Tue, 14 Nov 2023 22:14:20 GMT"), Some(60_000));
        assert_eq!(ms("Tue, 14 Nov 2023 22:13:00 GMT"), Some(0), "over already");
        for nonsense in ["", "soon", "-1", "1.5", "14 Nov", "0x10"] {
            assert_eq!(ms(nonsense), None, "{nonsense}");
        }
    }
}
