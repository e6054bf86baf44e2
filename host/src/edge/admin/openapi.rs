//! `GET /admin/openapi.json`: the operators' listener, described.
//!
//! Owns the document. A test compares its paths with the table of routes.

use bytes::Bytes;
use http::{Response, StatusCode};

use crate::edge::{body::Body, respond};

/// Answers the call.
pub(super) fn answer() -> Response<Body> {
    respond::raw_json(StatusCode::OK, Bytes::from_static(DOCUMENT.as_bytes()))
}

const DOCUMENT: &str = include_str!("../assets/admin-openapi.json");

#[cfg(test)]
mod tests;
