//! Calls to the vendor: how they are asked for, and how they end.

use kefu_plugin_api::{
    effect::Call,
    event::{CallResult, Event},
    ids::MessageId,
    message::MessageStatus,
};

use super::{Doing, Ending, Turn, Violation};
use crate::{
    log::EventBody,
    outbox::{Finished, OutboxEntry},
    problem::{Problem, Slug},
    session::{HeldMedia, OpenCall},
};

/// How many calls of one session may be open.
const MAX_OPEN_CALLS: usize = 1_000;
/// How many messages that an adapter holds back are known.
const MAX_HELD: usize = 200;
/// Of how many messages that an adapter holds back the media are known. They
/// are written with the record at every turn.
const MAX_HELD_MEDIA: usize = 32;

impl Turn<'_> {
    pub(super) fn call(&mut self, call: Call) -> Result<(), Violation> {
        if self.record.open_calls.iter().any(|open| open.id == call.id) {
            return Err(Violation(format!(
                "a second call named `{}` while the first is open",
                call.id
            )));
        }
        if self.record.open_calls.len() >= MAX_OPEN_CALLS {
            return Err(Violation(format!(
                "more than {MAX_OPEN_CALLS} open calls in one session"
            )));
        }
        if let Some(message) = &call.message {
            self.record.held.retain(|held| held != message);
        }
        self.record.last_entry += 1;
        let number = self.record.last_entry;
        self.record.open_calls.push(OpenCall {
            id: call.id.clone(),
            number,
            message: call.message.clone(),
        });
        let longest = self
            .facts
            .as_ref()
            .map_or(i64::MAX, |facts| facts.deadline_ms);
        let deadline = call
            .deadline_ms
            .and_then(|ms| i64::try_from(ms).ok())
            .unwrap_or(longest);
        let message = call.message.clone();
        self.calls.push(OutboxEntry {
            session: self.record.id.clone(),
            number,
            provider: self.record.provider.clone(),
            call,
            created_at: self.context.now,
            deadline_at: self.context.now.plus_ms(deadline.min(longest)),
            gives_way: self.has_successor(),
            media: self.media_of(message.as_ref()),
            trace: self
                .telling
                .trace
                .clone()
                .or_else(|| self.context.trace.map(str::to_owned)),
        });
        Ok(())
    }

    /// Media that a call may link to: those of what the adapter is being told,
    /// and those of what it held back. A call that names its message needs no
    /// others.
    fn media_of(&self, message: Option<&MessageId>) -> Vec<String> {
        let mut media = self.telling.media.clone();
        for held in &self.record.held_media {
            if message.is_none_or(|message| *message == held.message) {
                media.extend(held.media.iter().cloned());
            }
        }
        media.sort_unstable();
        media.dedup();
        media
    }

    /// Remembers a message, and its media, that the adapter was told of and has
    /// not sent: it may send it in a later turn.
    pub(super) fn hold_media(&mut self) {
        let telling = std::mem::take(&mut self.telling);
        let Some(message) = telling.message else {
            return;
        };
        let sent = self
            .calls
            .iter()
            .any(|entry| entry.call.message.as_ref() == Some(&message));
        let settled = self.events.iter().any(
            |event| matches!(&event.body, EventBody::Status { message: of, .. } if *of == message),
        );
        if sent || settled {
            return;
        }
        // A call that does not name its message may carry it all the same.
        if self.record.last_entry == telling.last_entry {
            let held = &mut self.record.held;
            if held.len() >= MAX_HELD {
                held.remove(0);
            }
            held.push(message.clone());
            self.changed = true;
        }
        if telling.media.is_empty() {
            return;
        }
        let held = &mut self.record.held_media;
        if held.len() >= MAX_HELD_MEDIA {
            held.remove(0);
        }
        held.push(HeldMedia {
            message,
            media: telling.media,
        });
        self.changed = true;
    }

    /// What became of a message is known: nobody sends it any more.
    pub(super) fn drop_held_media(&mut self, message: &MessageId) {
        self.record.held.retain(|held| held != message);
        self.record
            .held_media
            .retain(|held| held.message != *message);
    }

    /// Asks for a call again that was given up: with a number after all that
    /// wait, and as much time as a new one. The adapter hears of its end as of
    /// any other.
    ///
    /// # Errors
    /// The session's provider takes no calls, is another one by now, or has a
    /// call of that name under way.
    pub(super) fn replay(&mut self, entry: OutboxEntry) -> Result<(), Problem> {
        let refuse = |slug, why: String| Err(Problem::new(slug, why));
        if entry.provider != self.record.provider {
            let why = format!(
                "the session has passed from provider `{}` to `{}` since the call was given up",
                entry.provider, self.record.provider
            );
            return refuse(Slug::InvalidRequest, why);
        }
        if self.facts.is_none() {
            let why = format!("provider `{}` takes no calls at the moment", entry.provider);
            return refuse(Slug::ProviderUnavailable, why);
        }
        self.telling.media = entry.media;
        self.call(entry.call)
            .or_else(|Violation(why)| refuse(Slug::InvalidRequest, why))
    }

    pub(super) fn call_finished(&mut self, finished: Finished) {
        let withdrawn = &mut self.record.moves.withdrawn;
        if let Some(index) = withdrawn.iter().position(|it| *it == finished.number) {
            // It was under way when it was taken back; its entry is gone.
            withdrawn.remove(index);
            self.changed = true;
            return;
        }
        self.finished.push(finished.number);
        let open = self
            .record
            .open_calls
            .iter()
            .position(|call| call.number == finished.number);
        let Some(index) = open else { return };
        let call = self.record.open_calls.remove(index);
        let lost = match &finished.result {
            CallResult::NotSent { detail } => Some((MessageStatus::Failed, detail.clone())),
            CallResult::Unknown { detail } => Some((MessageStatus::Unknown, detail.clone())),
            _ => None,
        };
        self.ending = Ending {
            answered: lost.is_none(),
            token_renewed: finished.token_renewed,
            message: call.message.clone(),
        };
        if let (Some(message), Some((status, detail))) = (call.message, lost) {
            self.drop_held_media(&message);
            self.fate(message, status, Some(detail));
        }
        let Finished {
            result,
            token_renewed,
            ..
        } = finished;
        self.then(
            Event::CallFinished {
                call: call.id,
                result,
                token_renewed,
            },
            Doing::Finish,
        );
    }

    pub(super) fn token_rejected(&mut self, name: String, alone: bool) -> Result<(), Violation> {
        if self.doing != Doing::Finish || !alone {
            return Err(Violation(format!(
                "token `{name}` rejected outside the answer to a finished call"
            )));
        }
        if !self.ending.answered {
            return Err(Violation(format!(
                "token `{name}` rejected, although the vendor did not answer"
            )));
        }
        if self.ending.token_renewed {
            return Err(Violation(format!(
                "token `{name}` rejected although it is new"
            )));
        }
        self.renew_token = Some(name);
        Ok(())
    }
}
