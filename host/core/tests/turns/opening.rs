//! Opening: what waits for the handshake, and who is asked next.

use kefu_core::command::Command;
use kefu_core::session::Record;
use kefu_core::turn::Input;
use kefu_plugin_api::capability::{EndReason, Level, SessionState};
use kefu_plugin_api::effect::Effect;
use kefu_plugin_api::event::{CallResult, Event, Visitor};
use kefu_plugin_api::message::ContentKind;
use kefu_plugin_api::wire::{HandleInput, decode, encode};

use crate::visit::{
    Answer, Desk, Visit, able, call, close, finished, nothing, ok, picture, text, told, unable,
    zhichi,
};

#[test]
fn what_waits_for_the_handshake_is_sent_in_order_after_it() {
    let mut visit = Visit::standing(able(), SessionState::Opening);
    assert_eq!(visit.command(text("one")), ["message one"]);
    assert_eq!(visit.command(picture()).len(), 1);
    assert!(visit.command(Command::Human { group: None }).is_empty());
    let profile = Command::Profile {
        visitor: Visitor {
            id: "visitor".into(),
            name: Some("Wang".into()),
            ..Visitor::default()
        },
    };
    assert!(visit.command(profile).is_empty());
    reopened(&mut visit);
    let ran = visit
        .run(told(), |input| {
            Ok(match &input.event {
                Event::FromProvider { .. } => vec![Effect::state(SessionState::Robot)],
                Event::FromVisitor { message } => vec![call(message.content.kind().as_str())],
                _ => vec![],
            })
        })
        .unwrap();
    assert_eq!(
        ran.lines,
        [
            "told first from_provider",
            "told first profile_changed",
            "told first from_visitor one",
            "told first from_visitor [图片 image] https://app.example/1.png",
            "told first human_requested",
            "session.opened first robot",
            "session.state opening robot",
            "call 1 first text",
            "call 2 first image",
        ]
    );
    let media = |index: usize| ran.outcome.calls[index].media.clone();
    assert_eq!((media(0), media(1)), (vec![], vec!["m1".to_owned()]));
}

#[test]
fn what_waits_is_converted_to_what_is_carried_where_the_session_came_to() {
    let mut visit = Visit::standing(
        able().robot(ContentKind::Image, Level::Rejected),
        SessionState::Opening,
    );
    visit.command(picture());
    assert_eq!(
        visit.moves_to(SessionState::Robot),
        [
            "told first from_provider",
            "session.opened first robot",
            "session.state opening robot",
            "message.status failed",
        ]
    );
}

#[test]
fn a_queue_that_takes_no_messages_keeps_them_for_the_agent() {
    let mut visit = Visit::standing(unable(), SessionState::Opening);
    visit.command(text("one"));
    visit.moves_to(SessionState::Queued);
    assert_eq!(
        visit.moves_to(SessionState::Human)[..2],
        ["told first from_provider", "told first from_visitor one"]
    );
}

#[test]
fn messages_that_waited_for_nobody_are_told_as_failed() {
    let mut visit = Visit::standing(unable(), SessionState::Opening);
    visit.command(text("one"));
    assert_eq!(
        visit.moves_to(SessionState::Unattended)[3..],
        ["message.status failed"]
    );
    let mut visit = Visit::standing(able(), SessionState::Opening);
    visit.command(text("one"));
    assert_eq!(
        visit.does(Input::Command(Command::Exit), zhichi),
        [
            "told first exited",
            "message.status failed",
            "session.ended visitor",
            "call 1 first out",
        ]
    );
}

#[test]
fn a_message_after_the_end_within_one_turn_is_told_as_failed() {
    let mut visit = Visit::standing(able(), SessionState::Opening);
    visit.command(text("one"));
    visit.command(text("two"));
    let lines = visit.does(told(), |input| {
        Ok(match &input.event {
            Event::FromProvider { .. } => vec![Effect::state(SessionState::Robot)],
            _ => vec![close(EndReason::Blocked)],
        })
    });
    assert_eq!(
        lines[2..],
        [
            "session.opened first robot",
            "session.state opening robot",
            "session.ended blocked",
            "message.status failed",
        ]
    );
}

