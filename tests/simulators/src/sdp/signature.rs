//! Standard Webhooks signatures, both directions.
//!
//! Owns keys, signing and verifying. Invariant: a call is authentic only if the
//! exact bytes of its body were signed, under one of our keys, within 300 s.

use anyhow::{Context, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::platform::Call;
use crate::push::Flaw;

/// How far apart the clocks may be, in seconds.
const WINDOW: i64 = 300;

/// The decoded secrets.
pub(crate) struct Keys(Vec<Vec<u8>>);

/// Why a call is not authentic.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Rejected {
    Signature,
    Stale,
}

impl Keys {
    pub(crate) fn parse(secrets: &[String]) -> anyhow::Result<Self> {
        ensure!(!secrets.is_empty(), "at least one secret is needed");
        let keys = secrets.iter().map(|secret| {
            let encoded = secret
                .strip_prefix("whsec_")
                .context("a secret starts with whsec_")?;
            let key = STANDARD
                .decode(encoded)
                .context("behind whsec_ there is base64")?;
            ensure!(
                (24..=64).contains(&key.len()),
                "a secret has 24 to 64 bytes, not {}",
                key.len()
            );
            Ok(key)
        });
        Ok(Self(keys.collect::<anyhow::Result<_>>()?))
    }

    /// The id of an authentic call.
    pub(super) fn verify<'a>(&self, call: &'a Call, now: i64) -> Result<&'a str, Rejected> {
        let header = |name| {
            call.header(name)
                .filter(|it| !it.is_empty())
                .ok_or(Rejected::Signature)
        };
        let id = header("webhook-id")?;
        let timestamp = header("webhook-timestamp")?;
        let signatures = header("webhook-signature")?;
        let time: i64 = timestamp.parse().map_err(|_| Rejected::Signature)?;
        let authentic = signatures
            .split(' ')
            .filter_map(|it| it.strip_prefix("v1,"))
            .any(|it| {
                let Ok(signature) = STANDARD.decode(it) else {
                    return false;
                };
                self.0.iter().any(|key| {
                    digest(key, id, timestamp, &call.body)
                        .verify_slice(&signature)
                        .is_ok()
                })
            });
        if !authentic {
            return Err(Rejected::Signature);
        }
        if now.abs_diff(time) > WINDOW.unsigned_abs() {
            return Err(Rejected::Stale);
        }
        Ok(id)
    }

    /// The headers of a push, spoilt as asked.
    pub(super) fn sign(
        &self,
        id: &str,
        now: i64,
        body: &[u8],
        flaw: Flaw,
    ) -> Vec<(&'static str, String)> {
        let time = match flaw {
            Flaw::StaleTimestamp => now - 2 * WINDOW,
            _ => now,
        };
        let timestamp = time.to_string();
        let signatures: Vec<String> = match flaw {
            Flaw::BadSignature => {
                vec!["v1,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=".to_owned()]
            }
            Flaw::WrongSecret => vec![signature(
                b"a secret that nobody agreed upon",
                id,
                &timestamp,
                body,
            )],
            Flaw::None | Flaw::StaleTimestamp => self
                .0
                .iter()
                .map(|key| signature(key, id, &timestamp, body))
                .collect(),
        };
        vec![
            ("webhook-id", id.to_owned()),
            ("webhook-timestamp", timestamp),
            ("webhook-signature", signatures.join(" ")),
        ]
    }
}

fn digest(key: &[u8], id: &str, timestamp: &str, body: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
        mac.update(part);
    }
    mac
}

fn signature(key: &[u8], id: &str, timestamp: &str, body: &[u8]) -> String {
    format!(
        "v1,{}",
        STANDARD.encode(digest(key, id, timestamp, body).finalize().into_bytes())
    )
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use hyper::{HeaderMap, Method};

    use super::*;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const TIME: i64 = 1_614_265_330;

    fn published() -> Call {
        let mut headers = HeaderMap::new();
        let mut put = |name: &'static str, value: &str| {
            headers.insert(name, value.parse().expect("a header"))
        };
        put("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek");
        put("webhook-timestamp", "1614265330");
        put(
            "webhook-signature",
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        );
        Call {
            method: Method::POST,
            path: "/sdp/v1/health".to_owned(),
            query: String::new(),
            headers,
            body: Bytes::from_static(br#"{"test": 2432232314}"#),
            json: serde_json::Value::Null,
        }
    }

    fn keys() -> Keys {
        Keys::parse(&[SECRET.to_owned()]).expect("a good secret")
    }

    #[test]
    fn the_published_vector_is_accepted_and_reproduced() {
        let call = published();
        assert_eq!(
            keys().verify(&call, TIME),
            Ok("msg_p5jXN8AQM9LWM0D4loKWxJek")
        );
        let headers = keys().sign("msg_p5jXN8AQM9LWM0D4loKWxJek", TIME, &call.body, Flaw::None);
        assert_eq!(
            headers[2].1,
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
    }

    #[test]
    fn the_protocols_own_vector_is_reproduced() {
        let secret = "whsec_a2VmdS1zZHAtdGVzdC1zZWNyZXQtMDAwMDAwMDAwMDE=".to_owned();
        let body = concat!(
            r#"{"id":"0198c0de-0001-7000-8000-000000000001","ts":"2026-11-23T08:00:00.000Z","#,
            r#""account":"acme/shop","visitor_id":"v-7f3a","session_id":"S-1001","op":"message.send","#,
            r#""data":{"msg_id":"m-0001","mode":"robot","content":{"type":"text","text":"你好"}}}"#,
        );
        assert_eq!(body.len(), 247);
        let keys = Keys::parse(&[secret]).expect("a good secret");
        let id = "0198c0de-0001-7000-8000-000000000001";
        let headers = keys.sign(id, 1_795_420_800, body.as_bytes(), Flaw::None);
        assert_eq!(
            headers[2].1,
            "v1,Sgzn2vZrRd6dFhwnANLnb50cU0wXK3bU/wY2XrDv3Q0="
        );
    }

    #[test]
    fn a_changed_body_is_not_authentic() {
        let mut call = published();
        call.body = Bytes::from_static(br#"{"test": 2432232315}"#);
        assert_eq!(keys().verify(&call, TIME), Err(Rejected::Signature));
    }

    #[test]
    fn a_timestamp_outside_the_window_is_stale_in_both_directions() {
        let call = published();
        assert_eq!(keys().verify(&call, TIME + 301), Err(Rejected::Stale));
        assert_eq!(keys().verify(&call, TIME - 301), Err(Rejected::Stale));
        assert!(keys().verify(&call, TIME + 300).is_ok());
    }

    #[test]
    fn a_second_secret_is_accepted_during_rotation() {
        let other = "whsec_a2VmdS1zZHAtdGVzdC1zZWNyZXQtMDAwMDAwMDAwMDE=".to_owned();
        let keys = Keys::parse(&[other, SECRET.to_owned()]).expect("good secrets");
        assert!(keys.verify(&published(), TIME).is_ok());
    }

    #[test]
    fn a_secret_without_its_prefix_is_refused() {
        assert!(Keys::parse(&["MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned()]).is_err());
    }
}
