//! What vendors send: passed to the adapter as it came.
//!
//! Owns reading the request and sending the answer. Deliberately authenticates
//! nothing; the adapter does, inside the engine. Invariant: the vendor is
//! answered success only after everything in its callback is durable.

use std::{net::SocketAddr, sync::Arc};

use http::{
    HeaderMap, HeaderName, HeaderValue, Response, StatusCode,
    header::{CONNECTION, CONTENT_LENGTH, DATE, TRANSFER_ENCODING, UPGRADE},
    request::Parts as Head,
};
use hyper::body::Incoming;
use kefu_core::{
    config::Config,
    problem::{Problem, Slug},
};
use kefu_plugin_api::{http::Callback, ids::ProviderId};

use super::{
    body::{self, Body},
    peer,
    public::{Edge, to_the_end},
};
use crate::session::CallbackAnswer;

/// Takes a callback.
///
/// # Errors
/// What the gateway itself refuses; the adapter's own answers are answers.
pub(crate) async fn answer(
    edge: &Arc<Edge>,
    config: &Config,
    provider: &str,
    head: &Head,
    body: Incoming,
    peer: SocketAddr,
) -> Result<Response<Body>, Problem> {
    let body = body::read_whole(body, MAX_BODY).await?;
    let callback = Callback {
        method: head.method.as_str().to_owned(),
        path: rest(head.uri.path()).to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        headers: plain(&head.headers),
        body: body.to_vec(),
        peer: Some(peer::client(&config.main.server, peer, &head.headers).into()),
        received_at: crate::clock::now(),
    };
    let provider = ProviderId::new(provider);
    let engine = edge.parts.engine.clone();
    let asked = provider.clone();
    let answered = to_the_end(async move { Ok(engine.callback(&asked, callback).await) }).await?;
    let (outcome, answer) = map(answered);
    // Only known providers become labels; others are anybody's invention.
    if let Some(outcome) = outcome {
        edge.parts.metrics.callback_answered(&provider, outcome);
    }
    answer
}

fn map(answered: CallbackAnswer) -> (Option<&'static str>, Result<Response<Body>, Problem>) {
    let refused = |slug, detail: String| Err(Problem::new(slug, detail));
    match answered {
        CallbackAnswer::Answer {
            status,
            headers,
            body,
        } => (Some("accepted"), Ok(adapters_answer(status, headers, body))),
        CallbackAnswer::UnknownProvider => (
            None,
            refused(Slug::NotFound, "there is no such provider".to_owned()),
        ),
        CallbackAnswer::NotAuthentic(detail) => (
            Some("not_authentic"),
            refused(Slug::Unauthenticated, detail),
        ),
        CallbackAnswer::Malformed(detail) => {
            (Some("malformed"), refused(Slug::InvalidRequest, detail))
        }
        CallbackAnswer::Unavailable(detail) => (
            Some("unavailable"),
            refused(Slug::ProviderUnavailable, detail),
        ),
    }
}

/// The answer as the adapter wrote it, without what belongs to the connection.
fn adapters_answer(status: u16, headers: Vec<(String, String)>, body: Vec<u8>) -> Response<Body> {
    let status = StatusCode::from_u16(status)
        .ok()
        .filter(|status| !status.is_informational())
        .unwrap_or_else(|| {
            tracing::warn!(status, "an adapter answered a callback with no status");
            StatusCode::OK
        });
    let mut answer = Response::new(Body::whole(body));
    *answer.status_mut() = status;
    for (name, value) in headers {
        let (Ok(name), Ok(value)) = (
            HeaderName::from_bytes(name.as_bytes()),
            HeaderValue::from_str(&value),
        ) else {
            tracing::warn!(%name, "an adapter answered a callback with a header that is none");
            continue;
        };
        if ![CONNECTION, CONTENT_LENGTH, DATE, TRANSFER_ENCODING, UPGRADE].contains(&name) {
            answer.headers_mut().append(name, value);
        }
    }
    answer
}

/// What follows the provider in the path, with its slash; not decoded.
fn rest(path: &str) -> &str {
    path.match_indices('/')
        .nth(3)
        .map_or("", |(at, _)| &path[at..])
}

fn plain(headers: &HeaderMap) -> Vec<(String, String)> {
    headers
        .iter()
        .map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (name.as_str().to_owned(), value)
        })
        .collect()
}

const MAX_BODY: u64 = 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_the_provider_is_kept_as_it_came() {
        for (path, expected) in [
            ("/v1/callbacks/zhichi", ""),
            ("/v1/callbacks/zhichi/", "/"),
            ("/v1/callbacks/zhichi/a%2Fb/c", "/a%2Fb/c"),
            ("/v1/callbacks/zhichi//x", "//x"),
        ] {
            assert_eq!(rest(path), expected);
        }
    }

    #[test]
    fn an_answer_of_the_adapter_keeps_its_own_headers_only() {
        let headers = [
            ("content-type", "application/json"),
            ("content-length", "999"),
            ("transfer-encoding", "chunked"),
            ("x-one", "1"),
            ("not a header", "x"),
            ("x-two", "line\nbreak"),
        ];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let answer = adapters_answer(202, headers.to_vec(), b"{}".to_vec());
        assert_eq!(answer.status(), 202);
        let names: Vec<_> = answer.headers().keys().map(HeaderName::as_str).collect();
        assert_eq!(names, ["content-type", "x-one"]);
        assert_eq!(adapters_answer(7, vec![], vec![]).status(), 200);
        assert_eq!(adapters_answer(101, vec![], vec![]).status(), 200);
    }

    #[test]
    fn each_refusal_has_its_status() {
        for (answered, status) in [
            (CallbackAnswer::UnknownProvider, 404),
            (CallbackAnswer::NotAuthentic("no".into()), 401),
            (CallbackAnswer::Malformed("no".into()), 400),
            (CallbackAnswer::Unavailable("no".into()), 503),
        ] {
            let problem = map(answered).1.unwrap_err();
            assert_eq!(problem.slug.status(), status);
        }
    }
}
