//! What a provider does for visitors, in numbers that can be added up.
//!
//! Owns the counts of one stretch of time ([`Tally`]), what is read from them
//! ([`Summary`]), and what one committed turn adds ([`observe`]). Deliberately
//! keeps no time line and reads no clock; the host does. Invariants: merging is
//! the same in any order, and a rate is only there where something was counted.
//!
//! What is counted when:
//!
//! - An *opening* counts when it is decided: the vendor took the session, or did
//!   not and the next one was asked (or nobody was left). A visitor who leaves
//!   before that decides nothing.
//! - A *delivery* counts when the fate of a visitor's message is known.
//! - A *question* is the visitor's first word in a session with a provider. It
//!   counts at the time it was asked, and so does its answer or its having none:
//!   of a stretch of time, `asked` are the questions that began in it and
//!   `answered` those of them that were answered since.

mod histogram;
mod observe;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use self::{
    histogram::Histogram,
    observe::{Observation, Seen, observe, open_question},
};

/// What was counted of one provider at one desk in some stretch of time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tally {
    /// Openings that were decided.
    pub openings: u64,
    /// Those of them that the vendor did not take.
    pub opening_failures: u64,
    /// Visitors' messages whose fate is known.
    pub deliveries: u64,
    /// Those of them that surely did not arrive.
    pub delivery_failures: u64,
    /// Those of them that may have arrived: the vendor gave no answer that
    /// tells.
    pub deliveries_unknown: u64,
    /// Questions that were asked.
    pub asked: u64,
    /// Those of them that a robot or an agent has answered.
    pub answered: u64,
    /// Those of them that got no answer: the session ended or went elsewhere
    /// without one, or they have waited for longer than was asked about.
    pub unanswered: u64,
    /// How long those that were answered took.
    pub first_answers: Histogram,
    /// Ratings that have a value.
    pub ratings: u64,
    /// Their sum, each from 0 (worst) to 100 (best).
    pub rating_sum: u64,
    /// Ratings that say whether the matter was solved.
    pub asked_resolved: u64,
    /// Those of them that say it was.
    pub resolved: u64,
    /// Sessions that ended after the vendor had taken them.
    pub ended: u64,
    /// Messages that the vendor told were read.
    pub reads: u64,
    /// Messages that the vendor took back.
    pub recalls: u64,
}

impl Tally {
    /// Adds what was counted elsewhere or at another time.
    pub fn merge(&mut self, other: &Self) {
        let Self {
            openings,
            opening_failures,
            deliveries,
            delivery_failures,
            deliveries_unknown,
            asked,
            answered,
            unanswered,
            first_answers,
            ratings,
            rating_sum,
            asked_resolved,
            resolved,
            ended,
            reads,
            recalls,
        } = other;
        add(&mut self.openings, *openings);
        add(&mut self.opening_failures, *opening_failures);
        add(&mut self.deliveries, *deliveries);
        add(&mut self.delivery_failures, *delivery_failures);
        add(&mut self.deliveries_unknown, *deliveries_unknown);
        add(&mut self.asked, *asked);
        add(&mut self.answered, *answered);
        add(&mut self.unanswered, *unanswered);
        self.first_answers.merge(first_answers);
        add(&mut self.ratings, *ratings);
        add(&mut self.rating_sum, *rating_sum);
        add(&mut self.asked_resolved, *asked_resolved);
        add(&mut self.resolved, *resolved);
        add(&mut self.ended, *ended);
        add(&mut self.reads, *reads);
        add(&mut self.recalls, *recalls);
    }

    /// Whether nothing was counted at all.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Sessions that the vendor took.
    pub const fn taken(&self) -> u64 {
        self.openings.saturating_sub(self.opening_failures)
    }

    /// The share of openings that failed, 0 to 1; `None` without openings.
    pub fn opening_failure_rate(&self) -> Option<f64> {
        share(self.opening_failures, self.openings)
    }

    /// The share of messages that failed or may have, 0 to 1; `None` without
    /// messages whose fate is known.
    pub fn delivery_failure_rate(&self) -> Option<f64> {
        let lost = self
            .delivery_failures
            .saturating_add(self.deliveries_unknown);
        share(lost, self.deliveries)
    }

    /// The share of questions without an answer among those that are decided,
    /// 0 to 1; `None` while none is.
    pub fn unanswered_rate(&self) -> Option<f64> {
        share(
            self.unanswered,
            self.answered.saturating_add(self.unanswered),
        )
    }

    /// How long at most so many percent (0 to 100) of the questions that were
    /// answered had to wait, off by at most [`Histogram::ERROR`]; `None` without
    /// an answer.
    pub fn first_answer(&self, percentile: f64) -> Option<Duration> {
        self.first_answers.percentile(percentile)
    }

    /// The average rating, 0 to 100; `None` without ratings.
    pub fn rating(&self) -> Option<f64> {
        share(self.rating_sum, self.ratings)
    }

    /// The share of "it was solved" among the ratings that say so or not, 0 to
    /// 1; `None` where none does.
    pub fn resolved_rate(&self) -> Option<f64> {
        share(self.resolved, self.asked_resolved)
    }

    /// Counts answers that took longer than this as none.
    #[must_use]
    pub fn answered_within(mut self, limit: Duration) -> Self {
        let late = self.first_answers.above(limit).min(self.answered);
        self.answered -= late;
        add(&mut self.unanswered, late);
        self
    }

