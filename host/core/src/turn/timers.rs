//! Timers: the adapter's, the window for a rating, silences, the end of idle
//! sessions.

use kefu_plugin_api::{capability::EndReason, event::Event, ids::TimerId, time::Timestamp};

use super::{Doing, ProviderFacts, Turn, Violation};
use crate::session::{Record, TimerKey};

/// A timer that the adapter is being told of.
pub(super) struct Firing {
    pub(super) timer: TimerId,
    /// When it was due.
    at: Timestamp,
    /// Whether there was anything to write before.
    changed: bool,
}

/// How many timers an adapter may have in one session.
const MAX_TIMERS: usize = 32;
/// How often an adapter may fail on a timer before that is given up.
const MAX_TIMER_FAILURES: u32 = 8;
/// How long after its first failure a timer is told again; doubled each time,
/// so that all of them take about an hour.
const FIRST_TIMER_WAIT_MS: i64 = 30_000;
/// The longest timer: a year and a day.
const MAX_TIMER_MS: u64 = 366 * 24 * 3600 * 1000;

/// How long a session of the gateway's own is left open at most: one that a
/// crash left behind is of no use to anybody.
const SYNTHETIC_IDLE_MS: i64 = 10 * 60_000;

/// How long a session in which nothing happens stays open.
pub(super) fn max_idle_ms(record: &Record, facts: &ProviderFacts) -> i64 {
    match record.synthetic {
        true => facts.max_idle_ms.min(SYNTHETIC_IDLE_MS),
        false => facts.max_idle_ms,
    }
}

impl Turn<'_> {
    pub(super) fn fire_timers(&mut self) {
        let now = self.context.now;
        let due: Vec<_> = self
            .record
            .timers
            .iter()
            .filter(|(_, at)| **at <= now)
            .map(|(key, _)| key.clone())
            .collect();
        for key in due {
            if let TimerKey::Adapter(timer) = key {
                // It goes when the adapter is told.
                self.tell(Event::TimerFired { timer });
                continue;
            }
            self.record.timers.remove(&key);
            self.changed = true;
            match key {
                TimerKey::Silence(side) => self.look_at_silence(side),
                TimerKey::RatingWindow => self.close_rating_window(),
                TimerKey::Idle => self.close_if_idle(),
                TimerKey::Human => {
                    self.stop_holding();
                    self.release_waiting();
                }
                TimerKey::Adapter(_) => {}
            }
        }
    }

    /// Whether an event that waits still has its reason: a timer may have been
    /// cancelled or set again by an event before it in this turn.
    pub(super) fn still_fires(&mut self, event: &Event) -> bool {
        self.firing = None;
        let Event::TimerFired { timer } = event else {
            return true;
        };
        let key = TimerKey::Adapter(timer.clone());
        let due = self.record.timers.get(&key).copied();
        let Some(at) = due.filter(|at| *at <= self.context.now) else {
            return false;
        };
        self.record.timers.remove(&key);
        self.firing = Some(Firing {
            timer: timer.clone(),
            at,
            changed: std::mem::replace(&mut self.changed, true),
        });
        true
    }

    /// The adapter failed on a timer: it is told again later, for a while.
    pub(super) fn timer_failed(&mut self, firing: Firing, detail: &str) {
        let Firing { timer, .. } = firing;
        let failures = self.record.timer_failures.entry(timer.clone()).or_default();
        *failures += 1;
        let failures = *failures;
        let provider = &self.record.provider;
        if failures >= MAX_TIMER_FAILURES {
            self.notes.push(format!(
                "{provider}: timer `{timer}` is given up after {failures} failures: {detail}"
            ));
            self.record.timer_failures.remove(&timer);
            return;
        }
        self.notes
            .push(format!("{provider}: timer `{timer}` failed: {detail}"));
        let wait = FIRST_TIMER_WAIT_MS << (failures - 1).min(7);
        self.record
            .timers
            .insert(TimerKey::Adapter(timer), self.context.now.plus_ms(wait));
    }

    /// The adapter takes no calls: its timer stays due, and nothing is written
    /// for that.
    pub(super) fn timer_waits(&mut self, firing: Firing) {
        let Firing { timer, at, changed } = firing;
        self.record.timers.insert(TimerKey::Adapter(timer), at);
        self.changed = changed;
    }

    /// The idle timer is set once and looks back when it fires, so that no
    /// message has to move it.
    fn close_if_idle(&mut self) {
        let Some(facts) = &self.facts else {
            self.record
                .timers
                .insert(TimerKey::Idle, self.context.now.plus_ms(3_600_000));
            return;
        };
        let closes_at = self
            .record
            .active_at
            .plus_ms(max_idle_ms(&self.record, facts));
        if self.record.is_over() {
        } else if closes_at > self.context.now {
            self.record.timers.insert(TimerKey::Idle, closes_at);
        } else {
            self.then(
                Event::Closing {
                    reason: EndReason::Idle,
                },
                Doing::Close(EndReason::Idle),
            );
        }
    }

    pub(super) fn set_timer(&mut self, timer: TimerId, after_ms: u64) -> Result<(), Violation> {
        let key = TimerKey::Adapter(timer);
        if after_ms > MAX_TIMER_MS {
            return Err(Violation(format!(
                "a timer of {after_ms} ms; at most {MAX_TIMER_MS}"
            )));
        }
        if self.record.timers.len() >= MAX_TIMERS && !self.record.timers.contains_key(&key) {
            return Err(Violation(format!(
                "more than {MAX_TIMERS} timers in one session"
            )));
        }
        if let TimerKey::Adapter(timer) = &key {
            self.record.timer_failures.remove(timer);
        }
        // Bounded above, so the cast keeps it.
        self.record
            .timers
            .insert(key, self.context.now.plus_ms(after_ms as i64));
        self.changed = true;
        Ok(())
    }
}
