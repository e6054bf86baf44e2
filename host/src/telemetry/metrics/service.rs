//! What providers do for visitors, by desk.
//!
//! Owns these series: the counts that `figures` keeps, for whoever reads the
//! page. Invariant: labels are ids of the configuration and words of the code;
//! the series of a provider or a desk that is configured no more are gone.

use std::fmt;

use kefu_core::figures::{Observation, Seen};
use kefu_plugin_api::ids::DeskId;
use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeMetric, MetricEncoder},
    metrics::{MetricType, TypedMetric, counter::Counter, histogram::Histogram},
    registry::Registry,
};

use super::{Metrics, by_provider::ByProvider, increment};

/// The series.
#[derive(Debug, Default)]
pub(super) struct Service {
    openings: ByProvider<Outcome, Counter>,
    deliveries: ByProvider<Outcome, Counter>,
    questions: ByProvider<Outcome, Counter>,
    first_answers: ByProvider<OfDesk, Answers>,
    ratings: ByProvider<OfDesk, Rated>,
    ended: ByProvider<OfDesk, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, EncodeLabelSet)]
struct Outcome {
    desk: String,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, EncodeLabelSet)]
struct OfDesk {
    desk: String,
}

impl Service {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "openings",
            "Sessions that a vendor was asked to take, by what became of it",
            self.openings.clone(),
        );
        registry.register(
            "deliveries",
            "Visitors' messages by what became of them",
            self.deliveries.clone(),
        );
        registry.register(
            "questions",
            "Visitors' first questions in a session, and what became of them",
            self.questions.clone(),
        );
        registry.register(
            "first_answer_seconds",
            "From a visitor's first question to the first answer",
            self.first_answers.clone(),
        );
        registry.register(
            "rating_points",
            "Ratings on one scale from 0 to 100",
            self.ratings.clone(),
        );
        registry.register(
            "sessions_ended",
            "Sessions that ended after a vendor had taken them",
            self.ended.clone(),
        );
    }

    pub(super) fn forget(&self, provider: &str) {
        self.openings.forget(provider);
        self.deliveries.forget(provider);
        self.questions.forget(provider);
        self.first_answers.forget(provider);
        self.ratings.forget(provider);
        self.ended.forget(provider);
    }

    fn keep_desks(&self, is_known: &dyn Fn(&str) -> bool) {
        for series in [&self.openings, &self.deliveries, &self.questions] {
            series.retain(|labels| is_known(&labels.desk));
        }
        self.first_answers.retain(|labels| is_known(&labels.desk));
        self.ratings.retain(|labels| is_known(&labels.desk));
        self.ended.retain(|labels| is_known(&labels.desk));
    }

    fn count(&self, desk: &DeskId, observation: &Observation) {
        let provider = &observation.provider;
        let desk = desk.as_str().to_owned();
        let outcome = |series: &ByProvider<Outcome, Counter>, outcome| {
            let desk = desk.clone();
            series.with(provider, Outcome { desk, outcome }, increment);
        };
        let of_desk = || OfDesk { desk: desk.clone() };
        match observation.seen {
            Seen::Taken => outcome(&self.openings, "taken"),
            Seen::NotTaken => outcome(&self.openings, "failed"),
            Seen::Delivered => outcome(&self.deliveries, "delivered"),
            Seen::Failed => outcome(&self.deliveries, "failed"),
            Seen::Unknown => outcome(&self.deliveries, "unknown"),
            Seen::Asked { .. } => outcome(&self.questions, "asked"),
            Seen::Unanswered { .. } => outcome(&self.questions, "unanswered"),
            Seen::Answered { took, .. } => {
                outcome(&self.questions, "answered");
                self.first_answers.with(provider, of_desk(), |answers| {
                    answers.0.observe(took.as_secs_f64());
                });
            }
            Seen::Rated(value) => self.ratings.with(provider, of_desk(), |rated| {
                rated.0.observe(f64::from(value));
            }),
            Seen::Resolved(_) | Seen::Read | Seen::Recalled => {}
            Seen::Ended => self.ended.with(provider, of_desk(), increment),
        }
    }
}

impl Metrics {
    /// Something was seen of providers at a desk, in a turn that is durable.
    pub(crate) fn observed(&self, desk: &DeskId, seen: &[Observation]) {
        for observation in seen {
            self.0.service.count(desk, observation);
        }
    }

    /// Takes away what belongs to desks that are not there any more.
    pub(crate) fn desks_stand(&self, is_known: impl Fn(&str) -> bool) {
        self.0.service.keep_desks(&is_known);
    }
}

/// Times of first answers: seconds with a robot, minutes with people.
#[derive(Debug)]
struct Answers(Histogram);

impl Default for Answers {
    fn default() -> Self {
        Self(Histogram::new([
            0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0, 14_400.0,
        ]))
    }
}

/// Ratings on the scale of all forms.
#[derive(Debug)]
struct Rated(Histogram);

impl Default for Rated {
    fn default() -> Self {
        Self(Histogram::new([0.0, 25.0, 50.0, 75.0, 100.0]))
    }
}

macro_rules! encoded_as_histogram {
    ($($metric:ty),*) => {$(
        impl EncodeMetric for $metric {
            fn encode(&self, encoder: MetricEncoder<'_>) -> fmt::Result {
                self.0.encode(encoder)
            }

            fn metric_type(&self) -> MetricType {
                MetricType::Histogram
            }
        }

        impl TypedMetric for $metric {
            const TYPE: MetricType = MetricType::Histogram;
        }
    )*};
}

encoded_as_histogram!(Answers, Rated);

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use kefu_plugin_api::time::Timestamp;

    use super::*;

    fn seen(metrics: &Metrics, desk: &str, seen: Seen) {
        let observation = Observation {
            provider: "zhichi".into(),
            seen,
        };
        metrics.observed(&desk.into(), &[observation]);
    }

    #[test]
    fn what_was_seen_is_on_the_page_by_provider_and_desk() {
        let metrics = Metrics::new();
        seen(&metrics, "support", Seen::NotTaken);
        seen(&metrics, "support", Seen::Taken);
        seen(&metrics, "support", Seen::Unknown);
        seen(&metrics, "support", Seen::Rated(75));
        seen(&metrics, "support", Seen::Ended);
        let since = Timestamp::default();
        let took = Duration::from_secs(2);
        seen(&metrics, "support", Seen::Answered { since, took });
        let page = metrics.render();
        let who = r#"provider="zhichi",desk="support""#;
        for line in [
            format!(r#"kefu_openings_total{{{who},outcome="failed"}} 1"#),
            format!(r#"kefu_openings_total{{{who},outcome="taken"}} 1"#),
            format!(r#"kefu_deliveries_total{{{who},outcome="unknown"}} 1"#),
            format!(r#"kefu_questions_total{{{who},outcome="answered"}} 1"#),
            format!(r#"kefu_first_answer_seconds_sum{{{who}}} 2.0"#),
            format!(r#"kefu_rating_points_sum{{{who}}} 75.0"#),
            format!(r#"kefu_sessions_ended_total{{{who}}} 1"#),
        ] {
            assert!(page.contains(&line), "{line} in {page}");
        }
    }

    #[test]
    fn a_desk_that_is_gone_is_on_the_page_no_more() {
        let metrics = Metrics::new();
        seen(&metrics, "support", Seen::Taken);
        seen(&metrics, "night", Seen::Taken);
        metrics.desks_stand(|desk| desk == "support");
        let page = metrics.render();
        assert!(page.contains(r#"desk="support""#));
        assert!(!page.contains(r#"desk="night""#), "{page}");
    }
}
