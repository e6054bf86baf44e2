//! What a simulator received and what it pushed: the record that tests assert on.
//!
//! Owns the two bounded lists and the version counter that long polls wait on.
//! Does not judge: a failed call is an entry like any other. Invariant: entries
//! are in the order in which calls were carried out, and `seq` has no gaps; when
//! the list is full the oldest entry goes and `dropped` counts it.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use tokio::sync::watch;

/// RFC 3339 in UTC; always three digits, so that stamps sort as text.
const STAMP: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");

/// How soon a waiting question is looked at again after a change.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// The longest body that an entry keeps; the rest is cut off.
const KEPT_BODY: usize = 16 * 1024;

/// A call from the gateway.
#[derive(Debug)]
pub(crate) struct CallEntry {
    pub(crate) seq: u64,
    pub(crate) at: OffsetDateTime,
    pub(crate) operation: String,
    pub(crate) visitor: String,
    pub(crate) method: String,
    pub(crate) path: String,
    /// `webhook-id` of the call, where the vendor's protocol has one.
    pub(crate) id: String,
    pub(crate) body: Bytes,
    /// None when the connection was closed without an answer.
    pub(crate) status: Option<u16>,
    /// Whether the call changed the vendor's state (or would have).
    pub(crate) processed: bool,
    /// Whether a remembered reply was given again.
    pub(crate) repeat: bool,
    pub(crate) fault: Option<&'static str>,
    pub(crate) reply: Bytes,
}

impl CallEntry {
    fn print(&self) -> Value {
        json!({
            "seq": self.seq,
            "at": stamp(self.at),
            "operation": self.operation,
            "visitor": self.visitor,
            "method": self.method,
            "path": self.path,
            "id": self.id,
            "body": shown(&self.body),
            "status": self.status,
            "processed": self.processed,
            "repeat": self.repeat,
            "fault": self.fault,
            "reply": shown(&self.reply),
        })
    }
}

/// What became of a push.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PushState {
    /// Not sent yet, or between two tries.
    Waiting,
    /// Answered with 2xx.
    Delivered,
    /// Given up.
    Failed,
    /// Not sent: a fault took it, or no callback address is set.
    Lost,
}

/// A push to the gateway.
#[derive(Debug)]
pub(crate) struct PushEntry {
    pub(crate) seq: u64,
    pub(crate) at: OffsetDateTime,
    pub(crate) id: String,
    pub(crate) visitor: String,
    pub(crate) event: String,
    pub(crate) body: Bytes,
    pub(crate) faults: Vec<&'static str>,
    pub(crate) state: PushState,
    /// Status, or error text, of each try.
    pub(crate) tries: Vec<Value>,
}

impl PushEntry {
    fn print(&self) -> Value {
        json!({
            "seq": self.seq,
            "at": stamp(self.at),
            "id": self.id,
            "visitor": self.visitor,
            "event": self.event,
            "body": shown(&self.body),
            "faults": self.faults,
            "state": self.state,
            "tries": self.tries,
        })
    }
}

/// Which entries a question is about.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Filter {
    pub(crate) visitor: Option<String>,
    /// Operation of a call, event of a push.
    pub(crate) operation: Option<String>,
    pub(crate) event: Option<String>,
    /// Only entries behind this one.
    pub(crate) after: Option<u64>,
    pub(crate) processed: Option<bool>,
    pub(crate) repeat: Option<bool>,
    pub(crate) state: Option<PushState>,
    pub(crate) limit: Option<usize>,
    /// With `wait_ms`: wait until this many match.
    pub(crate) count: Option<usize>,
    pub(crate) wait_ms: Option<u64>,
}

impl Filter {
    fn wants_call(&self, entry: &CallEntry) -> bool {
        self.after.is_none_or(|after| entry.seq > after)
            && self.visitor.as_ref().is_none_or(|it| *it == entry.visitor)
            && self
                .operation
                .as_ref()
                .is_none_or(|it| *it == entry.operation)
            && self.processed.is_none_or(|it| it == entry.processed)
            && self.repeat.is_none_or(|it| it == entry.repeat)
    }

