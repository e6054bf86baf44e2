//! A session beside a session: what another provider would have made of it.
//!
//! Owns the copy of a real session's standing, what is tried on it, and the
//! verdict on each try. Deliberately sends and keeps nothing: a turn of the
//! copy is run as any turn, and its outcome is looked at and dropped. The
//! handshake of the copy never ends, because nothing is sent; instead it always
//! stands where the real session stood when its visitor did something. What the
//! vendor would have answered is unknown, so its adapter never hears of an end
//! of a call, of a timer, or of anything that the vendor tells. Invariant: of
//! what was said, nothing but its kind is in a verdict.

use kefu_plugin_api::{
    capability::SessionState,
    message::{ContentKind, MessageStatus},
};
use serde::Serialize;

use crate::{
    command::Command,
    log::EventBody,
    problem::Problem,
    session::{Fallback, Opening, Record},
    turn::Outcome,
};

/// The copy of a session, at another provider.
#[derive(Clone, Debug)]
pub struct Shadow {
    record: Record,
    /// What the visitor did before anybody took the real session.
    waiting: Vec<Command>,
}

/// What is tried on a copy.
#[derive(Clone, Debug, PartialEq)]
pub struct Try {
    /// Where the session stands.
    pub state: SessionState,
    /// What its visitor does.
    pub command: Command,
}

/// What would have become of something that a visitor did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What it was.
    pub what: &'static str,
    /// Of a message: its kind, as the visitor sent it.
    pub kind: Option<ContentKind>,
    /// Where the session stood.
    pub state: SessionState,
    /// What would have become of it.
    pub result: Result,
    /// Why, where it is not simply taken.
    pub reason: Option<String>,
}

/// What would have become of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Result {
    /// It goes to the vendor whole.
    Full,
    /// It goes to the vendor as text.
    Converted,
    /// The visitor is told that it cannot be sent.
    Refused,
    /// The adapter takes it and says that it failed.
    Failed,
    /// The adapter takes it and asks for no call: it waits for an answer of the
    /// vendor that a copy never gets, or there is nothing to be told.
    Held,
    /// The adapter fails on it.
    Faulted,
}

impl Result {
    /// The name in metrics and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Converted => "converted",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Held => "held",
            Self::Faulted => "faulted",
        }
    }
}

impl Shadow {
    /// The copy of a session that was just created. `None` cannot happen as
    /// long as there is somebody to ask.
    pub fn open(real: &Record, choice: Fallback) -> Option<Self> {
        let record = Record::open(Opening {
            synthetic: false,
            id: real.id.clone(),
            app: real.app.clone(),
            desk: real.desk.clone(),
            visitor: real.visitor.clone(),
            client: real.client.clone(),
            asked_group: None,
            order: vec![choice],
            now: real.opened_at,
        })?;
        Some(Self {
            record,
            waiting: Vec::new(),
        })
    }

    /// The copy as it stands.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// Whether the adapter has ended it: from here on the two have parted.
    pub fn is_over(&self) -> bool {
        self.record.is_over()
    }

    /// Follows a turn of the real session, from one standing to the next: what
    /// is to be tried now, in order. What the visitor does while nobody has
    /// taken the session waits, as it does there.
    pub fn follow(
        &mut self,
        before: &Record,
        after: &Record,
        command: Option<Command>,
    ) -> Vec<Try> {
        let opening = before.state == SessionState::Opening;
        let mut tries = Vec::new();
        match command {
            Some(command) if opening && self.waiting.len() < MOST_WAITING => {
                self.waiting.push(command);
            }
            Some(command) if !opening => tries.push(Try {
                state: before.state,
                command,
            }),
            _ => {}
        }
        match after.state {
            SessionState::Opening => {}
            SessionState::Ended => self.waiting.clear(),
            state => tries.extend(self.waiting.drain(..).map(|command| Try { state, command })),
        }
        tries
    }

    /// Stands where the real session stands.
    pub fn mirror(&mut self, real: &Record, state: SessionState) {
        let record = &mut self.record;
        record.state = state;
        record.visitor = real.visitor.clone();
        record.visitor_present = real.visitor_present;
        record.agent = real.agent.clone();
        record.queue = real.queue;
        record.had_human = real.had_human;
        record.served_since = real.served_since;
        record.rating = real.rating.clone();
        record.config.blocked = real.config.blocked;
        record.unread = real.unread.clone();
        record.last_desk_message = real.last_desk_message.clone();
        record.last_seq = real.last_seq;
        // Nothing of this ever ends or fires.
        record.fallbacks.clear();
        record.open_calls.clear();
        record.timers.clear();
        record.timer_failures.clear();
        record.waiting.clear();
        record.human_wanted = None;
        record.profile_waits = false;
        record.held_media.clear();
        record.converted_late.clear();
        record.silence = Default::default();
    }

    /// Remembers what the adapter remembers.
    pub fn keep(&mut self, record: Record) {
        self.record = record;
    }
}

impl Try {
    /// What it is.
    pub fn what(&self) -> &'static str {
        match &self.command {
            Command::Message { .. } => "message",
            Command::Human { .. } => "human",
            Command::Evaluate { .. } => "evaluation",
            Command::DeclineEvaluation => "declined_evaluation",
            Command::LeaveMessage { .. } => "leave_message",
            Command::Exit => "exit",
            Command::Typing => "typing",
            Command::Read { .. } => "read",
            Command::Profile { .. } => "profile",
            Command::Return => "return",
        }
    }

    /// Of a message: its kind, as the visitor sent it.
    pub fn kind(&self) -> Option<ContentKind> {
        match &self.command {
            Command::Message {
                content,
                converted_from,
                ..
            } => Some(converted_from.unwrap_or(content.kind())),
            _ => None,
        }
    }

    /// The rules refuse it, before the adapter sees it.
    pub fn refused(&self, problem: &Problem) -> Verdict {
        self.verdict(Result::Refused, Some(problem.detail.clone()))
    }

    /// The adapter fails on it.
    pub fn faulted(&self, reason: String) -> Verdict {
        self.verdict(Result::Faulted, Some(reason))
    }

    /// The turn came to its end. `None` for what is no message and went well.
    pub fn done(&self, outcome: &Outcome) -> Option<Verdict> {
        let failed = outcome.events.iter().find_map(|event| match &event.body {
            EventBody::Status {
                status: MessageStatus::Failed,
                detail,
                ..
            } => Some(detail.clone()),
            _ => None,
        });
        if let Some(detail) = failed {
            return Some(self.verdict(Result::Failed, detail));
        }
        let converted = outcome.events.iter().find_map(|event| match &event.body {
            EventBody::Message(message) => Some(message.converted_from),
            _ => None,
        })?;
        Some(match converted {
            _ if outcome.calls.is_empty() => self.verdict(Result::Held, None),
            Some(_) => self.verdict(Result::Converted, Some("it goes as text".into())),
            None => self.verdict(Result::Full, None),
        })
    }

    fn verdict(&self, result: Result, reason: Option<String>) -> Verdict {
        Verdict {
            what: self.what(),
            kind: self.kind(),
            state: self.state,
            result,
            reason,
        }
    }
}

/// What a visitor does while nobody has taken the session is bounded there,
/// too.
const MOST_WAITING: usize = 200;
