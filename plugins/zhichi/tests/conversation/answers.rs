//! Every status, every result code and every unreadable answer.

use kefu_plugin_api::prelude::*;
use serde_json::{Value, json};

use crate::script::{Desk, opened, says};

fn ok(item: Value) -> Vec<u8> {
    json!({"ret_code": "000000", "ret_msg": "操作成功", "item": item})
        .to_string()
        .into_bytes()
}

fn refused(code: &str) -> Vec<u8> {
    json!({"ret_code": code, "ret_msg": "不行\n"})
        .to_string()
        .into_bytes()
}

/// Bodies that come with HTTP 200 and are no answer.
fn nonsense() -> Vec<Vec<u8>> {
    [
        "",
        "<html><body>502 Bad Gateway</body></html>",
        "{\"ret_code\": \"0000",
        "null",
        "[]",
        "42",
        "\"ok\"",
        "{}",
        "{\"ret_code\": null}",
        "{\"ret_code\": {}}",
        "{\"ret_code\": \"\"}",
        "{\"ret_code\": \"000000\", \"item\": \"text\"}",
        "{\"ret_code\": \"000000\", \"item\": [7]}",
        "\u{feff}{\"ret_code\": \"000000\"}",
    ]
    .map(|text| text.as_bytes().to_vec())
    .into_iter()
    .chain([vec![0xff, 0xfe, 0x00], vec![b'['; 100_000]])
    .collect()
}

fn sent() -> Desk {
    let mut desk = Desk::in_human();
    desk.take(&json!({"event": says("m-1", "你好")}));
    desk
}

fn asked() -> Desk {
    let mut desk = Desk::in_robot();
    desk.take(&json!({"event": says("m-1", "你好")}));
    desk
}

/// What became of the message, and the words for it.
fn fate(effects: &[Effect]) -> (MessageStatus, &str) {
    match effects {
        [
            Effect::Status {
                message,
                status,
                detail,
            },
            ..,
        ] => {
            assert_eq!(message.as_str(), "m-1");
            (*status, detail.as_deref().unwrap_or_default())
        }
        other => panic!("a status first, not {other:?}"),
    }
}

#[test]
fn every_status_of_chat_send_is_told() {
    for (item, status) in [
        (json!({"status": 1}), MessageStatus::Delivered),
        (json!({"status": "1"}), MessageStatus::Delivered),
        (json!({"status": 2}), MessageStatus::Failed),
        (json!({"status": 0}), MessageStatus::Unknown),
        (json!({"status": 99}), MessageStatus::Unknown),
        (json!({"status": "yes"}), MessageStatus::Unknown),
        (json!({}), MessageStatus::Unknown),
        (Value::Null, MessageStatus::Unknown),
    ] {
        let effects = sent().answer("chat_send", 200, ok(item.clone()), false);
        assert_eq!(fate(&effects).0, status, "{item}");
    }
}

#[test]
fn a_message_without_an_agent_makes_the_adapter_ask_where_the_session_stands() {
    for (standing, expected) in [
        (
            json!({"status": 0}),
            vec![Effect::Close {
                reason: EndReason::Agent,
            }],
        ),
        (json!({"status": 1}), vec![]),
        (json!({"status": -1}), vec![]),
        (json!({"status": -2}), vec![]),
        (json!({}), vec![]),
    ] {
        let mut desk = sent();
        let effects = desk.answer("chat_send", 200, ok(json!({"status": 2})), false);
        assert!(matches!(
            effects.as_slice(),
            [Effect::Status { .. }, Effect::Call { .. }]
        ));
        let effects = desk.answer("query_session_status", 200, ok(standing.clone()), false);
        assert_eq!(effects, expected, "{standing}");
    }
}

