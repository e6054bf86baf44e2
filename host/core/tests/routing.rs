//! The choice of a provider: published vectors row by row, and what must hold
//! for any weights and any visitors.
#![allow(
    clippy::unwrap_used,
    reason = "a vector that cannot be read is a failed test"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use kefu_core::{
    config::{Desk, Route, Weight, When},
    routing::{
        Availability, BUCKETS, Calendar, Decision, Hours, RouteRequest, Step, VersionRule, bucket,
        choose, vendor_group,
    },
};
use kefu_plugin_api::{event::Visitor, ids::ProviderId, time::Timestamp};
use proptest::{collection::vec, prelude::*};
use serde::Deserialize;
use serde_json::json;

#[test]
fn every_visitor_of_the_vectors_falls_into_its_bucket() {
    let vectors = vectors();
    assert!(vectors.buckets.len() >= 10);
    for row in vectors.buckets {
        let actual = bucket(
            &row.app.as_str().into(),
            &row.desk.as_str().into(),
            &row.visitor,
        );
        assert_eq!(
            actual, row.bucket,
            "{} {} {}",
            row.app, row.desk, row.visitor
        );
    }
}

#[test]
fn every_decision_of_the_vectors_comes_out_as_published() {
    let vectors = vectors();
    assert!(vectors.decisions.len() >= 30);
    for row in vectors.decisions {
        let desk = desk_with(row.routes.iter().map(route).collect());
        let decision = choose(&desk, &row.request(), &|id| match row
            .unavailable
            .contains(id.as_str())
        {
            true => Availability::Waiting,
            false => Availability::Ready,
        });
        assert_eq!(decision.bucket, row.bucket, "{}", row.name);
        assert_eq!(chosen_route(&decision), row.chosen, "{}", row.name);
        assert_eq!(order(&decision), row.order, "{}", row.name);
    }
}

#[test]
fn the_explanation_tells_each_step_in_the_order_of_thought() {
    let mut desk = weighted(&[Some(10), Some(0), None]);
    desk.routes[0].when.app_version = Some(VersionRule::parse(">=2.8.16").unwrap());
    let request = RouteRequest {
        visitor: "visitor-1",
        app_version: Some("2.8"),
        ..RouteRequest::default()
    };
    let decision = choose(&desk, &request, &|id| match id.as_str() {
        "p2" => Availability::Paused,
        _ => Availability::Ready,
    });
    let expected = json!({
        "bucket": 7993,
        "chosen": {"provider": "p1", "route_index": 1, "group": null},
        "order": [
            {"provider": "p2", "route_index": 2, "group": null},
            {"provider": "p1", "route_index": 1, "group": null},
        ],
        "steps": [
            {
                "step": "not_for",
                "route": 0,
                "provider": "p0",
                "condition": "app_version",
                "reason": "the version 2.8 is not >=2.8.16",
            },
            {"step": "share", "route": 1, "provider": "p1", "from": 0, "to": 0, "hit": false},
            {"step": "share", "route": 2, "provider": "p2", "from": 0, "to": 10000, "hit": true},
            {"step": "passed_over", "route": 2, "provider": "p2", "availability": "paused"},
            {"step": "chosen", "route": 1, "provider": "p1"},
        ],
    });
    assert_eq!(serde_json::to_value(&decision).unwrap(), expected);
}

#[test]
fn a_visitor_for_whom_no_condition_holds_finds_nobody_and_is_told_why() {
    let mut desk = weighted(&[None, None]);
    desk.routes[0].when.channel = vec!["10001".into()];
    desk.routes[1].when.platform = vec!["ios".into(), "android".into()];
    let request = RouteRequest {
        visitor: "v",
        platform: Some("web"),
        ..RouteRequest::default()
    };
    let decision = choose(&desk, &request, &|_| Availability::Ready);
    assert_eq!((decision.chosen, decision.order), (None, vec![]));
    let reasons: Vec<_> = decision
        .steps
        .iter()
        .map(|step| match step {
            Step::NotFor { reason, .. } => reason.as_str(),
            Step::Nobody => "nobody",
            other => panic!("{other:?} explains nothing here"),
        })
        .collect();
    assert_eq!(
        reasons,
        [
            "the app sent no channel",
            "the platform \"web\" is none of ios, android",
            "nobody"
        ]
    );
}

