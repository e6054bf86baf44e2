//! Gives the events of vendors their turns, in the order in which they came.
//!
//! Owns what waits in memory; everything in it is also in the store. Invariant:
//! one event of a session is under way at a time, so that one that has to wait
//! for the store or its adapter is not overtaken by the next.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use kefu_core::{
    outbox::{DeadLetter, Letter},
    turn::Input,
};
use kefu_plugin_api::ids::SessionId;

use super::Engine;
use crate::{
    session::{
        clock,
        dispatcher::QueueFull,
        inbound::{Fetching, Settled, Wanted},
        slot::{Ended, Job, TurnJob, What},
        timers::Wake,
    },
    store::InboxEvent,
};

/// Events that wait for their turn, by session. The first of each is under way
/// or waits to be tried again.
#[derive(Default)]
pub(in crate::session) struct Inbox(Mutex<HashMap<SessionId, VecDeque<(u64, InboxEvent)>>>);

impl Inbox {
    /// Whether it is the only one and can have its turn now.
    fn push(&self, number: u64, event: InboxEvent) -> bool {
        let mut waiting = self.lock();
        let queue = waiting.entry(event.session.clone()).or_default();
        queue.push_back((number, event));
        queue.len() == 1
    }

    fn first(&self, session: &SessionId) -> Option<(u64, InboxEvent)> {
        self.lock().get(session)?.front().cloned()
    }

    /// Takes the first out. Whether there is another.
    fn pop(&self, session: &SessionId) -> bool {
        let mut waiting = self.lock();
        let Some(queue) = waiting.get_mut(session) else {
            return false;
        };
        queue.pop_front();
        let more = !queue.is_empty();
        if !more {
            waiting.remove(session);
        }
        more
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, VecDeque<(u64, InboxEvent)>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Engine {
    /// Gives an event of the inbox its turn, after those before it.
    pub(super) fn dispatch(&self, number: u64, event: InboxEvent) {
        let session = event.session.clone();
        if self.0.inbox.push(number, event) {
            self.next_of_inbox(&session, Settled::new());
        }
    }

    /// Tries the first waiting event of a session again.
    pub(super) fn inbox_again(&self, session: &SessionId) {
        let Some((number, _)) = self.0.inbox.first(session) else {
            return;
        };
        match self.0.store.waits(number) {
            Ok(true) => self.next_of_inbox(session, Settled::new()),
            // It had its turn after all.
            Ok(false) => self.inbox_done(session),
            Err(_) => self.remind(session),
        }
    }

    /// `settled` says what became of media that it links to, as far as it was
    /// tried before.
    fn next_of_inbox(&self, session: &SessionId, settled: Settled) {
        let Some((number, event)) = self.0.inbox.first(session) else {
            return;
        };
        let job = TurnJob {
            inbox: Some(number),
            fetching: Some(Box::new(Fetching {
                cause: format!("event {number}"),
                settled: settled.clone(),
            })),
            ..TurnJob::new(Input::Provider {
                from: event.provider.clone(),
                event: event.event.clone(),
            })
        };
        let (engine, session_again) = (self.clone(), session.clone());
        let done = Box::new(move |ended| match ended {
            Ended::NeedsMedia(wanted) => engine.fetch_for(session_again, wanted, settled),
            ended => engine.dispatched(number, event, ended),
        });
        let job = Job {
            what: What::Turn(Box::new(job)),
            done: Some(done),
        };
        if let Err(QueueFull(job)) = self.0.dispatcher.submit(session, job, true) {
            drop(job);
        }
    }

    fn dispatched(&self, number: u64, event: InboxEvent, ended: Ended) {
        let session = event.session.clone();
        let reason = match ended {
            Ended::Ran { .. } => return self.inbox_done(&session),
            Ended::NotStored(error) => {
                tracing::warn!(%error, %session, "an event of a vendor waits for the store");
                return self.remind(&session);
            }
            Ended::ProviderAbsent(detail) => {
                tracing::info!(%detail, %session, "an event of a vendor waits for its adapter");
                return self.remind(&session);
            }
            Ended::AdapterFailed(detail) => detail,
            Ended::Refused(problem) => problem.to_string(),
            Ended::Gone => "the session does not exist any more".into(),
            Ended::AlreadyOpen
            | Ended::RenewToken(_)
            | Ended::NeedsMedia(_)
            | Ended::Prepared(_) => "an event ended in a way that events do not end".into(),
        };
        self.0.metrics.dead_letter(&event.provider, "event");
        let letter = DeadLetter {
            id: uuid::Uuid::now_v7().to_string(),
            session: event.session,
            provider: event.provider,
            at: clock::now(),
            reason,
            letter: Letter::Event {
                event: Box::new(event.event),
            },
        };
        self.0.store.bury(
            number,
            letter,
            Box::new(|result| {
                if let Err(error) = result {
                    tracing::error!(%error, "a dead letter was not written; the event is tried again at the next start");
                }
            }),
        );
        self.inbox_done(&session);
    }

    /// The first event of the session goes on when its media are settled.
    fn fetch_for(&self, session: SessionId, wanted: Wanted, mut known: Settled) {
        let engine = self.clone();
        self.fetch(wanted, move |settled| {
            known.extend(settled);
            engine.next_of_inbox(&session, known);
        });
    }

    fn inbox_done(&self, session: &SessionId) {
        if self.0.inbox.pop(session) {
            self.next_of_inbox(session, Settled::new());
        }
    }

    fn remind(&self, session: &SessionId) {
        self.0
            .timers
            .remind(clock::now().plus_ms(AGAIN_MS), Wake::Inbox(session.clone()));
    }
}

/// When an event that could not be handled is tried again.
const AGAIN_MS: i64 = 1_000;
