//! The ways out of the engine: addresses that others reach the gateway by, and
//! calls on their way to vendors.
//!
//! Owns how links of the gateway look in a log and in a callback, and the hand
//! that calls are given to. Deliberately sends nothing. Invariant: nothing is
//! handed over before the turn that asked for it is on disk; callers see to it.

use std::sync::Arc;

use kefu_core::outbox::OutboxEntry;
use kefu_plugin_api::ids::{ProviderId, SessionId};

use super::Shared;

impl Shared {
    pub(in crate::session) fn callback_url(&self, provider: &ProviderId) -> Arc<str> {
        format!("{}/v1/callbacks/{provider}", self.public_url).into()
    }

    /// Whether a link leads to media that the gateway keeps. In a log such
    /// links are written in one form, and are the session's visitor's own.
    pub(in crate::session) fn is_own_media(&self, url: &str) -> bool {
        let path = url.strip_prefix(self.public_url.as_str());
        path.is_some_and(|path| path.starts_with("/v1/media/"))
    }

    pub(in crate::session) fn withdraw(
        &self,
        session: &SessionId,
        provider: &ProviderId,
        numbers: &[u64],
    ) {
        if let Some(withdrawer) = self.withdrawer.get() {
            withdrawer(session, provider, numbers);
        }
    }

    pub(in crate::session) fn carry(&self, calls: Vec<OutboxEntry>) {
        if let (false, Some(carrier)) = (calls.is_empty(), self.carrier.get()) {
            carrier(calls);
        }
    }
}
