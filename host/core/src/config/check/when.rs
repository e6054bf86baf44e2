//! Checks of the conditions of a route.
//!
//! Owns how each key of `when` is written. Deliberately decides about nobody:
//! that is `routing`. Invariant: a list that could never hold is an error, so
//! that no route is dead by a slip of the pen.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{Checker, calendars::Calendars};
use crate::{
    config::{
        Group, When,
        locate::child,
        raw::{self, OneOrMany},
    },
    routing::{Calendar, VersionRule},
};

pub(super) fn check(
    checker: &mut Checker,
    key: &str,
    raw: raw::When,
    groups: &[Group],
    calendars: &Calendars,
) -> When {
    let of = |name: &str| format!("{key}.{name}");
    let group = texts(checker, &of("group"), raw.group);
    for name in &group {
        let known = groups.iter().map(|group| group.id.as_str());
        checker.known(&of("group"), name, "group of this desk", known);
    }
    When {
        app_version: raw
            .app_version
            .and_then(|text| version(checker, &of("app_version"), &text)),
        platform: texts(checker, &of("platform"), raw.platform),
        channel: texts(checker, &of("channel"), raw.channel),
        group,
        visitors: visitors(checker, &of("visitors"), raw.visitors),
        profile: profile(checker, &of("profile"), raw.profile),
        during: calendar(checker, &of("during"), raw.during, calendars),
        outside: calendar(checker, &of("outside"), raw.outside, calendars),
    }
}

fn version(checker: &mut Checker, key: &str, text: &str) -> Option<VersionRule> {
    let right =
        "use >=, >, <=, < or = and a dotted number, several with commas, such as \">=2.8.16, <3\"";
    VersionRule::parse(text)
        .map_err(|problem| checker.error(key, problem, right))
        .ok()
}

fn texts(checker: &mut Checker, key: &str, raw: Option<OneOrMany>) -> Vec<String> {
    let Some(raw) = raw else { return vec![] };
    if raw.texts.is_empty() {
        checker.error(
            key,
            "is an empty list, so the route would serve nobody",
            "name at least one, or remove the key",
        );
    }
    let filled = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    checker.parsed(
        key,
        raw.texts,
        raw.is_list,
        filled,
        "is empty",
        "name a value, or remove the key",
    )
}

/// A list of visitors, by the app's ids.
pub(super) fn visitors(
    checker: &mut Checker,
    key: &str,
    raw: Option<OneOrMany>,
) -> BTreeSet<String> {
    let listed = texts(checker, key, raw);
    if listed.len() > MOST_VISITORS {
        let problem = format!("lists {} visitors", listed.len());
        let right = format!(
            "list at most {MOST_VISITORS}; for more, have the app send a field of the profile and use `profile`"
        );
        checker.error(key, problem, right);
    }
    listed.into_iter().collect()
}

fn profile(
    checker: &mut Checker,
    key: &str,
    raw: BTreeMap<String, OneOrMany>,
) -> BTreeMap<String, Vec<String>> {
    raw.into_iter()
        .map(|(field, values)| {
            let values = texts(checker, &child(key, &field), Some(values));
            (field, values)
        })
        .collect()
}

fn calendar(
    checker: &mut Checker,
    key: &str,
    raw: Option<String>,
    calendars: &Calendars,
) -> Option<Arc<Calendar>> {
    let name = raw?;
    let names = calendars.keys().map(String::as_str);
    checker.known(key, &name, "calendar of this file", names);
    calendars.get(&name).cloned()
}

/// More belong into the app's own records.
const MOST_VISITORS: usize = 10_000;
