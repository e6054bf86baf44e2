//! Lets times and guards act.
//!
//! Owns the beat. Invariant: a look that takes long delays the next one, and
//! never runs beside it.

use std::time::Duration;

use super::Migrations;

/// How often times and guards are looked at.
const EVERY: Duration = Duration::from_secs(1);

/// Looks every second, for ever.
pub async fn run(migrations: Migrations) {
    let mut every = tokio::time::interval(EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        let migrations = migrations.clone();
        // It may wait for the disk.
        if let Err(error) = tokio::task::spawn_blocking(move || migrations.look()).await {
            tracing::error!(%error, "a look at the migrations broke");
        }
    }
}
