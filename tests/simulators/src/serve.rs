//! The HTTP side of a simulator: accept, read, spoil on request, answer, record.
//!
//! Owns connections and the carrying out of call faults. Does not know what a
//! call means. Invariant: every call on a vendor's path is recorded once, at the
//! moment at which it was carried out or turned away.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use serde_json::Value;
use time::OffsetDateTime;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use crate::control;
use crate::fault::Kind;
use crate::journal::CallEntry;
use crate::platform::{Call, Platform, Reply, Vendor};
use crate::push::{self, Pusher};
use crate::settings::Settings;

/// The longest body of a call.
const LONGEST_BODY: usize = 2 << 20;

/// A running simulator; stops when it is dropped.
pub struct Handle {
    /// Where it listens, such as `http://127.0.0.1:40123`.
    pub url: String,
    platform: Arc<Platform>,
    tasks: Vec<JoinHandle<()>>,
}

impl Handle {
    /// Sets where pushes go, as `PUT /control/callback` does.
    pub fn set_callback(&self, url: &str) {
        self.platform.set_callback(Some(url));
    }

    /// How many calls and pushes were recorded or changed so far; grows only.
    pub fn version(&self) -> u64 {
        self.platform.journal.version()
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// Binds, starts serving, starts delivering pushes.
pub(crate) async fn start(
    listen: SocketAddr,
    vendor: impl FnOnce(&str) -> Box<dyn Vendor>,
    settings: Settings,
    callback: Option<String>,
) -> anyhow::Result<Handle> {
    let listener = TcpListener::bind(listen)
        .await
        .map_err(|error| anyhow::anyhow!("listening on {listen}: {error}"))?;
    let url = format!("http://{}", listener.local_addr()?);
    let (pusher, inbox) = Pusher::new();
    let vendor = vendor(&url);
    let platform = Arc::new(Platform::new(
        vendor,
        url.clone(),
        settings,
        callback,
        pusher,
    ));
    let delivery = push::deliver(Arc::downgrade(&platform), inbox);
    let tasks = vec![
        tokio::spawn(accept(listener, Arc::clone(&platform))),
        tokio::spawn(delivery),
    ];
    Ok(Handle {
        url,
        platform,
        tasks,
    })
}

async fn accept(listener: TcpListener, platform: Arc<Platform>) {
    let control = control::router(Arc::clone(&platform));
    // Connections live in here, so that aborting this task closes them.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, Arc::clone(&platform), control.clone()));
                }
                // Out of descriptors, mostly: wait for connections to end.
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            },
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
        }
    }
}

async fn connection(stream: TcpStream, platform: Arc<Platform>, control: Router) {
    // Small answers must not wait for the peer's acknowledgement.
    let _ = stream.set_nodelay(true);
    let control = TowerToHyperService::new(control);
    let service = service_fn(move |request: Request<Incoming>| {
        let platform = Arc::clone(&platform);
        let control = control.clone();
        async move {
            if platform.vendor.operation(request.uri().path()).is_some() {
                return vendor_call(&platform, request).await;
            }
            let answer: Result<Response<Body>, Infallible> =
                hyper::service::Service::call(&control, request).await;
            answer.map_err(|never| match never {})
        }
    });
    // An error is a peer that went away, or a connection closed by a `drop` fault.
    let _ = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .pipeline_flush(true)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

/// The connection is to be closed without an answer.
#[derive(Debug)]
struct Dropped;

impl std::fmt::Display for Dropped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("closed by a fault")
    }
}

impl std::error::Error for Dropped {}

async fn vendor_call(
    platform: &Arc<Platform>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Dropped> {
    let (head, body) = request.into_parts();
    let body = match Limited::new(body, LONGEST_BODY).collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => {
            return Ok(plain(
                StatusCode::PAYLOAD_TOO_LARGE,
                "text/plain",
                "body too large or broken",
            ));
        }
    };
    let call = Call {
        method: head.method,
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        headers: head.headers,
        json: serde_json::from_slice(&body).unwrap_or(Value::Null),
        body,
    };
    let operation = platform.vendor.operation(&call.path).unwrap_or_default();
    let visitor = platform.vendor.visitor(&call);
    let fault = platform.faults.for_call(operation, visitor);
    let processed = fault.as_ref().is_none_or(Kind::processed);
    let reply = processed.then(|| platform.vendor.answer(platform, operation, &call));
    let answer = spoil(platform, reply.clone(), fault.as_ref());
    record(
        platform,
        operation,
        visitor,
        &call,
        reply.as_ref(),
        fault.as_ref(),
        answer.as_ref(),
    );
    if let Some(Kind::Slow { ms }) = fault {
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }
    answer.map(|(response, _)| response).ok_or(Dropped)
}

/// The answer as the fault leaves it, and its bytes; None closes the connection.
fn spoil(
    platform: &Platform,
    reply: Option<Reply>,
    fault: Option<&Kind>,
) -> Option<(Response<Body>, Bytes)> {
    let text = |status, kind, text: &'static str| {
        Some((
            plain(status, kind, text),
            Bytes::from_static(text.as_bytes()),
        ))
    };
    match fault {
        Some(Kind::Status {
            status,
            retry_after_s,
            ..
        }) => {
            let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
            let mut response = plain(status, "text/plain", "simulated failure");
            if let Some(seconds) = retry_after_s {
                response
                    .headers_mut()
                    .insert(RETRY_AFTER, HeaderValue::from(*seconds));
            }
            Some((response, Bytes::from_static(b"simulated failure")))
        }
        Some(Kind::ErrorCode { code, message, .. }) => {
            let body = Bytes::from(platform.vendor.error(code, message).to_string());
            Some((json_response(StatusCode::OK, body.clone()), body))
        }
        Some(Kind::BrokenJson { .. }) => {
            text(StatusCode::OK, "application/json", "{\"ret_code\":\"0000")
        }
        Some(Kind::EmptyBody { .. }) => text(StatusCode::OK, "application/json", ""),
        Some(Kind::Html { .. }) => text(
            StatusCode::OK,
            "text/html",
            "<!doctype html><title>502 Bad Gateway</title><h1>502 Bad Gateway</h1>",
        ),
        Some(Kind::Drop { .. }) => None,
        _ => reply.map(|reply| (json_response(reply.status, reply.body.clone()), reply.body)),
    }
}

fn record(
    platform: &Platform,
    operation: &str,
    visitor: &str,
    call: &Call,
    reply: Option<&Reply>,
    fault: Option<&Kind>,
    answer: Option<&(Response<Body>, Bytes)>,
) {
    let settings = platform.settings();
    if !settings.log.enabled {
        return;
    }
    let entry = CallEntry {
        seq: 0,
        at: OffsetDateTime::now_utc(),
        operation: operation.to_owned(),
        visitor: visitor.to_owned(),
        method: call.method.to_string(),
        path: call.path.clone(),
        id: call.header("webhook-id").unwrap_or_default().to_owned(),
        body: call.body.clone(),
        status: answer.map(|(response, _)| response.status().as_u16()),
        processed: reply.is_some_and(|reply| reply.processed),
        repeat: reply.is_some_and(|reply| reply.repeat),
        fault: fault.map(Kind::name),
        reply: answer.map(|(_, body)| body.clone()).unwrap_or_default(),
    };
    platform.journal.record_call(entry, settings.log.capacity);
}

fn plain(status: StatusCode, kind: &'static str, text: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

fn json_response(status: StatusCode, body: Bytes) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("application/json; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}
