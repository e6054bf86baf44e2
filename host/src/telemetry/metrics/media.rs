//! The numbers of uploads, links of vendors, and voice in another form.

use kefu_plugin_api::ids::ProviderId;
use prometheus_client::{
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};

use super::{Metrics, Outcome, by_provider::ByProvider, increment};

/// What is counted of media.
#[derive(Default)]
pub(super) struct Media {
    stored_bytes: Counter,
    removed: Family<Outcome, Counter>,
    store_failures: Counter,
    fetched: ByProvider<Outcome, Counter>,
    converted: Family<Outcome, Counter>,
}

impl Media {
    pub(super) fn register(&self, it: &mut Registry) {
        it.register(
            "media_stored_bytes",
            "Bytes of stored uploads",
            self.stored_bytes.clone(),
        );
        it.register(
            "media_removed",
            "Uploads that were removed, by why",
            self.removed.clone(),
        );
        it.register(
            "media_converted",
            "Voice that a vendor takes in another form only",
            self.converted.clone(),
        );
        it.register(
            "media_store_failures",
            "Times that the store of media failed",
            self.store_failures.clone(),
        );
        it.register(
            "media_fetched",
            "Links to media from vendors that were followed",
            self.fetched.clone(),
        );
    }
}

impl Metrics {
    /// An upload was stored.
    pub fn media_stored(&self, bytes: u64) {
        self.0.media.stored_bytes.inc_by(bytes);
    }

    /// So many uploads were removed: `expired`, `left_over`.
    pub fn media_removed(&self, outcome: &'static str, uploads: u64) {
        if uploads > 0 {
            let removed = self.0.media.removed.get_or_create(&Outcome { outcome });
            removed.inc_by(uploads);
        }
    }

    /// The place where media are kept did not do what was asked of it.
    pub fn media_store_failed(&self) {
        self.0.media.store_failures.inc();
    }

    /// A vendor's link to media was followed: `kept`, `refused`, `failed`,
    /// `late`.
    pub fn media_fetched(&self, provider: &ProviderId, outcome: &'static str) {
        let labels = Outcome { outcome };
        self.0.media.fetched.with(provider, labels, increment);
    }

    /// Voice was to be brought into another form: `converted`, `failed`, or
    /// `no_converter`, after which its link goes as text.
    pub fn media_converted(&self, outcome: &'static str) {
        self.0
            .media
            .converted
            .get_or_create(&Outcome { outcome })
            .inc();
    }
}