#[test]
fn a_route_can_be_for_listed_visitors_for_groups_and_for_fields_of_the_profile() {
    let mut profile = Visitor::default();
    profile.fields.insert("level".into(), "vip".into());
    profile.custom.insert("age".into(), json!(42));
    profile.custom.insert("tags".into(), json!(["a"]));
    let request = RouteRequest {
        visitor: "v1",
        group: Some("sales"),
        profile: Some(&profile),
        ..RouteRequest::default()
    };
    let field = |name: &str, values: &[&str]| When {
        profile: BTreeMap::from([(
            name.to_owned(),
            values.iter().map(|it| (*it).to_owned()).collect(),
        )]),
        ..When::default()
    };
    let visitors = |ids: &[&str]| When {
        visitors: ids.iter().map(|it| (*it).to_owned()).collect(),
        ..When::default()
    };
    let group = |id: &str| When {
        group: vec![id.into()],
        ..When::default()
    };
    let cases = [
        (visitors(&["v0", "v1"]), Ok(())),
        (visitors(&["v0"]), Err("not one of the 1 visitors listed")),
        (group("sales"), Ok(())),
        (
            group("repairs"),
            Err("the group \"sales\" is none of repairs"),
        ),
        (field("level", &["gold", "vip"]), Ok(())),
        (
            field("level", &["gold"]),
            Err("the field level is none of gold"),
        ),
        (field("age", &["42"]), Ok(())),
        (field("tags", &["a"]), Err("the app sent no field tags")),
        (field("city", &["北京"]), Err("the app sent no field city")),
    ];
    for (when, expected) in cases {
        let mut desk = weighted(&[None]);
        desk.routes[0].when = when;
        let decision = choose(&desk, &request, &|_| Availability::Ready);
        let said = match &decision.steps[0] {
            Step::NotFor { reason, .. } => Err(reason.as_str()),
            _ => Ok(()),
        };
        assert_eq!(said, expected);
        assert_eq!(decision.chosen.is_some(), expected.is_ok());
    }
}

#[test]
fn a_route_can_be_for_the_hours_of_a_calendar_or_for_all_others() {
    let calendar = Arc::new(Calendar {
        name: "office".into(),
        time_zone: jiff::tz::TimeZone::get("Asia/Shanghai").unwrap(),
        week: std::array::from_fn(|_| vec![Hours::parse("09:00-18:00").unwrap()]),
        days: BTreeMap::new(),
    });
    let mut desk = weighted(&[None, None]);
    desk.routes[0].when.during = Some(Arc::clone(&calendar));
    desk.routes[1].when.outside = Some(calendar);
    for (at, expected) in [
        ("2026-11-23T08:59:59+08:00", "p1"),
        ("2026-11-23T09:00:00+08:00", "p0"),
        ("2026-11-23T17:59:59+08:00", "p0"),
        ("2026-11-23T18:00:00+08:00", "p1"),
    ] {
        let request = RouteRequest {
            visitor: "v",
            at: Timestamp::parse(at).unwrap(),
            ..RouteRequest::default()
        };
        let decision = choose(&desk, &request, &|_| Availability::Ready);
        assert_eq!(decision.chosen.unwrap().provider.as_str(), expected, "{at}");
        assert_eq!(decision.order.len(), 1, "{at}");
    }
}

#[test]
fn a_visitor_is_asked_for_by_app_and_desk_too() {
    let of = |app: &str, desk: &str| bucket(&app.into(), &desk.into(), "visitor-1");
    assert_ne!(of("demo", "support"), of("demo", "sales"));
    assert_ne!(of("demo", "support"), of("other", "support"));
    assert_ne!(of("demo", "support"), of("de", "mosupport"));
}

#[test]
fn a_group_asked_for_comes_before_the_routes_own() {
    let mut route = weighted(&[None]).routes.remove(0);
    assert_eq!(vendor_group(&route, None), None);
    route.group = Some("service".into());
    route.groups = BTreeMap::from([("sales".into(), "1001".into())]);
    assert_eq!(vendor_group(&route, None).as_deref(), Some("service"));
    assert_eq!(vendor_group(&route, Some("sales")).as_deref(), Some("1001"));
    assert_eq!(vendor_group(&route, Some("2002")).as_deref(), Some("2002"));
}

