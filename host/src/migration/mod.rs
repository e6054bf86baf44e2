//! Migrations that run: which stages are in force, now.
//!
//! Owns the progress of every migration in memory and its copy in the store,
//! the task that lets time and guards act, and what operators are told. What a
//! step does is the core's to say (`kefu_core::migration`), whom a stage takes
//! too (`kefu_core::routing`). Deliberately moves no session: only who opens one
//! later is served elsewhere. Invariants: steps are made one at a time, and each
//! is on the disk before it has an effect; from then on new sessions follow.
//!
//! - `runner` looks at times and guards every second.
//! - `status`, `plan` and `report` are what operators read.

mod plan;
mod report;
mod runner;
mod status;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
};

use arc_swap::ArcSwap;
use kefu_core::{
    config::{Config, Migration},
    migration::{Cause, Command, Judgement, Progress, judge},
    problem::{Problem, Slug},
    routing::Split,
};
use kefu_plugin_api::{
    ids::{DeskId, ProviderId},
    time::Timestamp,
};

pub use self::{
    plan::{MigrationPlan, PlannedStage},
    report::{MigrationReport, StageReport, VendorReport},
    runner::run,
    status::{HistoryEntry, MigrationStatus},
};
use crate::{
    clock,
    figures::Figures,
    route::Splits,
    store::{Store, StoreError},
    telemetry::Metrics,
};

/// What migrations are made of.
pub struct Parts {
    /// Where progress is kept.
    pub store: Arc<dyn Store>,
    /// What the files say.
    pub config: Arc<ArcSwap<Config>>,
    /// What both vendors are compared by.
    pub figures: Figures,
    /// The numbers.
    pub metrics: Metrics,
    /// Where stages take effect.
    pub splits: Splits,
}

/// Every migration of the files, and those that were. Cheap to clone; all
/// clones are the same.
#[derive(Clone)]
pub struct Migrations(Arc<Inner>);

struct Inner {
    parts: Parts,
    /// Held from before a step until it has its effect.
    states: Mutex<BTreeMap<String, Progress>>,
}

impl Migrations {
    /// Takes up what was left, with the stages in force at once.
    ///
    /// # Errors
    /// The store cannot be read, or does not take what a changed file makes of
    /// a migration.
    pub fn open(parts: Parts) -> Result<Self, StoreError> {
        let states = parts.store.migrations()?;
        let this = Self(Arc::new(Inner {
            parts,
            states: Mutex::new(states),
        }));
        this.follow_files()?;
        Ok(this)
    }

    /// Carries an operator's command out.
    ///
    /// # Errors
    /// `not-found` without such a migration in the files, `wrong-phase` where
    /// something else would be right, `storage-unavailable`.
    pub fn command(
        &self,
        name: &str,
        command: Command,
        why: Option<&str>,
    ) -> Result<MigrationStatus, Problem> {
        let mut states = self.lock();
        let config = self.0.parts.config.load();
        let Some(migration) = config.migration(name) else {
            return Err(match states.contains_key(name) {
                true => Problem::new(
                    Slug::WrongPhase,
                    format!(
                        "the configuration no longer has the migration `{name}`, so it has no \
                         effect; right would be to put it back"
                    ),
                ),
                false => no_migration(name),
            });
        };
        let now = clock::now();
        let before = state_of(&states, migration, now);
        let after = before
            .command(migration, command, why, now)
            .map_err(|refusal| Problem::new(Slug::WrongPhase, refusal.to_string()))?;
        self.step(&mut states, name, after).map_err(|error| {
            let detail = format!("cannot keep the step, so it was not made: {error}");
            Problem::new(Slug::StorageUnavailable, detail)
        })?;
        let progress = state_of(&states, migration, now);
        drop(states);
        Ok(self.status_of(migration, &progress, now))
    }

    /// The providers that stages in force give visitors of a desk to.
    pub(crate) fn leading_to(&self, desk: &DeskId) -> Vec<ProviderId> {
        self.0.parts.splits.of(desk)
    }

    /// Does what changed files ask for. What cannot be kept is tried again with
    /// the next look at times and guards.
    pub fn reconfigured(&self) {
        if let Err(error) = self.follow_files() {
            tracing::error!(%error, "cannot keep what the files make of a migration");
        }
    }

    fn follow_files(&self) -> Result<(), StoreError> {
        let mut states = self.lock();
        let (config, now) = (self.0.parts.config.load(), clock::now());
        let changed: Vec<(String, Progress)> = states
            .iter()
            .filter_map(|(name, progress)| {
                let next = match config.migration(name) {
                    Some(migration) => progress.fitted(migration, now),
                    None => progress.gone(now),
                };
                Some((name.clone(), next?))
            })
            .collect();
        let result = changed
            .into_iter()
            .try_for_each(|(name, next)| self.step(&mut states, &name, next));
        self.apply(&states);
        result
    }

