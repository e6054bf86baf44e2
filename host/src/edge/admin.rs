//! The operators' listener: health, metrics, providers.
//!
//! Owns who may ask what there. Deliberately changes nothing. Invariant:
//! `/livez` and `/readyz` are open, so that whatever supervises the gateway
//! needs no secret, and tell nothing that is one; `/metrics` takes the bearer
//! token or a connection from this machine; everything else takes the token.

use std::{net::SocketAddr, sync::Arc, time::Instant};

use arc_swap::ArcSwap;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use kefu_core::{
    config::Config,
    problem::{Problem, Slug},
};
use serde_json::{Value, json};

use super::{
    auth,
    body::Body,
    listener::{Answering, Handler, Shutdown},
    operations::{Operations, ProviderReport},
    request_id::RequestIds,
    respond,
};
use crate::telemetry::Metrics;

/// Answers operators.
#[derive(Clone)]
pub struct Admin(Arc<Inner>);

struct Inner {
    config: Arc<ArcSwap<Config>>,
    operations: Arc<dyn Operations>,
    metrics: Metrics,
    shutdown: Shutdown,
    request_ids: RequestIds,
}

impl Admin {
    /// From what it reports about. `shutdown` makes it say that it is not
    /// ready any more.
    pub fn new(
        config: Arc<ArcSwap<Config>>,
        operations: Arc<dyn Operations>,
        metrics: Metrics,
        shutdown: Shutdown,
    ) -> Self {
        Self(Arc::new(Inner {
            config,
            operations,
            metrics,
            shutdown,
            request_ids: RequestIds::default(),
        }))
    }
}

impl Handler for Admin {
    fn handle(&self, request: Request<Incoming>, peer: SocketAddr) -> Answering {
        let inner = Arc::clone(&self.0);
        // A check of the store may wait for the disk.
        Box::pin(async move {
            let (head, _) = request.into_parts();
            let work = tokio::task::spawn_blocking(move || {
                inner.answer(&head.method, head.uri.path(), &head.headers, peer)
            });
            work.await.unwrap_or_else(|error| {
                tracing::error!(%error, "an operator's request broke");
                respond::problem(&Problem::new(Slug::Overloaded, "the request broke"))
            })
        })
    }
}

impl Inner {
    fn answer(
        &self,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
        peer: SocketAddr,
    ) -> Response<Body> {
        let started = Instant::now();
        let (route, mut answer) = if matches!(*method, Method::GET | Method::HEAD) {
            self.route(path, headers, peer)
                .unwrap_or_else(|problem| ("none", respond::problem(&problem)))
        } else {
            let refused = respond::method_not_allowed(method.as_str(), "GET, HEAD");
            ("none", refused)
        };
        let id = self.request_ids.name(headers);
        respond::add_common_headers(answer.headers_mut(), id);
        let status = answer.status().as_u16();
        self.metrics
            .request_answered(route, "GET", status, started.elapsed());
        answer
    }

    fn route(
        &self,
        path: &str,
        headers: &HeaderMap,
        peer: SocketAddr,
    ) -> Result<(&'static str, Response<Body>), Problem> {
        let segments: Vec<&str> = path.split('/').skip(1).collect();
        Ok(match segments.as_slice() {
            ["livez"] => ("/livez", text(StatusCode::OK, "ok\n")),
            ["readyz"] => ("/readyz", self.ready()),
            ["metrics"] => {
                if !peer.ip().to_canonical().is_loopback() {
                    self.check_token(headers)?;
                }
                let page =
                    respond::typed(StatusCode::OK, Metrics::CONTENT_TYPE, self.metrics.render());
                ("/metrics", page)
            }
            ["admin", "v1", "providers"] => {
                self.check_token(headers)?;
                let list: Vec<Value> = self.operations.providers().into_iter().map(entry).collect();
                let body = json!({"providers": list});
                ("/admin/v1/providers", respond::json(StatusCode::OK, &body))
            }
            _ => {
                self.check_token(headers)?;
                return Err(Problem::new(Slug::NotFound, "nothing is at this path"));
            }
        })
    }

    /// Whether new work can be done: the store answers and somebody serves.
    fn ready(&self) -> Response<Body> {
        let store = self.operations.check_store();
        let providers = self.operations.providers();
        let (status, word) = if self.shutdown.is_stopping() {
            (StatusCode::SERVICE_UNAVAILABLE, "stopping")
        } else if store.is_ok() && providers.iter().any(|provider| provider.works) {
            (StatusCode::OK, "ready")
        } else {
            (StatusCode::SERVICE_UNAVAILABLE, "not_ready")
        };
        let providers: Vec<Value> = providers
            .iter()
            .map(|provider| {
                json!({"id": provider.id, "state": provider.state, "works": provider.works})
            })
            .collect();
        let body = json!({
            "status": word,
            "store": {"works": store.is_ok(), "detail": store.err()},
            "providers": providers,
        });
        respond::json(status, &body)
    }

    fn check_token(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let token = auth::bearer(headers, None)?;
        if self.config.load().main.admin.token.matches(Some(token)) {
            return Ok(());
        }
        Err(Problem::new(
            Slug::Unauthenticated,
            "the token is not the admin token of this gateway",
        ))
    }
}

/// One provider of the list.
fn entry(provider: ProviderReport) -> Value {
    let mut entry = match provider.report {
        Value::Object(entry) => entry,
        other => serde_json::Map::from_iter([("report".to_owned(), other)]),
    };
    entry.insert("id".into(), provider.id.as_str().into());
    entry.insert("state".into(), provider.state.into());
    entry.insert("works".into(), provider.works.into());
    Value::Object(entry)
}

fn text(status: StatusCode, text: &'static str) -> Response<Body> {
    respond::typed(status, "text/plain; charset=utf-8", text)
}

#[cfg(test)]
mod tests;
