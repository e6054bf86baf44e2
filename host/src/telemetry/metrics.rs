//! The numbers, by name.
//!
//! Owns the registry. Deliberately gives out no metric, only methods named
//! after what happened, so that names and labels stand in one file. Invariant:
//! labels are routes of the router, ids and names of the configuration, and words
//! of the code; nothing that a visitor or a vendor can choose.

mod by_provider;
mod health;
mod media;
mod migrations;
mod plugins;
mod process;
mod pushes;
mod service;
mod shadows;
mod sources;

use std::{fmt, sync::Arc, time::Duration};

use kefu_plugin_api::ids::ProviderId;
use prometheus_client::{
    encoding::{EncodeLabelSet, text},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

use self::{
    by_provider::ByProvider, health::Vendors, media::Media, migrations::Migrations,
    plugins::Plugins, process::ProcessMemory, pushes::Pushes, service::Service, shadows::Shadows,
    sources::Sources,
};
use crate::plugin::{CallKind, CallObserver, FaultKind};

pub use self::{plugins::Standing, sources::SourceCount};

/// Every metric of the gateway. Cheap to clone; all clones count together.
#[derive(Clone)]
pub struct Metrics(Arc<All>);

struct All {
    registry: Registry,
    requests: Family<Request, Counter>,
    request_seconds: Histogram,
    streams: Gauge,
    connections: Gauge,
    messages: Counter,
    sessions_open: Gauge,
    sessions_in_memory: Gauge,
    turns: Family<Outcome, Counter>,
    turn_seconds: Histogram,
    commits: Counter,
    commit_turns: Histogram,
    commit_seconds: Histogram,
    outbox: Gauge,
    attempts: ByProvider<Outcome, Counter>,
    delivery_seconds: Histogram,
    callbacks: ByProvider<Outcome, Counter>,
    adapter_calls: ByProvider<OfCall, Counter>,
    adapter_seconds: Histogram,
    dead_letters: ByProvider<Outcome, Counter>,
    media: Media,
    plugins: Plugins,
    migrations: Migrations,
    pushes: Pushes,
    service: Service,
    shadows: Shadows,
    sources: Sources,
    vendors: Vendors,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    route: &'static str,
    method: &'static str,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, EncodeLabelSet)]
struct OfCall {
    call: &'static str,
    outcome: &'static str,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All of them at zero.
    pub fn new() -> Self {
        let mut all = All {
            registry: Registry::with_prefix("kefu"),
            requests: Family::default(),
            request_seconds: Histogram::new(SECONDS),
            streams: Gauge::default(),
            connections: Gauge::default(),
            messages: Counter::default(),
            sessions_open: Gauge::default(),
            sessions_in_memory: Gauge::default(),
            turns: Family::default(),
            turn_seconds: Histogram::new(SECONDS),
            commits: Counter::default(),
            commit_turns: Histogram::new(BATCH),
            commit_seconds: Histogram::new(SECONDS),
            outbox: Gauge::default(),
            attempts: ByProvider::default(),
            delivery_seconds: Histogram::new(LONG_SECONDS),
            callbacks: ByProvider::default(),
            adapter_calls: ByProvider::default(),
            adapter_seconds: Histogram::new(SECONDS),
            dead_letters: ByProvider::default(),
            media: Media::default(),
            plugins: Plugins::default(),
            migrations: Migrations::default(),
            pushes: Pushes::default(),
            service: Service::default(),
            shadows: Shadows::default(),
            sources: Sources::default(),
            vendors: Vendors::default(),
        };
        all.register_edge();
        all.register_sessions();
        all.register_delivery();
        all.media.register(&mut all.registry);
        all.plugins.register(&mut all.registry);
        all.migrations.register(&mut all.registry);
        all.pushes.register(&mut all.registry);
        all.service.register(&mut all.registry);
        all.shadows.register(&mut all.registry);
        all.sources.register(&mut all.registry);
        all.vendors.register(&mut all.registry);
        all.registry.register_collector(Box::new(ProcessMemory));
        Self(Arc::new(all))
    }

    /// Everything as OpenMetrics text, to be sent as [`Self::CONTENT_TYPE`].
    pub fn render(&self) -> String {
        let mut page = String::with_capacity(8 * 1024);
        text::encode(&mut page, &self.0.registry).expect("a String takes every text");
        page
    }

    /// The content type of [`render`](Self::render).
    pub const CONTENT_TYPE: &'static str =
        "application/openmetrics-text; version=1.0.0; charset=utf-8";

    /// A request was answered; streams count when their head is sent. `route`
    /// is the pattern of the router, not the path.
    pub fn request_answered(
        &self,
        route: &'static str,
        method: &'static str,
        status: u16,
        took: Duration,
    ) {
        let labels = Request {
            route,
            method,
            status,
        };
        self.0.requests.get_or_create(&labels).inc();
        self.0.request_seconds.observe(took.as_secs_f64());
    }

    /// A connection was accepted; it counts until the value is dropped.
    pub fn connection_accepted(&self) -> OpenStream {
        OpenStream::new(&self.0.connections)
    }

    /// An event stream was opened; it counts until the value is dropped.
    pub fn stream_opened(&self) -> OpenStream {
        OpenStream::new(&self.0.streams)
    }

    /// A visitor's message was taken: it is durable.
    pub fn message_accepted(&self) {
        self.0.messages.inc();
    }

    /// How many sessions are open, as counted at the start.
    pub fn sessions_found_open(&self, count: u64) {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        self.0.sessions_open.set(count);
    }

    /// A session was opened.
    pub fn session_opened(&self) {
        self.0.sessions_open.inc();
    }

    /// A session ended.
    pub fn session_ended(&self) {
        self.0.sessions_open.dec();
    }

    /// Sessions that are open.
    pub fn open_sessions(&self) -> i64 {
        self.0.sessions_open.get()
    }

    /// How many sessions are in memory now.
    pub fn sessions_in_memory(&self, count: usize) {
        self.0
            .sessions_in_memory
            .set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// A turn is over: `done`, `failed`, or `waits` for media and is run again.
    pub fn turn_finished(&self, outcome: &'static str, took: Duration) {
        self.0.turns.get_or_create(&Outcome { outcome }).inc();
        self.0.turn_seconds.observe(took.as_secs_f64());
    }

    /// A commit with so many turns in it is on the disk.
    pub fn committed(&self, turns: usize, took: Duration) {
        self.0.commits.inc();
        self.0.commit_turns.observe(turns as f64);
        self.0.commit_seconds.observe(took.as_secs_f64());
    }

    /// So many entries came into the outbox.
    pub fn outbox_entered(&self, entries: usize) {
        self.0
            .outbox
            .inc_by(i64::try_from(entries).unwrap_or(i64::MAX));
    }

    /// So many entries left the outbox, sent or given up.
    pub fn outbox_left(&self, entries: usize) {
        self.0
            .outbox
            .dec_by(i64::try_from(entries).unwrap_or(i64::MAX));
    }

    /// A request to a vendor was tried: `answered`, `refused`, `not_sent`,
    /// `unknown`, `token_rejected`.
    pub fn delivery_tried(&self, provider: &ProviderId, outcome: &'static str) {
        let labels = Outcome { outcome };
        self.0.attempts.with(provider, labels, increment);
    }

    /// A request reached its vendor, so long after the turn that asked for it.
    pub fn delivered(&self, after: Duration) {
        self.0.delivery_seconds.observe(after.as_secs_f64());
    }

    /// A vendor's callback was answered: `accepted`, `not_authentic`,
    /// `malformed`, `unavailable`, `unknown_session`.
    pub fn callback_answered(&self, provider: &ProviderId, outcome: &'static str) {
        let labels = Outcome { outcome };
        self.0.callbacks.with(provider, labels, increment);
    }

    /// Something was given up and kept for people.
    pub fn dead_letter(&self, provider: &ProviderId, kind: &'static str) {
        let labels = Outcome { outcome: kind };
        self.0.dead_letters.with(provider, labels, increment);
    }
}

/// The adapters' calls are counted where the guard sees them.
impl CallObserver for Metrics {
    fn faulted(&self, provider: &ProviderId, kind: FaultKind) {
        self.provider_faulted(provider, kind);
    }

    fn finished(
        &self,
        provider: &ProviderId,
        kind: CallKind,
        took: Duration,
        fault: Option<FaultKind>,
    ) {
        let labels = OfCall {
            call: kind.as_str(),
            outcome: fault.map_or("ok", FaultKind::as_str),
        };
        self.0.adapter_calls.with(provider, labels, increment);
        self.0.adapter_seconds.observe(took.as_secs_f64());
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

/// Something that counts as open until it is dropped.
#[derive(Debug)]
pub struct OpenStream(Gauge);

impl OpenStream {
    fn new(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl All {
    fn register_edge(&mut self) {
        let it = &mut self.registry;
        it.register("http_requests", "Requests answered", self.requests.clone());
        it.register(
            "http_request_seconds",
            "Time to the head of the answer",
            self.request_seconds.clone(),
        );
        it.register("event_streams", "Open event streams", self.streams.clone());
        it.register(
            "connections",
            "Open connections of both listeners",
            self.connections.clone(),
        );
    }

    fn register_sessions(&mut self) {
        let it = &mut self.registry;
        it.register(
            "messages_accepted",
            "Messages of visitors that were made durable",
            self.messages.clone(),
        );
        it.register("sessions_open", "Open sessions", self.sessions_open.clone());
        it.register(
            "sessions_in_memory",
            "Sessions kept in memory",
            self.sessions_in_memory.clone(),
        );
        it.register("turns", "Turns of sessions", self.turns.clone());
        it.register(
            "turn_seconds",
            "Time of a turn up to its commit",
            self.turn_seconds.clone(),
        );
        it.register("commits", "Commits of the store", self.commits.clone());
        it.register(
            "commit_turns",
            "Turns that shared a commit",
            self.commit_turns.clone(),
        );
        it.register(
            "commit_seconds",
            "Time of a commit",
            self.commit_seconds.clone(),
        );
        it.register(
            "adapter_calls",
            "Calls of adapters",
            self.adapter_calls.clone(),
        );
        it.register(
            "adapter_call_seconds",
            "Time of a call of an adapter",
            self.adapter_seconds.clone(),
        );
    }

    fn register_delivery(&mut self) {
        let it = &mut self.registry;
        it.register(
            "outbox_entries",
            "Requests that wait to be sent",
            self.outbox.clone(),
        );
        it.register(
            "delivery_attempts",
            "Attempts to reach a vendor",
            self.attempts.clone(),
        );
        it.register(
            "delivery_seconds",
            "Time from turn to the vendor's answer",
            self.delivery_seconds.clone(),
        );
        it.register("callbacks", "Callbacks of vendors", self.callbacks.clone());
        it.register(
            "dead_letters",
            "Requests and events that were given up",
            self.dead_letters.clone(),
        );
    }
}

fn increment(counter: &Counter) {
    counter.inc();
}

const SECONDS: [f64; 13] = [
    0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0,
];
const LONG_SECONDS: [f64; 11] = [
    0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 10.0, 60.0, 600.0, 3600.0,
];
const BATCH: [f64; 9] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_is_on_the_page() {
        let metrics = Metrics::new();
        metrics.request_answered("/v1/sessions", "POST", 201, Duration::from_millis(2));
        metrics.delivery_tried(&"zhichi".into(), "answered");
        metrics.outbox_entered(3);
        metrics.outbox_left(1);
        let page = metrics.render();
        for line in [
            "kefu_http_requests_total{route=\"/v1/sessions\",method=\"POST\",status=\"201\"} 1",
            "kefu_delivery_attempts_total{provider=\"zhichi\",outcome=\"answered\"} 1",
            "kefu_outbox_entries 2",
            "# EOF",
        ] {
            assert!(page.contains(line), "{line} is not in\n{page}");
        }
    }

    #[test]
    fn a_stream_counts_while_it_is_open() {
        let metrics = Metrics::new();
        let stream = metrics.clone().stream_opened();
        assert!(metrics.render().contains("kefu_event_streams 1\n"));
        drop(stream);
        assert!(metrics.render().contains("kefu_event_streams 0\n"));
    }

    #[test]
    fn an_adapters_fault_is_counted_by_kind() {
        let metrics = Metrics::new();
        let call = |fault| {
            let took = Duration::from_micros(5);
            metrics.finished(&"jiaxin".into(), CallKind::Receive, took, fault);
        };
        call(None);
        call(Some(FaultKind::Panic));
        let page = metrics.render();
        for outcome in ["ok", "panic"] {
            let line = format!(
                "kefu_adapter_calls_total{{provider=\"jiaxin\",call=\"receive\",outcome=\"{outcome}\"}} 1"
            );
            assert!(page.contains(&line), "{line} is not in\n{page}");
        }
    }
}
