//! Answers: JSON, problems, and the headers that every answer carries.
//!
//! Owns the one place where a [`Problem`] becomes an HTTP answer. Deliberately
//! decides nothing about requests. Invariant: every refusal is
//! `application/problem+json` as RFC 9457 has it.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Response, StatusCode,
    header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE},
};
use kefu_core::problem::{FieldError, Problem, Slug};
use serde::Serialize;
use serde_json::Value;

use super::body::Body;

/// An answer with a body of JSON.
pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Response<Body> {
    match serde_json::to_vec(value) {
        Ok(bytes) => raw_json(status, bytes),
        Err(error) => {
            tracing::error!(%error, "cannot write an answer as JSON");
            problem(&Problem::new(
                Slug::Overloaded,
                "the answer cannot be written",
            ))
        }
    }
}

/// An answer with a body that is JSON already.
pub(crate) fn raw_json(status: StatusCode, bytes: impl Into<Bytes>) -> Response<Body> {
    typed(status, "application/json", bytes)
}

/// An answer with a body of this content type.
pub(crate) fn typed(
    status: StatusCode,
    content_type: &'static str,
    bytes: impl Into<Bytes>,
) -> Response<Body> {
    let mut answer = Response::new(Body::whole(bytes));
    *answer.status_mut() = status;
    answer
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer
}

/// An answer without a body.
pub(crate) fn empty(status: StatusCode) -> Response<Body> {
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = status;
    answer
}

/// The answer to something that was taken and has no more to say.
pub(crate) fn accepted() -> Response<Body> {
    raw_json(StatusCode::ACCEPTED, Bytes::from_static(b"{}"))
}

/// A refusal.
pub(crate) fn problem(problem: &Problem) -> Response<Body> {
    let status = StatusCode::from_u16(problem.slug.status()).unwrap_or(StatusCode::BAD_REQUEST);
    let written = serde_json::to_vec(&Written {
        kind: format!("urn:kefu:problem:{}", problem.slug.as_str()),
        title: problem.slug.title(),
        status: status.as_u16(),
        detail: &problem.detail,
        errors: &problem.errors,
        extra: problem.extra.iter().cloned().collect(),
    });
    let bytes = written.expect("texts and numbers can be written as JSON");
    let mut answer = typed(status, "application/problem+json", bytes);
    let headers = answer.headers_mut();
    // Both of these are promised with every 429 and 503.
    let retry_after = problem
        .retry_after_seconds
        .or_else(|| matches!(status.as_u16(), 429 | 503).then_some(1));
    if let Some(seconds) = retry_after {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if problem.slug == Slug::Unauthenticated {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    answer
}

/// A problem as it is sent.
#[derive(Serialize)]
struct Written<'a> {
    #[serde(rename = "type")]
    kind: String,
    title: &'static str,
    status: u16,
    detail: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [FieldError],
    #[serde(flatten)]
    extra: BTreeMap<&'static str, Value>,
}

/// The refusal of a method, with those that are offered.
pub(crate) fn method_not_allowed(method: &str, allow: &str) -> Response<Body> {
    let detail = format!("{method} is not offered here; {allow} are");
    let mut answer = problem(&Problem::new(Slug::MethodNotAllowed, detail));
    set(answer.headers_mut(), ALLOW, allow);
    answer
}

/// Says where the thing that was made can be found.
pub(crate) fn located(mut answer: Response<Body>, path: &str) -> Response<Body> {
    set(answer.headers_mut(), LOCATION, path);
    answer
}

/// Sets a header to a text of ours; a text that is no header value is left out.
pub(crate) fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// What every answer carries, unless it has said otherwise.
pub(crate) fn add_common_headers(headers: &mut HeaderMap, request_id: HeaderValue) {
    headers.insert(HeaderName::from_static("x-request-id"), request_id);
    headers.insert(
        HeaderName::from_static("x-content-type-options"),
        HeaderValue::from_static("nosniff"),
    );
    headers
        .entry(HeaderName::from_static("referrer-policy"))
        .or_insert(HeaderValue::from_static("no-referrer"));
    headers
        .entry(HeaderName::from_static("content-security-policy"))
        .or_insert(HeaderValue::from_static(
            "default-src 'none'; frame-ancestors 'none'",
        ));
    headers
        .entry(CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn a_problem_says_what_where_and_how_to_go_on() {
        let refused = Problem::invalid("/content/text", "is empty")
            .with_extra("leave_message", json!({"kind": "form"}));
        let answer = problem(&refused);
        assert_eq!(answer.status(), 400);
        assert_eq!(answer.headers()[CONTENT_TYPE], "application/problem+json");
        assert_eq!(
            read(answer).await,
            json!({
                "type": "urn:kefu:problem:invalid-request",
                "title": "The request cannot be understood",
                "status": 400,
                "detail": "/content/text: is empty",
                "errors": [{"pointer": "/content/text", "detail": "is empty"}],
                "leave_message": {"kind": "form"},
            })
        );
    }

    #[tokio::test]
    async fn passing_problems_say_when_to_come_back() {
        for slug in [
            Slug::RateLimited,
            Slug::Overloaded,
            Slug::StorageUnavailable,
            Slug::NoProviderAvailable,
            Slug::ProviderUnavailable,
        ] {
            let answer = problem(&Problem::new(slug, "later"));
            assert!(answer.headers().contains_key(RETRY_AFTER), "{slug:?}");
        }
        let answer = problem(&Problem::new(Slug::SessionEnded, "over"));
        assert!(!answer.headers().contains_key(RETRY_AFTER));
    }

    #[test]
    fn an_answer_keeps_its_own_policy() {
        let mut headers = HeaderMap::new();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("max-age=60"));
        add_common_headers(&mut headers, HeaderValue::from_static("r1"));
        assert_eq!(headers[CACHE_CONTROL], "max-age=60");
        assert_eq!(headers["x-content-type-options"], "nosniff");
        assert_eq!(headers["x-request-id"], "r1");
    }

    async fn read(answer: Response<Body>) -> Value {
        let bytes = answer.into_body().collect().await.unwrap().to_bytes();
        serde_json::from_slice(&bytes).unwrap()
    }
}
