//! A visitor: tokens, the calls of the visitor API, waiting for events.
//!
//! Owns an identity at one app, and nothing else: sessions are named by their
//! ids, answers of any status are values. Every message gets an idempotency
//! key of its own unless the test names one.

use crate::events::outline;
use crate::http::{Client, Request, Response, escape};
use crate::sse::Stream;
use crate::wait;
use anyhow::{Context, Result};
use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};

pub use crate::events::{Accepted, Event, check_gap_free};
pub use crate::token::{Claims, now};

/// A visitor with a token.
#[derive(Clone)]
pub struct Visitor {
    http: Client,
    base: String,
    id: String,
    token: String,
}

impl Visitor {
    /// A visitor of an app whose gateway is at `base`.
    pub fn new(base: String, app: &str, secret: &str, id: &str) -> Self {
        let token = Claims::new(app, id).sign(secret);
        Self {
            http: Client::new(),
            base,
            id: id.to_owned(),
            token,
        }
    }

    /// The same visitor showing another token, valid or not.
    #[must_use]
    pub fn with_token(mut self, token: impl Into<String>) -> Self {
        self.token = token.into();
        self
    }

    /// The address of its gateway.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The visitor's id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The token it shows.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// A call of the visitor API with the visitor's token.
    pub fn request(&self, method: Method, path: &str) -> Request {
        self.http
            .request(method, format!("{}{path}", self.base))
            .bearer(&self.token)
    }

    /// Asks for a session at `desk`; the answer may be a refusal.
    pub async fn try_open(&self, body: &Value) -> Result<Response> {
        self.post("/v1/sessions", body).send().await
    }

    /// Opens a session at `desk`, or gets the open one, and returns it.
    pub async fn open(&self, desk: &str) -> Result<Value> {
        self.open_with(&json!({ "desk": desk })).await
    }

    /// As [`Visitor::open`], with a whole body.
    pub async fn open_with(&self, body: &Value) -> Result<Value> {
        let answer = self.try_open(body).await?;
        anyhow::ensure!(
            matches!(answer.status.as_u16(), 200 | 201),
            "opening with {body} was answered {}: {}",
            answer.status,
            answer.text()
        );
        answer.json()
    }

    /// Opens a session that was not open, and waits for the vendor's
    /// handshake.
    pub async fn open_and_wait(&self, body: &Value) -> Result<Value> {
        let request = self.post("/v1/sessions", body);
        let answer = request
            .header("prefer", "wait=20")
            .send()
            .await?
            .expect(201)?;
        answer.json()
    }

    /// The session as it stands.
    pub async fn session(&self, session: &str) -> Result<Value> {
        self.request(Method::GET, &format!("/v1/sessions/{session}"))
            .send()
            .await?
            .expect(200)?
            .json()
    }

    /// Sends content; the answer may be a refusal.
    pub async fn try_send(&self, session: &str, content: &Value) -> Result<Response> {
        self.post(
            &format!("/v1/sessions/{session}/messages"),
            &json!({ "content": content }),
        )
        .send()
        .await
    }

    /// Sends content under an idempotency key of the test's choice.
    pub async fn send_with_key(
        &self,
        session: &str,
        content: &Value,
        key: &str,
    ) -> Result<Response> {
        let path = format!("/v1/sessions/{session}/messages");
        self.post(&path, &json!({ "content": content }))
            .header("idempotency-key", key)
            .send()
            .await
    }

    /// Sends a text that must be taken.
    pub async fn send_text(&self, session: &str, text: &str) -> Result<Accepted> {
        let answer = self
            .try_send(session, &json!({ "type": "text", "text": text }))
            .await?
            .expect(202)?;
        serde_json::from_slice(&answer.body).context("the answer to a message names its id and seq")
    }

    /// Asks for a human, in a group or in none.
    pub async fn ask_for_human(&self, session: &str, group: Option<&str>) -> Result<Response> {
        let body = group.map_or_else(|| json!({}), |group| json!({ "group": group }));
        self.act(session, "human", &body).await
    }

    /// Rates.
    pub async fn evaluate(&self, session: &str, rating: &Value) -> Result<Response> {
        self.act(session, "evaluation", rating).await
    }

    /// Leaves a message for later.
    pub async fn leave_message(&self, session: &str, fields: &Value) -> Result<Response> {
        self.act(session, "leave-message", &json!({ "fields": fields }))
            .await
    }

