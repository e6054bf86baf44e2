//! Shadows: what another provider's adapter would have made of real sessions.
//!
//! Owns the copies of sessions in memory, the thread that runs their turns, and
//! the account of what came of it. The rules are `kefu_core::shadow`'s. Nothing
//! is sent, stored or shown to anybody but operators. Deliberately not in the
//! way of the real session: a committed turn is put into a bounded queue and
//! forgotten; when the queue is full the copy of that session is given up and
//! counted. Adapter calls are made one at a time, past the guard of live calls,
//! on a thread of their own for each provider: what fails or hangs here counts
//! here, and quarantines nobody. Invariant: of what was said nothing but its
//! kind stays.
//!
//! | module | what it owns |
//! |---|---|
//! | `worker` | the copies, and their turns |
//! | `caller` | one call at a time, given up when it takes too long |
//! | `account` | counts and findings |
//! | `words` | reasons without what was said |

mod account;
mod caller;
mod words;
mod worker;

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
        mpsc::{SyncSender, sync_channel},
    },
    thread,
};

use arc_swap::ArcSwap;
use kefu_core::{
    command::Command,
    config::Config,
    session::{Fallback, Record},
};
use kefu_plugin_api::ids::SessionId;

pub use self::account::{
    CallCounts, Finding, FindingKind, KindCount, MessageCounts, ShadowReport, Watched,
};
use self::{
    account::Accounts,
    worker::{Worker, WorkerParts},
};
use crate::{plugin::Registry, session::Follower, telemetry::Metrics};

/// What shadows are made of.
pub struct Parts {
    /// The adapters.
    pub registry: Arc<Registry>,
    /// The configuration in force.
    pub config: Arc<ArcSwap<Config>>,
    /// Where vendors would call back: `https://…`, without a slash at the end.
    pub public_url: String,
    /// The numbers.
    pub metrics: Metrics,
    /// How much is kept in memory.
    pub limits: Limits,
}

/// How much is kept in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Copies of sessions; the one that was used least lately makes way.
    pub sessions: usize,
    /// Turns that wait to be followed.
    pub queue: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            sessions: 1_000,
            queue: 4_096,
        }
    }
}

/// The running shadows. Cheap to clone; ends with its last clone.
#[derive(Clone)]
pub struct Shadows(Arc<Inner>);

struct Inner {
    queue: SyncSender<Seen>,
    followed: Arc<Followed>,
    accounts: Arc<Accounts>,
}

/// Something that happened to a real session.
enum Seen {
    Opened {
        record: Arc<Record>,
        watched: Watched,
        shadow: Fallback,
    },
    WentOn {
        before: Arc<Record>,
        after: Arc<Record>,
        command: Option<Command>,
    },
}

/// Which sessions have a copy.
#[derive(Default)]
struct Followed {
    sessions: Mutex<BTreeSet<SessionId>>,
    /// How many, so that nobody takes the lock while there are none.
    count: AtomicUsize,
}

impl std::fmt::Debug for Shadows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shadows").finish_non_exhaustive()
    }
}

impl Shadows {
    /// Begins.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn start(parts: Parts) -> std::io::Result<Self> {
        let Parts {
            registry,
            config,
            public_url,
            metrics,
            limits,
        } = parts;
        let (queue, seen) = sync_channel(limits.queue);
        let followed = Arc::<Followed>::default();
        let accounts = Arc::new(Accounts::new(metrics));
        let worker = Worker::new(WorkerParts {
            registry,
            config,
            public_url,
            followed: Arc::clone(&followed),
            accounts: Arc::clone(&accounts),
            most: limits.sessions,
        });
        thread::Builder::new()
            .name("shadows".into())
            .spawn(move || worker.run(&seen))?;
        Ok(Self(Arc::new(Inner {
            queue,
            followed,
            accounts,
        })))
    }

    /// What has come of it, for every desk, provider and shadow, in their
    /// order; counted since the gateway started.
    pub fn reports(&self) -> Vec<ShadowReport> {
        self.0.accounts.reports()
    }

    /// What has come of one of them, without its findings; `None` if no session
    /// has opened by such a route.
    pub fn summary(&self, watched: &Watched) -> Option<ShadowReport> {
        let reports = self.reports();
        let mut report = reports.into_iter().find(|it| it.watched == *watched)?;
        report.findings.clear();
        Some(report)
    }

    /// Queues what was seen of a session. A copy that has missed something is
    /// none any more.
    fn put(&self, seen: Seen, session: &SessionId) {
        if self.0.queue.try_send(seen).is_err() {
            self.0.followed.remove(session);
            self.0.accounts.left_out_of(session);
        }
    }
}

impl Follower for Shadows {
    fn opened(&self, record: &Arc<Record>, shadow: Fallback) {
        let watched = Watched {
            desk: record.desk.clone(),
            provider: record.provider.clone(),
            shadow: shadow.provider.clone(),
        };
        // Before the worker can come across it.
        self.0.accounts.opened(&record.id, &watched);
        self.0.followed.add(&record.id);
        let seen = Seen::Opened {
            record: Arc::clone(record),
            watched,
            shadow,
        };
        self.put(seen, &record.id);
    }

    fn follows(&self, session: &SessionId) -> bool {
        self.0.followed.has(session)
    }

    fn went_on(&self, before: Arc<Record>, after: &Arc<Record>, command: Option<Command>) {
        let seen = Seen::WentOn {
            before,
            after: Arc::clone(after),
            command,
        };
        self.put(seen, &after.id);
    }
}

impl Followed {
    fn add(&self, session: &SessionId) {
        let mut sessions = self.lock();
        sessions.insert(session.clone());
        self.count.store(sessions.len(), Ordering::Release);
    }

    fn remove(&self, session: &SessionId) {
        let mut sessions = self.lock();
        sessions.remove(session);
        self.count.store(sessions.len(), Ordering::Release);
    }

    fn has(&self, session: &SessionId) -> bool {
        self.count.load(Ordering::Acquire) > 0 && self.lock().contains(session)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<SessionId>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
