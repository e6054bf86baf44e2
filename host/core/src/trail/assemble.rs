//! A trail out of what is on disk.

use std::collections::BTreeMap;

use kefu_plugin_api::{
    ids::MessageId,
    message::{Content, MessageStatus},
    time::Timestamp,
};
use serde::Deserialize;

use super::{
    CallEnd, Happened, MessageTrail, PushState, SessionSummary, Step, StepKind, Trail, TrailEntry,
    TrailLetter, WaitingCall, WaitingPush,
};
use crate::{
    log::{EventBody, LogEvent, LoggedMessage},
    outbox::{DeadLetter, Letter, OutboxEntry},
    session::Record,
};

/// What is on disk of a session.
#[derive(Debug)]
pub struct Found<'a> {
    /// The session.
    pub record: &'a Record,
    /// A piece of its log, in order.
    pub rows: &'a [LogRow],
    /// Its calls that are not over, in order.
    pub unsent: &'a [UnsentFound],
    /// What was given up.
    pub letters: &'a [DeadLetter],
    /// What its app's server is still to be told.
    pub lane: Option<LaneFound>,
    /// Where the next piece of the log begins.
    pub next: Option<u64>,
}

/// An event as it is written.
#[derive(Clone, Debug)]
pub struct LogRow {
    /// The event's JSON.
    pub json: Vec<u8>,
    /// How the call ended whose turn wrote it.
    pub call: Option<CallEnd>,
    /// Whether the app's server was to be told; unknown of what was written
    /// before that was kept.
    pub pushed: Option<bool>,
}

/// A call that is not over.
#[derive(Clone, Debug)]
pub struct UnsentFound {
    /// The entry of the outbox.
    pub entry: OutboxEntry,
    /// Whether it may have been sent already.
    pub attempted: bool,
}

/// What an app's server is still to be told of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaneFound {
    /// The number up to which everything is over.
    pub after: u64,
    /// The last number that is to be told.
    pub last: u64,
    /// How often the next one was tried.
    pub tries: u32,
    /// When it may be tried.
    pub due: Timestamp,
    /// Since when it has not got on.
    pub since: Timestamp,
}

/// Puts a trail together.
pub fn assemble(found: &Found<'_>) -> Trail {
    let mut trail = Assembling::new(found);
    for row in found.rows {
        trail.take(row);
    }
    trail.waiting();
    trail.given_up();
    Trail {
        session: SessionSummary::of(found.record),
        entries: trail.entries,
        calls: found.unsent.iter().map(waiting_call).collect(),
        dead_letters: found.letters.iter().map(letter).collect(),
        push: found.lane.map(waiting_push),
        next: found.next,
    }
}

struct Assembling<'a> {
    found: &'a Found<'a>,
    entries: Vec<TrailEntry>,
    /// Where a message stands among them.
    places: BTreeMap<MessageId, usize>,
    /// Which message a call carried.
    carried: BTreeMap<u64, MessageId>,
}

impl<'a> Assembling<'a> {
    fn new(found: &'a Found<'a>) -> Self {
        Self {
            found,
            entries: Vec::with_capacity(found.rows.len()),
            places: BTreeMap::new(),
            carried: BTreeMap::new(),
        }
    }

