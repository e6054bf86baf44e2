//! How the two sides prove themselves: one rule for both directions.
//!
//! Owns the `checksum`: SHA-1 of secret, MD5 of the body, and time in seconds.
//! Towards the vendor the host computes it at each attempt; here it is computed
//! for what the vendor sends. Invariant: no secret is written into a request or
//! an error, and an event is believed only if body and time are the signed ones.

use kefu_plugin_api::prelude::{
    Algorithm, Callback, Encoding, HttpRequest, Part, Place, Reject, Secret, Stamp, TimeUnit,
};
use md5::Md5;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde::Serialize;
use sha1::{Digest, Sha1};

use crate::config::Account;

/// How long a checksum is valid, either way.
const WINDOW_SECONDS: i64 = 300;

/// A call to the vendor, to be signed at each attempt.
pub(crate) fn signed(account: &Account, path: &str, body: &impl Serialize) -> HttpRequest {
    let app_key = utf8_percent_encode(&account.app_key, NON_ALPHANUMERIC);
    let unit = TimeUnit::Seconds;
    HttpRequest::post_json(format!("{}/{path}?appKey={app_key}", account.base), body)
        .with_stamp(Stamp::Time {
            unit,
            place: Place::query("time"),
        })
        .with_stamp(Stamp::Digest {
            algorithm: Algorithm::Sha1,
            key: None,
            parts: vec![
                Part::Secret {
                    setting: "app_secret".to_owned(),
                },
                Part::BodyDigest {
                    algorithm: Algorithm::Md5,
                },
                Part::Time { unit },
            ],
            encoding: Encoding::Hex,
            place: Place::query("checksum"),
        })
}

/// Whether an event comes from the vendor, just now, with this body.
pub(crate) fn check_push(account: &Account, callback: &Callback) -> Result<(), Reject> {
    if callback.method != "POST" {
        return Err(Reject::unauthenticated("an event is a POST"));
    }
    let parameter = |name: &str| {
        parameter(&callback.query, name)
            .ok_or_else(|| Reject::unauthenticated(format!("`{name}` must be in the query, once")))
    };
    let (time, given) = (parameter("time")?, parameter("checksum")?);
    let expected = checksum(account.app_secret.expose(), &callback.body, &time);
    if !Secret::new(expected).matches(Some(&given)) {
        let detail = "`checksum` is not that of this body and time, check `app_secret`";
        return Err(Reject::unauthenticated(detail));
    }
    let now = callback.received_at.unix_seconds();
    let away = time
        .parse::<i64>()
        .ok()
        .and_then(|at| now.checked_sub(at))
        .and_then(i64::checked_abs);
    match away {
        Some(away) if away <= WINDOW_SECONDS => Ok(()),
        Some(away) => Err(Reject::unauthenticated(format!(
            "`time` is {away} s away, at most {WINDOW_SECONDS} s are allowed"
        ))),
        None => Err(Reject::unauthenticated("`time` is no number of seconds")),
    }
}

/// The value of a query parameter that is there exactly once.
pub(crate) fn parameter(query: &str, name: &str) -> Option<String> {
    let mut values = query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .filter(|(key, _)| *key == name)
        .map(|(_, value)| value);
    let value = values.next()?;
    if values.next().is_some() {
        return None;
    }
    let value = percent_decode_str(value).decode_utf8().ok()?;
    Some(value.into_owned())
}

fn checksum(secret: &str, body: &[u8], time: &str) -> String {
    let digest = Sha1::new()
        .chain_update(secret)
        .chain_update(hex(&Md5::digest(body)))
        .chain_update(time)
        .finalize();
    hex(&digest)
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |at: u8| char::from(DIGITS[usize::from(at & 15)]);
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(*byte)])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_the_published_rule() {
        // By hand: printf '%s' "secret$(printf '{}' | md5sum | cut -c1-32)1463216914" | sha1sum
        assert_eq!(
            checksum("secret", b"{}", "1463216914"),
            "f15a972bb563bc8e8864681fd4931faa6bda5174"
        );
    }

    #[test]
    fn a_parameter_counts_only_if_it_is_there_once() {
        assert_eq!(parameter("a=1&b=2", "b").as_deref(), Some("2"));
        assert_eq!(parameter("a=%E4%BD%A0", "a").as_deref(), Some("你"));
        for query in ["", "a", "b=1", "a=1&a=1", "a=%ff", "aa=1"] {
            assert_eq!(parameter(query, "a"), None, "{query}");
        }
    }
}
