//! A stage of a migration splits a route's share: for 100,000 visitors, by
//! seeds that are fixed, and step by step for single ones.
#![allow(
    clippy::unwrap_used,
    reason = "a stage that cannot be set up is a failed test"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use kefu_core::{
    config::{Desk, Guards, Migration, OnBreach, Route, Stage, Weight, When},
    routing::{
        Availability, BUCKETS, Decision, RouteRequest, Split, VersionRule, bucket, choose,
        choose_among,
    },
};
use kefu_plugin_api::ids::{DeskId, ProviderId};
use serde_json::json;

/// As many as one run looks at.
const VISITORS: u32 = 100_000;
/// Each is another set of visitors; the same ones in every run.
const SEEDS: [u64; 3] = [1, 20_261_123, 0x9e37_79b9_7f4a_7c15];
/// Shares of stages, in hundredths of a percent.
const STAGES: [u32; 7] = [0, 100, 150, 1_000, 2_000, 5_000, 10_000];

#[test]
fn every_stage_takes_its_share_to_within_a_point() {
    for seed in SEEDS {
        let desk = desk(&[None]);
        let visitors: Vec<String> = visitors(seed).collect();
        for percent in STAGES {
            let splits = [split("p0", "new", percent, &[])];
            let taken = count(&desk, &splits, &visitors, "new");
            assert_near(taken, VISITORS, percent, seed);
        }
    }
}

#[test]
fn every_stage_takes_its_share_of_a_route_among_several() {
    // The middle one and the rest; weights that leave a rest over, too.
    for weights in [
        &[Some(10), Some(25), None][..],
        &[Some(30), Some(30), Some(0)],
        &[Some(5), Some(0), Some(40)],
    ] {
        let desk = desk(weights);
        let visitors: Vec<String> = visitors(SEEDS[0]).collect();
        for from in 0..weights.len() {
            let provider = format!("p{from}");
            let all = count(&desk, &[], &visitors, &provider);
            for percent in [1_000, 10_000] {
                let splits = [split(&provider, "new", percent, &[])];
                let taken = count(&desk, &splits, &visitors, "new");
                assert_near(taken, all, percent, SEEDS[0]);
            }
        }
    }
}

#[test]
fn raising_the_share_moves_only_the_added_visitors() {
    for seed in SEEDS {
        let desk = desk(&[Some(20), Some(50), None]);
        let visitors: Vec<String> = visitors(seed).collect();
        let stages = STAGES.map(|percent| [split("p1", "new", percent, &[])]);
        for visitor in &visitors {
            let served: Vec<String> = stages
                .iter()
                .map(|splits| chosen(&desk, splits, visitor))
                .collect();
            for (pair, shares) in served.windows(2).zip(STAGES.windows(2)) {
                let (from, to) = (2_000 + shares[0] / 2, 2_000 + shares[1] / 2);
                let added = (from..to).contains(&place(visitor));
                assert_eq!(pair[0] != pair[1], added, "{visitor} at {shares:?}, {seed}");
                if added {
                    assert_eq!((pair[0].as_str(), pair[1].as_str()), ("p1", "new"));
                }
            }
        }
    }
}

#[test]
fn at_no_share_every_decision_is_exactly_the_files() {
    for weights in [
        &[Some(10), Some(25), None][..],
        &[Some(0), Some(0)],
        &[Some(40), Some(20)],
    ] {
        let desk = desk(weights);
        let splits = [split("p0", "new", 0, &[]), split("p1", "p0", 0, &[])];
        for visitor in visitors(SEEDS[1]) {
            let with = decide(&desk, &splits, &visitor);
            let without = choose(&desk, &request(&visitor), &|_| Availability::Ready);
            assert_eq!((with.bucket, with.chosen), (without.bucket, without.chosen));
            assert_eq!(with.order, without.order);
        }
    }
}

