//! A child that is always there, though each one may end.
//!
//! Owns one adapter's current child, the start of the next when it dies, and
//! the second try of calls that were under way in one that died. Deliberately
//! counts no faults and quarantines nobody; [`guard`](crate::plugin::guard)
//! does. Invariants: a call ends in bounded time with an answer or a fault; it
//! runs at most twice; the second time nothing else runs beside it, so that
//! only a call that ended two children is blamed for an end.

use std::{
    collections::VecDeque,
    fmt,
    hash::{BuildHasher, RandomState},
    io,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use kefu_core::config::Isolation;
use kefu_plugin_api::ids::ProviderId;

use super::{CallError, Child, ChildError, Death, How, Launch, Nursery, process::Process};
use crate::plugin::{
    About, Fault, FaultKind, Function, ProcessStatus, StageTime,
    opened::{Bytes, Opened},
};

/// Sees the ends and the new starts of children: for metrics.
pub trait ChildObserver: Send + Sync {
    /// A child that served ended by itself, or was ended for what it did.
    fn died(&self, provider: &ProviderId, death: &Death);

    /// The next one takes calls, so long after the end of the one before.
    fn restarted(&self, provider: &ProviderId, took: Duration);
}

/// Keeps one adapter's child alive. Dropping it ends the child.
pub struct Supervisor {
    shared: Arc<Shared>,
    about: Arc<About>,
    times: Vec<StageTime>,
    budget: AtomicU64,
    /// Ordinary calls read; the second try of a call writes, to be alone.
    turn: RwLock<()>,
    keeper: Option<JoinHandle<()>>,
}

/// What the supervisor and its thread share.
struct Shared {
    nursery: Nursery,
    launch: Launch,
    observer: Option<Arc<dyn ChildObserver>>,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    now: Now,
    restarts: u64,
    last_restart: Option<Duration>,
    last_death: Option<String>,
    /// When children died lately.
    deaths: VecDeque<Instant>,
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

impl fmt::Debug for Supervisor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Supervisor")
            .field("provider", &self.shared.launch.provider)
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}

impl Supervisor {
    /// Takes over a child that takes calls, with what it was started with. A
    /// call may take as long as the budget.
    ///
    /// # Errors
    /// If the thread that watches over it cannot be started.
    pub fn adopt(
        child: Child,
        nursery: Nursery,
        launch: Launch,
        budget: Duration,
        observer: Option<Arc<dyn ChildObserver>>,
    ) -> io::Result<Self> {
        let about = Arc::clone(child.about());
        let times = child.times().to_vec();
        let shared = Arc::new(Shared {
            nursery,
            // One that serves may take as much time as it needs.
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
                deaths: VecDeque::new(),
            }),
            changed: Condvar::new(),
        });
        let keeping = Arc::clone(&shared);
        let keeper = thread::Builder::new()
            .name("adapter-keeper".into())
            .spawn(move || keeping.keep())?;
        let supervisor = Self {
            shared,
            about,
            times,
            budget: AtomicU64::new(0),
            turn: RwLock::new(()),
            keeper: Some(keeper),
        };
        supervisor.set_budget(budget);
        Ok(supervisor)
    }

    /// Changes how long a call may take, for calls that begin from now on.
    pub fn set_budget(&self, budget: Duration) {
        let budget = u64::try_from(budget.as_millis()).unwrap_or(u64::MAX);
        self.budget.store(budget, Ordering::Relaxed);
    }

    /// The facts of the file that its children load.
    pub fn about(&self) -> &Arc<About> {
        &self.about
    }

    /// How long each stage of the first child's start took.
    pub fn times(&self) -> &[StageTime] {
        &self.times
    }

    /// The child as operators see it.
    pub fn status(&self) -> ProcessStatus {
        let state = self.shared.lock();
        let child = match &state.now {
            Now::Serving(child) => Some(Arc::clone(child)),
            _ => None,
        };
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
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

    /// Calls a function of the adapter, in this child or the next.
    ///
    /// # Errors
    /// Why there is no answer.
    pub fn call(&self, function: Function, input: &[u8]) -> Result<Vec<u8>, Fault> {
        let first = {
            let _with_others = self.turn.read().unwrap_or_else(PoisonError::into_inner);
            self.attempt(function, input)?
        };
        let first = match first {
            Ok(bytes) => return Ok(bytes),
            Err(death) => death,
        };
        tracing::debug!(
            provider = %self.shared.launch.provider,
            death = %first,
            "a call is repeated on the next child"
        );
        let second = {
            let _alone = self.turn.write().unwrap_or_else(PoisonError::into_inner);
            self.attempt(function, input)?
        };
        second.map_err(|death| {
            Fault::new(
                FaultKind::Crash,
                format!("it did so twice, the second time alone: {death}"),
            )
        })
    }

    /// One try; the inner error is the end of a child that the call was under
    /// way in. One that ended before the call reached it counts for nothing.
    fn attempt(
        &self,
        function: Function,
        input: &[u8],
    ) -> Result<Result<Vec<u8>, Arc<Death>>, Fault> {
        let budget = Duration::from_millis(self.budget.load(Ordering::Relaxed));
        let patience = Instant::now() + PATIENCE.max(budget);
        let mut dead = None;
        loop {
            let child = self.shared.serving(patience, dead.as_ref())?;
            match child.call(function, input, budget) {
                Ok(bytes) => return Ok(Ok(bytes)),
                Err(CallError::Fault(fault)) => return Err(fault),
                Err(error @ (CallError::Overdue { .. } | CallError::Busy { .. })) => {
                    return Err(Fault::new(FaultKind::Timeout, error.to_string()));
                }
                Err(CallError::Died {
                    death,
                    under_way: true,
                }) => return Ok(Err(death)),
                Err(CallError::Died { .. }) => dead = Some(child),
            }
        }
    }
}

