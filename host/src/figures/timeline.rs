//! Slots of time, and what was counted in each.
//!
//! Owns where a count goes: questions and their answers where the question
//! began, everything else where it was seen. Slots of a minute that are not cut
//! apart are one piece on disk. Deliberately does no I/O: what is to be written
//! is taken out, what was written is put in. Invariants: slots lie side by side;
//! one begins every ten seconds, and wherever it was asked for; everything that
//! began after [`begins`](Timeline::begins) is here.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    ops::Range,
    time::Duration,
};

use kefu_core::figures::{Observation, Seen, Tally};
use kefu_plugin_api::{
    ids::{DeskId, ProviderId, SessionId},
    time::Timestamp,
};

use crate::store::figures::CountedRow;

/// How long a slot is, unless it is cut.
const SLOT_MS: i64 = 10_000;
/// How long a piece on disk is, unless it is cut.
const PIECE_MS: i64 = 60_000;
/// The shortest time that slots are kept in memory.
const KEPT_MS: i64 = 6 * 3600 * 1000;

/// What was counted, by the moment at which its slot begins.
#[derive(Default)]
pub(super) struct Timeline {
    slots: BTreeMap<Timestamp, Slot>,
    /// Whatever began before is not in memory any more.
    begins: Timestamp,
    /// Questions without an answer, and since when they have waited.
    open: BTreeMap<Key, HashMap<SessionId, Timestamp>>,
    /// Sessions whose question was settled while open ones are looked for.
    settled: Option<HashSet<SessionId>>,
    /// Pieces that differ from what is on disk.
    unwritten: BTreeSet<(Timestamp, Key)>,
    /// What belongs to pieces that are on disk only.
    late: BTreeMap<(Timestamp, Key), Tally>,
}

/// At which desk, of whom.
pub(super) type Key = (DeskId, ProviderId);

#[derive(Default)]
struct Slot {
    /// Where the piece begins that it is written with.
    piece: Timestamp,
    tallies: BTreeMap<Key, Tally>,
}

/// What has to be written.
#[derive(Default)]
pub(super) struct Unwritten {
    /// Pieces as they are now.
    pub(super) rows: Vec<CountedRow>,
    /// What is to be added to pieces on disk.
    pub(super) late: BTreeMap<(Timestamp, Key), Tally>,
}

impl Timeline {
    /// One that goes on after a restart: whatever is younger than six hours is
    /// to be [restored](Self::restore).
    pub(super) fn new(now: Timestamp) -> Self {
        Self {
            begins: floor(now, PIECE_MS).plus_ms(-KEPT_MS),
            settled: Some(HashSet::new()),
            ..Self::default()
        }
    }

    /// From when on everything is in memory.
    pub(super) fn begins(&self) -> Timestamp {
        self.begins
    }

    /// Puts in what is on disk.
    pub(super) fn restore(&mut self, rows: Vec<CountedRow>) {
        for row in rows {
            let slot = self.slots.entry(row.begin).or_insert_with(|| Slot {
                piece: row.begin,
                ..Slot::default()
            });
            let tally = slot.tallies.entry((row.desk, row.provider)).or_default();
            tally.merge(&row.tally);
        }
    }

    /// Puts in a question that was found open in the store, unless it was
    /// settled meanwhile.
    pub(super) fn found_open(
        &mut self,
        desk: DeskId,
        provider: ProviderId,
        session: SessionId,
        since: Timestamp,
    ) {
        let settled = self.settled.as_ref();
        if settled.is_none_or(|settled| !settled.contains(&session)) {
            let open = self.open.entry((desk, provider)).or_default();
            open.insert(session, since);
        }
    }

    /// Every open question was found.
    pub(super) fn found_all(&mut self) {
        self.settled = None;
    }

    /// What was counted in the slots that begin in a span and are in memory.
    /// Of answers, all that there are.
    pub(super) fn of(&self, key: &Key, span: Range<Timestamp>) -> Tally {
        let mut sum = Tally::default();
        if span.start < span.end {
            for slot in self.slots.range(span).map(|(_, slot)| slot) {
                if let Some(tally) = slot.tallies.get(key) {
                    sum.merge(tally);
                }
            }
        }
        sum
    }

