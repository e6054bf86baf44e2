//! Attempts that go wrong, and what the session is told.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use kefu_core::config::{OnUnknown, Provider, Settings};
use kefu_gateway::delivery::BreakerState;
use kefu_plugin_api::{
    descriptor::Descriptor,
    event::CallResult,
    http::{Place, Stamp},
    time::Timestamp,
};
use serde_json::json;

use crate::{
    bench::{Bench, End, Plan, entry, provider, repeatable},
    vendor::{Act, Vendor, closed_port},
};

/// Sends one call that must not arrive twice to a vendor that does this.
async fn fate(act: impl Fn() -> Act + Send + Sync + 'static) -> (End, usize) {
    let vendor = Vendor::start(move |request| match request.path.as_str() {
        "/fate" => act(),
        _ => Act::Answer(200, ""),
    })
    .await;
    let mut impatient = provider("p");
    impatient.limits.timeout = Duration::from_millis(200);
    impatient.limits.max_response = 1_000;
    let bench = Bench::start(Plan {
        providers: vec![(impatient, Descriptor::new("x", "1.0.0"))],
        ..Plan::default()
    });
    let first = entry("s", 1, vendor.url("/fate"));
    let second = entry("s", 2, vendor.url("/"));
    bench.delivery.carry(vec![first, second]);
    let ends = bench.desk.has_ends(2).await;
    assert_eq!(ends[1].status(), Some(200), "the lane goes on");
    (ends[0].clone(), vendor.arrivals("/fate"))
}

#[tokio::test]
async fn a_lost_answer_is_unknown_and_the_call_not_repeated() {
    let (end, arrivals) = fate(|| Act::Close).await;
    assert!(end.is_unknown(), "{end:?}");
    assert_eq!((end.finished.attempts, arrivals), (1, 1));
}

#[tokio::test]
async fn a_handshake_that_can_go_on_elsewhere_is_tried_twice_and_is_no_dead_letter() {
    let vendor = Vendor::start(|_| Act::Answer(503, "")).await;
    let closed = closed_port();
    let bench = Bench::start(Plan::default());
    let mut nobody = entry("s", 1, closed.url("/open"));
    let mut busy = entry("t", 1, vendor.url("/open"));
    let waits = entry("u", 1, vendor.url("/waits"));
    (nobody.gives_way, busy.gives_way) = (true, true);
    bench.delivery.carry(vec![nobody, busy, waits]);
    for end in bench.desk.has_ends(2).await {
        let result = &end.finished.result;
        assert!(matches!(result, CallResult::NotSent { .. }), "{end:?}");
        assert_eq!((end.finished.attempts, &end.dead), (2, &None), "{end:?}");
    }
    assert_eq!(vendor.arrivals("/open"), 2);
}