#[test]
fn every_result_code_is_told_with_its_meaning() {
    let codes = [
        (
            "900003",
            MessageStatus::Failed,
            "bad signature, check `app_key` (900003): 不行",
        ),
        (
            "900004",
            MessageStatus::Failed,
            "the company has no interface set up, check `app_id` and `base_url` (900004): 不行",
        ),
        (
            "400001",
            MessageStatus::Failed,
            "a parameter is missing or wrong (400001): 不行",
        ),
        (
            "400013",
            MessageStatus::Failed,
            "a parameter is missing or wrong (400013): 不行",
        ),
        (
            "400014",
            MessageStatus::Failed,
            "the vendor refused (400014): 不行",
        ),
        (
            "999999",
            MessageStatus::Unknown,
            "unknown error at the vendor (999999): 不行",
        ),
        (
            "nope",
            MessageStatus::Failed,
            "the vendor refused (nope): 不行",
        ),
    ];
    for (code, status, detail) in codes {
        let effects = sent().answer("chat_send", 200, refused(code), false);
        assert_eq!(fate(&effects), (status, detail));
        let effects = asked().answer("robot_chat", 200, refused(code), false);
        assert_eq!(fate(&effects), (status, detail));
        assert_eq!(effects.len(), 1);
    }
}

#[test]
fn a_result_code_may_be_a_number() {
    let body = json!({"ret_code": 0, "item": {"status": 1}}).to_string();
    let effects = sent().answer("chat_send", 200, body.into_bytes(), false);
    assert_eq!(fate(&effects).0, MessageStatus::Delivered);
    let body = json!({"ret_code": 900_003}).to_string();
    let effects = sent().answer("chat_send", 200, body.into_bytes(), false);
    assert_eq!(
        fate(&effects),
        (
            MessageStatus::Failed,
            "bad signature, check `app_key` (900003)"
        )
    );
}

#[test]
fn a_dead_token_is_renewed_once_and_then_the_message_fails() {
    for code in ["900001", "900002"] {
        let rejected = [Effect::TokenRejected { name: "api".into() }];
        assert_eq!(
            sent().answer("chat_send", 200, refused(code), false),
            rejected
        );
        assert_eq!(
            asked().answer("robot_chat", 401, refused(code), false),
            rejected
        );
        let effects = sent().answer("chat_send", 200, refused(code), true);
        assert_eq!(fate(&effects).0, MessageStatus::Failed);
        let mut desk = Desk::new();
        desk.take(&json!({"event": opened()}));
        assert_eq!(
            desk.answer("get_robot_guide", 200, refused(code), false),
            rejected
        );
    }
}

#[test]
fn a_success_that_cannot_be_read_leaves_the_fate_of_a_message_unknown() {
    for body in nonsense() {
        let effects = sent().answer("chat_send", 200, body.clone(), false);
        let (status, detail) = fate(&effects);
        assert_eq!(status, MessageStatus::Unknown);
        assert!(detail.starts_with("HTTP 200 with"), "{detail}");
        let effects = asked().answer("robot_chat", 200, body, false);
        assert_eq!(fate(&effects).0, MessageStatus::Unknown);
    }
}

#[test]
fn an_error_of_the_server_in_front_is_told_by_its_number() {
    for (number, status) in [
        (302, MessageStatus::Failed),
        (400, MessageStatus::Failed),
        (401, MessageStatus::Failed),
        (404, MessageStatus::Failed),
        (413, MessageStatus::Failed),
        (429, MessageStatus::Failed),
        (500, MessageStatus::Unknown),
        (502, MessageStatus::Unknown),
        (503, MessageStatus::Failed),
        (504, MessageStatus::Unknown),
    ] {
        let body = b"<html>".to_vec();
        let effects = sent().answer("chat_send", number, body, false);
        let detail = format!("HTTP {number} with 6 bytes that are not the vendor's JSON");
        assert_eq!(fate(&effects), (status, detail.as_str()));
    }
    let effects = sent().answer("chat_send", 500, ok(json!({"status": 1})), false);
    let detail = "HTTP 500 that claims success in its body";
    assert_eq!(fate(&effects), (MessageStatus::Unknown, detail));
}

#[test]
fn a_message_without_an_answer_is_left_to_the_host() {
    for result in no_answers() {
        assert_eq!(sent().finish("chat_send", result.clone(), false), []);
        assert_eq!(asked().finish("robot_chat", result, false), []);
    }
}

#[test]
fn the_session_opens_without_a_greeting_whatever_the_answer() {
    let robot = [Effect::state(SessionState::Robot)];
    let mut answers = nonsense();
    answers.extend(["900003", "900004", "400004", "999999"].map(refused));
    answers.extend(
        [
            json!({}),
            json!({"guide_strip": 7.5, "link_question_list": [1, "x"]}),
        ]
        .map(ok),
    );
    answers.push(ok(Value::Null));
    for body in answers {
        let mut desk = Desk::new();
        desk.take(&json!({"event": opened()}));
        let effects = desk.answer("get_robot_guide", 200, body, true);
        assert_eq!(effects.first(), robot.first());
    }
    for result in no_answers() {
        let mut desk = Desk::new();
        desk.take(&json!({"event": opened()}));
        assert_eq!(desk.finish("get_robot_guide", result, false), robot);
    }
}

