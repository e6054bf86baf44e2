//! What a reload came to.
//!
//! Owns the shape of one entry of `GET /admin/v1/reloads` and the memory of
//! the last ones. Deliberately keeps no report of a reload that found nothing
//! to do. Invariant: no setting's value and no secret is in a report.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use kefu_core::config::ConfigError;
use kefu_plugin_api::{ids::ProviderId, time::Timestamp};
use serde::{Serialize, Serializer};

use super::plan::Action;
use crate::plugin::StageTime;

/// Why a reload was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Files changed.
    Files,
    /// SIGHUP.
    Signal,
    /// An operator asked for everything to be read again.
    Admin,
    /// An operator changed the main file by way of the gateway.
    Edit,
    /// An operator asked for one provider to be brought up anew, changed or
    /// not.
    Provider {
        /// Which.
        id: ProviderId,
    },
    /// One provider goes back to an earlier generation.
    RollBack {
        /// Which.
        provider: ProviderId,
        /// To which of its generations; absent: the last good one.
        generation: Option<u64>,
        /// Who wants that.
        why: Why,
    },
}

impl Cause {
    /// The word in reports and in the log.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Files => "files",
            Self::Signal => "signal",
            Self::Admin => "admin",
            Self::Edit => "edit",
            Self::Provider { .. } => "provider",
            Self::RollBack { .. } => "rollback",
        }
    }
}

impl Serialize for Cause {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// Who wants a provider to go back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// An operator.
    Command,
    /// The new generation did what it must not.
    Automatic {
        /// Its number; once another serves, nothing is to be done.
        unfit: u64,
        /// What it did.
        fault: String,
    },
}

impl Why {
    /// The generation that is to be left, if it is not just the one that
    /// serves.
    pub(super) const fn unfit(&self) -> Option<u64> {
        match self {
            Self::Command => None,
            Self::Automatic { unfit, .. } => Some(*unfit),
        }
    }

    pub(super) const fn as_str(&self) -> &'static str {
        match self {
            Self::Command => "command",
            Self::Automatic { .. } => "automatic",
        }
    }
}

/// What a reload came to, as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Everything that the files say is in force.
    Applied,
    /// Something is in force now, something is not.
    Partly,
    /// Nothing changed, because of what is wrong.
    Refused,
    /// Nothing was to be changed.
    Unchanged,
}

impl Outcome {
    /// The word in reports, in the log and in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Partly => "partly",
            Self::Refused => "refused",
            Self::Unchanged => "unchanged",
        }
    }
}

/// What became of one provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// A new generation serves.
    Live,
    /// Its plug-in file is not there yet.
    Waiting,
    /// It could not be brought up; what served goes on.
    Failed,
    /// It goes by its new budgets.
    Reconfigured,
    /// It takes no new sessions any more.
    Retired,
}

/// One provider in a report.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OfProvider {
    /// Which.
    pub id: ProviderId,
    /// What was to be done.
    pub action: Action,
    /// What came of it.
    pub outcome: Fate,
    /// The generation that serves now, if it is a new one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generation: Option<u64>,
    /// The hash of its file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// What took how long.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stages: Vec<StageTime>,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// What a reload came to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Counted from 1; absent if nothing was to be changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<u64>,
    /// When it was over.
    pub at: Timestamp,
    /// Why it was made.
    pub cause: Cause,
    /// More about that, where there is more to say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// What it came to.
    pub outcome: Outcome,
    /// From its beginning to its end, in milliseconds.
    pub took_ms: u64,
    /// From the closing of the last changed file until everything was in
    /// force, in milliseconds; absent if nothing changed or nobody was seen
    /// closing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closed_to_live_ms: Option<u64>,
    /// What changed, by key.
    pub changes: Vec<String>,
    /// What the files say and only a restart brings into force.
    pub needs_restart: Vec<&'static str>,
    /// What is wrong with the files, or doubtful in them.
    pub problems: Vec<ConfigError>,
    /// Why nothing could be read, where that is no matter of a line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The providers that something was done about.
    pub providers: Vec<OfProvider>,
}

/// The reports of the last reloads. Cheap to clone; all clones are one.
#[derive(Clone, Default)]
pub(super) struct History(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    last: u64,
    reports: VecDeque<Report>,
}

impl History {
    /// Keeps a report under the next number, unless nothing was to be changed.
    pub(super) fn keep(&self, report: &mut Report) {
        if report.outcome == Outcome::Unchanged {
            return;
        }
        let mut kept = self.lock();
        kept.last += 1;
        report.id = Some(kept.last);
        kept.reports.truncate(MOST - 1);
        kept.reports.push_front(report.clone());
    }

    /// The last ones, newest first, at most so many.
    pub(super) fn last(&self, most: usize) -> Vec<Report> {
        self.lock().reports.iter().take(most).cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "History({} reports)", self.lock().reports.len())
    }
}

/// Reports that are kept.
const MOST: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_reports_are_kept_newest_first() {
        let history = History::default();
        for _ in 0..MOST + 5 {
            history.keep(&mut report(Outcome::Applied));
        }
        history.keep(&mut report(Outcome::Unchanged));
        let ids: Vec<_> = history
            .last(usize::MAX)
            .iter()
            .map(|kept| kept.id)
            .collect();
        assert_eq!(ids.len(), MOST);
        assert_eq!((ids[0], ids[MOST - 1]), (Some(205), Some(6)));
        assert_eq!(history.last(3).len(), 3);
    }

    fn report(outcome: Outcome) -> Report {
        Report {
            id: None,
            at: crate::clock::now(),
            cause: Cause::Files,
            why: None,
            outcome,
            took_ms: 0,
            closed_to_live_ms: None,
            changes: Vec::new(),
            needs_restart: Vec::new(),
            problems: Vec::new(),
            error: None,
            providers: Vec::new(),
        }
    }
}
