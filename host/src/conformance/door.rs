//! How a vendor's callbacks get past the door of an adapter.
//!
//! Owns the ways in which vendors prove themselves, found by trying: with the
//! secrets of the settings, where the descriptor's words and custom say, or by
//! a callback that was recorded. Deliberately knows no vendor. Invariant: a way
//! in was seen to work.

use std::collections::BTreeSet;

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use kefu_plugin_api::{error::Reject, http::Callback, time::Timestamp, wire::ReceiveOutput};
use serde_json::Value;
use sha2::Sha256;

use super::{
    corpus,
    schema::settings,
    subject::{Adapter, Bench},
    tree::hex,
};
use crate::plugin::Fault;

/// A way in.
#[derive(Clone, Debug)]
pub(super) enum Door {
    /// The secret itself, with something before it, in a header.
    Header { name: String, value: String },
    /// The secret as a query parameter.
    Query { name: String, secret: String },
    /// The secret as the rest of the path.
    Path { secret: String },
    /// The specification Standard Webhooks.
    Webhooks { key: Vec<u8> },
    /// HMAC-SHA-256 of the body in a header.
    Digest {
        name: String,
        key: Vec<u8>,
        prefix: &'static str,
        base64: bool,
    },
    /// As it was recorded; its body cannot be changed.
    Recorded { callback: Box<Callback> },
}

/// What an adapter makes of a callback, as far as the door is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// It got in, readable or not.
    In,
    /// It does not prove itself.
    Refused,
}

/// Shows a callback to the door.
pub(super) fn knock(adapter: &Adapter<'_>, callback: &Callback) -> Result<Entry, Fault> {
    Ok(match adapter.receive(callback)? {
        ReceiveOutput::Rejected {
            reject: Reject::Unauthenticated { .. },
        } => Entry::Refused,
        _ => Entry::In,
    })
}

/// The first way in that works; `None` if none is known.
pub(super) fn find(bench: &Bench<'_>, adapter: &Adapter<'_>) -> Option<Door> {
    let body = br#"{"chat":"c","id":"1","text":"hello"}"#;
    let made = candidates(bench).into_iter().find(|door| {
        let callback = door.pass(corpus::bare(body));
        matches!(knock(adapter, &callback), Ok(Entry::In))
    });
    made.or_else(|| {
        recorded(&bench.job.samples)
            .into_iter()
            .find(|callback| matches!(knock(adapter, callback), Ok(Entry::In)))
            .map(|callback| Door::Recorded {
                callback: Box::new(callback),
            })
    })
}

fn candidates(bench: &Bench<'_>) -> Vec<Door> {
    let descriptor = bench.about().descriptor();
    let names = header_names(&descriptor.callback_authentication);
    let mut doors = Vec::new();
    for secret in secrets(bench) {
        let webhook_key = secret
            .strip_prefix("whsec_")
            .and_then(|text| STANDARD.decode(text).ok());
        doors.extend(webhook_key.map(|key| Door::Webhooks { key }));
        doors.push(Door::Path {
            secret: secret.clone(),
        });
        for name in ["key", "token", "secret", "sign", "access_token"] {
            doors.push(Door::Query {
                name: name.to_owned(),
                secret: secret.clone(),
            });
        }
        for name in &names {
            for before in ["", "Bearer "] {
                doors.push(Door::Header {
                    name: name.clone(),
                    value: format!("{before}{secret}"),
                });
            }
            for (prefix, base64) in [("", false), ("sha256=", false), ("", true)] {
                doors.push(Door::Digest {
                    name: name.clone(),
                    key: secret.clone().into_bytes(),
                    prefix,
                    base64,
                });
            }
        }
    }
    doors
}

/// Every secret of the settings.
fn secrets(bench: &Bench<'_>) -> Vec<String> {
    let descriptor = bench.about().descriptor();
    let mut secrets = Vec::new();
    for setting in settings(descriptor.settings.as_value()) {
        if !setting.is_secret() {
            continue;
        }
        // What is not given is what the schema gives as default.
        let value = bench
            .settings()
            .get(setting.name)
            .or_else(|| setting.says("default"));
        match value {
            Some(Value::String(secret)) => secrets.push(secret.clone()),
            Some(Value::Array(list)) => {
                secrets.extend(list.iter().filter_map(Value::as_str).map(str::to_owned));
            }
            _ => {}
        }
    }
    secrets
}

/// Names that could be headers, those of the descriptor's words first.
fn header_names(words: &str) -> Vec<String> {
    let told = words
        .split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'))
        .filter(|word| word.len() > 2)
        .map(str::to_ascii_lowercase);
    let usual = [
        "authorization",
        "x-key",
        "x-api-key",
        "x-token",
        "x-signature",
        "x-hub-signature-256",
        "signature",
        "token",
    ];
    let mut seen = BTreeSet::new();
    told.chain(usual.map(str::to_owned))
        .filter(|name| seen.insert(name.clone()))
        .collect()
}

