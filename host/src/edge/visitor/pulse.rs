//! What moves an event stream besides events: the heartbeat, the end of the
//! token, the end of the gateway.
//!
//! Owns the clock of a stream. One timer serves all of it, because thousands of
//! streams lie idle at a time.

use std::{pin::Pin, time::Duration};

use bytes::Bytes;
use http::{
    HeaderValue, Response, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE},
};
use kefu_core::problem::Problem;
use tokio::time::{Instant, Sleep, sleep_until};

use super::Visit;
use crate::{
    edge::{
        auth::unix_now,
        body::{Body, Source},
        listener::Shutdown,
        rate::StreamPlace,
    },
    telemetry::OpenStream,
};

/// The clock of one stream.
pub(super) struct Pulse {
    timer: Pin<Box<Sleep>>,
    ends_at: Instant,
    shutdown: Shutdown,
    _counted: (OpenStream, StreamPlace),
}

/// What the clock says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Beat {
    /// Nothing was sent for a while: send a comment.
    Comment,
    /// The stream is over.
    End,
}

impl Pulse {
    /// The clock of a stream that this visitor opens now.
    ///
    /// # Errors
    /// `rate-limited` if the visitor has too many open.
    pub(super) fn start(visit: &Visit<'_>) -> Result<Self, Problem> {
        let parts = &visit.ask.edge.parts;
        let most = visit.ask.config.main.limits.visitor_streams;
        let place = visit
            .ask
            .edge
            .budgets
            .take_stream(&visit.identity.who, most)?;
        let left = visit.identity.expires_at.saturating_sub(unix_now());
        // Tokens may be valid for centuries; timers are not.
        let ends_at = Instant::now() + Duration::from_secs(left.min(LONGEST));
        Ok(Self {
            timer: Box::pin(sleep_until(next_beat(ends_at))),
            ends_at,
            shutdown: parts.shutdown.clone(),
            _counted: (parts.metrics.stream_opened(), place),
        })
    }

    /// Waits for the next beat.
    pub(super) async fn next(&mut self) -> Beat {
        tokio::select! {
            () = self.timer.as_mut() => {}
            () = self.shutdown.stopping() => return Beat::End,
        }
        if Instant::now() >= self.ends_at {
            return Beat::End;
        }
        self.sent();
        Beat::Comment
    }

    /// Something was sent: the next comment is due later.
    pub(super) fn sent(&mut self) {
        let next = next_beat(self.ends_at);
        self.timer.as_mut().reset(next);
    }
}

fn next_beat(ends_at: Instant) -> Instant {
    (Instant::now() + EVERY).min(ends_at)
}

/// The answer that carries a stream.
pub(super) fn answer(source: impl Source) -> Response<Body> {
    let mut answer = Response::new(Body::pieces(source, None));
    *answer.status_mut() = StatusCode::OK;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Proxies must not keep events back.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    answer
}

/// Appends one event of a stream.
pub(super) fn write(out: &mut Vec<u8>, id: Option<&str>, json: &[u8]) {
    if let Some(id) = id {
        out.extend_from_slice(b"id: ");
        out.extend_from_slice(id.as_bytes());
        out.push(b'\n');
    }
    out.extend_from_slice(b"data: ");
    out.extend_from_slice(json);
    out.extend_from_slice(b"\n\n");
}

/// What every stream begins with: how soon a browser comes back.
pub(super) const OPENING: &[u8] = b"retry: 2000\n\n";

/// A comment, so that nobody between takes the connection for dead.
pub(super) const COMMENT: Bytes = Bytes::from_static(b":\n\n");

const EVERY: Duration = Duration::from_secs(15);
const LONGEST: u64 = 365 * 24 * 3600;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_an_id_and_one_line_of_data() {
        let mut out = Vec::new();
        write(&mut out, Some("7"), b"{\"seq\":7}");
        write(&mut out, None, b"{}");
        assert_eq!(out, b"id: 7\ndata: {\"seq\":7}\n\ndata: {}\n\n");
    }
}