    /// Leaves.
    pub async fn exit(&self, session: &str) -> Result<Response> {
        self.act(session, "exit", &json!({})).await
    }

    /// Says that the visitor is typing.
    pub async fn typing(&self, session: &str) -> Result<Response> {
        self.act(session, "typing", &json!({})).await
    }

    /// Says up to which event the visitor has read.
    pub async fn read(&self, session: &str, seq: u64) -> Result<Response> {
        self.act(session, "read", &json!({ "seq": seq })).await
    }

    /// Uploads; the answer's JSON has the address.
    pub async fn upload(&self, content_type: &str, bytes: Vec<u8>) -> Result<Response> {
        self.request(Method::POST, "/v1/media")
            .header("idempotency-key", fresh_key())
            .body(content_type, bytes)
            .send()
            .await
    }

    /// All events after `after`, page by page.
    pub async fn events(&self, session: &str, after: u64) -> Result<Vec<Event>> {
        let mut events: Vec<Event> = Vec::new();
        loop {
            let position = events.last().map_or(after, |event| event.seq);
            let path = format!("/v1/sessions/{session}/events?after={position}&limit=1000");
            let request = self
                .request(Method::GET, &path)
                .header("accept", "application/json");
            let page: Page = serde_json::from_slice(&request.send().await?.expect(200)?.body)
                .with_context(|| format!("reading the events of {session} after {position}"))?;
            let (empty, last) = (page.events.is_empty(), page.last_seq);
            events.extend(page.events);
            if empty || events.last().is_some_and(|event| event.seq >= last) {
                return Ok(events);
            }
        }
    }

    /// Waits for an event of the session; `what` completes "waited for …".
    pub async fn wait_for(
        &self,
        session: &str,
        what: &str,
        is_it: impl Fn(&Event) -> bool,
    ) -> Result<Event> {
        self.wait_for_after(session, 0, what, is_it).await
    }

    /// As [`Visitor::wait_for`], looking at events after `after` only.
    pub async fn wait_for_after(
        &self,
        session: &str,
        after: u64,
        what: &str,
        is_it: impl Fn(&Event) -> bool,
    ) -> Result<Event> {
        let mut seen = Vec::new();
        let found = wait::until(what, async || {
            seen = self.events(session, after).await?;
            Ok(seen.iter().find(|event| is_it(event)).cloned())
        })
        .await;
        found.with_context(|| format!("events of {session} after {after}: {}", outline(&seen)))
    }

    /// Waits until the session is in this state, and returns it.
    pub async fn wait_for_state(&self, session: &str, state: &str) -> Result<Value> {
        let mut seen = Value::Null;
        let found = wait::until(&format!("session {session} to be {state}"), async || {
            seen = self.session(session).await?;
            Ok((seen["state"] == state).then(|| seen.clone()))
        })
        .await;
        found.with_context(|| format!("it is {seen}"))
    }

    /// Opens the session's event stream.
    pub async fn stream(&self, session: &str, after: Option<u64>) -> Result<Stream> {
        let query = after.map_or_else(String::new, |after| format!("?after={after}"));
        let path = format!("/v1/sessions/{session}/events{query}");
        Ok(Stream::new(
            self.request(Method::GET, &path).stream().await?,
        ))
    }

    /// Opens the stream over all sessions, from a cursor or from now; the
    /// token goes into the address, as a browser has to do it.
    pub async fn stream_all(&self, cursor: Option<&str>) -> Result<Stream> {
        let url = format!(
            "{}/v1/events?access_token={}",
            self.base,
            escape(&self.token)
        );
        let request = self.http.get(url);
        let request = match cursor {
            Some(cursor) => request.header("last-event-id", cursor),
            None => request,
        };
        Ok(Stream::new(request.stream().await?))
    }

    fn post(&self, path: &str, body: &Value) -> Request {
        self.request(Method::POST, path)
            .header("idempotency-key", fresh_key())
            .json(body)
    }

    async fn act(&self, session: &str, action: &str, body: &Value) -> Result<Response> {
        self.post(&format!("/v1/sessions/{session}/{action}"), body)
            .send()
            .await
    }
}

#[derive(Deserialize)]
struct Page {
    events: Vec<Event>,
    last_seq: u64,
}

fn fresh_key() -> String {
    uuid::Uuid::now_v7().to_string()
}
