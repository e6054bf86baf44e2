//! A child that is always there, though each one may end.
//!
//! Owns one adapter's current child, the start of the next when it dies, and
//! the second try of calls that were under way in one that died. Deliberately
//! counts no faults and quarantines nobody; [`guard`](crate::plugin::guard)
//! does. Invariants: a call ends in bounded time with an answer or a fault; it
//! runs at most twice; the second time nothing else runs beside it, so that
//! only a call that ended two children is blamed for an end; a call that no child
//! took is an absence and nobody's fault.

mod keeper;

use std::{
    fmt, io,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use kefu_core::config::Isolation;
use kefu_plugin_api::ids::ProviderId;

use self::keeper::Keeper;
use super::{CallError, Child, Death, Launch, Nursery};
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
    keeper: Arc<Keeper>,
    about: Arc<About>,
    times: Vec<StageTime>,
    budget: AtomicU64,
    /// Ordinary calls read; the second try of a call writes, to be alone.
    turn: RwLock<()>,
    thread: Option<JoinHandle<()>>,
}

impl fmt::Debug for Supervisor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Supervisor")
            .field("provider", &self.keeper.launch.provider)
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
        let keeper = Arc::new(Keeper::new(child, nursery, launch, observer));
        let keeping = Arc::clone(&keeper);
        let thread = thread::Builder::new()
            .name("adapter-keeper".into())
            .spawn(move || keeping.keep())?;
        let supervisor = Self {
            keeper,
            about,
            times,
            budget: AtomicU64::new(0),
            turn: RwLock::new(()),
            thread: Some(thread),
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
        self.keeper.status()
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
            provider = %self.keeper.launch.provider,
            death = %first,
            "a call is repeated on the next child"
        );
        let second = {
            let _alone = self.turn.write().unwrap_or_else(PoisonError::into_inner);
            self.attempt(function, input)?
        };
        second.map_err(|death| {
            // Whoever made it has to wait; nobody else has to.
            self.keeper.excuse([&first, &death]);
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
            let child = self.keeper.serving(patience, dead.as_ref())?;
            match child.call(function, input, budget) {
                Ok(bytes) => return Ok(Ok(bytes)),
                Err(CallError::Fault(fault)) => return Err(fault),
                Err(error @ CallError::Overdue { .. }) => {
                    return Err(Fault::new(FaultKind::Timeout, error.to_string()));
                }
                Err(error @ CallError::Busy { .. }) => {
                    return Err(Fault::new(FaultKind::Unavailable, error.to_string()));
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
        self.keeper.stop();
        if let Some(thread) = self.thread.take() {
            // It panicked or it ended; there is nothing to do about either.
            let _ = thread.join();
        }
    }
}

/// How long a call waits for the next child, at least.
const PATIENCE: Duration = Duration::from_secs(2);
