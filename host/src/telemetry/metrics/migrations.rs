//! The numbers of migrations.

use std::sync::atomic::AtomicU64;

use kefu_core::migration::Cause;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use super::Metrics;

/// What is counted by migration.
#[derive(Default)]
pub(super) struct Migrations {
    share: Family<OfMigration, Gauge<f64, AtomicU64>>,
    steps: Family<OfStep, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfMigration {
    migration: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfStep {
    migration: String,
    by: &'static str,
}

impl Migrations {
    pub(super) fn register(&self, it: &mut Registry) {
        it.register(
            "migration_share_percent",
            "Share of the old vendor's visitors whom the stage in force gives to the new one",
            self.share.clone(),
        );
        it.register(
            "migration_steps",
            "Steps of a migration, by what made them",
            self.steps.clone(),
        );
    }
}

impl Metrics {
    /// A migration made a step.
    pub fn migration_stepped(&self, migration: &str, by: Cause) {
        let of = OfStep {
            migration: migration.to_owned(),
            by: by.as_str(),
        };
        self.0.migrations.steps.get_or_create(&of).inc();
    }

    /// The shares in force, in percent; of one that is told twice the last one
    /// counts.
    pub fn migrations_stand<'a>(&self, shares: impl IntoIterator<Item = (&'a str, f64)>) {
        for (migration, share) in shares {
            let of = OfMigration {
                migration: migration.to_owned(),
            };
            self.0.migrations.share.get_or_create(&of).set(share);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_and_steps_are_shown_by_migration() {
        let metrics = Metrics::new();
        metrics.migrations_stand([("a", 0.0), ("b", 0.0), ("a", 12.5)]);
        metrics.migration_stepped("a", Cause::Guard);
        let page = metrics.render();
        for line in [
            "kefu_migration_share_percent{migration=\"a\"} 12.5",
            "kefu_migration_share_percent{migration=\"b\"} 0",
            "kefu_migration_steps_total{migration=\"a\",by=\"guard\"} 1",
        ] {
            assert!(page.contains(line), "{line} is not in\n{page}");
        }
    }
}
