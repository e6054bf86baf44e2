//! Delivery on a bench: its sessions and providers are played by the test.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use kefu_core::{
    config::{AllowedHost, Isolation, OnUnknown, Provider, ProviderLimits, Settings},
    outbox::{Finished, OutboxEntry},
};
use kefu_gateway::delivery::{
    Account, Accounts, BoxFuture, Delivery, LinkSigner, Origin, Parts, Settled, Standing, Timing,
    Tried,
};
use kefu_gateway::health::Health;
use kefu_plugin_api::{
    descriptor::Descriptor,
    effect::Call,
    event::CallResult,
    http::HttpRequest,
    ids::ProviderId,
    time::Timestamp,
    wire::{HandleInput, HandleOutput},
};
use serde_json::json;
use tokio::{runtime::Handle, sync::Notify};

/// The end of a call, as the session was told.
#[derive(Clone, Debug)]
pub(crate) struct End {
    pub(crate) id: String,
    pub(crate) finished: Finished,
    pub(crate) dead: Option<String>,
}

impl End {
    /// The status, if the vendor answered.
    pub(crate) fn status(&self) -> Option<u16> {
        match &self.finished.result {
            CallResult::Answered { response } => Some(response.status),
            _ => None,
        }
    }

    pub(crate) fn is_unknown(&self) -> bool {
        matches!(self.finished.result, CallResult::Unknown { .. }) && self.dead.is_some()
    }

    pub(crate) fn is_not_sent(&self) -> bool {
        matches!(self.finished.result, CallResult::NotSent { .. }) && self.dead.is_some()
    }
}

type OnSettle = dyn Fn(&OutboxEntry, &Finished) -> Settled + Send + Sync;
type OnHandle = dyn Fn(&HandleInput) -> Result<HandleOutput, String> + Send + Sync;

/// The sessions.
pub(crate) struct Desk {
    ends: Mutex<Vec<End>>,
    marks: Mutex<Vec<String>>,
    marks_taken_back: Mutex<Vec<String>>,
    outcomes: Mutex<Vec<&'static str>>,
    changed: Notify,
    on_settle: Box<OnSettle>,
    on_handle: Box<OnHandle>,
    marks_to_refuse: Mutex<usize>,
}

impl Desk {
    /// The ends that were taken so far.
    pub(crate) fn ends(&self) -> Vec<End> {
        self.ends.lock().unwrap().clone()
    }

    /// The ends of calls, once there are so many.
    pub(crate) async fn has_ends(&self, count: usize) -> Vec<End> {
        let all = async {
            loop {
                let changed = self.changed.notified();
                tokio::pin!(changed);
                changed.as_mut().enable();
                let ends = self.ends();
                if ends.len() >= count {
                    return ends;
                }
                changed.await;
            }
        };
        let ends = tokio::time::timeout(PATIENCE, all).await;
        ends.unwrap_or_else(|_| panic!("expected {count} ends, found {:#?}", self.ends()))
    }

    /// The calls that were marked before they were sent, and still are.
    pub(crate) fn marks(&self) -> Vec<String> {
        self.marks.lock().unwrap().clone()
    }

    /// The calls whose mark was taken back, each time.
    pub(crate) fn marks_taken_back(&self) -> Vec<String> {
        self.marks_taken_back.lock().unwrap().clone()
    }

    /// What became of each attempt.
    pub(crate) fn outcomes(&self) -> Vec<&'static str> {
        self.outcomes.lock().unwrap().clone()
    }

    /// Fails to mark so many times.
    pub(crate) fn refuse_marks(&self, count: usize) {
        *self.marks_to_refuse.lock().unwrap() = count;
    }
}

/// Longer than any test takes; only what hangs meets it.
const PATIENCE: Duration = Duration::from_secs(60);

struct Sessions(Arc<Desk>);

impl Origin for Sessions {
    fn mark_attempted(
        &self,
        entry: &OutboxEntry,
        attempted: bool,
    ) -> BoxFuture<Result<(), String>> {
        let id = name_of(entry);
        if !attempted {
            self.0.marks.lock().unwrap().retain(|marked| *marked != id);
            self.0.marks_taken_back.lock().unwrap().push(id);
            return Box::pin(async { Ok(()) });
        }
        let mut refuse = self.0.marks_to_refuse.lock().unwrap();
        let result = if *refuse > 0 {
            *refuse -= 1;
            Err("the disk is full".to_owned())
        } else {
            self.0.marks.lock().unwrap().push(id);
            Ok(())
        };
        Box::pin(async { result })
    }

