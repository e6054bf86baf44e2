//! What a turn may ask of the world outside its session.
//!
//! Owns the answers to the core's questions: which provider takes calls and how,
//! whether its visitor is elsewhere, what a log says already. Deliberately
//! decides nothing. What cannot be looked up is answered as if it were not there;
//! where that matters, the commit looks again.

use std::{sync::Arc, time::Duration};

use kefu_core::{
    session::Record,
    turn::{Log, ProviderFacts, Providers, Said},
};
use kefu_plugin_api::ids::{MessageId, ProviderId, SessionId};

use super::{VisitorKey, engine::Shared};
use crate::plugin::Registry;

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
pub(super) struct Facts<'a>(pub(super) &'a Shared);

impl Providers for Facts<'_> {
    fn facts(&self, provider: &ProviderId) -> Option<ProviderFacts> {
        facts_of(&self.0.registry, provider, &|provider| {
            self.0.callback_url(provider)
        })
    }

    fn has_other_session(&self, provider: &ProviderId, record: &Record) -> bool {
        let who = VisitorKey {
            app: record.app.clone(),
            visitor: record.visitor.id.clone(),
        };
        match self.0.store.open_at(&who) {
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
        self.0.store.said(session, message).unwrap_or_else(|error| {
            tracing::warn!(%error, "a message that was recalled was not looked up");
            None
        })
    }
}
