//! Ends the sessions of providers that were taken out.
//!
//! Owns when that is: for a provider that is draining, its deadline; for one
//! that nobody configures any more, a day after that was noticed, which after a
//! restart is its start. Deliberately keeps nothing on disk: the sessions are
//! still open there. Invariant: a session is ended by a turn of its own, so its
//! visitor is told; what its adapter says to that does not matter.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use kefu_core::turn::Input;
use kefu_plugin_api::{
    capability::EndReason,
    ids::{ProviderId, SessionId},
};

use super::Engine;
use crate::session::slot::{Ended, TurnJob};

/// Providers with open sessions that nobody configures.
#[derive(Default)]
pub(in crate::session) struct Orphans(Mutex<Noticed>);

#[derive(Default)]
struct Noticed {
    since: BTreeMap<ProviderId, Instant>,
    looked_at: Option<Instant>,
}

impl Orphans {
    /// Whether it is time to look for them again.
    fn is_time(&self, now: Instant) -> bool {
        let mut noticed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let recent = |at: Instant| now.saturating_duration_since(at) < LOOK_EVERY;
        if noticed.looked_at.is_some_and(recent) {
            return false;
        }
        noticed.looked_at = Some(now);
        true
    }

    /// These are without configuration now; those whose time is over.
    fn notice(&self, orphans: Vec<ProviderId>, now: Instant) -> Vec<ProviderId> {
        let mut noticed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        noticed.since.retain(|known, _| orphans.contains(known));
        let mut over = Vec::new();
        for provider in orphans {
            let since = noticed.since.entry(provider.clone()).or_insert_with(|| {
                tracing::warn!(%provider, hours = ORPHANS_KEPT.as_secs() / 3600, "sessions of a provider that is not configured are open; they are ended unless it comes back");
                now
            });
            if now.saturating_duration_since(*since) >= ORPHANS_KEPT {
                over.push(provider);
            }
        }
        over
    }
}

impl Engine {
    /// Ends what is left of providers that were taken out, as far as their time
    /// is over, and removes those that have nothing left: no open session, and
    /// nothing to send, which `is_sent` knows. To be called every few seconds,
    /// once at a time.
    pub async fn drain(&self, now: Instant, is_sent: impl Fn(&ProviderId) -> bool) {
        let draining = self.0.registry.draining();
        let look_for_orphans = self.0.orphans.is_time(now);
        if draining.is_empty() && !look_for_orphans {
            return;
        }
        let Ok(open) = self.read(|store| store.open_by_provider()).await else {
            // It is logged, and tried again.
            return;
        };
        for (provider, until) in draining {
            let count = open.get(&provider).copied().unwrap_or(0);
            if count > 0 && now >= until {
                self.end_sessions(&provider).await;
            } else if count == 0 && is_sent(&provider) {
                self.remove(&provider).await;
            }
        }
        if look_for_orphans {
            let configured = |provider: &ProviderId| self.0.registry.slot(provider).is_some();
            let orphans = open.into_keys().filter(|id| !configured(id)).collect();
            for provider in self.0.orphans.notice(orphans, now) {
                self.end_sessions(&provider).await;
            }
        }
    }

    async fn remove(&self, provider: &ProviderId) {
        let registry = std::sync::Arc::clone(&self.0.registry);
        let id = provider.clone();
        // Its end runs code of the adapter.
        let removed = tokio::task::spawn_blocking(move || registry.remove_drained(&id)).await;
        if matches!(removed, Ok(true)) {
            tracing::info!(%provider, "nothing of the provider is left; it is removed");
        }
    }

    async fn end_sessions(&self, provider: &ProviderId) {
        let (mut after, mut ended) = (None, 0);
        loop {
            let (of, from) = (provider.clone(), after.take());
            let page = self
                .read(move |store| store.open_sessions_of(&of, from.as_ref(), PAGE))
                .await;
            let Ok(page) = page else { break };
            ended += self.end_all(provider, page.sessions).await;
            match page.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        tracing::warn!(%provider, sessions = ended, "sessions of a provider that was taken out are ended");
    }

    /// Ends these sessions at the same time. How many were.
    async fn end_all(&self, provider: &ProviderId, sessions: Vec<SessionId>) -> usize {
        let mut ending = tokio::task::JoinSet::new();
        for session in sessions {
            let record = self.0.dispatcher.peek(&session);
            if record.is_some_and(|record| record.provider != *provider) {
                // It went on to another provider meanwhile.
                continue;
            }
            let engine = self.clone();
            ending.spawn(async move {
                let job = TurnJob::new(Input::Close(EndReason::ProviderError));
                let ended = engine.run(&session, job, true);
                tokio::time::timeout(PATIENCE, ended).await
            });
        }
        let mut ended = 0;
        while let Some(one) = ending.join_next().await {
            ended += usize::from(matches!(one, Ok(Ok(Ended::Ran { .. }))));
        }
        ended
    }
}

/// How long sessions whose provider nobody configures go on.
const ORPHANS_KEPT: Duration = Duration::from_secs(24 * 3600);
/// How often such sessions are looked for.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// How many sessions are ended at the same time.
const PAGE: usize = 200;
/// How long one of them may take; it is tried again the next time.
const PATIENCE: Duration = Duration::from_secs(30);
