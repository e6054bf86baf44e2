//! The door to the sessions: what the edge and delivery ask of them.
//!
//! Owns the engine as a whole: how it is started, stopped, asked. `opening`
//! finds or makes a session, `callbacks` takes what vendors tell, `inbox` gives
//! it its turn, `settling` ends calls, `replaying` begins them again, `reopening`
//! takes those who wait to another provider.

mod callbacks;
mod canary;
mod draining;
mod inbox;
mod opening;
mod outward;
mod reopening;
pub(crate) mod replaying;
mod settling;

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use kefu_core::{
    command::Command,
    config::Config,
    log::SessionCard,
    outbox::OutboxEntry,
    problem::{Problem, Slug},
    session::Record,
    turn::Input,
};
use kefu_plugin_api::ids::{ProviderId, SessionId};
use tokio::sync::oneshot;

pub use self::reopening::Failing;
use self::{callbacks::Waiting, draining::Orphans, inbox::Inbox};
use super::{
    EventPage, IdempotencyKey, Replied, VisitorKey, clock,
    dispatcher::{Dispatcher, QueueFull},
    following::Follower,
    hub::{Hub, Subscription},
    inbound::{MediaFetcher, Settled, Wanted},
    rota::Rota,
    slot::{Ended, Job, TurnJob, What},
    timers::{Timers, Wake},
    turns::owns,
    worker,
};
use crate::{
    figures::Figures,
    plugin::Registry,
    route::Router,
    store::{PushLane, Store, StoreError, Unsent},
    telemetry::Metrics,
};

/// What the engine is made of.
pub struct Parts {
    /// Where everything is kept.
    pub store: Arc<dyn Store>,
    /// The adapters.
    pub registry: Arc<Registry>,
    /// Who chooses among them.
    pub router: Arc<Router>,
    /// The configuration in force.
    pub config: Arc<ArcSwap<Config>>,
    /// Where vendors call back: `https://…`, without a slash at the end.
    pub public_url: String,
    /// The numbers.
    pub metrics: Metrics,
    /// What providers are compared by.
    pub figures: Figures,
}

pub(super) struct Shared {
    pub(super) store: Arc<dyn Store>,
    pub(super) registry: Arc<Registry>,
    pub(super) router: Arc<Router>,
    pub(super) config: Arc<ArcSwap<Config>>,
    pub(super) metrics: Metrics,
    pub(super) figures: Figures,
    pub(super) hub: Hub,
    pub(super) dispatcher: Dispatcher,
    pub(super) timers: Timers,
    pub(super) stopped: AtomicBool,
    inbox: Inbox,
    callbacks: Waiting,
    orphans: Orphans,
    public_url: String,
    carrier: OnceLock<Carrier>,
    withdrawer: OnceLock<Withdrawer>,
    pub(super) fetcher: OnceLock<Arc<dyn MediaFetcher>>,
    pub(super) herald: OnceLock<Herald>,
    pub(super) follower: OnceLock<Arc<dyn Follower>>,
}

type Carrier = Box<dyn Fn(Vec<OutboxEntry>) + Send + Sync>;
type Withdrawer = Box<dyn Fn(&SessionId, &ProviderId, &[u64]) + Send + Sync>;
type Herald = Box<dyn Fn(PushLane) + Send + Sync>;

/// The door to the sessions. Cheap to clone.
#[derive(Clone)]
pub struct Engine(Arc<Shared>);

