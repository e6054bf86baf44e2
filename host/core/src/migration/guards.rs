//! Whether the new vendor is worse than the old one, and by how much.
//!
//! Owns the comparison and its words. Deliberately measures nothing and decides
//! nothing about stages. Invariant: a number of too few cases is never held
//! against the new vendor.

use std::time::Duration;

use kefu_plugin_api::time::Timestamp;
use serde::Serialize;

use crate::{
    config::{Guards, Migration, Points, format_duration},
    figures::Tally,
};

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Guard {
    /// Openings that the vendor did not take.
    OpeningFailures,
    /// Messages that did not arrive, or may not have.
    DeliveryFailures,
    /// Questions without an answer in time.
    Unanswered,
    /// The time within which 95 % of the first answers came.
    FirstAnswer,
    /// The average rating.
    Rating,
}

impl Guard {
    /// The key in the file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OpeningFailures => "opening_failures",
            Self::DeliveryFailures => "delivery_failures",
            Self::Unanswered => "unanswered",
            Self::FirstAnswer => "first_answer",
            Self::Rating => "rating",
        }
    }
}

/// What a guard's numbers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Shares of 100; the limit is in percentage points.
    Percent,
    /// Milliseconds.
    Milliseconds,
    /// Points of 100; less is worse.
    Points,
}

/// What comes of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The new vendor is not worse than allowed.
    Holds,
    /// It is.
    Breached,
    /// There is not enough to compare.
    NotJudged,
    /// The file switches the guard off.
    Off,
}

/// One guard, looked at.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Judgement {
    /// Which.
    pub guard: Guard,
    /// What the numbers are.
    pub unit: Unit,
    /// The old vendor's number; `None` where nothing was counted.
    pub old: Option<f64>,
    /// How many cases it comes from.
    pub old_cases: u64,
    /// The new vendor's number; `None` where nothing was counted.
    pub new: Option<f64>,
    /// How many cases it comes from.
    pub new_cases: u64,
    /// By how much the new one may be worse; `None`: by any amount.
    pub limit: Option<f64>,
    /// From when on was counted.
    pub window_from: Timestamp,
    /// Until when.
    pub window_to: Timestamp,
    /// What comes of it.
    pub verdict: Verdict,
    /// What has to be known about the comparison.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Compares both vendors over the same time.
pub fn judge(
    guards: &Guards,
    old: &Tally,
    new: &Tally,
    window: &std::ops::Range<Timestamp>,
) -> Vec<Judgement> {
    let percent = |share: Option<f64>| share.map(|share| share * 100.0);
    let decided = |tally: &Tally| tally.answered.saturating_add(tally.unanswered);
    let p95 = |tally: &Tally| tally.first_answer(95.0).map(millis);
    let points = |limit: Option<Points>| limit.map(Points::value);
    let rows = [
        Row {
            guard: Guard::OpeningFailures,
            unit: Unit::Percent,
            old: (percent(old.opening_failure_rate()), old.openings),
            new: (percent(new.opening_failure_rate()), new.openings),
            limit: points(guards.opening_failures),
        },
        Row {
            guard: Guard::DeliveryFailures,
            unit: Unit::Percent,
            old: (percent(old.delivery_failure_rate()), old.deliveries),
            new: (percent(new.delivery_failure_rate()), new.deliveries),
            limit: points(guards.delivery_failures),
        },
        Row {
            guard: Guard::Unanswered,
            unit: Unit::Percent,
            old: (percent(old.unanswered_rate()), decided(old)),
            new: (percent(new.unanswered_rate()), decided(new)),
            limit: points(guards.unanswered),
        },
        Row {
            guard: Guard::FirstAnswer,
            unit: Unit::Milliseconds,
            old: (p95(old), old.first_answers.count()),
            new: (p95(new), new.first_answers.count()),
            limit: guards.first_answer.map(millis),
        },
        Row {
            guard: Guard::Rating,
            unit: Unit::Points,
            old: (old.rating(), old.ratings),
            new: (new.rating(), new.ratings),
            limit: points(guards.rating),
        },
    ];
    let least = u64::from(guards.min_sessions);
    rows.into_iter()
        .map(|row| row.judge(least, window))
        .collect()
}

/// What is compared, before it is.
struct Row {
    guard: Guard,
    unit: Unit,
    old: (Option<f64>, u64),
    new: (Option<f64>, u64),
    limit: Option<f64>,
}

impl Row {
    fn judge(self, least: u64, window: &std::ops::Range<Timestamp>) -> Judgement {
        let (verdict, note) = self.verdict(least);
        Judgement {
            guard: self.guard,
            unit: self.unit,
            old: self.old.0.map(rounded),
            old_cases: self.old.1,
            new: self.new.0.map(rounded),
            new_cases: self.new.1,
            limit: self.limit,
            window_from: window.start,
            window_to: window.end,
            verdict,
            note,
        }
    }

    fn verdict(&self, least: u64) -> (Verdict, Option<String>) {
        let Some(limit) = self.limit else {
            return (Verdict::Off, None);
        };
        let few = |who: &str, cases: u64| format!("the {who} vendor has {cases} of {least} cases");
        let (old, new) = (self.old.0, self.new.0);
        let new = match new {
            Some(new) if self.new.1 >= least => new,
            _ => return (Verdict::NotJudged, Some(few("new", self.new.1))),
        };
        let (old, note) = match (old, self.unit) {
            (Some(old), _) if self.old.1 >= least => (old, None),
            (_, Unit::Percent) => {
                let note = format!("{}, so it is compared with 0", few("old", self.old.1));
                (0.0, Some(note))
            }
            _ => return (Verdict::NotJudged, Some(few("old", self.old.1))),
        };
        let worse_by = match self.unit {
            Unit::Points => old - new,
            Unit::Percent | Unit::Milliseconds => new - old,
        };
        // A hair more is no breach: shares are no exact numbers.
        let breached = worse_by > limit + 1e-9;
        let verdict = if breached {
            Verdict::Breached
        } else {
            Verdict::Holds
        };
        (verdict, note)
    }
}

impl Judgement {
    /// A breach in words: guard, both numbers, limit and window; `None` for
    /// what is no breach.
    pub fn breach(&self, migration: &Migration) -> Option<String> {
        if self.verdict != Verdict::Breached {
            return None;
        }
        let number = |value: Option<f64>| match (value, self.unit) {
            (None, _) => "nothing".to_owned(),
            (Some(value), Unit::Percent) => format!("{value} %"),
            (Some(value), Unit::Milliseconds) => format!("{value} ms"),
            (Some(value), Unit::Points) => format!("{value} points"),
        };
        let limit = match self.unit {
            Unit::Milliseconds => number(self.limit),
            _ => format!("{} points", self.limit.unwrap_or_default()),
        };
        let millis = self.window_to.since_ms(self.window_from);
        let window = Duration::from_secs(u64::try_from(millis).unwrap_or_default().div_ceil(1000));
        let mut words = format!(
            "{}: {} has {} ({} cases), {} has {} ({} cases); the limit is {limit} worse, over {} \
             since {}",
            self.guard.as_str(),
            migration.to,
            number(self.new),
            self.new_cases,
            migration.from,
            number(self.old),
            self.old_cases,
            format_duration(window),
            self.window_from,
        );
        if let Some(note) = &self.note {
            words.push_str(&format!(" ({note})"));
        }
        Some(words)
    }
}

/// Two decimal places, as operators read them.
fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

fn millis(time: Duration) -> f64 {
    // Beyond 32 bits of seconds nobody waits.
    f64::from(u32::try_from(time.as_millis()).unwrap_or(u32::MAX))
}
