//! What visitors lose and gain with another vendor, of providers that serve.
//!
//! Owns the join of what adapters declare, what operators set up and what
//! sessions were told lately. The comparison is the core's.

use kefu_core::{
    config::{Config, Desk},
    difference::{Comparison, Party, Practice, Told, compare},
    problem::{Problem, Slug},
};
use kefu_plugin_api::ids::{DeskId, ProviderId};

use super::Figures;
use crate::{clock, plugin::Registry, store::figures::KEPT_MS};

impl Figures {
    /// Compares two providers for the visitors of a desk, by version of the
    /// app: by what their adapters declare, and by what their sessions were
    /// really told in the last 30 days.
    ///
    /// # Errors
    /// `provider-unavailable` where one of them has no adapter that is loaded:
    /// nobody knows what it can do.
    pub fn differences(
        &self,
        registry: &Registry,
        config: &Config,
        desk: &Desk,
        from: &ProviderId,
        to: &ProviderId,
    ) -> Result<Comparison, Problem> {
        let descriptor = |provider: &ProviderId| {
            let generation = registry.current(provider).ok_or_else(|| {
                let detail = format!(
                    "provider `{provider}` has no adapter that is loaded, which would say what it can do; `kefu-gateway providers` tells why"
                );
                Problem::new(Slug::ProviderUnavailable, detail)
            })?;
            Ok(generation.descriptor().clone())
        };
        let (from_descriptor, to_descriptor) = (descriptor(from)?, descriptor(to)?);
        let (from_told, to_told) = (self.told(from), self.told(to));
        let has_table = |provider: &ProviderId| {
            let configured = config.provider(provider.as_str());
            configured.is_some_and(|provider| provider.emoji.is_some())
        };
        let from_seen = self.practice(&desk.id, from);
        let to_seen = self.practice(&desk.id, to);
        let from = Party {
            id: from,
            descriptor: &from_descriptor,
            emoji_converted: has_table(from),
            told: &from_told,
            seen: from_seen,
        };
        let to = Party {
            id: to,
            descriptor: &to_descriptor,
            emoji_converted: has_table(to),
            told: &to_told,
            seen: to_seen,
        };
        Ok(compare(desk, from, to))
    }

    /// What was seen of a provider at a desk for as long as anything is kept.
    fn practice(&self, desk: &DeskId, provider: &ProviderId) -> Practice {
        let now = clock::now();
        let tally = self.of(desk, provider, now.plus_ms(-KEPT_MS), now.plus_ms(1));
        Practice {
            messages: tally.deliveries,
            reads: tally.reads,
            recalls: tally.recalls,
        }
    }

    fn told(&self, provider: &ProviderId) -> Vec<Told> {
        let rows = self.returned(provider).into_iter();
        rows.map(|row| Told {
            app_version: row.app_version,
            capabilities: row.capabilities,
            sessions: row.sessions,
        })
        .collect()
    }
}
