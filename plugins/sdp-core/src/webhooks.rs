//! Standard Webhooks: who may call us back.
//!
//! Owns the reading of `whsec_` secrets and the check of the three headers.
//! It signs nothing that leaves: the host signs each attempt afresh. What it
//! accepts was signed with one of the account's secrets within five minutes of
//! the moment the host received it; nothing else gets past this file.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use kefu_plugin_api::Secret;
use sha2::Sha256;
use subtle::ConstantTimeEq;

/// How far a timestamp may be from the receiver's clock, in seconds.
pub const TOLERANCE_SECONDS: i64 = 300;

/// The header that names the request; SDP's idempotency key.
pub const ID_HEADER: &str = "webhook-id";
/// The header with the Unix time of the attempt in seconds.
pub const TIMESTAMP_HEADER: &str = "webhook-timestamp";
/// The header with one or more signatures.
pub const SIGNATURE_HEADER: &str = "webhook-signature";

const PREFIX: &str = "whsec_";
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// The keys of one account: the current one and, during rotation, others.
#[derive(Clone)]
pub struct Keys(Vec<Vec<u8>>);

impl Keys {
    /// Reads `whsec_…` secrets. At least one is needed, each of 24 to 64 bytes.
    pub fn parse<'a>(secrets: impl IntoIterator<Item = &'a Secret>) -> Result<Self, KeyError> {
        let keys = secrets
            .into_iter()
            .map(decode)
            .collect::<Result<Vec<_>, _>>()?;
        if keys.is_empty() {
            Err(KeyError::None)
        } else {
            Ok(Self(keys))
        }
    }

    /// Accepts a request, or says why not.
    ///
    /// `body` are the bytes as received, `now_seconds` the moment at which they
    /// were. One matching `v1` signature under any key is enough; entries of
    /// other versions are skipped.
    pub fn verify(
        &self,
        signed: &Signed<'_>,
        body: &[u8],
        now_seconds: i64,
    ) -> Result<(), Refusal> {
        let (Some(id), Some(timestamp), Some(signatures)) =
            (signed.id, signed.timestamp, signed.signatures)
        else {
            return Err(Refusal::MissingHeader);
        };
        let at: i64 = timestamp.parse().map_err(|_| Refusal::BadTimestamp)?;
        let authentic = signatures
            .split(' ')
            .filter_map(|entry| entry.strip_prefix("v1,"))
            .filter_map(|text| STANDARD.decode(text).ok())
            .any(|given| {
                self.0
                    .iter()
                    .any(|key| mac(key, id, timestamp, body).ct_eq(&given).into())
            });
        if !authentic {
            return Err(Refusal::NoMatch);
        }
        // Age is judged last, so that only an authentic sender learns of it.
        if now_seconds.saturating_sub(at).saturating_abs() > TOLERANCE_SECONDS {
            return Err(Refusal::Stale);
        }
        Ok(())
    }

    /// Signs as a vendor would, with every key; for tests and simulators.
    pub fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let timestamp = timestamp.to_string();
        let entries = self
            .0
            .iter()
            .map(|key| format!("v1,{}", STANDARD.encode(mac(key, id, &timestamp, body))));
        entries.collect::<Vec<_>>().join(" ")
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({} masked)", self.0.len())
    }
}

/// The three headers of a request, as far as they are there.
#[derive(Clone, Copy, Debug)]
pub struct Signed<'a> {
    /// `webhook-id`
    pub id: Option<&'a str>,
    /// `webhook-timestamp`
    pub timestamp: Option<&'a str>,
    /// `webhook-signature`
    pub signatures: Option<&'a str>,
}

/// Why a request is not authentic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// One of the three headers is missing.
    MissingHeader,
    /// The timestamp is not a whole number.
    BadTimestamp,
    /// No signature matches any secret.
    NoMatch,
    /// Authentic, but more than five minutes old or early: perhaps a replay.
    Stale,
}

/// Why a secret cannot be used. Never repeats the secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyError {
    /// There is no secret at all.
    None,
    /// It does not begin with `whsec_`.
    Prefix,
    /// What follows is not base64.
    Base64,
    /// It decodes to fewer than 24 or more than 64 bytes.
    Length(usize),
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("no secret is configured: give `secret = \"whsec_…\"`, or `secrets` with one or more"),
            Self::Prefix => f.write_str("a secret must begin with `whsec_`"),
            Self::Base64 => f.write_str("a secret must be `whsec_` followed by base64"),
            Self::Length(bytes) => {
                write!(f, "a secret decodes to {bytes} bytes, it must be 24 to 64 random bytes")
            }
        }
    }
}

impl std::error::Error for KeyError {}

fn decode(secret: &Secret) -> Result<Vec<u8>, KeyError> {
    let text = secret
        .expose()
        .strip_prefix(PREFIX)
        .ok_or(KeyError::Prefix)?;
    let key = STANDARD.decode(text).map_err(|_| KeyError::Base64)?;
    if KEY_BYTES.contains(&key.len()) {
        Ok(key)
    } else {
        Err(KeyError::Length(key.len()))
    }
}

