//! Delivery of pushes to the gateway: in order per visitor, retried, spoilt on request.
//!
//! Owns the lanes. Does not word or sign a push: the vendor's module does.
//! Invariant: one push per visitor is under way at a time, and the next one
//! starts when it was answered with 2xx or given up; pushes that a `delay` fault
//! took out of the lane are the exception that the fault is for.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Method, Request};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde_json::Value;
use time::OffsetDateTime;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

use crate::fault::Kind;
use crate::journal::{PushEntry, PushState};
use crate::platform::Platform;

/// Tries under way at the same time, over all visitors.
const AT_ONCE: usize = 64;
/// The longest wait between two tries.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// A push as the vendor's module worded it.
#[derive(Clone, Debug)]
pub(crate) struct Push {
    pub(crate) id: String,
    pub(crate) visitor: String,
    /// The vendor's name of the event, for filters and faults.
    pub(crate) event: String,
    pub(crate) body: Bytes,
}

/// How a push is to be spoilt when it is signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Flaw {
    #[default]
    None,
    BadSignature,
    WrongSecret,
    StaleTimestamp,
}

/// Where a push goes and with which headers.
#[derive(Debug)]
pub(crate) struct Addressed {
    pub(crate) url: String,
    pub(crate) headers: Vec<(&'static str, String)>,
}

struct Job {
    seq: u64,
    push: Push,
    flaw: Flaw,
    attempts: u32,
}

enum Command {
    Enqueue(Push, Option<u32>),
    /// The time of a held or delayed job is over.
    Release(String, u64),
}

/// Hands pushes to the delivery task.
#[derive(Clone)]
pub(crate) struct Pusher(mpsc::UnboundedSender<Command>);

/// What the delivery task reads from.
pub(crate) struct Inbox(
    mpsc::UnboundedReceiver<Command>,
    mpsc::WeakUnboundedSender<Command>,
);

impl Pusher {
    pub(crate) fn new() -> (Self, Inbox) {
        let (sender, receiver) = mpsc::unbounded_channel();
        let weak = sender.downgrade();
        (Self(sender), Inbox(receiver, weak))
    }

    /// Puts a push at the end of its visitor's lane; `attempts` overrides the setting.
    pub(crate) fn enqueue(&self, push: Push, attempts: Option<u32>) {
        // A closed channel means that the simulator is being stopped.
        let _ = self.0.send(Command::Enqueue(push, attempts));
    }
}

/// Delivers until the platform is gone.
pub(crate) async fn deliver(platform: Weak<Platform>, inbox: Inbox) {
    let Inbox(mut commands, sender) = inbox;
    let mut lanes = Lanes {
        waiting: HashMap::new(),
        held: HashMap::new(),
        delayed: HashMap::new(),
        running: JoinSet::new(),
        platform,
        sender,
        client: Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .build_http(),
        places: Arc::new(Semaphore::new(AT_ONCE)),
    };
    loop {
        tokio::select! {
            command = commands.recv() => match command {
                Some(Command::Enqueue(push, attempts)) => lanes.enqueue(push, attempts),
                Some(Command::Release(visitor, seq)) => lanes.release(&visitor, seq),
                None => return,
            },
            Some(done) = lanes.running.join_next(), if !lanes.running.is_empty() => {
                if let Ok(Some(visitor)) = done {
                    lanes.next(&visitor);
                }
            }
        }
    }
}

struct Lanes {
    /// A visitor is a key here exactly while one of its jobs is running.
    waiting: HashMap<String, VecDeque<Job>>,
    /// By `swap`: waits for the next push of the visitor.
    held: HashMap<String, Job>,
    /// By `delay`: waits for its time, out of the lane.
    delayed: HashMap<u64, Job>,
    running: JoinSet<Option<String>>,
    platform: Weak<Platform>,
    sender: mpsc::WeakUnboundedSender<Command>,
    client: Client<HttpConnector, Full<Bytes>>,
    places: Arc<Semaphore>,
}

impl Lanes {
    fn enqueue(&mut self, push: Push, attempts: Option<u32>) {
        let Some(platform) = self.platform.upgrade() else {
            return;
        };
        let faults = platform.faults.for_push(&push.event, &push.visitor);
        let settings = platform.settings();
        let lost = faults.contains(&Kind::Lose) || platform.callback().is_none();
        let entry = PushEntry {
            seq: 0,
            at: OffsetDateTime::now_utc(),
            id: push.id.clone(),
            visitor: push.visitor.clone(),
            event: push.event.clone(),
            body: push.body.clone(),
            faults: faults.iter().map(Kind::name).collect(),
            state: if lost {
                PushState::Lost
            } else {
                PushState::Waiting
            },
            tries: Vec::new(),
        };
        let seq = if settings.log.enabled {
            platform.journal.record_push(entry, settings.log.capacity)
        } else {
            0
        };
        if lost {
            return;
        }
        let mut job = Job {
            seq,
            push,
            flaw: Flaw::None,
            attempts: attempts.unwrap_or(settings.pushes.attempts),
        };
        let mut copies = 0;
        let mut hold = None;
        let mut delay = None;
        for fault in &faults {
            match fault {
                Kind::Duplicate { copies: more } => copies += more,
                Kind::Delay { ms } => delay = Some(Duration::from_millis(*ms)),
                Kind::Swap { hold_ms } => hold = Some(Duration::from_millis(*hold_ms)),
                // A spoilt push is refused for good reason: trying again proves nothing.
                Kind::BadSignature => (job.flaw, job.attempts) = (Flaw::BadSignature, 1),
                Kind::WrongSecret => (job.flaw, job.attempts) = (Flaw::WrongSecret, 1),
                Kind::StaleTimestamp => (job.flaw, job.attempts) = (Flaw::StaleTimestamp, 1),
                _ => {}
            }
        }
        self.place(job, copies, hold, delay);
    }

