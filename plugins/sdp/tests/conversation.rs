//! Scripts: events in, the full list of effects out; and what settings do.

use kefu_plugin_api::{prelude::*, testing::Harness};
use kefu_sdp::{Plain, PlainAdapter};
use kefu_sdp_core::testing::{SECRET, Script, signed};
use serde_json::{Value, json};

const OTHER: &str = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

#[test]
fn everything_is_as_the_vendor_says_however_unlike_the_defaults() {
    script(json!({})).play(include_str!("fixtures/unlike_the_defaults.json"));
}

#[test]
fn a_vendor_that_says_nothing_of_a_session_is_asked_about_the_account() {
    script(json!({})).play(include_str!("fixtures/silent_vendor.json"));
}

#[test]
fn a_vendor_that_did_not_answer_is_asked_later_and_later_for_the_session() {
    script(json!({})).play(include_str!("fixtures/questions_without_answers.json"));
}

#[test]
fn a_session_that_the_vendor_lost_ends() {
    let mut desk = script(json!({}));
    open(&mut desk, json!({"session_id": "S-1001", "mode": "human"}));
    desk.take(&json!({"event": {"type": "human_requested"}}));
    desk.take(&json!({"unanswered": "session.to_human"}));
    desk.take(&json!({"timer": "doubt"}));
    desk.take(&json!({"answer": "health", "reply": {"code": 0}}));
    desk.step(
        &json!({"answer": "session.state", "reply": {"code": 4101, "msg": "unknown"}}),
        &json!([{"type": "close", "reason": "provider_error"}]),
    );
}

#[test]
fn an_operators_defaults_hold_where_the_vendor_says_nothing() {
    let defaults = json!({"defaults": {
        "robot": false, "human_types": ["text", "voice"], "exit": "ends", "messages_while_queued": true,
        "leave_message": {"kind": "form", "when": ["unattended"], "fields": [{"key": "content", "label": "留言"}]},
        "evaluation": {"human": {"stars": true}, "by": ["visitor"]}, "notice": {"text": "9:00–18:00"},
    }});
    let mut desk = script(defaults.clone());
    desk.take(&opened());
    let reply = json!({"code": 0, "data": {"session_id": "S-1001", "mode": "human"}});
    desk.step(
        &json!({"answer": "session.open", "reply": reply}),
        &json!([
            {"type": "name", "vendor_session": "S-1001"},
            {"type": "capabilities",
             "capabilities": {"robot": {}, "human": {"voice": "full", "image": "rejected"}, "exit": "ends", "messages_while": ["queued"],
                              "leave_message": {"kind": "form", "when": ["unattended"]}, "evaluation": {"by": ["visitor"]}},
             "config": {"notice": {"text": "9:00–18:00"}}},
            {"type": "set_state", "state": "human"},
            {"call": "capabilities", "data": {}},
            {"call": "groups.list", "data": {}},
        ]),
    );
    let mut desk = script(defaults);
    desk.take(&opened());
    let config = json!({"exit": "keeps", "groups": []});
    let reply =
        json!({"code": 0, "data": {"session_id": "S-1001", "mode": "human", "config": config}});
    desk.step(
        &json!({"answer": "session.open", "reply": reply}),
        &json!([
            {"type": "name", "vendor_session": "S-1001"},
            {"type": "capabilities", "capabilities": {"exit": "keeps", "human": {"voice": "full"}}},
            {"type": "set_state", "state": "human"},
        ]),
    );
}

#[test]
fn nothing_is_asked_that_the_operator_switched_off() {
    let off = json!({"ask_capabilities": false, "ask_groups": false, "recheck_seconds": 0});
    let mut desk = script(off);
    open(&mut desk, json!({"session_id": "S-1001", "mode": "queued"}));
    desk.step(
        &json!({"event": {"type": "exited"}}),
        &json!([{"call": "session.leave", "data": {"semantics": "keeps"}}]),
    );
    desk.step(&json!({"unanswered": "session.leave"}), &json!([]));
    desk.step(
        &json!({"timer": "queue"}),
        &json!([{"call": "queue.query", "data": {}}]),
    );
    desk.step(&json!({"unanswered": "queue.query"}), &json!([]));
    desk.step(&json!({"timer": "of somebody else"}), &json!([]));
}

