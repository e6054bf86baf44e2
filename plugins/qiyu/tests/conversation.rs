//! Scripts: events in, the full list of effects out.
//!
//! A script in `fixtures/` is a list of steps. `event` is an event of the
//! contract, `answer` the vendor's answer to the oldest open call of that
//! operation, `push` an event of the vendor; `then` are the effects, all of
//! them, in order. A call is written `{"call": operation, "body": …}`. Of
//! `capabilities` only the keys that the script names are compared.

#[path = "conversation/answers.rs"]
mod answers;
#[path = "conversation/bad_input.rs"]
mod bad_input;
#[path = "conversation/pushes.rs"]
mod pushes;
#[path = "conversation/script.rs"]
mod script;
#[path = "conversation/settings.rs"]
mod settings;

use kefu_plugin_api::{prelude::*, testing::calls};
use serde_json::{Value, json};

use script::{Desk, opened, play, play_with, says};

#[test]
fn the_robot_comes_first_greets_and_answers() {
    play(include_str!("fixtures/robot_first.json"));
}

#[test]
fn a_visitor_waits_in_the_queue_until_an_agent_comes_and_the_session_stays_after_an_exit() {
    play(include_str!("fixtures/queue_then_human.json"));
}

#[test]
fn a_rating_is_one_of_the_vendors_levels_at_any_time_and_after_the_end() {
    play(include_str!("fixtures/rating.json"));
}

#[test]
fn a_transfer_goes_on_in_the_same_session_and_late_events_do_no_harm() {
    play(include_str!("fixtures/transfer.json"));
}

#[test]
fn with_nobody_there_a_message_is_left_where_the_vendor_keeps_it() {
    play(include_str!("fixtures/no_agent.json"));
}

#[test]
fn everything_goes_to_an_agent_as_text() {
    play(include_str!("fixtures/kinds_for_agents.json"));
}

#[test]
fn agents_alone_receive_and_a_wait_that_is_too_long_ends() {
    let settings = json!({"reception": "human_only", "group": 3});
    play_with(settings, include_str!("fixtures/human_only.json"));
}

#[test]
fn the_robot_receives_whom_no_agent_can() {
    let settings = json!({"reception": "human_first"});
    play_with(settings, include_str!("fixtures/human_first.json"));
}

#[test]
fn the_robot_alone_never_asks_for_an_agent() {
    let settings = json!({"reception": "robot_only"});
    play_with(settings, include_str!("fixtures/robot_only.json"));
}

#[test]
fn calls_are_signed_at_each_attempt_and_only_harmless_ones_may_be_repeated() {
    let rating = json!({"type": "evaluated", "evaluation": {"target": "human", "stars": 5}});
    let mut desk = Desk::in_human();
    let mut effects = Desk::new().take(&json!({"event": opened()}));
    effects.extend(desk.take(&json!({"event": says("m-1", "在吗")})));
    effects.extend(desk.take(&json!({"event": rating})));
    let found: Vec<_> = calls(&effects)
        .into_iter()
        .map(|call| {
            assert_eq!(call.request.method, "POST");
            let stamps = serde_json::to_value(&call.request.stamps).expect("stamps");
            assert_eq!(
                stamps,
                json!([
                    {"type": "time", "unit": "seconds", "place": {"type": "query", "name": "time"}},
                    {"type": "digest", "algorithm": "sha1", "encoding": "hex",
                     "place": {"type": "query", "name": "checksum"},
                     "parts": [
                        {"type": "secret", "setting": "app_secret"},
                        {"type": "body_digest", "algorithm": "md5"},
                        {"type": "time", "unit": "seconds"},
                     ]},
                ])
            );
            let message = call.message.as_ref().map(MessageId::as_str);
            (call.request.url.as_str(), call.repeatable, message)
        })
        .collect();
    let base = "https://qiyu.example/openapi";
    let url = |path: &str| format!("{base}/{path}?appKey=app%2Bkey");
    assert_eq!(
        found,
        [
            (url("event/applyStaff").as_str(), true, None),
            (url("event/updateUInfo").as_str(), true, None),
            (url("message/send").as_str(), false, Some("m-1")),
            (url("event/evaluate").as_str(), true, None),
        ]
    );
}

#[test]
fn a_long_message_goes_in_pieces_and_is_delivered_once() {
    let mut desk = Desk::in_human();
    let effects = desk.take(&json!({"event": says("m-1", &"长".repeat(8_000))}));
    let lengths: Vec<_> = calls(&effects)
        .iter()
        .map(|call| {
            let body: Value = serde_json::from_slice(&call.request.body).expect("JSON");
            body["content"].as_str().expect("a text").chars().count()
        })
        .collect();
    assert_eq!(lengths, [4_000, 4_000]);
    let ok = json!({"answer": "send", "body": {"code": 200}});
    assert_eq!(desk.take(&ok), []);
    assert_eq!(desk.take(&ok), [Effect::delivered("m-1".into())]);
}

#[test]
fn a_long_message_of_which_a_piece_was_lost_is_told_as_lost_once() {
    for first in [json!({"code": 14005}), Value::Null] {
        let mut desk = Desk::in_human();
        desk.take(&json!({"event": says("m-1", &"长".repeat(8_000))}));
        let effects = desk.take(&json!({"answer": "send", "body": first}));
        assert!(matches!(effects.as_slice(), [Effect::Status { .. }]));
        let ok = json!({"answer": "send", "body": {"code": 200}});
        assert_eq!(desk.take(&ok), []);
        // The next message starts afresh.
        desk.take(&json!({"event": says("m-2", "在吗")}));
        assert_eq!(desk.take(&ok), [Effect::delivered("m-2".into())]);
    }
}

