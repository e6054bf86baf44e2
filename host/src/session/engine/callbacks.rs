//! Brings what vendors tell to the sessions it is about.
//!
//! Invariant: a vendor is answered after everything in its callback is durable,
//! and an event that is durable has its turn or becomes a dead letter, whatever
//! happens in between.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use kefu_core::{
    session::Record,
    turn::{Name, NameKey},
};
use kefu_plugin_api::{
    adapter::{Dedupe, Receipt, Received},
    error::Reject,
    http::Callback,
    ids::{ProviderId, SessionId},
    time::Timestamp,
    wire::{ReceiveOutput, encode},
};
use sha2::{Digest, Sha256};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::Engine;
use crate::{
    session::{
        CallbackAnswer,
        dispatcher::{Call, Work},
        worker::Seat,
    },
    store::{InboxEvent, StoreError},
};

/// Whoever sent a callback. Answered once; dropping the last of it answers
/// that the provider is busy.
#[derive(Clone)]
struct Sender(Arc<Mutex<Option<oneshot::Sender<CallbackAnswer>>>>);

impl Sender {
    fn answer(&self, answer: CallbackAnswer) {
        let waits = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(waits) = waits {
            // It may have gone away.
            drop(waits.send(answer));
        }
    }
}

/// How many callbacks of each provider wait for its adapter.
#[derive(Default)]
pub(in crate::session) struct Waiting(Mutex<BTreeMap<ProviderId, Arc<Semaphore>>>);

impl Waiting {
    /// A place, or `None` if too many of this provider wait already. Whoever
    /// sends callbacks has not proved anything yet.
    fn place(&self, provider: &ProviderId) -> Option<OwnedSemaphorePermit> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let places = all
            .entry(provider.clone())
            .or_insert_with(|| Arc::new(Semaphore::new(WAITING_CALLBACKS)));
        Arc::clone(places).try_acquire_owned().ok()
    }
}

impl Engine {
    /// Takes a vendor's callback.
    pub async fn callback(&self, provider: &ProviderId, callback: Callback) -> CallbackAnswer {
        match self.0.registry.guarded(provider) {
            Ok(_) => {}
            Err(None) => return CallbackAnswer::UnknownProvider,
            Err(Some(availability)) => {
                tracing::info!(%provider, ?availability, "a callback for a provider that does not serve");
                return busy();
            }
        }
        let Some(place) = self.0.callbacks.place(provider) else {
            return busy();
        };
        let (tell, told) = oneshot::channel();
        let sender = Sender(Arc::new(Mutex::new(Some(tell))));
        let engine = self.clone();
        let (of, late) = (provider.clone(), sender.clone());
        // On an engine thread: adapters never run on the I/O runtime.
        self.0.dispatcher.push(Work::Call(Call {
            provider: provider.clone(),
            run: Box::new(move |seat| {
                let _place = place;
                engine.receive(seat, &of, &callback, &sender);
            }),
            given_up: Box::new(move |_| late.answer(busy())),
        }));
        told.await.unwrap_or_else(|_| busy())
    }

    fn receive(&self, seat: &Seat, provider: &ProviderId, callback: &Callback, sender: &Sender) {
        // Asked again: it may have waited for a while.
        let Ok(guarded) = self.0.registry.guarded(provider) else {
            return sender.answer(busy());
        };
        let received = guarded.receive(&seat.clock, callback);
        if seat.stand_up().is_none() {
            // The vendor was told to come again.
            return;
        }
        match received {
            // The guard has counted and logged it.
            Err(_) => sender.answer(busy()),
            Ok(ReceiveOutput::Rejected { reject }) => sender.answer(rejected(reject)),
            Ok(ReceiveOutput::Accepted { receipt }) => {
                self.keep(provider, receipt, callback.received_at, sender.clone());
            }
        }
    }