impl Opened for Supervisor {
    fn call(&self, function: Function, input: &[u8]) -> Result<Bytes, Fault> {
        Self::call(self, function, input).map(Bytes::Own)
    }

    fn isolation(&self) -> Isolation {
        Isolation::Process
    }

    fn set_budget(&self, budget: Duration) {
        Self::set_budget(self, budget);
    }

    fn process(&self) -> Option<ProcessStatus> {
        Some(self.status())
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        let before = {
            let mut state = self.shared.lock();
            std::mem::replace(&mut state.now, Now::Stopped)
        };
        self.shared.changed.notify_all();
        match before {
            // The keeper holds it too and waits for its end.
            Now::Serving(child) => child.dismiss(),
            Now::Starting(Some(process)) => process.end(How::Dismissed),
            _ => {}
        }
        if let Some(keeper) = self.keeper.take() {
            // It panicked or it ended; there is nothing to do about either.
            let _ = keeper.join();
        }
    }
}

impl Shared {
    /// The child that serves, other than one that is known to be dead.
    fn serving(&self, patience: Instant, dead: Option<&Arc<Child>>) -> Result<Arc<Child>, Fault> {
        let is_dead = |child: &Arc<Child>| dead.is_some_and(|dead| Arc::ptr_eq(dead, child));
        let crash = |text: String| Err(Fault::new(FaultKind::Crash, text));
        let mut state = self.lock();
        loop {
            match &state.now {
                Now::Serving(child) if !is_dead(child) => return Ok(Arc::clone(child)),
                Now::Serving(_) | Now::Starting(_) => {}
                Now::Resting { until, why } => {
                    let left = until.saturating_duration_since(Instant::now());
                    return crash(format!(
                        "it is not called for another {} ms: {why}",
                        left.as_millis()
                    ));
                }
                Now::Stopped => return crash("its process was ended for good".into()),
            }
            let left = patience.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return crash("the next process does not come up in time".into());
            }
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// What the thread does: waits for an end, brings the next.
    fn keep(&self) {
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
        state.deaths.push_back(now);
        while state
            .deaths
            .front()
            .is_some_and(|at| now.duration_since(*at) > FREQUENT.1)
        {
            state.deaths.pop_front();
        }
        let (ends, within) = (state.deaths.len(), FREQUENT.1.as_secs());
        let rest = (ends > FREQUENT.0).then(|| Rest {
            time: backoff(ends - FREQUENT.0),
            why: format!("{ends} of its processes ended within {within} s, the last: {death}"),
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

/// How long a call waits for the next child, at least.
const PATIENCE: Duration = Duration::from_secs(2);
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
}