    fn wants_push(&self, entry: &PushEntry) -> bool {
        let event = self.event.as_ref().or(self.operation.as_ref());
        self.after.is_none_or(|after| entry.seq > after)
            && self.visitor.as_ref().is_none_or(|it| *it == entry.visitor)
            && event.is_none_or(|it| *it == entry.event)
            && self.state.is_none_or(|it| it == entry.state)
    }

    fn limit(&self) -> usize {
        self.limit.unwrap_or(1_000)
    }
}

/// The two lists.
pub(crate) struct Journal {
    calls: Mutex<Kept<CallEntry>>,
    pushes: Mutex<Kept<PushEntry>>,
    version: watch::Sender<u64>,
}

struct Kept<T> {
    list: VecDeque<T>,
    next_seq: u64,
    dropped: u64,
}

impl<T> Kept<T> {
    fn new() -> Self {
        Self {
            list: VecDeque::new(),
            next_seq: 1,
            dropped: 0,
        }
    }

    fn keep(&mut self, entry: T, capacity: usize) {
        while self.list.len() >= capacity.max(1) {
            self.list.pop_front();
            self.dropped += 1;
        }
        self.list.push_back(entry);
    }

    fn page(&self, entries: Vec<Value>) -> Value {
        json!({"entries": entries, "last_seq": self.next_seq - 1, "dropped": self.dropped})
    }
}

impl Journal {
    pub(crate) fn new() -> Self {
        Self {
            calls: Mutex::new(Kept::new()),
            pushes: Mutex::new(Kept::new()),
            version: watch::Sender::new(0),
        }
    }

    /// Tells everybody who waits that something changed.
    pub(crate) fn touch(&self) {
        self.version.send_modify(|version| *version += 1);
    }

    /// The number of changes so far.
    pub(crate) fn version(&self) -> u64 {
        *self.version.borrow()
    }

    /// Records a call; its number is filled in here.
    pub(crate) fn record_call(&self, mut entry: CallEntry, capacity: usize) {
        entry.body = cut(&entry.body);
        entry.reply = cut(&entry.reply);
        let mut calls = locked(&self.calls);
        entry.seq = calls.next_seq;
        calls.next_seq += 1;
        calls.keep(entry, capacity);
        drop(calls);
        self.touch();
    }

    /// Records a push and returns its number, by which its fate is told later.
    pub(crate) fn record_push(&self, mut entry: PushEntry, capacity: usize) -> u64 {
        entry.body = cut(&entry.body);
        let mut pushes = locked(&self.pushes);
        let seq = pushes.next_seq;
        entry.seq = seq;
        pushes.next_seq += 1;
        pushes.keep(entry, capacity);
        drop(pushes);
        self.touch();
        seq
    }

    /// Notes one try, or the end, of a push; unknown when the log is off or was reset.
    pub(crate) fn note_push(&self, seq: u64, state: PushState, tried: Option<Value>) {
        let mut pushes = locked(&self.pushes);
        let found = pushes.list.binary_search_by_key(&seq, |entry| entry.seq);
        if let Some(entry) = found.ok().and_then(|index| pushes.list.get_mut(index)) {
            entry.state = state;
            entry.tries.extend(tried);
        }
        drop(pushes);
        self.touch();
    }

    /// Forgets everything; numbers go on.
    pub(crate) fn clear(&self) {
        locked(&self.calls).list.clear();
        locked(&self.pushes).list.clear();
        self.touch();
    }

    /// The calls that match, after waiting for them if the filter says so.
    pub(crate) async fn calls(&self, filter: &Filter) -> Value {
        self.wait(filter, || self.count_calls(filter)).await;
        let calls = locked(&self.calls);
        let wanted = calls.list.iter().filter(|entry| filter.wants_call(entry));
        calls.page(wanted.take(filter.limit()).map(CallEntry::print).collect())
    }

