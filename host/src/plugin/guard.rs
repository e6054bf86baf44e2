//! The guard around every call of an adapter.
//!
//! Owns the counting of faults, the quarantine that follows repeated ones, and
//! the mark by which another thread sees how long a call has been running.
//! Deliberately interrupts nothing: code in this process cannot be stopped, so
//! whoever watches the [`CallClock`] replaces the thread instead. Invariant: a
//! quarantine needs faults of several sessions, so that no single visitor and
//! nobody who merely sends callbacks can bring one about.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use kefu_plugin_api::{
    http::Callback,
    ids::{ProviderId, SessionId},
    time::Timestamp,
    wire::{HandleInput, HandleOutput, ReceiveOutput},
};
use serde::Serialize;

use super::{Fault, FaultKind, Generation, LastError, Slot, Unfit};

/// How many faults are put up with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tolerance {
    /// Sessions with a fault of the adapter …
    pub sessions: usize,
    /// … within this time bring a quarantine …
    pub within: Duration,
    /// … which lasts so long, unless the adapter is replaced earlier.
    pub rest: Duration,
}

impl Default for Tolerance {
    fn default() -> Self {
        Self {
            sessions: 5,
            within: Duration::from_secs(60),
            rest: Duration::from_secs(60),
        }
    }
}

/// Which function of the adapter was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CallKind {
    /// A turn.
    Handle,
    /// A callback.
    Receive,
}

impl CallKind {
    /// The name in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Handle => "handle",
            Self::Receive => "receive",
        }
    }
}

/// Sees every call of every adapter when it is over, and every fault: for
/// metrics. Called on the calling thread, so it must be quick.
pub trait CallObserver: Send + Sync {
    /// A fault was counted, whether its call told of it or it showed later.
    fn faulted(&self, provider: &ProviderId, kind: FaultKind);

    /// A call is over.
    fn finished(
        &self,
        provider: &ProviderId,
        kind: CallKind,
        took: Duration,
        fault: Option<FaultKind>,
    );
}

/// How one provider's adapter has been doing. Outlives generations.
#[derive(Debug, Default)]
pub struct Health {
    calls: AtomicU64,
    stuck: AtomicU64,
    blocked: AtomicBool,
    in_flight: AtomicU64,
    record: Mutex<Record>,
}

#[derive(Debug, Default)]
struct Record {
    faults: BTreeMap<FaultKind, u64>,
    last_error: Option<LastError>,
    recent: VecDeque<(Instant, SessionId)>,
    quarantined_until: Option<Instant>,
}

impl Health {
    /// Calls that have finished.
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    /// Calls under way, in whatever generation.
    pub fn in_flight(&self) -> u64 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Calls that are over their time and have not returned.
    pub fn stuck(&self) -> u64 {
        self.stuck.load(Ordering::Relaxed)
    }

    /// Whether so many calls are stuck that no other can begin.
    pub fn is_blocked(&self) -> bool {
        self.blocked.load(Ordering::Acquire)
    }

    /// Says how many calls are stuck, and whether others can begin beside
    /// them. Whether that is news.
    pub fn set_stuck(&self, calls: u64, blocked: bool) -> bool {
        let was_blocked = self.blocked.swap(blocked, Ordering::AcqRel);
        self.stuck.swap(calls, Ordering::Relaxed) != calls || was_blocked != blocked
    }

    /// Faults by kind, since the gateway started.
    pub fn faults(&self) -> BTreeMap<FaultKind, u64> {
        self.record().faults.clone()
    }

    /// What went wrong last.
    pub fn last_error(&self) -> Option<LastError> {
        self.record().last_error.clone()
    }

    /// Until when no call is made, if that lies after `now`.
    pub fn quarantined_until(&self, now: Instant) -> Option<Instant> {
        self.record().quarantined_until.filter(|&until| until > now)
    }