    /// Makes the events of a callback durable, answers, and gives each its
    /// turn.
    fn keep(
        &self,
        provider: &ProviderId,
        receipt: Receipt,
        received_at: Timestamp,
        sender: Sender,
    ) {
        let Receipt {
            status,
            headers,
            body,
            events,
        } = receipt;
        let answer = CallbackAnswer::Answer {
            status,
            headers,
            body,
        };
        let mut known = Vec::with_capacity(events.len());
        for received in events {
            match self.resolve(provider, received, received_at) {
                Ok(Some(event)) => known.push(event),
                Ok(None) => {
                    self.0
                        .metrics
                        .callback_answered(provider, "unknown_conversation");
                    tracing::info!(%provider, "a callback names a conversation that is not known here");
                }
                Err(error) => {
                    tracing::error!(%error, "a callback's session was not looked up");
                    return sender.answer(busy());
                }
            }
        }
        if known.is_empty() {
            return sender.answer(answer);
        }
        let engine = self.clone();
        let kept = known.clone();
        self.0.store.receive(
            known,
            Box::new(move |result| match result {
                Err(error) => {
                    tracing::error!(%error, "a callback was not stored");
                    sender.answer(busy());
                }
                Ok(numbers) => {
                    sender.answer(answer);
                    for (number, event) in numbers.into_iter().zip(kept) {
                        if let Some(number) = number {
                            engine.dispatch(number, event);
                        }
                    }
                }
            }),
        );
    }

    /// Finds the session of an event.
    ///
    /// The vendor's own id of a session wins. One that is not known yet means
    /// the newest session of the conversation while that is open: the answer
    /// that names it may be under way.
    fn resolve(
        &self,
        provider: &ProviderId,
        received: Received,
        received_at: Timestamp,
    ) -> Result<Option<InboxEvent>, StoreError> {
        let Received {
            conversation,
            vendor_session,
            dedupe,
            event,
        } = received;
        let named = |key| {
            self.0.store.named(&Name {
                provider: provider.clone(),
                key,
            })
        };
        let by_vendor = match &vendor_session {
            Some(id) => named(NameKey::Vendor(id.clone()))?,
            None => None,
        };
        let session = match by_vendor {
            Some(session) if self.has_left(&session, provider, vendor_session.as_deref())? => {
                return Ok(None);
            }
            Some(session) => session,
            None => {
                let newest = named(NameKey::Conversation(conversation.as_str().to_owned()))?;
                let Some(newest) = newest else {
                    return Ok(None);
                };
                if vendor_session.is_some() && self.is_over(&newest)? {
                    return Ok(None);
                }
                newest
            }
        };
        let expires = |seconds: u64| {
            let ms = i64::try_from(seconds)
                .unwrap_or(i64::MAX)
                .saturating_mul(1000);
            received_at.plus_ms(ms)
        };
        let dedupe = match dedupe {
            Dedupe::Key { key } => Some((format!("key:{key}"), expires(REPEATS_KNOWN_SECONDS))),
            Dedupe::Body { within_seconds } => {
                let bytes = encode(&event).unwrap_or_default();
                Some((
                    format!("body:{:x?}", Sha256::digest(bytes)),
                    expires(within_seconds),
                ))
            }
            Dedupe::Unkeyable { .. } => None,
        };
        Ok(Some(InboxEvent {
            provider: provider.clone(),
            session,
            conversation,
            dedupe,
            received_at,
            event,
        }))
    }

    fn is_over(&self, session: &SessionId) -> Result<bool, StoreError> {
        let record = self.look_at(session)?;
        Ok(record.is_none_or(|record| record.is_over()))
    }

    /// Whether the session went on to another provider and left this vendor's
    /// session behind, even if it has come back since.
    fn has_left(
        &self,
        session: &SessionId,
        provider: &ProviderId,
        vendor_session: Option<&str>,
    ) -> Result<bool, StoreError> {
        let record = self.look_at(session)?;
        let left = |id| record.is_some_and(|record| record.moves.has_left(provider, id));
        Ok(vendor_session.is_some_and(left))
    }

    /// A session as it was last committed.
    pub(super) fn look_at(&self, session: &SessionId) -> Result<Option<Arc<Record>>, StoreError> {
        match self.0.dispatcher.peek(session) {
            Some(record) => Ok(Some(record)),
            None => Ok(self.0.store.record(session)?.map(Arc::new)),
        }
    }
}

/// The vendor is asked to come again. Why is for operators, not for whoever
/// calls.
fn busy() -> CallbackAnswer {
    CallbackAnswer::Unavailable("the provider takes no callbacks at the moment".into())
}

fn rejected(reject: Reject) -> CallbackAnswer {
    match reject {
        Reject::Unauthenticated { detail } => CallbackAnswer::NotAuthentic(detail),
        Reject::Malformed { detail } => CallbackAnswer::Malformed(detail),
        other => CallbackAnswer::Malformed(other.to_string()),
    }
}

/// How many callbacks of one provider may wait for its adapter.
const WAITING_CALLBACKS: usize = 256;
/// How long a vendor's event ids are remembered.
const REPEATS_KNOWN_SECONDS: u64 = 8 * 24 * 3600;
