//! What a provider is given: the visitor's profile, media, traces, and whom it
//! serves at all.

use std::sync::Arc;

use kefu_core::{
    command::Command,
    log::EventBody,
    turn::{Input, Outcome},
};
use kefu_plugin_api::{
    capability::{Capabilities, SessionState},
    descriptor::KeyedBy,
    effect::{Call, Effect},
    event::{Event, Visitor},
    http::HttpRequest,
    ids::MessageId,
    wire::HandleInput,
};
use serde_json::{Value, json};

use crate::visit::{Answer, Desk, Visit, able, call, nothing, picture, text, unable};

fn profile(said: Value) -> Visitor {
    let mut whole = json!({"id": "visitor"});
    whole
        .as_object_mut()
        .unwrap()
        .extend(said.as_object().unwrap().clone());
    serde_json::from_value(whole).unwrap()
}

fn fields(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

/// A provider whose vendor makes use of these fields.
fn uses(names: &[&str]) -> Capabilities {
    Capabilities {
        visitor_fields: fields(names),
        ..able()
    }
}

fn allow(visit: &mut Visit, provider: &str, names: &[&str]) {
    let facts = visit.desk.0.get_mut(&provider.into()).unwrap();
    facts.visitor_fields = Some(fields(names).into());
}

/// The profiles that adapters are given while an input is handled.
fn given(visit: &mut Visit, input: Input) -> Vec<(String, Visitor)> {
    let mut seen = Vec::new();
    visit.does(input, |input| {
        match &input.event {
            Event::Opened { visitor, .. } | Event::ProfileChanged { visitor } => {
                seen.push((input.session.visitor.to_string(), visitor.clone()));
            }
            _ => {}
        }
        Ok(vec![])
    });
    seen
}

fn whole() -> Visitor {
    profile(json!({
        "name": "Wang", "portrait": "https://a.example/p.png",
        "fields": {"mobile_no": "138", "city": "北京"},
        "custom": {"cart": 1, "level": 2},
    }))
}

#[test]
fn an_adapter_is_given_what_it_declares_and_no_more() {
    let mut visit = Visit::new(Desk::of(uses(&["name", "city"])), &["first"]);
    visit.record.visitor = whole();
    assert_eq!(
        given(&mut visit, Input::Open),
        [(
            "visitor".to_owned(),
            profile(json!({"name": "Wang", "fields": {"city": "北京"}}))
        )]
    );
    assert_eq!(visit.record.visitor, whole(), "nothing is forgotten");
}

#[test]
fn the_operators_list_narrows_what_is_declared_and_the_app_is_told() {
    let mut visit = Visit::new(Desk::of(uses(&["name", "city", "custom"])), &["first"]);
    visit.record.visitor = whole();
    allow(&mut visit, "first", &["name", "mobile_no", "custom.cart"]);
    assert_eq!(
        given(&mut visit, Input::Open),
        [(
            // The list has no `id`.
            String::new(),
            Visitor {
                id: String::new(),
                ..profile(json!({"name": "Wang", "custom": {"cart": 1}}))
            }
        )]
    );
    visit.moves_to(SessionState::Robot);
    let EventBody::Opened(card) = &visit.log[0].body else {
        panic!("{:?}", visit.log)
    };
    assert_eq!(card.capabilities.visitor_fields, ["name", "custom.cart"]);
}

#[test]
fn each_provider_of_a_route_is_given_its_own_part() {
    let desk = Desk::of(uses(&["name"])).and("second", uses(&["city"]));
    let mut visit = Visit::new(desk, &["first", "second"]);
    visit.record.visitor = whole();
    allow(&mut visit, "first", &["id"]);
    let mut seen = Vec::new();
    visit.does(Input::Open, |input| {
        if let Event::Opened { visitor, .. } = &input.event {
            seen.push(visitor.clone());
        }
        if input.session.provider.as_str() == "first" {
            return Err("down".into());
        }
        Ok(vec![])
    });
    assert_eq!(
        seen,
        [
            profile(json!({})),
            profile(json!({"fields": {"city": "北京"}}))
        ]
    );
}

#[test]
fn a_changed_profile_is_told_as_far_as_it_may_be() {
    let mut visit = Visit::standing(uses(&["name", "city", "qq"]), SessionState::Human);
    allow(&mut visit, "first", &["id", "name", "city"]);
    let changed = |said| {
        Input::Command(Command::Profile {
            visitor: profile(said),
        })
    };
    let lines = given(&mut visit, changed(json!({"fields": {"qq": "7"}})));
    assert_eq!(lines, [], "nothing of it may be told");
    assert_eq!(visit.record.visitor.fields["qq"], "7");
    assert_eq!(
        given(&mut visit, changed(json!({"fields": {"city": "上海"}}))),
        [(
            "visitor".to_owned(),
            profile(json!({"fields": {"city": "上海"}}))
        )]
    );
    // The operator lets the vendor have more from now on.
    allow(&mut visit, "first", &["id", "qq"]);
    assert_eq!(
        given(&mut visit, changed(json!({"fields": {"qq": "8"}}))),
        [(
            "visitor".to_owned(),
            profile(json!({"fields": {"qq": "8"}}))
        )]
    );
    let EventBody::Capabilities(change) = &visit.log.last().unwrap().body else {
        panic!("{:?}", visit.log.last())
    };
    let shown = change.capabilities.as_ref().unwrap();
    assert_eq!(shown.visitor_fields, ["qq"]);
}

#[test]
fn a_profile_that_changes_while_opening_is_filtered_too() {
    let mut visit = Visit::standing(uses(&["name"]), SessionState::Opening);
    visit.command(Command::Profile {
        visitor: profile(json!({"name": "Li", "fields": {"mobile_no": "138"}})),
    });
    let told = given(&mut visit, crate::visit::told());
    assert_eq!(told, []);
    let mut seen = Vec::new();
    let mut open = Some(vec![Effect::state(SessionState::Robot)]);
    visit.does(crate::visit::told(), |input| {
        if let Event::ProfileChanged { visitor } = &input.event {
            seen.push(visitor.clone());
        }
        Ok(open.take().unwrap_or_default())
    });
    assert_eq!(seen, [profile(json!({"name": "Li"}))]);
}

fn sends(message: &MessageId) -> Effect {
    let request = HttpRequest::get("https://vendor.example/");
    Call::new(format!("send-{message}"), request)
        .carrying(message.clone())
        .into()
}

fn run(visit: &mut Visit, input: Input, adapter: impl FnMut(&HandleInput) -> Answer) -> Outcome {
    visit.run(input, adapter).unwrap().outcome
}

#[test]
fn media_of_a_message_that_the_adapter_holds_back_go_with_it_later() {
    let mut visit = Visit::standing(able(), SessionState::Human);
    let mut held = None;
    run(&mut visit, Input::Command(picture()), |input| {
        if let Event::FromVisitor { message } = &input.event {
            held = Some(message.id.clone());
        }
        // First it asks for something else.
        Ok(vec![call("ask")])
    });
    let held = held.unwrap();
    let later = run(&mut visit, crate::visit::told(), |_| Ok(vec![sends(&held)]));
    assert_eq!(later.calls[0].media, ["m1"]);
    let unnamed = run(&mut visit, crate::visit::told(), |_| Ok(vec![call("x")]));
    assert_eq!(unnamed.calls[0].media, ["m1"], "it may be in any of them");
    let other = run(&mut visit, crate::visit::told(), |_| {
        Ok(vec![sends(&"another".into())])
    });
    assert!(other.calls[0].media.is_empty());
    visit.effects(vec![Effect::delivered(held.clone())]);
    assert!(visit.record.held_media.is_empty());
}

#[test]
fn media_of_a_message_that_is_sent_at_once_are_not_remembered() {
    let mut visit = Visit::standing(able(), SessionState::Human);
    let outcome = run(&mut visit, Input::Command(picture()), |input| {
        Ok(match &input.event {
            Event::FromVisitor { message } => vec![sends(&message.id)],
            _ => vec![],
        })
    });
    assert_eq!(outcome.calls[0].media, ["m1"]);
    assert!(visit.record.held_media.is_empty());
    for _ in 0..100 {
        run(&mut visit, Input::Command(picture()), nothing);
    }
    assert_eq!(visit.record.held_media.len(), 32, "the record stays small");
}

#[test]
fn a_trace_goes_with_every_call_that_its_request_causes() {
    let mut visit = Visit::standing(able(), SessionState::Opening);
    let answer = |input: &HandleInput| {
        Ok(match &input.event {
            Event::FromVisitor { message } => vec![sends(&message.id)],
            Event::FromProvider { .. } => vec![Effect::state(SessionState::Human), call("hello")],
            _ => vec![],
        })
    };
    visit.trace = Some("early");
    run(&mut visit, Input::Command(text("early")), answer);
    visit.trace = None;
    let opened = run(&mut visit, crate::visit::told(), answer);
    let traces: Vec<_> = opened.calls.iter().map(|it| it.trace.as_deref()).collect();
    assert_eq!(traces, [None, Some("early")], "also where it had to wait");
    visit.trace = Some("now");
    let sent = run(&mut visit, Input::Command(text("now")), answer);
    assert_eq!(sent.calls[0].trace.as_deref(), Some("now"));
}

fn keyed_by_visitor(desk: &mut Desk, provider: &str) {
    let facts = desk.0.get_mut(&provider.into()).unwrap();
    Arc::make_mut(&mut facts.descriptor).keyed_by = KeyedBy::Visitor;
}

#[test]
fn a_vendor_that_knows_visitors_only_has_one_session_of_each() {
    let mut desk = Desk::of(able()).and("second", unable());
    keyed_by_visitor(&mut desk, "first");
    let mut free = Visit::new(desk.clone(), &["first", "second"]);
    let outcome = run(&mut free, Input::Open, nothing);
    assert!(outcome.alone, "the store looks again");
    assert_eq!(outcome.record.provider.as_str(), "first");
    desk.1.push("first".into());
    desk.1.push("second".into());
    let mut taken = Visit::new(desk.clone(), &["first", "second"]);
    let outcome = run(&mut taken, Input::Open, nothing);
    assert!(!outcome.alone, "the second tells conversations apart");
    assert_eq!(outcome.record.provider.as_str(), "second");
    let mut alone = Visit::new(desk, &["first"]);
    assert_eq!(
        alone.does(Input::Open, nothing),
        ["session.ended provider_error"]
    );
}
