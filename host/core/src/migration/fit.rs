//! How a migration follows its file.
//!
//! Owns what becomes of a state whose stages were changed, taken out or put
//! back. Invariant: unless the stage in force was itself rewritten, no change of
//! the file raises the share of visitors who are moved.

use kefu_plugin_api::time::Timestamp;

use super::{Cause, Phase, Progress, Step};
use crate::config::{Migration, Weight};

impl Progress {
    /// The state for what the file says now; `None` if this one fits.
    pub fn fitted(&self, migration: &Migration, now: Timestamp) -> Option<Self> {
        if (&self.desk, &self.from, &self.to) != (&migration.desk, &migration.from, &migration.to) {
            return Some(self.anew(migration, now));
        }
        let here = self.returned(migration, now);
        let moved = here.as_ref().unwrap_or(self).refitted(migration, now);
        moved.or(here)
    }

    /// The state once the file no longer has the migration; `None` if that is
    /// known already.
    pub fn gone(&self, now: Timestamp) -> Option<Self> {
        if self.gone_since.is_some() {
            return None;
        }
        let mut next = self.clone();
        next.gone_since = Some(now);
        if next.stage.is_some() {
            next.history.push(Step {
                at: now,
                phase: next.phase,
                stage: None,
                share: 0,
                by: Cause::File,
                why: "the file no longer has it, so it has no effect".to_owned(),
            });
        }
        Some(next)
    }

    /// Other vendors or another desk: nothing of the old state means anything.
    fn anew(&self, migration: &Migration, now: Timestamp) -> Self {
        let why = format!(
            "the file now moves desk {} from {} to {}, before it was desk {} from {} to {}; it \
             begins anew",
            migration.desk, migration.from, migration.to, self.desk, self.from, self.to
        );
        Self::planned(migration, now).noting(migration, now, Cause::File, why)
    }

    /// Back in the file, and with an effect again.
    fn returned(&self, migration: &Migration, now: Timestamp) -> Option<Self> {
        self.gone_since?;
        let mut next = self.clone();
        next.gone_since = None;
        if next.stage.is_none() {
            return Some(next);
        }
        next.measured_since = now;
        // Whoever puts it back may have forgotten how far it was.
        if next.phase == Phase::Running {
            next.phase = Phase::Paused;
        }
        let why = "the file has it again".to_owned();
        Some(next.noting(migration, now, Cause::File, why))
    }

    fn refitted(&self, migration: &Migration, now: Timestamp) -> Option<Self> {
        let stage = self.stage?;
        let last = migration.stages.len() - 1;
        let here = migration.stages.get(stage);
        if here.is_some_and(|here| self.shape.is_that_of(here)) {
            if self.phase == Phase::Completed && stage < last {
                let mut next = self.at(migration, Phase::Paused, Some(stage), now);
                next.measured_since = self.measured_since;
                let why = "the file has further stages now".to_owned();
                return Some(next.noting(migration, now, Cause::File, why));
            }
            return None;
        }
        let share = Weight::hundredths(self.shape.percent);
        if let Some(same) = migration
            .stages
            .iter()
            .position(|stage| self.shape.is_that_of(stage))
        {
            let (since, measured_since) = (self.since, self.measured_since);
            let phase = self.phase_at(same, last);
            let why = format!("what was stage {} is stage {} now", stage + 1, same + 1);
            let mut next =
                self.at(migration, phase, Some(same), now)
                    .noting(migration, now, Cause::File, why);
            // The same visitors as before: it goes on.
            (next.since, next.measured_since) = (since, measured_since);
            return Some(next);
        }
        if let Some(here) = here.filter(|_| self.shape.stages == migration.stages.len()) {
            let why = format!(
                "the file changed stage {}: from {share} % and {} listed to {} % and {}",
                stage + 1,
                self.shape.listed,
                here.percent,
                here.visitors.len()
            );
            let next = self.at(migration, self.phase, Some(stage), now);
            return Some(next.noting(migration, now, Cause::File, why));
        }
        Some(self.nearest(migration, share, now))
    }

    /// The last stage that takes no more than what was taken; none, if all do.
    fn nearest(&self, migration: &Migration, share: Weight, now: Timestamp) -> Self {
        let last = migration.stages.len() - 1;
        let nearest = migration
            .stages
            .iter()
            .rposition(|stage| stage.percent <= share);
        let (phase, instead) = match nearest {
            Some(place) => (
                self.phase_at(place, last),
                format!("stage {} is the nearest", place + 1),
            ),
            None => (
                Phase::Stopped,
                "every stage takes more, so none is in force".to_owned(),
            ),
        };
        let why = format!("the file has no stage of {share} % any more; {instead}");
        self.at(migration, phase, nearest, now)
            .noting(migration, now, Cause::File, why)
    }

    /// The phase at another stage: what was over is not, where more follows.
    fn phase_at(&self, stage: usize, last: usize) -> Phase {
        match self.phase {
            Phase::Completed if stage < last => Phase::Paused,
            phase => phase,
        }
    }
}