    fn take(&mut self, row: &LogRow) {
        let Ok(event) = serde_json::from_slice::<LogEvent>(&row.json) else {
            return self.take_unread(&row.json);
        };
        if let Some(end) = &row.call {
            self.sent(end, event.at);
        }
        let (seq, at) = (event.seq, event.at);
        let kind = name(&row.json);
        let what = match event.body {
            EventBody::Message(message) => {
                // A vendor may say the same message twice: the steps of later
                // entries belong to the last of them.
                self.places.insert(message.id.clone(), self.entries.len());
                let mut trail = message_trail(&message, at);
                trail.steps.extend(self.push(row, seq));
                Happened::Message(Box::new(trail))
            }
            EventBody::Status {
                message,
                status,
                detail,
            } => match self.answer(&message, status, detail, at) {
                Ok(()) => return,
                Err(what) => what,
            },
            EventBody::Recalled { message } => match self.steps(&message) {
                Some(steps) => {
                    steps.push(step(at, StepKind::Recalled {}));
                    return;
                }
                None => Happened::Recalled { message },
            },
            EventBody::Opened(card) => Happened::Opened {
                provider: card.provider,
                state: card.state,
            },
            EventBody::State(change) => Happened::State {
                from: change.from,
                to: change.to,
            },
            EventBody::Moved(moved) => Happened::Moved(moved),
            EventBody::Ended { reason } => Happened::Ended { reason },
            EventBody::Agent { event, agent } => Happened::Agent {
                event,
                agent: agent.id,
            },
            EventBody::Queue(queue) => Happened::Queue(queue),
            EventBody::Capabilities(_)
            | EventBody::EvaluationInvited(_)
            | EventBody::EvaluationSubmitted(_)
            | EventBody::LeaveMessageOffered(_)
            | EventBody::LeaveMessageSubmitted { .. } => Happened::Other {},
        };
        self.entries.push(TrailEntry {
            seq,
            at,
            kind,
            what,
        });
    }

    /// One that this gateway does not know: that it is there is told.
    fn take_unread(&mut self, json: &[u8]) {
        #[derive(Deserialize)]
        struct Frame {
            seq: u64,
            at: Timestamp,
        }
        if let Ok(Frame { seq, at }) = serde_json::from_slice(json) {
            self.entries.push(TrailEntry {
                seq,
                at,
                kind: name(json),
                what: Happened::Other {},
            });
        }
    }

    fn sent(&mut self, end: &CallEnd, at: Timestamp) {
        let Some(message) = &end.message else { return };
        self.carried.insert(end.number, message.clone());
        let asked = step(
            end.asked_at,
            StepKind::Asked {
                call: end.number,
                provider: end.provider.clone(),
            },
        );
        let sent = step(
            at,
            StepKind::Sent {
                call: end.number,
                provider: end.provider.clone(),
                tries: end.tries,
                outcome: end.outcome,
                status: end.status,
            },
        );
        if let Some(steps) = self.steps(message) {
            steps.extend([asked, sent]);
        }
    }

    /// Gives a message its answer; back if it is in another piece.
    fn answer(
        &mut self,
        message: &MessageId,
        status: MessageStatus,
        detail: Option<String>,
        at: Timestamp,
    ) -> Result<(), Happened> {
        match self.steps(message) {
            Some(steps) => {
                steps.push(step(at, StepKind::Answer { status, detail }));
                Ok(())
            }
            None => Err(Happened::Status {
                message: message.clone(),
                status,
                detail,
            }),
        }
    }

    fn push(&self, row: &LogRow, seq: u64) -> Option<Step> {
        if row.pushed != Some(true) {
            return None;
        }
        let lane = self.found.lane.filter(|lane| lane.after < seq);
        let is_it = |letter: &&DeadLetter| matches!(letter.letter, Letter::Push { seq: of, .. } if of == seq);
        let dead = self.found.letters.iter().find(is_it);
        let (state, tries, due, at) = match (lane, dead) {
            (_, Some(letter)) => {
                let tries = match letter.letter {
                    Letter::Push { tries, .. } => Some(tries),
                    _ => None,
                };
                (PushState::GivenUp, tries, None, Some(letter.at))
            }
            (Some(lane), None) => {
                let next = lane.after + 1 == seq;
                let tries = next.then_some(lane.tries);
                (PushState::Waits, tries, next.then_some(lane.due), None)
            }
            (None, None) => (PushState::Over, None, None, None),
        };
        let what = StepKind::Push { state, tries, due };
        Some(Step { at, what })
    }

