//! What one committed turn means for the numbers.
//!
//! Owns the reading of a turn: the record before and after it, and what it
//! wrote into the log. Deliberately sums nothing up. Invariant: reading is pure,
//! and what a turn means is seen in that turn alone, so that no observation is
//! made twice.

use std::time::Duration;

use kefu_plugin_api::{
    capability::{Evaluation, SessionState},
    ids::{MessageId, ProviderId},
    message::MessageStatus,
    time::Timestamp,
};

use crate::{
    log::{EvaluationResult, EventBody, LogEvent},
    session::Record,
    turn::Missed,
};

/// Something that was seen of a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    /// Of whom.
    pub provider: ProviderId,
    /// What.
    pub seen: Seen,
}

/// What was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// It took a session.
    Taken,
    /// It was asked to take a session and did not.
    NotTaken,
    /// A visitor's message reached it.
    Delivered,
    /// A visitor's message surely did not.
    Failed,
    /// A visitor's message may have.
    Unknown,
    /// A visitor asked it something for the first time in a session.
    Asked {
        /// Since when an answer is waited for.
        since: Timestamp,
    },
    /// That got its first answer.
    Answered {
        /// Since when it was waited for.
        since: Timestamp,
        /// For how long.
        took: Duration,
    },
    /// That will get none: the session ended or went elsewhere.
    Unanswered {
        /// Since when an answer was waited for.
        since: Timestamp,
    },
    /// A rating, from 0 (worst) to 100 (best).
    Rated(u8),
    /// A rating that says whether the matter was solved.
    Resolved(bool),
    /// A session that it had taken is over.
    Ended,
    /// It told that a message was read.
    Read,
    /// It took a message back.
    Recalled,
}

/// Reads a turn that was committed: the session before
/// and after it, what it added to the log, and what of it the log does not tell.
pub fn observe(
    before: &Record,
    after: &Record,
    events: &[LogEvent],
    missed: &Missed,
) -> Vec<Observation> {
    let mut seen = Observed::default();
    for provider in &missed.not_taken {
        seen.at(provider, Seen::NotTaken);
    }
    seen.taken(before, after, events);
    // What became of messages in the turn in which a session leaves its
    // provider is still that one's doing.
    let left = before.service.taken_at.is_some() && before.provider != after.provider;
    let sent_by = if left { before } else { after };
    for event in events {
        seen.event(&sent_by.provider, &event.body, &missed.not_sent);
    }
    seen.question(before, after);
    if after.is_over() && !before.is_over() && is_taken(before, after) {
        seen.at(&after.provider, Seen::Ended);
    }
    seen.0
}

/// Since when the visitor of an open session has waited for a first answer;
/// `None` if nothing was asked, or it was answered.
pub fn open_question(record: &Record) -> Option<Timestamp> {
    let waits = Question::of(record)?;
    (waits.answered_at.is_none() && !record.is_over()).then_some(waits.since)
}

#[derive(Default)]
struct Observed(Vec<Observation>);

impl Observed {
    fn at(&mut self, provider: &ProviderId, seen: Seen) {
        self.0.push(Observation {
            provider: provider.clone(),
            seen,
        });
    }

    /// Who has taken the session. Apps are told of the first one only.
    fn taken(&mut self, before: &Record, after: &Record, events: &[LogEvent]) {
        let told = events.iter().find_map(|event| match &event.body {
            EventBody::Opened(card) => Some(&card.provider),
            _ => None,
        });
        if let Some(provider) = told.filter(|provider| **provider != after.provider) {
            self.at(provider, Seen::Taken);
        }
        let (was, is) = (&before.service, &after.service);
        let anew = was.taken_at.is_none()
            || was.begun_at != is.begun_at
            || before.provider != after.provider;
        if is.taken_at.is_some() && anew {
            self.at(&after.provider, Seen::Taken);
        }
    }

    fn event(&mut self, provider: &ProviderId, body: &EventBody, not_sent: &[MessageId]) {
        match body {
            // The vendor never heard of it.
            EventBody::Status { message, .. } if not_sent.contains(message) => {}
            EventBody::Status { status, .. } => match status {
                MessageStatus::Delivered => self.at(provider, Seen::Delivered),
                MessageStatus::Failed => self.at(provider, Seen::Failed),
                MessageStatus::Unknown => self.at(provider, Seen::Unknown),
                MessageStatus::Read => self.at(provider, Seen::Read),
            },
            EventBody::Recalled { .. } => self.at(provider, Seen::Recalled),
            EventBody::EvaluationSubmitted(EvaluationResult::Rated(evaluation)) => {
                if let Some(value) = value(evaluation) {
                    self.at(provider, Seen::Rated(value));
                }
                if let Some(resolved) = evaluation.resolved {
                    self.at(provider, Seen::Resolved(resolved));
                }
            }
            _ => {}
        }
    }

    /// What became of the visitor's first question.
    fn question(&mut self, before: &Record, after: &Record) {
        let was = Question::of(before);
        let is = Question::of(after);
        let same = matches!((&was, &is), (Some(was), Some(is)) if was.is(is));
        let was_over = before.is_over();
        if let Some(was) = &was
            && !same
            && was.answered_at.is_none()
            && !was_over
        {
            // Whoever could have answered it has it no more.
            self.at(was.provider, Seen::Unanswered { since: was.since });
        }
        let Some(is) = is else { return };
        let since = is.since;
        if !same {
            self.at(is.provider, Seen::Asked { since });
        }
        let known = was.filter(|_| same).and_then(|was| was.answered_at);
        match is.answered_at {
            Some(at) if known.is_none() => {
                let millis = u64::try_from(at.since_ms(since)).unwrap_or_default();
                let took = Duration::from_millis(millis);
                self.at(is.provider, Seen::Answered { since, took });
            }
            None if after.is_over() && !was_over => {
                self.at(is.provider, Seen::Unanswered { since });
            }
            Some(_) | None => {}
        }
    }
}

/// A visitor's first question to a provider that has taken the session.
struct Question<'a> {
    provider: &'a ProviderId,
    since: Timestamp,
    answered_at: Option<Timestamp>,
}

impl<'a> Question<'a> {
    /// `None` where nothing was asked, or nobody has taken the session: then it
    /// is the opening that counts.
    fn of(record: &'a Record) -> Option<Self> {
        let service = &record.service;
        service.taken_at?;
        let asked_at = service.asked_at?;
        Some(Self {
            provider: &record.provider,
            // What the providers before took is not this one's doing.
            since: asked_at.max(service.begun_at),
            answered_at: service.answered_at,
        })
    }

    fn is(&self, other: &Self) -> bool {
        self.provider == other.provider && self.since == other.since
    }
}

/// Whether the provider that the session ended with had taken it. Sessions from
/// before this was noted are told by where they stood.
fn is_taken(before: &Record, after: &Record) -> bool {
    let stood = before.provider == after.provider && before.state != SessionState::Opening;
    after.service.taken_at.is_some() || stood
}

/// A rating on the scale of all forms: stars in steps of 25, else solved or not.
/// `None` for one of words alone.
fn value(evaluation: &Evaluation) -> Option<u8> {
    let stars = evaluation.stars.map(|stars| (stars.clamp(1, 5) - 1) * 25);
    let solved = evaluation
        .resolved
        .map(|solved| if solved { 100 } else { 0 });
    stars.or(solved)
}