#[test]
fn the_next_provider_is_asked_while_nothing_was_exchanged() {
    let failures: [fn(&HandleInput) -> Answer; 3] = [
        |_| {
            Ok(vec![
                call("open"),
                close(EndReason::ProviderError),
                Effect::robot_says("no"),
            ])
        },
        |_| Err("panicked".into()),
        |_| Ok(vec![Effect::state(SessionState::Ended)]),
    ];
    for (index, fails) in failures.into_iter().enumerate() {
        let desk = Desk::of(able()).and("second", unable());
        let mut visit = Visit::new(desk, &["first", "second"]);
        let ran = visit
            .run(Input::Open, |input| {
                if input.session.provider.as_str() == "first" {
                    fails(input)
                } else {
                    Ok(vec![Effect::state(SessionState::Human)])
                }
            })
            .unwrap();
        let mut expected = vec![
            "told first opened",
            "told second opened",
            "session.opened second human",
            "session.state opening human",
        ];
        // What was asked for before giving up is still sent.
        expected.extend((index == 0).then_some("call 1 first open"));
        assert_eq!(ran.lines, expected);
        assert_eq!(visit.record.capabilities, unable());
    }
}

#[test]
fn a_handshake_gives_way_only_while_somebody_else_can_be_asked() {
    let gives_way = |order: &[&str]| {
        let desk = Desk::of(able()).and("second", able());
        let mut visit = Visit::new(desk, order);
        let opening = visit.run(Input::Open, |_| Ok(vec![call("open")])).unwrap();
        let told = visit.run(told(), |_| {
            Ok(vec![Effect::state(SessionState::Robot), call("later")])
        });
        let later = told.unwrap();
        [opening, later].map(|ran| ran.outcome.calls[0].gives_way)
    };
    assert_eq!(gives_way(&["first", "second"]), [true, false]);
    assert_eq!(gives_way(&["first"]), [false, false]);
}

#[test]
fn a_provider_that_takes_no_calls_is_passed_over() {
    let desk = Desk::default().and("second", unable());
    let mut visit = Visit::new(desk, &["first", "second"]);
    assert_eq!(visit.does(Input::Open, nothing), ["told second opened"]);
    let names = |visit: &Visit| visit.record.conversation.clone();
    assert_ne!(names(&visit).as_str(), "");
}

#[test]
fn nobody_left_to_ask_ends_the_session() {
    let mut visit = Visit::new(Desk::of(able()), &["first"]);
    let lines = visit.does(Input::Open, |_| Err("panicked".into()));
    assert_eq!(lines, ["told first opened", "session.ended provider_error"]);
    let mut visit = Visit::new(Desk::default(), &["first"]);
    assert_eq!(
        visit.does(Input::Open, nothing),
        ["session.ended provider_error"]
    );
}

#[test]
fn a_provider_that_was_heard_is_not_passed_over() {
    let desk = Desk::of(able()).and("second", able());
    let mut visit = Visit::new(desk, &["first", "second"]);
    visit.does(Input::Open, |_| Ok(vec![Effect::robot_says("one moment")]));
    assert_eq!(
        visit.effects(vec![close(EndReason::ProviderError)]),
        ["told first from_provider", "session.ended provider_error"]
    );
}

#[test]
fn the_end_of_a_call_to_a_provider_that_was_passed_over_is_nobodys() {
    let desk = Desk::of(able()).and("second", able());
    let mut visit = Visit::new(desk, &["first", "second"]);
    visit.does(Input::Open, |_| Ok(vec![call("open")]));
    let answered = CallResult::Answered { response: ok() };
    visit.effects(vec![call("another"), close(EndReason::ProviderError)]);
    assert_eq!(visit.record.provider.as_str(), "second");
    assert_eq!(visit.does(finished(1, answered), nothing), ["finished 1"]);
    // Nor are its callbacks.
    assert!(visit.does(told(), nothing).is_empty());
}

#[test]
fn a_visitor_who_left_while_opening_is_not_handed_on() {
    let desk = Desk::of(able()).and("second", able());
    for answer in [
        Ok(vec![close(EndReason::ProviderError)]),
        Err("panicked".to_owned()),
    ] {
        let mut visit = Visit::new(desk.clone(), &["first", "second"]);
        visit.does(Input::Open, nothing);
        assert_eq!(
            visit.does(Input::Command(Command::Exit), |_| answer.clone()),
            ["told first exited", "session.ended visitor"]
        );
    }
}

/// The record as it is after it was written and read back.
fn reopened(visit: &mut Visit) {
    let read: Record = decode(&encode(&visit.record).unwrap()).unwrap();
    assert_eq!(read, visit.record);
    visit.record = read;
}