    /// Takes the provider back into service: its adapter was replaced, or an
    /// operator said so.
    pub fn forgive(&self) {
        let mut record = self.record();
        record.recent.clear();
        record.quarantined_until = None;
    }

    /// Remembers what went wrong outside a call, such as a failed reload.
    pub fn note_error(&self, at: Timestamp, error: impl Into<String>) {
        self.record().last_error = Some(LastError {
            at,
            text: error.into(),
        });
    }

    /// Notes a fault, whoever's it is.
    pub fn note(&self, fault: &Fault) {
        let mut record = self.record();
        *record.faults.entry(fault.kind).or_default() += 1;
        record.last_error = Some(LastError {
            at: crate::clock::now(),
            text: fault.to_string(),
        });
    }

    /// Counts a fault of one session; `session` is empty for what belongs to
    /// none. Says whether this one brought the quarantine.
    pub fn count(
        &self,
        fault: &Fault,
        session: &SessionId,
        now: Instant,
        tolerance: &Tolerance,
    ) -> bool {
        self.note(fault);
        let mut record = self.record();
        if !fault.blames_adapter() || record.quarantined_until.is_some_and(|until| until > now) {
            return false;
        }
        record.recent.push_back((now, session.clone()));
        while record
            .recent
            .front()
            .is_some_and(|(at, _)| now.duration_since(*at) > tolerance.within)
        {
            record.recent.pop_front();
        }
        let sessions: BTreeSet<_> = record.recent.iter().map(|(_, session)| session).collect();
        if sessions.len() < tolerance.sessions {
            // One session that fails all the time needs no more than one line.
            let excess = record.recent.len().saturating_sub(MOST_REMEMBERED);
            record.recent.drain(..excess);
            return false;
        }
        record.recent.clear();
        record.quarantined_until = Some(now + tolerance.rest);
        true
    }

    fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const MOST_REMEMBERED: usize = 1_024;

/// What every guard of the gateway shares.
#[derive(Default)]
pub(super) struct Watch {
    pub(super) tolerance: Tolerance,
    pub(super) observer: Option<Arc<dyn CallObserver>>,
    pub(super) alarm: OnceLock<Alarm>,
}

/// Told when a generation on probation turns out to be unfit. Called on the
/// calling thread, so it must be quick.
pub type Alarm = Box<dyn Fn(Unfit) + Send + Sync>;

/// A generation with its guard: what the engine calls. Taken from the registry
/// for one call or a few, so that a replacement takes effect soon.
#[derive(Clone)]
pub struct Guarded {
    pub(super) generation: Arc<Generation>,
    pub(super) slot: Arc<Slot>,
    pub(super) watch: Arc<Watch>,
}

impl std::fmt::Debug for Guarded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guarded")
            .field("generation", &self.generation)
            .finish_non_exhaustive()
    }
}

impl Guarded {
    /// The generation that is called.
    pub fn generation(&self) -> &Arc<Generation> {
        &self.generation
    }

    /// One turn, on this thread.
    ///
    /// # Errors
    /// Why there is no usable answer; already counted.
    pub fn handle(&self, clock: &CallClock, input: &HandleInput) -> Result<HandleOutput, Fault> {
        let session = &input.session.id;
        self.watched(clock, CallKind::Handle, session, |generation| {
            generation.handle(input)
        })
    }

    /// One callback, on this thread.
    ///
    /// # Errors
    /// Why there is no usable answer; already counted.
    pub fn receive(&self, clock: &CallClock, callback: &Callback) -> Result<ReceiveOutput, Fault> {
        self.watched(
            clock,
            CallKind::Receive,
            &SessionId::default(),
            |generation| generation.receive(callback),
        )
    }

