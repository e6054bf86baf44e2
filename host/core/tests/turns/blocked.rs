//! Visitors whom the vendor has blocked.

use kefu_core::{command::Command, log::EventBody};
use kefu_plugin_api::{
    capability::{EndReason, SessionConfig, SessionState},
    effect::Effect,
};

use crate::visit::{Visit, able, close, text, unable};

fn blocks(blocked: bool) -> Effect {
    Effect::Capabilities {
        capabilities: None,
        config: Some(SessionConfig {
            blocked,
            ..SessionConfig::default()
        }),
    }
}

#[test]
fn a_blocked_visitor_is_told_and_can_say_nothing() {
    for state in [
        SessionState::Robot,
        SessionState::Queued,
        SessionState::Human,
        SessionState::Unattended,
    ] {
        let mut visit = Visit::standing(unable(), state);
        assert_eq!(
            visit.effects(vec![blocks(true)])[1..],
            ["session.capabilities"]
        );
        assert!(visit.record.card().config.blocked);
        for command in [text("hello"), Command::Human { group: None }] {
            let problem = visit.refused(command);
            assert_eq!(
                problem.slug.as_str(),
                "unsupported-by-provider",
                "{state:?}"
            );
            assert_eq!(problem.detail, "the provider has blocked this visitor");
            assert_eq!(problem.extra, None);
        }
        // Leaving is always possible.
        visit.command(Command::Exit);
    }
}

#[test]
fn a_visitor_who_is_blocked_no_more_goes_on() {
    let mut visit = Visit::standing(able(), SessionState::Human);
    visit.effects(vec![blocks(true)]);
    visit.refused(text("hello"));
    assert_eq!(
        visit.effects(vec![blocks(false)])[1..],
        ["session.capabilities"]
    );
    assert_eq!(
        visit.command(text("hello")),
        ["told first from_visitor hello", "message hello"]
    );
}

#[test]
fn what_waited_for_the_handshake_of_a_blocked_visitor_fails_and_says_why() {
    let mut visit = Visit::standing(able(), SessionState::Opening);
    visit.command(text("early"));
    visit.command(Command::Human { group: None });
    let ran = visit.effects(vec![blocks(true), Effect::state(SessionState::Robot)]);
    assert_eq!(
        ran[1..],
        [
            "session.opened first robot",
            "session.state opening robot",
            "message.status failed"
        ]
    );
    let EventBody::Status { detail, .. } = &visit.log.last().unwrap().body else {
        panic!("{ran:?}")
    };
    assert_eq!(
        detail.as_deref(),
        Some("the provider has blocked this visitor")
    );
    let EventBody::Opened(card) = &visit.log[1].body else {
        panic!("{ran:?}")
    };
    assert!(card.config.blocked, "the app is told with the opening");
    assert_eq!(visit.record.human_wanted, None);
}

#[test]
fn a_blocked_visitor_may_leave_a_message_where_the_vendor_takes_one() {
    let mut visit = Visit::standing(able(), SessionState::Unattended);
    visit.effects(vec![blocks(true)]);
    let problem = visit.refused(text("hello"));
    assert_eq!(problem.extra.map(|(name, _)| name), Some("leave_message"));
    let lines = visit.command(Command::LeaveMessage {
        fields: Default::default(),
    });
    assert_eq!(
        lines,
        ["told first leave_message", "leave_message.submitted"]
    );
}

#[test]
fn a_session_that_ends_because_the_visitor_is_blocked_says_so_everywhere() {
    let mut visit = Visit::standing(able(), SessionState::Opening);
    visit.command(text("early"));
    assert_eq!(
        visit.effects(vec![close(EndReason::Blocked)])[1..],
        ["message.status failed", "session.ended blocked"]
    );
    let card = visit.record.card();
    assert_eq!(card.end_reason, Some(EndReason::Blocked));
    assert!(card.config.blocked);
    assert_eq!(visit.refused(text("late")).slug.as_str(), "session-ended");
}