#[test]
fn each_provider_in_the_order_has_its_own_words_for_the_group() {
    let mut desk = weighted(&[Some(100), None]);
    desk.routes[0].groups = BTreeMap::from([("sales".into(), "1001".into())]);
    desk.routes[1].groups = BTreeMap::from([("sales".into(), "abc".into())]);
    let request = RouteRequest {
        visitor: "v",
        group: Some("sales"),
        ..RouteRequest::default()
    };
    let decision = choose(&desk, &request, &|_| Availability::Ready);
    let groups: Vec<_> = decision
        .order
        .iter()
        .map(|choice| choice.group.as_deref())
        .collect();
    assert_eq!(groups, [Some("1001"), Some("abc")]);
}

#[test]
fn visitors_are_split_as_the_weights_say() {
    let desk = weighted(&[Some(10), Some(25), None]);
    let mut counts = [0_u32; 3];
    for number in 0..100_000 {
        counts[chosen(&desk, &format!("visitor-{number}"))] += 1;
    }
    for (count, expected) in counts.into_iter().zip([10_000, 25_000, 65_000]) {
        // Four standard deviations of the widest share are 630; the visitors
        // are fixed, so this is no matter of luck from run to run.
        assert!(count.abs_diff(expected) < 630, "{counts:?}");
    }
}

proptest! {
    #[test]
    fn the_same_visitor_is_always_answered_the_same(weights in weights(), visitor in ".{0,40}") {
        let again = weighted(&weights);
        prop_assert_eq!(decide(&weighted(&weights), &visitor), decide(&again, &visitor));
    }

    #[test]
    fn raising_the_share_before_the_rest_moves_only_the_added_visitors(
        low in 0_u32..=100, more in 0_u32..=100, visitor in "[a-z0-9]{1,20}",
    ) {
        let high = (low + more).min(100);
        let before = chosen(&weighted(&[Some(low), None]), &visitor);
        let after = chosen(&weighted(&[Some(high), None]), &visitor);
        let bucket = bucket(&"demo".into(), &"support".into(), &visitor);
        let added = (low * 100..high * 100).contains(&bucket);
        prop_assert_eq!((before, after), match (added, bucket < low * 100) {
            (true, _) => (1, 0),
            (false, true) => (0, 0),
            (false, false) => (1, 1),
        });
    }

    #[test]
    fn raising_any_share_moves_nobody_towards_the_end(
        weights in weights(), place in any::<prop::sample::Index>(), more in 1_u32..=100, visitor in "[a-z0-9]{1,20}",
    ) {
        let place = place.index(weights.len());
        let mut raised = weights.clone();
        // A route that already takes the rest cannot be raised, and a share of
        // zero that becomes one may take over the rest from an earlier route.
        prop_assume!(weights[place].is_some_and(|weight| weight > 0));
        raised[place] = raised[place].map(|weight| (weight + more).min(100));
        prop_assert!(chosen(&weighted(&raised), &visitor) <= chosen(&weighted(&weights), &visitor));
    }

    #[test]
    fn shifting_weight_between_neighbours_leaves_all_others_in_place(
        weights in vec(0_u32..=30, 3), shift in 0_u32..=30, visitor in "[a-z0-9]{1,20}",
    ) {
        let shift = shift.min(weights[1]);
        let share = |weights: [u32; 3]| weighted(&[Some(weights[0]), Some(weights[1]), Some(weights[2]), None]);
        let before = chosen(&share([weights[0], weights[1], weights[2]]), &visitor);
        let after = chosen(&share([weights[0] + shift, weights[1] - shift, weights[2]]), &visitor);
        prop_assert!(before == after || (before, after) == (1, 0), "{before} became {after}");
    }

    #[test]
    fn one_that_cannot_serve_is_passed_over_for_the_next_in_turn(
        weights in weights(), down in vec(any::<bool>(), 5), visitor in "[a-z0-9]{1,20}",
    ) {
        let desk = weighted(&weights);
        let first = chosen(&desk, &visitor);
        let decision = choose(&desk, &request(&visitor), &|id| {
            let place: usize = id.as_str()[1..].parse().unwrap();
            if down[place] { Availability::Quarantined } else { Availability::Ready }
        });
        let turn: Vec<usize> = (first..weights.len()).chain(0..first).collect();
        prop_assert_eq!(order(&decision), turn.clone());
        prop_assert_eq!(chosen_route(&decision), turn.iter().copied().find(|place| !down[*place]));
        let passed_over = decision.steps.iter().filter(|step| matches!(step, Step::PassedOver { .. })).count();
        prop_assert_eq!(passed_over, turn.iter().take_while(|place| down[**place]).count());
    }
}

