//! The name of a request, echoed or made.
//!
//! Owns `X-Request-Id`. Made names are a number within this run of the gateway:
//! unique, and cheaper than random ones.

use std::sync::atomic::{AtomicU64, Ordering};

use http::{HeaderMap, HeaderValue};

/// Names the requests of a listener.
#[derive(Debug)]
pub(crate) struct RequestIds {
    run: String,
    next: AtomicU64,
}

impl Default for RequestIds {
    fn default() -> Self {
        let run = uuid::Uuid::now_v7().simple().to_string();
        Self {
            // The last digits are random ones.
            run: run[run.len() - 12..].to_owned(),
            next: AtomicU64::new(1),
        }
    }
}

impl RequestIds {
    /// The client's name for the request if it can be echoed, else a new one.
    pub(crate) fn name(&self, headers: &HeaderMap) -> HeaderValue {
        if let Some(given) = headers.get("x-request-id")
            && (1..=128).contains(&given.len())
            && given.as_bytes().iter().all(u8::is_ascii_graphic)
        {
            return given.clone();
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        HeaderValue::from_str(&format!("{}-{number:x}", self.run))
            .unwrap_or(HeaderValue::from_static("-"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_id_is_echoed_or_made() {
        let ids = RequestIds::default();
        let with = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("x-request-id", HeaderValue::from_str(value).unwrap());
            ids.name(&headers)
        };
        assert_eq!(with("abc-1"), "abc-1");
        assert_ne!(with("has blanks"), "has blanks");
        assert_ne!(with(&"x".repeat(129)), "x".repeat(129).as_str());
        let made = ids.name(&HeaderMap::new());
        assert_ne!(made, ids.name(&HeaderMap::new()));
    }
}
