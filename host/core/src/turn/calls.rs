//! Calls to the vendor: how they are asked for, and how they end.

use kefu_plugin_api::{
    effect::Call,
    event::{CallResult, Event},
    message::MessageStatus,
};

use super::{Doing, Ending, Turn, Violation};
use crate::{
    log::EventBody,
    outbox::{Finished, OutboxEntry},
    session::OpenCall,
};

/// How many calls of one session may be open.
const MAX_OPEN_CALLS: usize = 1_000;

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
        self.calls.push(OutboxEntry {
            session: self.record.id.clone(),
            number,
            provider: self.record.provider.clone(),
            call,
            created_at: self.context.now,
            deadline_at: self.context.now.plus_ms(deadline.min(longest)),
            media: self.media.clone(),
        });
        Ok(())
    }

    pub(super) fn call_finished(&mut self, finished: Finished) {
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
            self.log(EventBody::Status {
                message,
                status,
                detail: Some(detail),
            });
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
