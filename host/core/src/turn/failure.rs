//! When the adapter fails, is absent or comes too late: what is kept of the
//! turn, and who goes on.

use kefu_plugin_api::{
    capability::{EndReason, Exit, SessionState},
    event::Event,
    message::MessageStatus,
};

use super::{Doing, Missed, Turn, Violation, waiting};
use crate::{
    problem::{Problem, Slug},
    session::Record,
};

/// How far a turn had come before an adapter's answer was taken.
pub(super) struct Checkpoint {
    record: Record,
    events: usize,
    calls: usize,
    names: usize,
    missed: Missed,
    typing: bool,
    active: bool,
    moving: bool,
}

impl Turn<'_> {
    /// The adapter failed the call. Where the session is only opening, the next
    /// provider is asked; where it is being ended, it ends without the adapter;
    /// a timer is told again later; of messages that waited for the handshake
    /// the one that it fails on is lost, and said to be.
    ///
    /// # Errors
    /// Anywhere else the turn must be dropped.
    pub fn adapter_failed(&mut self, detail: &str) -> Result<(), Violation> {
        if self.leaving {
            // It is being left: what it makes of that does not matter.
            self.firing = None;
            self.notes
                .push(format!("{}: {detail}", self.record.provider));
            if std::mem::replace(&mut self.doing, Doing::Anything) == Doing::Move {
                self.go_over();
            }
            return Ok(());
        }
        let opening = self.record.state == SessionState::Opening;
        if let (Some(firing), false) = (self.firing.take(), opening) {
            self.timer_failed(firing, detail);
            return Ok(());
        }
        let doing = std::mem::replace(&mut self.doing, Doing::Anything);
        if let (Doing::Held, Some(message)) = (doing, self.telling.message.take()) {
            self.notes
                .push(format!("{}: {detail}", self.record.provider));
            let detail = Some("the provider could not read it".into());
            self.fate(message, MessageStatus::Failed, detail);
            return Ok(());
        }
        if !opening && !matches!(doing, Doing::Close(_)) {
            return Err(Violation(detail.to_owned()));
        }
        self.notes
            .push(format!("{}: {detail}", self.record.provider));
        match doing {
            Doing::Close(reason) => self.close(reason),
            Doing::Exit if self.record.capabilities.exit == Exit::Ends => {
                self.end(EndReason::Visitor);
            }
            Doing::Anything | Doing::Finish | Doing::Held | Doing::Exit | Doing::Move => {
                self.handshake_failed();
            }
        }
        Ok(())
    }

    /// The adapter takes no calls now: as when it fails, but that a timer waits
    /// until it does.
    ///
    /// # Errors
    /// As there.
    pub fn adapter_absent(&mut self, detail: &str) -> Result<(), Violation> {
        if self.leaving {
            return self.adapter_failed(detail);
        }
        let opening = self.record.state == SessionState::Opening;
        match self.firing.take() {
            Some(firing) if !opening => {
                self.timer_waits(firing);
                Ok(())
            }
            // What the adapter could not be told yet is told it when it is back.
            _ if self.doing == Doing::Held => Err(Violation(detail.to_owned())),
            _ => self.adapter_failed(detail),
        }
    }

    /// After a failure a session that is opening goes on to the next provider
    /// and one that is being ended ends, and a timer's turn goes on, without what the failed adapter had
    /// asked for. Elsewhere the whole turn is dropped, and nothing needs to be
    /// kept.
    pub(super) fn checkpoint(&self) -> Option<Checkpoint> {
        let goes_on = self.record.state == SessionState::Opening
            || self.firing.is_some()
            || self.leaving
            || matches!(self.doing, Doing::Close(_) | Doing::Held);
        goes_on.then(|| Checkpoint {
            record: self.record.clone(),
            events: self.events.len(),
            calls: self.calls.len(),
            names: self.names.len(),
            missed: self.missed.clone(),
            typing: self.typing,
            active: self.active,
            moving: self.moving.is_some(),
        })
    }

    pub(super) fn go_back(&mut self, checkpoint: Option<Checkpoint>) {
        if let Some(Checkpoint {
            record,
            events,
            calls,
            names,
            missed,
            typing,
            active,
            moving,
        }) = checkpoint
        {
            self.record = record;
            self.missed = missed;
            self.typing = typing;
            self.active = active;
            if !moving {
                self.moving = None;
            }
            self.events.truncate(events);
            self.calls.truncate(calls);
            self.names.truncate(names);
        }
    }

    /// Leaves out whatever the adapter still had to see: the end of a call is
    /// settled without it after it has failed on it. What became of a message
    /// that the call carried, nobody can say then.
    pub fn skip_adapter(&mut self) {
        self.todo.clear();
        if self.record.state == SessionState::Opening && !self.finished.is_empty() {
            // Nobody would ever take it.
            self.handshake_failed();
        }
        if let (true, Some(message)) = (self.ending.answered, self.ending.message.take()) {
            let detail = Some("the vendor's answer could not be read".into());
            self.fate(message, MessageStatus::Unknown, detail);
        }
    }

    /// A visitor's request that the adapter must see is refused while the
    /// adapter takes no calls; any other is not.
    pub(super) fn need_adapter(&self) -> Result<(), Problem> {
        if self.facts.is_some() || self.todo.is_empty() {
            return Ok(());
        }
        Err(Problem::new(
            Slug::ProviderUnavailable,
            format!(
                "provider `{}` cannot take requests at the moment",
                self.record.provider
            ),
        ))
    }

    /// Whether an event makes no sense any more because an event before it in
    /// this turn has ended the session.
    pub(super) fn comes_too_late(&mut self, event: &Event) -> bool {
        if !self.record.is_over() {
            return false;
        }
        if let Event::FromVisitor { message } = event {
            self.missed.not_sent.push(message.id.clone());
            let detail = Some(waiting::ENDED_BEFORE.into());
            self.fate(message.id.clone(), MessageStatus::Failed, detail);
        }
        matches!(
            event,
            Event::FromVisitor { .. }
                | Event::HumanRequested { .. }
                | Event::Exited {}
                | Event::ProfileChanged { .. }
                | Event::TimerFired { .. }
                | Event::Closing { .. }
        )
    }
}