#[test]
fn visitors_of_other_routes_are_where_they_were() {
    let desk = desk(&[Some(10), Some(25), None]);
    for percent in STAGES {
        let splits = [split("p1", "new", percent, &["visitor-of-nobody"])];
        for visitor in visitors(SEEDS[2]) {
            let without = choose(&desk, &request(&visitor), &|_| Availability::Ready);
            if without.chosen.as_ref().unwrap().provider.as_str() != "p1" {
                assert_eq!(decide(&desk, &splits, &visitor), without);
            }
        }
    }
}

#[test]
fn every_node_answers_the_same_from_the_same_file_and_state() {
    let build = || {
        let splits = [
            split("p2", "new", 3_000, &["named-a", "named-b"]),
            split("p0", "p2", 700, &[]),
        ];
        (desk(&[Some(10), Some(25), None]), splits)
    };
    let (here, in_force_here) = build();
    for visitor in visitors(SEEDS[0]).take(20_000) {
        // Nothing is shared with the other node but the words of the file.
        let (there, in_force_there) = build();
        let visitor_there: String = visitor.chars().collect();
        assert_eq!(
            decide(&here, &in_force_here, &visitor),
            decide(&there, &in_force_there, &visitor_there)
        );
    }
}

#[test]
fn whoever_is_named_gets_the_new_vendor_and_nobody_else_does() {
    let desk = desk(&[Some(50), None]);
    let named: Vec<String> = visitors(SEEDS[0]).take(50).collect();
    let names: Vec<&str> = named.iter().map(String::as_str).collect();
    let splits = [split("p1", "new", 0, &names)];
    for visitor in visitors(SEEDS[0]) {
        let expected = match (place(&visitor) < 5_000, named.contains(&visitor)) {
            // Named, but the desk's own routes give this one elsewhere.
            (true, _) => "p0",
            (false, true) => "new",
            (false, false) => "p1",
        };
        assert_eq!(chosen(&desk, &splits, &visitor), expected, "{visitor}");
    }
}

#[test]
fn conditions_hold_before_any_share_is_cut() {
    let mut desk = desk(&[None, None]);
    desk.routes[0].when.app_version = Some(VersionRule::parse(">=2.8.16").unwrap());
    let splits = [split("p0", "new", 5_000, &["named"])];
    let mut taken = 0;
    for visitor in visitors(SEEDS[1]).chain(["named".to_owned()]) {
        let of = |version| {
            let request = RouteRequest {
                app_version: Some(version),
                ..request(&visitor)
            };
            let decision = choose_among(&desk, &splits, &request, &|_| Availability::Ready);
            decision.chosen.unwrap().provider
        };
        // An app that is too old never meets the new vendor, named or not.
        assert_eq!(of("2.8.15").as_str(), "p1");
        taken += u32::from(of("2.8.16").as_str() == "new");
    }
    assert_near(taken, VISITORS, 5_000, SEEDS[1]);
}

#[test]
fn when_the_new_vendor_is_down_the_old_one_and_then_the_rest_follow() {
    let desk = desk(&[Some(50), Some(50), Some(0)]);
    let splits = [split("p1", "new", 10_000, &[])];
    let visitor = visitors(SEEDS[0])
        .find(|it| place(it) >= 5_000)
        .expect("half of them");
    let order: Vec<String> = decide(&desk, &splits, &visitor)
        .order
        .into_iter()
        .map(|choice| choice.provider.to_string())
        .collect();
    assert_eq!(order, ["new", "p1", "p2", "p0"]);
    let decision = choose_among(
        &desk,
        &splits,
        &request(&visitor),
        &|id| match id.as_str() {
            "new" => Availability::Failing,
            _ => Availability::Ready,
        },
    );
    assert_eq!(decision.chosen.unwrap().provider.as_str(), "p1");
}

