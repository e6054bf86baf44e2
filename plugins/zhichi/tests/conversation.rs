//! Scripts: events in, the full list of effects out.
//!
//! A script in `fixtures/` is a list of steps. `event` is an event of the
//! contract, `answer` the vendor's answer to the oldest open call of that
//! operation, `push` a push of the vendor; `then` are the effects, all of them,
//! in order. A call is written `{"call": operation, "body": …}`. Of
//! `capabilities` only the keys that the script names are compared.

#[path = "conversation/answers.rs"]
mod answers;
#[path = "conversation/bad_input.rs"]
mod bad_input;
#[path = "conversation/groups.rs"]
mod groups;
#[path = "conversation/odd.rs"]
mod odd;
#[path = "conversation/pushes.rs"]
mod pushes;
#[path = "conversation/script.rs"]
mod script;
#[path = "conversation/settings.rs"]
mod settings;
#[path = "conversation/token.rs"]
mod token;

use kefu_plugin_api::prelude::*;
use serde_json::{Value, json};

use script::{Desk, opened, play, play_with, says};

#[test]
fn the_robot_comes_first_greets_and_answers() {
    play(include_str!("fixtures/robot_first.json"));
}

#[test]
fn a_click_on_a_suggestion_is_told_as_a_click() {
    play(include_str!("fixtures/suggestions.json"));
}

#[test]
fn a_visitor_waits_in_the_queue_until_an_agent_comes() {
    play(include_str!("fixtures/queue_then_human.json"));
}

#[test]
fn an_agent_takes_every_kind_that_the_vendor_knows_and_the_rest_as_text() {
    play(include_str!("fixtures/kinds_for_agents.json"));
}

#[test]
fn the_robot_hands_over_by_itself() {
    play(include_str!("fixtures/robot_hands_over.json"));
}

#[test]
fn messages_that_come_while_an_agent_is_asked_for_reach_whoever_answers() {
    play(include_str!("fixtures/held_messages.json"));
}

#[test]
fn the_robot_goes_on_while_no_agent_is_there() {
    play(include_str!("fixtures/no_agent.json"));
}

#[test]
fn a_rating_goes_before_the_leaving_and_leaving_ends_at_once() {
    play(include_str!("fixtures/rate_and_exit.json"));
}

#[test]
fn an_agent_who_ended_the_session_can_still_be_rated() {
    play(include_str!("fixtures/agent_ends.json"));
}

#[test]
fn a_transfer_goes_on_in_the_same_session() {
    play(include_str!("fixtures/transfer.json"));
}

#[test]
fn late_and_unordered_pushes_do_no_harm() {
    play(include_str!("fixtures/late_pushes.json"));
}

#[test]
fn an_agent_comes_first_and_the_robot_when_nobody_is_there() {
    let settings = json!({"reception": "human_first"});
    play_with(settings, include_str!("fixtures/human_first.json"));
}

#[test]
fn nobody_is_there_where_agents_alone_receive() {
    let settings = json!({"reception": "human_only"});
    play_with(settings, include_str!("fixtures/human_only.json"));
}

#[test]
fn the_robot_alone_never_asks_for_an_agent() {
    let settings = json!({"reception": "robot_only"});
    play_with(settings, include_str!("fixtures/robot_only.json"));
}

#[test]
fn calls_carry_the_token_and_only_harmless_ones_may_be_repeated() {
    let mut desk = Desk::in_human();
    let rating = json!({"type": "evaluated", "evaluation": {"target": "human", "stars": 5}});
    let mut effects = Desk::new().take(&json!({"event": opened()}));
    effects.extend(Desk::in_robot().take(&json!({"event": says("m-1", "在吗")})));
    effects.extend(Desk::in_robot().take(&json!({"event": {"type": "human_requested"}})));
    effects.extend(desk.take(&json!({"event": says("m-2", "在吗")})));
    effects.extend(desk.take(&json!({"event": rating})));
    effects.extend(desk.take(&json!({"event": {"type": "exited"}})));
    let found: Vec<_> = kefu_plugin_api::testing::calls(&effects)
        .into_iter()
        .map(|call| {
            let token = Stamp::Token {
                name: "api".into(),
                place: Place::header("token"),
                prefix: String::new(),
            };
            assert_eq!(call.request.stamps, [token]);
            assert_eq!(call.request.method, "POST");
            let message = call.message.as_ref().map(MessageId::as_str);
            (call.request.url.as_str(), call.repeatable, message)
        })
        .collect();
    assert_eq!(
        found,
        [
            (
                "https://zhichi.example/api/robot/5/get_robot_guide",
                true,
                None
            ),
            (
                "https://zhichi.example/api/chat/5/user/robot_chat",
                false,
                Some("m-1")
            ),
            (
                "https://zhichi.example/api/chat/5/user/chat_connect",
                true,
                None
            ),
            (
                "https://zhichi.example/api/chat/5/user/chat_send",
                false,
                Some("m-2")
            ),
            ("https://zhichi.example/api/chat/5/user/comment", true, None),
            ("https://zhichi.example/api/chat/5/user/out", true, None),
        ]
    );
}

