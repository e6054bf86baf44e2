//! The numbers of pushes to apps' own servers.

use std::time::Duration;

use kefu_plugin_api::ids::AppId;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

use super::{LONG_SECONDS, Metrics};

/// What is counted by app.
pub(super) struct Pushes {
    tries: Family<Tried, Counter>,
    dead: Family<OfApp, Counter>,
    lanes: Family<OfApp, Gauge>,
    oldest: Family<OfApp, Gauge>,
    seconds: Histogram,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfApp {
    app: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Tried {
    app: String,
    outcome: &'static str,
}

impl Default for Pushes {
    fn default() -> Self {
        Self {
            tries: Family::default(),
            dead: Family::default(),
            lanes: Family::default(),
            oldest: Family::default(),
            seconds: Histogram::new(LONG_SECONDS),
        }
    }
}

impl Pushes {
    pub(super) fn register(&self, it: &mut Registry) {
        it.register(
            "push_attempts",
            "Posts to an app's server",
            self.tries.clone(),
        );
        it.register(
            "push_dead_letters",
            "Events that an app's server was not told in all tries",
            self.dead.clone(),
        );
        it.register(
            "push_lanes",
            "Sessions with something left to tell an app's server",
            self.lanes.clone(),
        );
        it.register(
            "push_oldest_seconds",
            "How long the session that has waited longest has not got on",
            self.oldest.clone(),
        );
        it.register(
            "push_seconds",
            "Time from an event to its receipt by an app's server",
            self.seconds.clone(),
        );
    }
}

impl Metrics {
    /// An app's server was told something, or not: `received`, `refused`,
    /// `impossible`, `not_tried`.
    pub fn push_tried(&self, app: &AppId, outcome: &'static str) {
        let app = app.as_str().to_owned();
        self.0
            .pushes
            .tries
            .get_or_create(&Tried { app, outcome })
            .inc();
    }

    /// An app's server received an event, so long after it happened.
    pub fn push_received(&self, after: Duration) {
        self.0.pushes.seconds.observe(after.as_secs_f64());
    }

    /// A push was given up and kept for people.
    pub fn push_dead(&self, app: &AppId) {
        self.0.pushes.dead.get_or_create(&of(app)).inc();
    }

    /// So many lanes of an app wait, one of them for so long.
    pub fn pushes_wait(&self, app: &AppId, lanes: usize, longest: Duration) {
        let of = of(app);
        let lanes = i64::try_from(lanes).unwrap_or(i64::MAX);
        self.0.pushes.lanes.get_or_create(&of).set(lanes);
        let longest = i64::try_from(longest.as_secs()).unwrap_or(i64::MAX);
        self.0.pushes.oldest.get_or_create(&of).set(longest);
    }
}

fn of(app: &AppId) -> OfApp {
    OfApp {
        app: app.as_str().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pushes_are_counted_by_app() {
        let metrics = Metrics::new();
        let demo = "demo".into();
        metrics.push_tried(&demo, "received");
        metrics.push_dead(&demo);
        metrics.pushes_wait(&demo, 3, Duration::from_secs(90));
        let page = metrics.render();
        for line in [
            "kefu_push_attempts_total{app=\"demo\",outcome=\"received\"} 1",
            "kefu_push_dead_letters_total{app=\"demo\"} 1",
            "kefu_push_lanes{app=\"demo\"} 3",
            "kefu_push_oldest_seconds{app=\"demo\"} 90",
        ] {
            assert!(page.contains(line), "{line} is not in\n{page}");
        }
    }
}
