//! What 爱客服 sends to a user: `message/send.json`.
//!
//! Owns the wording. Invariant: every body has `fromuser`, `touser`, `msgtype`
//! and one object of that name.

use bytes::Bytes;
use serde_json::{Value, json};

use crate::centre::{Happening, Visitor, fresh_id};
use crate::push::Push;

/// The call for one happening; none when this vendor does not tell.
pub(super) fn word(
    (account, app_key): (&str, &str),
    visitor: &Visitor,
    happening: &Happening,
) -> Option<Push> {
    let Happening::Message { agent, content, .. } = happening else {
        return None;
    };
    let (kind, object) = object(content);
    let mut body = json!({
        "fromuser": format!("{account}@{app_key}"),
        "touser": format!("{}@{app_key}", visitor.id),
        "msgtype": kind,
    });
    body[kind] = object;
    if let Some(agent) = agent {
        body["userinfo"] =
            json!({"id": agent.id, "name": agent.name, "headimgurl": agent.portrait});
    }
    Some(Push {
        id: fresh_id(),
        visitor: visitor.id.clone(),
        event: kind.to_owned(),
        body: Bytes::from(body.to_string()),
    })
}

fn object(content: &Value) -> (&'static str, Value) {
    let text = |key: &str| content.get(key).and_then(Value::as_str).unwrap_or_default();
    match text("type") {
        "image" => ("image", json!({"media_id": text("url")})),
        "voice" => ("voice", json!({"media_id": text("url")})),
        "rich" => {
            let article = json!({
                "title": text("title"), "description": text("summary"),
                "picurl": text("image_url"), "url": text("url"),
            });
            ("news", json!({"articles": [article]}))
        }
        "emoji" => {
            let path = format!(
                "/ask/resources/images/facialExpression/qq/{}.gif",
                text("code")
            );
            ("text", json!({"content": format!("<img src=\"{path}\">")}))
        }
        _ => ("text", json!({"content": text("text")})),
    }
}