    fn settle(
        &self,
        entry: &OutboxEntry,
        finished: Finished,
        dead: Option<String>,
    ) -> BoxFuture<Settled> {
        let settled = (self.0.on_settle)(entry, &finished);
        if settled == Settled::Done {
            let id = name_of(entry);
            let end = End { id, finished, dead };
            self.0.ends.lock().unwrap().push(end);
            self.0.changed.notify_waiters();
        }
        Box::pin(async { settled })
    }

    fn prepare(&self, entry: &OutboxEntry, attempt: u32) -> BoxFuture<Result<HttpRequest, String>> {
        let request = entry.call.request.clone();
        Box::pin(async move { Ok(request.with_header("x-attempt", attempt.to_string())) })
    }

    fn ask(&self, _: &ProviderId, input: HandleInput) -> BoxFuture<Result<HandleOutput, String>> {
        let answer = (self.0.on_handle)(&input);
        Box::pin(async { answer })
    }

    fn tried(&self, _: &OutboxEntry, tried: &Tried<'_>) {
        self.0.outcomes.lock().unwrap().push(tried.outcome);
    }
}

/// The providers.
pub(crate) struct Providers {
    accounts: Mutex<BTreeMap<ProviderId, Account>>,
    absent: Mutex<BTreeSet<ProviderId>>,
    held: Mutex<BTreeSet<ProviderId>>,
    asked: Mutex<usize>,
    changed: Notify,
    earlier: Mutex<Vec<Account>>,
}

impl Providers {
    /// A provider lives by other settings from now on.
    pub(crate) fn change(&self, provider: Provider) {
        let mut accounts = self.accounts.lock().unwrap();
        let now = accounts.get_mut(&provider.id).unwrap();
        let before = now.clone();
        now.provider = Arc::new(provider);
        self.earlier.lock().unwrap().insert(0, before);
    }

    pub(crate) fn set_absent(&self, provider: &str, absent: bool) {
        set(&self.absent, provider, absent);
    }

    pub(crate) fn set_paused(&self, provider: &str, paused: bool) {
        set(&self.held, provider, paused);
    }

    /// Resolves when delivery has looked for a provider so many times.
    pub(crate) async fn were_asked(&self, count: usize) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if *self.asked.lock().unwrap() >= count {
                return;
            }
            changed.await;
        }
    }
}

fn set(among: &Mutex<BTreeSet<ProviderId>>, provider: &str, is: bool) {
    let mut among = among.lock().unwrap();
    if is {
        among.insert(provider.into());
    } else {
        among.remove(&ProviderId::from(provider));
    }
}

struct Registry(Arc<Providers>);

impl Accounts for Registry {
    fn config(&self, provider: &ProviderId) -> Option<Arc<Provider>> {
        let accounts = self.0.accounts.lock().unwrap();
        Some(Arc::clone(&accounts.get(provider)?.provider))
    }

    fn earlier(&self, _: &ProviderId) -> Vec<Account> {
        self.0.earlier.lock().unwrap().clone()
    }

    fn standing(&self, provider: &ProviderId) -> Standing {
        *self.0.asked.lock().unwrap() += 1;
        self.0.changed.notify_waiters();
        if self.0.held.lock().unwrap().contains(provider) {
            return Standing::Held;
        }
        match self.0.accounts.lock().unwrap().get(provider) {
            Some(account) if !self.0.absent.lock().unwrap().contains(provider) => {
                Standing::Serves(account.clone())
            }
            _ => Standing::Absent {
                reason: "no plug-in".into(),
            },
        }
    }
}

struct Links;

impl LinkSigner for Links {
    fn sign_links(&self, body: &[u8], media: &[String]) -> Option<Vec<u8>> {
        let mut body = String::from_utf8(body.to_vec()).ok()?;
        for link in media {
            body = body.replace(link, &format!("{link}?signed"));
        }
        Some(body.into_bytes())
    }
}

/// What a bench is made of, with what most tests want.
pub(crate) struct Plan {
    pub(crate) providers: Vec<(Provider, Descriptor)>,
    pub(crate) on_settle: Box<OnSettle>,
    pub(crate) on_handle: Box<OnHandle>,
    /// What every wait is divided by.
    pub(crate) divided_by: u32,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            providers: vec![(provider("p"), Descriptor::new("x", "1.0.0"))],
            on_settle: Box::new(|_, _| Settled::Done),
            on_handle: Box::new(|_| Err("no token was expected to be asked for".into())),
            divided_by: 500,
        }
    }
}