    /// The counts with everything that is read from them.
    pub fn summary(&self) -> Summary {
        Summary {
            openings: self.openings,
            opening_failures: self.opening_failures,
            opening_failure_rate: self.opening_failure_rate(),
            deliveries: self.deliveries,
            delivery_failures: self.delivery_failures,
            deliveries_unknown: self.deliveries_unknown,
            delivery_failure_rate: self.delivery_failure_rate(),
            asked: self.asked,
            answered: self.answered,
            unanswered: self.unanswered,
            unanswered_rate: self.unanswered_rate(),
            first_answer_p50_ms: self.first_answer(50.0).map(millis),
            first_answer_p95_ms: self.first_answer(95.0).map(millis),
            first_answer_p99_ms: self.first_answer(99.0).map(millis),
            ratings: self.ratings,
            rating: self.rating(),
            resolved_rate: self.resolved_rate(),
            ended: self.ended,
        }
    }
}

/// A tally as operators read it: rates from 0 to 1, times in milliseconds, the
/// rating from 0 to 100. What nothing was counted for is absent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Openings that were decided.
    pub openings: u64,
    /// Those of them that the vendor did not take.
    pub opening_failures: u64,
    /// Their share.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opening_failure_rate: Option<f64>,
    /// Visitors' messages whose fate is known.
    pub deliveries: u64,
    /// Those of them that did not arrive.
    pub delivery_failures: u64,
    /// Those of them that may have arrived.
    pub deliveries_unknown: u64,
    /// The share of both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery_failure_rate: Option<f64>,
    /// Questions that were asked.
    pub asked: u64,
    /// Those of them that were answered in time.
    pub answered: u64,
    /// Those of them that were not.
    pub unanswered: u64,
    /// The share of the latter among both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unanswered_rate: Option<f64>,
    /// How long half of the first answers took at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_answer_p50_ms: Option<u64>,
    /// How long 95 % of them took at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_answer_p95_ms: Option<u64>,
    /// How long 99 % of them took at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_answer_p99_ms: Option<u64>,
    /// Ratings that have a value.
    pub ratings: u64,
    /// Their average.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rating: Option<f64>,
    /// The share of "it was solved" among the ratings that say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved_rate: Option<f64>,
    /// Sessions that ended after the vendor had taken them.
    pub ended: u64,
}

fn add(to: &mut u64, more: u64) {
    *to = to.saturating_add(more);
}

/// `None` where there is nothing to have a share of.
#[expect(
    clippy::cast_precision_loss,
    reason = "counts stay far below 2^53, and a share needs no last digit"
)]
fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_counted_has_no_rates() {
        let summary = Tally::default().summary();
        assert_eq!(summary, Summary::default());
        let json = serde_json::to_value(&summary).unwrap();
        assert!(json.get("rating").is_none(), "{json}");
    }

    #[test]
    fn rates_are_shares_of_what_they_belong_to() {
        let tally = Tally {
            openings: 8,
            opening_failures: 2,
            deliveries: 10,
            delivery_failures: 1,
            deliveries_unknown: 2,
            asked: 9,
            answered: 3,
            unanswered: 1,
            ratings: 2,
            rating_sum: 125,
            asked_resolved: 4,
            resolved: 3,
            ..Tally::default()
        };
        assert_eq!(tally.taken(), 6);
        assert_eq!(tally.opening_failure_rate(), Some(0.25));
        assert_eq!(tally.delivery_failure_rate(), Some(0.3));
        assert_eq!(tally.unanswered_rate(), Some(0.25));
        assert_eq!(tally.rating(), Some(62.5));
        assert_eq!(tally.resolved_rate(), Some(0.75));
    }

    #[test]
    fn an_answer_after_the_limit_counts_as_none() {
        let mut tally = Tally {
            asked: 3,
            answered: 2,
            ..Tally::default()
        };
        tally.first_answers.record(Duration::from_secs(5));
        tally.first_answers.record(Duration::from_secs(500));
        let strict = tally.clone().answered_within(Duration::from_secs(60));
        assert_eq!((strict.answered, strict.unanswered), (1, 1));
        let patient = tally.answered_within(Duration::from_secs(600));
        assert_eq!((patient.answered, patient.unanswered), (2, 0));
    }

    #[test]
    fn merging_adds_every_count() {
        let mut one = Tally {
            openings: 1,
            opening_failures: 2,
            deliveries: 3,
            delivery_failures: 4,
            deliveries_unknown: 5,
            asked: 6,
            answered: 7,
            unanswered: 8,
            ratings: 9,
            rating_sum: 10,
            asked_resolved: 11,
            resolved: 12,
            reads: 13,
            recalls: 14,
            ended: u64::MAX,
            ..Tally::default()
        };
        one.first_answers.record(Duration::from_millis(3));
        let mut twice = one.clone();
        twice.merge(&one);
        let json = serde_json::to_value(&twice).unwrap();
        assert_eq!(json["openings"], 2);
        assert_eq!(json["resolved"], 24);
        assert_eq!((&json["reads"], &json["recalls"]), (&26.into(), &28.into()));
        assert_eq!(json["first_answers"]["3"], 2);
        assert_eq!(twice.ended, u64::MAX, "it stays at the top");
    }

    #[test]
    fn a_tally_of_an_older_gateway_is_read() {
        let old: Tally = serde_json::from_str(r#"{"openings": 3}"#).unwrap();
        assert_eq!(old.openings, 3);
        assert!(!old.is_empty());
    }
}
