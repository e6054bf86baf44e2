//! `/livez` and `/readyz`: for whatever supervises the gateway.

use http::{Response, StatusCode};
use serde_json::{Value, json};

use super::Inner;
use crate::edge::{body::Body, respond};

/// `GET /livez`: the process answers.
pub(super) fn live() -> Response<Body> {
    respond::typed(StatusCode::OK, "text/plain; charset=utf-8", "ok\n")
}

/// `GET /readyz`: whether new work can be done, which takes a store that
/// answers and somebody who serves. The reasons in words may name files and
/// repeat what an adapter said, so they are for trusted eyes.
pub(super) fn ready(inner: &Inner, trusted: bool) -> Response<Body> {
    let store = inner.operations.check_store();
    let providers = inner.operations.providers();
    let (status, word) = if inner.shutdown.is_stopping() {
        (StatusCode::SERVICE_UNAVAILABLE, "stopping")
    } else if store.is_ok() && providers.iter().any(|provider| provider.works) {
        (StatusCode::OK, "ready")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not_ready")
    };
    let providers: Vec<Value> = providers
        .into_iter()
        .map(|provider| {
            let standing = provider.standing;
            let mut entry = json!({
                "id": provider.id,
                "state": standing.state,
                "works": provider.works,
                "stuck_calls": standing.stuck_calls,
            });
            // How its vendor stands; the gateway itself is ready all the same.
            if let Some(health) = provider.report["health"]["state"].as_str() {
                entry["health"] = health.into();
            }
            if let (true, Some(reason)) = (trusted, provider.reason) {
                entry["reason"] = reason.into();
            }
            entry
        })
        .collect();
    let body = json!({
        "status": word,
        "store": {"works": store.is_ok(), "detail": store.err()},
        "providers": providers,
    });
    respond::json(status, &body)
}
