//! Builds, wires, starts and stops the parts.
//!
//! Owns the order in which things begin and end, and the few adapters between
//! parts that must not know each other. Invariant: listeners take connections
//! only after everything that was left at the last stop has been taken up
//! again.

mod failing;
mod live;
mod operations;
pub mod providers;
mod threads;
mod wiring;

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context;
use arc_swap::ArcSwap;
use kefu_core::config::{Config, StoreUrl};
use kefu_plugin_api::ids::ProviderId;
use tokio::{net::TcpListener, runtime::Handle, sync::watch, task::JoinHandle, time::timeout};

use self::{
    live::Running,
    operations::Overview,
    providers::{Counted, StatesIn},
    wiring::{FromSessions, Links, LinksInEvents},
};
use crate::{
    config::Loaded,
    delivery::{self, Delivery, RecoveredEntry},
    edge::{self, ShutdownTrigger},
    figures::{self, Figures},
    health::{self, Health},
    media::{self, Media, inbound::Inbound},
    migration::{self, Migrations},
    plugin::Registry,
    push::{self, Pushes},
    reload::{self, Cause, Reloader, Why, signal::HangUp},
    route::{Router, Splits},
    session::{self, Engine},
    shadow::{self, Shadows},
    store::{Store, sqlite::SqliteStore},
    telemetry::Metrics,
};

/// A gateway that runs.
pub struct App {
    engine: Engine,
    delivery: Delivery,
    pushes: Pushes,
    shutdown: ShutdownTrigger,
    listeners: [JoinHandle<()>; 2],
    housekeeping: [JoinHandle<()>; 7],
    reloader: Reloader,
    hang_up: JoinHandle<()>,
    public: SocketAddr,
    admin: SocketAddr,
    limits: watch::Receiver<edge::Limits>,
    figures: Figures,
}

impl App {
    /// Starts everything that the configuration names. SIGHUP is taken before
    /// that: plug-ins may need long to open.
    ///
    /// # Errors
    /// The store cannot be opened, an address cannot be listened on, a thread
    /// cannot be started. A provider that cannot be brought up is no error: it
    /// is listed with its reason, and the others serve.
    pub async fn start(loaded: Loaded, hang_up: HangUp) -> anyhow::Result<Self> {
        let Loaded {
            config, sources, ..
        } = loaded;
        let public = listen(config.main.server.listen, "server.listen").await?;
        let admin = listen(config.main.admin.listen, "admin.listen").await?;
        let (public_address, admin_address) = (public.local_addr()?, admin.local_addr()?);
        let public_url = config
            .main
            .server
            .public_url
            .clone()
            .unwrap_or_else(|| format!("http://{public_address}"));
        let (change_limits, limits) =
            watch::channel(edge::Limits::from(&config.main.server.limits));

        let metrics = Metrics::new();
        let StoreUrl::Sqlite { path } = &config.main.store.url;
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(path, metrics.clone())?);
        let media = Media::open(&config.main.media, &public_url)?;
        let registry = open_providers(&config, &store, &metrics).await?;
        let figures = Figures::open(Arc::clone(&store))?;
        let splits = Splits::default();
        let health = Health::new(metrics.clone());
        let router = Router::new(Arc::clone(&registry))
            .with_splits(splits.clone())
            .with_health(health.clone());
        let router = Arc::new(router);
        let config = Arc::new(ArcSwap::from_pointee(config));
        let migrations = Migrations::open(migration::Parts {
            store: Arc::clone(&store),
            config: Arc::clone(&config),
            figures: figures.clone(),
            metrics: metrics.clone(),
            splits,
        })?;
        let engine = Engine::new(session::Parts {
            store: Arc::clone(&store),
            registry: Arc::clone(&registry),
            router: Arc::clone(&router),
            config: Arc::clone(&config),
            public_url: public_url.clone(),
            metrics: metrics.clone(),
            figures: figures.clone(),
        })?;
        let delivery = Delivery::start(delivery::Parts {
            accounts: Arc::clone(&registry) as Arc<dyn delivery::Accounts>,
            origin: Arc::new(FromSessions {
                engine: engine.clone(),
                metrics: metrics.clone(),
                health: health.clone(),
            }),
            health: health.clone(),
            links: Some(Arc::new(Links(media.clone()))),
            public_url: public_url.clone(),
            timing: delivery::Timing::default(),
            runtime: Handle::current(),
        });
        engine.fetch_media_with(Arc::new(Inbound::new(media::inbound::Parts {
            media: media.clone(),
            accounts: Arc::clone(&registry) as Arc<dyn delivery::Accounts>,
            config: Arc::clone(&config),
            metrics: metrics.clone(),
            runtime: Handle::current(),
        })));
        let pushes = Pushes::start(push::Parts {
            store: Arc::clone(&store),
            config: Arc::clone(&config),
            links: Arc::new(LinksInEvents(media.clone())),
            metrics: metrics.clone(),
            runtime: Handle::current(),
        })?;
        let shadows = Shadows::start(shadow::Parts {
            registry: Arc::clone(&registry),
            config: Arc::clone(&config),
            public_url: public_url.clone(),
            metrics: metrics.clone(),
            limits: shadow::Limits::default(),
        })?;
        engine.follow_with(Arc::new(shadows.clone()));
        take_up(&engine, &delivery, &pushes)?;

