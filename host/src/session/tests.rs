//! The engine with a real store and adapters made of closures: what hangs,
//! fails or is taken out costs its own provider.

mod absence;
mod one_each;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use kefu_core::{
    command::Command,
    config::{Config, NoLookup, assemble, check_main},
};
use kefu_plugin_api::{
    capability::{EndReason, SessionState},
    effect::Effect,
    event::{Client, Event, Visitor},
    http::Callback,
    ids::{ProviderId, SessionId},
    message::Content,
    time::Timestamp,
    wire::{HandleInput, HandleOutput},
};
use tempfile::TempDir;

use super::{CallbackAnswer, Engine, OpenRequest, Parts, VisitorKey};
use crate::{
    figures::Figures,
    plugin::{Availability, Fault, FaultKind, Registry, registry::fake},
    route::Router,
    store::{Store, sqlite::SqliteStore},
    telemetry::Metrics,
};

/// A gateway's inside: store, engine, and providers as the test wants them.
struct Place {
    engine: Engine,
    registry: Arc<Registry>,
    store: Arc<dyn Store>,
    config: Arc<ArcSwap<Config>>,
    folder: TempDir,
}

impl Place {
    async fn new(providers: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder can be made");
        Self::in_folder(folder, providers).await
    }

    async fn in_folder(folder: TempDir, providers: &[&str]) -> Self {
        let config = config(providers);
        let metrics = Metrics::new();
        let path = folder.path().join("kefu.db");
        let store: Arc<dyn Store> =
            Arc::new(SqliteStore::open(&path, metrics.clone()).expect("a store can be made"));
        let registry = Arc::new(Registry::new(
            &config.main.plugins,
            config.main.limits.call_timeout,
        ));
        let config = Arc::new(ArcSwap::from_pointee(config));
        let engine = Engine::new(Parts {
            store: Arc::clone(&store),
            registry: Arc::clone(&registry),
            router: Arc::new(Router::new(Arc::clone(&registry))),
            config: Arc::clone(&config),
            public_url: "http://gateway.example".into(),
            metrics,
            figures: Figures::default(),
        })
        .expect("threads can be started");
        engine.start_work(|_| {}).expect("the store can be read");
        Self {
            engine,
            registry,
            store,
            config,
            folder,
        }
    }

    /// The gateway as it is after a restart, with these providers.
    async fn restart(self, providers: &[&str]) -> Self {
        let Self {
            engine,
            store,
            folder,
            ..
        } = self;
        engine.stop(PATIENCE);
        drop(engine);
        // The threads let go of the store one after the other.
        until("the store is closed", || Arc::strong_count(&store) == 1).await;
        drop(store);
        Self::in_folder(folder, providers).await
    }

    async fn open(&self, visitor: &str, desk: &str) -> Result<SessionId, String> {
        let request = OpenRequest {
            only: None,
            who: who(visitor),
            desk: desk.into(),
            group: None,
            visitor: Visitor {
                id: visitor.into(),
                ..Visitor::default()
            },
            client: Client::default(),
            key: None,
            wait: Some(PATIENCE),
            trace: None,
        };
        let opened = tokio::time::timeout(PATIENCE, self.engine.open(request)).await;
        let opened = opened.map_err(|_| "it takes too long")?;
        opened
            .map(|opened| opened.card.id)
            .map_err(|problem| problem.to_string())
    }

    async fn say(&self, visitor: &str, session: &SessionId, text: &str) -> Result<(), String> {
        let command = Command::Message {
            content: Content::text(text),
            media: vec![],
            converted_from: None,
        };
        let who = who(visitor);
        let said = self.engine.command(&who, session, command, None, None);
        let said = tokio::time::timeout(PATIENCE, said).await;
        let said = said.map_err(|_| "it takes too long")?;
        said.map(drop).map_err(|problem| problem.to_string())
    }

    fn availability(&self, provider: &str) -> Option<Availability> {
        self.registry.availability(&provider.into())
    }

    fn stuck_calls(&self, provider: &str) -> u64 {
        let status = self.registry.describe_all();
        let status = status.iter().find(|one| one.id.as_str() == provider);
        status.map_or(0, |one| one.stuck_calls)
    }

    fn end_reason(&self, session: &SessionId) -> Option<EndReason> {
        let record = self.store.record(session).expect("the store answers");
        record.and_then(|record| record.end_reason)
    }

    fn open_at(&self, provider: &str) -> u64 {
        let open = self.store.open_by_provider().expect("the store answers");
        open.get(&ProviderId::new(provider)).copied().unwrap_or(0)
    }
}

/// Longer than any test takes; only what hangs meets it.
const PATIENCE: Duration = Duration::from_secs(30);

