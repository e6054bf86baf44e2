//! Series of providers, and their end.
//!
//! Owns the series of one metric, grouped by provider, so that all of a
//! provider's can go at once. The library's own families can only remove a
//! series whose every label is known. Invariant: counting something that was
//! counted before allocates nothing.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use kefu_plugin_api::ids::ProviderId;
use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeMetric, MetricEncoder},
    metrics::{MetricType, TypedMetric},
};

/// The series of a metric whose first label is the provider. Clones share them.
#[derive(Debug)]
pub(super) struct ByProvider<L, M>(Arc<RwLock<Series<L, M>>>);

/// By provider, then by the labels beside it.
type Series<L, M> = BTreeMap<String, BTreeMap<L, M>>;

impl<L, M> ByProvider<L, M>
where
    L: Clone + Ord,
    M: Default,
{
    /// Counts or sets the series of these labels, made if it is new.
    pub(super) fn with(&self, provider: &ProviderId, labels: L, record: impl FnOnce(&M)) {
        let provider = provider.as_str();
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(metric) = all.get(provider).and_then(|series| series.get(&labels)) {
            return record(metric);
        }
        drop(all);
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let series = all.entry(provider.to_owned()).or_default();
        record(series.entry(labels).or_default());
    }

    /// Shows every series.
    pub(super) fn each(&self, mut show: impl FnMut(&str, &L, &M)) {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        for (provider, series) in all.iter() {
            for (labels, metric) in series {
                show(provider, labels, metric);
            }
        }
    }

    /// Takes all series of a provider away.
    pub(super) fn forget(&self, provider: &str) {
        self.write().remove(provider);
    }

    /// Takes all series away whose labels are not these.
    pub(super) fn retain(&self, keep: impl Fn(&L) -> bool) {
        let mut all = self.write();
        for series in all.values_mut() {
            series.retain(|labels, _| keep(labels));
        }
        all.retain(|_, series| !series.is_empty());
    }

    /// Takes these in place of all there were.
    pub(super) fn replace(&self, now: impl IntoIterator<Item = (ProviderId, L, M)>) {
        let mut series = Series::new();
        for (provider, labels, metric) in now {
            let provider = series.entry(provider.as_str().to_owned()).or_default();
            provider.insert(labels, metric);
        }
        *self.write() = series;
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, Series<L, M>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<L, M> Clone for ByProvider<L, M> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<L, M> Default for ByProvider<L, M> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<L, M> EncodeMetric for ByProvider<L, M>
where
    L: EncodeLabelSet + Clone + Ord,
    M: EncodeMetric + TypedMetric,
{
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        for (provider, series) in all.iter() {
            for (labels, metric) in series {
                let labels = ([("provider", provider.as_str())], labels.clone());
                metric.encode(encoder.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }

    fn metric_type(&self) -> MetricType {
        M::TYPE
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::{encoding::text, metrics::counter::Counter, registry::Registry};

    use super::*;

    #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, EncodeLabelSet)]
    struct Kind {
        kind: &'static str,
    }

    fn page(series: &ByProvider<Kind, Counter>) -> String {
        let mut registry = Registry::default();
        registry.register("seen", "What was seen", series.clone());
        let mut page = String::new();
        text::encode(&mut page, &registry).unwrap();
        page
    }

    #[test]
    fn series_of_one_provider_go_and_the_others_stay() {
        let series = ByProvider::<Kind, Counter>::default();
        for (provider, kind) in [("a", "x"), ("a", "y"), ("b", "x"), ("b", "x")] {
            series.with(&provider.into(), Kind { kind }, |counter| {
                counter.inc();
            });
        }
        assert!(page(&series).contains("seen_total{provider=\"a\",kind=\"y\"} 1\n"));
        series.forget("a");
        let page = page(&series);
        assert!(!page.contains("provider=\"a\""), "{page}");
        assert!(
            page.contains("seen_total{provider=\"b\",kind=\"x\"} 2\n"),
            "{page}"
        );
    }

    #[test]
    fn what_is_replaced_is_gone() {
        let series = ByProvider::<Kind, Counter>::default();
        series.with(&"a".into(), Kind { kind: "x" }, |counter| {
            counter.inc();
        });
        let fresh = Counter::default();
        fresh.inc_by(7);
        series.replace([("b".into(), Kind { kind: "z" }, fresh)]);
        let page = page(&series);
        assert!(!page.contains("provider=\"a\""), "{page}");
        assert!(
            page.contains("seen_total{provider=\"b\",kind=\"z\"} 7\n"),
            "{page}"
        );
    }
}