#[test]
fn a_visitor_is_not_moved_to_a_vendor_that_is_out_of_order_and_that_is_told() {
    let desk = desk(&[None]);
    let splits = [split("p0", "new", 5_000, &[])];
    let decide = |visitor: &str, new: Availability| {
        choose_among(&desk, &splits, &request(visitor), &|id| match id.as_str() {
            "new" => new,
            _ => Availability::Ready,
        })
    };
    let of = |range: std::ops::Range<u32>| {
        let mut all = visitors(SEEDS[0]);
        all.find(|it| range.contains(&place(it)))
            .expect("half of them")
    };
    let (moved, stays) = (of(0..5_000), of(5_000..10_000));
    for (new, told) in [
        (Availability::Failing, true),
        (Availability::Quarantined, true),
        (Availability::Paused, false),
        (Availability::Waiting, false),
        (Availability::Ready, false),
    ] {
        assert_eq!(
            decide(&moved, new).not_moved_to().is_some(),
            told,
            "{new:?}"
        );
        assert_eq!(decide(&stays, new).not_moved_to(), None, "{new:?}");
    }
}

#[test]
fn a_new_vendor_that_has_a_route_already_is_tried_once() {
    let desk = desk(&[Some(50), None]);
    let splits = [split("p1", "p0", 10_000, &[])];
    for visitor in visitors(SEEDS[0]).take(1_000) {
        let providers: Vec<_> = decide(&desk, &splits, &visitor)
            .order
            .into_iter()
            .map(|choice| choice.provider.to_string())
            .collect();
        assert_eq!(providers, ["p0", "p1"]);
    }
}

#[test]
fn what_leads_over_from_one_migration_leads_no_further() {
    let desk = desk(&[None]);
    let splits = [
        split("p0", "p1", 10_000, &[]),
        split("p1", "p2", 10_000, &[]),
    ];
    assert_eq!(chosen(&desk, &splits, "v"), "p1");
}

#[test]
fn another_desks_migration_does_not_matter() {
    let desk = desk(&[None]);
    let mut other = migration("p0", "new", 10_000, &[]);
    other.desk = DeskId::new("sales");
    let splits = [Split::new(Arc::new(other), 0).unwrap()];
    assert_eq!(chosen(&desk, &splits, "v"), "p0");
}

#[test]
fn groups_are_told_in_the_new_vendors_words() {
    let desk = desk(&[None]);
    let mut migration = migration("p0", "new", 10_000, &[]);
    migration.group = Some("service".into());
    migration.groups = BTreeMap::from([("sales".into(), "1001".into())]);
    let splits = [Split::new(Arc::new(migration), 0).unwrap()];
    let group = |group| {
        let request = RouteRequest {
            group,
            ..request("v")
        };
        let decision = choose_among(&desk, &splits, &request, &|_| Availability::Ready);
        decision.chosen.unwrap().group
    };
    assert_eq!(group(None).as_deref(), Some("service"));
    assert_eq!(group(Some("sales")).as_deref(), Some("1001"));
    assert_eq!(group(Some("repairs")).as_deref(), Some("repairs"));
}

#[test]
fn the_explanation_names_migration_stage_and_cut() {
    let desk = desk(&[Some(10), None]);
    let splits = [split("p1", "new", 1_000, &["named"])];
    let step = |visitor| {
        let decision = decide(&desk, &splits, visitor);
        let steps = serde_json::to_value(&decision.steps).unwrap();
        let choice = serde_json::to_value(decision.chosen).unwrap();
        (steps[2].clone(), choice)
    };
    let (by_name, choice) = step("named");
    let expected = json!({
        "step": "split", "migration": "to-new", "stage": 1, "route": 1,
        "provider": "p1", "new_provider": "new", "cut": 1_900, "by": "visitors",
    });
    assert_eq!(by_name, expected);
    let expected =
        json!({"provider": "new", "route_index": 1, "group": null, "migration": "to-new"});
    assert_eq!(choice, expected);
    let in_share = visitors(1)
        .find(|it| (1_000..1_900).contains(&place(it)))
        .expect("one of 100,000");
    assert_eq!(step(&in_share).0["by"], "percent");
    let beyond = visitors(1).find(|it| place(it) >= 1_900).expect("many");
    let (stays, choice) = step(&beyond);
    assert_eq!(stays.get("by"), None);
    assert_eq!(choice.get("migration"), None);
}

