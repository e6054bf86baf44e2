//! The client of the admin API.
//!
//! Owns the one connection of a command, and the words for what can go wrong
//! on it. Deliberately knows no call. Invariant: the token goes to the address
//! that was named, over no redirect.

use std::time::Duration;

use anyhow::{Context, bail};
use bytes::Bytes;
use http::{
    HeaderValue, Method, Request, Uri,
    header::{AUTHORIZATION, CONTENT_TYPE},
};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::{
    client::legacy::{Client as Http, connect::HttpConnector},
    rt::TokioExecutor,
};
use kefu_plugin_api::Secret;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

/// One gateway's admin API.
#[derive(Debug)]
pub(in crate::cli) struct Client {
    /// Without a slash at the end.
    base: String,
    authorization: HeaderValue,
}

impl Client {
    /// For the gateway at this address.
    ///
    /// # Errors
    /// The address or the token cannot be used.
    pub(in crate::cli) fn new(url: &str, token: Secret) -> anyhow::Result<Self> {
        let base = url.trim_end_matches('/');
        let right = "right would be http://host:port, such as http://127.0.0.1:9090";
        let uri: Uri = base
            .parse()
            .ok()
            .filter(|uri: &Uri| uri.authority().is_some())
            .with_context(|| format!("the admin address {url:?} is none; {right}"))?;
        if uri.scheme_str() != Some("http") || uri.path() != "/" || uri.query().is_some() {
            bail!("the admin address {url:?} cannot be used; {right}");
        }
        let mut authorization = HeaderValue::try_from(format!("Bearer {}", token.expose()))
            .context("the admin token has characters that no header can carry")?;
        authorization.set_sensitive(true);
        Ok(Self {
            base: base.to_owned(),
            authorization,
        })
    }

    /// Asks.
    ///
    /// # Errors
    /// No answer, or a refusal.
    pub(in crate::cli) fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.ask(Method::GET, path, Bytes::new())
    }

    /// Commands.
    ///
    /// # Errors
    /// No answer, or a refusal.
    pub(super) fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.ask(Method::POST, path, body.to_string().into())
    }

    /// Sets.
    ///
    /// # Errors
    /// No answer, or a refusal.
    pub(super) fn put(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.ask(Method::PUT, path, body.to_string().into())
    }

    fn ask(&self, method: Method, path: &str, body: Bytes) -> anyhow::Result<Value> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let url = format!("{}{path}", self.base);
        let request = Request::builder()
            .method(&method)
            .uri(&url)
            .header(AUTHORIZATION, self.authorization.clone())
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(body))
            .with_context(|| format!("{url} is no address"))?;
        let (status, bytes) = runtime
            .block_on(async {
                match tokio::time::timeout(PATIENCE, send(request)).await {
                    Ok(answered) => answered,
                    Err(_) => bail!("no answer within {} s", PATIENCE.as_secs()),
                }
            })
            .with_context(|| format!("cannot {method} {url}; does the gateway run there?"))?;
        let answer: Value = serde_json::from_slice(&bytes)
            .with_context(|| format!("{url} answered {status} with something that is not JSON"))?;
        if (200..300).contains(&status) {
            return Ok(answer);
        }
        let detail = answer["detail"].as_str().unwrap_or("it did not say why");
        bail!("{method} {url} was refused with {status}: {detail}")
    }
}

async fn send(request: Request<Full<Bytes>>) -> anyhow::Result<(u16, Bytes)> {
    let http: Http<HttpConnector, Full<Bytes>> = Http::builder(TokioExecutor::new()).build_http();
    let answer = http.request(request).await?;
    let status = answer.status().as_u16();
    let body = Limited::new(answer.into_body(), MAX_ANSWER).collect().await;
    let body = body.map_err(|error| anyhow::anyhow!("the answer broke off: {error}"))?;
    Ok((status, body.to_bytes()))
}

/// The path of a command on a provider.
pub(super) fn provider(id: &str, command: &str) -> String {
    let id = utf8_percent_encode(id, SEGMENT);
    format!("/admin/v1/providers/{id}{command}")
}

/// The path that has a dead letter tried again.
pub(super) fn replay(letter: &str) -> String {
    let letter = utf8_percent_encode(letter, SEGMENT);
    format!("/admin/v1/dead-letters/{letter}/replay")
}

