//! What a turn comes to: one commit, and who is told of it.
//!
//! Owns what is written with a session and the order in which the rest of the
//! gateway follows. Deliberately decides nothing: the turn is over. Invariant:
//! nobody is answered, no stream is told and nothing leaves before the commit
//! is on disk; afterwards memory follows first.

use std::sync::Arc;

use bytes::Bytes;
use kefu_core::{
    log::{EventBody, LogEvent},
    outbox::{DeadLetter, Letter, OutboxEntry},
    problem::{Problem, Slug},
    push,
    session::Record,
    turn::{Outcome, Reply},
};
use kefu_plugin_api::{
    ids::{AppId, ProviderId},
    time::Timestamp,
};

use super::{
    IdempotencyKey, Signal, StoredEvent, VisitorKey,
    engine::Shared,
    following::Followed,
    slot::{Ended, EndedFn, Slot, TurnJob},
    tally::Tally,
    timers::Wake,
};
use crate::store::{Answered, Commit, Committed, PushLane, StoreError};

/// What a turn began from.
pub(super) struct Basis {
    pub(super) before: Arc<Record>,
    pub(super) create: bool,
    pub(super) now: Timestamp,
}

/// Writes what a turn comes to, and tells who waits for it. Does not wait.
pub(super) fn commit(
    shared: &Arc<Shared>,
    slot: &Arc<Slot>,
    job: TurnJob,
    basis: Basis,
    outcome: Outcome,
    done: EndedFn,
) {
    let Basis {
        before,
        create,
        now,
    } = basis;
    let tally = Tally::of(&shared.config.load(), &before, &outcome);
    let Outcome {
        record,
        events,
        calls,
        finished,
        withdrawn,
        names,
        typing,
        notes,
        reply,
        alone,
        unknown_recalls,
        ..
    } = outcome;
    for _ in 0..unknown_recalls {
        shared
            .metrics
            .callback_answered(&record.provider, "unknown_message");
    }
    for note in notes {
        tracing::info!(session = %record.id, provider = %record.provider, note, "adapter note");
    }
    let pushes = push::span(&events).filter(|_| !record.synthetic && shared.is_routed(&record.app));
    let events = match events.iter().map(stored).collect::<Result<Vec<_>, _>>() {
        Ok(events) => events,
        Err(error) => {
            done(Ended::NotStored(error));
            return shared.dispatcher.release(slot);
        }
    };
    let dead = dead_letter(&job, &record, now);
    let moved = create || (before.state, &before.provider) != (record.state, &record.provider);
    let answered = answered(&job, &record, &reply, create);
    let followed = Followed::of(shared, &record.id, before, job.shadow, job.input);
    // Calls are taken back from the provider that the session had before.
    let leaves = slot.record().filter(|_| !withdrawn.is_empty());
    let record = Arc::new(record);
    let (entered, left) = (calls.len(), finished.len());
    let given_up = dead.as_ref().map(|letter| letter.provider.clone());
    let commit = Commit {
        record: Record::clone(&record),
        create,
        alone,
        moved,
        events: events.clone(),
        ended: job.ended.map(|end| *end),
        calls: calls.clone(),
        finished,
        names,
        inbox: job.inbox,
        dead,
        revived: job.revived,
        pushes,
        answered,
        now,
    };
    let follows = Follows {
        record,
        create,
        tally,
        now,
        entered,
        left,
        given_up,
        events,
        typing,
        leaves,
        withdrawn,
        calls,
        pushes,
        followed,
    };
    let shared_later = Arc::clone(shared);
    let slot = Arc::clone(slot);
    shared.store.commit(
        commit,
        Box::new(move |result| {
            let shared = shared_later;
            let ended = match result {
                Ok(Committed::Done) => {
                    let record = follows.tell(&shared, &slot);
                    Ended::Ran { reply, record }
                }
                other => not_written(other, create, &slot),
            };
            done(ended);
            shared.dispatcher.release(&slot);
        }),
    );
}

/// What follows once a turn is on disk.
struct Follows {
    record: Arc<Record>,
    create: bool,
    tally: Tally,
    now: Timestamp,
    entered: usize,
    left: usize,
    given_up: Option<ProviderId>,
    events: Vec<StoredEvent>,
    typing: bool,
    leaves: Option<Arc<Record>>,
    withdrawn: Vec<u64>,
    calls: Vec<OutboxEntry>,
    pushes: Option<(u64, u64)>,
    followed: Option<Followed>,
}