    /// Lets time and guards act, once.
    fn look(&self) {
        let mut states = self.lock();
        let (config, now) = (self.0.parts.config.load(), clock::now());
        for migration in config.main.migrations.values() {
            let Some(progress) = states.get(&migration.name) else {
                continue;
            };
            let judged = self.judged(migration, progress, now);
            let next = progress
                .by_guards(migration, &judged, now)
                .or_else(|| progress.by_time(migration, now));
            let Some(next) = next else { continue };
            if let Err(error) = self.step(&mut states, &migration.name, next) {
                tracing::error!(migration = migration.name, %error, "cannot keep a step; it is tried again");
            }
        }
    }

    /// Writes a step down, and lets it have its effect.
    fn step(
        &self,
        states: &mut BTreeMap<String, Progress>,
        name: &str,
        next: Progress,
    ) -> Result<(), StoreError> {
        let parts = &self.0.parts;
        let before = states.get(name);
        let is_noted = before.and_then(|it| it.history.last()) != next.history.last();
        if before.is_none_or(|it| it.measured_since != next.measured_since) {
            // What follows is measured apart from what was before.
            parts.figures.cut(next.measured_since);
        }
        let (told, kept) = mpsc::channel();
        let done = Box::new(move |result| {
            // Whoever waits has not gone away.
            let _ = told.send(result);
        });
        parts.store.keep_migration(name, next.clone(), done);
        kept.recv()
            .unwrap_or_else(|_| Err(StoreError::new("keep a migration", "nobody answered")))?;
        if let Some(step) = next.history.last().filter(|_| is_noted) {
            let (stage, share) = (step.stage.unwrap_or(0), f64::from(step.share) / 100.0);
            let (phase, by) = (next.phase.as_str(), step.by.as_str());
            match step.by {
                Cause::Guard => {
                    tracing::warn!(
                        migration = name,
                        phase,
                        stage,
                        share,
                        by,
                        why = step.why,
                        "migration stopped"
                    );
                }
                _ => {
                    tracing::info!(
                        migration = name,
                        phase,
                        stage,
                        share,
                        by,
                        why = step.why,
                        "migration step"
                    );
                }
            }
            parts.metrics.migration_stepped(name, step.by);
        }
        states.insert(name.to_owned(), next);
        self.apply(states);
        Ok(())
    }

    /// Brings the stages in force to where providers are chosen.
    fn apply(&self, states: &BTreeMap<String, Progress>) {
        let parts = &self.0.parts;
        let config = parts.config.load();
        let migrations = &config.main.migrations;
        let splits: Vec<Split> = migrations
            .values()
            .filter_map(|migration| {
                let stage = states.get(&migration.name)?.in_force()?;
                Split::new(Arc::new(migration.clone()), stage)
            })
            .collect();
        parts.metrics.migrations_stand(
            migrations
                .keys()
                .chain(states.keys())
                .map(|name| (name.as_str(), 0.0))
                .chain(splits.iter().map(|split| {
                    let share = split.stage().percent.buckets();
                    (split.migration().name.as_str(), f64::from(share) / 100.0)
                })),
        );
        parts.splits.put_in_force(splits);
    }

    /// Both vendors, compared over the window.
    fn judged(&self, migration: &Migration, progress: &Progress, now: Timestamp) -> Vec<Judgement> {
        let window = progress.window(migration, now);
        let of = |provider| {
            self.0.parts.figures.of_within(
                &migration.desk,
                provider,
                window.start,
                window.end,
                migration.guards.answer_within,
            )
        };
        let (old, new) = (of(&migration.from), of(&migration.to));
        judge(&migration.guards, &old, &new, &window)
    }

    /// The progress of a migration, in the files or not.
    fn find(&self, name: &str, now: Timestamp) -> Result<(Option<Migration>, Progress), Problem> {
        let states = self.lock();
        let config = self.0.parts.config.load();
        match (config.migration(name), states.get(name)) {
            (Some(migration), _) => {
                Ok((Some(migration.clone()), state_of(&states, migration, now)))
            }
            (None, Some(progress)) => Ok((None, progress.clone())),
            (None, None) => Err(no_migration(name)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Progress>> {
        // A step that panicked has not been put in.
        self.0.states.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is kept of a migration, or that nobody has begun it.
fn state_of(
    states: &BTreeMap<String, Progress>,
    migration: &Migration,
    now: Timestamp,
) -> Progress {
    match states.get(&migration.name) {
        Some(progress) => progress.clone(),
        None => Progress::planned(migration, now),
    }
}

fn no_migration(name: &str) -> Problem {
    Problem::new(
        Slug::NotFound,
        format!(
            "there is no migration `{name:.100}`; GET /admin/v1/migrations lists all, and \
             [migrations.<name>] in the configuration makes one"
        ),
    )
}

#[cfg(test)]
mod tests;
