//! What is known of the vendors' health, by provider.
//!
//! Owns what four observers say of a vendor, what that comes to (it works, it
//! fails, it is mute), and who is told of a change. The observers: delivery's
//! breaker (connections of real calls), the `prober` (connections of its own),
//! the count of `refusals` (what becomes of real attempts), and the
//! `canary` (a conversation from end to end). Deliberately decides nothing
//! about sessions: [`Router`](crate::route::Router) does, and delivery about its
//! calls. Invariants: asking costs one short lock and no I/O; nothing is kept
//! on disk, because a restart finds out again within seconds.
//!
//! What closes what opened: a breaker and a failed connection are over with the
//! first connection; refusals, after a rest, with the first attempt that is
//! answered; a canary's verdict with the first canary that is answered.

pub(crate) mod canary;
pub(crate) mod prober;
mod refusals;

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use kefu_core::routing::Availability;
use kefu_plugin_api::{
    ids::{ProviderId, SessionId},
    time::Timestamp,
};
use serde::Serialize;
use tokio::{sync::watch, time::Instant};

use self::refusals::Refusals;
use crate::{clock, telemetry::Metrics};

/// What is known of all vendors. Cheap to clone; clones share what they know.
#[derive(Clone)]
pub struct Health(Arc<Shared>);

struct Shared {
    vendors: Mutex<BTreeMap<ProviderId, Vendor>>,
    changes: watch::Sender<u64>,
    metrics: Option<Metrics>,
}

/// What everything that was seen of a vendor comes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Nothing is known to be wrong.
    #[default]
    Working,
    /// It takes what is said and does not answer it.
    Mute,
    /// It cannot be reached, or refuses nearly everything.
    Failing,
}

impl State {
    /// The word in answers, logs and numbers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Working => "working",
            Self::Mute => "mute",
            Self::Failing => "failing",
        }
    }
}

/// How a vendor stands, as operators see it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Finding {
    /// What it comes to.
    pub state: State,
    /// Since when; absent while it has always been so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// What is wrong, for operators.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// How the last canary ended, where there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub canary: Option<LastCanary>,
}

/// How a canary ended.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LastCanary {
    /// When.
    pub at: Timestamp,
    /// `answered`, `unanswered` or `not_opened`.
    pub outcome: &'static str,
    /// Milliseconds from its beginning to the answer, if there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answered_in_ms: Option<u64>,
    /// What was in the way, for operators.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// What a canary found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Sung {
    /// It was answered, after this time.
    Answered(Duration),
    /// It was not, for this reason.
    Unanswered(String),
    /// No session could be opened.
    NotOpened(String),
}

/// What the observers say of one vendor.
#[derive(Default)]
struct Vendor {
    /// Since when delivery's breaker is open, and why.
    breaker: Option<(Instant, String)>,
    /// Connections of the prober that failed in a row, and why the last did.
    unconnected: (u32, String),
    refusals: Refusals,
    /// Canaries that failed in a row.
    unsung: u32,
    canary: Option<LastCanary>,
    /// What was told last, and since when it is so.
    told: State,
    since: Option<Timestamp>,
}

impl Vendor {
    /// Whether it is known that there is no connection, and why.
    fn unreachable(&self) -> Option<&str> {
        let (failures, reason) = &self.unconnected;
        match &self.breaker {
            Some((_, reason)) => Some(reason),
            None => (*failures >= IN_A_ROW).then_some(reason),
        }
    }

    /// Whether a session may open there: where it works, and where it is time
    /// to find out whether it refuses still.
    fn availability(&self, now: Instant) -> Availability {
        match self.standing().0 {
            State::Working => Availability::Ready,
            State::Mute => Availability::Mute,
            State::Failing if self.may_find_out(now) => Availability::Ready,
            State::Failing => Availability::Failing,
        }
    }

    /// Whether its refusals are all that is wrong, and their rest is over.
    fn may_find_out(&self, now: Instant) -> bool {
        let refuses = self.unreachable().is_none() && self.refusals.reason().is_some();
        refuses && self.refusals.may_try(now)
    }

