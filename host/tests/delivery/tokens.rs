//! Tokens over real HTTP: fetched once for everybody, renewed once.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use kefu_core::outbox::OutboxEntry;
use kefu_gateway::delivery::Settled;
use kefu_plugin_api::{
    descriptor::Descriptor,
    effect::{Call, Effect},
    event::{CallResult, Event},
    http::{HttpRequest, Place, Stamp},
    session::Scope,
    wire::{HandleInput, HandleOutput},
};

use crate::{
    bench::{Bench, Plan, entry, provider},
    vendor::{Act, Received, Vendor},
};

/// A vendor whose newest token is the only one it accepts, the first few
/// aside; `fails` says which fetches fail.
async fn vendor(kills: usize, fails: impl Fn(usize) -> bool + Send + Sync + 'static) -> Vendor {
    let fetched = Arc::new(AtomicUsize::new(0));
    Vendor::start(move |request| {
        if request.path.starts_with("/token") {
            let count = fetched.fetch_add(1, Ordering::SeqCst) + 1;
            return if fails(count) {
                Act::Answer(500, "")
            } else {
                Act::Text(200, format!("t{count}"))
            };
        }
        let number = token_number(request);
        Act::Answer(if number > kills { 200 } else { 401 }, "")
    })
    .await
}

fn token_number(request: &Received) -> usize {
    let header = &request.headers["authorization"];
    let token = header.strip_prefix("Bearer t").expect("a bearer token");
    token.parse().unwrap()
}

/// An adapter that keeps one token, with a life of so many seconds.
fn plan(vendor: &Vendor, life: u64) -> Plan {
    let url = vendor.url("/token");
    Plan {
        providers: ["p", "q"]
            .map(|id| {
                (
                    provider(id),
                    Descriptor::new("x", "1.0.0").keeps_token("api", &["key"]),
                )
            })
            .into(),
        on_settle: Box::new(|_, finished| match &finished.result {
            CallResult::Answered { response }
                if response.status == 401 && !finished.token_renewed =>
            {
                Settled::RenewToken { name: "api".into() }
            }
            _ => Settled::Done,
        }),
        on_handle: Box::new(move |input| adapter(input, &url, life)),
        divided_by: 500,
    }
}

fn adapter(input: &HandleInput, url: &str, life: u64) -> Result<HandleOutput, String> {
    assert_eq!(input.session.scope, Scope::Provider);
    assert!(
        input
            .session
            .callback_url
            .starts_with("http://gateway.example/v1/callbacks/")
    );
    let (effect, state) = match &input.event {
        Event::TokenNeeded { name } => {
            let request = HttpRequest::get(url).with_stamp(Stamp::Secret {
                setting: "key".into(),
                place: Place::query("key"),
            });
            assert_eq!(name, "api");
            (Effect::from(Call::new("fetch", request)), b"asked".to_vec())
        }
        Event::CallFinished {
            call,
            result: CallResult::Answered { response },
            ..
        } => {
            assert_eq!(call.as_str(), "fetch");
            assert_eq!(input.state, b"asked");
            if !response.is_success() {
                return Err("the vendor gave no token".into());
            }
            let token = Effect::Token {
                name: "api".into(),
                value: String::from_utf8(response.body.clone()).unwrap().into(),
                expires_in_seconds: life,
            };
            (token, Vec::new())
        }
        other => return Err(format!("{other:?}")),
    };
    Ok(HandleOutput {
        effects: vec![effect],
        state,
        ..HandleOutput::default()
    })
}

fn with_token(session: usize, vendor: &Vendor) -> OutboxEntry {
    let mut entry = entry(
        &format!("s{session}"),
        1,
        vendor.url(&format!("/{session}")),
    );
    entry.call.request.stamps = vec![Stamp::Token {
        name: "api".into(),
        place: Place::header("authorization"),
        prefix: "Bearer ".into(),
    }];
    if session % 2 == 1 {
        entry.provider = "q".into();
    }
    entry
}

fn fetches(vendor: &Vendor) -> usize {
    vendor.arrivals("/token?key=k")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_token_is_fetched_once_for_a_hundred_sessions_of_two_providers() {
    let vendor = vendor(0, |_| false).await;
    let bench = Bench::start(plan(&vendor, 3_600));
    bench.delivery.carry(
        (0..100)
            .map(|session| with_token(session, &vendor))
            .collect(),
    );
    let ends = bench.desk.has_ends(100).await;
    assert!(
        ends.iter()
            .all(|end| end.status() == Some(200) && !end.finished.token_renewed)
    );
    assert_eq!(fetches(&vendor), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_token_that_died_is_renewed_once_for_everybody_and_each_call_repeated_once() {
    let vendor = vendor(1, |_| false).await;
    let bench = Bench::start(plan(&vendor, 3_600));
    bench.delivery.carry(
        (0..100)
            .map(|session| with_token(session, &vendor))
            .collect(),
    );
    let ends = bench.desk.has_ends(100).await;
    assert!(ends.iter().all(|end| end.status() == Some(200)));
    assert_eq!(fetches(&vendor), 2);
    for end in ends {
        let session = end.id.trim_start_matches('s').trim_end_matches(".1");
        let arrivals = vendor.arrivals(&format!("/{session}"));
        assert_eq!(arrivals, if end.finished.token_renewed { 2 } else { 1 });
    }
}

#[tokio::test]
async fn a_token_that_is_refused_twice_is_not_renewed_again() {
    let vendor = vendor(usize::MAX, |_| false).await;
    let bench = Bench::start(plan(&vendor, 3_600));
    bench.delivery.carry(vec![with_token(0, &vendor)]);
    let ends = bench.desk.has_ends(1).await;
    assert_eq!(ends[0].status(), Some(401));
    assert!(ends[0].finished.token_renewed);
    assert_eq!(vendor.arrivals("/0"), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn calls_wait_while_no_token_can_be_had() {
    let vendor = vendor(0, |count| count <= 3).await;
    let bench = Bench::start(plan(&vendor, 3_600));
    bench.delivery.carry(
        (0..20)
            .map(|session| with_token(session, &vendor))
            .collect(),
    );
    let ends = bench.desk.has_ends(20).await;
    assert!(ends.iter().all(|end| end.status() == Some(200)));
    assert_eq!(fetches(&vendor), 4);
    let arrivals = vendor.received().len() - fetches(&vendor);
    assert_eq!(arrivals, 20, "nothing was sent without a token");
    assert_eq!(bench.desk.marks().len(), 20);
}

#[tokio::test]
async fn a_token_that_has_expired_is_fetched_again() {
    let vendor = vendor(0, |_| false).await;
    let bench = Bench::start(plan(&vendor, 0));
    for session in 0..3 {
        bench.delivery.carry(vec![with_token(session, &vendor)]);
        bench.desk.has_ends(session + 1).await;
    }
    assert_eq!(fetches(&vendor), 3);
}

#[tokio::test]
async fn a_token_that_the_adapter_does_not_declare_ends_the_call() {
    let vendor = vendor(0, |_| false).await;
    let mut plan = plan(&vendor, 3_600);
    plan.providers = vec![(provider("p"), Descriptor::new("x", "1.0.0"))];
    let bench = Bench::start(plan);
    bench.delivery.carry(vec![with_token(0, &vendor)]);
    let ends = bench.desk.has_ends(1).await;
    assert!(ends[0].is_not_sent(), "{ends:?}");
    assert_eq!(vendor.received().len(), 0);
}