impl Engine {
    /// Starts the engine's threads. Nothing leaves before [`start_work`].
    ///
    /// # Errors
    /// A thread cannot be started.
    ///
    /// [`start_work`]: Self::start_work
    pub fn new(parts: Parts) -> std::io::Result<Self> {
        let Parts {
            store,
            registry,
            router,
            config,
            public_url,
            metrics,
            figures,
        } = parts;
        let (threads, spare, capacity, queue) = {
            let config = config.load();
            let threads = config
                .main
                .limits
                .engine_threads
                .map_or_else(default_threads, |threads| threads as usize)
                // One for a provider, one for the others.
                .max(2);
            (
                threads,
                config.main.limits.max_stuck_calls as usize,
                config.main.store.session_cache as usize,
                config.main.limits.session_queue as usize,
            )
        };
        let shared = Arc::new(Shared {
            store,
            registry,
            router,
            config,
            metrics,
            figures,
            hub: Hub::default(),
            dispatcher: Dispatcher::new(capacity, queue, Rota::new(threads, spare)),
            timers: Timers::default(),
            stopped: AtomicBool::new(false),
            inbox: Inbox::default(),
            callbacks: Waiting::default(),
            orphans: Orphans::default(),
            public_url,
            carrier: OnceLock::new(),
            withdrawer: OnceLock::new(),
            fetcher: OnceLock::new(),
            herald: OnceLock::new(),
            follower: OnceLock::new(),
        });
        worker::start(&shared, threads)?;
        let engine = Self(shared);
        let waker = engine.clone();
        engine.0.timers.start(move |wake| waker.wake(wake))?;
        Ok(engine)
    }

    /// Names who tells apps' servers what was committed for them; from the
    /// store's thread, so it must not block. Before [`start_work`].
    ///
    /// [`start_work`]: Self::start_work
    pub fn tell_apps(&self, herald: impl Fn(PushLane) + Send + Sync + 'static) {
        // Set once, at start, as the carrier.
        let _ = self.0.herald.set(Box::new(herald));
    }

    /// Names who leaves out calls to a vendor that were taken back; from the
    /// store's thread, so it must not block. Before [`start_work`]. Without one
    /// they still leave, and their ends change nothing.
    ///
    /// [`start_work`]: Self::start_work
    pub fn withdraw_with(
        &self,
        withdrawer: impl Fn(&SessionId, &ProviderId, &[u64]) + Send + Sync + 'static,
    ) {
        // Set once, at start, as the carrier.
        let _ = self.0.withdrawer.set(Box::new(withdrawer));
    }

