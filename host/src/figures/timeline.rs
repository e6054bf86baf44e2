//! Slots of time, and what was counted in each.
//!
//! Owns where a count goes: questions and their answers where the question
//! began, everything else where it was seen. Invariant: slots lie side by side;
//! one begins every ten seconds, and wherever it was asked for.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Range,
    time::Duration,
};

use kefu_core::figures::{Observation, Seen, Tally};
use kefu_plugin_api::{
    ids::{DeskId, ProviderId, SessionId},
    time::Timestamp,
};

/// How long a slot is, unless it is cut.
const SLOT_MS: i64 = 10_000;
/// The shortest time that slots are kept in memory.
const KEPT_MS: i64 = 6 * 3600 * 1000;

/// What was counted, by the moment at which its slot begins.
#[derive(Default)]
pub(super) struct Timeline {
    slots: BTreeMap<Timestamp, Slot>,
    open: BTreeMap<(DeskId, ProviderId), HashMap<SessionId, Timestamp>>,
}

type Slot = BTreeMap<(DeskId, ProviderId), Tally>;

impl Timeline {
    pub(super) fn of(
        &self,
        desk: &DeskId,
        provider: &ProviderId,
        span: Range<Timestamp>,
        answer_within: Duration,
        now: Timestamp,
    ) -> Tally {
        if span.start >= span.end {
            return Tally::default();
        }
        let key = (desk.clone(), provider.clone());
        let mut sum = Tally::default();
        for slot in self.slots.range(span.clone()).map(|(_, slot)| slot) {
            if let Some(tally) = slot.get(&key) {
                sum.merge(tally);
            }
        }
        let mut sum = sum.answered_within(answer_within);
        sum.unanswered += self.overdue(&key, &span, answer_within, now);
        sum
    }

    pub(super) fn cut(&mut self, now: Timestamp) {
        self.slots.entry(now).or_default();
    }

    pub(super) fn count(
        &mut self,
        desk: &DeskId,
        session: &SessionId,
        observation: &Observation,
        now: Timestamp,
    ) {
        let key = (desk.clone(), observation.provider.clone());
        let at = match observation.seen {
            Seen::Asked { since } => {
                let open = self.open.entry(key.clone()).or_default();
                open.insert(session.clone(), since);
                since
            }
            Seen::Answered { since, .. } | Seen::Unanswered { since } => {
                if let Some(open) = self.open.get_mut(&key) {
                    open.remove(session);
                }
                since
            }
            _ => now,
        };
        let tally = self.slot(at, now).entry(key).or_default();
        add(tally, observation.seen);
    }

    /// How many questions that began in this span have waited for too long.
    fn overdue(
        &self,
        key: &(DeskId, ProviderId),
        span: &Range<Timestamp>,
        answer_within: Duration,
        now: Timestamp,
    ) -> u64 {
        let limit = i64::try_from(answer_within.as_millis()).unwrap_or(i64::MAX);
        let Some(open) = self.open.get(key) else {
            return 0;
        };
        let overdue = open
            .values()
            .filter(|since| span.contains(since) && now.since_ms(**since) > limit)
            .count();
        overdue as u64
    }

    /// The slot of a moment; the present one for what is not kept any more.
    fn slot(&mut self, at: Timestamp, now: Timestamp) -> &mut Slot {
        let begin = begin_of(now);
        let oldest = begin.plus_ms(-KEPT_MS);
        if self
            .slots
            .last_key_value()
            .is_none_or(|(last, _)| *last < begin)
        {
            self.slots.entry(begin).or_default();
            self.slots = self.slots.split_off(&oldest);
        }
        let at = if at < oldest { now } else { at };
        let floor = begin_of(at);
        let known = self.slots.range(floor..=at).next_back();
        let key = known.map_or(floor, |(key, _)| *key);
        self.slots.entry(key).or_default()
    }
}

/// Where the uncut slot of a moment begins.
fn begin_of(at: Timestamp) -> Timestamp {
    Timestamp::from_unix_ms(at.unix_ms().div_euclid(SLOT_MS) * SLOT_MS)
}

fn add(tally: &mut Tally, seen: Seen) {
    match seen {
        Seen::Taken => tally.openings += 1,
        Seen::NotTaken => {
            tally.openings += 1;
            tally.opening_failures += 1;
        }
        Seen::Delivered => tally.deliveries += 1,
        Seen::Failed => {
            tally.deliveries += 1;
            tally.delivery_failures += 1;
        }
        Seen::Unknown => {
            tally.deliveries += 1;
            tally.deliveries_unknown += 1;
        }
        Seen::Asked { .. } => tally.asked += 1,
        Seen::Answered { took, .. } => {
            tally.answered += 1;
            tally.first_answers.record(took);
        }
        Seen::Unanswered { .. } => tally.unanswered += 1,
        Seen::Rated(value) => {
            tally.ratings += 1;
            tally.rating_sum += u64::from(value);
        }
        Seen::Resolved(solved) => {
            tally.asked_resolved += 1;
            tally.resolved += u64::from(solved);
        }
        Seen::Ended => tally.ended += 1,
    }
}

#[cfg(test)]
mod tests;