#[test]
fn there_is_no_split_beyond_the_last_stage() {
    let migration = Arc::new(migration("p0", "new", 100, &[]));
    assert_eq!(Split::new(migration, 1), None);
}

/// Names that look like users' ids, spread by a seed.
fn visitors(seed: u64) -> impl Iterator<Item = String> {
    let mut state = seed;
    (0..VISITORS).map(move |number| {
        // SplitMix64: any seed will do, and the sequence is the same for ever.
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        format!("user-{number}-{:x}", mixed ^ (mixed >> 31))
    })
}

/// Within one percentage point of what was there to split.
fn assert_near(taken: u32, all: u32, percent: u32, seed: u64) {
    let expected = u64::from(all) * u64::from(percent) / 10_000;
    let off = u64::from(taken).abs_diff(expected);
    assert!(
        off <= u64::from(VISITORS) / 100 && off <= u64::from(all).div_ceil(50),
        "{taken} of {all} at {percent} hundredths, seed {seed}"
    );
    if percent == 0 || percent == 10_000 {
        assert_eq!(u64::from(taken), expected);
    }
}

fn count(desk: &Desk, splits: &[Split], visitors: &[String], provider: &str) -> u32 {
    let hits = visitors
        .iter()
        .filter(|visitor| chosen(desk, splits, visitor) == provider);
    u32::try_from(hits.count()).unwrap()
}

fn chosen(desk: &Desk, splits: &[Split], visitor: &str) -> String {
    let decision = decide(desk, splits, visitor);
    decision.chosen.unwrap().provider.to_string()
}

fn decide(desk: &Desk, splits: &[Split], visitor: &str) -> Decision {
    choose_among(desk, splits, &request(visitor), &|_| Availability::Ready)
}

fn place(visitor: &str) -> u32 {
    let place = bucket(&"demo".into(), &"support".into(), visitor);
    assert!(place < BUCKETS);
    place
}

fn request(visitor: &str) -> RouteRequest<'_> {
    RouteRequest {
        visitor,
        ..RouteRequest::default()
    }
}

fn desk(weights: &[Option<u32>]) -> Desk {
    let route = |(place, weight): (usize, &Option<u32>)| Route {
        provider: ProviderId::new(format!("p{place}")),
        when: When::default(),
        weight: weight.map(Weight::percent),
        group: None,
        groups: BTreeMap::new(),
        shadow: None,
        handover: None,
    };
    Desk {
        id: "support".into(),
        app: "demo".into(),
        title: "support".into(),
        groups: vec![],
        routes: weights.iter().enumerate().map(route).collect(),
        reopen_waiting: false,
    }
}

fn split(from: &str, to: &str, percent: u32, visitors: &[&str]) -> Split {
    Split::new(Arc::new(migration(from, to, percent, visitors)), 0).unwrap()
}

fn migration(from: &str, to: &str, percent: u32, visitors: &[&str]) -> Migration {
    let visitors: BTreeSet<String> = visitors.iter().map(|it| (*it).to_owned()).collect();
    Migration {
        name: format!("to-{to}"),
        desk: "support".into(),
        from: from.into(),
        to: to.into(),
        stages: vec![Stage {
            visitors,
            percent: Weight::hundredths(percent),
            after: None,
        }],
        group: None,
        groups: BTreeMap::new(),
        window: Duration::from_secs(600),
        on_breach: OnBreach::Revert,
        guards: Guards {
            opening_failures: None,
            delivery_failures: None,
            unanswered: None,
            first_answer: None,
            rating: None,
            min_sessions: 20,
            answer_within: Duration::from_secs(300),
        },
    }
}
