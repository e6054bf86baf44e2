//! Delivery: outbox entries to vendors, and how they ended back to the session.
//!
//! Owns everything that happens to a call once its turn is durable: the order
//! of a session's calls, attempts and waits between them, tokens, stamps, the
//! list of hosts that may be reached, the budgets of a provider, and the one
//! outbound HTTP client. Deliberately decides neither what an answer means (the
//! adapter does, in the turn that [`Origin::settle`] runs) nor whether an
//! attempt is repeated (`kefu_core::retry` does), and keeps nothing on disk: an
//! entry that was under way when the gateway stopped comes back through
//! [`Delivery::recover`]. Invariants: one request in flight per session and
//! provider, in the order of its numbers; a call that must not reach the vendor twice is
//! marked on disk before its first byte leaves; no secret and no token is in
//! an entry, a log or a letter.
//!
//! | module | what it owns |
//! |---|---|
//! | `lane` | the calls of one session to one provider, one after the other |
//! | `journey` | one call, from its first attempt to its end |
//! | `attempt` | one attempt: checks, token, stamps, sending |
//! | `http` | the outbound client, what its errors mean, where names may lead |
//! | `account` | a provider's settings, and the hosts it may reach |
//! | `stamp` | what is filled into a request at the moment of sending |
//! | `tokens` | vendor tokens, each fetched once for everybody |
//! | `gate` | a provider's concurrency, rate and pause |
//! | `trial` | whether the vendor accepts an account that does not serve yet |
//! | `reach` | whether a vendor takes connections, asked by its health |
//! | `breaker` | the rest that a vendor gets when it cannot be reached |

mod account;
mod attempt;
pub(crate) mod breaker;
mod gate;
pub(crate) mod http;
mod journey;
mod lane;
pub(crate) mod reach;
pub(crate) mod stamp;
mod tokens;
mod trial;

use std::{
    collections::{BTreeMap, HashMap},
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use kefu_core::{
    config::Provider,
    outbox::{Finished, OutboxEntry},
};
use kefu_plugin_api::{
    http::HttpRequest,
    ids::{ProviderId, SessionId},
    wire::{HandleInput, HandleOutput},
};
use serde::Serialize;
use tokio::{runtime::Handle, sync::watch};

pub use account::Account;
pub(crate) use attempt::random;
pub(crate) use attempt::would_leave;
pub use breaker::BreakerState;
pub(crate) use http::{Downloads, ObjectClient};
pub use trial::{Step, Trial, TrialError, Trialled, try_account};

use self::http::Http;
use crate::health::Health;
use gate::Gate;
use lane::Lanes;
use tokens::Tokens;

/// A future that may be moved between threads.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Where entries come from and where their ends go: the session engine.
pub trait Origin: Send + Sync + 'static {
    /// Makes durable that an entry that must not reach the vendor twice is
    /// about to be sent, or that it surely did not arrive and may be sent
    /// again. Resolves when it is on disk.
    fn mark_attempted(&self, entry: &OutboxEntry, attempted: bool)
    -> BoxFuture<Result<(), String>>;

    /// Runs the turn that the end of a call is. `dead` is the reason, for
    /// operators, where the call was given up.
    fn settle(
        &self,
        entry: &OutboxEntry,
        finished: Finished,
        dead: Option<String>,
    ) -> BoxFuture<Settled>;

    /// Asks the adapter for this attempt's form of a call with `prepare`.
    fn prepare(&self, entry: &OutboxEntry, attempt: u32) -> BoxFuture<Result<HttpRequest, String>>;

    /// Asks an adapter in its provider's own scope, as one of the calls that
    /// this provider may have under way. Ends within the time of a call, once
    /// it has begun; an error says, for operators, why there is no answer.
    fn ask(
        &self,
        provider: &ProviderId,
        input: HandleInput,
    ) -> BoxFuture<Result<HandleOutput, String>>;

    /// Sees each attempt when it is over, for numbers and trails. Must be
    /// quick.
    fn tried(&self, entry: &OutboxEntry, tried: &Tried<'_>) {
        let _ = (entry, tried);
    }
}

/// An attempt that is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tried<'a> {
    /// Counted from 1.
    pub attempt: u32,
    /// `answered`; `refused` for an answer that says the vendor cannot take it
    /// now or broke over it; `not_sent`; `unknown`.
    pub outcome: &'static str,
    /// The vendor's status, if it answered.
    pub status: Option<u16>,
    /// What was in the way, for operators.
    pub reason: Option<&'a str>,
    /// How long it took, waits before it not counted.
    pub took: Duration,
}

