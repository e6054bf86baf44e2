//! Pushes to apps' own servers (服务端实时消息路由): what is said in an app's
//! sessions, in order per session, at least once.
//!
//! Owns what happens to a message after it is in the log, where its app has a
//! server of its own: the lanes, tries and waits between them, the breaker of
//! each address, dead letters and their replay. Deliberately keeps no message:
//! a lane is a place in a session's log, written with the turn that added to
//! it. Shares no queue and no connection with delivery to vendors, so that
//! neither holds the other up. Invariants: one try under way per lane, in the
//! order of the log; a lane moves on only after that is on disk.
//!
//! - An app that gets a `routing` is told what is said from then on; one that
//!   loses it, nothing that still waited.
//! - A changed `routing` holds from the next try on, and everything that waits
//!   is tried at once.
//! - While the breaker of an address is open nobody's tries are used up.
//!
//! | module | what it owns |
//! |---|---|
//! | `lanes` | what waits, in memory |
//! | `pump` | whose turn it is |
//! | `attempt` | one try, and where it leaves the lane |
//! | `form` | the request and its signature |

mod attempt;
mod form;
mod lanes;
mod pump;

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwap;
use kefu_core::{
    config::{AppRouting, Config, PushFormat},
    outbox::{DeadLetter, Letter},
};
use kefu_plugin_api::{ids::AppId, time::Timestamp};
use serde::Serialize;
use tokio::{
    runtime::Handle,
    sync::{Notify, watch},
};

pub use attempt::EventLinks;

use crate::{
    clock::now,
    delivery::{BreakerState, Timing, breaker::Breaker, http::Http},
    store::{PushLane, Store, StoreError},
    telemetry::Metrics,
};
use attempt::shown;
use lanes::Lanes;

/// What pushing is made of.
pub struct Parts {
    /// Where logs and lanes are.
    pub store: Arc<dyn Store>,
    /// The configuration in force.
    pub config: Arc<ArcSwap<Config>>,
    /// Who signs links to media.
    pub links: Arc<dyn EventLinks>,
    /// The numbers.
    pub metrics: Metrics,
    /// Where the work is done.
    pub runtime: Handle,
}

/// How it stands with the pushes of one app.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PushStatus {
    /// Whose server.
    pub app: AppId,
    /// Where it is, without the query; nothing without a routing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// In which form it is told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<&'static str>,
    /// Whether it takes pushes.
    pub breaker: BreakerState,
    /// Sessions with something left to tell, and replays.
    pub lanes: usize,
    /// Posts under way.
    pub under_way: u32,
    /// Since when the lane that has waited longest has not got on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oldest: Option<Timestamp>,
    /// Why the last post that failed did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
}

/// The running pushes. Cheap to clone.
#[derive(Clone)]
pub struct Pushes {
    shared: Arc<Shared>,
}

impl std::fmt::Debug for Pushes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pushes").finish_non_exhaustive()
    }
}

/// What every pump uses.
struct Shared {
    parts: Parts,
    http: Http,
    lanes: Mutex<Lanes>,
    /// Rings when there may be something to do for an app.
    bells: Mutex<HashMap<AppId, Arc<Notify>>>,
    breakers: Mutex<HashMap<String, Arc<Breaker>>>,
    errors: Mutex<HashMap<AppId, String>>,
    /// The routings of the configuration before, to tell what has changed.
    routings: Mutex<BTreeMap<AppId, AppRouting>>,
    one_ended: Notify,
    stopping: watch::Sender<bool>,
}