/// A running delivery with everything around it.
pub(crate) struct Bench {
    pub(crate) delivery: Delivery,
    pub(crate) desk: Arc<Desk>,
    pub(crate) providers: Arc<Providers>,
}

impl Bench {
    /// Delivery as it is once what was left has been taken up: nothing.
    pub(crate) fn start(plan: Plan) -> Self {
        let bench = Self::before_recovery(plan);
        bench.delivery.recover(Vec::new());
        bench
    }

    pub(crate) fn before_recovery(plan: Plan) -> Self {
        let desk = Arc::new(Desk {
            ends: Mutex::default(),
            marks: Mutex::default(),
            marks_taken_back: Mutex::default(),
            outcomes: Mutex::default(),
            changed: Notify::new(),
            on_settle: plan.on_settle,
            on_handle: plan.on_handle,
            marks_to_refuse: Mutex::default(),
        });
        let account = |(provider, descriptor): (Provider, Descriptor)| {
            let account = Account {
                provider: Arc::new(provider),
                descriptor: Arc::new(descriptor),
            };
            (account.provider.id.clone(), account)
        };
        let providers = Arc::new(Providers {
            accounts: Mutex::new(plan.providers.into_iter().map(account).collect()),
            absent: Mutex::default(),
            held: Mutex::default(),
            asked: Mutex::default(),
            changed: Notify::new(),
            earlier: Mutex::default(),
        });
        let delivery = Delivery::start(Parts {
            health: Health::default(),
            accounts: Arc::new(Registry(Arc::clone(&providers))),
            origin: Arc::new(Sessions(Arc::clone(&desk))),
            links: Some(Arc::new(Links)),
            public_url: "http://gateway.example".into(),
            timing: Timing {
                divided_by: plan.divided_by,
            },
            runtime: Handle::current(),
        });
        Self {
            delivery,
            desk,
            providers,
        }
    }
}

impl Bench {
    /// Resolves when delivery has forgotten every call, which is a little
    /// after the session was told of the last one.
    pub(crate) async fn is_idle(&self) {
        while self.delivery.depth() > 0 {
            tokio::task::yield_now().await;
        }
    }
}

/// A provider that may reach loopback.
pub(crate) fn provider(id: &str) -> Provider {
    Provider {
        id: id.into(),
        plugin: "libkefu_x.so".into(),
        isolation: Isolation::InProcess,
        hosts: vec![AllowedHost::parse("127.0.0.1").unwrap()],
        limits: ProviderLimits {
            requests_per_second: 0,
            concurrency: 64,
            timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(10),
            max_response: 64 << 10,
            deadline: Duration::from_secs(3600),
            memory: 256 << 20,
        },
        on_unknown: OnUnknown::Report,
        emoji: None,
        visitor_fields: None,
        media: kefu_core::config::InboundMedia::default(),
        max_idle: Duration::from_secs(3600),
        drain: Duration::from_secs(3600),
        max_copies: 8,
        health: kefu_core::config::HealthRules {
            connect_every: None,
        },
        canary: None,
        sha256: Vec::new(),
        settings: Settings::new(json!({"key": "k"})),
    }
}

/// An entry's name among all entries.
fn name_of(entry: &OutboxEntry) -> String {
    format!("{}.{}", entry.session, entry.number)
}

/// A call that must not reach the vendor twice.
pub(crate) fn entry(session: &str, number: u64, url: impl Into<String>) -> OutboxEntry {
    let mut request = HttpRequest::get(url);
    request.method = "POST".into();
    request.body = number.to_string().into_bytes();
    OutboxEntry {
        session: session.into(),
        number,
        provider: "p".into(),
        call: Call::new("c", request),
        created_at: Timestamp::default(),
        deadline_at: Timestamp::from_unix_ms(i64::MAX),
        gives_way: false,
        media: Vec::new(),
        trace: None,
    }
}

/// A call that may.
pub(crate) fn repeatable(session: &str, number: u64, url: impl Into<String>) -> OutboxEntry {
    let mut entry = entry(session, number, url);
    entry.call.repeatable = true;
    entry
}
