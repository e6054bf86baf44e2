//! A client that calls as a gateway would, and a receiver of pushes.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, Request, StatusCode, Uri};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use kefu_simulators::{Handle, Settings, jiaxin, zhichi};
use md5::{Digest, Md5};
use serde_json::{Value, json};
use sha2::Sha256;
use time::OffsetDateTime;
use tokio::sync::mpsc;

/// The longest that a test waits for something that must happen.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) const SECRET: &str = "whsec_a2VmdS1kZW1vLXNlY3JldC1mb3ItamlheGluLTAx";

pub(crate) fn free_port() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

pub(crate) fn settings(patch: &Value) -> Settings {
    Settings::default().patched(patch).expect("valid settings")
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Got {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }
}

#[derive(Clone)]
pub(crate) struct Http(Client<HttpConnector, Full<Bytes>>);

impl Http {
    pub(crate) fn new() -> Self {
        Self(Client::builder(TokioExecutor::new()).build_http())
    }

    pub(crate) async fn send(
        &self,
        method: &str,
        url: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<Got, String> {
        let mut request = Request::builder().method(method).uri(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body.into())).expect("a request");
        let answer = tokio::time::timeout(PATIENCE, self.0.request(request)).await;
        let answer = answer
            .expect("an answer in time")
            .map_err(|error| error.to_string())?;
        let (head, body) = answer.into_parts();
        let body = body
            .collect()
            .await
            .map_err(|error| error.to_string())?
            .to_bytes();
        Ok(Got {
            status: head.status.as_u16(),
            headers: head.headers,
            text: String::from_utf8(body.to_vec()).expect("text"),
        })
    }

    pub(crate) async fn get(&self, url: &str) -> Value {
        let got = self.send("GET", url, &[], "").await.expect("an answer");
        assert_eq!(got.status, 200, "{url}: {}", got.text);
        got.json()
    }

    pub(crate) async fn post(&self, url: &str, body: &Value) -> Got {
        self.send("POST", url, &[], body.to_string())
            .await
            .expect("an answer")
    }

    pub(crate) async fn patch(&self, url: &str, body: &Value) -> Got {
        self.send("PATCH", url, &[], body.to_string())
            .await
            .expect("an answer")
    }
}

/// A simulator and the control API's client.
pub(crate) struct Desk {
    pub(crate) http: Http,
    pub(crate) handle: Handle,
}

impl Desk {
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.handle.url)
    }

    pub(crate) async fn fault(&self, fault: Value) {
        let got = self.http.post(&self.url("/control/faults"), &fault).await;
        assert_eq!(got.status, 201, "{}", got.text);
    }

    pub(crate) async fn act(&self, visitor: &str, action: Value) -> Value {
        let url = self.url(&format!("/control/visitors/{visitor}/agent"));
        let got = self.http.post(&url, &action).await;
        assert_eq!(got.status, 200, "{action}: {}", got.text);
        got.json()
    }

    pub(crate) async fn log(&self, query: &str) -> Vec<Value> {
        let page = self
            .http
            .get(&self.url(&format!("/control/log?{query}")))
            .await;
        page["entries"].as_array().expect("entries").clone()
    }

    pub(crate) async fn pushes(&self, query: &str) -> Vec<Value> {
        let page = self
            .http
            .get(&self.url(&format!("/control/pushes?{query}")))
            .await;
        page["entries"].as_array().expect("entries").clone()
    }

    pub(crate) async fn visitor(&self, id: &str) -> Value {
        self.http
            .get(&self.url(&format!("/control/visitors/{id}")))
            .await
    }
}

/// A 智齿 simulator with a token.
pub(crate) struct Zhichi {
    pub(crate) desk: Desk,
    pub(crate) token: String,
}

impl Zhichi {
    pub(crate) async fn start(patch: Value) -> Self {
        let config = zhichi::Config {
            settings: settings(&patch),
            ..zhichi::Config::default()
        };
        let handle = zhichi::start(free_port(), config)
            .await
            .expect("a simulator");
        let desk = Desk {
            http: Http::new(),
            handle,
        };
        let token = fetch_token(&desk).await;
        Self { desk, token }
    }

    pub(crate) async fn call(&self, operation: &str, body: Value) -> Value {
        let got = self.try_call(operation, body).await.expect("an answer");
        assert_eq!(got.status, 200, "{}", got.text);
        got.json()
    }

    /// The `item` of a successful call.
    pub(crate) async fn item(&self, operation: &str, body: Value) -> Value {
        let answer = self.call(operation, body).await;
        assert_eq!(answer["ret_code"], "000000", "{answer}");
        answer["item"].clone()
    }

    pub(crate) async fn try_call(&self, operation: &str, body: Value) -> Result<Got, String> {
        let url = self.desk.url(&format!("/api/chat/5/user/{operation}"));
        let headers = [("token", self.token.as_str())];
        self.desk
            .http
            .send("POST", &url, &headers, body.to_string())
            .await
    }
}

pub(crate) fn token_query(app_id: &str, time: &str, key: &str) -> String {
    let sign: String = Md5::digest(format!("{app_id}{time}{key}"))
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("/api/get_token?appid={app_id}&create_time={time}&sign={sign}")
}

