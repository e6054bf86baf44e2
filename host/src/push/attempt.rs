//! One try to push one event.
//!
//! Reads the event from the log, has its links signed, sends it, and says where
//! the lane stands afterwards. Invariant: what was tried is noted before it is
//! tried again; a try that the gateway itself could not make counts as none.

use std::time::Duration;

use kefu_core::{
    config::AppRouting,
    log::LogEvent,
    outbox::{DeadLetter, Letter},
    push,
    session::Record,
};
use kefu_plugin_api::{ids::AppId, time::Timestamp};

use super::{
    Shared, form,
    form::Told,
    lanes::{Key, Place},
};
use crate::{
    clock::now,
    delivery::{breaker::Admission, http::Failure},
    session::VisitorKey,
    store::{Store, StoreError},
};

/// What one try came to.
pub(super) enum Came {
    /// Everything up to this number is over.
    Over { upto: u64 },
    /// Not received, and may be later.
    Refused {
        seq: u64,
        why: String,
        asked_ms: Option<i64>,
    },
    /// It never can be.
    Impossible { seq: u64, why: String },
    /// The gateway could not try.
    NotTried { why: String },
}

/// What is at a place of a log.
enum Found {
    Event(Box<(Record, LogEvent)>),
    /// Nothing that is pushed.
    Nothing,
    Unreadable {
        seq: u64,
        why: String,
    },
}

/// Tries the next event of a lane.
pub(super) async fn perform(
    shared: &Shared,
    key: &Key,
    place: Place,
    routing: &AppRouting,
    admission: Admission,
) -> Came {
    let (store, session) = (shared.parts.store.clone(), key.session.clone());
    let links = shared.parts.links.clone();
    let find = move || find(&*store, &*links, &session, place);
    let found = match tokio::task::spawn_blocking(find).await {
        Ok(Ok(found)) => found,
        Ok(Err(error)) => {
            return Came::NotTried {
                why: error.to_string(),
            };
        }
        Err(error) => {
            return Came::NotTried {
                why: error.to_string(),
            };
        }
    };
    let (record, event) = match found {
        Found::Event(both) => *both,
        Found::Nothing => return Came::Over { upto: place.last },
        Found::Unreadable { seq, why } => return Came::Impossible { seq, why },
    };
    let seq = event.seq;
    let told = Told {
        record: &record,
        event: &event,
        replayed: key.replay.is_some(),
    };
    let request = match form::request(&told, routing, now()) {
        Ok(request) => request,
        Err(why) => return Came::Impossible { seq, why },
    };
    let sent = shared.http.post(request, routing.timeout).await;
    let (why, asked_ms) = match sent {
        Ok(received) => {
            if received.status < 500 {
                reached(admission, routing);
            } else {
                unreachable(
                    admission,
                    routing,
                    &format!("it answered {}", received.status),
                );
            }
            if (200..300).contains(&received.status) {
                let after = u64::try_from(now().since_ms(event.at)).unwrap_or(0);
                shared
                    .parts
                    .metrics
                    .push_received(Duration::from_millis(after));
                return Came::Over { upto: seq };
            }
            let asked = received.retry_after.as_deref();
            let asked = asked.and_then(|value| push::asked_wait_ms(value, now()));
            (
                format!("the app's server answered {}", received.status),
                asked,
            )
        }
        // A setting that cannot be used may be mended: no reason to give up.
        Err(Failure::Impossible(why) | Failure::NotYet(why)) => (why, None),
        Err(failure @ (Failure::Unreachable(_) | Failure::NoAnswer(_))) => {
            unreachable(admission, routing, failure.reason());
            (failure.reason().to_owned(), None)
        }
    };
    Came::Refused { seq, why, asked_ms }
}

fn reached(admission: Admission, routing: &AppRouting) {
    if admission.reached() {
        tracing::info!(
            url = shown(&routing.url),
            "an app's server can be reached again"
        );
    }
}

fn unreachable(admission: Admission, routing: &AppRouting, why: &str) {
    if let Some(rest) = admission.unreachable(why) {
        let rest_ms = rest.as_millis();
        tracing::warn!(
            url = shown(&routing.url),
            rest_ms,
            why,
            "an app's server takes no pushes"
        );
    }
}

/// An address without its query, which may hold secrets.
pub(super) fn shown(url: &str) -> &str {
    url.split('?').next().unwrap_or_default()
}

/// Signs the links to the gateway's own media in an event.
pub trait EventLinks: Send + Sync + 'static {
    /// The event's JSON with each link signed anew.
    fn sign(&self, json: &[u8], whose: &VisitorKey) -> Vec<u8>;
}

fn find(
    store: &dyn Store,
    links: &dyn EventLinks,
    session: &kefu_plugin_api::ids::SessionId,
    place: Place,
) -> Result<Found, StoreError> {
    let Some(record) = store.record(session)? else {
        return Ok(Found::Nothing);
    };
    let whose = VisitorKey {
        app: record.app.clone(),
        visitor: record.visitor.id.clone(),
    };
    let mut after = place.after;
    while after < place.last {
        let page = store.events(session, after, PAGE)?;
        let Some(last) = page.last().map(|event| event.seq) else {
            break;
        };
        for stored in page.iter().filter(|stored| stored.seq <= place.last) {
            let json = links.sign(&stored.json, &whose);
            match serde_json::from_slice::<LogEvent>(&json) {
                Ok(event) if push::is_pushed(&event.body) => {
                    return Ok(Found::Event(Box::new((record, event))));
                }
                Ok(_) => {}
                Err(error) => {
                    return Ok(Found::Unreadable {
                        seq: stored.seq,
                        why: format!("the event cannot be read: {error}"),
                    });
                }
            }
        }
        after = last;
    }
    Ok(Found::Nothing)
}

/// Where a lane stands after a try, and what of it is kept for people.
pub(super) fn settle(
    came: &Came,
    app: &AppId,
    key: &Key,
    place: Place,
    routing: &AppRouting,
    now: Timestamp,
) -> (Place, Option<DeadLetter>) {
    let over = |upto| Place {
        after: upto,
        tries: 0,
        due: now,
        since: now,
        ..place
    };
    let dead = |seq, tries, why: &str| DeadLetter {
        id: uuid::Uuid::now_v7().to_string(),
        session: key.session.clone(),
        provider: kefu_plugin_api::ids::ProviderId::default(),
        at: now,
        reason: format!("{why}; tried {tries} times"),
        letter: Letter::Push {
            app: app.clone(),
            seq,
            tries,
        },
    };
    match came {
        Came::Over { upto } => (over(*upto), None),
        Came::NotTried { .. } => (
            Place {
                due: now.plus_ms(AGAIN_MS),
                ..place
            },
            None,
        ),
        Came::Impossible { seq, why } => (over(*seq), Some(dead(*seq, place.tries + 1, why))),
        Came::Refused { seq, why, asked_ms } => {
            let tries = place.tries + 1;
            match push::next_try(tries, &routing.waits, *asked_ms, now) {
                Some(due) => (
                    Place {
                        // What lies before it is over.
                        after: seq - 1,
                        tries,
                        due,
                        ..place
                    },
                    None,
                ),
                None => (over(*seq), Some(dead(*seq, tries, why))),
            }
        }
    }
}

/// Events that are looked at together. Beside a message there is little else.
const PAGE: usize = 8;
/// When something that the gateway could not do is tried again.
const AGAIN_MS: i64 = 1_000;
