//! Finds or starts a session's slot, keeps its inputs in order, and hands
//! slots with work to the worker threads.
//!
//! Owns the sessions in memory. Invariants: a slot is at most once in the
//! queue of ready work or on a worker; a slot is forgotten only while it has
//! nothing to do, under the same lock under which work is given to it, so that
//! no session ever has two slots.

use std::{
    collections::{HashMap, VecDeque},
    hash::{DefaultHasher, Hash, Hasher},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use kefu_core::{
    outbox::OutboxEntry,
    problem::Problem,
    session::Record,
    turn::{Input, Reply},
};
use kefu_plugin_api::{http::HttpRequest, ids::SessionId};

use super::{IdempotencyKey, VisitorKey};
use crate::store::StoreError;

/// One input of a session, with whoever waits for its end.
pub(super) struct Job {
    pub(super) what: What,
    pub(super) done: Option<EndedFn>,
}

pub(super) type EndedFn = Box<dyn FnOnce(Ended) + Send>;

pub(super) enum What {
    Turn(Box<TurnJob>),
    Prepare {
        entry: Box<OutboxEntry>,
        attempt: u32,
    },
}

/// A turn to be run.
pub(super) struct TurnJob {
    pub(super) input: Input,
    /// Whose session it must be.
    pub(super) asker: Option<VisitorKey>,
    /// For a request that may come twice.
    pub(super) key: Option<IdempotencyKey>,
    /// The session, if it is to be created.
    pub(super) create: Option<Record>,
    /// The event of the inbox that this is.
    pub(super) inbox: Option<u64>,
    /// The entry that was given up, and why.
    pub(super) dead: Option<(Box<OutboxEntry>, String)>,
    /// Whether the adapter is left out, because it failed on this before.
    pub(super) without_adapter: bool,
}

impl TurnJob {
    pub(super) fn new(input: Input) -> Self {
        Self {
            input,
            asker: None,
            key: None,
            create: None,
            inbox: None,
            dead: None,
            without_adapter: false,
        }
    }
}

/// How a job ended.
pub(super) enum Ended {
    /// It is durable.
    Ran { reply: Reply, record: Arc<Record> },
    /// The call stays where it is and is repeated with a new token.
    RenewToken(String),
    /// The visitor is told why not.
    Refused(Problem),
    /// This visitor has a session open at this desk.
    AlreadyOpen,
    /// There is no such session, or not for this visitor.
    Gone,
    /// The adapter failed on it.
    AdapterFailed(String),
    /// No adapter serves the session's provider at the moment.
    ProviderAbsent(String),
    /// It was not written.
    NotStored(StoreError),
    /// The form of an attempt.
    Prepared(HttpRequest),
}

/// A session in memory.
pub(super) struct Slot {
    pub(super) id: SessionId,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    jobs: VecDeque<Job>,
    /// In the queue of ready work, on a worker, or waiting for a commit.
    busy: bool,
    /// The session as it was last committed.
    record: Option<Arc<Record>>,
    used: u64,
}

impl Slot {
    pub(super) fn record(&self) -> Option<Arc<Record>> {
        self.lock().record.clone()
    }

    pub(super) fn set_record(&self, record: Option<Arc<Record>>) {
        self.lock().record = record;
    }

    pub(super) fn next_job(&self) -> Option<Job> {
        self.lock().jobs.pop_front()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Work for a worker thread.
pub(super) enum Work {
    Session(Arc<Slot>),
    Callback(Box<dyn FnOnce(&super::worker::Seat) + Send>),
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

#[derive(Default)]
struct Ready {
    work: VecDeque<Work>,
    closed: bool,
}

/// Too many inputs wait for this session.
pub(super) struct QueueFull(pub(super) Job);

const SHARDS: usize = 16;

impl Dispatcher {
    pub(super) fn new(capacity: usize, queue_limit: usize) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            ready: Mutex::default(),
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
        let slot = Arc::clone(shard.entry(session.clone()).or_insert_with(|| {
            Arc::new(Slot {
                id: session.clone(),
                inner: Mutex::default(),
            })
        }));
        let mut inner = slot.lock();
        inner.used = self.tick.fetch_add(1, Ordering::Relaxed);
        if inner.jobs.len() >= self.queue_limit && !must_take {
            return Err(QueueFull(job));
        }
        inner.jobs.push_back(job);
        if !std::mem::replace(&mut inner.busy, true) {
            drop(inner);
            self.push(Work::Session(slot));
        }
        Ok(())
    }

    /// A worker or a commit is through with a slot.
    pub(super) fn release(&self, slot: &Arc<Slot>) {
        let mut inner = slot.lock();
        if inner.jobs.is_empty() {
            inner.busy = false;
        } else {
            drop(inner);
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
            shard.values().any(|slot| slot.lock().busy)
        })
    }

    pub(super) fn push(&self, work: Work) {
        self.lock_ready().work.push_back(work);
        self.wake.notify_one();
    }

    /// Waits for work. `None` when there will be none any more.
    pub(super) fn next(&self) -> Option<Work> {
        let mut ready = self.lock_ready();
        loop {
            if let Some(work) = ready.work.pop_front() {
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
        .filter_map(|slot| {
            let inner = slot.lock();
            (!inner.busy).then_some(inner.used)
        })
        .collect();
    let surplus = shard.len().saturating_sub(keep).min(used.len());
    if surplus == 0 {
        return;
    }
    let (_, &mut newest_to_go, _) = used.select_nth_unstable(surplus - 1);
    shard.retain(|_, slot| {
        let inner = slot.lock();
        inner.busy || inner.used > newest_to_go
    });
}
