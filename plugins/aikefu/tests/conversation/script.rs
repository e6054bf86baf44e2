//! One virtual session, driven by steps.

use kefu_aikefu::AikefuAdapter;
use kefu_plugin_api::{
    prelude::*,
    testing::{Harness, calls, json_callback},
};
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde_json::{Value, json};
use sha1::{Digest, Sha1};

pub(crate) type AikefuHarness = Harness<AikefuAdapter>;

pub(crate) const SECRET: &str = "app-secret";

/// When the harness receives, in seconds.
pub(crate) const NOW: i64 = 1_767_225_600;

pub(crate) fn settings(more: Value) -> Value {
    let mut settings = json!({
        "account_id": "kefu",
        "app_key": "app-key",
        "app_secret": SECRET,
        "receive_url": "https://aikefu.example/receive",
    });
    let all = settings.as_object_mut().expect("it is an object");
    all.extend(more.as_object().expect("it is an object").clone());
    settings
}

pub(crate) fn open(more: Value) -> AikefuHarness {
    Harness::open(settings(more)).expect("the settings are right")
}

/// A message to the visitor, signed as the vendor signs.
pub(crate) fn push(mut body: Value) -> Callback {
    for (key, value) in [
        ("fromuser", "kefu@app-key"),
        ("touser", "conversation-1@app-key"),
    ] {
        if body.is_object() && body.get(key).is_none() {
            body[key] = value.into();
        }
    }
    signed(&body.to_string(), "14314", &NOW.to_string(), SECRET)
}

pub(crate) fn signed(body: &str, nonce: &str, time: &str, secret: &str) -> Callback {
    let digest = Sha1::digest(format!("{secret}{nonce}{time}"));
    let signature: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut callback = json_callback("/message/send.json", &Value::Null);
    callback.body = body.as_bytes().to_vec();
    for (name, value) in [
        ("rc-app-key", "app-key"),
        ("rc-nonce", nonce),
        ("rc-timestamp", time),
        ("rc-signature", &signature),
    ] {
        callback.headers.push((name.into(), value.into()));
    }
    callback
}

pub(crate) fn set(callback: &mut Callback, name: &str, value: &str) {
    callback.headers.retain(|(key, _)| key != name);
    callback.headers.push((name.into(), value.into()));
}

/// The form of the only call among the effects; `content` and `user` are read.
pub(crate) fn form(effects: &[Effect]) -> Value {
    let calls = calls(effects);
    assert_eq!(calls.len(), 1, "one call among {effects:?}");
    let body = String::from_utf8(calls[0].request.body.clone()).expect("text");
    let mut form = json!({});
    for pair in body.split('&') {
        let (key, value) = pair.split_once('=').expect("a pair");
        let value = percent_decode_str(value).decode_utf8().expect("UTF-8");
        form[key] = json!(value);
    }
    let content = form["content"].as_str().expect("a content");
    form["content"] = serde_json::from_str(content).expect("JSON");
    form
}

#[derive(Deserialize)]
struct Step {
    #[serde(flatten)]
    when: Value,
    then: Value,
}

/// Steps are `event`, `push` or `answer` (to the call of that message).
pub(crate) fn play(more: Value, script: &str) {
    let steps: Vec<Step> = serde_json::from_str(script).expect("the script is JSON");
    let mut harness = open(more);
    for Step { when, then } in steps {
        let effects = take(&mut harness, &when);
        let plain = |effect: &Effect| match effect {
            Effect::Call { .. } => {
                let form = form(std::slice::from_ref(effect));
                json!({"routed": form["objectName"], "content": form["content"]})
            }
            effect => serde_json::to_value(effect).expect("an effect can be written"),
        };
        let found: Vec<Value> = effects.iter().map(plain).collect();
        assert_eq!(Value::from(found), then, "after {when}");
    }
}

pub(crate) fn take(harness: &mut AikefuHarness, when: &Value) -> Vec<Effect> {
    if let Some(event) = when.get("event") {
        return harness.handle(Event::deserialize(event).expect("an event"));
    }
    if let Some(body) = when.get("push") {
        let receipt = harness
            .receive(&push(body.clone()))
            .expect("it is accepted");
        let told = receipt.events.into_iter().map(|received| received.event);
        return told.flat_map(|event| harness.told(event)).collect();
    }
    let message = when["answer"]
        .as_str()
        .expect("an event, a push or an answer");
    let body = when["body"].as_str().unwrap_or("ok").as_bytes().to_vec();
    let status = when.get("status").and_then(Value::as_u64).unwrap_or(200);
    answer(harness, message, status as u16, body)
}

pub(crate) fn answer(
    harness: &mut AikefuHarness,
    message: &str,
    status: u16,
    body: Vec<u8>,
) -> Vec<Effect> {
    let response = HttpResponse {
        status,
        headers: Vec::new(),
        body,
    };
    harness.handle(Event::CallFinished {
        call: format!("send/{message}").into(),
        result: CallResult::Answered { response },
        token_renewed: false,
    })
}