    fn standing(&self) -> (State, Option<String>) {
        if let Some(reason) = self.unreachable() {
            return (State::Failing, Some(reason.to_owned()));
        }
        if let Some(reason) = self.refusals.reason() {
            return (State::Failing, Some(reason.to_owned()));
        }
        match &self.canary {
            Some(last) if self.unsung >= IN_A_ROW => {
                let state = match last.outcome {
                    NOT_OPENED => State::Failing,
                    _ => State::Mute,
                };
                let why = last.why.as_deref().unwrap_or_default();
                (state, Some(format!("canaries fail: {why}")))
            }
            _ => (State::Working, None),
        }
    }
}

impl Default for Health {
    fn default() -> Self {
        Self::with(None)
    }
}

impl Health {
    /// One that knows of nobody, and shows in these numbers what it learns.
    pub fn new(metrics: Metrics) -> Self {
        Self::with(Some(metrics))
    }

    fn with(metrics: Option<Metrics>) -> Self {
        Self(Arc::new(Shared {
            vendors: Mutex::default(),
            changes: watch::channel(0).0,
            metrics,
        }))
    }

    /// Whether new sessions should open there, by what is known of the vendor.
    pub fn availability(&self, provider: &ProviderId) -> Availability {
        let vendors = self.lock();
        let known = vendors.get(provider);
        known.map_or(Availability::Ready, |it| it.availability(Instant::now()))
    }

    /// How it stands, for operators.
    pub fn finding(&self, provider: &ProviderId) -> Finding {
        let vendors = self.lock();
        let Some(vendor) = vendors.get(provider) else {
            return Finding::default();
        };
        let (state, why) = vendor.standing();
        Finding {
            state,
            since: vendor.since,
            why,
            canary: vendor.canary.clone(),
        }
    }

