//! What a turn adds to the numbers, by source and by provider.
//!
//! Owns which entries of the log count by source; what a turn says of providers
//! is the core's to read. Invariant: what is counted is on the disk, and is
//! counted once.

use kefu_core::{
    config::Config,
    figures::{self, Observation},
    log::{EvaluationResult, EventBody, LogEvent},
    session::Record,
    source::Source,
    turn::Outcome,
};
use kefu_plugin_api::{capability::EvaluationTarget, ids::ProviderId, time::Timestamp};

use super::engine::Shared;
use crate::{figures::Answer, telemetry::Metrics};

/// What there is to count of a turn; mostly nothing.
pub(super) struct Tally {
    by_source: Option<BySource>,
    seen: Vec<Observation>,
    answer: Option<Answer>,
}

impl Tally {
    /// Reads a turn that began from this record.
    pub(super) fn of(config: &Config, before: &Record, outcome: &Outcome) -> Self {
        let Outcome {
            record,
            events,
            missed,
            ..
        } = outcome;
        if record.synthetic {
            return Self {
                by_source: None,
                seen: Vec::new(),
                answer: None,
            };
        }
        Self {
            by_source: BySource::of(config, record, events),
            seen: figures::observe(before, record, events, missed),
            answer: Answer::of(record, events),
        }
    }

    /// Counts it.
    pub(super) fn count(self, shared: &Shared, record: &Record, now: Timestamp) {
        if let Some(by_source) = self.by_source {
            by_source.count(&shared.metrics);
        }
        shared.metrics.observed(&record.desk, &self.seen);
        shared
            .figures
            .count(&record.desk, &record.id, &self.seen, now);
        if let Some(answer) = self.answer {
            shared.figures.note(answer, now);
        }
    }
}

/// A session that was taken, or ratings, and where they came from.
struct BySource {
    provider: ProviderId,
    source: Source,
    taken: bool,
    ratings: Vec<(EvaluationTarget, EvaluationResult)>,
}

impl BySource {
    fn of(config: &Config, record: &Record, events: &[LogEvent]) -> Option<Self> {
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

    fn count(self, metrics: &Metrics) {
        if self.taken {
            metrics.session_taken(&self.provider, &self.source);
        }
        for (target, result) in &self.ratings {
            metrics.rated(&self.provider, &self.source, *target, result);
        }
    }
}
