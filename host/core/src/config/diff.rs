//! What changed from one configuration to the next.
//!
//! Owns the comparison. Deliberately decides nothing about it: which change
//! needs a new generation, a new listener or a restart is the host's matter.
//! Invariant: equal configurations have no changes, and every change is named.

use std::collections::{BTreeMap, BTreeSet};

use kefu_plugin_api::ids::{AppId, DeskId, ProviderId};

use super::Config;

/// What happened to one entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Difference {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// It says something else.
    Changed,
}

/// Everything that differs between two configurations.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Changes {
    /// Providers by id.
    pub providers: BTreeMap<ProviderId, Difference>,
    /// Desks by id.
    pub desks: BTreeMap<DeskId, Difference>,
    /// Apps by key.
    pub apps: BTreeMap<AppId, Difference>,
    /// Other sections of the main file, by name.
    pub sections: BTreeSet<&'static str>,
}

impl Changes {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Compares two configurations.
pub fn diff(old: &Config, new: &Config) -> Changes {
    let (before, after) = (&old.main, &new.main);
    let sections = [
        ("server", before.server != after.server),
        ("admin", before.admin != after.admin),
        ("store", before.store != after.store),
        ("plugins", before.plugins != after.plugins),
        ("media", before.media != after.media),
        ("limits", before.limits != after.limits),
        ("log", before.log != after.log),
    ];
    Changes {
        providers: compare(&old.providers, &new.providers),
        desks: compare(&before.desks, &after.desks),
        apps: compare(&before.apps, &after.apps),
        sections: sections
            .into_iter()
            .filter(|(_, changed)| *changed)
            .map(|(name, _)| name)
            .collect(),
    }
}

fn compare<K: Ord + Clone, V: PartialEq>(
    old: &BTreeMap<K, V>,
    new: &BTreeMap<K, V>,
) -> BTreeMap<K, Difference> {
    let gone = old
        .keys()
        .filter(|key| !new.contains_key(key))
        .map(|key| (key.clone(), Difference::Removed));
    let there = new.iter().filter_map(|(key, value)| match old.get(key) {
        None => Some((key.clone(), Difference::Added)),
        Some(before) if before != value => Some((key.clone(), Difference::Changed)),
        Some(_) => None,
    });
    gone.chain(there).collect()
}
