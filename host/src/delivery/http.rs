//! The one outbound HTTP client, and what its errors mean.
//!
//! Owns the connection pool, TLS, time-outs and the limit on answers.
//! Deliberately follows no redirect, decodes nothing and repeats nothing that
//! may have been sent. Invariant: an error says [`Failure::Unreachable`] only
//! if not a single byte of the request was given to a connection.
//!
//! That is known from two sides. Until the pool hands the request to a
//! connection, the captured connection is empty; dropping the request then
//! sends nothing. Afterwards hyper returns an error that `is_canceled` exactly
//! when it still held the request unwritten, which is the race with a server
//! that closes an idle connection; hyper-util repeats only those on its own,
//! so that its repeating is safe for calls that must not arrive twice.

use std::{error::Error, pin::Pin, time::Duration};

use bytes::{Bytes, BytesMut};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Uri,
    header::{self, USER_AGENT},
};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{
        Client,
        connect::{HttpConnector, capture_connection},
    },
    rt::{TokioExecutor, TokioTimer},
};
use kefu_core::{config::ProviderLimits, retry::Attempt};
use kefu_plugin_api::http::{HttpRequest, HttpResponse};
use rustls::{ClientConfig, RootCertStore, crypto::ring};
use tokio::time::Sleep;

mod download;
mod objects;
mod resolve;

pub(crate) use download::Downloads;
pub(crate) use objects::ObjectClient;
pub(super) use resolve::Resolver;

/// What connects: guarded names, TLS where the URL asks for it.
type Connector = HttpsConnector<HttpConnector<Resolver>>;

/// Why a request has no answer. The texts are for operators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// As it is, it can never be sent.
    Impossible(String),
    /// Something on our side is missing at the moment.
    NotYet(String),
    /// There was no connection.
    Unreachable(String),
    /// It was sent, at least in part, and no complete answer came.
    NoAnswer(String),
}

impl Failure {
    /// The words for operators.
    pub(crate) fn reason(&self) -> &str {
        match self {
            Self::Impossible(reason)
            | Self::NotYet(reason)
            | Self::Unreachable(reason)
            | Self::NoAnswer(reason) => reason,
        }
    }

    /// The same with other words.
    pub(super) fn map(self, words: impl FnOnce(String) -> String) -> Self {
        match self {
            Self::Impossible(reason) => Self::Impossible(words(reason)),
            Self::NotYet(reason) => Self::NotYet(words(reason)),
            Self::Unreachable(reason) => Self::Unreachable(words(reason)),
            Self::NoAnswer(reason) => Self::NoAnswer(words(reason)),
        }
    }

    /// What it means for the call. The words reach the visitor's app, so they
    /// name no host and no setting.
    pub(super) fn attempt(&self) -> Attempt {
        let not_sent = |detail: &str, passing| Attempt::NotSent {
            detail: detail.to_owned(),
            passing,
        };
        match self {
            Self::Impossible(_) => not_sent("the request was not allowed to leave", false),
            Self::NotYet(_) => not_sent("the provider could not be called", true),
            Self::Unreachable(_) => not_sent("the provider could not be reached", true),
            Self::NoAnswer(_) => Attempt::NoAnswer {
                detail: "the provider did not answer completely".to_owned(),
            },
        }
    }
}

/// The client. One for the gateway: providers share its pool.
pub(crate) struct Http {
    client: Client<Connector, Full<Bytes>>,
}

impl Http {
    pub(crate) fn new() -> Self {
        Self {
            client: new_client(),
        }
    }

    /// Sends a request whose target was checked and whose stamps are filled in.
    ///
    /// # Errors
    /// How far it got.
    pub(super) async fn send(
        &self,
        request: HttpRequest,
        limits: &ProviderLimits,
    ) -> Result<HttpResponse, Failure> {
        let deadline = tokio::time::sleep(limits.timeout);
        tokio::pin!(deadline);
        let response = self
            .head(
                request,
                limits.connect_timeout,
                limits.timeout,
                &mut deadline,
            )
            .await?;
        tokio::select! {
            biased;
            answer = read(response, limits.max_response) => answer,
            () = &mut deadline => Err(no_answer_within(limits.timeout)),
        }
    }