#[test]
fn a_blocked_visitor_is_told_so_and_the_session_ends() {
    let mut desk = Desk::in_robot();
    desk.take(&json!({"event": {"type": "human_requested"}}));
    desk.take(&json!({"event": says("m-9", "喂")}));
    let effects = desk.answer("chat_connect", 200, ok(json!({"status": 3})), false);
    let [
        Effect::Capabilities {
            capabilities: None,
            config: Some(config),
        },
        Effect::Close { reason },
        Effect::Status {
            message, status, ..
        },
    ] = effects.as_slice()
    else {
        panic!("blocked, closed and the held message failed, not {effects:?}")
    };
    assert!(config.blocked);
    assert_eq!(*reason, EndReason::Blocked);
    assert_eq!((message.as_str(), *status), ("m-9", MessageStatus::Failed));
}

#[test]
fn a_failed_wish_for_an_agent_leaves_the_visitor_with_the_robot() {
    let mut answers = nonsense();
    answers.extend(["900003", "400012", "500000"].map(refused));
    answers.extend(
        [
            json!({}),
            json!({"status": 5}),
            json!({"status": 6}),
            json!({"status": "x"}),
            json!({"status": 1.5}),
            json!({"status": [1]}),
        ]
        .map(ok),
    );
    for body in answers {
        let mut desk = Desk::in_robot();
        desk.take(&json!({"event": {"type": "human_requested"}}));
        let effects = desk.answer("chat_connect", 200, body, true);
        is_only_a_notice(&effects);
        // And the robot goes on.
        assert_eq!(desk.take(&json!({"event": says("m-1", "喂")})).len(), 1);
    }
    for result in no_answers() {
        let mut desk = Desk::in_robot();
        desk.take(&json!({"event": {"type": "human_requested"}}));
        is_only_a_notice(&desk.finish("chat_connect", result, false));
    }
}

#[test]
fn a_handshake_with_agents_that_fails_is_a_fault_of_the_provider() {
    let closed = [Effect::Close {
        reason: EndReason::ProviderError,
    }];
    let open = || {
        let mut desk = Desk::with(json!({"reception": "human_only"}));
        desk.take(&json!({"event": opened()}));
        desk
    };
    for body in nonsense() {
        assert_eq!(open().answer("chat_connect", 200, body, false), closed);
    }
    for result in no_answers() {
        assert_eq!(open().finish("chat_connect", result, false), closed);
    }
    assert_eq!(
        open().answer("chat_connect", 200, refused("900004"), false),
        closed
    );
}

#[test]
fn a_duplicate_wish_is_settled_by_asking_where_the_session_stands() {
    for (item, expected) in [
        (json!({"status": 1}), Some(SessionState::Human)),
        (json!({"status": "-2"}), Some(SessionState::Queued)),
        (json!({"status": -1}), Some(SessionState::Robot)),
        (json!({"status": 0}), Some(SessionState::Robot)),
        (json!({"status": 8}), None),
        (json!({}), None),
    ] {
        let mut desk = Desk::with(json!({"reception": "human_first"}));
        desk.take(&json!({"event": opened()}));
        let effects = desk.answer("chat_connect", 200, ok(json!({"status": -1})), false);
        assert!(
            matches!(effects.as_slice(), [Effect::Call { .. }]),
            "{effects:?}"
        );
        let effects = desk.answer("query_session_status", 200, ok(item.clone()), false);
        match expected {
            Some(state) => assert_eq!(effects.first(), Some(&Effect::state(state)), "{item}"),
            None => assert!(
                matches!(effects.as_slice(), [Effect::Close { .. }]),
                "{item}"
            ),
        }
    }
}

