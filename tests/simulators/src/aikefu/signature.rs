//! The platform's signature: SHA-1 of secret, nonce and time.
//!
//! Owns the rule, in a query towards the vendor and in headers from it.
//! Invariant: a time is good for five minutes, either way.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use sha1::{Digest, Sha1};

use crate::push::Flaw;

/// How far a time may be away.
const WINDOW_S: i64 = 300;

pub(super) struct Keys {
    pub(super) app_key: String,
    pub(super) app_secret: String,
}

impl Keys {
    /// Whether a query is signed, just now, in milliseconds.
    pub(super) fn proves(&self, query: &str, now: i64) -> bool {
        let pairs = pairs(query);
        let value = |key: &str| pairs.get(key).map_or("", String::as_str);
        let (nonce, time) = (value("nonce"), value("signTimestamp"));
        let fresh = time
            .parse::<i64>()
            .is_ok_and(|ms| (now - WINDOW_S..=now + WINDOW_S).contains(&(ms / 1_000)));
        fresh && !nonce.is_empty() && value("signature") == sign(&self.app_secret, nonce, time)
    }

    /// The headers of a call, spoilt as asked for.
    pub(super) fn headers(&self, id: &str, now: i64, flaw: Flaw) -> Vec<(&'static str, String)> {
        let time = match flaw {
            Flaw::StaleTimestamp => now - 2 * WINDOW_S,
            _ => now,
        };
        let time = (time * 1_000).to_string();
        // At most 18 characters, and its own for every message.
        let nonce: String = id.chars().rev().take(18).collect();
        let signature = match flaw {
            Flaw::BadSignature => "0".repeat(40),
            Flaw::WrongSecret => sign("not-the-secret", &nonce, &time),
            Flaw::None | Flaw::StaleTimestamp => sign(&self.app_secret, &nonce, &time),
        };
        vec![
            ("RC-App-Key", self.app_key.clone()),
            ("RC-Nonce", nonce),
            ("RC-Timestamp", time),
            ("RC-Signature", signature),
        ]
    }
}

fn sign(secret: &str, nonce: &str, time: &str) -> String {
    let digest = Sha1::digest(format!("{secret}{nonce}{time}"));
    digest.iter().fold(String::new(), |mut text, byte| {
        // Writing to a text cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A query or a form; of a repeated key the last one counts.
pub(super) fn pairs(text: &str) -> BTreeMap<String, String> {
    let read = |text: &str| {
        let text = text.replace('+', " ");
        percent_encoding::percent_decode_str(&text)
            .decode_utf8_lossy()
            .into_owned()
    };
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(key, value)| (read(key), read(value))).collect()
}
