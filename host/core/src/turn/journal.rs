//! The log's entries of a turn, and ids drawn from its seed.

use kefu_plugin_api::message::SenderKind;

use super::Turn;
use crate::log::{EventBody, LogEvent};

impl Turn<'_> {
    pub(super) fn log(&mut self, body: EventBody) -> u64 {
        self.record.last_seq += 1;
        if let EventBody::Message(message) = &body {
            self.active = true;
            self.measure(message.from.kind);
        }
        let mut body = body;
        if let EventBody::Opened(card) = &mut body {
            card.last_seq = self.record.last_seq;
        }
        let id = self.draw_uuid();
        self.events.push(LogEvent {
            seq: self.record.last_seq,
            id,
            session: self.record.id.clone(),
            body,
            at: self.context.now,
        });
        self.record.last_seq
    }

    /// Notes the visitor's first question and the first answer to it. What is
    /// said while the question has not been handed on, such as a greeting, is
    /// none.
    fn measure(&mut self, from: SenderKind) {
        let (now, record) = (self.context.now, &mut self.record);
        match from {
            SenderKind::Visitor => record.service.ask(now),
            SenderKind::Robot | SenderKind::Agent
                if record.waiting.is_empty() && !record.is_over() =>
            {
                record.service.answer(now);
            }
            SenderKind::Robot | SenderKind::Agent | SenderKind::System => {}
        }
    }

    pub(super) fn draw_uuid(&mut self) -> String {
        let millis = u64::try_from(self.context.now.unix_ms()).unwrap_or(0);
        let words = [
            draw(self.context.seed, self.drawn),
            draw(self.context.seed, self.drawn + 1),
        ];
        self.drawn += 2;
        let mut random = [0; 10];
        random[..8].copy_from_slice(&words[0].to_be_bytes());
        random[8..].copy_from_slice(&words[1].to_be_bytes()[..2]);
        uuid::Builder::from_unix_timestamp_millis(millis, &random)
            .into_uuid()
            .to_string()
    }
}

/// The `n`th number drawn from a seed.
pub(super) fn draw(seed: u64, n: u64) -> u64 {
    let mut word = seed.wrapping_add((n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}