fn mac(key: &[u8], id: &str, timestamp: &str, body: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(id.as_bytes());
    mac.update(b".");
    mac.update(timestamp.as_bytes());
    mac.update(b".");
    mac.update(body);
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    // The vector of the specification's reference libraries.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const AT: i64 = 1_614_265_330;
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    #[test]
    fn the_published_vector_is_reproduced_and_accepted() {
        assert_eq!(keys(&[SECRET]).sign(ID, AT, BODY), SIGNATURE);
        assert_eq!(check(SIGNATURE, AT), Ok(()));
    }

    #[test]
    fn the_vector_of_our_own_document_holds() {
        let body = r#"{"id":"0198c0de-0001-7000-8000-000000000001","ts":"2026-11-23T08:00:00.000Z","account":"acme/shop","visitor_id":"v-7f3a","session_id":"S-1001","op":"message.send","data":{"msg_id":"m-0001","mode":"robot","content":{"type":"text","text":"你好"}}}"#;
        let keys = keys(&["whsec_a2VmdS1zZHAtdGVzdC1zZWNyZXQtMDAwMDAwMDAwMDE="]);
        let signature = keys.sign(
            "0198c0de-0001-7000-8000-000000000001",
            1_795_420_800,
            body.as_bytes(),
        );
        assert_eq!(signature, "v1,Sgzn2vZrRd6dFhwnANLnb50cU0wXK3bU/wY2XrDv3Q0=");
        let page = include_str!("../../../docs/sdp.md");
        let (shown, signed) = (page.contains(body), page.contains(&signature));
        assert!(shown && signed, "the document shows another vector");
    }

    #[test]
    fn one_good_signature_among_others_is_enough() {
        let several = format!("v1a,bm9wZQ== v1,bm9wZQ== {SIGNATURE}");
        assert_eq!(check(&several, AT), Ok(()));
    }

    #[test]
    fn during_rotation_either_secret_is_accepted() {
        let old = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        let both = keys(&[old, SECRET]);
        assert_eq!(both.verify(&headers(SIGNATURE), BODY, AT), Ok(()));
        assert_eq!(
            keys(&[old]).verify(&headers(SIGNATURE), BODY, AT),
            Err(Refusal::NoMatch)
        );
        assert_eq!(both.sign(ID, AT, BODY).split(' ').count(), 2);
    }

    #[test]
    fn a_changed_body_is_refused() {
        let verdict = keys(&[SECRET]).verify(&headers(SIGNATURE), br#"{"test": 2432232315}"#, AT);
        assert_eq!(verdict, Err(Refusal::NoMatch));
    }

    #[test]
    fn a_timestamp_is_accepted_for_five_minutes_either_way() {
        assert_eq!(check(SIGNATURE, AT + 300), Ok(()));
        assert_eq!(check(SIGNATURE, AT - 300), Ok(()));
        assert_eq!(check(SIGNATURE, AT + 301), Err(Refusal::Stale));
        assert_eq!(check(SIGNATURE, AT - 301), Err(Refusal::Stale));
    }

    #[test]
    fn a_timestamp_that_is_no_number_is_refused() {
        for bad in ["", "soon", "1614265330.5", "99999999999999999999"] {
            let signed = Signed {
                timestamp: Some(bad),
                ..headers(SIGNATURE)
            };
            assert_eq!(
                keys(&[SECRET]).verify(&signed, BODY, AT),
                Err(Refusal::BadTimestamp)
            );
        }
    }

    #[test]
    fn a_missing_header_is_refused() {
        let whole = headers(SIGNATURE);
        for signed in [
            Signed { id: None, ..whole },
            Signed {
                timestamp: None,
                ..whole
            },
            Signed {
                signatures: None,
                ..whole
            },
        ] {
            assert_eq!(
                keys(&[SECRET]).verify(&signed, BODY, AT),
                Err(Refusal::MissingHeader)
            );
        }
    }

    #[test]
    fn signatures_of_unknown_shape_are_refused() {
        for bad in [
            "",
            "v1",
            "v1,",
            "v2,g0hM",
            "v1,!!!",
            "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        ] {
            assert_eq!(check(bad, AT), Err(Refusal::NoMatch), "{bad}");
        }
    }

    #[test]
    fn a_secret_that_cannot_be_used_is_named_by_its_fault() {
        let fault = |secrets: &[&str]| {
            let secrets: Vec<Secret> = secrets.iter().map(|s| Secret::from(*s)).collect();
            Keys::parse(&secrets).err()
        };
        assert_eq!(fault(&[]), Some(KeyError::None));
        assert_eq!(
            fault(&["MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]),
            Some(KeyError::Prefix)
        );
        assert_eq!(fault(&["whsec_%%%"]), Some(KeyError::Base64));
        assert_eq!(fault(&["whsec_c2hvcnQ="]), Some(KeyError::Length(5)));
    }

    #[test]
    fn keys_are_masked_when_printed() {
        assert_eq!(format!("{:?}", keys(&[SECRET])), "Keys(1 masked)");
    }

    fn keys(secrets: &[&str]) -> Keys {
        let secrets: Vec<Secret> = secrets.iter().map(|secret| Secret::from(*secret)).collect();
        Keys::parse(&secrets).expect("the secrets of these tests are well formed")
    }

    fn headers(signatures: &str) -> Signed<'_> {
        Signed {
            id: Some(ID),
            timestamp: Some("1614265330"),
            signatures: Some(signatures),
        }
    }

    fn check(signatures: &str, now: i64) -> Result<(), Refusal> {
        keys(&[SECRET]).verify(&headers(signatures), BODY, now)
    }
}