        let main_file = sources.main_file().to_owned();
        let reloader = Reloader::start(reload::Parts {
            sources,
            config: Arc::clone(&config),
            target: Arc::new(Running {
                registry: Arc::clone(&registry),
                limits: change_limits,
                media: media.clone(),
                pushes: pushes.clone(),
                migrations: migrations.clone(),
            }),
            metrics: metrics.clone(),
        })?;
        give_up_unfit(&registry, &reloader);
        let hang_up = hang_up.reload(reloader.clone());
        let probing = health::prober::Parts {
            health: health.clone(),
            config: Arc::clone(&config),
            accounts: Arc::clone(&registry) as Arc<dyn delivery::Accounts>,
            delivery: delivery.clone(),
        };
        let singing = health::canary::Parts {
            health: health.clone(),
            config: Arc::clone(&config),
            registry: Arc::clone(&registry),
            engine: engine.clone(),
        };
        let watch = failing::Watch {
            config: Arc::clone(&config),
            registry: Arc::clone(&registry),
            router: Arc::clone(&router),
            engine: engine.clone(),
        };
        let operations: Arc<dyn edge::Operations> = Arc::new(Overview {
            config: Arc::clone(&config),
            store,
            registry,
            router,
            delivery: delivery.clone(),
            engine: engine.clone(),
            pushes: pushes.clone(),
            migrations: migrations.clone(),
            shadows,
            reloader: reloader.clone(),
            figures: figures.clone(),
            main_file,
            health: health.clone(),
        });
        let (trigger, shutdown) = edge::shutdown_signal();
        let housekeeping = [
            tokio::spawn(keep_house(engine.clone(), delivery.clone(), pushes.clone())),
            tokio::spawn(media::keep_house(
                media.clone(),
                Arc::clone(&config),
                metrics.clone(),
            )),
            tokio::spawn(figures::keep(figures.clone())),
            tokio::spawn(migration::run(migrations)),
            tokio::spawn(health::prober::mind(probing)),
            tokio::spawn(health::canary::mind(singing)),
            tokio::spawn(failing::mind(watch)),
        ];
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
            tokio::spawn(edge::serve(
                admin,
                operators,
                limits.clone(),
                metrics,
                shutdown,
            )),
        ];
        Ok(Self {
            engine,
            delivery,
            pushes,
            shutdown: trigger,
            listeners,
            housekeeping,
            reloader,
            hang_up,
            public: public_address,
            admin: admin_address,
            limits,
            figures,
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

    /// What providers are compared by.
    pub fn figures(&self) -> &Figures {
        &self.figures
    }

    /// Takes no more connections, lets what is under way end, and stops.
    /// Whether everything ended in time; what did not goes on at the next
    /// start.
    pub async fn stop(self) -> bool {
        let grace = self.limits.borrow().shutdown_grace;
        for task in &self.housekeeping {
            task.abort();
        }
        self.hang_up.abort();
        self.shutdown.stop();
        let (engine, reloader) = (self.engine, self.reloader);
        // A reload under way may take as long as its stages; nothing waits
        // for it longer than for the rest.
        let reloaded = threads::ended("stop reload", Box::new(move || reloader.stop()));
        for listener in self.listeners {
            // It ends by itself when the grace is over; a panic in it was
            // logged and changes nothing now.
            let _ = listener.await;
        }
        let (delivered, pushed) = tokio::join!(self.delivery.stop(grace), self.pushes.stop(grace));
        let settled = threads::ended("stop engine", Box::new(move || engine.stop(grace)));
        // The engine looks at the time itself, and needs a moment beyond it.
        let settled = timeout(grace + STOP_MARGIN, settled).await;
        let figures = self.figures;
        let written = move || {
            // What could not be written was said.
            let _ = figures.flush().recv();
        };
        let kept = threads::ended("keep figures", Box::new(written));
        let kept = timeout(STOP_MARGIN, kept).await;
        let reloaded = timeout(grace, reloaded).await;
        delivered
            && pushed
            && [settled, reloaded, kept]
                .iter()
                .all(|ended| *ended == Ok(true))
    }
}

/// The plug-in runtime with every provider that could be brought up.
async fn open_providers(
    config: &Config,
    store: &Arc<dyn Store>,
    metrics: &Metrics,
) -> anyhow::Result<Arc<Registry>> {
    let registry = providers::runtime(config)
        .context("cannot start the thread that starts child processes")?
        .with_child_observer(Arc::new(Counted(metrics.clone())))
        .with_observer(Arc::new(metrics.clone()))
        .with_states(Arc::new(StatesIn(Arc::clone(store))));
    let config = config.clone();
    let opening = tokio::task::spawn_blocking(move || {
        providers::bring_up_all(&registry, &config);
        registry.sweep_copies();
        registry
    });
    Ok(Arc::new(opening.await?))
}

/// A new generation that soon faults makes way for the one before it.
fn give_up_unfit(registry: &Registry, reloader: &Reloader) {
    let reloader = reloader.clone();
    registry.on_unfit(Box::new(move |unfit| {
        let why = format!(
            "generation {} faulted in {} sessions soon after it went into service; the last time: {}",
            unfit.generation, unfit.sessions, unfit.fault
        );
        tracing::error!(provider = %unfit.provider, why, "going back to the generation before");
        reloader.request(Cause::RollBack {
            provider: unfit.provider,
            generation: None,
            why: Why::Automatic {
                unfit: unfit.generation,
                fault: why,
            },
        });
    }));
}

/// Takes up what was left when the gateway stopped.
fn take_up(engine: &Engine, delivery: &Delivery, pushes: &Pushes) -> anyhow::Result<()> {
    let herald = pushes.clone();
    engine.tell_apps(move |lane| herald.tell(&lane));
    let withdrawer = delivery.clone();
    engine.withdraw_with(move |session, provider, numbers| {
        withdrawer.withdraw(session, provider, numbers);
    });
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

/// What is done now and then: counting, ending what drains, and forgetting what
/// has lapsed.
async fn keep_house(engine: Engine, delivery: Delivery, pushes: Pushes) {
    let mut every = tokio::time::interval(COUNT_EVERY);
    for round in 0_u64.. {
        every.tick().await;
        engine.count();
        pushes.count();
        let is_sent = |provider: &ProviderId| delivery.status(provider).entries == 0;
        engine.drain(Instant::now(), is_sent).await;
        if round % SWEEP_EVERY_ROUNDS == 0 {
            engine.sweep();
        }
    }
}

const STOP_MARGIN: Duration = Duration::from_secs(1);
const COUNT_EVERY: Duration = Duration::from_secs(5);
/// Once an hour.
const SWEEP_EVERY_ROUNDS: u64 = 720;

async fn listen(address: SocketAddr, key: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address} ({key})"))
}