/// What became of the end of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settled {
    /// Its turn is durable, the entry is gone.
    Done,
    /// The vendor did not accept this token: the call is repeated once with a
    /// new one.
    RenewToken {
        /// The token's name in the descriptor.
        name: String,
    },
    /// The store or the adapter cannot take it now: to be settled again, not
    /// to be sent again.
    Later {
        /// What is in the way.
        detail: String,
    },
}

/// What delivery asks about providers.
pub trait Accounts: Send + Sync + 'static {
    /// A provider's configuration, whether it serves or not.
    fn config(&self, provider: &ProviderId) -> Option<Arc<Provider>>;

    /// Whether requests may leave for it now.
    fn standing(&self, provider: &ProviderId) -> Standing;

    /// The accounts that it had before, newest first: for requests that were
    /// made while one of them was in force, and lead where it led.
    fn earlier(&self, provider: &ProviderId) -> Vec<Account> {
        let _ = provider;
        Vec::new()
    }
}

/// Whether requests may leave for a provider.
#[derive(Clone, Debug)]
pub enum Standing {
    /// They may.
    Serves(Account),
    /// An operator paused it: entries wait, and the wait counts against
    /// nothing.
    Held,
    /// It does not serve; entries wait until their deadline.
    Absent {
        /// Why.
        reason: String,
    },
}

/// Signs links to the gateway's own media, so that the vendor can fetch them.
pub trait LinkSigner: Send + Sync + 'static {
    /// The body with each of these links signed anew; `None` if none of them
    /// is in it.
    fn sign_links(&self, body: &[u8], media: &[String]) -> Option<Vec<u8>>;
}

/// What delivery is made of.
pub struct Parts {
    /// The providers.
    pub accounts: Arc<dyn Accounts>,
    /// The sessions.
    pub origin: Arc<dyn Origin>,
    /// Who signs links to media; without one they leave as they are.
    pub links: Option<Arc<dyn LinkSigner>>,
    /// The gateway's address as vendors see it, without a slash at its end.
    pub public_url: String,
    /// What is known of vendors; delivery tells it of connections, and hears
    /// of those that others tried.
    pub health: Health,
    /// How long waits are.
    pub timing: Timing,
    /// Where the work is done.
    pub runtime: Handle,
}

/// How long delivery waits between attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Every wait is divided by this: 1 in service, more where only the order
    /// of things matters.
    pub divided_by: u32,
}

impl Default for Timing {
    fn default() -> Self {
        Self { divided_by: 1 }
    }
}

impl Timing {
    fn of(self, wait: Duration) -> Duration {
        wait / self.divided_by.max(1)
    }
}

/// An entry that was found in the store when the gateway started.
#[derive(Clone, Debug, PartialEq)]
pub struct RecoveredEntry {
    /// The entry.
    pub entry: OutboxEntry,
    /// Whether it was marked as about to be sent before the gateway stopped.
    pub attempted: bool,
}

/// How delivery stands with one provider.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DeliveryStatus {
    /// Whether the vendor can be reached.
    pub breaker: BreakerState,
    /// Whether nothing leaves until an operator says so.
    pub held: bool,
    /// Entries that have not ended.
    pub entries: usize,
    /// Requests under way.
    pub under_way: usize,
}

/// The running delivery. Cheap to clone.
#[derive(Clone)]
pub struct Delivery {
    shared: Arc<Shared>,
}

impl std::fmt::Debug for Delivery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Delivery")
            .field("depth", &self.depth())
            .finish_non_exhaustive()
    }
}

