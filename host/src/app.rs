//! Builds, wires, starts and stops the parts.
//!
//! Owns the order in which things begin and end, and the few adapters between
//! parts that must not know each other. Invariant: listeners take connections
//! only after everything that was left at the last stop has been taken up
//! again.

mod wiring;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context;
use arc_swap::ArcSwap;
use kefu_core::config::{Config, StoreUrl};
use tokio::{net::TcpListener, runtime::Handle, task::JoinHandle};

use self::wiring::{FromSessions, Links, Overview};
use crate::{
    delivery::{self, Delivery, RecoveredEntry},
    edge::{self, ShutdownTrigger},
    media::Media,
    plugin::Registry,
    session::{self, Engine},
    store::{Store, sqlite::SqliteStore},
    telemetry::Metrics,
};

/// A gateway that runs.
pub struct App {
    engine: Engine,
    delivery: Delivery,
    shutdown: ShutdownTrigger,
    listeners: [JoinHandle<()>; 2],
    housekeeping: JoinHandle<()>,
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
        let limits = edge::Limits::from(&config.main.server.limits);
        let grace = config.main.server.limits.shutdown_grace;

        let metrics = Metrics::new();
        let StoreUrl::Sqlite { path } = &config.main.store.url;
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(path, metrics.clone())?);
        let media = Media::open(
            &config.main.media.dir,
            &public_url,
            config.main.media.url_ttl,
        )?;
        let registry = Arc::new(open_providers(&config).with_observer(Arc::new(metrics.clone())));
        let config = Arc::new(ArcSwap::from_pointee(config));
        let engine = Engine::new(session::Parts {
            store: Arc::clone(&store),
            registry: Arc::clone(&registry),
            config: Arc::clone(&config),
            public_url: public_url.clone(),
            metrics: metrics.clone(),
        })?;
        let delivery = Delivery::start(delivery::Parts {
            accounts: Arc::clone(&registry) as Arc<dyn delivery::Accounts>,
            origin: Arc::new(FromSessions {
                engine: engine.clone(),
                metrics: metrics.clone(),
            }),
            links: Some(Arc::new(Links(media.clone()))),
            public_url: public_url.clone(),
            timing: delivery::Timing::default(),
            runtime: Handle::current(),
        });
        take_up(&engine, &delivery)?;

        let operations: Arc<dyn edge::Operations> = Arc::new(Overview {
            store,
            registry,
            delivery: delivery.clone(),
        });
        let (trigger, shutdown) = edge::shutdown_signal();
        let apps = edge::Public::new(edge::Parts {
            config: Arc::clone(&config),
            engine: engine.clone(),
            media,
            metrics: metrics.clone(),
            operations: Arc::clone(&operations),
            public_url,
            shutdown: shutdown.clone(),
        });
        let operators = edge::Admin::new(config, operations, metrics.clone(), shutdown.clone());
        let listeners = [
            tokio::spawn(edge::serve(
                public,
                apps,
                limits.clone(),
                metrics.clone(),
                shutdown.clone(),
            )),
            tokio::spawn(edge::serve(admin, operators, limits, metrics, shutdown)),
        ];
        let housekeeping = tokio::spawn(keep_house(engine.clone()));
        Ok(Self {
            engine,
            delivery,
            shutdown: trigger,
            listeners,
            housekeeping,
            public: public_address,
            admin: admin_address,
            grace,
        })
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
        self.housekeeping.abort();
        self.shutdown.stop();
        for listener in self.listeners {
            // It ends by itself when the grace is over; a panic in it was
            // logged and changes nothing now.
            let _ = listener.await;
        }
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
    let registry = Registry::new(plugins);
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

/// What is done now and then: counting, and forgetting what has lapsed.
async fn keep_house(engine: Engine) {
    let mut every = tokio::time::interval(COUNT_EVERY);
    for round in 0_u64.. {
        every.tick().await;
        engine.count();
        if round % SWEEP_EVERY_ROUNDS == 0 {
            engine.sweep();
        }
    }
}

const COUNT_EVERY: Duration = Duration::from_secs(5);
/// Once an hour.
const SWEEP_EVERY_ROUNDS: u64 = 720;

async fn listen(address: SocketAddr, key: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address} ({key})"))
}
