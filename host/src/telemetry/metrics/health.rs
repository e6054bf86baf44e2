//! The numbers of vendors' health.

use std::time::Duration;

use kefu_plugin_api::ids::ProviderId;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

use super::{LONG_SECONDS, Metrics, Outcome, by_provider::ByProvider};

/// What is shown of vendors.
pub(super) struct Vendors {
    health: ByProvider<InState, Gauge>,
    canaries: ByProvider<Outcome, Counter>,
    seconds: Histogram,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, EncodeLabelSet)]
struct InState {
    state: &'static str,
}

impl Default for Vendors {
    fn default() -> Self {
        Self {
            health: ByProvider::default(),
            canaries: ByProvider::default(),
            seconds: Histogram::new(LONG_SECONDS),
        }
    }
}

impl Vendors {
    pub(super) fn register(&self, it: &mut Registry) {
        it.register(
            "provider_health",
            "1 for the state that the provider's vendor is in",
            self.health.clone(),
        );
        it.register("canaries", "Canaries that ended", self.canaries.clone());
        it.register(
            "canary_seconds",
            "Time from the beginning of a canary to its answer",
            self.seconds.clone(),
        );
    }

    /// Takes a provider's series away.
    pub(super) fn forget(&self, provider: &str) {
        self.health.forget(provider);
        self.canaries.forget(provider);
    }
}

impl Metrics {
    /// A vendor stands there now: `working`, `failing`, `mute`.
    pub(crate) fn vendor_stands(&self, provider: &ProviderId, now: &'static str) {
        for state in ["working", "failing", "mute"] {
            self.0
                .vendors
                .health
                .with(provider, InState { state }, |gauge| {
                    gauge.set(i64::from(state == now));
                });
        }
    }

    /// A canary ended: `answered` after so long, `unanswered`, `not_opened`.
    pub(crate) fn canary_over(
        &self,
        provider: &ProviderId,
        outcome: &'static str,
        answered_in: Option<Duration>,
    ) {
        let vendors = &self.0.vendors;
        vendors
            .canaries
            .with(provider, Outcome { outcome }, |counter| {
                counter.inc();
            });
        if let Some(time) = answered_in {
            vendors.seconds.observe(time.as_secs_f64());
        }
    }
}