pub(crate) async fn fetch_token(desk: &Desk) -> String {
    let url = desk.url(&token_query("demo-app", "1795420800", "demo-key"));
    let answer = desk.http.get(&url).await;
    answer["item"]["token"]
        .as_str()
        .expect("a token")
        .to_owned()
}

/// A 佳信 simulator, called with good signatures.
pub(crate) struct Jiaxin {
    pub(crate) desk: Desk,
}

/// What a call to it says, before it is signed.
pub(crate) fn envelope(id: &str, op: &str, visitor: &str, data: Value) -> Value {
    json!({
        "id": id, "ts": "2026-11-23T08:00:00.000Z", "account": "demo/kefu",
        "visitor_id": visitor, "op": op, "data": data,
    })
}

impl Jiaxin {
    pub(crate) async fn start(patch: Value) -> Self {
        let config = jiaxin::Config {
            secrets: vec![SECRET.to_owned()],
            settings: settings(&patch),
            ..jiaxin::Config::default()
        };
        let handle = jiaxin::start(free_port(), config)
            .await
            .expect("a simulator");
        let desk = Desk {
            http: Http::new(),
            handle,
        };
        Self { desk }
    }

    pub(crate) async fn call(&self, op: &str, visitor: &str, data: Value) -> Value {
        let id = uuid::Uuid::now_v7().to_string();
        self.send(&id, op, &envelope(&id, op, visitor, data))
            .await
            .json()
    }

    /// The `data` of a successful call.
    pub(crate) async fn data(&self, op: &str, visitor: &str, data: Value) -> Value {
        let answer = self.call(op, visitor, data).await;
        assert_eq!(answer["code"], 0, "{answer}");
        answer["data"].clone()
    }

    pub(crate) async fn open(&self, visitor: &str) -> Value {
        self.data("session.open", visitor, json!({"channel_no": "10001"}))
            .await
    }

    pub(crate) async fn say(&self, visitor: &str, content: Value) -> Value {
        self.call(
            "message.send",
            visitor,
            json!({"msg_id": "m", "content": content}),
        )
        .await
    }

    pub(crate) async fn send(&self, id: &str, op: &str, body: &Value) -> Got {
        self.send_at(
            id,
            op,
            body,
            OffsetDateTime::now_utc().unix_timestamp(),
            SECRET,
        )
        .await
    }

    pub(crate) async fn send_at(
        &self,
        id: &str,
        op: &str,
        body: &Value,
        time: i64,
        secret: &str,
    ) -> Got {
        let body = body.to_string();
        let time = time.to_string();
        let signature = sign(secret, id, &time, body.as_bytes());
        let headers = [
            ("webhook-id", id),
            ("webhook-timestamp", time.as_str()),
            ("webhook-signature", signature.as_str()),
        ];
        let url = self.desk.url(&format!("/sdp/v1/{op}"));
        self.desk
            .http
            .send("POST", &url, &headers, body)
            .await
            .expect("an answer")
    }
}

/// A Standard Webhooks signature, made independently of the simulator's.
pub(crate) fn sign(secret: &str, id: &str, time: &str, body: &[u8]) -> String {
    let key = STANDARD
        .decode(secret.trim_start_matches("whsec_"))
        .expect("base64");
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("a key");
    mac.update(&[id.as_bytes(), b".", time.as_bytes(), b".", body].concat());
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

/// A push as it arrived.
#[derive(Debug)]
pub(crate) struct Arrived {
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Arrived {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().expect("text")
    }
}

type Answers = Arc<Mutex<VecDeque<u16>>>;

/// Stands where the gateway's callback address is.
pub(crate) struct Receiver {
    pub(crate) url: String,
    arrived: mpsc::UnboundedReceiver<Arrived>,
    answers: Answers,
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        let (sender, arrived) = mpsc::unbounded_channel();
        let answers = Answers::default();
        let router = Router::new()
            .fallback(take)
            .with_state((sender, Arc::clone(&answers)));
        let listener = tokio::net::TcpListener::bind(free_port())
            .await
            .expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self {
            url,
            arrived,
            answers,
        }
    }

    /// The next pushes are answered with these, all others with 200.
    pub(crate) fn answer_with(&self, statuses: &[u16]) {
        self.answers.lock().expect("unpoisoned").extend(statuses);
    }

    pub(crate) async fn next(&mut self) -> Arrived {
        let next = tokio::time::timeout(PATIENCE, self.arrived.recv()).await;
        next.expect("a push in time").expect("a receiver")
    }

    pub(crate) fn is_empty(&mut self) -> bool {
        self.arrived.try_recv().is_err()
    }
}

async fn take(
    State((sender, answers)): State<(mpsc::UnboundedSender<Arrived>, Answers)>,
    _: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    let status = answers
        .lock()
        .expect("unpoisoned")
        .pop_front()
        .unwrap_or(200);
    let path = uri.path().to_owned();
    let query = uri.query().unwrap_or_default().to_owned();
    // A test that has seen enough may be gone already.
    let _ = sender.send(Arrived {
        path,
        query,
        headers,
        body,
    });
    StatusCode::from_u16(status).expect("a status")
}