    /// Since when questions have waited that have waited for too long, oldest
    /// first.
    pub(super) fn overdue(
        &self,
        key: &Key,
        answer_within: Duration,
        now: Timestamp,
    ) -> Vec<Timestamp> {
        let limit = i64::try_from(answer_within.as_millis()).unwrap_or(i64::MAX);
        let open = self.open.get(key).into_iter().flat_map(HashMap::values);
        let mut overdue: Vec<_> = open
            .filter(|since| now.since_ms(**since) > limit)
            .copied()
            .collect();
        overdue.sort_unstable();
        overdue
    }

    /// Everybody of whom something is in memory, in slots that begin in a span.
    pub(super) fn keys(&self, span: Range<Timestamp>) -> BTreeSet<Key> {
        if span.start >= span.end {
            return BTreeSet::new();
        }
        let slots = self.slots.range(span);
        slots
            .flat_map(|(_, slot)| slot.tallies.keys().cloned())
            .collect()
    }

    /// Begins a new slot, and a new piece, now.
    pub(super) fn cut(&mut self, now: Timestamp) {
        self.make_way(now);
        self.slots.entry(now).or_insert_with(|| Slot {
            piece: now,
            ..Slot::default()
        });
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
                if let Some(settled) = &mut self.settled {
                    settled.insert(session.clone());
                }
                if let Some(open) = self.open.get_mut(&key) {
                    open.remove(session);
                }
                since
            }
            _ => now,
        };
        self.make_way(now);
        add(self.tally(at, key), observation.seen);
    }

    /// Takes out what has to be written. What could not be is to be
    /// [given back](Self::give_back).
    pub(super) fn take_unwritten(&mut self) -> Unwritten {
        let pieces = std::mem::take(&mut self.unwritten);
        let rows = pieces.into_iter().map(|(begin, key)| {
            let mut tally = Tally::default();
            let end = floor(begin, PIECE_MS).plus_ms(PIECE_MS);
            for slot in self.slots.range(begin..end).map(|(_, slot)| slot) {
                if let (true, Some(part)) = (slot.piece == begin, slot.tallies.get(&key)) {
                    tally.merge(part);
                }
            }
            CountedRow {
                begin,
                desk: key.0,
                provider: key.1,
                tally,
            }
        });
        Unwritten {
            rows: rows.collect(),
            late: std::mem::take(&mut self.late),
        }
    }

    /// What could not be written is written later.
    pub(super) fn give_back(
        &mut self,
        pieces: Vec<(Timestamp, Key)>,
        late: BTreeMap<(Timestamp, Key), Tally>,
    ) {
        let begins = self.begins;
        let pieces = pieces.into_iter().filter(|(begin, _)| *begin >= begins);
        self.unwritten.extend(pieces);
        for (piece, tally) in late {
            self.late.entry(piece).or_default().merge(&tally);
        }
    }

    /// Lets go of what is too old, whole pieces at a time, once it is written.
    fn make_way(&mut self, now: Timestamp) {
        let begins = floor(now, PIECE_MS).plus_ms(-KEPT_MS);
        let oldest = self.unwritten.first().map_or(begins, |(begin, _)| *begin);
        let begins = begins.min(oldest);
        if begins > self.begins {
            self.slots = self.slots.split_off(&begins);
            self.begins = begins;
        }
    }

    /// Where a moment is counted.
    fn tally(&mut self, at: Timestamp, key: Key) -> &mut Tally {
        if at < self.begins {
            let piece = floor(at, PIECE_MS);
            return self.late.entry((piece, key)).or_default();
        }
        let begin = floor(at, SLOT_MS);
        let known = self.slots.range(begin..=at).next_back();
        let begin = known.map_or(begin, |(begin, _)| *begin);
        let minute = floor(begin, PIECE_MS);
        let before = self.slots.range(minute..=begin).next_back();
        let piece = before.map_or(minute, |(_, slot)| slot.piece);
        self.unwritten.insert((piece, key.clone()));
        let slot = self.slots.entry(begin).or_default();
        slot.piece = piece;
        slot.tallies.entry(key).or_default()
    }
}

fn floor(at: Timestamp, step_ms: i64) -> Timestamp {
    Timestamp::from_unix_ms(at.unix_ms().div_euclid(step_ms) * step_ms)
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
        Seen::Read => tally.reads += 1,
        Seen::Recalled => tally.recalls += 1,
    }
}

#[cfg(test)]
mod tests;
