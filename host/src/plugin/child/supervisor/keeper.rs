//! The thread behind a supervisor.
//!
//! Owns what serves now, the memory of ends, and the start of the next child.
//! Deliberately calls no adapter. Invariants: while children are wanted one
//! serves, is being started, or is waited with for a stated time; a child that
//! comes up after nobody wants it any more is ended at once.

use std::{
    collections::VecDeque,
    hash::{BuildHasher, RandomState},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::ChildObserver;
use crate::plugin::{
    Fault, FaultKind, ProcessStatus,
    child::{Child, ChildError, Death, How, Launch, Nursery, process::Process},
};

/// What the supervisor and its thread share.
pub(super) struct Keeper {
    nursery: Nursery,
    pub(super) launch: Launch,
    observer: Option<Arc<dyn ChildObserver>>,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    now: Now,
    restarts: u64,
    last_restart: Option<Duration>,
    last_death: Option<String>,
    lately: Lately,
}

/// Which children ended lately, and when.
#[derive(Default)]
struct Lately {
    ends: VecDeque<(Instant, u32)>,
    /// Those whose end is a call's, also if it is noted only now.
    excused: VecDeque<u32>,
}

impl Lately {
    /// One more end. If there were too many: how many, and how long nothing
    /// should be started.
    fn note(&mut self, pid: u32, now: Instant) -> Option<(usize, Duration)> {
        if self.excused.contains(&pid) {
            return None;
        }
        self.ends.push_back((now, pid));
        let is_past = |(at, _): &(Instant, u32)| now.duration_since(*at) > FREQUENT.1;
        while self.ends.front().is_some_and(is_past) {
            self.ends.pop_front();
        }
        let ends = self.ends.len();
        (ends > FREQUENT.0).then(|| (ends, backoff(ends - FREQUENT.0)))
    }

    /// A call is to blame for the ends of these, and not the adapter as a
    /// whole.
    fn excuse(&mut self, pids: [u32; 2]) {
        self.ends.retain(|(_, pid)| !pids.contains(pid));
        self.excused.extend(pids);
        let excess = self.excused.len().saturating_sub(2 * FREQUENT.0);
        self.excused.drain(..excess);
    }
}

/// A time without a start.
struct Rest {
    time: Duration,
    why: String,
}

enum Now {
    Serving(Arc<Child>),
    /// The next one is on its way, here once its process exists.
    Starting(Option<Arc<Process>>),
    /// Too many starts failed, or too many children died.
    Resting {
        until: Instant,
        why: String,
    },
    Stopped,
}

impl Keeper {
    /// Starts with a child that takes calls.
    pub(super) fn new(
        child: Child,
        nursery: Nursery,
        launch: Launch,
        observer: Option<Arc<dyn ChildObserver>>,
    ) -> Self {
        Self {
            nursery,
            // One that serves may take as much processor time as it needs.
            launch: Launch {
                cpu_seconds: None,
                ..launch
            },
            observer,
            state: Mutex::new(State {
                now: Now::Serving(Arc::new(child)),
                restarts: 0,
                last_restart: None,
                last_death: None,
                lately: Lately::default(),
            }),
            changed: Condvar::new(),
        }
    }

    /// Ends what there is, and starts nothing any more.
    pub(super) fn stop(&self) {
        let before = std::mem::replace(&mut self.lock().now, Now::Stopped);
        self.changed.notify_all();
        match before {
            // The thread holds it too and waits for its end.
            Now::Serving(child) => child.dismiss(),
            Now::Starting(Some(process)) => process.end(How::Dismissed),
            _ => {}
        }
    }

    /// The child as operators see it.
    pub(super) fn status(&self) -> ProcessStatus {
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let state = self.lock();
        let child = match &state.now {
            Now::Serving(child) => Some(Arc::clone(child)),
            _ => None,
        };
        let status = ProcessStatus {
            pid: child.as_ref().map(|child| child.pid()),
            resident_bytes: None,
            restarts: state.restarts,
            last_restart_ms: state.last_restart.map(millis),
            last_death: state.last_death.clone(),
        };
        drop(state);
        ProcessStatus {
            resident_bytes: child.and_then(|child| child.resident_bytes()),
            ..status
        }
    }

    /// The child that serves, other than one that is known to be dead.
    pub(super) fn serving(
        &self,
        patience: Instant,
        dead: Option<&Arc<Child>>,
    ) -> Result<Arc<Child>, Fault> {
        let is_dead = |child: &Arc<Child>| dead.is_some_and(|dead| Arc::ptr_eq(dead, child));
        let none = |text: String| Err(Fault::new(FaultKind::Unavailable, text));
        let mut state = self.lock();
        loop {
            match &state.now {
                Now::Serving(child) if !is_dead(child) => return Ok(Arc::clone(child)),
                Now::Serving(_) | Now::Starting(_) => {}
                Now::Resting { until, why } => {
                    let left = until.saturating_duration_since(Instant::now());
                    return none(format!(
                        "it is not called for another {} ms: {why}",
                        left.as_millis()
                    ));
                }
                Now::Stopped => return none("its process was ended for good".into()),
            }
            let left = patience.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return none("the next process does not come up in time".into());
            }
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Does not hold these ends against the adapter: one call brought both.
    pub(super) fn excuse(&self, ends: [&Death; 2]) {
        self.lock().lately.excuse(ends.map(|death| death.pid));
    }

    /// What the thread does: waits for an end, brings the next.
    pub(super) fn keep(&self) {
        loop {
            let child = match &self.lock().now {
                Now::Serving(child) => Arc::clone(child),
                _ => return,
            };
            let death = child.wait();
            drop(child);
            let died = Instant::now();
            let Some(rest) = self.mourn(&death, died) else {
                return;
            };
            if self.bring_next(died, rest).is_none() {
                return;
            }
        }
    }

    /// Takes note of an end. How long to rest, and why; `None` if it was
    /// wanted.
    fn mourn(&self, death: &Death, now: Instant) -> Option<Option<Rest>> {
        let provider = &self.launch.provider;
        let mut state = self.lock();
        if matches!(state.now, Now::Stopped) {
            return None;
        }
        state.last_death = Some(death.to_string());
        let rest = state.lately.note(death.pid, now).map(|(ends, time)| Rest {
            time,
            why: format!(
                "{ends} of its processes ended within {} s, the last: {death}",
                FREQUENT.1.as_secs()
            ),
        });
        state.now = Now::Starting(None);
        drop(state);
        tracing::warn!(%provider, pid = death.pid, %death, "an adapter's process ended; the next one is started");
        if let Some(observer) = &self.observer {
            observer.died(provider, death);
        }
        Some(rest)
    }

    /// Starts children until one takes calls; `None` if none is wanted any
    /// more.
    fn bring_next(&self, died: Instant, mut rest: Option<Rest>) -> Option<()> {
        let provider = &self.launch.provider;
        let mut failures = 0;
        loop {
            if let Some(rest) = rest {
                self.rest(rest)?;
            }
            match self.start() {
                Ok(Some(child)) => {
                    let took = died.elapsed();
                    tracing::info!(%provider, pid = child.pid(), ms = took.as_millis(), "the next process of the adapter takes calls");
                    self.publish(child, took)?;
                    if let Some(observer) = &self.observer {
                        observer.restarted(provider, took);
                    }
                    return Some(());
                }
                Ok(None) => return None,
                Err(error) => {
                    failures += 1;
                    let stage = error.stage();
                    tracing::warn!(%provider, %stage, %error, failures, "the next process of the adapter did not come up");
                    rest = Some(Rest {
                        time: backoff(failures),
                        why: format!("its next process did not come up ({stage}): {error}"),
                    });
                }
            }
        }
    }

    /// Starts one, in a way that can be ended from outside.
    fn start(&self) -> Result<Option<Child>, ChildError> {
        let starting = self.nursery.begin(&self.launch)?;
        {
            let mut state = self.lock();
            if matches!(state.now, Now::Stopped) {
                return Ok(None);
            }
            state.now = Now::Starting(Some(starting.process()));
        }
        starting.finish(&self.launch).map(Some)
    }

    fn publish(&self, child: Child, took: Duration) -> Option<()> {
        let mut state = self.lock();
        if matches!(state.now, Now::Stopped) {
            drop(state);
            return None;
        }
        state.now = Now::Serving(Arc::new(child));
        state.restarts += 1;
        state.last_restart = Some(took);
        drop(state);
        self.changed.notify_all();
        Some(())
    }

    /// Takes no calls for a while; `None` if it is stopped meanwhile.
    fn rest(&self, rest: Rest) -> Option<()> {
        let Rest { time, why } = rest;
        let until = Instant::now() + time;
        let mut state = self.lock();
        if matches!(state.now, Now::Stopped) {
            return None;
        }
        state.now = Now::Resting { until, why };
        self.changed.notify_all();
        loop {
            if matches!(state.now, Now::Stopped) {
                return None;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                state.now = Now::Starting(None);
                return Some(());
            }
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// More ends than this in this time, and the next start is put off.
const FREQUENT: (usize, Duration) = (20, Duration::from_secs(10));
const FIRST_REST: Duration = Duration::from_millis(100);
const LONGEST_REST: Duration = Duration::from_secs(5);

/// Doubles with each failure, up or down by at most a quarter, so that many
/// providers that failed together do not start together.
fn backoff(failures: usize) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    let doubled = FIRST_REST.saturating_mul(1 << doublings);
    let random = RandomState::new().hash_one(failures) % 501;
    let jitter = 750 + u32::try_from(random).unwrap_or_default();
    doubled.min(LONGEST_REST) * jitter / 1_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rests_double_and_have_an_end() {
        for (failures, expected) in [
            (0, 100),
            (1, 100),
            (2, 200),
            (3, 400),
            (7, 5_000),
            (99, 5_000),
        ] {
            let rest = backoff(failures).as_millis();
            let (least, most) = (expected * 3 / 4, expected * 5 / 4);
            assert!((least..=most).contains(&rest), "{failures}: {rest}");
        }
    }
    #[test]
    fn many_ends_in_a_short_time_bring_longer_and_longer_rests() {
        let (mut lately, start) = (Lately::default(), Instant::now());
        let rests: Vec<_> = (0..24).map(|pid| lately.note(pid, start)).collect();
        assert!(rests[..20].iter().all(Option::is_none));
        let (ends, longest) = rests[23].expect("a rest");
        assert_eq!(ends, 24);
        assert!(longest > rests[20].expect("a rest").1);
        let later = start + FREQUENT.1 + Duration::from_secs(1);
        assert_eq!(lately.note(99, later), None);
    }

    #[test]
    fn ends_far_apart_bring_no_rest() {
        let (mut lately, start) = (Lately::default(), Instant::now());
        for second in 0..100 {
            let at = start + Duration::from_secs(second.into());
            assert_eq!(lately.note(second, at), None);
        }
    }

    #[test]
    fn ends_that_one_call_brought_bring_no_rest() {
        let (mut lately, start) = (Lately::default(), Instant::now());
        for pid in (0..100).step_by(2) {
            assert_eq!(lately.note(pid, start), None);
            // The second may be noted before or after the call says so.
            if pid % 4 == 0 {
                assert_eq!(lately.note(pid + 1, start), None);
                lately.excuse([pid, pid + 1]);
            } else {
                lately.excuse([pid, pid + 1]);
                assert_eq!(lately.note(pid + 1, start), None);
            }
        }
        assert!(lately.ends.is_empty());
        assert!(lately.excused.len() <= 2 * FREQUENT.0);
    }
}
