//! How the two sides prove themselves: SHA-1 of secret, nonce and time.
//!
//! Owns that rule: in the query of what is routed to the vendor, in `RC-…`
//! headers of what it sends. The signature does not cover the body, so a nonce
//! is good for one message only (see `push`). Invariant: no secret is written
//! into a request or an error.

use kefu_plugin_api::prelude::{
    Algorithm, Callback, Encoding, HttpRequest, Part, Place, Reject, Secret, Stamp, TimeUnit,
};
use sha1::{Digest, Sha1};

use crate::config::Account;

/// How far a time may be away.
const WINDOW_MS: i64 = 300_000;

/// Signs what is routed to the vendor, at each attempt.
pub(crate) fn signed(request: HttpRequest) -> HttpRequest {
    let unit = TimeUnit::Milliseconds;
    request
        .with_stamp(Stamp::Nonce {
            place: Place::query("nonce"),
        })
        .with_stamp(Stamp::Time {
            unit,
            place: Place::query("signTimestamp"),
        })
        .with_stamp(Stamp::Digest {
            algorithm: Algorithm::Sha1,
            key: None,
            parts: vec![
                Part::Secret {
                    setting: "app_secret".to_owned(),
                },
                Part::Nonce {},
                Part::Time { unit },
            ],
            encoding: Encoding::Hex,
            place: Place::query("signature"),
        })
}

/// What was signed: the same never counts twice.
#[derive(Debug)]
pub(crate) struct Proof(pub(crate) String);

/// Whether a call comes from the vendor, just now.
pub(crate) fn check(account: &Account, callback: &Callback) -> Result<Proof, Reject> {
    let header = |name: &str| {
        let mut values = callback.headers.iter().filter(|(key, _)| key == name);
        match (values.next(), values.next()) {
            (Some((_, value)), None) if !value.is_empty() && value.len() <= 128 => {
                Ok(value.as_str())
            }
            _ => Err(Reject::unauthenticated(format!(
                "header {name} must be there once, with at most 128 bytes"
            ))),
        }
    };
    let (nonce, time) = (header("rc-nonce")?, header("rc-timestamp")?);
    let expected = signature(account.app_secret.expose(), nonce, time);
    if !Secret::new(expected).matches(Some(header("rc-signature")?)) {
        let detail = "header rc-signature is not that of nonce and time, check `app_secret`";
        return Err(Reject::unauthenticated(detail));
    }
    if header("rc-app-key")? != account.app_key {
        let detail = "header rc-app-key names another app";
        return Err(Reject::unauthenticated(detail));
    }
    let away = milliseconds(time).and_then(|at| {
        let now = callback.received_at.unix_ms();
        now.checked_sub(at).and_then(i64::checked_abs)
    });
    match away {
        Some(..=WINDOW_MS) => Ok(Proof(format!("{time}:{nonce}"))),
        Some(away) => Err(Reject::unauthenticated(format!(
            "rc-timestamp is {} s away, at most 300 s are allowed",
            away / 1_000
        ))),
        None => Err(Reject::unauthenticated("rc-timestamp is no Unix time")),
    }
}

/// The document says milliseconds, the published clients send seconds.
fn milliseconds(time: &str) -> Option<i64> {
    let time: i64 = time.parse().ok().filter(|time| *time >= 0)?;
    if time < 100_000_000_000 {
        time.checked_mul(1_000)
    } else {
        Some(time)
    }
}

fn signature(secret: &str, nonce: &str, time: &str) -> String {
    let digest = Sha1::new()
        .chain_update(secret)
        .chain_update(nonce)
        .chain_update(time)
        .finalize();
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |at: u8| char::from(DIGITS[usize::from(at & 15)]);
    digest
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(*byte)])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_that_of_the_published_rule() {
        // By hand: printf 'secret142321408706491' | sha1sum
        assert_eq!(
            signature("secret", "14232", "1408706491"),
            "e298ff4682872e88e385d2437ee4f8b0fc871185"
        );
    }
}