/// A desk of the same name for each provider.
fn config(providers: &[&str]) -> Config {
    let mut text = String::from(
        "[admin]\ntoken = \"a-token-for-the-test\"\n[apps.demo]\nsecret = \"first-secret\"\n[limits]\ncall_timeout = \"50ms\"\nengine_threads = 4\nmax_stuck_calls = 4\n",
    );
    for provider in providers {
        text.push_str(&format!(
            "[desks.{provider}]\napp = \"demo\"\ntitle = \"d\"\nroutes = [{{ provider = \"{provider}\" }}]\n"
        ));
    }
    let main = check_main("kefu.toml", &text, &NoLookup).expect("it is a valid configuration");
    assemble(main, vec![]).0
}

fn who(visitor: &str) -> VisitorKey {
    VisitorKey {
        app: "demo".into(),
        visitor: visitor.into(),
    }
}

/// What a good adapter does: takes the session, and nothing else.
fn good(input: HandleInput) -> Result<HandleOutput, Fault> {
    let effects = match input.event {
        Event::Opened { .. } => vec![Effect::state(SessionState::Human)],
        _ => vec![],
    };
    Ok(HandleOutput {
        effects,
        state: b"seen".to_vec(),
        state_version: "1.0.0".into(),
        notes: vec![],
    })
}

fn says(input: &HandleInput, text: &str) -> bool {
    matches!(&input.event, Event::FromVisitor { message } if message.content == Content::text(text))
}

/// An adapter that hangs on the word `hang` until it is released.
fn hangs(
    released: &Arc<AtomicBool>,
) -> impl Fn(HandleInput) -> Result<HandleOutput, Fault> + use<> {
    let released = Arc::clone(released);
    move |input| {
        if says(&input, "hang") {
            wait_for(&released);
        }
        good(input)
    }
}

fn wait_for(released: &AtomicBool) {
    while !released.load(Ordering::Acquire) {
        std::thread::sleep(Duration::from_millis(1));
    }
}

async fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "{what} does not come about");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_call_that_hangs_is_shown_and_costs_its_session_only() {
    let place = Place::new(&["a", "b"]).await;
    let released = Arc::new(AtomicBool::new(false));
    fake::serve(&place.registry, "a", hangs(&released));
    fake::serve(&place.registry, "b", good);
    let bad = place.open("bad", "a").await.unwrap();
    let good_a = place.open("good", "a").await.unwrap();
    let good_b = place.open("good", "b").await.unwrap();
    assert!(place.say("bad", &bad, "hang").await.is_err());
    until("the call shows", || place.stuck_calls("a") == 1).await;
    assert_eq!(place.availability("a"), Some(Availability::Active));
    place.say("good", &good_a, "hello").await.unwrap();
    place.say("good", &good_b, "hello").await.unwrap();
    // The session is answered at once, without its adapter.
    assert!(place.say("bad", &bad, "hello").await.is_err());
    released.store(true, Ordering::Release);
    until("the call is gone", || place.stuck_calls("a") == 0).await;
    let faults = place.registry.describe_all()[0].faults_by_kind.clone();
    assert_eq!(faults.get(&FaultKind::Timeout), Some(&1));
    place.say("bad", &bad, "hello").await.unwrap();
    assert_eq!(place.stuck_calls("b"), 0);
}

#[tokio::test]
async fn a_provider_that_only_hangs_is_stuck_refused_at_once_and_comes_back() {
    let place = Place::new(&["a", "b"]).await;
    let released = Arc::new(AtomicBool::new(false));
    fake::serve(&place.registry, "a", hangs(&released));
    fake::serve(&place.registry, "b", good);
    let at_b = place.open("v", "b").await.unwrap();
    let mut sessions = Vec::new();
    for visitor in 0..6 {
        let visitor = format!("v{visitor}");
        sessions.push((visitor.clone(), place.open(&visitor, "a").await.unwrap()));
    }
    let hanging = sessions
        .iter()
        .map(|(visitor, id)| place.say(visitor, id, "hang"));
    for said in futures_all(hanging).await {
        assert!(said.is_err());
    }
    until("it is stuck", || {
        matches!(place.availability("a"), Some(Availability::Stuck { .. }))
    })
    .await;
    assert!(place.stuck_calls("a") >= 2);
    assert!(!place.availability("a").unwrap().takes_sessions());
    // What waits for it is refused instead of waiting.
    assert!(place.open("late", "a").await.is_err());
    assert!(place.say("v0", &sessions[0].1, "hello").await.is_err());
    place.say("v", &at_b, "hello").await.unwrap();
    released.store(true, Ordering::Release);
    until("it serves", || {
        place.availability("a") == Some(Availability::Active)
    })
    .await;
    assert_eq!(place.stuck_calls("a"), 0);
    place.say("v0", &sessions[0].1, "hello").await.unwrap();
}

