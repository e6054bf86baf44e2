//! The numbers of the plug-in runtime: reloads, generations, child processes.
//!
//! Owns their names, which dashboards and alerts rely on. What is counted is
//! counted when it happens; how a provider stands is read when somebody looks,
//! so that no change can be missed.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use kefu_plugin_api::ids::ProviderId;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

use super::{Metrics, by_provider::ByProvider, increment};
use crate::plugin::FaultKind;

/// How a provider stands when somebody looks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Its state, in the words of the admin API.
    pub state: String,
    /// The number of the generation that serves, if one does.
    pub generation: Option<u64>,
    /// Earlier generations that are kept to go back to.
    pub retained: u64,
    /// Calls that are over their time and have not come back.
    pub stuck_calls: u64,
    /// What its child process holds in RAM, if it has one.
    pub child_resident_bytes: Option<u64>,
}

pub(super) struct Plugins {
    reloads: Family<Outcome, Counter>,
    reload_seconds: Histogram,
    stage_seconds: Family<Stage, Histogram>,
    rollbacks: ByProvider<Cause, Counter>,
    faults: ByProvider<Kind, Counter>,
    child_restarts: ByProvider<Reason, Counter>,
    child_restart_seconds: Histogram,
    mapped_copies: Gauge,
    state: ByProvider<State, Gauge>,
    generation: ByProvider<NoMore, Gauge>,
    retained: ByProvider<NoMore, Gauge>,
    stuck_calls: ByProvider<NoMore, Gauge>,
    child_resident: ByProvider<NoMore, Gauge>,
    /// Who stood there when somebody looked last.
    known: Mutex<BTreeSet<ProviderId>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Stage {
    stage: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, EncodeLabelSet)]
struct Cause {
    cause: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, EncodeLabelSet)]
struct Kind {
    kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, EncodeLabelSet)]
struct State {
    state: String,
}

/// The provider is the only label.
type NoMore = [(&'static str, &'static str); 0];

impl Default for Plugins {
    fn default() -> Self {
        Self {
            reloads: Family::default(),
            reload_seconds: Histogram::new(RELOAD_SECONDS),
            stage_seconds: Family::new_with_constructor(|| Histogram::new(STAGE_SECONDS)),
            rollbacks: ByProvider::default(),
            faults: ByProvider::default(),
            child_restarts: ByProvider::default(),
            child_restart_seconds: Histogram::new(STAGE_SECONDS),
            mapped_copies: Gauge::default(),
            state: ByProvider::default(),
            generation: ByProvider::default(),
            retained: ByProvider::default(),
            stuck_calls: ByProvider::default(),
            child_resident: ByProvider::default(),
            known: Mutex::default(),
        }
    }
}

impl Metrics {
    /// A reload is over, whatever asked for it; `outcome` is the word of its
    /// report in `GET /admin/v1/reloads`. `took` runs from the moment when the
    /// last changed file was closed, or the command was given, until the new
    /// generation serves; it is absent where nothing went live.
    pub fn reload_finished(&self, outcome: &'static str, took: Option<Duration>) {
        let plugins = &self.0.plugins;
        plugins.reloads.get_or_create(&Outcome { outcome }).inc();
        if let Some(took) = took {
            plugins.reload_seconds.observe(took.as_secs_f64());
        }
    }

    /// One stage of bringing a provider up is over, well or not.
    pub fn reload_stage_finished(&self, stage: &'static str, took: Duration) {
        self.0
            .plugins
            .stage_seconds
            .get_or_create(&Stage { stage })
            .observe(took.as_secs_f64());
    }

    /// A provider went back to an earlier generation: `command` or
    /// `automatic`.
    pub fn rolled_back(&self, provider: &ProviderId, cause: &'static str) {
        self.0
            .plugins
            .rollbacks
            .with(provider, Cause { cause }, increment);
    }

    /// An adapter did what it must not, in a call or found out after it.
    pub(super) fn provider_faulted(&self, provider: &ProviderId, kind: FaultKind) {
        let kind = kind.as_str();
        self.0
            .plugins
            .faults
            .with(provider, Kind { kind }, increment);
    }

    /// A provider's child process ended, and the next one is started: `exit`,
    /// `signal`, `forbidden`, `overdue`, `garbage`, `slow`.
    pub fn child_died(&self, provider: &ProviderId, reason: &'static str) {
        let restarts = &self.0.plugins.child_restarts;
        restarts.with(provider, Reason { reason }, increment);
    }

    /// The next child process takes calls, so long after the end of the one
    /// before.
    pub fn child_restarted(&self, took: Duration) {
        let seconds = &self.0.plugins.child_restart_seconds;
        seconds.observe(took.as_secs_f64());
    }