    /// The pushes that match, after waiting for them if the filter says so.
    pub(crate) async fn pushes(&self, filter: &Filter) -> Value {
        self.wait(filter, || self.count_pushes(filter)).await;
        let pushes = locked(&self.pushes);
        let wanted = pushes.list.iter().filter(|entry| filter.wants_push(entry));
        pushes.page(wanted.take(filter.limit()).map(PushEntry::print).collect())
    }

    /// Returns once `ready` holds or `wait` has passed; says which.
    pub(crate) async fn wait_for(&self, wait: Duration, ready: impl Fn() -> bool) -> bool {
        let mut changes = self.version.subscribe();
        let waiting = async {
            while !ready() {
                if changes.changed().await.is_err() {
                    return;
                }
                // Under load everything changes all the time, and looking is not free.
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        tokio::time::timeout(wait, waiting).await.is_ok()
    }

    async fn wait(&self, filter: &Filter, count: impl Fn() -> usize) {
        if let Some(wait_ms) = filter.wait_ms {
            let wanted = filter.count.unwrap_or(1);
            let wait = Duration::from_millis(wait_ms.min(60_000));
            self.wait_for(wait, || count() >= wanted).await;
        }
    }

    fn count_calls(&self, filter: &Filter) -> usize {
        let calls = locked(&self.calls);
        calls
            .list
            .iter()
            .filter(|entry| filter.wants_call(entry))
            .count()
    }

    fn count_pushes(&self, filter: &Filter) -> usize {
        let pushes = locked(&self.pushes);
        pushes
            .list
            .iter()
            .filter(|entry| filter.wants_push(entry))
            .count()
    }
}

fn locked<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

fn cut(body: &Bytes) -> Bytes {
    if body.len() > KEPT_BODY {
        Bytes::copy_from_slice(&body[..KEPT_BODY])
    } else {
        body.clone()
    }
}

/// JSON as JSON, everything else as text.
fn shown(body: &Bytes) -> Value {
    serde_json::from_slice(body)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(body).into_owned()))
}

/// A moment as RFC 3339 with milliseconds.
pub(crate) fn stamp(at: OffsetDateTime) -> String {
    at.format(STAMP).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(operation: &str) -> CallEntry {
        CallEntry {
            seq: 0,
            at: OffsetDateTime::UNIX_EPOCH,
            operation: operation.to_owned(),
            visitor: "v".to_owned(),
            method: "POST".to_owned(),
            path: "/".to_owned(),
            id: String::new(),
            body: Bytes::from_static(b"{}"),
            status: Some(200),
            processed: true,
            repeat: false,
            fault: None,
            reply: Bytes::new(),
        }
    }

    #[tokio::test]
    async fn a_full_log_drops_the_oldest_and_says_how_many() {
        let journal = Journal::new();
        for operation in ["a", "b", "c"] {
            journal.record_call(call(operation), 2);
        }
        let page = journal.calls(&Filter::default()).await;
        assert_eq!(page["dropped"], 1);
        assert_eq!(page["entries"][0]["operation"], "b");
        assert_eq!(page["entries"][0]["seq"], 2);
    }

    #[test]
    fn stamps_have_three_digits_and_sort_as_text() {
        let at = OffsetDateTime::from_unix_timestamp_nanos(1_500_000_000).expect("a time");
        assert_eq!(stamp(at), "1970-01-01T00:00:01.500Z");
    }

    #[tokio::test]
    async fn a_body_that_is_no_json_is_shown_as_text() {
        let journal = Journal::new();
        let mut entry = call("a");
        entry.body = Bytes::from_static(b"not json");
        journal.record_call(entry, 10);
        let page = journal.calls(&Filter::default()).await;
        assert_eq!(page["entries"][0]["body"], "not json");
    }
}