#[tokio::test]
async fn a_new_adapter_serves_beside_hung_calls_of_the_old_one() {
    let place = Place::new(&["a"]).await;
    let released = Arc::new(AtomicBool::new(false));
    fake::serve(&place.registry, "a", hangs(&released));
    let mut sessions = Vec::new();
    for visitor in ["v0", "v1", "v2", "v3"] {
        sessions.push((visitor, place.open(visitor, "a").await.unwrap()));
    }
    let hanging = sessions
        .iter()
        .map(|(visitor, id)| place.say(visitor, id, "hang"));
    futures_all(hanging).await;
    until("it is stuck", || {
        matches!(place.availability("a"), Some(Availability::Stuck { .. }))
    })
    .await;
    fake::serve(&place.registry, "a", good);
    until("the new one serves", || {
        place.availability("a") == Some(Availability::Active)
    })
    .await;
    place.open("new", "a").await.unwrap();
    assert!(place.stuck_calls("a") >= 2, "the old ones still show");
    released.store(true, Ordering::Release);
}

#[tokio::test]
async fn callbacks_and_token_calls_that_hang_are_answered_and_shown() {
    let place = Place::new(&["a", "b"]).await;
    let released = Arc::new(AtomicBool::new(false));
    let (in_handle, in_receive) = (Arc::clone(&released), Arc::clone(&released));
    fake::serve_all(
        &place.registry,
        "a",
        Box::new(move |input| {
            wait_for(&in_handle);
            good(input)
        }),
        Box::new(move |_| {
            wait_for(&in_receive);
            Err(Fault::new(FaultKind::Adapter, "too late"))
        }),
    );
    fake::serve(&place.registry, "b", good);
    let (a, b) = ("a".into(), "b".into());
    let callback = place.engine.callback(&a, callback());
    let answer = tokio::time::timeout(PATIENCE, callback).await.unwrap();
    assert!(
        matches!(answer, CallbackAnswer::Unavailable(_)),
        "{answer:?}"
    );
    let asked = place.engine.ask(&a, token_needed());
    let answer = tokio::time::timeout(PATIENCE, asked).await.unwrap();
    assert!(answer.unwrap_err().contains("in time"));
    until("both show", || place.stuck_calls("a") == 2).await;
    place.engine.ask(&b, token_needed()).await.unwrap();
    released.store(true, Ordering::Release);
    until("both return", || place.stuck_calls("a") == 0).await;
    place.engine.ask(&a, token_needed()).await.unwrap();
}

