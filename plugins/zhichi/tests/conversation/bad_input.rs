//! Pushes that are wrong in one place, derived from whole ones.

use kefu_plugin_api::testing::{json_callback, spoil::check_callback};
use serde_json::{Value, json};

use crate::script::{Desk, SECRET};

/// A push with every field that the vendor's documents name.
fn whole(kind: i64, more: Value) -> Value {
    let mut body = json!({
        "type": kind, "partnerId": "conversation-1", "cid": "C-1", "companyId": "X-1", "uid": "U-1",
        "aid": "A-1", "aname": "小王", "aface": "https://img.example/a.png", "ts": 1_767_225_600_001_i64,
        "params": {"order": "1024"},
    });
    for (key, value) in more.as_object().into_iter().flatten() {
        body[key] = value.clone();
    }
    body
}

#[test]
fn every_push_may_be_wrong_in_every_place() {
    let envelope = ["/type", "/partnerId"];
    let rows = [
        (whole(200, json!({})), vec![]),
        (whole(201, json!({"count": 2})), vec![]),
        (
            whole(
                202,
                json!({"msgId": "V-1", "msgType": "text", "content": "您好"}),
            ),
            vec!["/content"],
        ),
        (
            whole(
                202,
                json!({"msgId": "V-1", "msgType": "file", "content": {"url": "https://img.example/a.pdf", "fileName": "a.pdf", "fileSize": 3}}),
            ),
            vec!["/content"],
        ),
        (whole(204, json!({"reason": 1})), vec![]),
        (whole(209, json!({})), vec![]),
        (whole(210, json!({})), vec![]),
        (whole(211, json!({"msgId": "V-1"})), vec!["/msgId"]),
        (whole(215, json!({"content": "请文明用语"})), vec![]),
        (whole(999, json!({})), vec![]),
    ];
    for (sample, own) in rows {
        let needed = [envelope.as_slice(), own.as_slice()].concat();
        let prove = |body: &Value| json_callback(&format!("/{SECRET}"), body);
        let (tried, refused) = check_callback(|| Desk::in_human().harness, prove, &sample, &needed);
        assert!(refused >= needed.len() && refused < tried, "{sample}");
    }
}