#[test]
fn an_unclear_answer_to_a_harmless_call_is_worth_one_repeat() {
    let mut desk = Desk::in_human();
    let rating = json!({"type": "evaluated", "evaluation": {"target": "human", "stars": 5}});
    let first = desk.take(&json!({"event": rating}));
    let again = desk.answer("comment", 200, refused("999999"), false);
    let body = |effects: &[Effect]| crate::script::body(effects);
    assert_eq!(body(&first), body(&again));
    assert_eq!(desk.answer("comment", 200, refused("999999"), false), []);

    desk.take(&json!({"event": {"type": "exited"}}));
    assert_eq!(
        body(&desk.answer("out", 200, refused("999999"), false)),
        json!({"partnerid": "conversation-1"})
    );
    assert_eq!(desk.answer("out", 200, refused("999999"), false), []);

    let mut desk = Desk::in_robot();
    desk.take(&json!({"event": {"type": "human_requested"}}));
    let again = desk.answer("chat_connect", 200, refused("999999"), false);
    assert_eq!(body(&again)["partnerid"], "conversation-1");
    is_only_a_notice(&desk.answer("chat_connect", 200, refused("999999"), false));
}

#[test]
fn every_status_of_a_rating_and_of_leaving_is_noted() {
    for (status, note) in [
        (json!(1), None),
        (json!(0), Some("comment: the vendor did not take it")),
        (json!(2), Some("comment: it was rated before")),
        (json!(3), Some("comment: there was nothing to rate")),
        (json!(4), Some("comment: status 4 is not expected")),
        (
            json!(null),
            Some("comment: the answer holds no `item.status`"),
        ),
    ] {
        let mut desk = Desk::in_human();
        desk.take(
            &json!({"event": {"type": "evaluated", "evaluation": {"target": "human", "stars": 1}}}),
        );
        assert_eq!(
            desk.answer("comment", 200, ok(json!({"status": status})), false),
            []
        );
        assert_eq!(desk.harness.notes.last().map(String::as_str), note);
    }
    let mut desk = Desk::in_human();
    desk.take(&json!({"event": {"type": "exited"}}));
    assert_eq!(desk.answer("out", 200, ok(json!({"status": 0})), false), []);
    let note = desk.harness.notes.last().map(String::as_str);
    assert_eq!(note, Some("out: status 0 is not expected"));
}

#[test]
fn nonsense_after_a_rating_or_leaving_is_noted_and_nothing_else() {
    for body in nonsense() {
        let mut desk = Desk::in_human();
        desk.take(
            &json!({"event": {"type": "evaluated", "evaluation": {"target": "human", "stars": 1}}}),
        );
        desk.take(&json!({"event": {"type": "exited"}}));
        assert_eq!(desk.answer("comment", 200, body.clone(), false), []);
        assert_eq!(desk.answer("out", 200, body, false), []);
        assert!(
            desk.harness
                .notes
                .iter()
                .any(|note| note.starts_with("comment failed: HTTP 200"))
        );
    }
}

#[test]
fn an_answer_of_the_robot_with_odd_fields_still_answers() {
    let long_id = "x".repeat(129);
    for item in [
        json!({"answer": 42, "cid": [], "msgid": {}, "suggestions": {}, "transfer_type": "none"}),
        json!({"answer": "42", "cid": long_id, "msgid": long_id, "transfer_type": 9}),
        json!({"answer": "42", "suggestions": [null, 1, {"docid": "d"}, {"question": ""}]}),
        json!({"answer": "42", "multi_response_info": "none", "stripe": "猜您想问"}),
    ] {
        let effects = asked().answer("robot_chat", 200, ok(item), false);
        let answer = Incoming::new(Sender::of(SenderKind::Robot), Content::text("42"));
        assert_eq!(
            effects,
            [Effect::delivered("m-1".into()), Effect::deliver(answer)]
        );
    }
}

#[test]
fn the_answer_to_a_foreign_call_is_ignored() {
    let mut desk = Desk::in_human();
    for call in ["somebody-else", "connect/x", ""] {
        assert_eq!(
            desk.harness
                .answered(call, 200, &json!({"ret_code": "900002"})),
            []
        );
    }
}

fn no_answers() -> [CallResult; 2] {
    [
        CallResult::NotSent {
            detail: "connection refused".into(),
        },
        CallResult::Unknown {
            detail: "timed out".into(),
        },
    ]
}

fn is_only_a_notice(effects: &[Effect]) {
    match effects {
        [Effect::Deliver { message }] => assert_eq!(message.from.kind, SenderKind::System),
        other => panic!("a notice, not {other:?}"),
    }
}
