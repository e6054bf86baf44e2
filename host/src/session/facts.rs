//! What a turn may ask of the world outside its session.
//!
//! Owns the answers to the core's questions: which provider takes calls and how,
//! whether its visitor is elsewhere, what a log says already. Deliberately
//! decides nothing. What cannot be looked up is answered as if it were not there;
//! where that matters, the commit looks again, or the turn is dropped.

use std::{cell::RefCell, sync::Arc, time::Duration};

use kefu_core::{
    log::LogEvent,
    routing::Availability,
    session::Record,
    turn::{Log, ProviderFacts, Providers, Said},
};
use kefu_plugin_api::ids::{MessageId, ProviderId, SessionId};

use super::{VisitorKey, engine::Shared};
use crate::{plugin::Registry, store::StoreError};

/// What a turn needs to know of a provider; `None` if it takes no calls now.
pub(crate) fn facts_of(
    registry: &Registry,
    provider: &ProviderId,
    callback_url: &dyn Fn(&ProviderId) -> Arc<str>,
) -> Option<ProviderFacts> {
    let slot = registry.slot(provider)?;
    if !slot.availability().takes_turns() {
        return None;
    }
    let configured = slot.provider();
    let millis = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    Some(ProviderFacts {
        descriptor: Arc::clone(slot.current()?.descriptor()),
        max_idle_ms: millis(configured.max_idle),
        deadline_ms: millis(configured.limits.deadline),
        callback_url: callback_url(provider),
        emoji: configured.emoji.as_ref().map(|it| Arc::clone(&it.table)),
        visitor_fields: configured.visitor_fields.clone(),
    })
}

/// What the core asks about providers and logs, answered from what serves and
/// what is stored.
pub(super) struct Facts<'a> {
    shared: &'a Shared,
    /// Why a log could not be read, if that was so: the turn would lose what
    /// it holds.
    unread: RefCell<Option<StoreError>>,
}

impl<'a> Facts<'a> {
    pub(super) fn of(shared: &'a Shared) -> Self {
        Self {
            shared,
            unread: RefCell::new(None),
        }
    }

    /// Why the turn cannot be kept, if it cannot.
    pub(super) fn unread(&self) -> Option<StoreError> {
        self.unread.take()
    }

    fn read_since(&self, session: &SessionId, mut after: u64) -> Result<Vec<LogEvent>, StoreError> {
        let mut events = Vec::new();
        loop {
            let page = self.shared.store.events(session, after, PAGE)?;
            let Some(last) = page.last() else {
                return Ok(events);
            };
            after = last.seq;
            for stored in page {
                let event = serde_json::from_slice(&stored.json)
                    .map_err(|error| StoreError::new("read an event", error))?;
                events.push(event);
            }
        }
    }
}

/// How many events are read at once.
const PAGE: usize = 1_000;

impl Providers for Facts<'_> {
    fn facts(&self, provider: &ProviderId) -> Option<ProviderFacts> {
        facts_of(&self.shared.registry, provider, &|provider| {
            self.shared.callback_url(provider)
        })
    }

    fn takes_sessions(&self, provider: &ProviderId) -> bool {
        self.shared.router.availability(provider) == Availability::Ready
    }

    fn has_other_session(&self, provider: &ProviderId, record: &Record) -> bool {
        let who = VisitorKey {
            app: record.app.clone(),
            visitor: record.visitor.id.clone(),
        };
        match self.shared.store.open_at(&who) {
            Ok(open) => open
                .iter()
                .any(|it| it.provider == *provider && it.session != record.id),
            // The commit looks again.
            Err(error) => {
                tracing::warn!(%error, "the visitor's open sessions were not looked up");
                false
            }
        }
    }
}

impl Log for Facts<'_> {
    fn said(&self, session: &SessionId, message: &MessageId) -> Option<Said> {
        let said = self.shared.store.said(session, message);
        said.unwrap_or_else(|error| {
            tracing::warn!(%error, "a message that was recalled was not looked up");
            None
        })
    }

    fn since(&self, session: &SessionId, after: u64) -> Vec<LogEvent> {
        self.read_since(session, after).unwrap_or_else(|error| {
            self.unread.replace(Some(error));
            Vec::new()
        })
    }

    fn is_own_media(&self, url: &str) -> bool {
        self.shared.is_own_media(url)
    }
}