#[tokio::test]
async fn an_opening_passes_from_a_failing_provider_to_a_full_one_and_asks_each_once() {
    let place = Place::new(&["a", "b"]).await;
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    fake::serve(&place.registry, "a", move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        Err(Fault::new(FaultKind::Vendor, "nobody is here"))
    });
    let (enter, entered) = mpsc::sync_channel(9);
    let released = Arc::new(AtomicBool::new(false));
    let gate = Arc::clone(&released);
    fake::serve(&place.registry, "b", move |input| {
        // Slow, but within its time.
        if says(&input, "slow") {
            let _ = enter.send(());
            let started = Instant::now();
            while !gate.load(Ordering::Acquire) && started.elapsed() < PATIENCE {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        good(input)
    });
    let mut config = config(&["a", "b"]);
    config.main.limits.call_timeout = PATIENCE;
    let desk = config
        .main
        .desks
        .values_mut()
        .find(|desk| desk.routes[0].provider.as_str() == "a");
    let mut second = desk.as_ref().unwrap().routes[0].clone();
    second.provider = "b".into();
    desk.unwrap().routes.push(second);
    place.config.store(Arc::new(config));
    let (one, two) = (
        place.open("one", "b").await.unwrap(),
        place.open("two", "b").await.unwrap(),
    );
    let slow = async {
        tokio::join!(
            place.say("one", &one, "slow"),
            place.say("two", &two, "slow")
        )
    };
    let opening = async {
        // Both places of `b` are taken before the visitor comes.
        tokio::task::spawn_blocking(move || {
            for _ in 0..2 {
                entered.recv_timeout(PATIENCE).expect("a call is under way");
            }
        })
        .await
        .unwrap();
        let opening = place.open("late", "a");
        tokio::pin!(opening);
        let asked = || asked.load(Ordering::SeqCst) == 1;
        tokio::select! {
            opened = &mut opening => panic!("opened beside a full provider: {opened:?}"),
            () = until("the first provider is asked", asked) => {}
        }
        released.store(true, Ordering::Release);
        opening.await
    };
    let (_, opened) = tokio::join!(slow, opening);
    let record = place.store.record(&opened.unwrap()).unwrap().unwrap();
    assert_eq!(record.provider.as_str(), "b");
    assert_eq!(asked.load(Ordering::SeqCst), 1, "its answer was kept");
}

#[tokio::test]
async fn a_provider_that_was_taken_out_serves_until_its_time_and_is_removed() {
    let place = Place::new(&["a"]).await;
    // It fails whoever it has to see off.
    fake::serve(&place.registry, "a", |input| match input.event {
        Event::Closing { .. } => Err(Fault::new(FaultKind::Panic, "boom")),
        _ => good(input),
    });
    let session = place.open("v", "a").await.unwrap();
    let now = Instant::now();
    let until = now + Duration::from_secs(60);
    place.registry.retire(&"a".into(), until);
    let sent = |_: &ProviderId| true;
    place.engine.drain(now, sent).await;
    place.say("v", &session, "still there?").await.unwrap();
    assert!(place.open("new", "a").await.is_err());
    assert_eq!(place.end_reason(&session), None);
    place.engine.drain(until, sent).await;
    assert_eq!(place.end_reason(&session), Some(EndReason::ProviderError));
    place.engine.drain(until, |_| false).await;
    assert!(place.availability("a").is_some(), "something is to be sent");
    place.engine.drain(until, sent).await;
    assert_eq!(place.availability("a"), None);
}

#[tokio::test]
async fn a_session_whose_adapter_hangs_is_ended_too() {
    let place = Place::new(&["a"]).await;
    let released = Arc::new(AtomicBool::new(false));
    fake::serve(&place.registry, "a", hangs(&released));
    let session = place.open("v", "a").await.unwrap();
    assert!(place.say("v", &session, "hang").await.is_err());
    let now = Instant::now();
    place.registry.retire(&"a".into(), now);
    place.engine.drain(now, |_| true).await;
    assert_eq!(place.end_reason(&session), Some(EndReason::ProviderError));
    released.store(true, Ordering::Release);
}

#[tokio::test]
async fn sessions_of_a_provider_that_is_gone_after_a_restart_go_on_for_a_day() {
    let place = Place::new(&["a", "b"]).await;
    fake::serve(&place.registry, "a", good);
    fake::serve(&place.registry, "b", good);
    let mut sessions = Vec::new();
    // More than are ended at a time.
    for visitor in 0..250 {
        sessions.push(place.open(&format!("v{visitor}"), "a").await.unwrap());
    }
    let kept = place.open("v", "b").await.unwrap();
    let place = place.restart(&["b"]).await;
    fake::serve(&place.registry, "b", good);
    let start = Instant::now();
    let hours = |hours: u64| start + Duration::from_secs(hours * 3600);
    place.engine.drain(start, |_| true).await;
    place.engine.drain(hours(23), |_| true).await;
    assert_eq!(place.open_at("a"), 250);
    place.engine.drain(hours(24), |_| true).await;
    assert_eq!(place.open_at("a"), 0);
    assert_eq!(
        place.end_reason(&sessions[0]),
        Some(EndReason::ProviderError)
    );
    assert_eq!(place.end_reason(&kept), None);
}

#[tokio::test]
async fn a_provider_that_comes_back_in_time_keeps_its_sessions() {
    let place = Place::new(&["a"]).await;
    fake::serve(&place.registry, "a", good);
    let session = place.open("v", "a").await.unwrap();
    let place = place.restart(&[]).await;
    let start = Instant::now();
    let hours = |hours: u64| start + Duration::from_secs(hours * 3600);
    place.engine.drain(start, |_| true).await;
    fake::serve(&place.registry, "a", good);
    for hour in [12, 24, 36] {
        place.engine.drain(hours(hour), |_| true).await;
    }
    assert_eq!(place.end_reason(&session), None);
    place.say("v", &session, "hello again").await.unwrap();
}

fn callback() -> Callback {
    Callback {
        method: "POST".into(),
        path: String::new(),
        query: String::new(),
        headers: vec![],
        body: vec![],
        peer: None,
        received_at: Timestamp::from_unix_ms(0),
    }
}

fn token_needed() -> HandleInput {
    HandleInput {
        event: Event::TokenNeeded { name: "api".into() },
        session: Default::default(),
        state: vec![],
        state_version: String::new(),
    }
}

/// All of them at the same time.
async fn futures_all<F: Future>(all: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut all: Vec<_> = all.map(|one| (Box::pin(one), None)).collect();
    std::future::poll_fn(|context| {
        for (one, output) in &mut all {
            if output.is_none()
                && let std::task::Poll::Ready(ready) = one.as_mut().poll(context)
            {
                *output = Some(ready);
            }
        }
        if all.iter().all(|(_, output)| output.is_some()) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    all.into_iter().filter_map(|(_, output)| output).collect()
}
