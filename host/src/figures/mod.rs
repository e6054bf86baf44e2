//! What every provider did at every desk, over time.
//!
//! Owns the time line of counts in memory and its copy in the store. What a
//! turn means for the numbers is the core's to say (`kefu_core::figures`).
//! Deliberately judges nothing: whoever compares providers asks here. Invariant:
//! what is counted was committed before, and counting never waits for the disk.
//!
//! - `timeline` has the slots of time and what was counted in each.
//! - `returned` has what vendors answered that sessions can do.
//! - `differences` compares two providers by it.
//! - `keeper` copies both to the store and finds what the last run left open.

mod differences;
mod keeper;
mod returned;
mod timeline;

use std::{
    collections::BTreeSet,
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use kefu_core::figures::{Observation, Tally};
use kefu_plugin_api::{
    ids::{DeskId, ProviderId, SessionId},
    time::Timestamp,
};

pub(crate) use self::{keeper::keep, returned::Answer};
use self::{
    returned::Returned,
    timeline::{Key, Timeline},
};
use crate::{
    clock,
    store::{Store, StoreError, figures::ReturnedRow},
};

/// A question that has waited for longer than this counts as unanswered where
/// nobody says how long it may.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(120);

/// What was measured, in slots of ten seconds for six hours and in minutes for
/// thirty days. Cheap to clone; all clones are the same numbers.
#[derive(Clone, Default)]
pub struct Figures(Arc<Inner>);

#[derive(Default)]
struct Inner {
    timeline: Mutex<Timeline>,
    returned: Mutex<Returned>,
    /// Without one, what is older than six hours is gone.
    store: Option<Arc<dyn Store>>,
}

impl Figures {
    /// Goes on with what a store has.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn open(store: Arc<dyn Store>) -> Result<Self, StoreError> {
        let now = clock::now();
        let mut timeline = Timeline::new(now);
        // Whatever a clock that was ahead has written is of no use.
        let end = now.plus_ms(1);
        timeline.restore(store.figures(None, timeline.begins()..end)?);
        let mut returned = Returned::default();
        returned.restore(store.returned()?);
        Ok(Self(Arc::new(Inner {
            timeline: Mutex::new(timeline),
            returned: Mutex::new(returned),
            store: Some(store),
        })))
    }

    /// What was counted of a provider at a desk in the slots that begin at or
    /// after `from` and before `to`. Questions that have waited for longer than
    /// [`ANSWER_WITHIN`] count as unanswered. A span that begins more than six
    /// hours ago is read from disk, which must not be done on an I/O thread.
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
        let key = (desk.clone(), provider.clone());
        let window = self.window(&key, &(from..to), answer_within);
        window.of(&self.timeline(), &key, from..to)
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
        span: Range<Timestamp>,
        step: Duration,
        answer_within: Duration,
    ) -> Vec<(Timestamp, Tally)> {
        let key = (desk.clone(), provider.clone());
        let window = self.window(&key, &span, answer_within);
        let timeline = self.timeline();
        steps(span, step)
            .take(Self::MAX_STEPS)
            .map(|step| (step.start, window.of(&timeline, &key, step)))
            .collect()
    }

    /// How many steps a series has at most.
    pub const MAX_STEPS: usize = 2_000;

    /// Begins a new slot: what is counted from now on is told apart from what
    /// was counted before, even within ten seconds and after a restart.
    pub fn cut(&self, now: Timestamp) {
        self.timeline().cut(now);
    }

    /// Every desk and provider of which something was counted in the slots that
    /// begin in this span.
    pub fn measured(&self, span: Range<Timestamp>) -> BTreeSet<(DeskId, ProviderId)> {
        let (begins, mut keys) = {
            let timeline = self.timeline();
            (timeline.begins(), timeline.keys(span.clone()))
        };
        let older = self.read(None, span.start..span.end.min(begins));
        keys.extend(older.into_iter().map(|row| (row.desk, row.provider)));
        keys
    }

    /// What sessions of this provider were lately told that they can do, by
    /// version of the app, the newest first.
    pub fn returned(&self, provider: &ProviderId) -> Vec<ReturnedRow> {
        lock(&self.0.returned).of(provider)
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
        let mut timeline = self.timeline();
        for observation in seen {
            timeline.count(desk, session, observation, now);
        }
    }

    /// Notes what a session was told that it can do, in a turn that was
    /// committed.
    pub(crate) fn note(&self, answer: Answer, now: Timestamp) {
        lock(&self.0.returned).count(answer, now);
    }

    /// What is read once for all steps of a span.
    fn window(&self, key: &Key, span: &Range<Timestamp>, answer_within: Duration) -> Window {
        let (begins, overdue) = {
            let timeline = self.timeline();
            let overdue = timeline.overdue(key, answer_within, clock::now());
            (timeline.begins(), overdue)
        };
        let older = self.read(Some(key), span.start..span.end.min(begins));
        Window {
            older: older
                .into_iter()
                .map(|row| (row.begin, row.tally))
                .collect(),
            overdue,
            answer_within,
        }
    }

    /// Reads what is not in memory any more.
    fn read(
        &self,
        key: Option<&Key>,
        span: Range<Timestamp>,
    ) -> Vec<crate::store::figures::CountedRow> {
        let Some(store) = self.0.store.as_ref().filter(|_| span.start < span.end) else {
            return Vec::new();
        };
        let of = key.map(|(desk, provider)| (desk, provider));
        store.figures(of, span).unwrap_or_else(|error| {
            tracing::warn!(%error, "figures of the past are left out");
            Vec::new()
        })
    }

    fn timeline(&self) -> MutexGuard<'_, Timeline> {
        lock(&self.0.timeline)
    }
}

/// What is known of a span beside what is in memory.
struct Window {
    /// What is on disk only, by the moment at which it begins.
    older: Vec<(Timestamp, Tally)>,
    /// Since when questions have waited for too long, oldest first.
    overdue: Vec<Timestamp>,
    answer_within: Duration,
}

impl Window {
    fn of(&self, timeline: &Timeline, key: &Key, span: Range<Timestamp>) -> Tally {
        let mut sum = timeline.of(key, span.clone());
        let first = self.older.partition_point(|(at, _)| *at < span.start);
        let in_span = |(at, _): &&(Timestamp, Tally)| *at < span.end;
        for (_, tally) in self.older[first..].iter().take_while(in_span) {
            sum.merge(tally);
        }
        let mut sum = sum.answered_within(self.answer_within);
        let first = self.overdue.partition_point(|at| *at < span.start);
        let end = self.overdue.partition_point(|at| *at < span.end);
        sum.unanswered += end.saturating_sub(first) as u64;
        sum
    }
}

/// The steps of a span, oldest first.
fn steps(span: Range<Timestamp>, step: Duration) -> impl Iterator<Item = Range<Timestamp>> {
    let step = i64::try_from(step.as_millis()).unwrap_or(i64::MAX).max(1);
    let end = span.end;
    std::iter::successors(Some(span.start), move |at| Some(at.plus_ms(step)))
        .take_while(move |at| *at < end)
        .map(move |at| at..at.plus_ms(step).min(end))
}

fn lock<T>(it: &Mutex<T>) -> MutexGuard<'_, T> {
    it.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
