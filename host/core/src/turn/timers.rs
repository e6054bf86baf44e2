//! Timers: the adapter's, the window for a rating, the end of idle sessions.

use kefu_plugin_api::{capability::EndReason, event::Event, ids::TimerId};

use super::{Doing, Turn, Violation};
use crate::session::TimerKey;

/// How many timers an adapter may have in one session.
const MAX_TIMERS: usize = 32;
/// The longest timer: a year and a day.
const MAX_TIMER_MS: u64 = 366 * 24 * 3600 * 1000;

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
            self.record.timers.remove(&key);
            self.changed = true;
            match key {
                TimerKey::RatingWindow => self.close_rating_window(),
                TimerKey::Idle => self.close_if_idle(),
                TimerKey::Adapter(timer) if !self.record.is_over() => {
                    self.tell(Event::TimerFired { timer });
                }
                TimerKey::Adapter(_) => {}
            }
        }
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
        let closes_at = self.record.active_at.plus_ms(facts.max_idle_ms);
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
        // Bounded above, so the cast keeps it.
        self.record
            .timers
            .insert(key, self.context.now.plus_ms(after_ms as i64));
        self.changed = true;
        Ok(())
    }
}