#[tokio::test]
async fn a_handshake_gives_way_at_once_where_the_vendor_is_known_to_be_down() {
    let closed = closed_port();
    // Nothing is hurried here: the waits are those of service.
    let bench = Bench::start(Plan {
        divided_by: 1,
        ..Plan::default()
    });
    let others = (0..5).map(|one| entry(&format!("s{one}"), 1, closed.url("/x")));
    bench.delivery.carry(others.collect());
    while bench.delivery.status(&"p".into()).breaker == BreakerState::Closed {
        tokio::task::yield_now().await;
    }
    let mut handshake = entry("t", 1, closed.url("/open"));
    handshake.gives_way = true;
    let begun = std::time::Instant::now();
    bench.delivery.carry(vec![handshake]);
    let ends = bench.desk.has_ends(1).await;
    assert_eq!(ends[0].id, "t.1");
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn an_answer_that_takes_too_long_is_unknown() {
    let (end, arrivals) = fate(|| Act::Silence).await;
    assert!(end.is_unknown(), "{end:?}");
    assert_eq!(arrivals, 1);
}

#[tokio::test]
async fn an_answer_that_is_cut_short_is_unknown() {
    for cut in [
        "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nonly this",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "HTTP/1.1 200 OK\r\nx: ",
        "nonsense\r\n\r\n",
    ] {
        let (end, arrivals) = fate(move || Act::Raw(cut.into())).await;
        assert!(end.is_unknown(), "{cut}: {end:?}");
        assert_eq!(arrivals, 1, "{cut}");
    }
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_unknown() {
    let (end, arrivals) = fate(|| Act::Text(200, "x".repeat(1_001))).await;
    assert!(end.is_unknown(), "{end:?}");
    assert!(end.dead.unwrap().contains("larger than 1000 bytes"));
    assert_eq!(arrivals, 1);
    let chunks = format!(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{}0\r\n\r\n",
        format!("64\r\n{}\r\n", "x".repeat(100)).repeat(11)
    );
    let (end, _) = fate(move || Act::Raw(chunks.clone().into())).await;
    assert!(end.is_unknown(), "{end:?}");
}

#[tokio::test]
async fn an_answer_of_the_largest_size_is_taken() {
    let (end, _) = fate(|| Act::Text(200, "x".repeat(1_000))).await;
    assert_eq!(end.status(), Some(200));
}

#[tokio::test]
async fn a_call_that_may_repeat_is_sent_until_it_is_answered() {
    let count = AtomicUsize::new(0);
    let vendor = Vendor::start(move |_| match count.fetch_add(1, Ordering::Relaxed) {
        0 => Act::Close,
        1 => Act::Answer(502, ""),
        2 => Act::Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nshort".to_vec()),
        _ => Act::Answer(200, ""),
    })
    .await;
    let bench = Bench::start(Plan::default());
    bench
        .delivery
        .carry(vec![repeatable("s", 1, vendor.url("/"))]);
    let ends = bench.desk.has_ends(1).await;
    assert_eq!(ends[0].status(), Some(200));
    assert_eq!(ends[0].finished.attempts, 4);
    assert_eq!(bench.desk.marks(), Vec::<String>::new());
    let outcomes = bench.desk.outcomes();
    assert_eq!(outcomes, ["unknown", "refused", "unknown", "answered"]);
}

/// A provider whose hosts are the one that its setting `base_url` names.
fn at(base_url: &str, secret: &str) -> Provider {
    let mut provider = provider("p");
    provider.hosts = Vec::new();
    provider.settings = Settings::new(json!({"base_url": base_url, "key": secret}));
    provider
}

#[tokio::test]
async fn what_was_made_before_a_move_goes_where_it_was_meant_to_go_with_the_secret_of_then() {
    let (old, new) = (
        Vendor::start(|_| Act::Answer(200, "")).await,
        Vendor::start(|_| Act::Answer(200, "")).await,
    );
    let descriptor = Descriptor::new("x", "1.0.0").reaches_setting("base_url");
    let bench = Bench::start(Plan {
        providers: vec![(at(&old.url("/"), "the old key"), descriptor)],
        ..Plan::default()
    });
    bench.providers.change(at(&new.url("/"), "the new key"));
    let mut left = entry("s", 1, old.url("/send"));
    left.call.request.stamps = vec![Stamp::Secret {
        setting: "key".into(),
        place: Place::header("x-key"),
    }];
    bench.delivery.carry(vec![left]);
    let ends = bench.desk.has_ends(1).await;
    assert_eq!(ends[0].status(), Some(200));
    assert_eq!(old.received().len(), 1);
    assert!(new.received().is_empty());
    assert_eq!(old.received()[0].headers["x-key"], "the old key");
}

#[tokio::test]
async fn what_needs_a_token_never_goes_to_the_address_before_a_move() {
    let old = Vendor::start(|_| Act::Answer(200, "")).await;
    let descriptor = Descriptor::new("x", "1.0.0").reaches_setting("base_url");
    let bench = Bench::start(Plan {
        providers: vec![(at(&old.url("/"), "the old key"), descriptor)],
        ..Plan::default()
    });
    bench
        .providers
        .change(at("http://127.0.0.1:1/", "the new key"));
    let mut left = entry("s", 1, old.url("/send"));
    left.call.request.stamps = vec![Stamp::Token {
        name: "access".into(),
        place: Place::header("token"),
        prefix: String::new(),
    }];
    bench.delivery.carry(vec![left]);
    let ends = bench.desk.has_ends(1).await;
    assert!(ends[0].is_not_sent(), "{:?}", ends[0]);
    assert!(old.received().is_empty());
}

#[tokio::test]
async fn an_operator_may_prefer_a_second_arrival_to_a_lost_one() {
    let count = AtomicUsize::new(0);
    let vendor = Vendor::start(move |_| match count.fetch_add(1, Ordering::Relaxed) {
        0 => Act::Close,
        _ => Act::Answer(200, ""),
    })
    .await;
    let mut eager = provider("p");
    eager.on_unknown = OnUnknown::Retry;
    let bench = Bench::start(Plan {
        providers: vec![(eager, Descriptor::new("x", "1.0.0"))],
        ..Plan::default()
    });
    bench.delivery.carry(vec![entry("s", 1, vendor.url("/"))]);
    let ends = bench.desk.has_ends(1).await;
    assert_eq!(ends[0].status(), Some(200));
    assert_eq!(vendor.received().len(), 2);
}

#[tokio::test]
async fn a_connection_that_is_refused_is_tried_again() {
    let port = closed_port();
    let bench = Bench::start(Plan::default());
    bench.delivery.carry(vec![entry("s", 1, port.url("/"))]);
    bench.providers.were_asked(3).await;
    let vendor = port.open(|_| Act::Answer(200, ""));
    let ends = bench.desk.has_ends(1).await;
    assert_eq!(ends[0].status(), Some(200));
    assert_eq!(vendor.received().len(), 1);
}

#[tokio::test]
async fn a_secure_connection_that_is_not_made_is_surely_not_sent() {
    // One answers the handshake with plain text, the other not at all.
    let plain = Vendor::start(|_| Act::Answer(200, "")).await;
    let mute = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut impatient = provider("p");
    impatient.limits.connect_timeout = Duration::from_millis(100);
    let bench = Bench::start(Plan {
        providers: vec![(impatient, Descriptor::new("x", "1.0.0"))],
        ..Plan::default()
    });
    let addresses = [plain.address, mute.local_addr().unwrap()];
    let entries = addresses.iter().zip(1..).map(|(address, number)| {
        let mut entry = entry("s", number, format!("https://{address}/"));
        entry.deadline_at = Timestamp::from_unix_ms(1);
        entry
    });
    bench.delivery.carry(entries.collect());
    for end in bench.desk.has_ends(2).await {
        assert!(end.is_not_sent(), "{end:?}");
        assert_eq!(end.finished.attempts, 1);
    }
    let outcomes = bench.desk.outcomes();
    assert_eq!(outcomes, ["not_sent", "not_sent"]);
}

#[tokio::test]
async fn a_call_past_its_deadline_is_given_up_for_people_to_see() {
    let vendor = Vendor::start(|_| Act::Answer(503, "")).await;
    let bench = Bench::start(Plan::default());
    let mut late = entry("s", 1, vendor.url("/"));
    late.deadline_at = Timestamp::from_unix_ms(1);
    bench.delivery.carry(vec![late]);
    let ends = bench.desk.has_ends(1).await;
    assert!(ends[0].is_not_sent(), "{ends:?}");
    assert_eq!(ends[0].dead.as_deref(), Some("the vendor answered 503"));
    assert_eq!(vendor.received().len(), 1);
}

#[tokio::test]
async fn a_forbidden_host_is_never_reached_and_only_operators_are_told_which() {
    let vendor = Vendor::start(|_| Act::Answer(200, "")).await;
    let port = vendor.address.port();
    let bench = Bench::start(Plan::default());
    let urls = [
        format!("http://localhost:{port}/"),
        format!("http://127.0.0.2:{port}/"),
        format!("http://user:pass@127.0.0.1:{port}/"),
        format!("ftp://127.0.0.1:{port}/"),
        "http://169.254.169.254/latest/meta-data".to_owned(),
        "no url".to_owned(),
    ];
    let entries = urls
        .iter()
        .zip(1..)
        .map(|(url, number)| entry("s", number, url.as_str()));
    bench.delivery.carry(entries.collect());
    for end in bench.desk.has_ends(urls.len()).await {
        assert!(end.is_not_sent(), "{end:?}");
        match end.finished.result {
            CallResult::NotSent { detail } => {
                assert_eq!(detail, "the request was not allowed to leave");
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(vendor.received().len(), 0);
    assert_eq!(bench.desk.marks(), Vec::<String>::new());
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_not_followed() {
    let other = Vendor::start(|_| Act::Answer(200, "")).await;
    let redirect = format!(
        "HTTP/1.1 302 Found\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n",
        other.url("/")
    );
    let (end, _) = fate(move || Act::Raw(redirect.clone().into())).await;
    assert_eq!(end.status(), Some(302));
    assert_eq!(other.received().len(), 0);
}

#[tokio::test]
async fn the_mark_of_a_call_that_surely_did_not_arrive_is_taken_back() {
    let tries = AtomicUsize::new(0);
    let vendor = Vendor::start(move |_| match tries.fetch_add(1, Ordering::Relaxed) {
        0 | 1 => Act::Answer(503, ""),
        _ => Act::Answer(200, ""),
    })
    .await;
    let bench = Bench::start(Plan::default());
    bench.delivery.carry(vec![entry("s", 1, vendor.url("/"))]);
    let ends = bench.desk.has_ends(1).await;
    assert_eq!(ends[0].status(), Some(200));
    assert_eq!(bench.desk.marks_taken_back(), ["s.1", "s.1"]);
    assert_eq!(
        bench.desk.marks(),
        ["s.1"],
        "the last attempt may have arrived"
    );
}

#[tokio::test]
async fn a_call_that_cannot_be_marked_does_not_leave() {
    let vendor = Vendor::start(|_| Act::Answer(200, "")).await;
    let bench = Bench::start(Plan::default());
    bench.desk.refuse_marks(3);
    bench.delivery.carry(vec![entry("s", 1, vendor.url("/"))]);
    let ends = bench.desk.has_ends(1).await;
    assert_eq!(ends[0].status(), Some(200));
    assert_eq!(ends[0].finished.attempts, 4);
    assert_eq!(vendor.received().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_vendor_that_closes_connections_after_each_answer_sees_no_call_twice() {
    let vendor =
        Vendor::start(|_| Act::Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".to_vec()))
            .await;
    let bench = Bench::start(Plan::default());
    let entries = (1..=200).map(|number| entry("s", number, vendor.url("/")));
    bench.delivery.carry(entries.collect());
    let ends = bench.desk.has_ends(200).await;
    let mut arrivals = BTreeMap::<String, usize>::new();
    for request in vendor.received() {
        *arrivals.entry(request.body).or_default() += 1;
    }
    for end in &ends {
        let arrived = arrivals.get(&end.finished.number.to_string());
        match end.status() {
            Some(200) => assert_eq!(arrived, Some(&1), "{end:?}"),
            // The connection died while the request was on its way.
            None => assert!(
                end.is_unknown() && arrived.is_none_or(|&count| count <= 1),
                "{end:?}"
            ),
            Some(_) => panic!("{end:?}"),
        }
    }
}

#[tokio::test]
async fn every_attempt_carries_the_trace_of_what_caused_it() {
    const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let tries = AtomicUsize::new(0);
    let vendor = Vendor::start(move |request| match request.path.as_str() {
        "/again" if tries.fetch_add(1, Ordering::SeqCst) == 0 => Act::Answer(503, ""),
        _ => Act::Answer(200, ""),
    })
    .await;
    let bench = Bench::start(Plan::default());
    let mut traced = repeatable("s", 1, vendor.url("/again"));
    traced.trace = Some(TRACE.into());
    let mut own = entry("s", 2, vendor.url("/own"));
    own.trace = Some(TRACE.into());
    own.call
        .request
        .headers
        .push(("traceparent".into(), "the adapter's".into()));
    let none = entry("s", 3, vendor.url("/none"));
    bench.delivery.carry(vec![traced, own, none]);
    bench.desk.has_ends(3).await;
    let traces: Vec<_> = vendor
        .received()
        .into_iter()
        .map(|request| (request.path, request.headers.get("traceparent").cloned()))
        .collect();
    let some = |trace: &str| Some(trace.to_owned());
    assert_eq!(
        traces,
        [
            ("/again".to_owned(), some(TRACE)),
            ("/again".to_owned(), some(TRACE)),
            ("/own".to_owned(), some("the adapter's")),
            ("/none".to_owned(), None),
        ]
    );
}