impl Follows {
    /// Memory first, then streams, then what leaves.
    fn tell(self, shared: &Shared, slot: &Slot) -> Arc<Record> {
        let record = self.record;
        shared.committed(slot, &record, self.create);
        self.tally.count(shared, &record, self.now);
        shared.metrics.outbox_entered(self.entered);
        shared.metrics.outbox_left(self.left);
        if let Some(provider) = self.given_up {
            shared.metrics.dead_letter(&provider, "call");
        }
        shared.publish(&record, self.events, self.typing);
        if let Some(before) = self.leaves {
            shared.withdraw(&record.id, &before.provider, &self.withdrawn);
        }
        shared.carry(self.calls);
        shared.tell_app(&record, self.pushes, self.now);
        if let Some(followed) = self.followed {
            followed.tell(shared, &record);
        }
        record
    }
}

/// Why a turn did not come to be, and what memory makes of it.
fn not_written(result: Result<Committed, StoreError>, create: bool, slot: &Slot) -> Ended {
    let elsewhere = |why| Ended::NotStored(StoreError::new("write a turn", why));
    match result {
        Ok(Committed::AlreadyOpen(_)) if create => Ended::AlreadyOpen,
        Ok(Committed::AlreadyOpen(_)) => {
            elsewhere("the visitor has another session open with this provider meanwhile")
        }
        Ok(Committed::KeyTaken) => Ended::Refused(in_flight()),
        Ok(Committed::Conflict | Committed::Done) => {
            slot.set_record(None);
            elsewhere("the session was changed elsewhere")
        }
        Err(error) => {
            // What is in memory was committed before; what is on disk is read
            // again to be sure.
            slot.set_record(None);
            Ended::NotStored(error)
        }
    }
}

/// What is remembered of the request that this turn answers.
fn answered(
    job: &TurnJob,
    record: &Record,
    reply: &Reply,
    created: bool,
) -> Option<(VisitorKey, IdempotencyKey, Answered)> {
    let (key, who) = job.key.clone().zip(job.asker.clone())?;
    let message = match reply {
        Reply::Message { id, seq } => Some((id.as_str().to_owned(), *seq)),
        Reply::Accepted => None,
    };
    let answered = Answered {
        body: key.body,
        session: record.id.clone(),
        message,
        created,
    };
    Some((who, key, answered))
}

fn in_flight() -> Problem {
    Problem::new(
        Slug::IdempotencyKeyInFlight,
        "the first request with this key is still under way",
    )
}

/// What is kept of a call that was given up.
fn dead_letter(job: &TurnJob, record: &Record, now: Timestamp) -> Option<DeadLetter> {
    let (entry, reason) = job.dead.as_ref()?;
    Some(DeadLetter {
        id: uuid::Uuid::now_v7().to_string(),
        session: record.id.clone(),
        provider: entry.provider.clone(),
        at: now,
        reason: reason.clone(),
        letter: Letter::Call {
            entry: entry.clone(),
        },
    })
}

fn stored(event: &LogEvent) -> Result<StoredEvent, StoreError> {
    let json =
        serde_json::to_vec(event).map_err(|error| StoreError::new("write an event", error))?;
    Ok(StoredEvent {
        session: event.session.clone(),
        seq: event.seq,
        json: Bytes::from(json),
        last: matches!(event.body, EventBody::Ended { .. }),
    })
}

impl Shared {
    /// After a commit: memory follows the disk, timers follow the record.
    fn committed(&self, slot: &Slot, record: &Arc<Record>, create: bool) {
        let before = slot.record();
        let was_over = before.as_ref().is_some_and(|before| before.is_over());
        if create {
            self.metrics.session_opened();
        }
        if record.is_over() && !was_over {
            self.metrics.session_ended();
        }
        let due = record.next_due();
        if let Some(due) = due
            && before.and_then(|before| before.next_due()) != Some(due)
        {
            self.timers.remind(due, Wake::Session(record.id.clone()));
        }
        slot.set_record(Some(Arc::clone(record)));
    }

    /// Whether an app has a server of its own that hears of messages.
    fn is_routed(&self, app: &AppId) -> bool {
        let config = self.config.load();
        let app = config.main.apps.get(app);
        app.is_some_and(|app| app.routing.is_some())
    }

    /// What was committed for the app's server can leave.
    fn tell_app(&self, record: &Record, pushes: Option<(u64, u64)>, now: Timestamp) {
        if let (Some((first, last)), Some(herald)) = (pushes, self.herald.get()) {
            herald(PushLane {
                session: record.id.clone(),
                replay: None,
                app: record.app.clone(),
                after: first.saturating_sub(1),
                last,
                tries: 0,
                due: Timestamp::default(),
                since: now,
            });
        }
    }

    /// Tells streams what is on disk, and who is typing.
    pub(super) fn publish(&self, record: &Record, events: Vec<StoredEvent>, typing: bool) {
        let who = VisitorKey {
            app: record.app.clone(),
            visitor: record.visitor.id.clone(),
        };
        let mut signals: Vec<_> = events.into_iter().map(Signal::Event).collect();
        if typing {
            signals.push(Signal::Typing(record.id.clone()));
        }
        self.hub.publish(&who, &record.id, &signals);
    }
}
