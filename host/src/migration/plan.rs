//! What a migration would do, before anybody is moved.

use kefu_core::{
    config::format_duration,
    difference::Comparison,
    problem::Problem,
    routing::{BUCKETS, share_of},
};
use kefu_plugin_api::ids::{DeskId, ProviderId};
use serde::Serialize;

use super::{Migrations, no_migration, status::percent};
use crate::{clock, shadow::ShadowReport};

/// The stages of a migration and what each would mean, as `GET
/// /admin/v1/migrations/{name}/plan` shows it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MigrationPlan {
    /// The migration.
    pub name: String,
    /// Whose visitors.
    pub desk: DeskId,
    /// The old vendor.
    pub from: ProviderId,
    /// The new one.
    pub to: ProviderId,
    /// The share of the desk's visitors that the old vendor's routes have, in
    /// percent; absent where conditions make it depend on who comes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share_of_old: Option<f64>,
    /// Sessions that either vendor was asked to take at the desk in the last 24
    /// hours.
    pub openings_last_day: u64,
    /// Whether the new vendor takes sessions now.
    pub new_takes_sessions: bool,
    /// The stages in order.
    pub stages: Vec<PlannedStage>,
    /// What visitors lose and gain, by version of the app.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub differences: Option<Comparison>,
    /// Why that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub differences_unknown: Option<String>,
    /// What the new vendor's adapter would have made of the old one's sessions,
    /// where a route has it as `shadow`; without the findings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shadow: Option<ShadowReport>,
}

/// One stage, and whom it would take.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlannedStage {
    /// Its number, from 1.
    pub stage: usize,
    /// The share of the old vendor's visitors, in percent.
    pub percent: f64,
    /// How many visitors are named, by this stage and those before.
    pub listed: usize,
    /// The share of all the desk's visitors, in percent; absent where conditions
    /// make it depend on who comes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub percent_of_desk: Option<f64>,
    /// Sessions a day at the new vendor, if as many come as in the last one;
    /// those of named visitors are beside that.
    pub sessions_a_day: u64,
    /// After how long the next one comes by itself; absent: by hand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Whether it is in force now.
    pub in_force: bool,
}

impl Migrations {
    /// What a migration of the configuration would do. Whoever knows adapters adds
    /// what the new one can and cannot do.
    ///
    /// # Errors
    /// `not-found`.
    pub fn plan(&self, name: &str) -> Result<MigrationPlan, Problem> {
        let now = clock::now();
        let (migration, progress) = self.find(name, now)?;
        let migration = migration.ok_or_else(|| no_migration(name))?;
        let day_ago = now.plus_ms(-DAY_MS);
        let openings = [&migration.from, &migration.to].map(|provider| {
            let figures = &self.0.parts.figures;
            figures
                .of(&migration.desk, provider, day_ago, now.plus_ms(1))
                .openings
        });
        let openings_last_day = openings[0].saturating_add(openings[1]);
        let config = self.0.parts.config.load();
        let share = config
            .desk(migration.desk.as_str())
            .and_then(|desk| share_of(desk, &migration.from));
        let stages = migration.stages.iter().enumerate();
        let stages = stages.map(|(index, stage)| {
            let taken = stage.percent.buckets();
            let all = u64::from(BUCKETS);
            PlannedStage {
                stage: index + 1,
                percent: percent(taken),
                listed: stage.visitors.len(),
                percent_of_desk: share.map(|share| percent(share * taken / BUCKETS)),
                sessions_a_day: openings_last_day.saturating_mul(u64::from(taken)) / all,
                after: stage.after.map(format_duration),
                in_force: progress.in_force() == Some(index),
            }
        });
        Ok(MigrationPlan {
            name: name.to_owned(),
            share_of_old: share.map(percent),
            openings_last_day,
            new_takes_sessions: false,
            stages: stages.collect(),
            differences: None,
            differences_unknown: None,
            shadow: None,
            desk: migration.desk.clone(),
            from: migration.from.clone(),
            to: migration.to.clone(),
        })
    }
}

const DAY_MS: i64 = 24 * 3600 * 1000;
