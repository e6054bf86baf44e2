//! A session in memory: what it has to do, one after the other.
//!
//! Owns a session's inputs in their order and its record as it was last
//! committed. Deliberately runs nothing; `turns` does. Invariant: a slot that
//! is busy is in the queue of ready work, on a worker, or waits for a commit,
//! and is in one of these places only.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use kefu_core::{
    outbox::OutboxEntry,
    problem::Problem,
    session::{Fallback, Record},
    trail::CallEnd,
    turn::{Input, Reply},
};
use kefu_plugin_api::{http::HttpRequest, ids::SessionId};

use super::{
    IdempotencyKey, VisitorKey,
    inbound::{Fetching, Wanted},
    replay::Replay,
    rota::Lane,
};
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
    /// Whose adapter also sees the session that is created, with nothing sent.
    pub(super) shadow: Option<Fallback>,
    /// The event of the inbox that this is.
    pub(super) inbox: Option<u64>,
    /// The entry that was given up, and why.
    pub(super) dead: Option<(Box<OutboxEntry>, String)>,
    /// How the call ended whose end this is.
    pub(super) ended: Option<Box<CallEnd>>,
    /// The dead letter that it tries again.
    pub(super) revived: Option<String>,
    /// Whether the adapter is left out, because it failed on this before.
    pub(super) without_adapter: bool,
    /// What was found out before the turn had to wait for another provider.
    pub(super) replay: Option<Box<Replay>>,
    /// The trace that the request belongs to.
    pub(super) trace: Option<String>,
    /// For a turn that can wait for media: what is known of them.
    pub(super) fetching: Option<Box<Fetching>>,
}

impl TurnJob {
    pub(super) fn new(input: Input) -> Self {
        Self {
            input,
            asker: None,
            key: None,
            create: None,
            shadow: None,
            inbox: None,
            dead: None,
            ended: None,
            revived: None,
            without_adapter: false,
            replay: None,
            trace: None,
            fetching: None,
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
    /// It needs media that are not here yet; nothing of it was kept.
    NeedsMedia(Wanted),
    /// It was not written.
    NotStored(StoreError),
    /// The form of an attempt.
    Prepared(HttpRequest),
}

/// A session in memory.
pub(super) struct Slot {
    pub(super) id: SessionId,
    inner: Mutex<Inner>,
    /// Whether a call of its adapter was given up and has not returned.
    hung: AtomicBool,
}

#[derive(Default)]
struct Inner {
    jobs: VecDeque<Job>,
    busy: bool,
    /// The session as it was last committed.
    record: Option<Arc<Record>>,
    used: u64,
}

impl Slot {
    pub(super) fn new(id: SessionId) -> Self {
        Self {
            id,
            inner: Mutex::default(),
            hung: AtomicBool::new(false),
        }
    }

    pub(super) fn record(&self) -> Option<Arc<Record>> {
        self.lock().record.clone()
    }

    pub(super) fn set_record(&self, record: Option<Arc<Record>>) {
        self.lock().record = record;
    }

    /// Takes one more job, unless so many wait already and it may be refused.
    /// Whether the slot has to be queued for it.
    pub(super) fn add(&self, job: Job, used: u64, limit: Option<usize>) -> Result<bool, Job> {
        let mut inner = self.lock();
        inner.used = used;
        if limit.is_some_and(|limit| inner.jobs.len() >= limit) {
            return Err(job);
        }
        inner.jobs.push_back(job);
        Ok(!std::mem::replace(&mut inner.busy, true))
    }

    pub(super) fn next_job(&self) -> Option<Job> {
        self.lock().jobs.pop_front()
    }

    /// The job goes on later, before all others.
    pub(super) fn put_back(&self, job: Job) {
        self.lock().jobs.push_front(job);
    }

    /// Nobody works on it any more. Whether it has to be queued again.
    pub(super) fn rest(&self) -> bool {
        let mut inner = self.lock();
        inner.busy = !inner.jobs.is_empty();
        inner.busy
    }

    pub(super) fn is_busy(&self) -> bool {
        self.lock().busy
    }

    /// When it was used last, if it has nothing to do and nothing to remember
    /// beside its record.
    pub(super) fn idle_since(&self) -> Option<u64> {
        let inner = self.lock();
        (!inner.busy && !self.is_hung()).then_some(inner.used)
    }

    /// The provider that its next job calls; `None` where the session has to
    /// be read to know.
    pub(super) fn lane(&self) -> Lane {
        let inner = self.lock();
        let of = |record: &Record| record.provider.clone();
        match inner.jobs.front().map(|job| &job.what) {
            Some(What::Prepare { entry, .. }) => Some(entry.provider.clone()),
            Some(What::Turn(job)) => job
                .replay
                .as_ref()
                .map(|replay| replay.provider().clone())
                .or_else(|| job.create.as_ref().map(of))
                .or_else(|| inner.record.as_deref().map(of)),
            None => inner.record.as_deref().map(of),
        }
    }

    /// While a call that was given up has not returned, the adapter is not
    /// called for this session: whatever keeps it may keep the next call too.
    pub(super) fn is_hung(&self) -> bool {
        self.hung.load(Ordering::Acquire)
    }

    pub(super) fn set_hung(&self, hung: bool) {
        self.hung.store(hung, Ordering::Release);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
