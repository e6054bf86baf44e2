//! What a turn adds to the numbers by source.
//!
//! Owns which entries of the log count. Invariant: what is counted is on the
//! disk, and is counted once.

use kefu_core::{
    config::Config,
    log::{EvaluationResult, EventBody, LogEvent},
    session::Record,
    source::Source,
};
use kefu_plugin_api::{capability::EvaluationTarget, ids::ProviderId};

use crate::telemetry::Metrics;

/// A session that was taken, or ratings, and where they came from.
pub(super) struct Tally {
    provider: ProviderId,
    source: Source,
    taken: bool,
    ratings: Vec<(EvaluationTarget, EvaluationResult)>,
}

impl Tally {
    /// What there is to count of a turn; mostly nothing.
    pub(super) fn of(config: &Config, record: &Record, events: &[LogEvent]) -> Option<Self> {
        let taken = events
            .iter()
            .any(|event| matches!(event.body, EventBody::Opened(_)));
        // Whoever declines does not say whom: that was in the invitation.
        let declined = record.rating.declined.last();
        let target = declined.copied().unwrap_or(EvaluationTarget::Human);
        let ratings: Vec<_> = events
            .iter()
            .filter_map(|event| match &event.body {
                EventBody::EvaluationSubmitted(result) => Some((target, result.clone())),
                _ => None,
            })
            .collect();
        (taken || !ratings.is_empty()).then(|| Self {
            provider: record.provider.clone(),
            source: Source::of(config, &record.app, &record.client),
            taken,
            ratings,
        })
    }

    /// Counts it.
    pub(super) fn count(self, metrics: &Metrics) {
        if self.taken {
            metrics.session_taken(&self.provider, &self.source);
        }
        for (target, result) in &self.ratings {
            metrics.rated(&self.provider, &self.source, *target, result);
        }
    }
}