impl Pushes {
    /// Takes up what was left when the gateway stopped, and begins.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn start(parts: Parts) -> Result<Self, StoreError> {
        let left = parts.store.push_lanes()?;
        let routings = routings(&parts.config.load());
        let shared = Shared {
            parts,
            http: Http::new(),
            lanes: Mutex::default(),
            bells: Mutex::default(),
            breakers: Mutex::default(),
            errors: Mutex::default(),
            routings: Mutex::new(routings),
            one_ended: Notify::new(),
            stopping: watch::channel(false).0,
        };
        let pushes = Self {
            shared: Arc::new(shared),
        };
        tracing::info!(lanes = left.len(), "pushes to apps' servers taken up");
        for lane in &left {
            pushes.tell(lane);
        }
        Ok(pushes)
    }

    /// Takes what was committed for an app's server. Never blocks; from any
    /// thread.
    pub fn tell(&self, lane: &PushLane) {
        let is_new = self.shared.lanes().add(lane);
        if is_new && !*self.shared.stopping.borrow() {
            let pump = pump::run(Arc::clone(&self.shared), lane.app.clone());
            self.shared.parts.runtime.spawn(pump);
        }
        self.shared.bell(&lane.app).notify_one();
    }

    /// The configuration has changed: what waits goes by the new one, at once
    /// where the routing is another.
    pub fn reconfigured(&self) {
        let after = routings(&self.shared.parts.config.load());
        let mut routings = lock(&self.shared.routings);
        let before = std::mem::replace(&mut *routings, after.clone());
        drop(routings);
        let apps: Vec<AppId> = self.shared.lanes().apps().cloned().collect();
        for app in apps {
            if before.get(&app) != after.get(&app) {
                self.shared.lanes().hurry(&app);
                self.shared.bell(&app).notify_one();
            }
        }
    }

    /// The lane in which a dead letter is replayed: last, when its session's own
    /// lane has nothing left. `None` for a letter that is no push.
    pub fn lane_for(letter: &DeadLetter) -> Option<PushLane> {
        let Letter::Push { app, seq, .. } = &letter.letter else {
            return None;
        };
        Some(PushLane {
            session: letter.session.clone(),
            replay: Some(letter.id.clone()),
            app: app.clone(),
            after: seq.saturating_sub(1),
            last: *seq,
            tries: 0,
            due: Timestamp::default(),
            since: now(),
        })
    }

    /// Whether an app has a server that could be told.
    pub fn is_routed(&self, app: &AppId) -> bool {
        self.shared.routing(app).is_some()
    }

    /// How it stands with every app that has a routing or something waiting.
    pub fn statuses(&self) -> Vec<PushStatus> {
        let config = self.shared.parts.config.load();
        let mut apps: BTreeMap<AppId, Option<&AppRouting>> = config
            .main
            .apps
            .iter()
            .filter_map(|(key, app)| Some((key.clone(), Some(app.routing.as_ref()?))))
            .collect();
        let waiting: Vec<AppId> = self.shared.lanes().apps().cloned().collect();
        for app in waiting {
            apps.entry(app).or_default();
        }
        apps.into_iter()
            .map(|(app, routing)| self.status(app, routing))
            .filter(|status| status.url.is_some() || status.lanes > 0)
            .collect()
    }

    fn status(&self, app: AppId, routing: Option<&AppRouting>) -> PushStatus {
        let count = self.shared.lanes().count(&app);
        PushStatus {
            url: routing.map(|routing| shown(&routing.url).to_owned()),
            format: routing.map(|routing| match routing.format {
                PushFormat::StandardWebhooks => "standard-webhooks",
                PushFormat::RongCloud => "rongcloud",
            }),
            breaker: routing.map_or_else(BreakerState::default, |routing| {
                self.shared.breaker(&routing.url).state()
            }),
            lanes: count.lanes,
            under_way: count.under_way,
            oldest: count.oldest,
            last_error: lock(&self.shared.errors).get(&app).cloned(),
            app,
        }
    }

    /// Writes the state of the lanes into the numbers.
    pub fn count(&self) {
        let now = now();
        for status in self.statuses() {
            let waited = status.oldest.map_or(0, |since| now.since_ms(since));
            let waited = Duration::from_millis(u64::try_from(waited).unwrap_or(0));
            let metrics = &self.shared.parts.metrics;
            metrics.pushes_wait(&status.app, status.lanes, waited);
        }
    }

    /// Begins no more posts and waits for those under way. Says whether all of
    /// them ended in time.
    pub async fn stop(&self, within: Duration) -> bool {
        self.shared.stopping.send_replace(true);
        let ended = async {
            loop {
                let one = self.shared.one_ended.notified();
                tokio::pin!(one);
                one.as_mut().enable();
                if self.shared.lanes().under_way() == 0 {
                    return;
                }
                one.await;
            }
        };
        tokio::time::timeout(within, ended).await.is_ok()
    }
}

impl Shared {
    fn lanes(&self) -> MutexGuard<'_, Lanes> {
        lock(&self.lanes)
    }

    fn bell(&self, app: &AppId) -> Arc<Notify> {
        let mut bells = lock(&self.bells);
        if let Some(bell) = bells.get(app) {
            return Arc::clone(bell);
        }
        Arc::clone(bells.entry(app.clone()).or_default())
    }

    fn routing(&self, app: &AppId) -> Option<AppRouting> {
        let config = self.parts.config.load();
        config.main.apps.get(app)?.routing.clone()
    }

    fn breaker(&self, url: &str) -> Arc<Breaker> {
        let mut breakers = lock(&self.breakers);
        if let Some(breaker) = breakers.get(url) {
            return Arc::clone(breaker);
        }
        // Addresses come and go with the configuration; those in use are few.
        if breakers.len() >= MOST_BREAKERS {
            breakers.clear();
        }
        let breaker = Arc::new(Breaker::new(Timing::default()));
        breakers.insert(url.to_owned(), Arc::clone(&breaker));
        breaker
    }
}

fn routings(config: &Config) -> BTreeMap<AppId, AppRouting> {
    let apps = config.main.apps.iter();
    apps.filter_map(|(key, app)| Some((key.clone(), app.routing.clone()?)))
        .collect()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const MOST_BREAKERS: usize = 1_000;