    /// Counts a fault that showed after the call: an illegal transition, a
    /// call that does not return.
    pub fn blame(&self, session: &SessionId, fault: &Fault) {
        let (now, tolerance) = (Instant::now(), &self.watch.tolerance);
        let health = self.slot.health();
        let (provider, generation) = (self.generation.provider(), self.generation.number());
        if fault.is_absence() {
            // Whatever keeps its process away was logged when it happened.
            tracing::debug!(%provider, generation, %session, %fault, "an adapter call was not made");
        } else {
            tracing::warn!(%provider, generation, %session, %fault, "adapter fault");
        }
        if let Some(observer) = &self.watch.observer {
            observer.faulted(provider, fault.kind);
        }
        if !self.slot.is_served_by(generation) {
            // A late call of one that was replaced says nothing of the one
            // that took its place.
            return health.note(fault);
        }
        let brought = health.count(fault, session, now, tolerance);
        if brought {
            tracing::error!(
                %provider,
                sessions = tolerance.sessions,
                rest_seconds = tolerance.rest.as_secs(),
                "provider quarantined after repeated faults of its adapter"
            );
        }
        if !fault.blames_adapter() {
            return;
        }
        let probation = self.slot.probation();
        if let Some(sessions) = probation.count(generation, session, now)
            && let Some(alarm) = self.watch.alarm.get()
        {
            alarm(Unfit {
                provider: provider.clone(),
                generation,
                sessions,
                fault: fault.to_string(),
            });
        }
    }

    fn watched<T>(
        &self,
        clock: &CallClock,
        kind: CallKind,
        session: &SessionId,
        call: impl FnOnce(&Generation) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let health = self.slot.health();
        let running = clock.start(&self.generation, kind, session);
        health.in_flight.fetch_add(1, Ordering::Relaxed);
        let result = call(&self.generation);
        health.in_flight.fetch_sub(1, Ordering::Relaxed);
        let took = running.finish();
        health.calls.fetch_add(1, Ordering::Relaxed);
        let fault = result.as_ref().err();
        if let Some(observer) = &self.watch.observer {
            let kind_of_fault = fault.map(|fault| fault.kind);
            observer.finished(self.generation.provider(), kind, took, kind_of_fault);
        }
        if let Some(fault) = fault {
            self.blame(session, fault);
        }
        result
    }
}

/// What one thread is calling right now, readable from others. Each engine
/// thread has one; a watchdog reads them all.
#[derive(Debug, Default)]
pub struct CallClock {
    running: Mutex<Option<Running>>,
}

/// A call under way.
#[derive(Clone, Debug)]
pub struct Running {
    /// Whom it calls.
    pub generation: Arc<Generation>,
    /// Which function.
    pub kind: CallKind,
    /// For which session; empty for a callback and in the provider's scope.
    pub session: SessionId,
    /// Since when.
    pub since: Instant,
}

impl CallClock {
    /// No call yet.
    pub const fn new() -> Self {
        Self {
            running: Mutex::new(None),
        }
    }

    /// What is running, if anything.
    pub fn running(&self) -> Option<Running> {
        self.lock().clone()
    }

    /// What has been running for longer than that.
    pub fn overdue(&self, now: Instant, budget: Duration) -> Option<Running> {
        self.lock()
            .as_ref()
            .filter(|running| now.saturating_duration_since(running.since) > budget)
            .cloned()
    }

    fn start(&self, generation: &Arc<Generation>, kind: CallKind, session: &SessionId) -> Mark<'_> {
        let since = Instant::now();
        *self.lock() = Some(Running {
            generation: Arc::clone(generation),
            kind,
            session: session.clone(),
            since,
        });
        Mark { clock: self, since }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Removed when the call is over, however it ends.
struct Mark<'a> {
    clock: &'a CallClock,
    since: Instant,
}

impl Mark<'_> {
    fn finish(self) -> Duration {
        self.since.elapsed()
    }
}

impl Drop for Mark<'_> {
    fn drop(&mut self) {
        let over = self.clock.lock().take();
        // It may hold the last reference to a generation, whose end runs code
        // of the adapter: not under the lock.
        drop(over);
    }
}

#[cfg(test)]
mod tests;