    /// How every provider stands now, and how many private copies this process
    /// has mapped. Whoever shows the page says this just before it; series of
    /// a provider that is not there any more end.
    pub fn providers_stand<'a>(
        &self,
        standings: impl IntoIterator<Item = (&'a ProviderId, &'a Standing)>,
        mapped_copies: u64,
    ) {
        let standings: Vec<_> = standings.into_iter().collect();
        let plugins = &self.0.plugins;
        plugins.mapped_copies.set(number(mapped_copies));
        plugins
            .state
            .replace(standings.iter().flat_map(|(provider, standing)| {
                states(&standing.state).map(|(state, here)| {
                    let state = State { state };
                    ((*provider).clone(), state, gauge(here.into()))
                })
            }));
        let each = |of: fn(&Standing) -> Option<u64>| {
            standings
                .iter()
                .filter_map(move |(provider, standing)| {
                    Some(((*provider).clone(), [], gauge(of(standing)?)))
                })
                .collect::<Vec<_>>()
        };
        plugins.generation.replace(each(|it| it.generation));
        plugins.retained.replace(each(|it| Some(it.retained)));
        plugins.stuck_calls.replace(each(|it| Some(it.stuck_calls)));
        plugins
            .child_resident
            .replace(each(|it| it.child_resident_bytes));

        let now: BTreeSet<_> = standings.iter().map(|(id, _)| (*id).clone()).collect();
        let mut known = plugins.known.lock().unwrap_or_else(PoisonError::into_inner);
        // Only who stood there before: one that is just being added may be
        // counted already and not be listed yet.
        for gone in known.difference(&now) {
            self.forget_provider(gone);
        }
        *known = now;
    }

    /// Ends what was counted of a provider.
    fn forget_provider(&self, provider: &ProviderId) {
        let provider = provider.as_str();
        let all = &self.0;
        all.plugins.rollbacks.forget(provider);
        all.plugins.faults.forget(provider);
        all.plugins.child_restarts.forget(provider);
        all.attempts.forget(provider);
        all.vendors.forget(provider);
        all.callbacks.forget(provider);
        all.adapter_calls.forget(provider);
        all.dead_letters.forget(provider);
        all.sources.forget(provider);
        all.service.forget(provider);
    }
}

impl Plugins {
    pub(super) fn register(&self, registry: &mut Registry) {
        let it = registry;
        it.register("reloads", "Reloads by outcome", self.reloads.clone());
        it.register(
            "reload_seconds",
            "Time from the last change of a file to the new generation serving",
            self.reload_seconds.clone(),
        );
        it.register(
            "reload_stage_seconds",
            "Time of each stage of bringing a provider up",
            self.stage_seconds.clone(),
        );
        it.register(
            "plugin_rollbacks",
            "Returns to an earlier generation by cause",
            self.rollbacks.clone(),
        );
        it.register(
            "plugin_generation",
            "Number of the generation that serves",
            self.generation.clone(),
        );
        it.register(
            "plugin_retained",
            "Earlier generations kept to go back to",
            self.retained.clone(),
        );
        it.register(
            "plugin_mapped_copies",
            "Private copies mapped into the gateway's process",
            self.mapped_copies.clone(),
        );
        it.register(
            "provider_state",
            "1 for the state in which a provider is, 0 for the others",
            self.state.clone(),
        );
        it.register(
            "provider_faults",
            "Faults of adapters by kind",
            self.faults.clone(),
        );
        it.register(
            "provider_stuck_calls",
            "Calls over their time that have not come back",
            self.stuck_calls.clone(),
        );
        it.register(
            "child_restarts",
            "Child processes that ended and had to be replaced, by reason",
            self.child_restarts.clone(),
        );
        it.register(
            "child_restart_seconds",
            "Time without a child process, from its end to its successor being ready",
            self.child_restart_seconds.clone(),
        );
        it.register(
            "child_resident_bytes",
            "Memory of a provider's child process in RAM",
            self.child_resident.clone(),
        );
    }
}

/// Every state with whether it is this one. A word that is not in the list is
/// shown too: better an unknown name than a provider in no state.
fn states(this: &str) -> impl Iterator<Item = (String, bool)> {
    let unlisted = (!STATES.contains(&this)).then(|| (this.to_owned(), true));
    let listed = STATES.map(|state| (state.to_owned(), state == this));
    listed.into_iter().chain(unlisted)
}

fn gauge(value: u64) -> Gauge {
    let gauge = Gauge::default();
    gauge.set(number(value));
    gauge
}

fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

const STATES: [&str; 7] = [
    "active",
    "waiting",
    "failed",
    "paused",
    "quarantined",
    "stuck",
    "draining",
];
const RELOAD_SECONDS: [f64; 11] = [0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0];
const STAGE_SECONDS: [f64; 12] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0,
];

#[cfg(test)]
mod tests;
