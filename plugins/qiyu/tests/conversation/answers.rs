//! Every result code and every unreadable answer.

use kefu_plugin_api::prelude::*;
use serde_json::{Value, json};

use crate::script::{Desk, opened, says, seated};

/// Bodies that come with HTTP 200 and are no answer.
fn nonsense() -> Vec<Vec<u8>> {
    [
        "",
        "<html><body>502 Bad Gateway</body></html>",
        "{\"code\": 20",
        "null",
        "[]",
        "42",
        "\"ok\"",
        "{}",
        "{\"code\": null}",
        "{\"code\": {}}",
        "{\"code\": \"OK\"}",
        "\u{feff}{\"code\": 200}",
    ]
    .map(|text| text.as_bytes().to_vec())
    .into_iter()
    .chain([vec![0xff, 0xfe, 0x00], vec![b'['; 100_000]])
    .collect()
}

fn fate(effects: &[Effect]) -> (MessageStatus, &str) {
    match effects {
        [Effect::Status { status, detail, .. }] => (*status, detail.as_deref().unwrap_or_default()),
        other => panic!("a status alone, not {other:?}"),
    }
}

fn sent() -> Desk {
    let mut desk = Desk::in_human();
    desk.take(&json!({"event": says("m-1", "你好")}));
    desk
}

#[test]
fn every_code_of_a_message_is_told_in_words() {
    for (code, status, hint) in [
        (14001, MessageStatus::Failed, "app_key"),
        (14002, MessageStatus::Failed, "app_secret"),
        (14003, MessageStatus::Failed, "clock"),
        (14004, MessageStatus::Failed, "field"),
        (14005, MessageStatus::Failed, "no agent"),
        (14006, MessageStatus::Failed, "wait"),
        (14007, MessageStatus::Failed, "asked for nobody"),
        (14010, MessageStatus::Failed, "leaving a message is off"),
        (14500, MessageStatus::Unknown, "error at the vendor"),
        (14515, MessageStatus::Failed, "may not use"),
        (99999, MessageStatus::Failed, "refused"),
    ] {
        let effects = sent().take(&json!({"answer": "send", "body": {"code": code}}));
        let (found, detail) = fate(&effects);
        assert_eq!(found, status, "{code}");
        assert!(
            detail.contains(hint) && detail.contains(&code.to_string()),
            "{detail}"
        );
    }
}

#[test]
fn an_unreadable_answer_leaves_the_fate_of_a_message_unknown() {
    for body in nonsense() {
        let effects = sent().answer("send", 200, body.clone());
        assert_eq!(fate(&effects).0, MessageStatus::Unknown, "{body:?}");
    }
    for (status, expected) in [
        (403, MessageStatus::Failed),
        (404, MessageStatus::Failed),
        (500, MessageStatus::Unknown),
        (502, MessageStatus::Unknown),
    ] {
        let effects = sent().answer("send", status, b"<html>".to_vec());
        assert_eq!(fate(&effects).0, expected, "{status}");
    }
    let claims = sent().answer("send", 500, b"{\"code\": 200}".to_vec());
    assert_eq!(fate(&claims).0, MessageStatus::Unknown);
}

#[test]
fn a_handshake_that_fails_frees_the_visitor_for_another_provider() {
    let bodies = nonsense().into_iter().chain(
        [14001, 14002, 14004, 14500, 14515]
            .map(|code| json!({"code": code}).to_string().into_bytes()),
    );
    for body in bodies {
        let mut desk = Desk::new();
        desk.take(&json!({"event": opened()}));
        let effects = desk.answer("applyStaff", 200, body.clone());
        let expected = Effect::Close {
            reason: EndReason::ProviderError,
        };
        assert_eq!(effects, [expected], "{body:?}");
    }
    let mut desk = Desk::new();
    desk.take(&json!({"event": opened()}));
    let detail = "connection refused".to_owned();
    let effects = desk.finish("applyStaff", CallResult::NotSent { detail });
    assert!(matches!(effects.as_slice(), [Effect::Close { .. }]));
}

