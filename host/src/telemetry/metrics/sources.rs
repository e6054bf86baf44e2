//! Sessions and ratings by where visitors came from.
//!
//! Owns these counters, for the page and for the admin API. Deliberately counts
//! from the gateway's start: what was before is in whatever reads the page.
//! Invariant: a source is one of those that the configuration bounds, and a
//! rating one of a few words, so nothing that a visitor sends makes a series.

use std::{
    collections::BTreeMap,
    time::{SystemTime, UNIX_EPOCH},
};

use kefu_core::{log::EvaluationResult, source::Source};
use kefu_plugin_api::{
    capability::{Evaluation, EvaluationTarget},
    ids::ProviderId,
    time::Timestamp,
};
use prometheus_client::{encoding::EncodeLabelSet, metrics::counter::Counter, registry::Registry};
use serde::Serialize;

use super::{Metrics, by_provider::ByProvider, increment};

/// The counters.
#[derive(Debug)]
pub(super) struct Sources {
    since: SystemTime,
    sessions: ByProvider<OfSource, Counter>,
    ratings: ByProvider<OfRating, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, EncodeLabelSet)]
struct OfSource {
    platform: String,
    channel: String,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, EncodeLabelSet)]
struct OfRating {
    platform: String,
    channel: String,
    target: &'static str,
    rating: &'static str,
}

/// What came from one source to one provider, since the gateway started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SourceCount {
    /// Who served.
    pub provider: String,
    /// The app's platform.
    pub platform: String,
    /// The channel (渠道).
    pub channel: String,
    /// Sessions that the vendor took.
    pub sessions: u64,
    /// Whom was rated (`robot`, `human`) → how (`1` to `5`, `resolved`,
    /// `unresolved`, `declined`) → how often.
    pub ratings: BTreeMap<&'static str, BTreeMap<&'static str, u64>>,
}

impl Default for Sources {
    fn default() -> Self {
        Self {
            since: SystemTime::now(),
            sessions: ByProvider::default(),
            ratings: ByProvider::default(),
        }
    }
}

impl Sources {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "sessions_taken",
            "Sessions that a vendor took, by where visitors came from",
            self.sessions.clone(),
        );
        registry.register(
            "ratings",
            "Ratings of visitors, by where they came from",
            self.ratings.clone(),
        );
    }

    pub(super) fn forget(&self, provider: &str) {
        self.sessions.forget(provider);
        self.ratings.forget(provider);
    }
}

impl Metrics {
    /// A vendor took a session.
    pub fn session_taken(&self, provider: &ProviderId, source: &Source) {
        let labels = OfSource {
            platform: source.platform.clone(),
            channel: source.channel.clone(),
        };
        self.0.sources.sessions.with(provider, labels, increment);
    }

    /// A visitor rated, or declined to rate this one.
    pub fn rated(
        &self,
        provider: &ProviderId,
        source: &Source,
        target: EvaluationTarget,
        result: &EvaluationResult,
    ) {
        let (target, rating) = match result {
            EvaluationResult::Declined { .. } => (target, "declined"),
            EvaluationResult::Rated(evaluation) => (evaluation.target, word(evaluation)),
        };
        let labels = OfRating {
            platform: source.platform.clone(),
            channel: source.channel.clone(),
            target: match target {
                EvaluationTarget::Robot => "robot",
                EvaluationTarget::Human => "human",
            },
            rating,
        };
        self.0.sources.ratings.with(provider, labels, increment);
    }

    /// When [`sources`](Self::sources) began to count.
    pub fn counting_since(&self) -> Timestamp {
        let since = self.0.sources.since.duration_since(UNIX_EPOCH);
        let millis = since.unwrap_or_default().as_millis();
        Timestamp::from_unix_ms(i64::try_from(millis).unwrap_or(i64::MAX))
    }

    /// Every source that something came from, by provider, platform and
    /// channel.
    pub fn sources(&self) -> Vec<SourceCount> {
        let mut all = BTreeMap::new();
        let counters = &self.0.sources;
        counters.sessions.each(|provider, labels, count| {
            let entry = entry(&mut all, provider, &labels.platform, &labels.channel);
            entry.sessions = count.get();
        });
        counters.ratings.each(|provider, labels, count| {
            let entry = entry(&mut all, provider, &labels.platform, &labels.channel);
            let of_target = entry.ratings.entry(labels.target).or_default();
            of_target.insert(labels.rating, count.get());
        });
        all.into_values().collect()
    }
}

type Entries = BTreeMap<[String; 3], SourceCount>;

fn entry<'a>(
    all: &'a mut Entries,
    provider: &str,
    platform: &str,
    channel: &str,
) -> &'a mut SourceCount {
    let key = [provider, platform, channel].map(str::to_owned);
    all.entry(key.clone()).or_insert_with(|| {
        let [provider, platform, channel] = key;
        SourceCount {
            provider,
            platform,
            channel,
            sessions: 0,
            ratings: BTreeMap::new(),
        }
    })
}

/// Stars say more than whether it was solved.
fn word(evaluation: &Evaluation) -> &'static str {
    match (evaluation.stars, evaluation.resolved) {
        (Some(1), _) => "1",
        (Some(2), _) => "2",
        (Some(3), _) => "3",
        (Some(4), _) => "4",
        (Some(_), _) => "5",
        (None, Some(true)) => "resolved",
        (None, _) => "unresolved",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_and_ratings_are_counted_by_source() {
        let metrics = Metrics::new();
        let source = |platform: &str| Source {
            platform: platform.to_owned(),
            channel: "10001".to_owned(),
        };
        let (jiaxin, zhichi) = (ProviderId::from("jiaxin"), ProviderId::from("zhichi"));
        metrics.session_taken(&jiaxin, &source("web"));
        metrics.session_taken(&jiaxin, &source("web"));
        metrics.session_taken(&zhichi, &source("ios"));
        let rating = |json: serde_json::Value| serde_json::from_value(json).unwrap();
        for result in [
            serde_json::json!({"target": "human", "stars": 5, "resolved": false}),
            serde_json::json!({"target": "robot", "resolved": true}),
            serde_json::json!({"declined": true}),
        ] {
            let result = rating(result);
            metrics.rated(&jiaxin, &source("web"), EvaluationTarget::Human, &result);
        }
        let page = metrics.render();
        for line in [
            r#"kefu_sessions_taken_total{provider="jiaxin",platform="web",channel="10001"} 2"#,
            r#"kefu_ratings_total{provider="jiaxin",platform="web",channel="10001",target="human",rating="5"} 1"#,
            r#"kefu_ratings_total{provider="jiaxin",platform="web",channel="10001",target="robot",rating="resolved"} 1"#,
        ] {
            assert!(page.contains(line), "{line} is not in\n{page}");
        }
        let list = serde_json::json!(metrics.sources());
        let expected = serde_json::json!([
            {
                "provider": "jiaxin", "platform": "web", "channel": "10001", "sessions": 2,
                "ratings": {"human": {"5": 1, "declined": 1}, "robot": {"resolved": 1}},
            },
            {"provider": "zhichi", "platform": "ios", "channel": "10001", "sessions": 1, "ratings": {}},
        ]);
        assert_eq!(list, expected);
    }
}