    /// Sends a request of which only the head of the answer counts. What follows
    /// is read as far as it keeps the connection of use, and no further.
    ///
    /// # Errors
    /// How far it got.
    pub(crate) async fn post(
        &self,
        request: HttpRequest,
        timeout: Duration,
    ) -> Result<Received, Failure> {
        let deadline = tokio::time::sleep(timeout);
        tokio::pin!(deadline);
        let connect = timeout.min(LONGEST_CONNECT);
        let response = self.head(request, connect, timeout, &mut deadline).await?;
        let received = Received {
            status: response.status().as_u16(),
            retry_after: response
                .headers()
                .get(header::RETRY_AFTER)
                .and_then(|value| value.to_str().ok())
                .map(str::to_owned),
        };
        tokio::select! {
            biased;
            // Whatever is wrong with it, it was received.
            _ = read(response, WORTH_READING) => {}
            () = &mut deadline => {}
            () = tokio::time::sleep(WORTH_WAITING) => {}
        }
        Ok(received)
    }

    /// Sends a request and waits for the head of its answer.
    async fn head(
        &self,
        request: HttpRequest,
        connect_timeout: Duration,
        timeout: Duration,
        deadline: &mut Pin<&mut Sleep>,
    ) -> Result<http::Response<Incoming>, Failure> {
        let mut request = build(request)?;
        let captured = capture_connection(&mut request);
        let sending = self.client.request(request);
        let mut handed_over = captured.clone();
        tokio::pin!(sending);
        let early = tokio::select! {
            biased;
            response = &mut sending => Some(response),
            () = async { drop(handed_over.wait_for_connection_metadata().await) } => None,
            () = tokio::time::sleep(connect_timeout) => {
                return Err(Failure::Unreachable(format!("no connection within {connect_timeout:?}")));
            }
        };
        let response = match early {
            Some(response) => response,
            None => tokio::select! {
                biased;
                response = &mut sending => response,
                () = deadline => return Err(no_answer_within(timeout)),
            },
        };
        response.map_err(|error| judge(&error))
    }
}

/// The head of an answer, as far as it counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Received {
    /// Its status.
    pub(crate) status: u16,
    /// When to come again, in the server's words.
    pub(crate) retry_after: Option<String>,
}

/// A client with a pool of its own.
fn new_client<B>() -> Client<Connector, B>
where
    B: Body + Send,
    B::Data: Send,
{
    let mut tcp = HttpConnector::new_with_resolver(Resolver::new());
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    // A provider's own limit is kept by `send`; this one shares the time
    // among the addresses of a name.
    tcp.set_connect_timeout(Some(LONGEST_CONNECT));
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(tls())
        .https_or_http()
        .enable_http1()
        .wrap_connector(tcp);
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE)
        .build(connector)
}

fn no_answer_within(timeout: Duration) -> Failure {
    Failure::NoAnswer(format!("no complete answer within {timeout:?}"))
}

/// A client that trusts what the machine trusts.
fn tls() -> ClientConfig {
    let provider = std::sync::Arc::new(ring::default_provider());
    let builder = || {
        ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .expect("ring speaks the default versions of TLS")
    };
    match hyper_rustls::ConfigBuilderExt::with_native_roots(builder()) {
        Ok(config) => config.with_no_client_auth(),
        Err(error) => {
            // Vendors in the operator's own network may do without TLS.
            tracing::warn!(%error, "no root certificates found on this machine, https will fail; install ca-certificates or set SSL_CERT_FILE");
            builder()
                .with_root_certificates(RootCertStore::empty())
                .with_no_client_auth()
        }
    }
}

/// Whether a request has a form that can be sent.
///
/// # Errors
/// It has not.
pub(super) fn check_form(request: HttpRequest) -> Result<(), Failure> {
    build(request).map(drop)
}

fn build(request: HttpRequest) -> Result<Request<Full<Bytes>>, Failure> {
    let impossible = |what: String| Failure::Impossible(what);
    let method: Method = request
        .method
        .parse()
        .ok()
        .filter(|method| *method != Method::CONNECT)
        .ok_or_else(|| impossible(format!("`{}` is no method for a request", request.method)))?;
    let uri = parse_url(&request.url)?;
    let mut built = Request::new(Full::new(Bytes::from(request.body)));
    *built.method_mut() = method;
    *built.uri_mut() = uri;
    let headers = built.headers_mut();
    headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
    for (name, value) in request.headers {
        let Ok(key) = name.parse::<HeaderName>() else {
            return Err(impossible(format!("`{name}` is no name of a header")));
        };
        if OURS.contains(&key) {
            let what =
                format!("header `{name}` belongs to the connection; leave it to the gateway");
            return Err(impossible(what));
        }
        // The value may be a secret.
        let value = HeaderValue::from_str(&value)
            .map_err(|_| impossible(format!("the value of header `{name}` cannot be sent")))?;
        if key == USER_AGENT {
            headers.insert(key, value);
        } else {
            headers.append(key, value);
        }
    }
    Ok(built)
}

