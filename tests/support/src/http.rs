//! Requests to servers on this machine, with the whole answer as a value.
//!
//! Deliberately without a connection pool: a gateway that was killed and
//! started again must never be met through a connection of its former life.
//! An answer of any status is a value; only a broken exchange is an error.

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client as Legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use std::time::Duration;

/// How long one exchange may take; far above anything a healthy server needs.
const EXCHANGE: Duration = Duration::from_secs(30);

/// Sends requests; cheap to clone.
#[derive(Clone)]
pub struct Client(Legacy<HttpConnector, Full<Bytes>>);

impl Client {
    /// A client for the runtime it is used on.
    pub fn new() -> Self {
        Self(
            Legacy::builder(TokioExecutor::new())
                .pool_max_idle_per_host(0)
                .build(HttpConnector::new()),
        )
    }

    /// Starts a request; nothing leaves before [`Request::send`].
    pub fn request(&self, method: Method, url: impl Into<String>) -> Request {
        Request {
            client: self.clone(),
            method,
            url: url.into(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
        }
    }

    /// Starts a `GET`.
    pub fn get(&self, url: impl Into<String>) -> Request {
        self.request(Method::GET, url)
    }

    /// Starts a `POST` without a body.
    pub fn post(&self, url: impl Into<String>) -> Request {
        self.request(Method::POST, url)
    }

    /// Starts a `PUT` without a body.
    pub fn put(&self, url: impl Into<String>) -> Request {
        self.request(Method::PUT, url)
    }
}

impl Default for Client {
    fn default() -> Self {
        Self::new()
    }
}

/// A request being put together.
#[must_use = "nothing leaves before send()"]
pub struct Request {
    client: Client,
    method: Method,
    url: String,
    headers: HeaderMap,
    body: Bytes,
}

impl Request {
    /// Adds a header; the last one of a name wins.
    ///
    /// # Panics
    /// When `value` is not a header value: the test itself is wrong then.
    pub fn header(mut self, name: impl AsRef<str>, value: impl AsRef<str>) -> Self {
        let name =
            HeaderName::from_bytes(name.as_ref().as_bytes()).expect("a test names real headers");
        let value =
            HeaderValue::from_str(value.as_ref()).expect("a test sends visible header values");
        self.headers.insert(name, value);
        self
    }

    /// Adds `Authorization: Bearer <token>`.
    pub fn bearer(self, token: impl AsRef<str>) -> Self {
        self.header(AUTHORIZATION, format!("Bearer {}", token.as_ref()))
    }

    /// Sends `value` as JSON.
    pub fn json(self, value: &Value) -> Self {
        self.body("application/json", value.to_string())
    }

    /// Sends these pairs as a form.
    pub fn form(self, pairs: &[(&str, &str)]) -> Self {
        let body: Vec<String> = pairs
            .iter()
            .map(|(key, value)| format!("{}={}", escape(key), escape(value)))
            .collect();
        self.body("application/x-www-form-urlencoded", body.join("&"))
    }

    /// Sends raw bytes, well-formed or not.
    pub fn body(mut self, content_type: &str, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self.header(CONTENT_TYPE, content_type)
    }

    /// Performs the exchange and reads the whole answer.
    pub async fn send(self) -> Result<Response> {
        let what = format!("{} {}", self.method, self.url);
        let exchange = async {
            let (head, body) = self.open().await?.into_parts();
            let body = body
                .collect()
                .await
                .with_context(|| format!("reading the answer of {what}"))?;
            Ok(Response {
                what: what.clone(),
                status: head.status,
                headers: head.headers,
                body: body.to_bytes(),
            })
        };
        match tokio::time::timeout(EXCHANGE, exchange).await {
            Ok(answer) => answer,
            Err(_) => bail!("{what}: no whole answer within {EXCHANGE:?}"),
        }
    }

    /// Performs the request and hands out the answer with its body still
    /// arriving; for event streams.
    pub async fn stream(self) -> Result<http::Response<Incoming>> {
        let what = format!("{} {}", self.method, self.url);
        match tokio::time::timeout(EXCHANGE, self.header(ACCEPT, "text/event-stream").open()).await
        {
            Ok(answer) => answer,
            Err(_) => bail!("{what}: no answer within {EXCHANGE:?}"),
        }
    }