#[test]
fn words_longer_than_a_message_come_in_pieces() {
    let mut desk = Desk::in_human();
    let body = json!({"msgId": "V-9", "msgType": "TEXT", "content": "长".repeat(16_001)});
    let effects = desk.take(&json!({"push": "MSG", "body": body}));
    let found: Vec<_> = effects
        .iter()
        .map(|effect| match effect {
            Effect::Deliver { message } => {
                let length = message.content.to_text().chars().count();
                (message.vendor_id.as_deref(), length)
            }
            other => panic!("a message, not {other:?}"),
        })
        .collect();
    let (first, second, third) = (Some("V-9"), Some("V-9#1"), Some("V-9#2"));
    assert_eq!(found, [(first, 8_000), (second, 8_000), (third, 1)]);
}

#[test]
fn a_changed_profile_is_told_and_an_empty_one_is_not() {
    let mut desk = Desk::in_robot();
    let visitor = json!({"id": "u-1", "fields": {"email": "l@app.example", "memo": " "}});
    let effects = desk.take(&json!({"event": {"type": "profile_changed", "visitor": visitor}}));
    let rows = json!([{"key": "email", "value": "l@app.example"}]);
    assert_eq!(script::body(&effects)["userinfo"], rows);
    let nothing = json!({"type": "profile_changed", "visitor": {"id": "u-1"}});
    assert_eq!(desk.take(&json!({"event": nothing})), []);
}

#[test]
fn a_rating_without_levels_or_of_the_robot_is_not_sent() {
    for (mut desk, target) in [(Desk::in_robot(), "human"), (Desk::in_human(), "robot")] {
        let rating = json!({"target": target, "stars": 5});
        let effects = desk.take(&json!({"event": {"type": "evaluated", "evaluation": rating}}));
        assert!(
            matches!(effects.as_slice(), [Effect::Deliver { message }] if message.from.kind == SenderKind::System),
            "the visitor is told: {effects:?}"
        );
        assert!(
            desk.harness
                .notes
                .iter()
                .any(|note| note.contains("rating"))
        );
    }
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
        json!({"type": "exited"}),
        json!({"type": "closing", "reason": "idle"}),
        json!({"type": "something_newer"}),
    ] {
        assert_eq!(desk.take(&json!({"event": event})), [], "{event}");
    }
    assert_eq!(desk.harness.told(ProviderEvent::Unknown), []);
}

#[test]
fn the_same_turn_twice_gives_the_same_effects() {
    let turn = || Desk::in_robot().take(&json!({"event": {"type": "human_requested"}}));
    assert_eq!(turn(), turn());
}

#[test]
fn the_self_test_passes_and_the_descriptor_is_honest() {
    assert_eq!(Desk::new().harness.self_test(), Ok(()));
    let descriptor = script::QiyuHarness::descriptor();
    let capabilities = descriptor.capabilities;
    assert_eq!(descriptor.id, "qiyu");
    let level = |state, kind| capabilities.level(state, kind);
    let (robot, human) = (SessionState::Robot, SessionState::Human);
    for kind in ContentKind::ALL {
        let expected = match kind {
            ContentKind::Text => [Level::Full, Level::Full],
            ContentKind::Emoji => [Level::Converted, Level::Converted],
            _ => [Level::Rejected, Level::Converted],
        };
        assert_eq!(
            [level(robot, kind), level(human, kind)],
            expected,
            "{kind:?}"
        );
    }
    assert_eq!(
        level(SessionState::Unattended, ContentKind::Text),
        Level::Full
    );
    assert_eq!(
        level(SessionState::Queued, ContentKind::Text),
        Level::Rejected
    );
    assert_eq!(capabilities.exit, Exit::Keeps);
    assert_eq!(capabilities.leave_message.kind, LeaveMessageKind::None);
    assert_eq!(capabilities.evaluation.robot, RobotEvaluation::None);
    assert!(!capabilities.back_to_robot);
}

#[test]
fn the_state_of_a_released_version_is_read() {
    // Written by 0.1.0: an agent with three levels, a group, a lost piece.
    let golden = include_bytes!("golden/state-0.1.0.bin");
    let mut desk = Desk::new();
    desk.harness.view.standing = SessionState::Human;
    desk.harness.view.vendor_session = Some("102".into());
    desk.harness.restore(golden.to_vec(), "0.1.0");
    let rating = json!({"type": "evaluated", "evaluation": {"target": "human", "stars": 3}});
    let effects = desk.take(&json!({"event": rating}));
    assert_eq!(script::body(&effects)["evaluation"], 50);
    let again = json!({"staffId": 7, "sessionId": 102, "evaluationModel": script::seated()["evaluationModel"]});
    assert_eq!(
        desk.take(&json!({"push": "SESSION_START", "body": again})),
        []
    );
    let answer = desk
        .harness
        .answered("send/2/2/m-1", 200, &json!({"code": 200}));
    assert_eq!(answer, []);
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
        let effects = desk.take(&json!({"event": says("m-1", "在吗")}));
        assert_eq!(effects.len(), 1);
    }
}
