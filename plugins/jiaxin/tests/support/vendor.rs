//! The vendor's side of a test: settings that fit, callbacks that are signed.

use kefu_plugin_api::prelude::{Callback, Secret, Timestamp};
use kefu_sdp_core::webhooks::Keys;
use serde_json::{Value, json};

pub(crate) const SECRET: &str = "whsec_a2VmdS1zZHAtdGVzdC1zZWNyZXQtMDAwMDAwMDAwMDE=";

pub(crate) fn settings() -> Value {
    json!({
        "base_url": "https://jiaxin.example/",
        "secret": SECRET,
        "org": "acme",
        "app": "shop",
        "channel": "10001",
    })
}

/// A signed callback; what `hook` leaves out of the envelope is filled in.
pub(crate) fn callback(hook: &Value, now: Timestamp) -> Callback {
    let mut body = json!({
        "id": "E-1",
        "ts": now,
        "account": "acme/shop",
        "visitor_id": "conversation-1",
        "session_id": "S-1001",
    });
    for (key, value) in hook.as_object().expect("a callback is an object") {
        body[key] = value.clone();
    }
    let id = body["id"].as_str().unwrap_or_default().to_owned();
    sign(
        &id,
        body.to_string().into_bytes(),
        now,
        now.unix_seconds(),
        SECRET,
    )
}

/// Any bytes, signed at a moment with a secret.
pub(crate) fn sign(
    id: &str,
    body: Vec<u8>,
    received_at: Timestamp,
    signed_at: i64,
    secret: &str,
) -> Callback {
    let keys = Keys::parse(&[Secret::from(secret)]).expect("the secret is well formed");
    let headers = [
        ("content-type", "application/json".to_owned()),
        ("webhook-id", id.to_owned()),
        ("webhook-timestamp", signed_at.to_string()),
        ("webhook-signature", keys.sign(id, signed_at, &body)),
    ];
    Callback {
        method: "POST".into(),
        path: String::new(),
        query: String::new(),
        headers: headers.map(|(name, value)| (name.to_owned(), value)).into(),
        body,
        peer: None,
        received_at,
    }
}
