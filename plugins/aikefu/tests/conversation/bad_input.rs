//! Messages that are wrong in one place, derived from whole ones.

use kefu_plugin_api::testing::spoil::check_callback;
use serde_json::{Value, json};

use crate::script::{NOW, SECRET, open, signed};

/// A message with every field that the vendor's documents name.
fn whole(kind: &str, object: Value) -> Value {
    let mut body = json!({
        "fromuser": "kefu@app-key", "touser": "conversation-1@app-key", "msgtype": kind,
        "userinfo": {"id": "a-1", "name": "小王", "headimgurl": "https://aikefu.example/w.png"},
    });
    body[kind] = object;
    body
}

#[test]
fn every_message_may_be_wrong_in_every_place() {
    let envelope = ["/fromuser", "/touser", "/msgtype"];
    let media = json!({"media_id": "https://aikefu.example/m"});
    let article = json!({"title": "标题", "description": "摘要", "picurl": "https://a.example/p.png", "url": "https://a.example/"});
    let rows = [
        (
            whole("text", json!({"content": "您好<img src=\"qq/1.gif\">"})),
            vec!["/text", "/text/content"],
        ),
        (
            whole("image", media.clone()),
            vec!["/image", "/image/media_id"],
        ),
        (whole("voice", media), vec!["/voice", "/voice/media_id"]),
        (
            whole("news", json!({"articles": [article]})),
            vec!["/news", "/news/articles", "/news/articles/0"],
        ),
    ];
    for (sample, own) in rows {
        let needed = [envelope.as_slice(), own.as_slice()].concat();
        let prove = |body: &Value| signed(&body.to_string(), "14314", &NOW.to_string(), SECRET);
        let (tried, refused) = check_callback(|| open(json!({})), prove, &sample, &needed);
        assert!(refused >= needed.len() && refused < tried, "{sample}");
    }
}
