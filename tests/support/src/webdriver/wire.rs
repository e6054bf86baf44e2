//! The WebDriver protocol as requests and answers: one JSON value in, one out.
//!
//! It knows no command; an error answer becomes an error with the driver's own
//! words.

use std::time::Duration;

use anyhow::{Context, bail};
use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use tokio::time::timeout;

/// A driver's address and the session that commands belong to.
#[derive(Debug)]
pub(super) struct Wire {
    pub(super) address: String,
    pub(super) session: String,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl Wire {
    pub(super) fn new(address: String) -> Self {
        Self {
            address,
            session: String::new(),
            client: Client::builder(TokioExecutor::new()).build_http(),
        }
    }

    /// A command of the session.
    pub(super) async fn command(
        &self,
        method: Method,
        path: &str,
        body: Value,
    ) -> anyhow::Result<Value> {
        let path = format!("/session/{}{path}", self.session);
        self.call(method, &path, body).await
    }

    /// Any request; `null` is sent as no body.
    pub(super) async fn call(
        &self,
        method: Method,
        path: &str,
        body: Value,
    ) -> anyhow::Result<Value> {
        let payload = match body {
            Value::Null => Bytes::new(),
            body => Bytes::from(body.to_string()),
        };
        let request = Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.address))
            .header("content-type", "application/json")
            .body(Full::new(payload))
            .context("building a WebDriver request")?;
        let exchange = async {
            let response = self
                .client
                .request(request)
                .await
                .context("talking to chromedriver")?;
            let status = response.status();
            let body = response
                .into_body()
                .collect()
                .await
                .context("reading chromedriver's answer")?;
            anyhow::Ok((status, body.to_bytes()))
        };
        let (status, bytes) = timeout(CALL_LIMIT, exchange)
            .await
            .context("chromedriver did not answer in time")??;
        let mut answer: Value =
            serde_json::from_slice(&bytes).context("chromedriver's answer is not JSON")?;
        let value = answer["value"].take();
        if !status.is_success() {
            let word = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
            bail!("{}: {}", word("error"), word("message"));
        }
        Ok(value)
    }
}

const CALL_LIMIT: Duration = Duration::from_secs(60);