#[test]
fn messages_beyond_what_can_be_held_fail_at_once() {
    let mut desk = Desk::in_robot();
    desk.take(&json!({"event": {"type": "human_requested"}}));
    for number in 0..200 {
        assert_eq!(
            desk.take(&json!({"event": says(&format!("m-{number}"), "喂")})),
            []
        );
    }
    let effects = desk.take(&json!({"event": says("m-200", "喂")}));
    assert_eq!(
        effects,
        [Effect::failed(
            "m-200".into(),
            "too many messages wait for the vendor's answer"
        )]
    );
}

#[test]
fn long_messages_are_held_as_far_as_the_state_has_room() {
    let mut desk = Desk::in_robot();
    desk.take(&json!({"event": {"type": "human_requested"}}));
    let long = "喂".repeat(8_000);
    assert_eq!(desk.take(&json!({"event": says("m-0", &long)})), []);
    let effects = desk.take(&json!({"event": says("m-1", &long)}));
    assert_eq!(
        effects,
        [Effect::failed(
            "m-1".into(),
            "too many messages wait for the vendor's answer"
        )]
    );
    assert_eq!(desk.take(&json!({"event": says("m-2", "喂")})), []);
    assert!(desk.harness.state_bytes().len() < 64 << 10);
}

#[test]
fn a_message_that_came_while_nobody_answers_is_told_as_failed() {
    for standing in [
        SessionState::Queued,
        SessionState::Unattended,
        SessionState::Ended,
    ] {
        let mut desk = Desk::in_robot();
        desk.harness.view.standing = standing;
        let effects = desk.take(&json!({"event": says("m-1", "在吗")}));
        assert!(
            matches!(
                effects.as_slice(),
                [Effect::Status {
                    status: MessageStatus::Failed,
                    ..
                }]
            ),
            "{standing:?}: {effects:?}"
        );
    }
}

#[test]
fn a_picture_for_the_robot_is_told_as_failed_and_not_dropped() {
    let mut desk = Desk::in_robot();
    let picture = json!({"type": "image", "url": "https://media.example/a.png"});
    let event = json!({"type": "from_visitor", "message": {"id": "m-1", "content": picture}});
    let effects = desk.take(&json!({"event": event}));
    assert_eq!(
        effects,
        [Effect::failed(
            "m-1".into(),
            "the robot takes text, not image"
        )]
    );
}

#[test]
fn an_answer_longer_than_a_message_comes_in_pieces_and_is_recalled_whole() {
    let mut desk = Desk::in_human();
    let long = "长".repeat(16_001);
    let push = json!({"type": 202, "msgId": "V-9", "content": long, "msgType": "text"});
    let effects = desk.take(&json!({"push": push}));
    let pieces: Vec<_> = effects
        .iter()
        .map(|effect| match effect {
            Effect::Deliver { message } => (
                message.vendor_id.as_deref(),
                message.content.to_text().chars().count(),
            ),
            other => panic!("a message, not {other:?}"),
        })
        .collect();
    assert_eq!(
        pieces,
        [
            (Some("V-9"), 8_000),
            (Some("V-9#1"), 8_000),
            (Some("V-9#2"), 1)
        ]
    );
    let recalled = desk.take(&json!({"push": {"type": 211, "msgId": "V-9"}}));
    let ids = ["V-9", "V-9#1", "V-9#2"];
    let expected = ids.map(|id| Effect::Recall {
        vendor_id: id.into(),
    });
    assert_eq!(recalled, expected);
}

