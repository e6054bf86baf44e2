//! Takes visitors who wait at a provider that cannot serve to the next one.
//!
//! Owns when that is looked at, and who is asked instead: the providers of the
//! desk's own decision that are ready, never one that is in doubt itself.
//! Deliberately decides neither which sessions may move nor what becomes of
//! them: the core does, in a turn of each. Invariant: only sessions of desks
//! with `reopen_waiting` are touched, and one that has left the provider
//! meanwhile stays where it is.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use kefu_core::{
    routing::{Availability, RouteRequest},
    session::Record,
    turn::Input,
};
use kefu_plugin_api::ids::{ProviderId, SessionId};
use tokio::{task::JoinSet, time::Instant};

use super::Engine;
use crate::session::{
    clock,
    slot::{Ended, TurnJob},
};

/// Providers that cannot serve, and when their sessions were last looked at.
#[derive(Default)]
pub struct Failing(BTreeMap<ProviderId, Instant>);

impl Failing {
    /// Those whose sessions are to be looked at now: whoever has begun to fail,
    /// and the others again now and then, for visitors who have come to wait
    /// since.
    pub fn due(&mut self, failing: Vec<ProviderId>, now: Instant) -> Vec<ProviderId> {
        self.0.retain(|known, _| failing.contains(known));
        let again = |at: &Instant| now.saturating_duration_since(*at) >= AGAIN;
        let due: Vec<_> = failing
            .into_iter()
            .filter(|provider| self.0.get(provider).is_none_or(again))
            .collect();
        self.0
            .extend(due.iter().map(|provider| (provider.clone(), now)));
        due
    }
}

impl Engine {
    /// Whether any desk lets visitors who wait be taken elsewhere.
    pub fn reopens_waiting(&self) -> bool {
        let config = self.0.config.load();
        config.main.desks.values().any(|desk| desk.reopen_waiting)
    }

    /// Opens the sessions that wait at a provider at the next one of their
    /// desk. `why` is for operators. How many were.
    pub async fn reopen_waiting(&self, provider: &ProviderId, why: &str) -> usize {
        if !self.reopens_waiting() {
            return 0;
        }
        let (mut after, mut moved) = (None, 0);
        loop {
            let (of, from) = (provider.clone(), after.take());
            let page = self
                .read(move |store| store.open_sessions_of(&of, from.as_ref(), PAGE))
                .await;
            // It is logged, and tried again.
            let Ok(page) = page else { break };
            moved += self.reopen_all(provider, page.sessions).await;
            match page.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        if moved > 0 {
            tracing::warn!(%provider, sessions = moved, why, "visitors who waited were taken to other providers");
        }
        moved
    }

    async fn reopen_all(&self, provider: &ProviderId, sessions: Vec<SessionId>) -> usize {
        let mut reopening = JoinSet::new();
        for session in sessions {
            let (engine, from) = (self.clone(), provider.clone());
            reopening.spawn(async move {
                let reopened = engine.reopen(from, session);
                tokio::time::timeout(PATIENCE, reopened).await
            });
        }
        let mut moved = 0;
        while let Some(one) = reopening.join_next().await {
            moved += usize::from(matches!(one, Ok(Ok(true))));
        }
        moved
    }

    async fn reopen(&self, from: ProviderId, session: SessionId) -> bool {
        let (engine, id) = (self.clone(), session.clone());
        let found = tokio::task::spawn_blocking(move || engine.look_at(&id)).await;
        let Ok(Ok(Some(record))) = found else {
            return false;
        };
        let order = self.elsewhere(&from, &record);
        if order.is_empty() {
            return false;
        }
        let to_leave = from.clone();
        let job = TurnJob::new(Input::Reopen { from, order });
        match self.run(&session, job, true).await {
            Ended::Ran { record, .. } => record.provider != to_leave,
            _ => false,
        }
    }

    /// Who can be asked instead; nobody where the session stays.
    fn elsewhere(
        &self,
        from: &ProviderId,
        record: &Arc<Record>,
    ) -> Vec<kefu_core::session::Fallback> {
        if record.provider != *from || !record.may_reopen() {
            return Vec::new();
        }
        let config = self.0.config.load();
        let desk = config.desk(record.desk.as_str());
        let Some(desk) = desk.filter(|desk| desk.reopen_waiting && desk.app == record.app) else {
            return Vec::new();
        };
        let asked = record.moves.asked_group.as_deref();
        let known = |group: &&str| {
            desk.groups.is_empty() || desk.groups.iter().any(|known| known.id == *group)
        };
        let question = RouteRequest {
            visitor: &record.visitor.id,
            platform: record.client.platform.as_deref(),
            app_version: record.client.app_version.as_deref(),
            channel: record.client.channel.as_deref(),
            // It may have been taken out since.
            group: asked.filter(known),
            profile: Some(&record.visitor),
            at: clock::now(),
        };
        let mut order = self.order(desk, &question).unwrap_or_default();
        // A new visitor may be asked to wait at a vendor in doubt where nobody
        // else is left; whoever waits already gains nothing by waiting there.
        order.retain(|next| {
            next.provider != *from
                && self.0.router.availability(&next.provider) == Availability::Ready
        });
        order
    }
}

/// How often the sessions of a provider that goes on failing are looked at.
const AGAIN: Duration = Duration::from_secs(15);
/// How many sessions are looked at together.
const PAGE: usize = 200;
/// How long one of them may take; it is tried again the next time.
const PATIENCE: Duration = Duration::from_secs(30);
