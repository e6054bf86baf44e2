//! When a changed file is finished.
//!
//! Owns the patience: a file counts once whoever wrote it has closed it and
//! the neighbourhood is quiet for a moment; one that is still open, or gone,
//! gets longer. Pure: moments come in as arguments, nothing is read and
//! nothing waits. Invariants: a file that is written to without a pause is
//! never finished; however busy one file is, the others go ahead.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// What happened to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hint {
    /// Something was written, and may go on being written.
    Written,
    /// Whoever wrote has closed it.
    Closed,
    /// It was put in place whole: renamed, or linked to.
    Placed,
    /// It was touched without a word about its content.
    Touched,
    /// It is not there any more.
    Gone,
}

/// Files that changed and are not finished yet.
#[derive(Debug, Default)]
pub(super) struct Settle {
    files: BTreeMap<PathBuf, Pending>,
    /// Files that were written in place and finished a moment ago.
    recent: BTreeMap<PathBuf, Instant>,
}

/// Files that are finished.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Settled {
    /// Which.
    pub(super) files: BTreeSet<PathBuf>,
    /// When the last of them was closed, if it is known.
    pub(super) closed: Option<Instant>,
}

#[derive(Debug)]
struct Pending {
    state: State,
    first: Instant,
    last: Instant,
    closed: Option<Instant>,
    /// Written piece by piece: each piece may look like the last.
    again: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    Closed,
    Placed,
    Gone,
}

impl Settle {
    /// Takes note of what happened to a file.
    pub(super) fn note(&mut self, file: &Path, hint: Hint, now: Instant) {
        let recent = self.recent.get(file);
        let again = recent.is_some_and(|then| now.saturating_duration_since(*then) < SILENCE);
        let pending = self.files.entry(file.to_owned()).or_insert(Pending {
            state: State::Closed,
            first: now,
            last: now,
            closed: None,
            again,
        });
        pending.last = pending.last.max(now);
        pending.state = match hint {
            Hint::Touched => pending.state,
            Hint::Written => State::Open,
            Hint::Closed => State::Closed,
            Hint::Placed => State::Placed,
            Hint::Gone => State::Gone,
        };
        if matches!(hint, Hint::Closed | Hint::Placed) {
            pending.closed = Some(now);
        }
    }

    /// Whether something is noted of a file.
    pub(super) fn knows(&self, file: &Path) -> bool {
        self.files.contains_key(file)
    }

    /// The files that are not finished.
    pub(super) fn unsettled(&self) -> BTreeSet<PathBuf> {
        self.files.keys().cloned().collect()
    }

    /// When it is worth asking again; `None` while nothing is noted.
    pub(super) fn wake_at(&self, now: Instant) -> Option<Instant> {
        let moments = self.files.values().map(|pending| match pending.due() {
            due if due > now => due,
            due => due + TOGETHER,
        });
        moments.min()
    }

    /// The files that are finished, unless it is better to wait for others
    /// that will be in a moment.
    pub(super) fn take(&mut self, now: Instant) -> Option<Settled> {
        let oldest = self
            .files
            .values()
            .map(Pending::due)
            .filter(|due| *due <= now)
            .min()?;
        // A folder takes its files along one by one.
        let leaving = self
            .files
            .values()
            .any(|pending| pending.state == State::Gone && pending.due() <= now);
        let soon = |pending: &Pending| {
            let counts = match pending.state {
                State::Closed | State::Placed => true,
                State::Gone => leaving && pending.due() <= now + TOGETHER,
                State::Open => false,
            };
            counts && pending.due() > now
        };
        if now < oldest + TOGETHER && self.files.values().any(soon) {
            return None;
        }
        let mut settled = Settled::default();
        self.recent
            .retain(|_, then| now.saturating_duration_since(*then) < SILENCE);
        self.files.retain(|file, pending| {
            if pending.due() > now {
                return true;
            }
            if pending.state == State::Closed {
                self.recent.insert(file.clone(), now);
            }
            settled.closed = settled.closed.max(pending.closed);
            settled.files.insert(file.clone());
            false
        });
        Some(settled)
    }
}

impl Pending {
    fn due(&self) -> Instant {
        let quiet = match self.state {
            State::Open | State::Gone => return self.last + SILENCE,
            State::Closed if self.again => QUIET_AGAIN,
            State::Closed | State::Placed => QUIET,
        };
        (self.last + quiet).min(self.first + PATIENCE)
    }
}

/// After this time without an event a closed file is finished.
const QUIET: Duration = Duration::from_millis(50);
/// The same for one that is opened again and again, a piece each time.
const QUIET_AGAIN: Duration = Duration::from_millis(400);
/// After this time without an event a file that nobody was seen closing is
/// finished, and one that is gone will not come back.
const SILENCE: Duration = Duration::from_secs(1);
/// How long a finished file waits for others that are about to be.
const TOGETHER: Duration = Duration::from_millis(250);
/// How long a file that is closed and never quiet is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests;