/// The path of a session's trail after a number of its log.
pub(super) fn trail(session: &str, after: u64) -> String {
    let session = utf8_percent_encode(session, SEGMENT);
    format!("/admin/v1/sessions/{session}/trail?limit=1000&after={after}")
}

/// The path of what is asked about a migration, or of a command on it.
pub(super) fn migration(name: &str, part: &str) -> String {
    let name = utf8_percent_encode(name, SEGMENT);
    format!("/admin/v1/migrations/{name}{part}")
}

/// The path of what is asked about a desk.
pub(super) fn desk(id: &str, question: &str) -> String {
    let id = utf8_percent_encode(id, SEGMENT);
    format!("/admin/v1/desks/{id}{question}")
}

/// What stays as it is in a segment of a path.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'~');
/// A gateway answers earlier, with 202, once a command takes too long.
const PATIENCE: Duration = Duration::from_secs(120);
const MAX_ANSWER: usize = 64 << 20;

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        net::TcpListener,
    };

    use super::*;

    #[test]
    fn an_address_that_cannot_be_used_says_what_would_be_right() {
        for url in [
            "",
            "127.0.0.1:9090",
            "/admin",
            "https://127.0.0.1:9090",
            "http://127.0.0.1:9090/admin",
            "http://127.0.0.1:9090?x",
            "ftp://h",
            "http://",
            "http://a b",
        ] {
            let error = Client::new(url, Secret::new("token")).unwrap_err();
            assert!(
                error.to_string().contains("http://host:port"),
                "{url}: {error}"
            );
        }
        assert!(Client::new("http://[::1]:9090/", Secret::new("token")).is_ok());
        assert!(Client::new("http://h:1", Secret::new("a\nb")).is_err());
    }

    #[test]
    fn a_provider_cannot_leave_its_segment() {
        assert_eq!(
            provider("zhichi-2_b", "/pause"),
            "/admin/v1/providers/zhichi-2_b/pause"
        );
        assert_eq!(provider("../x?y", ""), "/admin/v1/providers/%2E%2E%2Fx%3Fy");
    }

    #[test]
    fn an_answer_is_read_and_the_token_was_sent() {
        let (url, heard) = gateway("200 OK", r#"{"providers": []}"#);
        let client = Client::new(&url, Secret::new("the-token")).unwrap();
        assert_eq!(
            client.get("/admin/v1/providers").unwrap()["providers"],
            serde_json::json!([])
        );
        let heard = heard.join().unwrap();
        assert!(
            heard.starts_with("GET /admin/v1/providers HTTP/1.1\r\n"),
            "{heard}"
        );
        assert!(
            heard.contains("authorization: Bearer the-token\r\n"),
            "{heard}"
        );
    }

    #[test]
    fn a_refusal_is_told_in_the_gateways_words() {
        let (url, heard) = gateway("404 Not Found", r#"{"detail": "there is no provider `x`"}"#);
        let client = Client::new(&url, Secret::new("the-token")).unwrap();
        let error = client
            .post("/p", &serde_json::json!({}))
            .unwrap_err()
            .to_string();
        assert!(error.contains("404: there is no provider `x`"), "{error}");
        heard.join().unwrap();
    }

    #[test]
    fn what_is_no_gateway_is_said_to_be_none() {
        let (url, heard) = gateway("200 OK", "<html>");
        let client = Client::new(&url, Secret::new("the-token")).unwrap();
        let error = client.get("/").unwrap_err().to_string();
        assert!(error.contains("not JSON"), "{error}");
        heard.join().unwrap();

        let nobody = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", nobody.local_addr().unwrap());
        drop(nobody);
        let client = Client::new(&url, Secret::new("the-token")).unwrap();
        let error = client.get("/").unwrap_err().to_string();
        assert!(error.contains("does the gateway run there?"), "{error}");
    }

    /// Answers one request, and hands over what it was.
    fn gateway(status: &str, body: &str) -> (String, std::thread::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let answer = format!(
            "HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let heard = std::thread::spawn(move || {
            let (mut socket, _) = listener.accept().unwrap();
            let mut heard = Vec::new();
            let mut piece = [0; 4096];
            while !heard.windows(4).any(|end| end == b"\r\n\r\n") {
                let read = socket.read(&mut piece).unwrap();
                assert_ne!(read, 0, "the request broke off");
                heard.extend_from_slice(&piece[..read]);
            }
            socket.write_all(answer.as_bytes()).unwrap();
            String::from_utf8(heard).unwrap()
        });
        (url, heard)
    }
}
