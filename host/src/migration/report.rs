//! What came of a migration, in numbers.

use kefu_core::{
    figures::{Summary, Tally},
    migration::Phase,
    problem::Problem,
};
use kefu_plugin_api::{
    ids::{DeskId, ProviderId},
    time::Timestamp,
};
use serde::Serialize;

use super::{Migrations, status::percent};
use crate::{clock, figures::ANSWER_WITHIN};

/// Both vendors over the time of a migration, as `GET
/// /admin/v1/migrations/{name}/report` shows it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MigrationReport {
    /// The migration.
    pub name: String,
    /// Whose visitors.
    pub desk: DeskId,
    /// The old vendor.
    pub from: ProviderId,
    /// The new one.
    pub to: ProviderId,
    /// Where it stands.
    pub phase: Phase,
    /// When its first stage came into force; absent if none has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub began: Option<Timestamp>,
    /// When no stage was in force any more; absent while one is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
    /// Both vendors over all of that time.
    pub whole: VendorReport,
    /// Each stage's time, oldest first; one that came twice stands twice.
    pub stages: Vec<StageReport>,
}

/// Both vendors over the time of one stage.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StageReport {
    /// The stage, from 1.
    pub stage: usize,
    /// Its share, in percent.
    pub percent: f64,
    /// From when.
    pub began: Timestamp,
    /// Until when; absent while it is in force.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
    /// The numbers.
    #[serde(flatten)]
    pub vendors: VendorReport,
}

/// What both vendors did at the desk, sessions that opened elsewhere or before
/// included.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct VendorReport {
    /// The old one.
    pub old: Summary,
    /// The new one.
    pub new: Summary,
}

impl Migrations {
    /// What came of a migration, or what has come of it so far.
    ///
    /// # Errors
    /// `not-found`.
    pub fn report(&self, name: &str) -> Result<MigrationReport, Problem> {
        let now = clock::now();
        let (migration, progress) = self.find(name, now)?;
        let within = migration.map_or(ANSWER_WITHIN, |it| it.guards.answer_within);
        let of = |provider: &ProviderId, from: Timestamp, to: Timestamp| {
            let figures = &self.0.parts.figures;
            figures.of_within(&progress.desk, provider, from, to, within)
        };
        let stays = progress.stays(now.plus_ms(1));
        let last = stays.len().saturating_sub(1);
        let in_force = progress.in_force().is_some();
        let (mut old, mut new) = (Tally::default(), Tally::default());
        let mut stages = Vec::with_capacity(stays.len());
        for (index, stay) in stays.iter().enumerate() {
            let (from, to) = (stay.span.start, stay.span.end);
            let (here, there) = (of(&progress.from, from, to), of(&progress.to, from, to));
            old.merge(&here);
            new.merge(&there);
            stages.push(StageReport {
                stage: stay.stage,
                percent: percent(stay.share.buckets()),
                began: from,
                ended: (index < last || !in_force).then_some(to),
                vendors: VendorReport {
                    old: here.summary(),
                    new: there.summary(),
                },
            });
        }
        Ok(MigrationReport {
            name: name.to_owned(),
            began: stages.first().map(|stage| stage.began),
            ended: stages.last().and_then(|stage| stage.ended),
            whole: VendorReport {
                old: old.summary(),
                new: new.summary(),
            },
            stages,
            desk: progress.desk,
            from: progress.from,
            to: progress.to,
            phase: progress.phase,
        })
    }
}
