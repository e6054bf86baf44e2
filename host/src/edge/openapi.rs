//! `GET /openapi.json`: the visitor API and the callbacks, described.
//!
//! Owns the document. A test compares its paths with the router's table, so
//! that neither can promise what the other does not keep.

use bytes::Bytes;
use http::{Response, StatusCode, header::CACHE_CONTROL};

use super::{body::Body, origin, respond};

/// Answers the call.
pub(crate) fn answer() -> Response<Body> {
    let document = Bytes::from_static(DOCUMENT.as_bytes());
    let mut answer = respond::raw_json(StatusCode::OK, document);
    let headers = answer.headers_mut();
    origin::mark_public(headers);
    respond::set(headers, CACHE_CONTROL, "public, max-age=300");
    answer
}

const DOCUMENT: &str = include_str!("assets/openapi.json");

#[cfg(test)]
mod tests;
