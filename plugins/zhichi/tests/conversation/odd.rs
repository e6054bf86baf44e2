//! Every field with every odd value: nothing the vendor sends may fail a turn.

use kefu_plugin_api::prelude::*;
use serde_json::{Value, json};

use crate::script::{Desk, opened, push, says};

fn odd_values() -> Vec<Value> {
    let deep = (0..100).fold(json!(1), |inner, _| json!([inner]));
    vec![
        json!(null),
        json!(true),
        json!(""),
        json!(" "),
        json!("\u{0}\u{202e}👨‍👩‍👧"),
        json!("x".repeat(100_000)),
        json!(0),
        json!(-1),
        json!(i64::MIN),
        json!(u64::MAX),
        json!(1e308),
        json!(0.1),
        json!([]),
        json!(["a", 1, null]),
        json!({}),
        json!({"url": {"url": 1}}),
        deep,
    ]
}

#[test]
fn no_field_of_a_push_can_break_a_session() {
    let fields = [
        "type",
        "partnerId",
        "msgId",
        "revokeMsgId",
        "content",
        "msgType",
        "aname",
        "aface",
        "aid",
        "params",
        "cid",
        "ts",
        "count",
        "reason",
        "status",
        "sysNum",
        "uid",
        "createChatTime",
    ];
    let mut desk = Desk::in_human();
    for kind in [200, 201, 202, 204, 209, 210, 211, 213, 215, 301, 999] {
        for field in fields {
            for odd in odd_values() {
                let mut body =
                    json!({"type": kind, "msgId": "V-1", "content": "您好", "cid": "C-1"});
                body[field] = odd;
                desk.harness.view.standing = SessionState::Human;
                match desk.harness.receive(&push(body.clone())) {
                    Ok(receipt) => {
                        assert!(receipt.events.len() <= 1);
                        for received in receipt.events {
                            let event = received.event;
                            let turn = desk.harness.try_handle(Event::FromProvider { event });
                            assert!(turn.is_ok(), "{body}: {turn:?}");
                        }
                    }
                    Err(Reject::Malformed { .. }) => {}
                    Err(other) => panic!("{body}: {other:?}"),
                }
            }
        }
    }
}

#[test]
fn no_field_of_an_answer_can_break_a_session() {
    let fields = [
        "status",
        "count",
        "cid",
        "agentid",
        "agent_name",
        "agent_face",
        "answer",
        "stripe",
        "suggestions",
        "transfer_type",
        "msgid",
        "multi_response_info",
        "guide_strip",
        "link_question_list",
    ];
    for operation in [
        "get_robot_guide",
        "robot_chat",
        "chat_connect",
        "chat_send",
        "comment",
        "out",
    ] {
        for field in fields {
            for odd in odd_values() {
                let item = json!({field: odd});
                let mut desk = waits_for(operation);
                let body = json!({"ret_code": "000000", "item": item}).to_string();
                // The harness fails if the turn does.
                desk.answer(operation, 200, body.into_bytes(), false);
            }
        }
        for field in ["ret_code", "ret_msg", "item", "items"] {
            for odd in odd_values() {
                let mut body = json!({"ret_code": "000000", "item": {"status": 1}});
                body[field] = odd;
                waits_for(operation).answer(operation, 200, body.to_string().into_bytes(), false);
            }
        }
    }
}

/// A session with an open call of that operation.
fn waits_for(operation: &str) -> Desk {
    let (mut desk, event) = match operation {
        "get_robot_guide" => (Desk::new(), opened()),
        "robot_chat" => (Desk::in_robot(), says("m-1", "在吗")),
        "chat_connect" => (Desk::in_robot(), json!({"type": "human_requested"})),
        "chat_send" => (Desk::in_human(), says("m-1", "在吗")),
        "comment" => {
            let evaluation = json!({"target": "human", "stars": 5});
            let event = json!({"type": "evaluated", "evaluation": evaluation});
            (Desk::in_human(), event)
        }
        _ => (Desk::in_human(), json!({"type": "exited"})),
    };
    desk.take(&json!({"event": event}));
    desk
}