    /// What is in the outbox still.
    fn waiting(&mut self) {
        let unsent = self.found.unsent;
        for UnsentFound { entry, attempted } in unsent {
            let Some(message) = &entry.call.message else {
                continue;
            };
            let asked = step(
                entry.created_at,
                StepKind::Asked {
                    call: entry.number,
                    provider: entry.provider.clone(),
                },
            );
            let waits = Step {
                at: None,
                what: StepKind::Waits {
                    call: entry.number,
                    attempted: *attempted,
                    until: entry.deadline_at,
                },
            };
            if let Some(steps) = self.steps(message) {
                steps.extend([asked, waits]);
            }
        }
    }

    /// What was given up on the way to the vendor.
    fn given_up(&mut self) {
        let letters = self.found.letters;
        for letter in letters {
            let Letter::Call { entry } = &letter.letter else {
                continue;
            };
            let message = entry.call.message.as_ref();
            let carried = self.carried.get(&entry.number);
            let Some(message) = message.or(carried).cloned() else {
                continue;
            };
            let what = StepKind::GivenUp {
                letter: letter.id.clone(),
                reason: letter.reason.clone(),
            };
            if let Some(steps) = self.steps(&message) {
                steps.push(step(letter.at, what));
            }
        }
    }

    fn steps(&mut self, message: &MessageId) -> Option<&mut Vec<Step>> {
        let place = *self.places.get(message)?;
        match &mut self.entries.get_mut(place)?.what {
            Happened::Message(trail) => Some(&mut trail.steps),
            _ => None,
        }
    }
}

fn message_trail(message: &LoggedMessage, at: Timestamp) -> MessageTrail {
    MessageTrail {
        id: message.id.clone(),
        from: message.from.kind,
        sender: message.from.id.clone(),
        content: message.content.kind(),
        length: length(&message.content),
        converted_from: message.converted_from,
        steps: vec![
            step(at, StepKind::Accepted {}),
            step(at, StepKind::Stored {}),
        ],
    }
}

/// How many characters somebody wrote.
fn length(content: &Content) -> Option<usize> {
    let count = |text: &str| text.chars().count();
    match content {
        Content::Text { text } | Content::Emoji { text, .. } => Some(count(text)),
        Content::Location { label, .. } => Some(count(label)),
        Content::Rich { title, summary, .. } => Some(count(title) + count(summary)),
        Content::Custom { fallback_text, .. } => Some(count(fallback_text)),
        _ => None,
    }
}

fn step(at: Timestamp, what: StepKind) -> Step {
    Step { at: Some(at), what }
}

/// What an event is, in the words of the visitor API.
fn name(json: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Named {
        #[serde(rename = "type")]
        name: String,
    }
    serde_json::from_slice::<Named>(json).map_or_else(|_| "unknown".into(), |it| it.name)
}

fn waiting_call(unsent: &UnsentFound) -> WaitingCall {
    let UnsentFound { entry, attempted } = unsent;
    WaitingCall {
        number: entry.number,
        provider: entry.provider.clone(),
        message: entry.call.message.clone(),
        since: entry.created_at,
        until: entry.deadline_at,
        attempted: *attempted,
    }
}

fn letter(letter: &DeadLetter) -> TrailLetter {
    let (kind, call, seq) = match &letter.letter {
        Letter::Call { entry } => ("call", Some(entry.number), None),
        Letter::Event { .. } => ("event", None, None),
        Letter::Push { seq, .. } => ("push", None, Some(*seq)),
    };
    TrailLetter {
        id: letter.id.clone(),
        at: letter.at,
        kind,
        reason: letter.reason.clone(),
        call,
        seq,
    }
}

fn waiting_push(lane: LaneFound) -> WaitingPush {
    WaitingPush {
        after: lane.after,
        last: lane.last,
        tries: lane.tries,
        due: lane.due,
        since: lane.since,
    }
}
