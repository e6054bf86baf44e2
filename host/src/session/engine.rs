//! What the edge and delivery ask of sessions.

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
    outbox::{DeadLetter, Finished, Letter, OutboxEntry},
    problem::{Problem, Slug},
    routing::{self, Availability, RouteRequest},
    session::{Fallback, Opening, Record, session_id},
    turn::{Input, Name, NameKey, Reply},
};
use kefu_plugin_api::{
    adapter::{Dedupe, Receipt, Received},
    capability::{EndReason, SessionState},
    event::{Client, Visitor},
    http::{Callback, HttpRequest},
    ids::{AppId, DeskId, ProviderId, SessionId},
    time::Timestamp,
    wire::{ReceiveOutput, encode},
};
use sha2::{Digest, Sha256};
use tokio::sync::oneshot;

use super::{
    clock,
    dispatcher::{Dispatcher, Ended, Job, QueueFull, TurnJob, What, Work},
    hub::{Hub, StoredEvent, Subscription},
    timers::{Timers, Wake},
    worker::{self, owns, reused},
};
use crate::{
    plugin::{self, Registry},
    store::{InboxEvent, Store, StoreError, Unsent},
    telemetry::Metrics,
};

/// A visitor of an app: whom a token names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct VisitorKey {
    /// The tenant.
    pub app: AppId,
    /// The visitor, as the app names its user.
    pub visitor: String,
}

/// A request that may come twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// What the client sent.
    pub key: String,
    /// Method and path that it was sent to.
    pub target: String,
    /// SHA-256 of the body.
    pub body: [u8; 32],
}

/// A wish to open a session.
#[derive(Clone, Debug)]
pub struct OpenRequest {
    /// Who.
    pub who: VisitorKey,
    /// Where.
    pub desk: DeskId,
    /// The desk's name of a group.
    pub group: Option<String>,
    /// The profile; its id is the visitor's.
    pub visitor: Visitor,
    /// With what.
    pub client: Client,
    /// For a request that may come twice.
    pub key: Option<IdempotencyKey>,
    /// How long to wait for the vendor's handshake.
    pub wait: Option<Duration>,
}

/// A session that is open now.
#[derive(Clone, Debug)]
pub struct Opened {
    /// The session.
    pub card: SessionCard,
    /// Whether it was created by this request or its first sending; false for
    /// a session that was open already.
    pub created: bool,
}

/// The answer to a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replied {
    /// What was taken.
    pub reply: Reply,
}

/// A piece of a session's log.
#[derive(Clone, Debug)]
pub struct EventPage {
    /// The events, in order.
    pub events: Vec<StoredEvent>,
    /// The number of the session's last event.
    pub last_seq: u64,
    /// Whether the session is over.
    pub ended: bool,
}

/// What to answer a vendor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallbackAnswer {
    /// The adapter's answer; everything in the callback is durable.
    Answer {
        /// Status.
        status: u16,
        /// Headers, names in lower case.
        headers: Vec<(String, String)>,
        /// Body.
        body: Vec<u8>,
    },
    /// There is no such provider: 404.
    UnknownProvider,
    /// It does not prove where it comes from: 401.
    NotAuthentic(String),
    /// It cannot be read: 400.
    Malformed(String),
    /// The adapter or the store cannot take it now: 503, the vendor repeats.
    Unavailable(String),
}

/// What became of the end of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settling {
    /// Its turn is durable.
    Done,
    /// The token was not accepted: renew it and repeat the call.
    RenewToken(String),
    /// It cannot be taken now; try again later.
    Later(String),
}

/// What the engine is made of.
pub struct Parts {
    /// Where everything is kept.
    pub store: Arc<dyn Store>,
    /// The adapters.
    pub registry: Arc<Registry>,
    /// The configuration in force.
    pub config: Arc<ArcSwap<Config>>,
    /// Where vendors call back: `https://…`, without a slash at the end.
    pub public_url: String,
    /// The numbers.
    pub metrics: Metrics,
}

pub(super) struct Shared {
    pub(super) store: Arc<dyn Store>,
    pub(super) registry: Arc<Registry>,
    pub(super) config: Arc<ArcSwap<Config>>,
    pub(super) metrics: Metrics,
    pub(super) hub: Hub,
    pub(super) dispatcher: Dispatcher,
    pub(super) timers: Timers,
    pub(super) stopped: AtomicBool,
    public_url: String,
    carrier: OnceLock<Carrier>,
}

