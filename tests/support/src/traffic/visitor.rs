//! One visitor of the traffic: says numbered lines, hears their answers.
//!
//! Owns what was said and heard, with its times. Judges nothing: a refusal is
//! written down like an acceptance, and the next line follows. Invariant: a
//! visitor says one line at a time, so that the order of the lines is the order
//! of their numbers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http::Request;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http_body_util::Full;
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::keep_alive::KeepAlive;
use super::verdict::{Diary, Line};
use crate::events::Accepted;
use crate::sse::{Block, Stream};
use crate::visitor::Visitor;

/// A visitor with an open session.
pub(super) struct Talker {
    pub(super) number: u32,
    pub(super) desk: String,
    /// Lines that were accepted, and answers that came.
    pub(super) accepted: AtomicU64,
    pub(super) answered: AtomicU64,
    /// The highest build id in an answer.
    pub(super) newest_build: AtomicU64,
    /// Told when no further answer is waited for.
    pub(super) closing: Notify,
    visitor: Visitor,
    session: String,
}

/// A line, and what became of the request.
#[derive(Debug, Clone)]
pub(super) struct Said {
    pub(super) line: Line,
    /// When it was due or said, since the traffic began; the earlier of both.
    pub(super) at: Duration,
    /// From then to the gateway's answer.
    pub(super) took: Duration,
    /// The gateway's answer, if it took the line.
    pub(super) accepted: Option<Accepted>,
    /// Why not, if it did not.
    pub(super) refused: Option<String>,
}

/// Something the stream brought.
#[derive(Debug, Clone)]
pub(super) enum Heard {
    /// An answer, and when, since the traffic began.
    Answer(Line, Duration),
    /// The stream ended or broke where it must not.
    Broken(String),
}

impl Talker {
    /// Opens a session and waits for its handshake.
    pub(super) async fn open(visitor: Visitor, desk: String, number: u32) -> Result<Self> {
        let session = visitor.open_and_wait(&json!({ "desk": desk })).await?;
        let id = session["id"].as_str().context("a session without an id")?;
        ensure!(session["state"] == "robot", "not open yet: {session}");
        Ok(Self {
            number,
            desk,
            accepted: AtomicU64::new(0),
            answered: AtomicU64::new(0),
            newest_build: AtomicU64::new(0),
            closing: Notify::new(),
            session: id.to_owned(),
            visitor,
        })
    }

    /// Says a line every `period` from `first` on, until `stop`.
    pub(super) async fn talk(
        self: Arc<Self>,
        first: Instant,
        period: Duration,
        began: Instant,
        stop: Arc<AtomicBool>,
    ) -> Result<Vec<Said>> {
        let mut connection = KeepAlive::new(self.visitor.base());
        let (mut said, mut due) = (Vec::new(), first);
        for number in 1.. {
            tokio::time::sleep_until(due.into()).await;
            if stop.load(Ordering::Relaxed) {
                break;
            }
            // A line that waited for the one before counts from its due time:
            // whoever is answered late would otherwise also be asked less. One
            // whose timer was merely coarse counts from now.
            let now = Instant::now();
            let at = if now.duration_since(due) < TIMER_SLACK {
                now
            } else {
                due
            };
            let line = Line {
                number,
                build: None,
            };
            let outcome = self.say(&mut connection, line).await;
            let took = at.elapsed();
            if outcome.is_ok() {
                self.accepted.fetch_add(1, Ordering::Relaxed);
            }
            let (accepted, refused) = match outcome {
                Ok(accepted) => (Some(accepted), None),
                Err(error) => (None, Some(format!("{error:#}"))),
            };
            said.push(Said {
                line,
                at: at.duration_since(began),
                took,
                accepted,
                refused,
            });
            due += period;
        }
        Ok(said)
    }

    async fn say(&self, connection: &mut KeepAlive, line: Line) -> Result<Accepted> {
        let path = format!("/v1/sessions/{}/messages", self.session);
        let content = json!({ "type": "text", "text": line.to_string() });
        let request = Request::post(path)
            .header(AUTHORIZATION, format!("Bearer {}", self.visitor.token()))
            .header(CONTENT_TYPE, "application/json")
            .header("idempotency-key", uuid::Uuid::now_v7().to_string())
            .body(Full::new(Bytes::from(
                json!({ "content": content }).to_string(),
            )))
            .context("putting a request together")?;
        let (status, body) = connection.send(request).await?;
        ensure!(
            status == 202,
            "answered {status}: {}",
            String::from_utf8_lossy(&body)
        );
        serde_json::from_slice(&body).context("the answer names no id and seq")
    }

    /// Reads the stream until [`Talker::closing`].
    pub(super) async fn listen(self: Arc<Self>, began: Instant) -> Vec<Heard> {
        let mut heard = Vec::new();
        let mut position = None;
        loop {
            let reading = self.read(&mut heard, &mut position, began);
            tokio::select! {
                biased;
                () = self.closing.notified() => return heard,
                Err(error) = reading => heard.push(Heard::Broken(format!("{error:#}"))),
            }
            // Whoever lost a stream takes it up again, though not at once.
            tokio::time::sleep(AGAIN).await;
        }
    }

    async fn read(
        &self,
        heard: &mut Vec<Heard>,
        position: &mut Option<u64>,
        began: Instant,
    ) -> Result<std::convert::Infallible> {
        let mut stream: Stream = self.visitor.stream(&self.session, *position).await?;
        ensure!(
            stream.status == 200,
            "the stream answered {}",
            stream.status
        );
        loop {
            let block = stream.next(SILENCE).await?.context("the stream ended")?;
            let Block::Event { data, .. } = block else {
                continue;
            };
            *position = data["seq"].as_u64();
            if let Some(line) = answer(&data) {
                heard.push(Heard::Answer(line, began.elapsed()));
                self.answered.fetch_add(1, Ordering::Relaxed);
                let build = line.build.unwrap_or(0);
                self.newest_build.fetch_max(build, Ordering::Relaxed);
            }
        }
    }

    /// What was said, heard, and is in the log.
    pub(super) async fn diary(&self, said: Vec<Said>, heard: Vec<Heard>) -> Result<Diary> {
        Ok(Diary {
            visitor: self.number,
            desk: self.desk.clone(),
            said,
            heard,
            log: self.visitor.events(&self.session, 0).await?,
        })
    }
}

/// The line that an event of the stream answers.
fn answer(event: &Value) -> Option<Line> {
    let is_answer = event["type"] == "message" && event["data"]["from"]["kind"] == "robot";
    let text = event["data"]["content"]["text"].as_str()?;
    is_answer.then(|| Line::parse(text)).flatten()
}

/// How late the timer may be without its lateness being the gateway's.
const TIMER_SLACK: Duration = Duration::from_millis(3);
/// Longer than the pause between two heartbeats.
const SILENCE: Duration = Duration::from_secs(45);
const AGAIN: Duration = Duration::from_millis(200);
