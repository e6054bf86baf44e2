//! Finds or starts a session's slot, keeps its inputs in order, and hands
//! slots with work to the worker threads.
//!
//! Owns the sessions in memory and the queue of ready work; whose turn it is
//! decides [`Rota`]. Invariants: a slot is at most once in the queue of ready
//! work or on a worker; a slot is forgotten only while it has nothing to do,
//! under the same lock under which work is given to it, so that no session ever
//! has two slots.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    hash::{DefaultHasher, Hash, Hasher},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use kefu_core::session::Record;
use kefu_plugin_api::ids::{ProviderId, SessionId};

use super::{
    rota::{Lane, Rota},
    slot::{EndedFn, Job, Slot},
    worker::Seat,
};

/// Work for a worker thread.
pub(super) enum Work {
    /// The next job of a session.
    Session(Arc<Slot>),
    /// A call of an adapter that belongs to no session.
    Call(Call),
}

/// A call of an adapter that belongs to no session.
pub(super) struct Call {
    /// Whose adapter.
    pub(super) provider: ProviderId,
    /// The call.
    pub(super) run: Box<dyn FnOnce(&Seat) + Send>,
    /// Told instead, if the call does not return.
    pub(super) given_up: EndedFn,
}

impl Work {
    fn lane(&self) -> Lane {
        match self {
            Self::Session(slot) => slot.lane(),
            Self::Call(call) => Some(call.provider.clone()),
        }
    }
}

/// Slots and ready work.
pub(super) struct Dispatcher {
    shards: Vec<Mutex<HashMap<SessionId, Arc<Slot>>>>,
    ready: Mutex<Ready>,
    wake: Condvar,
    tick: AtomicU64,
    /// Sessions kept in memory in each shard.
    shard_capacity: usize,
    /// Inputs that may wait for one session.
    queue_limit: usize,
}

struct Ready {
    rota: Rota<Work>,
    closed: bool,
}

/// Too many inputs wait for this session.
pub(super) struct QueueFull(pub(super) Job);

const SHARDS: usize = 16;