type Carrier = Box<dyn Fn(Vec<OutboxEntry>) + Send + Sync>;

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
            config,
            public_url,
            metrics,
        } = parts;
        let (threads, capacity, queue) = {
            let config = config.load();
            let threads = config
                .main
                .limits
                .engine_threads
                .map_or_else(default_threads, |threads| threads as usize);
            (
                threads,
                config.main.store.session_cache as usize,
                config.main.limits.session_queue as usize,
            )
        };
        let shared = Arc::new(Shared {
            store,
            registry,
            config,
            metrics,
            hub: Hub::default(),
            dispatcher: Dispatcher::new(capacity, queue),
            timers: Timers::default(),
            stopped: AtomicBool::new(false),
            public_url,
            carrier: OnceLock::new(),
        });
        worker::start(&shared, threads)?;
        let engine = Self(shared);
        let waker = engine.clone();
        engine.0.timers.start(move |wake| waker.wake(wake))?;
        Ok(engine)
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

    /// Lets turns under way end, at most so long, and stops the threads.
    pub fn stop(&self, patience: Duration) {
        if !self.0.dispatcher.settle(patience) {
            tracing::warn!("stopped with turns under way; they go on at the next start");
        }
        self.0.stopped.store(true, Ordering::Release);
        self.0.timers.stop();
        self.0.dispatcher.close();
    }

    /// Opens a session, or finds the one that this visitor has open at this
    /// desk.
    ///
    /// # Errors
    /// `not-found` for a desk of another app, `no-provider-available`, with a
    /// `wait` also when no provider took it; the idempotency problems.
    pub async fn open(&self, request: OpenRequest) -> Result<Opened, Problem> {
        for _ in 0..OPEN_ATTEMPTS {
            if let Some(opened) = self.find_open(&request).await? {
                return Ok(opened);
            }
            let now = clock::now();
            let order = self.choose(&request)?;
            let id = session_id(
                request.who.app.as_str(),
                &request.who.visitor,
                now,
                clock::random(),
            );
            let record = Record::open(Opening {
                id: id.clone(),
                app: request.who.app.clone(),
                desk: request.desk.clone(),
                visitor: request.visitor.clone(),
                client: request.client.clone(),
                order,
                now,
            })
            .ok_or_else(nobody)?;
            let subscription = self.listen_to_session(&id);
            let job = TurnJob {
                asker: Some(request.who.clone()),
                key: request.key.clone(),
                create: Some(record),
                ..TurnJob::new(Input::Open)
            };
            match self.run(&id, job, false).await {
                Ended::Ran { record, .. } => {
                    let card = self
                        .await_handshake(&record, subscription, request.wait)
                        .await?;
                    return Ok(Opened {
                        card,
                        created: true,
                    });
                }
                Ended::AlreadyOpen => {}
                other => return Err(self.problem(other)),
            }
        }
        Err(Problem::new(
            Slug::Overloaded,
            "sessions of this visitor open and end at the same time",
        ))
    }

    /// Brings a visitor's command to a session of this visitor.
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
    ) -> Result<Replied, Problem> {
        if let Command::Human { group: Some(group) } = &command {
            let translated = self.translate_group(who, session, group).await?;
            command = Command::Human { group: translated };
        }
        let is_message = matches!(command, Command::Message { .. });
        let job = TurnJob {
            asker: Some(who.clone()),
            key,
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

    /// Takes a vendor's callback.
    pub async fn callback(&self, provider: &ProviderId, callback: Callback) -> CallbackAnswer {
        let guarded = match self.0.registry.guarded(provider) {
            Ok(guarded) => guarded,
            Err(None) => return CallbackAnswer::UnknownProvider,
            Err(Some(availability)) => {
                return CallbackAnswer::Unavailable(format!("{availability:?}"));
            }
        };
        let (tell, told) = oneshot::channel();
        let engine = self.clone();
        let provider = provider.clone();
        let received_at = callback.received_at;
        // On an engine thread: adapters never run on the I/O runtime.
        self.0.dispatcher.push(Work::Callback(Box::new(move |seat| {
            match guarded.receive(&seat.clock, &callback) {
                Err(fault) => drop(tell.send(CallbackAnswer::Unavailable(fault.to_string()))),
                Ok(ReceiveOutput::Rejected { reject }) => drop(tell.send(rejected(reject))),
                Ok(ReceiveOutput::Accepted { receipt }) => {
                    engine.keep(&provider, receipt, received_at, tell);
                }
            }
        })));
        told.await
            .unwrap_or_else(|_| CallbackAnswer::Unavailable("the adapter gave no answer".into()))
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
        Ok(records.iter().map(Record::card).collect())
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

    /// Runs the turn that the end of a call is. `dead` says why it was given
    /// up.
    pub async fn settle(
        &self,
        entry: &OutboxEntry,
        finished: Finished,
        dead: Option<String>,
    ) -> Settling {
        let given_up = dead.map(|reason| (Box::new(entry.clone()), reason));
        let job = TurnJob {
            dead: given_up.clone(),
            ..TurnJob::new(Input::Finished(finished.clone()))
        };
        let ended = match self.run(&entry.session, job, true).await {
            Ended::AdapterFailed(detail) => {
                // Deterministic: it would fail again. The call is settled
                // without the adapter, and what it was is kept for people.
                let entry_again =
                    given_up.or_else(|| Some((Box::new(entry.clone()), detail.clone())));
                let job = TurnJob {
                    dead: entry_again,
                    without_adapter: Some(detail),
                    ..TurnJob::new(Input::Finished(finished))
                };
                self.run(&entry.session, job, true).await
            }
            ended => ended,
        };
        match ended {
            Ended::Ran { .. } | Ended::Gone => Settling::Done,
            Ended::RenewToken(name) => Settling::RenewToken(name),
            other => Settling::Later(self.problem(other).detail),
        }
    }

    /// Asks the adapter for the form of an attempt.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn prepare(&self, entry: &OutboxEntry, attempt: u32) -> Result<HttpRequest, String> {
        let what = What::Prepare {
            entry: Box::new(entry.clone()),
            attempt,
        };
        match self.submit(&entry.session, what, true).await {
            Ended::Prepared(request) => Ok(request),
            other => Err(self.problem(other).detail),
        }
    }

    /// Makes durable that an entry is about to be sent.
    ///
    /// # Errors
    /// The store does not take it.
    pub async fn mark_attempted(&self, entry: &OutboxEntry) -> Result<(), StoreError> {
        let (tell, told) = oneshot::channel();
        let done = Box::new(move |result| drop(tell.send(result)));
        self.0
            .store
            .mark_attempted(&entry.session, entry.number, done);
        told.await
            .unwrap_or_else(|_| Err(StoreError::new("write", "the writer has stopped")))
    }

    /// Ends a session from the gateway's side.
    pub async fn close(&self, session: &SessionId, reason: EndReason) -> Result<(), Problem> {
        match self
            .run(session, TurnJob::new(Input::Close(reason)), true)
            .await
        {
            Ended::Ran { .. } => Ok(()),
            other => Err(self.problem(other)),
        }
    }

    /// How many sessions are in memory.
    pub fn sessions_in_memory(&self) -> usize {
        self.0.dispatcher.len()
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

    /// The session that this request opened before, or that is open already.
    async fn find_open(&self, request: &OpenRequest) -> Result<Option<Opened>, Problem> {
        if let Some(key) = &request.key {
            let (who, wanted) = (request.who.clone(), key.clone());
            if let Some(answered) = self
                .read(move |store| store.answered(&who, &wanted))
                .await?
            {
                if answered.body != key.body {
                    return Err(reused(key));
                }
                let card = self.session(&request.who, &answered.session).await?;
                return Ok(Some(Opened {
                    card,
                    created: true,
                }));
            }
        }
        let (who, desk) = (request.who.clone(), request.desk.clone());
        let Some(session) = self
            .read(move |store| store.open_session(&who, &desk))
            .await?
        else {
            return Ok(None);
        };
        let job = TurnJob {
            asker: Some(request.who.clone()),
            ..TurnJob::new(Input::Command(Command::Return))
        };
        match self.run(&session, job, false).await {
            Ended::Ran { record, .. } if record.is_over() => Ok(None),
            Ended::Ran { record, .. } => Ok(Some(Opened {
                card: record.card(),
                created: false,
            })),
            other => Err(self.problem(other)),
        }
    }

    /// Whom to ask for a new session, in order.
    fn choose(&self, request: &OpenRequest) -> Result<Vec<Fallback>, Problem> {
        let config = self.0.config.load();
        let desk = config
            .desk(request.desk.as_str())
            .filter(|desk| desk.app == request.who.app)
            .ok_or_else(|| {
                Problem::new(
                    Slug::NotFound,
                    format!("there is no desk `{}`", request.desk),
                )
            })?;
        if let Some(group) = &request.group
            && !desk.groups.is_empty()
            && !desk.groups.iter().any(|known| known.id == *group)
        {
            return Err(Problem::invalid(
                "/group",
                format!("`{group}` is not a group of this desk"),
            ));
        }
        let available =
            |provider: &ProviderId| availability(self.0.registry.availability(provider));
        let decision = routing::choose(
            desk,
            &RouteRequest {
                visitor: &request.who.visitor,
                platform: request.client.platform.as_deref(),
                app_version: request.client.app_version.as_deref(),
                channel: request.client.channel.as_deref(),
                group: request.group.as_deref(),
            },
            &available,
        );
        let order: Vec<_> = decision
            .order
            .into_iter()
            .filter(|choice| available(&choice.provider) == Availability::Ready)
            .map(|choice| Fallback {
                provider: choice.provider,
                group: choice.group.map(Into::into),
            })
            .collect();
        if order.is_empty() {
            Err(nobody())
        } else {
            Ok(order)
        }
    }

    /// The vendor's name of a desk's group, by the route of this provider.
    async fn translate_group(
        &self,
        who: &VisitorKey,
        session: &SessionId,
        group: &str,
    ) -> Result<Option<String>, Problem> {
        let record = self.owned(who, session).await?;
        let config = self.0.config.load();
        let route = config.desk(record.desk.as_str()).and_then(|desk| {
            desk.routes
                .iter()
                .find(|route| route.provider == record.provider)
        });
        Ok(match route {
            Some(route) => routing::vendor_group(route, Some(group)),
            None => Some(group.to_owned()),
        })
    }

    /// Waits until the vendor has taken the session or nobody will.
    async fn await_handshake(
        &self,
        record: &Arc<Record>,
        mut subscription: Subscription,
        wait: Option<Duration>,
    ) -> Result<SessionCard, Problem> {
        let Some(wait) = wait else {
            return Ok(record.card());
        };
        let deadline = tokio::time::Instant::now() + wait;
        let who = VisitorKey {
            app: record.app.clone(),
            visitor: record.visitor.id.clone(),
        };
        loop {
            let card = self.session(&who, &record.id).await?;
            if card.end_reason == Some(EndReason::ProviderError) {
                return Err(Problem::new(
                    Slug::NoProviderAvailable,
                    "no provider of this desk took the session",
                ));
            }
            if card.state != SessionState::Opening {
                return Ok(card);
            }
            if tokio::time::timeout_at(deadline, subscription.next())
                .await
                .is_err()
            {
                return self.session(&who, &record.id).await;
            }
        }
    }

    /// Makes the events of a callback durable, answers, and gives each its
    /// turn.
    fn keep(
        &self,
        provider: &ProviderId,
        receipt: Receipt,
        received_at: Timestamp,
        tell: oneshot::Sender<CallbackAnswer>,
    ) {
        let Receipt {
            status,
            headers,
            body,
            events,
        } = receipt;
        let answer = CallbackAnswer::Answer {
            status,
            headers,
            body,
        };
        let mut known = Vec::with_capacity(events.len());
        for received in events {
            match self.resolve(provider, received, received_at) {
                Ok(Some(event)) => known.push(event),
                Ok(None) => {
                    self.0
                        .metrics
                        .callback_answered(provider, "unknown_conversation");
                    tracing::info!(%provider, "a callback names a conversation that is not known here");
                }
                Err(error) => {
                    return drop(tell.send(CallbackAnswer::Unavailable(error.to_string())));
                }
            }
        }
        if known.is_empty() {
            return drop(tell.send(answer));
        }
        let engine = self.clone();
        let kept = known.clone();
        self.0.store.receive(
            known,
            Box::new(move |result| match result {
                Err(error) => drop(tell.send(CallbackAnswer::Unavailable(error.to_string()))),
                Ok(numbers) => {
                    drop(tell.send(answer));
                    for (number, event) in numbers.into_iter().zip(kept) {
                        if let Some(number) = number {
                            engine.dispatch(number, event);
                        }
                    }
                }
            }),
        );
    }

    /// Finds the session of an event.
    ///
    /// The vendor's own id of a session wins. One that is not known yet means
    /// the newest session of the conversation while that is open: the answer
    /// that names it may be under way.
    fn resolve(
        &self,
        provider: &ProviderId,
        received: Received,
        received_at: Timestamp,
    ) -> Result<Option<InboxEvent>, StoreError> {
        let Received {
            conversation,
            vendor_session,
            dedupe,
            event,
        } = received;
        let named = |key| {
            self.0.store.named(&Name {
                provider: provider.clone(),
                key,
            })
        };
        let by_vendor = match &vendor_session {
            Some(id) => named(NameKey::Vendor(id.clone()))?,
            None => None,
        };
        let session = match by_vendor {
            Some(session) => session,
            None => {
                let newest = named(NameKey::Conversation(conversation.as_str().to_owned()))?;
                let Some(newest) = newest else {
                    return Ok(None);
                };
                if vendor_session.is_some() && self.is_over(&newest)? {
                    return Ok(None);
                }
                newest
            }
        };
        let expires = |seconds: u64| {
            let ms = i64::try_from(seconds)
                .unwrap_or(i64::MAX)
                .saturating_mul(1000);
            received_at.plus_ms(ms)
        };
        let dedupe = match dedupe {
            Dedupe::Key { key } => Some((format!("key:{key}"), expires(REPEATS_KNOWN_SECONDS))),
            Dedupe::Body { within_seconds } => {
                let bytes = encode(&event).unwrap_or_default();
                Some((
                    format!("body:{:x?}", Sha256::digest(bytes)),
                    expires(within_seconds),
                ))
            }
            Dedupe::Unkeyable { .. } => None,
        };
        Ok(Some(InboxEvent {
            provider: provider.clone(),
            session,
            conversation,
            dedupe,
            received_at,
            event,
        }))
    }

    fn is_over(&self, session: &SessionId) -> Result<bool, StoreError> {
        if let Some(record) = self.0.dispatcher.peek(session) {
            return Ok(record.is_over());
        }
        Ok(self
            .0
            .store
            .record(session)?
            .is_none_or(|record| record.is_over()))
    }

    /// Gives an event of the inbox its turn.
    fn dispatch(&self, number: u64, event: InboxEvent) {
        let engine = self.clone();
        let job = TurnJob {
            inbox: Some(number),
            ..TurnJob::new(Input::Provider(event.event.clone()))
        };
        let session = event.session.clone();
        let done = Box::new(move |ended| engine.dispatched(number, event, ended));
        let job = Job {
            what: What::Turn(Box::new(job)),
            done: Some(done),
        };
        if let Err(QueueFull(job)) = self.0.dispatcher.submit(&session, job, true) {
            drop(job);
        }
    }

    fn dispatched(&self, number: u64, event: InboxEvent, ended: Ended) {
        let reason = match ended {
            Ended::Ran { .. } => return,
            Ended::NotStored(error) => {
                tracing::warn!(%error, session = %event.session, "an event of a vendor waits for the store");
                return self.try_inbox_again(number);
            }
            Ended::ProviderAbsent(detail) => {
                tracing::info!(%detail, session = %event.session, "an event of a vendor waits for its adapter");
                return self.try_inbox_again(number);
            }
            Ended::AdapterFailed(detail) => detail,
            Ended::Refused(problem) => problem.to_string(),
            Ended::Gone => "the session does not exist any more".into(),
            Ended::AlreadyOpen | Ended::RenewToken(_) | Ended::Prepared(_) => {
                "an event ended in a way that events do not end".into()
            }
        };
        self.0.metrics.dead_letter(&event.provider, "event");
        let letter = DeadLetter {
            id: uuid::Uuid::now_v7().to_string(),
            session: event.session,
            provider: event.provider,
            at: clock::now(),
            reason,
            letter: Letter::Event {
                event: Box::new(event.event),
            },
        };
        self.0.store.bury(
            number,
            letter,
            Box::new(|result| {
                if let Err(error) = result {
                    tracing::error!(%error, "a dead letter was not written; the event is tried again at the next start");
                }
            }),
        );
    }

    fn try_inbox_again(&self, number: u64) {
        self.0
            .timers
            .remind(clock::now().plus_ms(AGAIN_MS), Wake::Inbox(number));
    }

    fn wake(&self, wake: Wake) {
        match wake {
            Wake::Session(session) => {
                let engine = self.clone();
                let again = session.clone();
                let done = Box::new(move |ended| {
                    if let Ended::NotStored(_)
                    | Ended::ProviderAbsent(_)
                    | Ended::AdapterFailed(_) = ended
                    {
                        engine
                            .0
                            .timers
                            .remind(clock::now().plus_ms(TIMER_AGAIN_MS), Wake::Session(again));
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
            Wake::Inbox(number) => match self.0.store.inbox() {
                Ok(events) => {
                    if let Some((number, event)) = events.into_iter().find(|(id, _)| *id == number)
                    {
                        self.dispatch(number, event);
                    }
                }
                Err(_) => self.try_inbox_again(number),
            },
        }
    }

    async fn run(&self, session: &SessionId, job: TurnJob, must_take: bool) -> Ended {
        self.submit(session, What::Turn(Box::new(job)), must_take)
            .await
    }

    async fn submit(&self, session: &SessionId, what: What, must_take: bool) -> Ended {
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

    async fn owned(&self, who: &VisitorKey, session: &SessionId) -> Result<Arc<Record>, Problem> {
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

    async fn read<T: Send + 'static>(
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

    fn problem(&self, ended: Ended) -> Problem {
        match ended {
            Ended::Refused(problem) => problem,
            Ended::Gone => gone(),
            Ended::NotStored(error) => not_stored(&error),
            Ended::AdapterFailed(detail) | Ended::ProviderAbsent(detail) => {
                Problem::new(Slug::ProviderUnavailable, detail)
            }
            Ended::Ran { .. }
            | Ended::RenewToken(_)
            | Ended::AlreadyOpen
            | Ended::Prepared(_) => Problem::new(
                Slug::ProviderUnavailable,
                "the request ended in a way that it should not",
            ),
        }
    }
}

impl Shared {
    pub(super) fn callback_url(&self, provider: &ProviderId) -> Arc<str> {
        format!("{}/v1/callbacks/{provider}", self.public_url).into()
    }

    /// How long an adapter call may take, and how many threads may be stuck.
    pub(super) fn call_budget(&self) -> (Duration, usize) {
        let config = self.config.load();
        (
            config.main.limits.call_timeout,
            config.main.limits.max_stuck_calls as usize,
        )
    }

    pub(super) fn carry(&self, calls: Vec<OutboxEntry>) {
        if let (false, Some(carrier)) = (calls.is_empty(), self.carrier.get()) {
            carrier(calls);
        }
    }
}

fn default_threads() -> usize {
    std::thread::available_parallelism()
        .map_or(2, usize::from)
        .max(2)
}

fn availability(of: Option<plugin::Availability>) -> Availability {
    match of {
        Some(plugin::Availability::Active) => Availability::Ready,
        Some(plugin::Availability::Paused) => Availability::Paused,
        Some(plugin::Availability::Quarantined { .. }) => Availability::Quarantined,
        Some(plugin::Availability::Failed { .. }) => Availability::Failing,
        Some(plugin::Availability::Waiting { .. }) | None => Availability::Waiting,
    }
}

fn rejected(reject: kefu_plugin_api::error::Reject) -> CallbackAnswer {
    use kefu_plugin_api::error::Reject;
    match reject {
        Reject::Unauthenticated { detail } => CallbackAnswer::NotAuthentic(detail),
        Reject::Malformed { detail } => CallbackAnswer::Malformed(detail),
        other => CallbackAnswer::Malformed(other.to_string()),
    }
}

fn gone() -> Problem {
    Problem::new(Slug::NotFound, "there is no such session for this visitor")
}

fn nobody() -> Problem {
    Problem::new(
        Slug::NoProviderAvailable,
        "no provider of this desk is available",
    )
}

fn not_stored(error: &StoreError) -> Problem {
    tracing::error!(%error, "the store does not answer");
    Problem::new(Slug::StorageUnavailable, "nothing was changed; try again")
}

/// How often an opening may meet a session that ends at the same moment.
const OPEN_ATTEMPTS: usize = 4;
/// How long a vendor's event ids are remembered.
const REPEATS_KNOWN_SECONDS: u64 = 8 * 24 * 3600;
/// When an event that could not be handled is tried again.
const AGAIN_MS: i64 = 1_000;
/// When timers that could not be looked at are tried again.
const TIMER_AGAIN_MS: i64 = 30_000;
