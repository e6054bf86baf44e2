//! One visitor as the vendor sees it, and the transcript of the talk.
//!
//! Owns what is remembered per visitor. Decides nothing. Invariant: `agent` is
//! set exactly while the phase is `Human`.

use std::collections::VecDeque;

use serde::Serialize;
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::journal::stamp;
use crate::settings::Agent;

/// Where a visitor's session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Phase {
    /// Known, but no session was opened yet.
    New,
    Robot,
    Queued,
    Human,
    Unattended,
    Ended,
}

/// Who wrote a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Author {
    Visitor,
    Robot,
    Agent,
    System,
}

/// One line of a transcript.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) id: String,
    pub(crate) at: OffsetDateTime,
    pub(crate) from: Author,
    pub(crate) content: Value,
    pub(crate) recalled: bool,
}

/// A visitor.
#[derive(Debug)]
pub(crate) struct Visitor {
    /// The gateway's id: `partnerid` at 智齿, `visitor_id` in SDP/1.
    pub(crate) id: String,
    /// The vendor's own id of the visitor.
    pub(crate) vendor_id: String,
    /// The vendor's own id of the session: `cid`, `session_id`.
    pub(crate) session: String,
    pub(crate) phase: Phase,
    pub(crate) profile: Value,
    pub(crate) group: Option<String>,
    pub(crate) agent: Option<Agent>,
    /// Cleared when the visitor leaves and the session stays.
    pub(crate) present: bool,
    /// An invitation to rate is open.
    pub(crate) invited: bool,
    /// Robot and human took part in this session.
    pub(crate) met_robot: bool,
    pub(crate) met_human: bool,
    pub(crate) rated_robot: bool,
    pub(crate) rated_human: bool,
    /// Every rating ever received, newest last.
    pub(crate) ratings: Vec<Value>,
    /// Messages left for later.
    pub(crate) tickets: Vec<Value>,
    pub(crate) end_reason: Option<&'static str>,
    pub(crate) opened_at: OffsetDateTime,
    pub(crate) queued_at: OffsetDateTime,
    pub(crate) lines: VecDeque<Line>,
    /// The newest agent message, kept even when transcripts are off.
    pub(crate) last_agent_message: Option<String>,
    pub(crate) last_question: String,
    pub(crate) asked: u32,
}

impl Visitor {
    pub(crate) fn new(id: &str) -> Self {
        let now = OffsetDateTime::now_utc();
        Self {
            id: id.to_owned(),
            vendor_id: fresh_id(),
            session: fresh_id(),
            phase: Phase::New,
            profile: json!({}),
            group: None,
            agent: None,
            present: true,
            invited: false,
            met_robot: false,
            met_human: false,
            rated_robot: false,
            rated_human: false,
            ratings: Vec::new(),
            tickets: Vec::new(),
            end_reason: None,
            opened_at: now,
            queued_at: now,
            lines: VecDeque::new(),
            last_agent_message: None,
            last_question: String::new(),
            asked: 0,
        }
    }

    /// Starts a new session; the transcript and old ratings stay.
    pub(crate) fn begin(&mut self, phase: Phase) {
        self.session = fresh_id();
        self.phase = phase;
        self.met_robot = phase == Phase::Robot;
        self.group = None;
        self.agent = None;
        self.present = true;
        self.invited = false;
        self.met_human = false;
        self.rated_robot = false;
        self.rated_human = false;
        self.end_reason = None;
        self.opened_at = OffsetDateTime::now_utc();
        self.last_question.clear();
        self.asked = 0;
    }

    /// Whether a session is under way.
    pub(crate) fn is_open(&self) -> bool {
        !matches!(self.phase, Phase::New | Phase::Ended)
    }

    /// Adds a line to the transcript, of which `keep` are kept.
    pub(crate) fn write(&mut self, keep: usize, from: Author, id: &str, content: &Value) {
        if keep == 0 {
            return;
        }
        while self.lines.len() >= keep {
            self.lines.pop_front();
        }
        self.lines.push_back(Line {
            id: id.to_owned(),
            at: OffsetDateTime::now_utc(),
            from,
            content: content.clone(),
            recalled: false,
        });
    }

    /// How often this question was asked in a row, this time included.
    pub(crate) fn count_question(&mut self, question: &str) -> u32 {
        if self.last_question == question {
            self.asked += 1;
        } else {
            question.clone_into(&mut self.last_question);
            self.asked = 1;
        }
        self.asked
    }

    /// For the desk page and for tests; `position` is the place in the queue.
    pub(crate) fn print(&self, position: Option<usize>, with_lines: bool) -> Value {
        let mut value = json!({
            "id": self.id,
            "vendor_id": self.vendor_id,
            "session": self.session,
            "phase": self.phase,
            "profile": self.profile,
            "group": self.group,
            "agent": self.agent,
            "present": self.present,
            "invited": self.invited,
            "ratings": self.ratings,
            "tickets": self.tickets,
            "end_reason": self.end_reason,
            "opened_at": stamp(self.opened_at),
            "position": position,
            "last": self.lines.back().map(|line| &line.content),
        });
        if with_lines && let Some(object) = value.as_object_mut() {
            object.insert(
                "lines".to_owned(),
                self.lines.iter().map(Line::print).collect(),
            );
        }
        value
    }
}

impl Line {
    fn print(&self) -> Value {
        json!({
            "id": self.id,
            "at": stamp(self.at),
            "from": self.from,
            "content": self.content,
            "recalled": self.recalled,
        })
    }
}

/// An id in the vendors' usual form: 32 hexadecimal digits, never used before.
pub(crate) fn fresh_id() -> String {
    uuid::Uuid::now_v7().simple().to_string()
}