impl Dispatcher {
    pub(super) fn new(capacity: usize, queue_limit: usize, rota: Rota<Work>) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            ready: Mutex::new(Ready {
                rota,
                closed: false,
            }),
            wake: Condvar::new(),
            tick: AtomicU64::new(0),
            shard_capacity: capacity.div_ceil(SHARDS).max(1),
            queue_limit: queue_limit.max(1),
        }
    }

    /// Gives a session something to do.
    ///
    /// What visitors ask is refused when too much waits; what is already
    /// durable (`must_take`) never is.
    pub(super) fn submit(
        &self,
        session: &SessionId,
        job: Job,
        must_take: bool,
    ) -> Result<(), QueueFull> {
        let mut shard = self.shard(session);
        if shard.len() >= self.shard_capacity && !shard.contains_key(session) {
            forget_idle(&mut shard, self.shard_capacity / 2);
        }
        let slot = Arc::clone(
            shard
                .entry(session.clone())
                .or_insert_with(|| Arc::new(Slot::new(session.clone()))),
        );
        let used = self.tick.fetch_add(1, Ordering::Relaxed);
        let limit = (!must_take).then_some(self.queue_limit);
        if slot.add(job, used, limit).map_err(QueueFull)? {
            self.push(Work::Session(slot));
        }
        Ok(())
    }

    /// A worker or a commit is through with a slot.
    pub(super) fn release(&self, slot: &Arc<Slot>) {
        if slot.rest() {
            self.push(Work::Session(Arc::clone(slot)));
        }
    }

    /// The session as it was last committed, if it is in memory.
    pub(super) fn peek(&self, session: &SessionId) -> Option<Arc<Record>> {
        self.shard(session)
            .get(session)
            .and_then(|slot| slot.record())
    }

    /// How many sessions are in memory.
    pub(super) fn len(&self) -> usize {
        self.shards
            .iter()
            .map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner).len())
            .sum()
    }

    /// Whether any session has something to do.
    pub(super) fn is_busy(&self) -> bool {
        self.shards.iter().any(|shard| {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            shard.values().any(|slot| slot.is_busy())
        })
    }

    /// Queues work after what waits for the same provider.
    pub(super) fn push(&self, work: Work) {
        let lane = work.lane();
        self.lock_ready().rota.push(lane, work);
        self.wake.notify_one();
    }

    /// Waits for work; `before` is what the thread has just left. `None` when
    /// there will be none any more.
    pub(super) fn next(&self, before: Option<Lane>) -> Option<(Lane, Work)> {
        let mut ready = self.lock_ready();
        if let Some(lane) = before {
            ready.rota.leave(&lane);
        }
        loop {
            if let Some(work) = ready.rota.take() {
                // What this thread has left may let others go on too.
                if ready.rota.can_take() {
                    self.wake.notify_one();
                }
                return Some(work);
            }
            if ready.closed {
                return None;
            }
            ready = self
                .wake
                .wait(ready)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// A thread that works for one provider wants to call another. Whether it
    /// may.
    pub(super) fn try_switch(&self, from: &Lane, to: &Lane) -> bool {
        let mut ready = self.lock_ready();
        let may = ready.rota.try_switch(from, to);
        if may && ready.rota.can_take() {
            self.wake.notify_one();
        }
        may
    }

    /// A call does not return; another thread takes the place of its own.
    pub(super) fn give_up(&self, lane: &Lane) {
        self.lock_ready().rota.give_up(lane);
        self.wake.notify_all();
    }

    /// A call that was given up has returned after all.
    pub(super) fn came_back(&self, lane: &Lane) {
        self.lock_ready().rota.came_back(lane);
        self.wake.notify_all();
    }

    /// The providers that can begin no call because of late ones: calls under
    /// way that are `late`, and calls that were `given_up`. So many threads may
    /// be replaced.
    pub(super) fn blocked(
        &self,
        late: &BTreeMap<ProviderId, usize>,
        given_up: &BTreeMap<ProviderId, usize>,
        spare: usize,
    ) -> BTreeSet<ProviderId> {
        let mut ready = self.lock_ready();
        ready.rota.set_spare(spare);
        ready.rota.set_given_up(given_up);
        if ready.rota.can_take() {
            self.wake.notify_all();
        }
        ready.rota.blocked(late)
    }

    /// Names the providers whose work is refused without a call.
    pub(super) fn set_refusing(&self, providers: &BTreeSet<ProviderId>) {
        let mut ready = self.lock_ready();
        ready.rota.set_refusing(providers);
        if ready.rota.can_take() {
            self.wake.notify_all();
        }
    }

    /// Lets the workers go when they have run out of work.
    pub(super) fn close(&self) {
        self.lock_ready().closed = true;
        self.wake.notify_all();
    }

    /// Waits until nothing is to be done, at most so long. Whether that was
    /// reached.
    pub(super) fn settle(&self, patience: Duration) -> bool {
        let deadline = std::time::Instant::now() + patience;
        while self.is_busy() {
            if std::time::Instant::now() >= deadline {
                return false;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        true
    }

    fn shard(&self, session: &SessionId) -> MutexGuard<'_, HashMap<SessionId, Arc<Slot>>> {
        let mut hasher = DefaultHasher::new();
        session.hash(&mut hasher);
        let index = usize::try_from(hasher.finish() % SHARDS as u64).unwrap_or_default();
        self.shards[index]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_ready(&self) -> MutexGuard<'_, Ready> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Forgets the sessions that were used longest ago, down to about so many.
fn forget_idle(shard: &mut HashMap<SessionId, Arc<Slot>>, keep: usize) {
    let mut used: Vec<u64> = shard
        .values()
        .filter_map(|slot| slot.idle_since())
        .collect();
    let surplus = shard.len().saturating_sub(keep).min(used.len());
    if surplus == 0 {
        return;
    }
    let (_, &mut newest_to_go, _) = used.select_nth_unstable(surplus - 1);
    shard.retain(|_, slot| slot.idle_since().is_none_or(|used| used > newest_to_go));
}

#[cfg(test)]
mod tests;
