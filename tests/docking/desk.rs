//! A desk at a vendor of plain SDP/1, and what can be read off its effects.

use kefu_plugin_api::{prelude::*, testing::calls};
use kefu_sdp::Plain;
use kefu_sdp_core::testing::{SECRET, Script};
use serde_json::{Value, json};

pub(crate) fn desk() -> Script<Plain> {
    let settings = json!({
        "base_url": "https://v.example.com", "secret": SECRET, "account": "acme/shop",
        "group": "service", "channel": "10001",
        "queue_query_seconds": 5, "cancel_queue_on_exit": true,
    });
    let mut desk = Script::new(settings, "acme/shop");
    desk.harness.view.conversation = "v-7f3a".into();
    desk
}

/// An agent, 小王, has the session, and takes every kind of message.
pub(crate) fn in_human(config: &Value) -> Script<Plain> {
    let mut desk = desk();
    desk.take(&json!({"event": {"type": "opened", "visitor": {}, "client": {}}}));
    let mut config = config.clone();
    let kinds: Vec<_> = ContentKind::ALL.map(ContentKind::as_str).into();
    config["human"] = json!({"types": kinds});
    config["groups"] = json!([]);
    let data = json!({"session_id": "S-1001", "mode": "human", "agent": {"id": "a-12", "name": "小王"}, "config": config});
    answer(&mut desk, "session.open", &json!({"code": 0, "data": data}));
    desk
}

pub(crate) fn says(id: &str, content: &Value) -> Value {
    json!({"type": "from_visitor", "message": {"id": id, "content": content}})
}

pub(crate) fn sends(desk: &mut Script<Plain>, event: Value, examples: &[Value]) {
    let effects = desk.take(&json!({"event": event}));
    assert_sent(&effects, examples);
}

/// The calls among the effects are the examples; only `id` and `ts` are the
/// gateway's own to choose.
pub(crate) fn assert_sent(effects: &[Effect], examples: &[Value]) {
    let sent: Vec<Value> = calls(effects)
        .into_iter()
        .map(|call| {
            let mut body: Value =
                serde_json::from_slice(&call.request.body).expect("as the document has it");
            assert_eq!(body["id"], call.id.as_str());
            let op = body["op"].as_str().expect("as the document has it");
            assert!(call.request.url.ends_with(&format!("/sdp/v1/{op}")));
            without_id(&mut body);
            body
        })
        .collect();
    let mut shown = examples.to_vec();
    shown.iter_mut().for_each(without_id);
    assert_eq!(sent, shown);
}

fn without_id(body: &mut Value) {
    let body = body.as_object_mut().expect("an envelope");
    assert!(body.remove("id").is_some() && body.remove("ts").is_some());
}

pub(crate) fn answer(desk: &mut Script<Plain>, op: &str, reply: &Value) -> Vec<Effect> {
    let effects = desk.take(&json!({"answer": op, "reply": reply}));
    assert_eq!(desk.harness.notes, [""; 0], "{reply}");
    effects
}

pub(crate) fn tell(desk: &mut Script<Plain>, event: &Value) -> Vec<Effect> {
    let effects = desk.take(&json!({"callback": event}));
    assert_eq!(desk.harness.notes, [""; 0], "{event}");
    effects
}

pub(crate) fn moved_to(effects: &[Effect]) -> Vec<SessionState> {
    let moved = |effect: &Effect| match effect {
        Effect::SetState { state, .. } => Some(*state),
        _ => None,
    };
    effects.iter().filter_map(moved).collect()
}

pub(crate) fn said(effects: &[Effect]) -> Vec<String> {
    let said = |effect: &Effect| match effect {
        Effect::Deliver { message } => Some(message.content.to_text()),
        _ => None,
    };
    effects.iter().filter_map(said).collect()
}

pub(crate) fn places(effects: &[Effect]) -> Vec<u32> {
    let place = |effect: &Effect| match effect {
        Effect::Queue { queue } => Some(queue.position),
        _ => None,
    };
    effects.iter().filter_map(place).collect()
}

pub(crate) fn offered(effects: &[Effect]) -> Vec<String> {
    let page = |effect: &Effect| match effect {
        Effect::OfferLeaveMessage { form } => form.clone()?.url,
        _ => None,
    };
    effects.iter().filter_map(page).collect()
}

pub(crate) fn capabilities(effects: &[Effect]) -> Capabilities {
    let found = effects.iter().find_map(|effect| match effect {
        Effect::Capabilities { capabilities, .. } => capabilities.as_deref().cloned(),
        _ => None,
    });
    found.unwrap_or_else(|| panic!("no capabilities among {effects:?}"))
}