    fn place(&mut self, job: Job, copies: u32, hold: Option<Duration>, delay: Option<Duration>) {
        let visitor = job.push.visitor.clone();
        if let Some(delay) = delay {
            self.remind(&visitor, job.seq, delay);
            self.delayed.insert(job.seq, job);
            return;
        }
        if let Some(hold) = hold
            && !self.held.contains_key(&visitor)
        {
            self.remind(&visitor, job.seq, hold);
            self.held.insert(visitor, job);
            return;
        }
        for _ in 0..copies {
            let copy = Job {
                seq: job.seq,
                push: job.push.clone(),
                flaw: job.flaw,
                attempts: job.attempts,
            };
            self.line_up(copy);
        }
        self.line_up(job);
        if let Some(held) = self.held.remove(&visitor) {
            self.line_up(held);
        }
    }

    fn remind(&self, visitor: &str, seq: u64, after: Duration) {
        let sender = self.sender.clone();
        let visitor = visitor.to_owned();
        tokio::spawn(async move {
            tokio::time::sleep(after).await;
            if let Some(sender) = sender.upgrade() {
                let _ = sender.send(Command::Release(visitor, seq));
            }
        });
    }

    fn release(&mut self, visitor: &str, seq: u64) {
        if let Some(job) = self.delayed.remove(&seq) {
            // Out of the lane on purpose: whatever is under way is overtaken or not.
            self.start(job, false);
        } else if self.held.get(visitor).is_some_and(|job| job.seq == seq)
            && let Some(job) = self.held.remove(visitor)
        {
            self.line_up(job);
        }
    }

    fn line_up(&mut self, job: Job) {
        if let Some(lane) = self.waiting.get_mut(&job.push.visitor) {
            lane.push_back(job);
        } else {
            self.waiting
                .insert(job.push.visitor.clone(), VecDeque::new());
            self.start(job, true);
        }
    }

    fn next(&mut self, visitor: &str) {
        match self.waiting.get_mut(visitor).and_then(VecDeque::pop_front) {
            Some(job) => self.start(job, true),
            None => drop(self.waiting.remove(visitor)),
        }
    }

    fn start(&mut self, job: Job, in_lane: bool) {
        let platform = self.platform.clone();
        let client = self.client.clone();
        let places = Arc::clone(&self.places);
        self.running.spawn(async move {
            attempt_all(&platform, &client, &places, &job).await;
            in_lane.then_some(job.push.visitor)
        });
    }
}

async fn attempt_all(
    platform: &Weak<Platform>,
    client: &Client<HttpConnector, Full<Bytes>>,
    places: &Semaphore,
    job: &Job,
) {
    let mut tried = 0;
    loop {
        let Some(platform) = platform.upgrade() else {
            return;
        };
        let settings = platform.settings();
        let result = match platform.callback() {
            Some(callback) => {
                let addressed = platform.vendor.address(&callback, &job.push, job.flaw);
                let _place = places.acquire().await;
                let timeout = Duration::from_millis(settings.pushes.timeout_ms);
                let sending = attempt(client, addressed, job.push.body.clone());
                let answer = tokio::time::timeout(timeout, sending)
                    .await
                    .unwrap_or_else(|_| Err(format!("no answer within {timeout:?}")));
                let empty = platform.vendor.wants_empty_answers();
                answer.and_then(|(status, length)| match length {
                    1.. if empty && (200..300).contains(&status) => {
                        Err(format!("{status} with {length} bytes, and not empty"))
                    }
                    _ => Ok(status),
                })
            }
            None => Err("no callback address is set".to_owned()),
        };
        tried += 1;
        let delivered = result
            .as_ref()
            .is_ok_and(|status| (200..300).contains(status));
        let useless = result
            .as_ref()
            .is_ok_and(|it| platform.vendor.gives_up(*it));
        let state = if delivered {
            PushState::Delivered
        } else if useless || tried >= job.attempts {
            PushState::Failed
        } else {
            PushState::Waiting
        };
        let note = result.map_or_else(Value::from, Value::from);
        if job.seq != 0 {
            platform.journal.note_push(job.seq, state, Some(note));
        }
        if state != PushState::Waiting {
            return;
        }
        drop(platform);
        let wait = Duration::from_millis(settings.pushes.backoff_ms)
            .saturating_mul(1 << (tried - 1).min(16));
        tokio::time::sleep(wait.min(LONGEST_WAIT)).await;
    }
}

async fn attempt(
    client: &Client<HttpConnector, Full<Bytes>>,
    to: Addressed,
    body: Bytes,
) -> Result<(u16, usize), String> {
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(&to.url)
        .header("content-type", "application/json; charset=utf-8");
    for (name, value) in to.headers {
        request = request.header(name, value);
    }
    let request = request
        .body(Full::new(body))
        .map_err(|error| format!("callback address {:?}: {error}", to.url))?;
    let response = client.request(request).await.map_err(|error| {
        let cause =
            std::error::Error::source(&error).map_or_else(String::new, |it| format!(": {it}"));
        format!("{error}{cause}")
    })?;
    let status = response.status().as_u16();
    // Read to the end, so that the connection can be used again.
    let body = Limited::new(response.into_body(), 1 << 20).collect().await;
    let length = body.map_or(0, |body| body.to_bytes().len());
    Ok((status, length))
}