/// Reads the URL of a request.
///
/// # Errors
/// It is none. The text does not repeat it: its query may hold secrets.
pub(super) fn parse_url(url: &str) -> Result<Uri, Failure> {
    url.parse()
        .map_err(|error| Failure::Impossible(format!("the request's URL cannot be used: {error}")))
}

fn judge(error: &hyper_util::client::legacy::Error) -> Failure {
    let reason = chain(error);
    if error.is_connect() || is_unwritten(error) {
        Failure::Unreachable(reason)
    } else {
        Failure::NoAnswer(reason)
    }
}

/// Whether hyper gave the request back before it wrote anything of it.
fn is_unwritten(error: &(dyn Error + 'static)) -> bool {
    std::iter::successors(Some(error), |&error| error.source())
        .filter_map(|error| error.downcast_ref::<hyper::Error>())
        .any(hyper::Error::is_canceled)
}

fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let causes = std::iter::successors(error.source(), |&error| error.source());
    for cause in causes {
        let cause = cause.to_string();
        if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    text
}

async fn read(
    response: http::Response<Incoming>,
    max_response: u64,
) -> Result<HttpResponse, Failure> {
    let (parts, mut body) = response.into_parts();
    let too_large = || Failure::NoAnswer(format!("the answer is larger than {max_response} bytes"));
    if body.size_hint().lower() > max_response {
        return Err(too_large());
    }
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Failure::NoAnswer(chain(&error)))?;
        if let Ok(data) = frame.into_data() {
            if (bytes.len() + data.len()) as u64 > max_response {
                return Err(too_large());
            }
            bytes.extend_from_slice(&data);
        }
    }
    Ok(HttpResponse {
        status: parts.status.as_u16(),
        headers: headers_of(&parts.headers),
        body: bytes.into(),
    })
}

fn headers_of(headers: &HeaderMap) -> Vec<(String, String)> {
    headers
        .iter()
        .map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (name.as_str().to_owned(), value)
        })
        .collect()
}

const AGENT: &str = concat!("kefu-gateway/", env!("CARGO_PKG_VERSION"));

/// Shorter than servers commonly keep an idle connection (Node.js and uvicorn:
/// 5 s), so that a request seldom meets a connection that is just being closed:
/// whether it was read by then, nobody could say.
const IDLE: Duration = Duration::from_secs(4);

/// For the head of an answer to what has no provider's limits.
const ANSWERED_WITHIN: Duration = Duration::from_secs(30);

const LONGEST_CONNECT: Duration = Duration::from_secs(10);

/// How much of an answer that does not count is read for the sake of its
/// connection, and for how long.
const WORTH_READING: u64 = 16 * 1024;
const WORTH_WAITING: Duration = Duration::from_millis(100);

/// Headers that describe the connection and the length of the body.
const OURS: [HeaderName; 8] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::EXPECT,
    header::HOST,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_that_cannot_be_sent_is_refused_without_its_secrets() {
        let url = "http://a.com/";
        for (request, named) in [
            (HttpRequest::get("http://a.com/ secret"), "URL"),
            (HttpRequest::get(""), "URL"),
            (HttpRequest::get(url).with_header("host", "b.com"), "`host`"),
            (
                HttpRequest::get(url).with_header("content-length", "1"),
                "`content-length`",
            ),
            (HttpRequest::get(url).with_header("a b", "x"), "`a b`"),
            (
                HttpRequest::get(url).with_header("x-key", "secret\r\ny: z"),
                "`x-key`",
            ),
            (
                HttpRequest {
                    method: "CONNECT".into(),
                    ..HttpRequest::get(url)
                },
                "`CONNECT`",
            ),
        ] {
            match build(request) {
                Err(Failure::Impossible(reason)) => {
                    assert!(reason.contains(named), "{reason}");
                    assert!(!reason.contains("secret"), "{reason}");
                }
                other => panic!("{named}: {other:?}"),
            }
        }
    }

    #[test]
    fn the_gateway_names_itself_unless_the_adapter_names_another() {
        let agent = |request| build(request).unwrap().headers()[USER_AGENT].clone();
        let plain = agent(HttpRequest::get("http://a.com/"));
        assert!(plain.to_str().unwrap().starts_with("kefu-gateway/"));
        let named = HttpRequest::get("http://a.com/").with_header("User-Agent", "desk");
        assert_eq!(agent(named), "desk");
    }
}
