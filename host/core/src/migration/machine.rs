//! What commands, the time and breached guards do to a migration.
//!
//! Owns which step is possible when, and the words for what would be right
//! instead. Invariant: a refused command changes nothing.

use kefu_plugin_api::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Cause, Judgement, Phase, Progress, Shape};
use crate::config::{Migration, OnBreach, format_duration};

/// What an operator can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Begin with the first stage, or go on from where it was held.
    Start,
    /// Bring the next stage into force; after the last one, complete.
    Advance,
    /// Stay at this stage until `start`.
    Pause,
    /// Give every new session back to the old vendor.
    Rollback,
}

impl Command {
    /// The word in paths and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Advance => "advance",
            Self::Pause => "pause",
            Self::Rollback => "rollback",
        }
    }
}

/// A command that came at the wrong moment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot {} the migration: it is {}; {right}", command.as_str(), phase.as_str())]
pub struct Refusal {
    /// What was asked for.
    pub command: Command,
    /// Where the migration stands.
    pub phase: Phase,
    /// What would be right.
    pub right: &'static str,
}

impl Progress {
    /// Carries a command out, or says what would be right.
    ///
    /// # Errors
    /// The migration is not in a phase for that.
    pub fn command(
        &self,
        migration: &Migration,
        command: Command,
        why: Option<&str>,
        now: Timestamp,
    ) -> Result<Self, Refusal> {
        let refuse = |right| {
            Err(Refusal {
                command,
                phase: self.phase,
                right,
            })
        };
        let asked = |next: Self| {
            let why = why.unwrap_or("an operator asked for it");
            let why = format!("{}: {why}", command.as_str());
            Ok(next.noting(migration, now, Cause::Operator, why))
        };
        match (command, self.phase) {
            (Command::Start, Phase::Planned | Phase::RolledBack) => {
                asked(self.at(migration, Phase::Running, Some(0), now))
            }
            (Command::Start, Phase::Paused | Phase::Stopped) => {
                let stage = Some(self.stage.unwrap_or(0));
                let mut next = self.at(migration, Phase::Running, stage, now);
                if self.phase == Phase::Paused && self.stage == stage {
                    // What was measured so far still tells something.
                    next.measured_since = self.measured_since;
                }
                asked(next)
            }
            (Command::Start, Phase::Running) => refuse("right would be advance, pause or rollback"),
            (Command::Start, Phase::Completed) => refuse(
                "right would be rollback, or to let the desk's routes name the new provider and \
                 remove the migration",
            ),
            (Command::Advance, Phase::Running) => asked(self.next(migration, now)),
            (Command::Advance, Phase::Paused | Phase::Stopped) => {
                refuse("right would be start, which goes on, and then advance")
            }
            (Command::Advance, Phase::Planned | Phase::RolledBack) => {
                refuse("right would be start, which brings the first stage into force")
            }
            (Command::Advance, Phase::Completed) => {
                refuse("there is no further stage; right would be rollback, or nothing")
            }
            (Command::Pause, Phase::Running) => {
                let mut next = self.clone();
                next.phase = Phase::Paused;
                asked(next)
            }
            (Command::Pause, Phase::Paused | Phase::Stopped) => {
                refuse("it is held already; right would be start or rollback")
            }
            (Command::Pause, _) => refuse("nothing goes on by itself; there is nothing to pause"),
            (
                Command::Rollback,
                Phase::Running | Phase::Paused | Phase::Stopped | Phase::Completed,
            ) => asked(self.at(migration, Phase::RolledBack, None, now)),
            (Command::Rollback, Phase::Planned | Phase::RolledBack) => {
                refuse("nobody is moved; right would be start, or nothing")
            }
        }
    }

    /// When the next stage comes by itself; `None` if it does not.
    pub fn next_advance(&self, migration: &Migration) -> Option<Timestamp> {
        if self.phase != Phase::Running {
            return None;
        }
        let after = migration.stages.get(self.in_force()?)?.after?;
        let after = i64::try_from(after.as_millis()).unwrap_or(i64::MAX);
        Some(self.since.plus_ms(after))
    }

    /// The next stage, if it is time for it.
    pub fn by_time(&self, migration: &Migration, now: Timestamp) -> Option<Self> {
        let due = self.next_advance(migration)?;
        if now < due {
            return None;
        }
        let stage = self.in_force()?;
        let after = migration.stages.get(stage)?.after?;
        let why = format!(
            "stage {} was in force for {}",
            stage + 1,
            format_duration(after)
        );
        Some(
            self.next(migration, now)
                .noting(migration, now, Cause::Time, why),
        )
    }

    /// What breached guards make of it; `None` if none is breached or they are
    /// not looked at.
    pub fn by_guards(
        &self,
        migration: &Migration,
        judgements: &[Judgement],
        now: Timestamp,
    ) -> Option<Self> {
        if !self.is_guarded() {
            return None;
        }
        let breaches: Vec<String> = judgements
            .iter()
            .filter_map(|it| it.breach(migration))
            .collect();
        if breaches.is_empty() {
            return None;
        }
        let before = self.stage?.checked_sub(1);
        let next = match migration.on_breach {
            OnBreach::Revert => self.at(migration, Phase::Stopped, before, now),
            OnBreach::Stop => {
                let mut next = self.clone();
                next.phase = Phase::Stopped;
                next
            }
        };
        let why = breaches.join("; ");
        Some(next.noting(migration, now, Cause::Guard, why))
    }

    /// The stage after this one, or the end.
    fn next(&self, migration: &Migration, now: Timestamp) -> Self {
        let next = self.stage.map_or(0, |stage| stage + 1);
        if next < migration.stages.len() {
            return self.at(migration, Phase::Running, Some(next), now);
        }
        let mut done = self.clone();
        done.phase = Phase::Completed;
        done
    }

    /// With another stage in force, measured from now on.
    pub(super) fn at(
        &self,
        migration: &Migration,
        phase: Phase,
        stage: Option<usize>,
        now: Timestamp,
    ) -> Self {
        Self {
            phase,
            stage,
            measured_since: now,
            shape: Shape::of(migration, stage),
            ..self.clone()
        }
    }
}