impl Door {
    /// Proves a callback, as its vendor does.
    pub(super) fn pass(&self, callback: Callback) -> Callback {
        self.pass_at(callback, corpus::NOW)
    }

    /// The same, as if it was proven at another moment.
    pub(super) fn pass_at(&self, mut callback: Callback, at: Timestamp) -> Callback {
        match self {
            Self::Header { name, value } => {
                callback.headers.push((name.clone(), value.clone()));
            }
            Self::Query { name, secret } => callback.query = format!("{name}={secret}"),
            Self::Path { secret } => callback.path = format!("/{secret}"),
            Self::Webhooks { key } => {
                let (id, at) = (webhook_id(&callback.body), at.unix_seconds().to_string());
                let mut data = format!("{id}.{at}.").into_bytes();
                data.extend_from_slice(&callback.body);
                let signature = format!("v1,{}", STANDARD.encode(hmac(key, &data)));
                for (name, value) in [
                    ("webhook-id", id),
                    ("webhook-timestamp", at),
                    ("webhook-signature", signature),
                ] {
                    callback.headers.push((name.to_owned(), value));
                }
            }
            Self::Digest {
                name,
                key,
                prefix,
                base64,
            } => {
                let digest = hmac(key, &callback.body);
                let text = if *base64 {
                    STANDARD.encode(digest)
                } else {
                    hex(&digest)
                };
                callback
                    .headers
                    .push((name.clone(), format!("{prefix}{text}")));
            }
            Self::Recorded { callback } => return (**callback).clone(),
        }
        callback
    }

    /// Whether the proof covers the body.
    pub(super) fn signs(&self) -> bool {
        matches!(self, Self::Webhooks { .. } | Self::Digest { .. })
    }
}

/// Protocols that repeat the id in the body mean the same one.
fn webhook_id(body: &[u8]) -> String {
    let value: Value = serde_json::from_slice(body).unwrap_or_default();
    let visible = |id: &&str| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_graphic());
    let id = value["id"].as_str().filter(visible);
    id.unwrap_or("webhook-1").to_owned()
}

fn hmac(key: &[u8], data: &[u8]) -> Vec<u8> {
    let mut mac =
        <Hmac<Sha256> as KeyInit>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(data);
    mac.finalize().into_bytes().to_vec()
}

/// Whole callbacks among what was recorded; a body may be written as text.
pub(super) fn recorded(samples: &[Value]) -> Vec<Callback> {
    samples.iter().filter_map(whole_callback).collect()
}

fn whole_callback(sample: &Value) -> Option<Callback> {
    let mut sample = sample.clone();
    let table = sample.as_object_mut()?;
    if !table.contains_key("headers") || !table.contains_key("body") {
        return None;
    }
    if let Some(text) = table.get("body").and_then(Value::as_str) {
        let bytes: Vec<Value> = text.bytes().map(Value::from).collect();
        table.insert("body".to_owned(), bytes.into());
    }
    for (key, default) in [
        ("method", Value::from("POST")),
        ("path", Value::from("")),
        ("query", Value::from("")),
        ("received_at", Value::from(corpus::NOW.to_string())),
    ] {
        table.entry(key).or_insert(default);
    }
    serde_json::from_value(sample).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_header_that_the_words_name_is_tried_first() {
        let names = header_names("shared key in the header X-Acme-Key");
        let place = |name: &str| names.iter().position(|known| known == name);
        assert!(place("x-acme-key") < place("authorization"));
        assert!(place("x-acme-key").is_some());
    }

    #[test]
    fn a_recorded_callback_is_told_from_what_a_vendor_answers() {
        let callbacks = recorded(&[
            json!({"headers": [["x-key", "k"]], "body": "{}"}),
            json!({"code": 0, "body": "{}"}),
        ]);
        assert_eq!(callbacks.len(), 1);
        assert_eq!(callbacks[0].header("x-key"), Some("k"));
        assert_eq!(callbacks[0].body, b"{}");
    }

    #[test]
    fn standard_webhooks_are_signed_as_the_specification_shows() {
        // The test vector of the specification's own reference libraries, but
        // for its id.
        let key = STANDARD
            .decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
            .expect("base64");
        let signed = |id: &str| {
            let data = format!(r#"{id}.1614265330.{{"test": 2432232314}}"#);
            STANDARD.encode(hmac(&key, data.as_bytes()))
        };
        assert_eq!(
            signed("msg_p5jXN8AQM9LWM0D4loKWxJek"),
            "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
        let at = Timestamp::from_unix_ms(1_614_265_330_000);
        let callback = Door::Webhooks { key: key.clone() }
            .pass_at(corpus::bare(br#"{"test": 2432232314}"#), at);
        assert_eq!(
            callback.header("webhook-signature"),
            Some(format!("v1,{}", signed("webhook-1")).as_str())
        );
    }
}
