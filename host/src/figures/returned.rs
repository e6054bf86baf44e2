//! What vendors really answered that their sessions can do, by version of the
//! app.
//!
//! Owns the answers seen lately, each once, with how often and when last.
//! Deliberately keeps nothing that belongs to one visitor: addresses of pages
//! and whether somebody of a group is there are left out. Invariant: the number
//! of answers is bounded, whatever versions apps claim to have; the ones seen
//! longest ago make way.

use std::collections::{BTreeMap, BTreeSet};

use kefu_core::{
    log::{EventBody, LogEvent},
    session::Record,
};
use kefu_plugin_api::{capability::Capabilities, ids::ProviderId, time::Timestamp};
use sha2::{Digest, Sha256};

use crate::store::figures::ReturnedRow;

/// How many answers are kept of a provider.
const MAX_ANSWERS: usize = 64;
/// A longer version of an app counts as none.
const MAX_VERSION: usize = 32;

/// What one session was told.
pub(crate) struct Answer {
    provider: ProviderId,
    app_version: String,
    digest: String,
    capabilities: Capabilities,
}

impl Answer {
    /// What a turn brought to light of it; mostly nothing.
    pub(crate) fn of(record: &Record, events: &[LogEvent]) -> Option<Self> {
        let told = events.iter().any(|event| match &event.body {
            EventBody::Opened(_) => true,
            EventBody::Capabilities(change) => change.capabilities.is_some(),
            _ => false,
        });
        if !told {
            return None;
        }
        let capabilities = comparable(record.capabilities.clone());
        let version = record.client.app_version.as_deref().unwrap_or_default();
        let version = if version.len() > MAX_VERSION {
            ""
        } else {
            version
        };
        Some(Self {
            provider: record.provider.clone(),
            app_version: version.to_owned(),
            digest: digest(&capabilities)?,
            capabilities,
        })
    }
}

/// The answers of all providers.
#[derive(Default)]
pub(super) struct Returned {
    seen: BTreeMap<ProviderId, BTreeMap<(String, String), ReturnedRow>>,
    unwritten: BTreeSet<(ProviderId, (String, String))>,
}

impl Returned {
    /// Puts in what is on disk.
    pub(super) fn restore(&mut self, rows: Vec<ReturnedRow>) {
        for row in rows {
            let key = (row.app_version.clone(), row.digest.clone());
            let seen = self.seen.entry(row.provider.clone()).or_default();
            seen.insert(key, row);
            make_way(seen);
        }
    }

    pub(super) fn count(&mut self, answer: Answer, now: Timestamp) {
        let Answer {
            provider,
            app_version,
            digest,
            capabilities,
        } = answer;
        let key = (app_version.clone(), digest.clone());
        self.unwritten.insert((provider.clone(), key.clone()));
        let seen = self.seen.entry(provider.clone()).or_default();
        let row = seen.entry(key).or_insert_with(|| ReturnedRow {
            provider,
            app_version,
            digest,
            capabilities,
            sessions: 0,
            last: now,
        });
        row.sessions = row.sessions.saturating_add(1);
        row.last = row.last.max(now);
        make_way(seen);
    }

    /// What a provider answered, the newest first.
    pub(super) fn of(&self, provider: &ProviderId) -> Vec<ReturnedRow> {
        let seen = self
            .seen
            .get(provider)
            .into_iter()
            .flat_map(BTreeMap::values);
        let mut rows: Vec<_> = seen.cloned().collect();
        rows.sort_by_key(|row| std::cmp::Reverse(row.last));
        rows
    }

    /// Takes out what has to be written.
    pub(super) fn take_unwritten(&mut self) -> Vec<ReturnedRow> {
        let unwritten = std::mem::take(&mut self.unwritten);
        let row = |(provider, key)| self.seen.get(&provider)?.get(&key).cloned();
        unwritten.into_iter().filter_map(row).collect()
    }

    /// What could not be written is written later.
    pub(super) fn give_back(&mut self, keys: Vec<(ProviderId, (String, String))>) {
        self.unwritten.extend(keys);
    }
}

/// The answers seen longest ago go where there are too many.
fn make_way(seen: &mut BTreeMap<(String, String), ReturnedRow>) {
    while seen.len() > MAX_ANSWERS {
        let oldest = seen.iter().min_by_key(|(_, row)| row.last);
        let Some(key) = oldest.map(|(key, _)| key.clone()) else {
            return;
        };
        seen.remove(&key);
    }
}

/// Without what differs from visitor to visitor or from minute to minute.
fn comparable(mut capabilities: Capabilities) -> Capabilities {
    for group in &mut capabilities.groups {
        group.online = true;
    }
    if let Some(url) = &mut capabilities.leave_message.url {
        url.clear();
    }
    capabilities
}

fn digest(capabilities: &Capabilities) -> Option<String> {
    let bytes = serde_json::to_vec(capabilities).ok()?;
    let digest = Sha256::digest(&bytes);
    Some(
        digest[..8]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(version: &str, capabilities: Capabilities) -> Answer {
        let capabilities = comparable(capabilities);
        Answer {
            provider: "vendor".into(),
            app_version: version.to_owned(),
            digest: digest(&capabilities).unwrap(),
            capabilities,
        }
    }

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_unix_ms(ms)
    }

    fn page(url: &str) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.leave_message.url = Some(url.to_owned());
        capabilities
    }

    #[test]
    fn the_same_answer_is_kept_once_and_counted() {
        let mut returned = Returned::default();
        returned.count(answer("1.0", page("https://a.example/?v=1")), at(1));
        returned.count(answer("1.0", page("https://a.example/?v=2")), at(2));
        returned.count(answer("1.0", Capabilities::default()), at(3));
        let rows = returned.of(&"vendor".into());
        let counts: Vec<_> = rows.iter().map(|row| (row.sessions, row.last)).collect();
        assert_eq!(counts, [(1, at(3)), (2, at(2))]);
        let url = rows[1].capabilities.leave_message.url.as_deref();
        assert_eq!(url, Some(""), "an address may belong to one visitor");
        assert_eq!(returned.take_unwritten().len(), 2);
        assert_eq!(returned.take_unwritten().len(), 0);
    }

    #[test]
    fn however_many_versions_come_only_the_latest_are_kept() {
        let mut returned = Returned::default();
        for number in 0..1_000 {
            let version = format!("1.{number}");
            returned.count(answer(&version, Capabilities::default()), at(number));
        }
        let rows = returned.of(&"vendor".into());
        assert_eq!(rows.len(), MAX_ANSWERS);
        assert_eq!(rows[0].app_version, "1.999");
        assert!(returned.take_unwritten().len() <= MAX_ANSWERS);
    }

    #[test]
    fn what_was_kept_goes_on() {
        let mut before = Returned::default();
        before.count(answer("1.0", Capabilities::default()), at(1));
        let mut after = Returned::default();
        after.restore(before.take_unwritten());
        after.count(answer("1.0", Capabilities::default()), at(9));
        let rows = after.of(&"vendor".into());
        assert_eq!((rows.len(), rows[0].sessions), (1, 2));
    }
}