    /// Resolves with every change of any vendor's state; the value counts them.
    /// What it is now, [`finding`](Self::finding) and
    /// [`availability`](Self::availability) tell.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.0.changes.subscribe()
    }

    /// A session is being opened there. After the rest that a refusing vendor
    /// gets, it is the one that finds out.
    pub(crate) fn taken(&self, provider: &ProviderId) {
        if let Some(vendor) = self.lock().get_mut(provider) {
            vendor.refusals.taken(Instant::now());
        }
    }

    /// Whether there is surely no connection.
    pub(crate) fn is_down(&self, provider: &ProviderId) -> bool {
        let vendors = self.lock();
        vendors
            .get(provider)
            .is_some_and(|vendor| vendor.unreachable().is_some())
    }

    /// Resolves when there is surely no connection.
    pub(crate) async fn went_down(&self, provider: &ProviderId) {
        let mut changes = self.subscribe();
        while !self.is_down(provider) {
            if changes.changed().await.is_err() {
                // The sender is `self`'s own.
                return;
            }
        }
    }

    /// Delivery's breaker opened.
    pub(crate) fn breaker_opened(&self, provider: &ProviderId, why: &str) {
        self.learn(provider, |vendor| {
            let since = vendor.breaker.take().map_or_else(Instant::now, |it| it.0);
            vendor.breaker = Some((since, why.to_owned()));
        });
    }

    /// Delivery's breaker closed: a call got through.
    pub(crate) fn breaker_closed(&self, provider: &ProviderId) {
        self.learn(provider, |vendor| {
            vendor.breaker = None;
            vendor.unconnected.0 = 0;
        });
    }

    /// For how long the breaker has been open.
    pub(crate) fn breaker_open_for(&self, provider: &ProviderId) -> Option<Duration> {
        let vendors = self.lock();
        let (since, _) = vendors.get(provider)?.breaker.as_ref()?;
        Some(Instant::now().saturating_duration_since(*since))
    }

    /// The prober reached it.
    pub(crate) fn connected(&self, provider: &ProviderId) {
        self.learn(provider, |vendor| vendor.unconnected.0 = 0);
    }

    /// The prober did not reach it. Twice in a row is an outage.
    pub(crate) fn not_connected(&self, provider: &ProviderId, why: &str) {
        self.learn(provider, |vendor| {
            let failures = vendor.unconnected.0.saturating_add(1);
            vendor.unconnected = (failures, why.to_owned());
        });
    }

    /// An attempt of a real call is over: `status` if it was answered. What did
    /// not leave says nothing here.
    pub(crate) fn tried(
        &self,
        provider: &ProviderId,
        session: &SessionId,
        outcome: &str,
        status: Option<u16>,
    ) {
        let failed = match (outcome, status) {
            ("unknown", _) => true,
            // It lives, and is busy.
            (_, None | Some(408 | 425 | 429)) => return,
            (_, Some(status)) => status >= 500,
        };
        let now = Instant::now();
        let mut hasher = DefaultHasher::new();
        session.hash(&mut hasher);
        let session = hasher.finish();
        self.learn(provider, |vendor| {
            vendor.refusals.tried(session, failed, now);
        });
    }

    /// A canary ended. How many in a row were not answered.
    pub(crate) fn sung(&self, provider: &ProviderId, sung: Sung) -> u32 {
        let (outcome, took, why) = match sung {
            Sung::Answered(took) => (ANSWERED, Some(took), None),
            Sung::Unanswered(why) => (UNANSWERED, None, Some(why)),
            Sung::NotOpened(why) => (NOT_OPENED, None, Some(why)),
        };
        if let Some(metrics) = &self.0.metrics {
            metrics.canary_over(provider, outcome, took);
        }
        let millis = took.map(|took| u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
        let last = LastCanary {
            at: clock::now(),
            outcome,
            answered_in_ms: millis,
            why,
        };
        let mut unsung = 0;
        self.learn(provider, |vendor| {
            vendor.unsung = match took {
                Some(_) => 0,
                None => vendor.unsung.saturating_add(1),
            };
            vendor.canary = Some(last);
            unsung = vendor.unsung;
        });
        unsung
    }

    /// There are no canaries any more: what they said does not count.
    pub(crate) fn no_canary(&self, provider: &ProviderId) {
        let known = self
            .lock()
            .get(provider)
            .is_some_and(|it| it.canary.is_some());
        if known {
            self.learn(provider, |vendor| {
                vendor.unsung = 0;
                vendor.canary = None;
            });
        }
    }

    /// Keeps nothing of the others.
    pub(crate) fn retain(&self, known: impl Fn(&ProviderId) -> bool) {
        self.lock().retain(|provider, _| known(provider));
    }

    /// Takes in what an observer says, and tells what that changes.
    fn learn(&self, provider: &ProviderId, take_in: impl FnOnce(&mut Vendor)) {
        let mut vendors = self.lock();
        let vendor = match vendors.get_mut(provider) {
            Some(vendor) => vendor,
            None => vendors.entry(provider.clone()).or_default(),
        };
        let was_down = vendor.unreachable().is_some();
        take_in(vendor);
        let (state, why) = vendor.standing();
        let is_down = vendor.unreachable().is_some();
        if vendor.told == state {
            drop(vendors);
            if was_down != is_down {
                self.0.changes.send_modify(|count| *count += 1);
            }
            return;
        }
        let before = std::mem::replace(&mut vendor.told, state);
        vendor.since = Some(clock::now());
        drop(vendors);
        self.tell(provider, before, state, why.as_deref());
    }

    fn tell(&self, provider: &ProviderId, before: State, state: State, why: Option<&str>) {
        let (from, to) = (before.as_str(), state.as_str());
        match why {
            Some(why) => tracing::warn!(%provider, from, to, why, "vendor's health changed"),
            None => tracing::info!(%provider, from, to, "vendor's health changed"),
        }
        if let Some(metrics) = &self.0.metrics {
            metrics.vendor_stands(provider, to);
        }
        self.0.changes.send_modify(|count| *count += 1);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<ProviderId, Vendor>> {
        self.0
            .vendors
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Failures of connections, and of canaries, that make an outage.
const IN_A_ROW: u32 = 2;
const ANSWERED: &str = "answered";
const UNANSWERED: &str = "unanswered";
const NOT_OPENED: &str = "not_opened";

#[cfg(test)]
mod tests;
