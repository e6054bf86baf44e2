//! Small adapters between parts that must not know each other.

use std::{
    borrow::Cow,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use kefu_core::outbox::{Finished, OutboxEntry};
use kefu_plugin_api::{http::HttpRequest, ids::ProviderId};
use serde_json::{Value, json};

use crate::{
    delivery::{BoxFuture, Delivery, LinkSigner, Origin, Settled, Tried},
    edge::{Operations, ProviderReport},
    media::Media,
    plugin::Registry,
    session::{Engine, Settling},
    store::Store,
    telemetry::Metrics,
};

/// Sessions, as delivery sees them.
pub(super) struct FromSessions {
    pub(super) engine: Engine,
    pub(super) metrics: Metrics,
}

impl Origin for FromSessions {
    fn mark_attempted(
        &self,
        entry: &OutboxEntry,
        attempted: bool,
    ) -> BoxFuture<Result<(), String>> {
        let (engine, entry) = (self.engine.clone(), entry.clone());
        Box::pin(async move {
            engine
                .mark_attempted(&entry, attempted)
                .await
                .map_err(|error| error.to_string())
        })
    }

    fn settle(
        &self,
        entry: &OutboxEntry,
        finished: Finished,
        dead: Option<String>,
    ) -> BoxFuture<Settled> {
        let (engine, entry) = (self.engine.clone(), entry.clone());
        Box::pin(async move {
            match engine.settle(&entry, finished, dead).await {
                Settling::Done => Settled::Done,
                Settling::RenewToken(name) => Settled::RenewToken { name },
                Settling::Later(detail) => Settled::Later { detail },
            }
        })
    }

    fn tried(&self, entry: &OutboxEntry, tried: &Tried<'_>) {
        self.metrics.delivery_tried(&entry.provider, tried.outcome);
    }

    fn prepare(&self, entry: &OutboxEntry, attempt: u32) -> BoxFuture<Result<HttpRequest, String>> {
        let (engine, entry) = (self.engine.clone(), entry.clone());
        Box::pin(async move { engine.prepare(&entry, attempt).await })
    }
}

/// Media, as delivery sees them.
pub(super) struct Links(pub(super) Media);

impl LinkSigner for Links {
    fn sign_links(&self, body: &[u8], media: &[String]) -> Option<Vec<u8>> {
        match self.0.sign_listed(body, media, unix_now()) {
            Cow::Borrowed(_) => None,
            Cow::Owned(signed) => Some(signed),
        }
    }
}

/// Store, adapters and delivery, as operators see them.
pub(super) struct Overview {
    pub(super) store: Arc<dyn Store>,
    pub(super) registry: Arc<Registry>,
    pub(super) delivery: Delivery,
}

impl Operations for Overview {
    fn check_store(&self) -> Result<(), String> {
        self.store
            .open_count()
            .map(drop)
            .map_err(|error| error.to_string())
    }

    fn providers(&self) -> Vec<ProviderReport> {
        self.registry
            .describe_all()
            .into_iter()
            .map(|status| {
                let works = status.availability.takes_sessions();
                let id = status.id.clone();
                let mut report = json!(status);
                let delivery = self.delivery.status(&id);
                if let Value::Object(members) = &mut report {
                    members.insert("breaker".into(), json!(delivery.breaker));
                    members.insert("outbox".into(), json!(delivery.entries));
                    members.insert("requests_under_way".into(), json!(delivery.under_way));
                }
                let state = report["state"].as_str().unwrap_or_default().to_owned();
                ProviderReport {
                    id,
                    works,
                    state,
                    report,
                }
            })
            .collect()
    }

    fn takes_sessions(&self, provider: &ProviderId) -> bool {
        self.registry
            .availability(provider)
            .is_some_and(|availability| availability.takes_sessions())
    }
}

/// Seconds since 1970.
fn unix_now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
