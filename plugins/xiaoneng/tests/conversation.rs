//! Scripts: events in, the full list of effects out.

#[path = "support/vendor.rs"]
mod vendor;

use kefu_plugin_api::{prelude::*, testing::Harness};
use kefu_xiaoneng::XiaonengAdapter;
use serde_json::{Value, json};
use vendor::script;

#[test]
fn the_robot_comes_first_and_is_told_who_asks_in_xiaonengs_words() {
    script().play(include_str!("fixtures/robot_first.json"));
}

#[test]
fn a_message_is_left_in_our_own_form_while_queued_or_unattended() {
    script().play(include_str!("fixtures/leave_message.json"));
}

#[test]
fn location_and_ratings_by_visitors_are_allowed_by_the_vendor_alone() {
    script().play(include_str!("fixtures/conditions.json"));
}

#[test]
fn a_visitor_rates_when_an_agent_invites() {
    script().play(include_str!("fixtures/rating.json"));
}

#[test]
fn leaving_keeps_the_session_and_only_the_agent_ends_it() {
    script().play(include_str!("fixtures/exit_keeps.json"));
}

#[test]
fn trouble_costs_a_message_and_a_blocked_visitor_the_session() {
    script().play(include_str!("fixtures/trouble.json"));
}

#[test]
fn the_capability_table_has_this_row() {
    let capabilities = Harness::<XiaonengAdapter>::descriptor().capabilities;
    let level = |state, kind| capabilities.level(state, kind);
    use ContentKind as Kind;
    for (kind, robot, human) in [
        (Kind::Text, Level::Full, Level::Full),
        (Kind::Emoji, Level::Full, Level::Full),
        (Kind::Image, Level::Rejected, Level::Full),
        (Kind::Voice, Level::Rejected, Level::Full),
        (Kind::Location, Level::Rejected, Level::Rejected),
        (Kind::Rich, Level::Converted, Level::Converted),
        (Kind::Custom, Level::Converted, Level::Converted),
        (Kind::Video, Level::Rejected, Level::Rejected),
        (Kind::File, Level::Rejected, Level::Rejected),
    ] {
        assert_eq!(level(SessionState::Robot, kind), robot, "{kind:?}");
        assert_eq!(level(SessionState::Human, kind), human, "{kind:?}");
    }
    assert!(capabilities.to_human && !capabilities.back_to_robot);
    assert_eq!(capabilities.exit, Exit::Keeps);
    assert_eq!(capabilities.emoji, EmojiForm::Text);
    assert_eq!(capabilities.evaluation.robot, RobotEvaluation::None);
    assert_eq!(capabilities.evaluation.by, [EvaluationStart::Agent]);
    let leave = capabilities.leave_message;
    let fields: Vec<_> = leave
        .fields
        .iter()
        .map(|field| field.key.as_str())
        .collect();
    assert_eq!(leave.kind, LeaveMessageKind::Form);
    assert_eq!(leave.when, [SessionState::Unattended, SessionState::Queued]);
    assert_eq!(fields, ["phone", "email", "content"]);
}

#[test]
fn an_operators_form_is_told_to_the_app_and_the_vendors_wins() {
    let mut settings = vendor::settings();
    settings["leave_message_fields"] = json!([
        {"key": "phone", "label": "手机号", "required": true, "verify": "phone"},
        {"key": "content", "label": "想说的话", "required": true, "multiline": true, "max": 500},
    ]);
    let opened = json!({"event": {"type": "opened", "visitor": {"id": "u-1"}, "client": {}}});
    let mut desk = vendor::Script::new(settings.clone(), "kf_9999");
    desk.take(&opened);
    let reply = json!({"code": 0, "data": {"session_id": "S-1001", "mode": "robot"}});
    desk.step(
        &json!({"answer": "session.open", "reply": reply}),
        &json!([
            {"type": "name", "vendor_session": "S-1001"},
            {"type": "capabilities", "capabilities": {"leave_message": {"kind": "form", "fields": [
                {"key": "phone", "label": "手机号", "required": true, "multiline": false, "verify": "phone"},
                {"key": "content", "label": "想说的话", "required": true, "multiline": true, "max": 500},
            ]}}},
            {"type": "set_state", "state": "robot"},
        ]),
    );
    let mut desk = vendor::Script::new(settings, "kf_9999");
    desk.take(&opened);
    let config = json!({"leave_message": {"kind": "none"}});
    let reply =
        json!({"code": 0, "data": {"session_id": "S-1001", "mode": "robot", "config": config}});
    desk.step(
        &json!({"answer": "session.open", "reply": reply}),
        &json!([
            {"type": "name", "vendor_session": "S-1001"},
            {"type": "capabilities", "capabilities": {"leave_message": {"kind": "none", "fields": []}}},
            {"type": "set_state", "state": "robot"},
        ]),
    );
}

#[test]
fn a_blocked_visitor_gets_no_session() {
    let mut desk = script();
    desk.take(&json!({"event": {"type": "opened", "visitor": {"id": "u-1"}, "client": {}}}));
    desk.step(
        &json!({"answer": "session.open", "reply": {"code": 4204, "msg": "blocked"}}),
        &json!([{"type": "close", "reason": "blocked"}]),
    );
}

#[test]
fn an_event_that_is_newer_than_this_adapter_is_ignored() {
    let mut desk = in_human();
    assert_eq!(desk.harness.handle(Event::Unknown), []);
    assert_eq!(desk.harness.told(ProviderEvent::Unknown), []);
}

#[test]
fn the_state_of_a_released_version_is_read_and_written_alike() {
    let golden = include_bytes!("golden/0.1.0.bin");
    let config =
        json!({"human": {"types": ["text", "location"]}, "evaluation": {"by": ["visitor"]}});
    let mut desk = in_human();
    desk.take(&json!({"callback": {"event": "capabilities.changed", "data": {"config": config}}}));
    assert!(desk.harness.state_bytes().len() < 1_024);
    assert_eq!(desk.harness.state_bytes(), golden);

    let mut later = script();
    later.harness.view.standing = SessionState::Human;
    later.harness.restore(golden.to_vec(), "0.1.0");
    let robot = json!({"callback": {"event": "session.mode", "data": {"mode": "robot"}}});
    assert_eq!(later.take(&robot), []);
    assert_eq!(later.harness.state_bytes(), golden);
}

#[test]
fn a_state_of_another_version_is_understood() {
    for old in [
        json!(null),
        json!({}),
        json!({"session_id": "S-1", "added_later": {"x": [1]}}),
    ] {
        let mut desk = script();
        desk.harness.view.standing = SessionState::Human;
        let old = kefu_plugin_api::wire::encode(&old).unwrap();
        desk.harness.restore(old, "0.0.1");
        assert_eq!(desk.take(&json!({"event": {"type": "exited"}})).len(), 1);
    }
}

/// A session that an agent has taken.
fn in_human() -> vendor::Script {
    let mut desk = script();
    desk.take(&json!({"event": {"type": "opened", "visitor": {"id": "u-1"}, "client": {}}}));
    let data: Value =
        json!({"session_id": "S-1001", "mode": "human", "agent": {"id": "a-12", "name": "小王"}});
    desk.take(&json!({"answer": "session.open", "reply": {"code": 0, "data": data}}));
    desk
}
