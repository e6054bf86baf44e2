//! Builds, wires, starts and stops the parts.
//!
//! Owns the order in which things begin and end, and the few adapters between
//! parts that must not know each other. Invariant: listeners take connections
//! only after everything that was left at the last stop has been taken up
//! again.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context;
use arc_swap::ArcSwap;
use kefu_core::{
    config::{Config, StoreUrl},
    outbox::{Finished, OutboxEntry},
};
use kefu_plugin_api::http::HttpRequest;
use tokio::{net::TcpListener, runtime::Handle};

use crate::{
    delivery::{self, BoxFuture, Delivery, Origin, RecoveredEntry, Settled},
    plugin::Registry,
    session::{self, Engine, Settling},
    store::sqlite::SqliteStore,
    telemetry::Metrics,
};

/// A gateway that runs.
pub struct App {
    engine: Engine,
    delivery: Delivery,
    public: SocketAddr,
    admin: SocketAddr,
    grace: Duration,
}

impl App {
    /// Starts everything that the configuration names.
    ///
    /// # Errors
    /// The store cannot be opened, an address cannot be listened on, a thread
    /// cannot be started. A provider that cannot be brought up is no error: it
    /// is listed with its reason, and the others serve.
    pub async fn start(config: Config) -> anyhow::Result<Self> {
        let public = listen(config.main.server.listen, "server.listen").await?;
        let admin = listen(config.main.admin.listen, "admin.listen").await?;
        let (public_address, admin_address) = (public.local_addr()?, admin.local_addr()?);
        let public_url = config
            .main
            .server
            .public_url
            .clone()
            .unwrap_or_else(|| format!("http://{public_address}"));
        let grace = config.main.server.limits.shutdown_grace;

        let metrics = Metrics::new();
        let StoreUrl::Sqlite { path } = &config.main.store.url;
        let store = Arc::new(SqliteStore::open(path, metrics.clone())?);
        let registry = Arc::new(open_providers(&config));
        let config = Arc::new(ArcSwap::from_pointee(config));
        let engine = Engine::new(session::Parts {
            store,
            registry: Arc::clone(&registry),
            config: Arc::clone(&config),
            public_url: public_url.clone(),
            metrics: metrics.clone(),
        })?;
        let delivery = Delivery::start(delivery::Parts {
            accounts: Arc::clone(&registry) as Arc<dyn delivery::Accounts>,
            origin: Arc::new(FromSessions(engine.clone())),
            links: None,
            public_url,
            timing: delivery::Timing::default(),
            runtime: Handle::current(),
        });
        take_up(&engine, &delivery)?;
        Ok(Self {
            engine,
            delivery,
            public: public_address,
            admin: admin_address,
            grace,
        })
    }

    /// The door to the sessions.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Where apps and vendors are served.
    pub fn public_address(&self) -> SocketAddr {
        self.public
    }

    /// Where operators are served.
    pub fn admin_address(&self) -> SocketAddr {
        self.admin
    }

    /// Takes no more connections, lets what is under way end, and stops.
    /// Whether everything ended in time; what did not goes on at the next
    /// start.
    pub async fn stop(self) -> bool {
        let delivered = self.delivery.stop(self.grace).await;
        let engine = self.engine;
        let grace = self.grace;
        let settled = tokio::task::spawn_blocking(move || engine.stop(grace)).await;
        delivered && settled.is_ok()
    }
}

/// Brings up every provider. What cannot be brought up is listed with its
/// reason.
pub fn open_providers(config: &Config) -> Registry {
    let plugins = &config.main.plugins;
    let registry = Registry::new(&plugins.dir, &plugins.copies, plugins.trust.clone());
    for provider in config.providers.values() {
        if let Err(error) = registry.bring_up(provider.clone()) {
            tracing::warn!(provider = %provider.id, %error, "provider not brought up");
        }
    }
    registry
}

/// Takes up what was left when the gateway stopped.
fn take_up(engine: &Engine, delivery: &Delivery) -> anyhow::Result<()> {
    let carrier = delivery.clone();
    let unsent = engine.start_work(move |entries| carrier.carry(entries))?;
    tracing::info!(entries = unsent.len(), "outbox taken up");
    delivery.recover(
        unsent
            .into_iter()
            .map(|unsent| RecoveredEntry {
                entry: unsent.entry,
                attempted: unsent.attempted,
            })
            .collect(),
    );
    Ok(())
}

async fn listen(address: SocketAddr, key: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address} ({key})"))
}

/// Sessions, as delivery sees them.
struct FromSessions(Engine);

impl Origin for FromSessions {
    fn mark_attempted(&self, entry: &OutboxEntry) -> BoxFuture<Result<(), String>> {
        let (engine, entry) = (self.0.clone(), entry.clone());
        Box::pin(async move {
            engine
                .mark_attempted(&entry)
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
        let (engine, entry) = (self.0.clone(), entry.clone());
        Box::pin(async move {
            match engine.settle(&entry, finished, dead).await {
                Settling::Done => Settled::Done,
                Settling::RenewToken(name) => Settled::RenewToken { name },
                Settling::Later(detail) => Settled::Later { detail },
            }
        })
    }

    fn prepare(&self, entry: &OutboxEntry, attempt: u32) -> BoxFuture<Result<HttpRequest, String>> {
        let (engine, entry) = (self.0.clone(), entry.clone());
        Box::pin(async move { engine.prepare(&entry, attempt).await })
    }
}
