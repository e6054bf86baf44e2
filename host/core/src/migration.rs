//! How far a migration has come, and what moves it on.
//!
//! Owns the phases, the commands and what each does when, the steps by time and
//! by guard, and how a changed file is followed. Deliberately reads no clock and
//! keeps nothing: every step is a new value that the host writes down before it
//! counts. Whom a stage takes is `routing`; what is measured is `figures`.
//! Invariants: a stage is in force in `running`, `paused` and `completed`, and
//! possibly in `stopped`; nothing but a command or the time raises a share.
//!
//! - `machine` has the steps.
//! - `fit` brings a state to a file that was changed.
//! - `guards` compares both vendors.

mod fit;
mod guards;
mod machine;

use std::ops::Range;

use kefu_plugin_api::{
    ids::{DeskId, ProviderId},
    time::Timestamp,
};
use serde::{Deserialize, Serialize};

use crate::config::{Migration, Stage, Weight};

pub use guards::{Guard, Judgement, Unit, Verdict, judge};
pub use machine::{Command, Refusal};

/// Where a migration stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Nothing has begun.
    Planned,
    /// A stage is in force, and the next one may come by time.
    Running,
    /// A stage is in force, and stays until an operator goes on.
    Paused,
    /// A guard stopped it: at a stage, or with none in force.
    Stopped,
    /// An operator took everything back.
    RolledBack,
    /// The last stage is in force for good; the file can say so now.
    Completed,
}

impl Phase {
    /// The word in answers, logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Stopped => "stopped",
            Self::RolledBack => "rolled_back",
            Self::Completed => "completed",
        }
    }
}

/// What made a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// A command.
    Operator,
    /// A stage was in force for as long as it should be.
    Time,
    /// The new vendor was worse than a guard allows.
    Guard,
    /// The file was changed.
    File,
}

impl Cause {
    /// The word in answers, logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Time => "time",
            Self::Guard => "guard",
            Self::File => "file",
        }
    }
}

/// How far a migration has come: all that is kept of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Whose visitors it moves.
    pub desk: DeskId,
    /// From where.
    pub from: ProviderId,
    /// To where.
    pub to: ProviderId,
    /// Where it stands.
    pub phase: Phase,
    /// The stage in force, from 0; `None`: everything is as the routes say.
    pub stage: Option<usize>,
    /// When phase or stage last changed.
    pub since: Timestamp,
    /// From when on both vendors are compared.
    pub measured_since: Timestamp,
    /// What the stage in force was like when it was last looked at.
    pub shape: Shape,
    /// When the migration left the file, if it has; until it comes back it has
    /// no effect.
    #[serde(default)]
    pub gone_since: Option<Timestamp>,
    /// What happened, oldest first.
    pub history: Vec<Step>,
}

/// What is remembered of a file's stages, to know them again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shape {
    /// How many there were.
    pub stages: usize,
    /// The share of the one in force, in hundredths of a percent.
    pub percent: u32,
    /// How many visitors it names.
    pub listed: usize,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// When.
    pub at: Timestamp,
    /// The phase after it.
    pub phase: Phase,
    /// The stage in force after it, from 1; absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<usize>,
    /// The share of that stage, in hundredths of a percent.
    pub share: u32,
    /// What made it.
    pub by: Cause,
    /// Why, for people.
    pub why: String,
}

/// A stretch of time with one stage in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stay {
    /// The stage, from 1.
    pub stage: usize,
    /// Its share then.
    pub share: Weight,
    /// From when to when; the last one lasts until now.
    pub span: Range<Timestamp>,
}

impl Progress {
    /// A migration that nobody has begun.
    pub fn planned(migration: &Migration, now: Timestamp) -> Self {
        Self {
            desk: migration.desk.clone(),
            from: migration.from.clone(),
            to: migration.to.clone(),
            phase: Phase::Planned,
            stage: None,
            since: now,
            measured_since: now,
            shape: Shape::default(),
            gone_since: None,
            history: Vec::new(),
        }
    }

    /// The place of the stage that has an effect now, from 0.
    pub fn in_force(&self) -> Option<usize> {
        self.stage.filter(|_| self.gone_since.is_none())
    }

    /// The share of the other visitors that the stage in force takes.
    pub fn share(&self, migration: &Migration) -> Weight {
        self.in_force()
            .and_then(|stage| migration.stages.get(stage))
            .map_or(Weight::ZERO, |stage| stage.percent)
    }

    /// Whether guards are looked at: somebody is moved, and it is not for good.
    pub fn is_guarded(&self) -> bool {
        self.in_force().is_some() && matches!(self.phase, Phase::Running | Phase::Paused)
    }

    /// The time over which both vendors are compared.
    pub fn window(&self, migration: &Migration, now: Timestamp) -> Range<Timestamp> {
        let window = i64::try_from(migration.window.as_millis()).unwrap_or(i64::MAX);
        // What happens in this very moment belongs to it.
        self.measured_since.max(now.plus_ms(-window))..now.plus_ms(1)
    }

    /// Which stage was in force when, oldest first.
    pub fn stays(&self, now: Timestamp) -> Vec<Stay> {
        let ends = self.history.iter().skip(1).map(|next| next.at);
        let mut stays: Vec<Stay> = Vec::new();
        for (step, end) in self.history.iter().zip(ends.chain([now])) {
            let Some(stage) = step.stage else { continue };
            let share = Weight::hundredths(step.share);
            match stays.last_mut() {
                // A pause or a start changes nothing for visitors.
                Some(last)
                    if last.stage == stage && last.share == share && last.span.end == step.at =>
                {
                    last.span.end = end;
                }
                _ => stays.push(Stay {
                    stage,
                    share,
                    span: step.at..end,
                }),
            }
        }
        stays
    }

    /// The same with one thing more that happened; the oldest are forgotten
    /// beyond [`MOST_STEPS`].
    fn noting(mut self, migration: &Migration, now: Timestamp, by: Cause, why: String) -> Self {
        self.since = now;
        self.history.push(Step {
            at: now,
            phase: self.phase,
            stage: self.in_force().map(|stage| stage + 1),
            share: self.share(migration).buckets(),
            by,
            why,
        });
        let beyond = self.history.len().saturating_sub(MOST_STEPS);
        self.history.drain(..beyond);
        self
    }
}

impl Shape {
    /// That of a migration with this stage in force.
    fn of(migration: &Migration, stage: Option<usize>) -> Self {
        let stage = stage.and_then(|stage| migration.stages.get(stage));
        Self {
            stages: migration.stages.len(),
            percent: stage.map_or(0, |stage| stage.percent.buckets()),
            listed: stage.map_or(0, |stage| stage.visitors.len()),
        }
    }

    fn is_that_of(&self, stage: &Stage) -> bool {
        self.percent == stage.percent.buckets() && self.listed == stage.visitors.len()
    }
}

/// Steps that are remembered of a migration.
pub const MOST_STEPS: usize = 1_000;
