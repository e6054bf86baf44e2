//! What happens to calls when the gateway stops and starts again.

use std::time::Duration;

use kefu_core::config::OnUnknown;
use kefu_gateway::delivery::RecoveredEntry;
use kefu_plugin_api::descriptor::Descriptor;

use crate::{
    bench::{Bench, Plan, entry, provider, repeatable},
    vendor::{Act, Vendor},
};

#[tokio::test]
async fn a_call_that_may_have_been_sent_before_a_crash_is_not_sent_again() {
    let vendor = Vendor::start(|_| Act::Answer(200, "")).await;
    let bench = Bench::start(Plan::default());
    let recovered = |entry, attempted| RecoveredEntry { entry, attempted };
    bench.delivery.recover(vec![
        recovered(entry("s", 1, vendor.url("/marked")), true),
        recovered(entry("s", 2, vendor.url("/unmarked")), false),
        recovered(repeatable("s", 3, vendor.url("/repeatable")), true),
    ]);
    let ends = bench.desk.has_ends(3).await;
    assert!(ends[0].is_unknown(), "{ends:?}");
    assert_eq!(ends[0].finished.attempts, 0);
    assert_eq!(ends[1].status(), Some(200));
    assert_eq!(ends[2].status(), Some(200));
    let paths: Vec<_> = vendor
        .received()
        .into_iter()
        .map(|request| request.path)
        .collect();
    assert_eq!(paths, ["/unmarked", "/repeatable"]);
    assert_eq!(bench.desk.marks(), ["s.2"]);
}

#[tokio::test]
async fn what_was_left_leaves_before_what_is_new() {
    let vendor = Vendor::start(|_| Act::Answer(200, "")).await;
    let bench = Bench::before_recovery(Plan::default());
    let call = |number| entry("s", number, vendor.url("/"));
    bench.delivery.carry(vec![call(5), call(6)]);
    let left = [4, 3].map(|number| RecoveredEntry {
        entry: call(number),
        attempted: false,
    });
    bench.delivery.recover(left.into());
    bench.delivery.carry(vec![call(7)]);
    bench.desk.has_ends(5).await;
    let bodies: Vec<_> = vendor
        .received()
        .into_iter()
        .map(|request| request.body)
        .collect();
    assert_eq!(bodies, ["3", "4", "5", "6", "7"]);
}

#[tokio::test]
async fn after_a_crash_too_an_operator_may_prefer_a_second_arrival() {
    let vendor = Vendor::start(|_| Act::Answer(200, "")).await;
    let mut eager = provider("p");
    eager.on_unknown = OnUnknown::Retry;
    let bench = Bench::start(Plan {
        providers: vec![(eager, Descriptor::new("x", "1.0.0"))],
        ..Plan::default()
    });
    bench.delivery.recover(vec![RecoveredEntry {
        entry: entry("s", 1, vendor.url("/")),
        attempted: true,
    }]);
    let ends = bench.desk.has_ends(1).await;
    assert_eq!(ends[0].status(), Some(200));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn calls_that_come_twice_are_sent_once() {
    let vendor = Vendor::start(|_| Act::Wait).await;
    let bench = Bench::start(Plan::default());
    let both = || {
        vec![
            entry("s", 1, vendor.url("/")),
            entry("s", 2, vendor.url("/")),
        ]
    };
    bench.delivery.carry(both());
    vendor.has_received(1).await;
    bench.delivery.carry(both());
    vendor.release();
    bench.desk.has_ends(2).await;
    assert_eq!(vendor.received().len(), 2);
    bench.is_idle().await;
}

#[tokio::test]
async fn stopping_lets_what_is_under_way_end_and_begins_nothing() {
    let vendor = Vendor::start(|_| Act::Wait).await;
    let bench = Bench::start(Plan::default());
    let calls = |session| [1, 2].map(|number| entry(session, number, vendor.url("/")));
    bench.delivery.carry(calls("s").into());
    vendor.has_received(1).await;
    let stopping = bench.delivery.stop(Duration::from_secs(60));
    tokio::pin!(stopping);
    tokio::select! {
        biased;
        _ = &mut stopping => panic!("a call is still under way"),
        () = std::future::ready(()) => {}
    }
    bench.delivery.carry(calls("late").into());
    vendor.release();
    assert!(stopping.await, "everything ended in time");
    let ends: Vec<_> = bench.desk.ends().into_iter().map(|end| end.id).collect();
    assert_eq!(ends, ["s.1"]);
    assert_eq!(vendor.received().len(), 1);
}

#[tokio::test]
async fn stopping_does_not_wait_for_ever() {
    let vendor = Vendor::start(|_| Act::Silence).await;
    let bench = Bench::start(Plan::default());
    bench.delivery.carry(vec![entry("s", 1, vendor.url("/"))]);
    vendor.has_received(1).await;
    assert!(!bench.delivery.stop(Duration::from_millis(10)).await);
    assert!(bench.desk.ends().is_empty());
}
