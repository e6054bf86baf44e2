//! Small adapters between parts that must not know each other.

use std::{
    borrow::Cow,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use kefu_core::{
    outbox::{DeadLetter, Finished, Letter, OutboxEntry},
    problem::{Problem, Slug},
};
use kefu_plugin_api::{
    http::HttpRequest,
    ids::ProviderId,
    wire::{HandleInput, HandleOutput},
};
use serde_json::{Value, json};

use crate::{
    delivery::{BoxFuture, Delivery, LinkSigner, Origin, Settled, Tried},
    edge::{Operations, ProviderReport},
    media::Media,
    plugin::Registry,
    session::{Engine, Settling},
    store::Store,
    telemetry::{Metrics, Standing},
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
                let text = |key: &str| report[key].as_str().map(str::to_owned);
                let standing = Standing {
                    state: text("state").unwrap_or_default(),
                    generation: report["generation"].as_u64(),
                    retained: report["retained"].as_array().map_or(0, Vec::len) as u64,
                    stuck_calls: report["stuck_calls"].as_u64().unwrap_or(0),
                    ..Standing::default()
                };
                ProviderReport {
                    id,
                    works,
                    reason: text("reason"),
                    standing,
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

    fn plugins(&self) -> Result<Value, Problem> {
        Err(not_wired("listing plug-in files"))
    }

    fn mapped_copies(&self) -> u64 {
        crate::plugin::loader::mapped_copies() as u64
    }

    fn reloads(&self, _: usize) -> Vec<Value> {
        Vec::new()
    }

    fn reload(&self, _: Option<&ProviderId>) -> Result<Value, Problem> {
        Err(not_wired("reloading"))
    }

    fn roll_back(&self, _: &ProviderId, _: Option<u64>) -> Result<Value, Problem> {
        Err(not_wired("going back to an earlier generation"))
    }

    fn set_paused(&self, provider: &ProviderId, paused: bool) -> Result<(), Problem> {
        let slot = self.registry.slot(provider).ok_or_else(|| {
            Problem::new(Slug::NotFound, format!("there is no provider `{provider}`"))
        })?;
        slot.set_paused(paused);
        Ok(())
    }

    fn dead_letters(&self, limit: usize) -> Result<Vec<Value>, Problem> {
        let letters = self.store.dead_letters(limit).map_err(|error| {
            let detail = format!("cannot read the dead letters: {error}");
            Problem::new(Slug::StorageUnavailable, detail)
        })?;
        Ok(letters.iter().map(dead_letter).collect())
    }
}

/// What it is and whose, without what visitors and agents said.
fn dead_letter(letter: &DeadLetter) -> Value {
    json!({
        "id": letter.id,
        "session": letter.session,
        "provider": letter.provider,
        "at": letter.at,
        "reason": letter.reason,
        "type": match &letter.letter {
            Letter::Call { .. } => "call",
            Letter::Event { .. } => "event",
        },
    })
}

fn not_wired(what: &str) -> Problem {
    Problem::new(
        Slug::ProviderUnavailable,
        format!("{what} is not wired yet"),
    )
}

/// Seconds since 1970.
fn unix_now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
