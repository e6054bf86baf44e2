//! The company's one token.
//!
//! Owns the signature of the token call and which token is valid. Invariant: a
//! fetch makes every older token invalid at once, which is what breaks clients
//! that fetch from several places.

use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use md5::{Digest, Md5};
use serde_json::json;
use sha2::Sha256;

use super::{code, failure, success};
use crate::centre::fresh_id;
use crate::platform::Reply;

pub(super) struct Tokens {
    app_id: String,
    app_key: String,
    current: Mutex<Option<Token>>,
}

struct Token {
    text: String,
    expires: Instant,
}

impl Tokens {
    pub(super) fn new(app_id: &str, app_key: &str) -> Self {
        Self {
            app_id: app_id.to_owned(),
            app_key: app_key.to_owned(),
            current: Mutex::new(None),
        }
    }

    /// Answers the token call.
    pub(super) fn issue(&self, query: &str, ttl_s: u64) -> Reply {
        let parameter = |name: &str| query_value(query, name);
        let (Some(app_id), Some(create_time), Some(sign)) = (
            parameter("appid"),
            parameter("create_time"),
            parameter("sign"),
        ) else {
            return failure(code::PARAMETER_MISSING, "appid、create_time、sign 不能为空");
        };
        if app_id != self.app_id {
            return failure(code::NO_COMPANY, "没有找到公司的api配置信息");
        }
        if create_time.is_empty() || !create_time.bytes().all(|byte| byte.is_ascii_digit()) {
            return failure(code::PARAMETER_WRONG, "create_time 应为秒级时间戳");
        }
        if sign != signature(&app_id, &create_time, &self.app_key) {
            return failure(code::BAD_SIGNATURE, "signature错误");
        }
        let text = hex(&Sha256::digest(fresh_id()));
        let token = Token {
            text: text.clone(),
            expires: Instant::now() + Duration::from_secs(ttl_s),
        };
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Some(token);
        success("item", json!({"token": text, "expires_in": ttl_s}))
    }

    /// Whether a call carries the valid token; otherwise the vendor's code.
    pub(super) fn check(&self, token: Option<&str>) -> Result<(), &'static str> {
        let Some(token) = token.filter(|token| !token.is_empty()) else {
            return Err(code::TOKEN_MISSING);
        };
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        match current.as_ref() {
            Some(valid) if valid.text == token && Instant::now() < valid.expires => Ok(()),
            _ => Err(code::TOKEN_EXPIRED),
        }
    }

    /// Makes the current token invalid.
    pub(super) fn invalidate(&self) {
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// md5 of appid, create_time and key, as lower hex.
fn signature(app_id: &str, create_time: &str, app_key: &str) -> String {
    hex(&Md5::digest(format!("{app_id}{create_time}{app_key}")))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The decoded value of a query parameter.
fn query_value(query: &str, name: &str) -> Option<String> {
    let pair = query.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        (key == name).then_some(value)
    })?;
    let spaced = pair.replace('+', " ");
    let decoded = percent_encoding::percent_decode_str(&spaced)
        .decode_utf8()
        .ok()?;
    Some(decoded.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_md5_of_id_time_and_key_in_this_order() {
        // printf 'app1577090000key' | md5sum
        assert_eq!(
            signature("app", "1577090000", "key"),
            "0292245baad0297fd67ae0c32201c738"
        );
    }

    #[test]
    fn a_query_value_is_decoded() {
        assert_eq!(
            query_value("a=1&b=%E4%BD%A0+x", "b").as_deref(),
            Some("你 x")
        );
        assert_eq!(query_value("a=1", "b"), None);
        assert_eq!(query_value("b=%ff", "b"), None);
    }
}