    /// Names who carries calls to vendors, and takes up what was left when the
    /// gateway stopped: events that wait for their turn, timers. Gives back
    /// what waits to be sent.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn start_work(
        &self,
        carrier: impl Fn(Vec<OutboxEntry>) + Send + Sync + 'static,
    ) -> Result<Vec<Unsent>, StoreError> {
        let shared = &self.0;
        let unsent = shared.store.outbox()?;
        // Set once, at start; a second call would be a fault of the caller
        // and changes nothing.
        let _ = shared.carrier.set(Box::new(carrier));
        shared.metrics.outbox_entered(unsent.len());
        shared
            .metrics
            .sessions_found_open(shared.store.open_count()?);
        for (id, event) in shared.store.inbox()? {
            self.dispatch(id, event);
        }
        for (session, at) in shared.store.due()? {
            shared.timers.remind(at, Wake::Session(session));
        }
        Ok(unsent)
    }

    /// Names who fetches media that vendors link to; before that, and without
    /// one, their links are passed on.
    pub fn fetch_media_with(&self, fetcher: Arc<dyn MediaFetcher>) {
        // Set once, at start; a second call changes nothing.
        let _ = self.0.fetcher.set(fetcher);
    }

    /// Names who follows sessions beside other providers' adapters. Before
    /// [`start_work`](Self::start_work).
    pub fn follow_with(&self, follower: Arc<dyn Follower>) {
        // Set once, at start; a second call changes nothing.
        let _ = self.0.follower.set(follower);
    }

    /// Has media fetched, and goes on when every link is settled.
    fn fetch(&self, wanted: Wanted, done: impl FnOnce(Settled) + Send + 'static) {
        if let Some(fetcher) = self.0.fetcher.get() {
            fetcher.fetch(wanted, Box::new(done));
        }
    }

    /// Lets turns under way end, at most so long, and stops the threads.
    pub fn stop(&self, patience: Duration) {
        if !self.0.dispatcher.settle(patience) {
            tracing::warn!("stopped with turns under way; they go on at the next start");
        }
        self.0.stopped.store(true, Ordering::Release);
        self.0.timers.stop();
        self.0.dispatcher.close();
    }

    /// Brings a visitor's command to a session of this visitor. `trace` goes
    /// with what it causes.
    ///
    /// # Errors
    /// `not-found` for somebody else's session; whatever the state table says;
    /// the idempotency problems.
    pub async fn command(
        &self,
        who: &VisitorKey,
        session: &SessionId,
        mut command: Command,
        key: Option<IdempotencyKey>,
        trace: Option<String>,
    ) -> Result<Replied, Problem> {
        if let Command::Human { group: Some(group) } = &command {
            let translated = self.translate_group(who, session, group).await?;
            command = Command::Human { group: translated };
        }
        let is_message = matches!(command, Command::Message { .. });
        let job = TurnJob {
            asker: Some(who.clone()),
            key,
            trace,
            ..TurnJob::new(Input::Command(command))
        };
        match self.run(session, job, false).await {
            Ended::Ran { reply, .. } => {
                if is_message {
                    self.0.metrics.message_accepted();
                }
                Ok(Replied { reply })
            }
            other => Err(self.problem(other)),
        }
    }

    /// One session of this visitor.
    ///
    /// # Errors
    /// `not-found` for somebody else's session.
    pub async fn session(
        &self,
        who: &VisitorKey,
        session: &SessionId,
    ) -> Result<SessionCard, Problem> {
        self.owned(who, session).await.map(|record| record.card())
    }

    /// The visitor's sessions, newest first, at most 100.
    ///
    /// # Errors
    /// `storage-unavailable`.
    pub async fn sessions(
        &self,
        who: &VisitorKey,
        only_open: bool,
    ) -> Result<Vec<SessionCard>, Problem> {
        let who = who.clone();
        let records = self
            .read(move |store| store.sessions(&who, only_open, 100))
            .await?;
        Ok(records
            .iter()
            .filter(|record| !record.synthetic)
            .map(Record::card)
            .collect())
    }

    /// Events after a number.
    ///
    /// # Errors
    /// `not-found` for somebody else's session.
    pub async fn events(
        &self,
        who: &VisitorKey,
        session: &SessionId,
        after: u64,
        limit: usize,
    ) -> Result<EventPage, Problem> {
        let record = self.owned(who, session).await?;
        let (last_seq, ended) = (record.last_seq, record.is_over());
        let session = session.clone();
        let events = self
            .read(move |store| store.events(&session, after, limit))
            .await?;
        let last_seq = events
            .last()
            .map_or(last_seq, |event| event.seq.max(last_seq));
        Ok(EventPage {
            events,
            last_seq,
            ended,
        })
    }

    /// Listens to one session. Subscribe first, then read the log, then drop
    /// what comes twice by its number.
    pub fn listen_to_session(&self, session: &SessionId) -> Subscription {
        self.0.hub.listen_to_session(session)
    }

    /// Listens to all sessions of a visitor.
    pub fn listen_to_visitor(&self, who: &VisitorKey) -> Subscription {
        self.0.hub.listen_to_visitor(who)
    }

    /// Counts what is in memory.
    pub fn count(&self) {
        self.0.metrics.sessions_in_memory(self.0.dispatcher.len());
    }

    /// Forgets keys of repeated requests and events that have lapsed.
    pub fn sweep(&self) {
        self.0.store.sweep(
            clock::now(),
            Box::new(|result| {
                if let Err(error) = result {
                    tracing::warn!(%error, "lapsed keys were not forgotten");
                }
            }),
        );
    }

    fn wake(&self, wake: Wake) {
        match wake {
            Wake::Session(session) => {
                let engine = self.clone();
                let session_again = session.clone();
                let done = Box::new(move |ended| {
                    let now = clock::now();
                    let again = match ended {
                        // An adapter that takes no calls leaves its timers due.
                        Ended::Ran { record, .. } => {
                            record.next_due().is_some_and(|due| due <= now)
                        }
                        Ended::NotStored(_)
                        | Ended::ProviderAbsent(_)
                        | Ended::AdapterFailed(_) => true,
                        _ => false,
                    };
                    if again {
                        let at = now.plus_ms(TIMER_AGAIN_MS);
                        engine.0.timers.remind(at, Wake::Session(session_again));
                    }
                });
                let what = What::Turn(Box::new(TurnJob::new(Input::Timers)));
                let job = Job {
                    what,
                    done: Some(done),
                };
                if let Err(QueueFull(job)) = self.0.dispatcher.submit(&session, job, true) {
                    drop(job);
                }
            }
            Wake::Inbox(session) => self.inbox_again(&session),
        }
    }

    pub(super) async fn run(&self, session: &SessionId, job: TurnJob, must_take: bool) -> Ended {
        self.submit(session, What::Turn(Box::new(job)), must_take)
            .await
    }

    pub(super) async fn submit(&self, session: &SessionId, what: What, must_take: bool) -> Ended {
        let (tell, told) = oneshot::channel();
        let done = Box::new(move |ended| drop(tell.send(ended)));
        let job = Job {
            what,
            done: Some(done),
        };
        if self.0.dispatcher.submit(session, job, must_take).is_err() {
            return Ended::Refused(Problem::new(
                Slug::Overloaded,
                "too many requests wait for this session already",
            ));
        }
        told.await
            .unwrap_or_else(|_| Ended::AdapterFailed("the engine has stopped".into()))
    }

    pub(super) async fn owned(
        &self,
        who: &VisitorKey,
        session: &SessionId,
    ) -> Result<Arc<Record>, Problem> {
        let record = match self.0.dispatcher.peek(session) {
            Some(record) => Some(record),
            None => {
                let session = session.clone();
                self.read(move |store| store.record(&session))
                    .await?
                    .map(Arc::new)
            }
        };
        record.filter(|record| owns(who, record)).ok_or_else(gone)
    }

    pub(super) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&dyn Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Problem> {
        let store = Arc::clone(&self.0.store);
        tokio::task::spawn_blocking(move || read(&*store))
            .await
            .map_err(|error| StoreError::new("read", error))
            .and_then(|result| result)
            .map_err(|error| not_stored(&error))
    }

    pub(super) fn problem(&self, ended: Ended) -> Problem {
        match ended {
            Ended::Refused(problem) => problem,
            Ended::Gone => gone(),
            Ended::NotStored(error) => not_stored(&error),
            // Why is for operators, and may name files and faults.
            Ended::AdapterFailed(detail) | Ended::ProviderAbsent(detail) => {
                tracing::warn!(detail, "a request met an adapter that does not serve");
                Problem::new(
                    Slug::ProviderUnavailable,
                    "the provider of this session cannot take the request now; nothing was changed",
                )
            }
            Ended::Ran { .. }
            | Ended::RenewToken(_)
            | Ended::AlreadyOpen
            | Ended::NeedsMedia(_)
            | Ended::Prepared(_) => Problem::new(
                Slug::ProviderUnavailable,
                "the request ended in a way that it should not",
            ),
        }
    }
}

impl Shared {
    /// How long an adapter call may take, and how many threads may be stuck.
    pub(super) fn call_budget(&self) -> (Duration, usize) {
        let config = self.config.load();
        (
            config.main.limits.call_timeout,
            config.main.limits.max_stuck_calls as usize,
        )
    }
}

/// Twice as many as there are processors: one provider alone comes to half of
/// them.
fn default_threads() -> usize {
    let processors = std::thread::available_parallelism().map_or(2, usize::from);
    (2 * processors).max(4)
}

fn not_stored(error: &StoreError) -> Problem {
    tracing::error!(%error, "the store does not answer");
    Problem::new(Slug::StorageUnavailable, "nothing was changed; try again")
}

fn gone() -> Problem {
    Problem::new(Slug::NotFound, "there is no such session for this visitor")
}

/// When timers that could not be looked at are tried again.
const TIMER_AGAIN_MS: i64 = 30_000;