/// One to five routes, with a share or without.
fn weights() -> impl Strategy<Value = Vec<Option<u32>>> {
    vec(prop::option::of(0_u32..=100), 1..=5)
}

fn weighted(weights: &[Option<u32>]) -> Desk {
    let route = |(place, weight): (usize, &Option<u32>)| Route {
        provider: ProviderId::new(format!("p{place}")),
        when: When::default(),
        weight: weight.map(Weight::percent),
        group: None,
        groups: BTreeMap::new(),
        shadow: None,
        handover: None,
    };
    desk_with(weights.iter().enumerate().map(route).collect())
}

fn desk_with(routes: Vec<Route>) -> Desk {
    Desk {
        id: "support".into(),
        app: "demo".into(),
        title: "support".into(),
        groups: vec![],
        routes,
        reopen_waiting: false,
    }
}

fn request(visitor: &str) -> RouteRequest<'_> {
    RouteRequest {
        visitor,
        ..RouteRequest::default()
    }
}

fn decide(desk: &Desk, visitor: &str) -> Decision {
    choose(desk, &request(visitor), &|_| Availability::Ready)
}

fn chosen(desk: &Desk, visitor: &str) -> usize {
    let decision = decide(desk, visitor);
    assert!(decision.bucket < BUCKETS);
    chosen_route(&decision).expect("everybody is served when all are ready")
}

fn chosen_route(decision: &Decision) -> Option<usize> {
    decision.chosen.as_ref().map(|choice| choice.route_index)
}

fn order(decision: &Decision) -> Vec<usize> {
    decision
        .order
        .iter()
        .map(|choice| choice.route_index)
        .collect()
}

#[derive(Deserialize)]
struct Vectors {
    buckets: Vec<BucketRow>,
    decisions: Vec<DecisionRow>,
}

#[derive(Deserialize)]
struct BucketRow {
    app: String,
    desk: String,
    visitor: String,
    bucket: u32,
}

#[derive(Deserialize)]
struct DecisionRow {
    name: String,
    routes: Vec<RouteRow>,
    visitor: String,
    client: Client,
    unavailable: BTreeSet<String>,
    bucket: u32,
    chosen: Option<usize>,
    order: Vec<usize>,
}

impl DecisionRow {
    fn request(&self) -> RouteRequest<'_> {
        RouteRequest {
            visitor: &self.visitor,
            platform: self.client.platform.as_deref(),
            app_version: self.client.app_version.as_deref(),
            channel: self.client.channel.as_deref(),
            ..RouteRequest::default()
        }
    }
}

#[derive(Deserialize)]
struct RouteRow {
    provider: String,
    weight: Option<f64>,
    #[serde(default)]
    when: WhenRow,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct WhenRow {
    app_version: Option<String>,
    platform: Vec<String>,
    channel: Vec<String>,
}

#[derive(Deserialize)]
struct Client {
    platform: Option<String>,
    app_version: Option<String>,
    channel: Option<String>,
}

fn route(row: &RouteRow) -> Route {
    Route {
        provider: ProviderId::new(&row.provider),
        when: When {
            app_version: row
                .when
                .app_version
                .as_deref()
                .map(|rule| VersionRule::parse(rule).unwrap()),
            platform: row.when.platform.clone(),
            channel: row.when.channel.clone(),
            ..When::default()
        },
        weight: row
            .weight
            .map(|percent| Weight::hundredths((percent * 100.0).round() as u32)),
        group: None,
        groups: BTreeMap::new(),
        shadow: None,
        handover: None,
    }
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("vectors/routing.json")).unwrap()
}
