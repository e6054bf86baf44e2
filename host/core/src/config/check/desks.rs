//! Checks of desks.
//!
//! Owns their rules: a desk's app exists, a route translates groups that its
//! desk has, shares leave nobody out. Deliberately does not ask whether a
//! route's provider exists: its file may come later (see `assemble`).
//! Invariant: a desk that passes has a route.

use std::collections::{BTreeMap, BTreeSet};

use kefu_plugin_api::ids::{AppId, DeskId, ProviderId};

use super::{Checker, calendars::Calendars, when};
use crate::config::{App, Desk, Group, Handover, Route, Weight, locate::child, raw};

pub(super) fn check(
    checker: &mut Checker,
    raw: BTreeMap<String, raw::Desk>,
    apps: &BTreeMap<AppId, App>,
    calendars: &Calendars,
) -> BTreeMap<DeskId, Desk> {
    raw.into_iter()
        .map(|(name, raw)| {
            let key = child("desks", &name);
            checker.id(&key, &name, false);
            (
                DeskId::new(&name),
                desk(checker, &key, &name, raw, (apps, calendars)),
            )
        })
        .collect()
}

fn desk(
    checker: &mut Checker,
    key: &str,
    name: &str,
    raw: raw::Desk,
    (apps, calendars): (&BTreeMap<AppId, App>, &Calendars),
) -> Desk {
    let app_key = format!("{key}.app");
    let app = checker.required(&app_key, raw.app, "name the app whose visitors come here");
    if !app.is_empty() {
        checker.known(&app_key, &app, "app", apps.keys().map(AppId::as_str));
    }
    let groups = groups(checker, &format!("{key}.groups"), raw.groups);
    if raw.routes.is_empty() {
        let right = format!("add `[[{key}.routes]]` with `provider = \"…\"`");
        checker.missing(&format!("{key}.routes"), &right);
    }
    let routes: Vec<Route> = raw
        .routes
        .into_iter()
        .enumerate()
        .map(|(index, raw)| {
            let key = format!("{key}.routes[{index}]");
            route(checker, &key, raw, &groups, calendars)
        })
        .collect();
    check_shares(checker, key, &routes);
    let title = raw.title.unwrap_or_else(|| name.to_owned());
    Desk {
        id: DeskId::new(name),
        app: AppId::new(app),
        title,
        groups,
        routes,
        reopen_waiting: raw.reopen_waiting.unwrap_or(false),
    }
}

fn groups(checker: &mut Checker, key: &str, raw: Vec<raw::Group>) -> Vec<Group> {
    let mut seen = BTreeSet::new();
    raw.into_iter()
        .enumerate()
        .map(|(index, raw)| {
            let id_key = format!("{key}[{index}].id");
            let id = checker.required(&id_key, raw.id, "give the name that apps ask for");
            if !id.is_empty() && !seen.insert(id.clone()) {
                checker.error(&id_key, "stands twice", "give each group its own id");
            }
            Group {
                name: raw.name.unwrap_or_else(|| id.clone()),
                id,
            }
        })
        .collect()
}

fn route(
    checker: &mut Checker,
    key: &str,
    raw: raw::Route,
    groups: &[Group],
    calendars: &Calendars,
) -> Route {
    let provider = checker.required(
        &format!("{key}.provider"),
        raw.provider,
        "name a provider by its id",
    );
    known_groups(checker, &format!("{key}.groups"), &raw.groups, groups);
    let shadow = raw
        .shadow
        .map(|name| shadow(checker, &format!("{key}.shadow"), name, &provider));
    let handover = raw
        .handover
        .map(|raw| handover(checker, &format!("{key}.handover"), raw, &provider, groups));
    Route {
        provider: ProviderId::new(provider),
        when: when::check(checker, &format!("{key}.when"), raw.when, groups, calendars),
        weight: raw
            .weight
            .map(|percent| weight(checker, &format!("{key}.weight"), percent)),
        group: raw.group,
        groups: raw.groups,
        shadow,
        handover,
    }
}

fn handover(
    checker: &mut Checker,
    key: &str,
    raw: raw::Handover,
    provider: &str,
    groups: &[Group],
) -> Handover {
    let to_key = format!("{key}.to");
    let to = checker.required(&to_key, raw.to, "name the provider whose humans take over");
    if !to.is_empty() && to == provider {
        checker.error(
            &to_key,
            "is the route's own provider",
            "name another one, or leave `handover` out: a provider's own humans need none",
        );
    }
    known_groups(checker, &format!("{key}.groups"), &raw.groups, groups);
    Handover {
        to: ProviderId::new(to),
        group: raw.group,
        groups: raw.groups,
    }
}

/// Who is judged beside a route's own provider.
fn shadow(checker: &mut Checker, key: &str, name: String, own: &str) -> ProviderId {
    if name.is_empty() {
        checker.error(
            key,
            "is empty",
            "name a provider by its id, or leave it out",
        );
    } else if name == own {
        let right = "name the provider that is to be judged, or leave it out";
        checker.error(key, "is the route's own provider", right);
    }
    ProviderId::new(name)
}

/// Whatever is translated into a vendor's words must be a group of the desk.
pub(super) fn known_groups(
    checker: &mut Checker,
    key: &str,
    translated: &BTreeMap<String, String>,
    groups: &[Group],
) {
    for name in translated.keys() {
        let known = groups.iter().map(|group| group.id.as_str());
        checker.known(&child(key, name), name, "group of this desk", known);
    }
}

/// A share of visitors, written in percent.
pub(super) fn weight(checker: &mut Checker, key: &str, percent: f64) -> Weight {
    let hundredths = (percent * 100.0).round();
    if !(0.0..=10_000.0).contains(&hundredths) || (percent * 100.0 - hundredths).abs() > 1e-6 {
        checker.error(
            key,
            "is no share",
            "use a percentage from 0 to 100 with at most two decimal places",
        );
        return Weight::ZERO;
    }
    // In range and whole, as just checked.
    Weight::hundredths(hundredths as u32)
}

/// Warns where shares leave visitors out, or can never take effect.
fn check_shares(checker: &mut Checker, key: &str, routes: &[Route]) {
    let mut taken = 0;
    for (index, route) in routes.iter().enumerate() {
        if taken >= 10_000 && route.weight.is_some_and(|weight| weight > Weight::ZERO) {
            let right = "lower the weights before it, or set it to 0 if it should serve only when others cannot";
            checker.warn(
                &format!("{key}.routes[{index}].weight"),
                "has no effect: the routes before it take everybody",
                right,
            );
        }
        if route.when.is_always() {
            taken += route.weight.map_or(10_000, Weight::buckets);
        }
    }
    let routes_key = format!("{key}.routes");
    if routes.is_empty() || taken >= 10_000 {
        return;
    }
    if !routes.iter().any(|route| route.when.is_always()) {
        let right = "add a route without `when` at the end";
        checker.warn(
            &routes_key,
            "visitors for whom no `when` holds find no provider",
            right,
        );
    } else {
        let rest = Weight::hundredths(10_000 - taken);
        let right = "leave out one route's weight, so that it takes the rest on purpose";
        checker.warn(
            &routes_key,
            format!("the weights leave {rest} % over, which go to the last route that has a share"),
            right,
        );
    }
}