impl Delivery {
    /// Starts with nothing to do.
    pub fn start(parts: Parts) -> Self {
        let (stopping, _) = watch::channel(false);
        let shared = Shared {
            http: Http::new(),
            tokens: Tokens::new(parts.timing),
            gates: Mutex::default(),
            lanes: Lanes::default(),
            early: Mutex::new(Some(Vec::new())),
            recovered: AtomicBool::new(false),
            stopping,
            parts,
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Takes entries whose turn is durable. Never blocks; from any thread.
    /// Nothing leaves before [`recover`](Self::recover) was called.
    pub fn carry(&self, entries: Vec<OutboxEntry>) {
        if !self.shared.recovered.load(Ordering::Acquire)
            && let Some(early) = self.shared.lock_early().as_mut()
        {
            return early.extend(entries);
        }
        for entry in entries {
            lane::enqueue(&self.shared, entry, false);
        }
    }

    /// Takes calls back whose entries are gone: none of them is begun any more,
    /// and how one under way ends is told nobody. Never blocks.
    pub fn withdraw(&self, session: &SessionId, provider: &ProviderId, numbers: &[u64]) {
        if !self.shared.recovered.load(Ordering::Acquire)
            && let Some(early) = self.shared.lock_early().as_mut()
        {
            early.retain(|entry| entry.session != *session || !numbers.contains(&entry.number));
        }
        self.shared.lanes.withdraw(session, provider, numbers);
    }

    /// Takes what was found in the store at start, and begins. An entry that
    /// must not reach the vendor twice and may have done so ends as unknown,
    /// unless its provider prefers a second arrival.
    pub fn recover(&self, mut entries: Vec<RecoveredEntry>) {
        let mut early = self.shared.lock_early();
        entries.sort_by_key(|recovered| recovered.entry.number);
        for RecoveredEntry { entry, attempted } in entries {
            lane::enqueue(&self.shared, entry, attempted);
        }
        // What new turns asked for meanwhile comes after what was left.
        for entry in early.take().into_iter().flatten() {
            lane::enqueue(&self.shared, entry, false);
        }
        self.shared.recovered.store(true, Ordering::Release);
    }

    /// Begins no more attempts and waits for those under way to end and to be
    /// settled. Says whether all of them did in time.
    pub async fn stop(&self, within: Duration) -> bool {
        self.shared.stopping.send_replace(true);
        let ended = tokio::time::timeout(within, self.shared.lanes.ended()).await;
        ended.is_ok()
    }

    /// Lets nothing leave for a provider, or lets it leave again.
    pub fn hold(&self, provider: &ProviderId, held: bool) {
        self.shared.gate(provider).hold(held);
    }

    /// The vendor was reached by somebody else: what waits for it need not wait
    /// to the end of the vendor's rest.
    pub fn reached(&self, provider: &ProviderId) {
        self.shared.gate(provider).nudge();
    }

    /// Entries that have not ended.
    pub fn depth(&self) -> usize {
        self.shared.lanes.depth()
    }

    /// How it stands with one provider.
    pub fn status(&self, provider: &ProviderId) -> DeliveryStatus {
        self.shared.gate(provider).status()
    }

    /// How it stands with every provider that has been asked for something.
    pub fn statuses(&self) -> BTreeMap<ProviderId, DeliveryStatus> {
        let gates = self.shared.lock_gates();
        gates
            .iter()
            .map(|(provider, gate)| (provider.clone(), gate.status()))
            .collect()
    }
}

/// What every lane uses.
struct Shared {
    parts: Parts,
    http: Http,
    tokens: Tokens,
    gates: Mutex<HashMap<ProviderId, Arc<Gate>>>,
    lanes: Lanes,
    /// What came before everything was taken up that was left; `None` since.
    early: Mutex<Option<Vec<OutboxEntry>>>,
    recovered: AtomicBool,
    stopping: watch::Sender<bool>,
}

impl Shared {
    fn gate(&self, provider: &ProviderId) -> Arc<Gate> {
        let mut gates = self.lock_gates();
        if let Some(gate) = gates.get(provider) {
            return Arc::clone(gate);
        }
        let gate = Arc::new(Gate::new(
            provider.clone(),
            self.parts.timing,
            self.parts.health.clone(),
        ));
        gates.insert(provider.clone(), Arc::clone(&gate));
        gate
    }

    fn lock_gates(&self) -> MutexGuard<'_, HashMap<ProviderId, Arc<Gate>>> {
        self.gates.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_early(&self) -> MutexGuard<'_, Option<Vec<OutboxEntry>>> {
        self.early.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for something that is not worth waiting for while stopping.
    async fn unless_stopping<T>(&self, waited_for: impl Future<Output = T>) -> Result<T, Stopping> {
        let mut stopping = self.stopping.subscribe();
        tokio::select! {
            biased;
            // The sender lives as long as `self`.
            _ = stopping.wait_for(|stopping| *stopping) => Err(Stopping),
            value = waited_for => Ok(value),
        }
    }

    async fn pause(&self, wait: Duration) -> Result<(), Stopping> {
        self.unless_stopping(tokio::time::sleep(self.parts.timing.of(wait)))
            .await
    }
}

/// The gateway stops: what has not begun is left for the next start.
#[derive(Clone, Copy, Debug)]
struct Stopping;
