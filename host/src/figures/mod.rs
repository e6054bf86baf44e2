//! What every provider did at every desk, over time.
//!
//! Owns the time line of counts in memory and its copy in the store. What a
//! turn means for the numbers is the core's to say (`kefu_core::figures`).
//! Deliberately judges nothing: whoever compares providers asks here. Invariant:
//! what is counted was committed before, and counting never waits for the disk.
//!
//! - `timeline` has the slots of time and what was counted in each.

mod timeline;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use kefu_core::figures::{Observation, Tally};
use kefu_plugin_api::{
    ids::{DeskId, ProviderId, SessionId},
    time::Timestamp,
};

use self::timeline::Timeline;
use crate::clock;

/// A question that has waited for longer than this counts as unanswered where
/// nobody says how long it may.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(120);

/// What was measured, in slots of ten seconds. Cheap to clone; all clones are
/// the same numbers.
#[derive(Clone, Default)]
pub struct Figures(Arc<Mutex<Timeline>>);

impl Figures {
    /// What was counted of a provider at a desk in the slots that begin at or
    /// after `from` and before `to`. Questions that have waited for longer than
    /// [`ANSWER_WITHIN`] count as unanswered.
    pub fn of(
        &self,
        desk: &DeskId,
        provider: &ProviderId,
        from: Timestamp,
        to: Timestamp,
    ) -> Tally {
        self.of_within(desk, provider, from, to, ANSWER_WITHIN)
    }

    /// As [`of`](Self::of), with another time in which answers are expected:
    /// what was answered later counts as unanswered, too.
    pub fn of_within(
        &self,
        desk: &DeskId,
        provider: &ProviderId,
        from: Timestamp,
        to: Timestamp,
        answer_within: Duration,
    ) -> Tally {
        self.lock()
            .of(desk, provider, from..to, answer_within, clock::now())
    }

    /// [`of`](Self::of) for each step of this length from `from` until `to`,
    /// oldest first; the last one may be cut short by `to`. At most
    /// [`MAX_STEPS`](Self::MAX_STEPS) are given.
    pub fn series(
        &self,
        desk: &DeskId,
        provider: &ProviderId,
        from: Timestamp,
        to: Timestamp,
        step: Duration,
    ) -> Vec<(Timestamp, Tally)> {
        self.series_within(desk, provider, from..to, step, ANSWER_WITHIN)
    }

    /// As [`series`](Self::series), with another time in which answers are
    /// expected.
    pub fn series_within(
        &self,
        desk: &DeskId,
        provider: &ProviderId,
        span: std::ops::Range<Timestamp>,
        step: Duration,
        answer_within: Duration,
    ) -> Vec<(Timestamp, Tally)> {
        let (timeline, now) = (self.lock(), clock::now());
        steps(span, step)
            .take(Self::MAX_STEPS)
            .map(|step| {
                let tally = timeline.of(desk, provider, step.clone(), answer_within, now);
                (step.start, tally)
            })
            .collect()
    }

    /// How many steps a series has at most.
    pub const MAX_STEPS: usize = 2_000;

    /// Begins a new slot: what is counted from now on is told apart from what
    /// was counted before, even within ten seconds.
    pub fn cut(&self, now: Timestamp) {
        self.lock().cut(now);
    }

    /// Counts what was seen of a session at a desk in a turn that was
    /// committed.
    pub(crate) fn count(
        &self,
        desk: &DeskId,
        session: &SessionId,
        seen: &[Observation],
        now: Timestamp,
    ) {
        if seen.is_empty() {
            return;
        }
        let mut timeline = self.lock();
        for observation in seen {
            timeline.count(desk, session, observation, now);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Timeline> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The steps of a span, oldest first.
fn steps(
    span: std::ops::Range<Timestamp>,
    step: Duration,
) -> impl Iterator<Item = std::ops::Range<Timestamp>> {
    let step = i64::try_from(step.as_millis()).unwrap_or(i64::MAX).max(1);
    let end = span.end;
    std::iter::successors(Some(span.start), move |at| Some(at.plus_ms(step)))
        .take_while(move |at| *at < end)
        .map(move |at| at..at.plus_ms(step).min(end))
}
