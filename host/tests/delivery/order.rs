//! Order, one request in flight per session, and what holds calls back.

use std::sync::atomic::{AtomicUsize, Ordering};

use kefu_gateway::delivery::{BreakerState, Settled};
use kefu_plugin_api::{descriptor::Descriptor, http::Stamp};

use crate::{
    bench::{Bench, Plan, entry, provider, repeatable},
    vendor::{Act, Vendor, closed_port},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn calls_of_a_session_arrive_in_order_and_one_at_a_time() {
    let count = AtomicUsize::new(0);
    let vendor = Vendor::start(move |_| match count.fetch_add(1, Ordering::Relaxed) % 3 {
        0 => Act::Answer(503, ""),
        _ => Act::Answer(200, ""),
    })
    .await;
    let bench = Bench::start(Plan::default());
    for number in 1..=10 {
        let entries = (0..20).map(|session| {
            let path = format!("/{session}");
            entry(&format!("s{session}"), number, vendor.url(&path))
        });
        bench.delivery.carry(entries.collect());
    }
    let ends = bench.desk.has_ends(200).await;
    assert!(ends.iter().all(|end| end.status() == Some(200)));
    assert_eq!(vendor.overlaps(), Vec::<String>::new());
    for session in 0..20 {
        let path = format!("/{session}");
        let mut arrived: Vec<u64> = vendor
            .received()
            .iter()
            .filter(|request| request.path == path)
            .map(|request| request.body.parse().unwrap())
            .collect();
        assert!(arrived.is_sorted(), "{arrived:?}");
        arrived.dedup();
        assert_eq!(arrived, (1..=10).collect::<Vec<_>>());
    }
    bench.is_idle().await;
}

#[tokio::test]
async fn a_vendor_that_is_busy_for_a_while_costs_nothing() {
    let refused = AtomicUsize::new(0);
    let vendor = Vendor::start(move |_| {
        if refused.fetch_add(1, Ordering::Relaxed) < 40 {
            Act::Raw(b"HTTP/1.1 503 Busy\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n".to_vec())
        } else {
            Act::Answer(200, "")
        }
    })
    .await;
    let bench = Bench::start(Plan::default());
    let entries = (1..=5).flat_map(|number| {
        let url = |session| vendor.url(&format!("/{session}"));
        (0..4)
            .map(move |session| (session, number))
            .map(move |(session, number)| entry(&format!("s{session}"), number, url(session)))
            .collect::<Vec<_>>()
    });
    bench.delivery.carry(entries.collect());
    let ends = bench.desk.has_ends(20).await;
    assert!(ends.iter().all(|end| end.status() == Some(200)));
    assert_eq!(vendor.received().len(), 40 + 20);
    for session in 0..4 {
        let id = format!("s{session}.");
        let order: Vec<_> = ends
            .iter()
            .filter(|end| end.id.starts_with(&id))
            .map(|end| end.finished.number)
            .collect();
        assert_eq!(order, [1, 2, 3, 4, 5]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_more_requests_are_under_way_than_the_provider_allows() {
    let vendor = Vendor::start(|_| Act::Answer(200, "")).await;
    let mut limited = provider("p");
    limited.limits.concurrency = 2;
    let bench = Bench::start(Plan {
        providers: vec![(limited, Descriptor::new("x", "1.0.0"))],
        ..Plan::default()
    });
    let entries = (0..50).map(|session| {
        let path = format!("/{session}");
        entry(&format!("s{session}"), 1, vendor.url(&path))
    });
    bench.delivery.carry(entries.collect());
    bench.desk.has_ends(50).await;
    assert!(vendor.most_busy() <= 2, "{}", vendor.most_busy());
}

#[tokio::test]
async fn nothing_leaves_while_a_provider_is_held() {
    let vendor = Vendor::start(|_| Act::Answer(200, "")).await;
    let bench = Bench::start(Plan {
        providers: ["p", "q", "r"]
            .map(|id| (provider(id), Descriptor::new("x", "1.0.0")))
            .into(),
        ..Plan::default()
    });
    bench.delivery.hold(&"p".into(), true);
    bench.providers.set_paused("q", true);
    let at = |provider: &str| {
        let path = format!("/{provider}");
        let mut entry = entry(&format!("s-{provider}"), 1, vendor.url(&path));
        entry.provider = provider.into();
        entry
    };
    bench.delivery.carry(vec![at("p"), at("q"), at("r")]);
    bench.desk.has_ends(1).await;
    assert_eq!(vendor.received().len(), 1);
    assert_eq!(vendor.received()[0].path, "/r");
    let status = bench.delivery.status(&"p".into());
    assert!(status.held);
    assert_eq!(status.entries, 1);
    bench.providers.set_paused("q", false);
    bench.delivery.hold(&"p".into(), false);
    bench.desk.has_ends(3).await;
    bench.is_idle().await;
    assert_eq!(bench.delivery.status(&"p".into()).entries, 0);
}

#[tokio::test]
async fn calls_wait_for_a_provider_that_does_not_serve() {
    let vendor = Vendor::start(|_| Act::Answer(200, "")).await;
    let bench = Bench::start(Plan::default());
    bench.providers.set_absent("p", true);
    bench.delivery.carry(vec![entry("s", 1, vendor.url("/"))]);
    bench.providers.were_asked(3).await;
    assert!(vendor.received().is_empty());
    bench.providers.set_absent("p", false);
    let ends = bench.desk.has_ends(1).await;
    assert_eq!(ends[0].status(), Some(200));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_vendor_that_cannot_be_reached_is_left_alone_and_found_again() {
    let port = closed_port();
    let bench = Bench::start(Plan::default());
    let entries = (0..50).map(|session| {
        let path = format!("/{session}");
        entry(&format!("s{session}"), 1, port.url(&path))
    });
    bench.delivery.carry(entries.collect());
    while bench.delivery.status(&"p".into()).breaker == BreakerState::Closed {
        tokio::task::yield_now().await;
    }
    assert!(bench.desk.ends().is_empty());
    let vendor = port.open(|_| Act::Answer(200, ""));
    let ends = bench.desk.has_ends(50).await;
    assert!(ends.iter().all(|end| end.status() == Some(200)));
    assert_eq!(vendor.received().len(), 50);
    assert_eq!(
        bench.delivery.status(&"p".into()).breaker,
        BreakerState::Closed
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_end_that_cannot_be_written_is_told_again_and_the_call_not_sent_again() {
    let vendor = Vendor::start(|_| Act::Answer(200, "")).await;
    let refused = AtomicUsize::new(0);
    let bench = Bench::start(Plan {
        on_settle: Box::new(move |_, _| {
            if refused.fetch_add(1, Ordering::Relaxed) < 5 {
                Settled::Later {
                    detail: "the disk is full".into(),
                }
            } else {
                Settled::Done
            }
        }),
        ..Plan::default()
    });
    bench.delivery.carry(vec![
        repeatable("s", 1, vendor.url("/")),
        entry("s", 2, vendor.url("/")),
    ]);
    bench.desk.has_ends(2).await;
    assert_eq!(vendor.received().len(), 2);
}

#[tokio::test]
async fn each_attempt_is_prepared_and_signed_anew_under_the_same_id() {
    let count = AtomicUsize::new(0);
    let vendor = Vendor::start(move |_| match count.fetch_add(1, Ordering::Relaxed) {
        0 | 1 => Act::Answer(503, ""),
        _ => Act::Answer(200, ""),
    })
    .await;
    let mut signed = provider("p");
    signed.settings = kefu_core::config::Settings::new(serde_json::json!({
        "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    }));
    let bench = Bench::start(Plan {
        providers: vec![(signed, Descriptor::new("x", "1.0.0"))],
        ..Plan::default()
    });
    let mut call = entry("s", 7, vendor.url("/"));
    call.call.id = "unique".into();
    call.call.prepare = true;
    call.call.request.body = b"see /media/1".to_vec();
    call.media = vec!["/media/1".into()];
    call.call.request.stamps = vec![Stamp::StandardWebhooks {
        setting: "secret".into(),
    }];
    bench.delivery.carry(vec![call]);
    bench.desk.has_ends(1).await;
    let received = vendor.received();
    let header = |name: &str| -> Vec<_> {
        received
            .iter()
            .map(|request| request.headers[name].clone())
            .collect()
    };
    assert_eq!(header("x-attempt"), ["1", "2", "3"]);
    assert_eq!(header("webhook-id"), ["unique", "unique", "unique"]);
    assert!(
        header("webhook-signature")
            .iter()
            .all(|signature| signature.starts_with("v1,"))
    );
    assert!(header("user-agent")[0].starts_with("kefu-gateway/"));
    assert!(
        received
            .iter()
            .all(|request| request.body == "see /media/1?signed")
    );
    assert_eq!(bench.desk.marks(), ["s.7"]);
}
