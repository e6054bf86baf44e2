//! Events that are wrong in one place, derived from whole ones.

use kefu_plugin_api::testing::spoil::check_callback;
use serde_json::{Value, json};

use crate::script::{Desk, NOW, SECRET, signed};

/// An event with every field that the vendor's document names.
fn whole(more: Value) -> Value {
    let mut body = json!({
        "uid": "conversation-1", "sessionId": 102, "staffId": 7, "staffName": "小王", "staffType": 1,
        "staffIcon": "https://qiyu.example/w.png", "timeStamp": 1_767_225_600_001_i64,
    });
    for (key, value) in more.as_object().into_iter().flatten() {
        body[key] = value.clone();
    }
    body
}

#[test]
fn every_event_may_be_wrong_in_every_place() {
    let file = json!({"url": "https://qiyu.example/a.png", "size": 3, "md5": "0".repeat(32), "w": 1, "h": 1});
    let levels = json!([{"name": "满意", "value": 100}, {"name": "不满意", "value": 1}]);
    let model = json!({"title": "模型", "note": "", "type": 2, "list": levels});
    let rows = [
        (
            "MSG",
            whole(json!({"msgId": "V-1", "msgType": "TEXT", "content": "您好"})),
            vec!["/content"],
        ),
        (
            "MSG",
            whole(json!({"msgId": "V-1", "msgType": "PICTURE", "content": file})),
            vec!["/content"],
        ),
        (
            "MSG",
            whole(
                json!({"msgId": "V-1", "msgType": "AUDIO", "content": {"url": "https://qiyu.example/a.mp3", "size": 3, "md5": "0", "dur": 900}}),
            ),
            vec!["/content"],
        ),
        (
            "SESSION_START",
            whole(json!({"message": "您好", "transferFrom": 101, "evaluationModel": model})),
            vec![],
        ),
        (
            "SESSION_END",
            whole(json!({"closeReason": 0, "transferTo": 103})),
            vec![],
        ),
        (
            "EVA_INVITATION",
            whole(json!({"evaluationModel": model})),
            vec![],
        ),
        ("USER_JOIN_QUEUE", whole(json!({"count": 2})), vec![]),
        ("QUEUE_TIMEOUT", whole(json!({})), vec![]),
        ("NEWER_THAN_THIS", whole(json!({})), vec![]),
    ];
    for (event, sample, own) in rows {
        // An event of which nothing is known may as well be of nobody.
        let uid: &[&str] = if event == "NEWER_THAN_THIS" {
            &[]
        } else {
            &["/uid"]
        };
        let needed = [uid, own.as_slice()].concat();
        let prove =
            |body: &Value| signed(event, body.to_string().as_bytes(), &NOW.to_string(), SECRET);
        let (tried, refused) = check_callback(|| Desk::in_human().harness, prove, &sample, &needed);
        assert!(refused >= needed.len() && refused < tried, "{event}");
    }
}