    async fn open(self) -> Result<http::Response<Incoming>> {
        let what = format!("{} {}", self.method, self.url);
        let mut request = http::Request::builder().method(self.method).uri(&self.url);
        if let Some(headers) = request.headers_mut() {
            *headers = self.headers;
        }
        let request = request
            .body(Full::new(self.body))
            .with_context(|| what.clone())?;
        self.client.0.request(request).await.with_context(|| what)
    }
}

/// A whole answer.
#[derive(Debug, Clone)]
pub struct Response {
    what: String,
    /// The status line's code.
    pub status: StatusCode,
    /// All headers.
    pub headers: HeaderMap,
    /// The body as it came.
    pub body: Bytes,
}

impl Response {
    /// The body as text, with bytes that are none replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_slice(&self.body).with_context(|| {
            format!(
                "{} answered {} with no JSON: {}",
                self.what,
                self.status,
                self.text()
            )
        })
    }

    /// A header's text, when there is one.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The answer itself when its status is `status`, else an error that shows
    /// what came instead.
    pub fn expect(self, status: u16) -> Result<Self> {
        if self.status.as_u16() != status {
            bail!(
                "{} answered {} instead of {status}: {}",
                self.what,
                self.status,
                self.text()
            );
        }
        Ok(self)
    }

    /// The JSON of an answer that must be a problem with this status and slug
    /// (`urn:kefu:problem:<slug>`), so that a test names exactly one cause.
    pub fn expect_problem(self, status: u16, slug: &str) -> Result<Value> {
        let answer = self.expect(status)?;
        let content_type = answer.header("content-type").unwrap_or_default();
        if !content_type.starts_with("application/problem+json") {
            bail!(
                "{} answered {status} as {content_type:?}, not as a problem: {}",
                answer.what,
                answer.text()
            );
        }
        let problem = answer.json()?;
        let wanted = format!("urn:kefu:problem:{slug}");
        if problem["type"] != wanted.as_str() || problem["status"] != status {
            bail!(
                "{} answered another problem than {wanted}: {problem}",
                answer.what
            );
        }
        Ok(problem)
    }
}

/// Percent-encodes everything but unreserved characters.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(byte))
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, content_type: &str, body: &str) -> Response {
        let mut headers = HeaderMap::new();
        let content_type = HeaderValue::from_str(content_type).unwrap();
        headers.insert(CONTENT_TYPE, content_type);
        Response {
            what: "GET http://x".to_owned(),
            status: StatusCode::from_u16(status).unwrap(),
            headers,
            body: Bytes::copy_from_slice(body.as_bytes()),
        }
    }

    #[test]
    fn an_unexpected_status_shows_what_came_instead() {
        let error = answer(503, "text/plain", "overloaded")
            .expect(202)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("503") && error.contains("202") && error.contains("overloaded"),
            "{error}"
        );
    }

    #[test]
    fn a_problem_counts_only_with_its_slug_status_and_content_type() {
        let body = r#"{"type":"urn:kefu:problem:too-large","title":"t","status":413}"#;
        let problem = |content_type: &str| answer(413, content_type, body);
        assert!(
            problem("application/problem+json")
                .expect_problem(413, "too-large")
                .is_ok()
        );
        assert!(
            problem("application/problem+json")
                .expect_problem(413, "forbidden")
                .is_err()
        );
        assert!(
            problem("application/problem+json")
                .expect_problem(400, "too-large")
                .is_err()
        );
        assert!(
            problem("application/json")
                .expect_problem(413, "too-large")
                .is_err()
        );
    }

    #[test]
    fn form_values_keep_every_character() {
        assert_eq!(escape("a b&c=你"), "a%20b%26c%3D%E4%BD%A0");
    }

    #[tokio::test]
    async fn a_refused_connection_is_an_error_that_names_the_request() {
        // Port 9 of this machine: reserved for discarding, served by nobody here.
        let error = Client::new()
            .get("http://127.0.0.1:9/x")
            .send()
            .await
            .unwrap_err();
        assert!(
            error.to_string().contains("GET http://127.0.0.1:9/x"),
            "{error}"
        );
    }
}
