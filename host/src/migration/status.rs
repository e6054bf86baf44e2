//! Where migrations stand, for operators.

use kefu_core::{
    config::Migration,
    migration::{Cause, Judgement, Phase, Progress, Step},
    problem::Problem,
};
use kefu_plugin_api::{
    ids::{DeskId, ProviderId},
    time::Timestamp,
};
use serde::Serialize;

use super::Migrations;
use crate::clock;

/// One migration, as `GET /admin/v1/migrations/{name}` shows it. Stages count
/// from 1, shares are percent.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MigrationStatus {
    /// Its name.
    pub name: String,
    /// Whose visitors.
    pub desk: DeskId,
    /// The old vendor.
    pub from: ProviderId,
    /// The new one.
    pub to: ProviderId,
    /// Whether the configuration has it; if not, it has no effect.
    pub configured: bool,
    /// Where it stands.
    pub phase: Phase,
    /// The stage in force; absent: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage: Option<usize>,
    /// How many stages there are.
    pub stages: usize,
    /// The share of the old vendor's visitors who get the new one.
    pub percent: f64,
    /// How many visitors are named besides.
    pub listed: usize,
    /// Since when it stands so; absent for one that nobody has begun.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// When the next stage comes by itself; absent: by hand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_advance: Option<Timestamp>,
    /// Whether a breached guard would act now.
    pub guarded: bool,
    /// What a breach does: `revert` or `stop`.
    pub on_breach: &'static str,
    /// The guards, with both vendors' numbers over the window; empty while no
    /// stage is in force.
    pub guards: Vec<Judgement>,
    /// What happened, newest first.
    pub history: Vec<HistoryEntry>,
}

/// Something that happened to a migration.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HistoryEntry {
    /// When.
    pub at: Timestamp,
    /// The phase after it.
    pub phase: Phase,
    /// The stage in force after it; absent: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage: Option<usize>,
    /// The share then.
    pub percent: f64,
    /// What made it.
    pub by: Cause,
    /// Why.
    pub why: String,
}

impl Migrations {
    /// Every migration of the configuration and those that were begun before
    /// they left it, by name.
    pub fn all(&self) -> Vec<MigrationStatus> {
        let names: std::collections::BTreeSet<String> = {
            let states = self.lock();
            let config = self.0.parts.config.load();
            let configured = config.main.migrations.keys();
            configured.chain(states.keys()).cloned().collect()
        };
        names
            .iter()
            .filter_map(|name| self.status(name).ok())
            .collect()
    }

    /// One migration.
    ///
    /// # Errors
    /// `not-found`.
    pub fn status(&self, name: &str) -> Result<MigrationStatus, Problem> {
        let now = clock::now();
        let (migration, progress) = self.find(name, now)?;
        Ok(match migration {
            Some(migration) => self.status_of(&migration, &progress, now),
            None => gone(name, &progress),
        })
    }

    pub(super) fn status_of(
        &self,
        migration: &Migration,
        progress: &Progress,
        now: Timestamp,
    ) -> MigrationStatus {
        let stage = progress.in_force();
        let guards = match stage {
            Some(_) => self.judged(migration, progress, now),
            None => Vec::new(),
        };
        let here = stage.and_then(|stage| migration.stages.get(stage));
        MigrationStatus {
            stages: migration.stages.len(),
            percent: percent(progress.share(migration).buckets()),
            listed: here.map_or(0, |stage| stage.visitors.len()),
            next_advance: progress.next_advance(migration),
            guarded: progress.is_guarded(),
            on_breach: migration.on_breach.as_str(),
            guards,
            configured: true,
            ..gone(&migration.name, progress)
        }
    }
}

/// What is left of one that the configuration does not have.
fn gone(name: &str, progress: &Progress) -> MigrationStatus {
    let begun = progress.phase != Phase::Planned || !progress.history.is_empty();
    MigrationStatus {
        name: name.to_owned(),
        desk: progress.desk.clone(),
        from: progress.from.clone(),
        to: progress.to.clone(),
        configured: false,
        phase: progress.phase,
        stage: progress.in_force().map(|stage| stage + 1),
        stages: progress.shape.stages,
        percent: 0.0,
        listed: 0,
        since: begun.then_some(progress.since),
        next_advance: None,
        guarded: false,
        on_breach: "",
        guards: Vec::new(),
        history: progress.history.iter().rev().map(entry).collect(),
    }
}

fn entry(step: &Step) -> HistoryEntry {
    HistoryEntry {
        at: step.at,
        phase: step.phase,
        stage: step.stage,
        percent: percent(step.share),
        by: step.by,
        why: step.why.clone(),
    }
}

/// From hundredths.
pub(super) fn percent(hundredths: u32) -> f64 {
    f64::from(hundredths) / 100.0
}
