//! Checked settings of migrations: from which vendor to which, in which steps,
//! and what may not get worse on the way.
//!
//! Owns the types. Deliberately moves nobody: whom a stage takes is `routing`,
//! which stage is in force is `migration`. Invariants: there is a stage, no
//! stage takes fewer visitors than the one before, and what a stage says stands
//! in it whole, so that no stage has to be read together with others.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    time::Duration,
};

use kefu_plugin_api::ids::{DeskId, ProviderId};

use super::Weight;

/// `[migrations.<name>]`: visitors of a desk go over to another provider, a few
/// first.
#[derive(Clone, Debug, PartialEq)]
pub struct Migration {
    /// What operators call it.
    pub name: String,
    /// Whose visitors.
    pub desk: DeskId,
    /// The provider they have now; one of the desk's routes leads there.
    pub from: ProviderId,
    /// The one they are to have; never `from`.
    pub to: ProviderId,
    /// The steps, in order; never empty.
    pub stages: Vec<Stage>,
    /// The new vendor's group for visitors who ask for none.
    pub group: Option<String>,
    /// The desk's group ids in the new vendor's words.
    pub groups: BTreeMap<String, String>,
    /// Over how long both vendors are compared.
    pub window: Duration,
    /// What happens when the new vendor is worse than the guards allow.
    pub on_breach: OnBreach,
    /// How much worse it may be.
    pub guards: Guards,
}

/// One step: who has the new vendor while it is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage {
    /// Whoever is named, here or in an earlier stage.
    pub visitors: BTreeSet<String>,
    /// The share of the others; that of the stage before where none is given.
    pub percent: Weight,
    /// After how long the next stage begins by itself; absent: by hand.
    pub after: Option<Duration>,
}

/// What happens when a guard is breached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnBreach {
    /// The stage before comes into force again, or none, and it stops there.
    Revert,
    /// It stops where it is.
    Stop,
}

impl OnBreach {
    /// The word in the file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Revert => "revert",
            Self::Stop => "stop",
        }
    }
}

/// By how much the new vendor may be worse than the old one over the same time;
/// an absent limit is not looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guards {
    /// Failed openings, in percentage points.
    pub opening_failures: Option<Points>,
    /// Messages that did not arrive or may not have, in percentage points.
    pub delivery_failures: Option<Points>,
    /// Questions that nobody answered, in percentage points.
    pub unanswered: Option<Points>,
    /// The time within which 95 % of the first answers came.
    pub first_answer: Option<Duration>,
    /// The average rating, in points of 100.
    pub rating: Option<Points>,
    /// How many cases a number needs before it says anything.
    pub min_sessions: u32,
    /// After how long a question counts as not answered.
    pub answer_within: Duration,
}

/// A difference of two shares or ratings, in hundredths of a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Points(u32);

impl Points {
    /// From hundredths of a point; more than 100 points count as 100.
    pub const fn hundredths(hundredths: u32) -> Self {
        Self(if hundredths > 10_000 {
            10_000
        } else {
            hundredths
        })
    }

    /// As a number of points.
    pub fn value(self) -> f64 {
        f64::from(self.0) / 100.0
    }
}

impl fmt::Display for Points {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Weight::hundredths(self.0).fmt(f)
    }
}
