//! The vendor's checksum, both directions.
//!
//! Owns the rule and its window of five minutes. Invariant: a call is looked at
//! only if key, time and checksum fit its bytes.

use std::fmt::Write as _;

use md5::{Digest, Md5};
use sha1::Sha1;

use super::code;
use crate::push::Flaw;

/// How long a checksum is valid, either way.
const WINDOW_S: i64 = 300;

pub(super) struct Keys {
    pub(super) app_key: String,
    pub(super) app_secret: String,
}

impl Keys {
    /// Whether a call is from the company, or the code that it is answered with.
    pub(super) fn check(
        &self,
        query: &str,
        body: &[u8],
        now: i64,
    ) -> Result<(), (u16, &'static str)> {
        let parameter = |name: &str| parameter(query, name).unwrap_or_default();
        if parameter("appKey") != self.app_key {
            return Err((code::APP_KEY, "appKey 不正确"));
        }
        let time = parameter("time");
        let fresh = time
            .parse::<i64>()
            .is_ok_and(|at| (now - WINDOW_S..=now + WINDOW_S).contains(&at));
        if !fresh {
            return Err((code::TIME, "传递的 time 参数不正确"));
        }
        if parameter("checksum") != checksum(&self.app_secret, body, &time) {
            return Err((code::CHECKSUM, "checksum 校验出错"));
        }
        Ok(())
    }

    /// The query of an event, spoilt as asked for.
    pub(super) fn sign(&self, event: &str, body: &[u8], now: i64, flaw: Flaw) -> String {
        let time = match flaw {
            Flaw::StaleTimestamp => now - 2 * WINDOW_S,
            _ => now,
        }
        .to_string();
        let checksum = match flaw {
            Flaw::BadSignature => "0".repeat(40),
            Flaw::WrongSecret => checksum("not-the-secret", body, &time),
            Flaw::None | Flaw::StaleTimestamp => checksum(&self.app_secret, body, &time),
        };
        format!("eventType={event}&time={time}&checksum={checksum}")
    }
}

/// SHA-1 of secret, MD5 of the body, and time; all in lower-case hexadecimal.
fn checksum(secret: &str, body: &[u8], time: &str) -> String {
    let md5 = hex(&Md5::digest(body));
    hex(&Sha1::digest(format!("{secret}{md5}{time}")))
}

fn parameter(query: &str, name: &str) -> Option<String> {
    let value = query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .find_map(|(key, value)| (key == name).then_some(value))?;
    let value = percent_encoding::percent_decode_str(value);
    Some(value.decode_utf8_lossy().into_owned())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a text cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
