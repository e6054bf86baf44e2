//! What the edge asks about the numbers by which providers are compared.

use std::time::Duration;

use kefu_core::{difference::Comparison, figures::Summary, problem::Problem};
use kefu_plugin_api::{
    ids::{DeskId, ProviderId},
    time::Timestamp,
};
use serde::Serialize;

/// Reads figures, for operators.
pub trait Measuring {
    /// What was counted of providers at desks.
    ///
    /// # Errors
    /// `not-found` for a desk or provider that is neither configured nor was
    /// measured in that time.
    fn figures(&self, wanted: &FiguresWanted) -> Result<FiguresReport, Problem>;

    /// What visitors of a desk lose and gain with another provider.
    ///
    /// # Errors
    /// `not-found` without such a desk; `provider-unavailable` where an adapter
    /// is not loaded, so that nobody knows what it can do.
    fn differences(
        &self,
        desk: &DeskId,
        from: &ProviderId,
        to: &ProviderId,
    ) -> Result<Comparison, Problem>;
}

/// Which figures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FiguresWanted {
    /// Of one desk; absent: of all.
    pub desk: Option<DeskId>,
    /// Of one provider; absent: of all.
    pub provider: Option<ProviderId>,
    /// From when on.
    pub from: Timestamp,
    /// Until when.
    pub to: Timestamp,
    /// Over time, in steps of this length; absent: of the whole time only.
    pub step: Option<Duration>,
    /// A question that is not answered within this time counts as unanswered.
    pub answer_within: Duration,
}

/// What was counted.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FiguresReport {
    /// From when on: slots that begin then or later.
    pub from: Timestamp,
    /// Until when: slots that begin before.
    pub to: Timestamp,
    /// Within which time answers were expected, in milliseconds.
    pub answer_within_ms: u64,
    /// The length of a step, in milliseconds, if steps were wanted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step_ms: Option<u64>,
    /// By desk and provider, in the order of their ids.
    pub figures: Vec<FiguresOf>,
}

/// What was counted of one provider at one desk.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FiguresOf {
    /// At which desk.
    pub desk: DeskId,
    /// Of whom.
    pub provider: ProviderId,
    /// In the whole time.
    #[serde(flatten)]
    pub total: Summary,
    /// Step by step, oldest first, if steps were wanted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub series: Option<Vec<FiguresStep>>,
}

/// What was counted in one step.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FiguresStep {
    /// When the step begins.
    pub at: Timestamp,
    /// What was counted in it.
    #[serde(flatten)]
    pub counted: Summary,
}
