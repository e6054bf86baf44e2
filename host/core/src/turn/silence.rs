//! Reminders of a visitor or an agent who says nothing (超时提示).
//!
//! Both sides are watched while an agent answers, in turns: a side is silent
//! when it is its turn to speak. The visitor's turn begins with each word of the
//! agent; the agent's with the first word of the visitor that the agent has not
//! answered. With an agent's arrival it is the turn of both. Who reminds, after
//! how long and in which words is the vendor's to say; a vendor that reminds by
//! itself says nothing.
//!
//! Invariants: a silence is reminded of once; nobody is reminded who has left,
//! or while no agent answers; a reminder counts neither as somebody's word nor
//! as unread. A timer is set when a silence begins and looks back when it fires,
//! so that no message has to move it.

use kefu_plugin_api::{
    capability::{IdleReminder, SessionState},
    ids::MessageId,
    message::{Content, Sender, SenderKind},
    time::Timestamp,
};

use super::Turn;
use crate::{
    log::{EventBody, LoggedMessage},
    session::{Quiet, Side, Silence, TimerKey},
};

/// The longest silence that is waited for: a year and a day.
const MAX_SILENCE_S: u64 = 366 * 24 * 3600;

impl Turn<'_> {
    /// An agent answers from now on: everybody may speak who has not just
    /// spoken.
    pub(super) fn begin_to_watch(&mut self) {
        let greeted = self.events.iter().any(|event| {
            matches!(&event.body, EventBody::Message(said) if said.from.kind == SenderKind::Agent)
        });
        let now = Quiet::Since(self.context.now);
        let turn_of = |awaited: bool| if awaited { now } else { Quiet::NotAwaited };
        self.record.silence = Silence {
            visitor: turn_of(self.record.waiting.is_empty()),
            agent: turn_of(!greeted),
        };
        self.watch(Side::Visitor);
        self.watch(Side::Agent);
    }

    /// No agent answers any more.
    pub(super) fn stop_watching(&mut self) {
        self.record.silence = Silence::default();
        for side in [Side::Visitor, Side::Agent] {
            self.record.timers.remove(&TimerKey::Silence(side));
        }
    }

    /// Somebody said something.
    pub(super) fn spoke(&mut self, side: Side) {
        if self.record.state != SessionState::Human {
            return;
        }
        let now = Quiet::Since(self.context.now);
        let silence = &mut self.record.silence;
        *silence.of(side) = Quiet::NotAwaited;
        let other = match side {
            Side::Visitor => Side::Agent,
            Side::Agent => Side::Visitor,
        };
        let awaited = silence.of(other);
        match (*awaited, other) {
            // A visitor who writes again and again waits since the first time.
            (Quiet::NotAwaited, _) | (Quiet::Since(_), Side::Visitor) => *awaited = now,
            (Quiet::Since(_), Side::Agent) | (Quiet::Reminded, _) => {}
        }
        self.watch(other);
    }

    /// Another agent answers: whoever is new gets the whole time.
    pub(super) fn agent_is_new(&mut self) {
        if self.record.silence.agent != Quiet::NotAwaited {
            self.record.silence.agent = Quiet::Since(self.context.now);
            self.watch(Side::Agent);
        }
    }

    /// The vendor reminds of something else, or after another time.
    pub(super) fn watch_anew(&mut self) {
        for side in [Side::Visitor, Side::Agent] {
            self.record.timers.remove(&TimerKey::Silence(side));
            self.watch(side);
        }
    }

    /// A side may have been silent for too long.
    pub(super) fn look_at_silence(&mut self, side: Side) {
        let Some(due) = self.reminder_due(side) else {
            return;
        };
        if due > self.context.now {
            return self.watch(side);
        }
        if self.record.state != SessionState::Human || !self.record.visitor_present {
            // Nobody is there to be reminded; the next word begins anew.
            *self.record.silence.of(side) = Quiet::NotAwaited;
            return;
        }
        *self.record.silence.of(side) = Quiet::Reminded;
        let Some(text) = self.reminder(side).map(|reminder| reminder.text.clone()) else {
            return;
        };
        let said_something = self.active;
        let id = MessageId::from(self.draw_uuid());
        self.log(EventBody::Message(LoggedMessage {
            id,
            from: Sender::of(SenderKind::System),
            content: Content::text(text),
            suggestions: Vec::new(),
            converted_from: None,
            detail: None,
        }));
        // A clock does not keep a session alive.
        self.active = said_something;
    }

    fn watch(&mut self, side: Side) {
        if let Some(due) = self.reminder_due(side) {
            self.record
                .timers
                .entry(TimerKey::Silence(side))
                .or_insert(due);
        }
    }

    fn reminder_due(&self, side: Side) -> Option<Timestamp> {
        let reminder = self.reminder(side)?;
        let quiet = match side {
            Side::Visitor => self.record.silence.visitor,
            Side::Agent => self.record.silence.agent,
        };
        let Quiet::Since(since) = quiet else {
            return None;
        };
        // Bounded, so the cast keeps it.
        let seconds = reminder.after_seconds.min(MAX_SILENCE_S) as i64;
        Some(since.plus_ms(seconds * 1000))
    }

    fn reminder(&self, side: Side) -> Option<&IdleReminder> {
        let idle = &self.record.config.idle;
        let reminder = match side {
            Side::Visitor => idle.visitor.as_ref(),
            Side::Agent => idle.agent.as_ref(),
        };
        reminder.filter(|reminder| reminder.after_seconds > 0 && !reminder.text.trim().is_empty())
    }
}