#[test]
fn the_host_ends_a_session_and_the_vendor_is_told_once() {
    let closing = json!({"event": {"type": "closing", "reason": "idle"}});
    let mut desk = Desk::in_human();
    let effects = desk.take(&closing);
    assert!(
        matches!(effects.as_slice(), [Effect::Call { .. }]),
        "{effects:?}"
    );
    desk.harness.view.standing = SessionState::Ended;
    assert_eq!(desk.take(&closing), []);
}

#[test]
fn what_the_vendor_has_no_call_for_is_ignored() {
    let mut desk = Desk::in_human();
    for event in [
        json!({"type": "typing"}),
        json!({"type": "read", "message": "d-1"}),
        json!({"type": "leave_message", "fields": {"phone": "13800000000"}}),
        json!({"type": "timer_fired", "timer": "never-set"}),
        json!({"type": "human_requested"}),
        json!({"type": "something_newer"}),
    ] {
        assert_eq!(desk.take(&json!({"event": event})), [], "{event}");
    }
    assert_eq!(desk.harness.told(ProviderEvent::Unknown), []);
}

#[test]
fn a_changed_profile_goes_with_the_next_call() {
    let mut desk = Desk::in_robot();
    let visitor =
        json!({"id": "u-1", "name": "Han Meimei", "portrait": "https://app.example/h.png"});
    desk.take(&json!({"event": {"type": "profile_changed", "visitor": visitor}}));
    let effects = desk.take(&json!({"event": {"type": "human_requested"}}));
    let body = script::body(&effects);
    assert_eq!(body["user_nick"], "Han Meimei");
    assert_eq!(body["user_img"], "https://app.example/h.png");
}

#[test]
fn the_same_turn_twice_gives_the_same_effects() {
    let turn = || Desk::in_robot().take(&json!({"event": {"type": "human_requested"}}));
    assert_eq!(turn(), turn());
}

#[test]
fn the_self_test_passes_and_the_descriptor_is_honest() {
    let desk = Desk::new();
    assert_eq!(desk.harness.self_test(), Ok(()));
    let descriptor = script::ZhichiHarness::descriptor();
    let capabilities = descriptor.capabilities;
    assert_eq!(descriptor.id, "zhichi");
    let level = |state, kind| capabilities.level(state, kind);
    let (robot, human) = (SessionState::Robot, SessionState::Human);
    assert_eq!(level(robot, ContentKind::Text), Level::Full);
    assert_eq!(level(robot, ContentKind::Image), Level::Rejected);
    assert_eq!(level(human, ContentKind::Image), Level::Full);
    assert_eq!(level(human, ContentKind::Location), Level::Converted);
    assert_eq!(
        level(SessionState::Queued, ContentKind::Text),
        Level::Rejected
    );
    assert_eq!(capabilities.exit, Exit::Ends);
    assert_eq!(capabilities.leave_message.kind, LeaveMessageKind::None);
    assert_eq!(capabilities.evaluation.after_seconds, 60);
}

#[test]
fn the_state_of_a_released_version_is_read() {
    // Written by 0.1.0: an agent was asked for, a message waits, a suggestion
    // and the pieces of a long message are remembered.
    let golden = include_bytes!("golden/state-0.1.0.bin");
    let mut desk = Desk::new();
    desk.harness.view.standing = SessionState::Robot;
    desk.harness.restore(golden.to_vec(), "0.1.0");
    let connected = json!({"ret_code": "000000", "item": {"status": 1, "cid": "C-1"}});
    let effects = desk.harness.answered("connect/2", 200, &connected);
    let plain: Vec<Value> = effects
        .iter()
        .map(|effect| script::plain(effect, None))
        .collect();
    assert_eq!(
        Value::from(plain),
        json!([
            {"type": "name", "vendor_session": "C-1"},
            {"type": "set_state", "state": "human"},
            {"call": "chat_send", "body": {"partnerid": "conversation-1", "content": "在吗", "msg_type": "text"}},
        ])
    );
    let recalled = desk.take(&json!({"push": {"type": 211, "msgId": "V-1"}}));
    assert_eq!(recalled.len(), 2);
}

#[test]
fn a_state_of_any_other_version_is_understood() {
    for other in [
        json!(null),
        json!({}),
        json!({"serial": 7, "added_later": {"x": [1]}}),
    ] {
        let mut desk = Desk::new();
        desk.harness.view.standing = SessionState::Human;
        let state = kefu_plugin_api::wire::encode(&other).expect("it can be written");
        desk.harness.restore(state, "0.0.1");
        assert_eq!(desk.take(&json!({"event": {"type": "exited"}})).len(), 2);
    }
}