#[test]
fn a_wish_for_an_agent_that_fails_leaves_the_visitor_with_the_robot() {
    for body in nonsense() {
        let mut desk = Desk::in_robot();
        desk.take(&json!({"event": {"type": "human_requested"}}));
        let effects = desk.answer("applyStaff", 200, body);
        assert!(matches!(effects.as_slice(), [Effect::Deliver { .. }]));
        assert_eq!(desk.harness.view.standing, SessionState::Robot);
    }
}

#[test]
fn a_robot_in_place_of_an_agent_is_told_and_never_taken_after_an_agent_joined() {
    let robot = json!({"code": 200, "staffType": 0, "sessionId": 101});
    let mut desk = Desk::in_robot();
    desk.take(&json!({"event": {"type": "human_requested"}}));
    let effects = desk.take(&json!({"answer": "applyStaff", "body": robot}));
    assert!(matches!(effects.as_slice(), [Effect::Deliver { .. }]));
    let mut desk = Desk::in_robot();
    desk.take(&json!({"event": {"type": "human_requested"}}));
    desk.take(&json!({"push": "SESSION_START", "body": {"staffId": 7, "sessionId": 102}}));
    assert_eq!(
        desk.take(&json!({"answer": "applyStaff", "body": robot})),
        []
    );
}

#[test]
fn a_late_refusal_does_not_undo_an_agent_or_an_end() {
    for code in [14005, 14006, 14010, 14500] {
        let mut desk = Desk::in_robot();
        desk.take(&json!({"event": {"type": "human_requested"}}));
        desk.take(&json!({"push": "SESSION_START", "body": {"staffId": 7, "sessionId": 102}}));
        let answer = json!({"answer": "applyStaff", "body": {"code": code, "count": 1}});
        assert_eq!(desk.take(&answer), [], "{code}");
        let mut desk = Desk::in_robot();
        desk.take(&json!({"event": {"type": "human_requested"}}));
        desk.take(&json!({"push": "SESSION_END", "body": {"sessionId": 101, "closeReason": 2}}));
        assert_eq!(desk.take(&answer), [], "{code}");
    }
}

#[test]
fn fields_of_other_types_count_as_absent() {
    for odd in [
        json!({}),
        json!([]),
        json!(true),
        json!(-1.5),
        json!("x"),
        Value::Null,
    ] {
        let mut body = seated();
        for key in [
            "staffName",
            "staffIcon",
            "message",
            "evaluationModel",
            "count",
            "rich_text_greet",
        ] {
            body[key] = odd.clone();
        }
        let mut desk = Desk::in_robot();
        desk.take(&json!({"event": {"type": "human_requested"}}));
        desk.take(&json!({"answer": "applyStaff", "body": body}));
        assert_eq!(desk.harness.view.standing, SessionState::Human, "{odd}");
    }
}

#[test]
fn the_queue_is_asked_again_whatever_the_answer_was() {
    let bodies = nonsense().into_iter().chain([
        b"{\"code\": 14007}".to_vec(),
        b"{\"code\": 200}".to_vec(),
        b"{\"code\": 200, \"count\": \"x\"}".to_vec(),
    ]);
    for body in bodies {
        let mut desk = Desk::in_robot();
        desk.take(&json!({"event": {"type": "human_requested"}}));
        desk.take(&json!({"answer": "applyStaff", "body": {"code": 14006, "count": 1}}));
        desk.take(&json!({"event": {"type": "timer_fired", "timer": "queue"}}));
        let effects = desk.answer("queryQueueStatus", 200, body);
        assert!(
            matches!(effects.as_slice(), [Effect::SetTimer { .. }]),
            "{effects:?}"
        );
    }
}

#[test]
fn an_enormous_count_is_no_position() {
    for count in [json!(i64::MAX), json!("99999999999999999999"), json!(1e30)] {
        let mut desk = Desk::in_robot();
        desk.take(&json!({"event": {"type": "human_requested"}}));
        let body = json!({"code": 14006, "count": count});
        let effects = desk.take(&json!({"answer": "applyStaff", "body": body}));
        assert!(
            !effects
                .iter()
                .any(|effect| matches!(effect, Effect::Queue { .. }))
        );
        assert_eq!(desk.harness.view.standing, SessionState::Queued);
    }
}

#[test]
fn a_call_of_another_version_is_ignored() {
    let mut desk = Desk::in_human();
    assert_eq!(
        desk.harness.answered("newer/1", 200, &json!({"code": 200})),
        []
    );
}
