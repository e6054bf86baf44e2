//! Small adapters between parts that must not know each other.

use std::{
    borrow::Cow,
    time::{SystemTime, UNIX_EPOCH},
};

use kefu_core::outbox::{Finished, OutboxEntry};
use kefu_plugin_api::{
    http::HttpRequest,
    ids::ProviderId,
    wire::{HandleInput, HandleOutput},
};

use crate::{
    delivery::{BoxFuture, LinkSigner, Origin, Settled, Tried},
    health::Health,
    media::Media,
    push::EventLinks,
    session::{Engine, Settling, VisitorKey},
    telemetry::Metrics,
};

/// Sessions, as delivery sees them.
pub(super) struct FromSessions {
    pub(super) engine: Engine,
    pub(super) metrics: Metrics,
    pub(super) health: Health,
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

    fn ask(
        &self,
        provider: &ProviderId,
        input: HandleInput,
    ) -> BoxFuture<Result<HandleOutput, String>> {
        let (engine, provider) = (self.engine.clone(), provider.clone());
        Box::pin(async move { engine.ask(&provider, input).await })
    }

    fn tried(&self, entry: &OutboxEntry, tried: &Tried<'_>) {
        self.metrics.delivery_tried(&entry.provider, tried.outcome);
        self.health
            .tried(&entry.provider, &entry.session, tried.outcome, tried.status);
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

/// The links in events that apps' servers are told.
pub(super) struct LinksInEvents(pub(super) Media);

impl EventLinks for LinksInEvents {
    fn sign(&self, json: &[u8], whose: &VisitorKey) -> Vec<u8> {
        self.0
            .sign_links_in_json(json, whose, unix_now())
            .into_owned()
    }
}

/// Seconds since 1970.
fn unix_now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