#[test]
fn a_waiting_visitor_is_told_the_place_as_long_as_the_wait_lasts() {
    let mut desk =
        script(json!({"queue_query_seconds": 5, "ask_capabilities": false, "ask_groups": false}));
    let timer = json!({"type": "set_timer", "timer": "queue", "after_ms": 5000});
    desk.take(&opened());
    let data = json!({"session_id": "S-1001", "mode": "queued", "queue": {"position": 3}});
    desk.step(
        &json!({"answer": "session.open", "reply": {"code": 0, "data": data}}),
        &json!([
            {"type": "name", "vendor_session": "S-1001"}, {"type": "set_state", "state": "queued"},
            timer, {"type": "queue", "queue": {"position": 3}},
        ]),
    );
    let ask = json!([{"call": "queue.query", "data": {}}]);
    desk.step(&json!({"timer": "queue"}), &ask);
    let place = json!({"code": 0, "data": {"mode": "queued", "queue": {"position": 2}}});
    desk.step(
        &json!({"answer": "queue.query", "reply": place}),
        &json!([{"type": "queue", "queue": {"position": 2}}, timer]),
    );
    desk.step(&json!({"timer": "queue"}), &ask);
    desk.step(
        &json!({"answer": "queue.query", "status": 404, "reply": {"code": 4005}}),
        &json!([timer]),
    );
    desk.step(&json!({"timer": "queue"}), &ask);
    let taken = json!({"code": 0, "data": {"mode": "human", "agent": {"id": "a-1"}}});
    desk.step(
        &json!({"answer": "queue.query", "reply": taken}),
        &json!([
            {"type": "set_state", "state": "human", "agent": {"id": "a-1"}},
            {"type": "agent", "event": "joined", "agent": {"id": "a-1"}},
        ]),
    );
    desk.step(&json!({"timer": "queue"}), &json!([]));
}

#[test]
fn settings_that_cannot_work_are_refused_by_their_names() {
    for (patch, setting) in [
        (json!({"base_url": "v.example"}), "base_url"),
        (json!({"secret": "plain"}), "secret"),
        (json!({"account": ""}), "account"),
        (json!({"account": "a".repeat(129)}), "account"),
        (json!({"group": ""}), "group"),
        (json!({"channel": ""}), "channel"),
        (json!({"visitor_fields": ["shoe_size"]}), "visitor_fields"),
        (
            json!({"defaults": {"robot": false, "robot_name": "小助手"}}),
            "defaults.robot",
        ),
    ] {
        let Err(error) = Harness::<PlainAdapter>::open(settings(patch.clone())) else {
            panic!("{patch} was accepted")
        };
        assert_eq!(error.setting.as_deref(), Some(setting), "{patch}: {error}");
    }
    for patch in [
        json!({"defaults": {"robots": true}}),
        json!({"acount": "x"}),
    ] {
        assert!(Harness::<PlainAdapter>::open(settings(patch)).is_err());
    }
}

#[test]
fn a_callback_without_good_proof_is_refused() {
    let harness = Harness::<PlainAdapter>::open(settings(json!({}))).unwrap();
    let now = harness.view.now;
    let seconds = now.unix_seconds();
    for (signed_at, secret) in [
        (seconds, OTHER),
        (seconds - 301, SECRET),
        (seconds + 301, SECRET),
    ] {
        let refused = harness.receive(&signed("E-1", b"{}".to_vec(), now, signed_at, secret));
        assert!(matches!(refused, Err(Reject::Unauthenticated { .. })));
    }
}

#[test]
fn the_state_of_a_released_version_is_read_and_written_alike() {
    let golden = include_bytes!("golden/0.1.0.bin");
    let mut desk = script(json!({"ask_groups": false}));
    let config = json!({"robot": null, "exit": "ends"});
    let data =
        json!({"session_id": "S-1001", "mode": "human", "agent": {"id": "a-12"}, "config": config});
    open(&mut desk, data);
    desk.take(&json!({"event": {"type": "human_requested"}}));
    desk.take(&json!({"unanswered": "session.to_human"}));
    assert_eq!(desk.harness.state_bytes(), golden);
    let mut later = script(json!({}));
    later.harness.view.standing = SessionState::Human;
    later.harness.restore(golden.to_vec(), "0.1.0");
    later.take(&json!({"callback": {"event": "session.mode", "data": {"mode": "robot"}}}));
    assert_eq!(later.harness.state_bytes(), golden);
}

fn settings(patch: Value) -> Value {
    let mut settings =
        json!({"base_url": "https://v.example", "secret": SECRET, "account": "acme"});
    for (key, value) in patch.as_object().expect("a patch is an object") {
        settings[key] = value.clone();
    }
    settings
}

fn script(patch: Value) -> Script<Plain> {
    Script::new(settings(patch), "acme")
}

fn opened() -> Value {
    json!({"event": {"type": "opened", "visitor": {}, "client": {}}})
}

fn open(desk: &mut Script<Plain>, data: Value) {
    desk.take(&opened());
    desk.take(&json!({"answer": "session.open", "reply": {"code": 0, "data": data}}));
}
