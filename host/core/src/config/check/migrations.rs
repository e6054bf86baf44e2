//! Checks of migrations.
//!
//! Owns their rules: the desk is there and has the old vendor, stages never
//! take anybody back, a pair of desk and old vendor is moved once. Deliberately
//! does not ask whether the new vendor is there: its file may come later (see
//! `assemble`). Invariant: a migration that passes has a stage, and every stage
//! says whom it takes.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use kefu_plugin_api::ids::{DeskId, ProviderId};

use super::{Checker, desks, when};
use crate::config::{
    Desk, Guards, Migration, OnBreach, Points, Stage, Weight,
    locate::child,
    raw::{self, Limit, Time},
};

pub(super) fn check(
    checker: &mut Checker,
    raw: BTreeMap<String, raw::Migration>,
    all_desks: &BTreeMap<DeskId, Desk>,
) -> BTreeMap<String, Migration> {
    let mut checked: BTreeMap<String, Migration> = BTreeMap::new();
    for (name, raw) in raw {
        let key = child("migrations", &name);
        checker.id(&key, &name, false);
        let one = migration(checker, &key, &name, raw, all_desks);
        let same = |other: &&Migration| other.desk == one.desk && other.from == one.from;
        if let Some(other) = checked.values().find(same) {
            let problem = format!(
                "the migration `{}` moves this desk's visitors from there already",
                other.name
            );
            checker.error(
                &format!("{key}.from"),
                problem,
                "remove one of the two migrations",
            );
        }
        checked.insert(name, one);
    }
    checked
}

fn migration(
    checker: &mut Checker,
    key: &str,
    name: &str,
    raw: raw::Migration,
    all_desks: &BTreeMap<DeskId, Desk>,
) -> Migration {
    let of = |name: &str| format!("{key}.{name}");
    let desk_id = checker.required(&of("desk"), raw.desk, "name the desk whose visitors move");
    if !desk_id.is_empty() {
        let ids = all_desks.keys().map(DeskId::as_str);
        checker.known(&of("desk"), &desk_id, "desk", ids);
    }
    let desk = all_desks.get(&DeskId::new(&desk_id));
    let right = "name the provider that the visitors have now";
    let from = checker.required(&of("from"), raw.from, right);
    if let (Some(desk), false) = (desk, from.is_empty()) {
        let routes = desk.routes.iter().map(|route| route.provider.as_str());
        checker.known(&of("from"), &from, "provider of this desk's routes", routes);
    }
    let right = "name the provider that the visitors are to have";
    let to = checker.required(&of("to"), raw.to, right);
    if !to.is_empty() && to == from {
        checker.error(&of("to"), "is the provider that `from` names", right);
    }
    if let Some(desk) = desk {
        desks::known_groups(checker, &of("groups"), &raw.groups, &desk.groups);
    }
    Migration {
        name: name.to_owned(),
        desk: DeskId::new(desk_id),
        from: ProviderId::new(from),
        to: ProviderId::new(to),
        stages: stages(checker, &of("stages"), raw.stages),
        group: raw.group,
        groups: raw.groups,
        window: checker.duration(&of("window"), raw.window, "10m", "10s", "6h"),
        on_breach: checker.choice(
            &of("on_breach"),
            raw.on_breach,
            &[("revert", OnBreach::Revert), ("stop", OnBreach::Stop)],
        ),
        guards: guards(checker, &of("guards"), raw.guards),
    }
}

fn stages(checker: &mut Checker, key: &str, raw: Vec<raw::Stage>) -> Vec<Stage> {
    if raw.is_empty() {
        let right = format!("add `[[{key}]]` with `percent = 1`, and more for the next steps");
        checker.missing(key, &right);
    }
    let mut stages: Vec<Stage> = Vec::with_capacity(raw.len());
    for (index, raw) in raw.into_iter().enumerate() {
        let key = format!("{key}[{index}]");
        let stage = stage(checker, &key, raw, stages.last());
        stages.push(stage);
    }
    stages
}

fn stage(checker: &mut Checker, key: &str, raw: raw::Stage, before: Option<&Stage>) -> Stage {
    let so_far = before.map_or(Weight::ZERO, |before| before.percent);
    let mut visitors = before.map_or_else(BTreeSet::new, |before| before.visitors.clone());
    let says_whom = raw.visitors.is_some() || raw.percent.is_some();
    let listed = match raw.visitors {
        Some(nobody) if nobody.texts.is_empty() => {
            let right = "name at least one, or remove the key";
            checker.error(&format!("{key}.visitors"), "is an empty list", right);
            BTreeSet::new()
        }
        listed => when::visitors(checker, &format!("{key}.visitors"), listed),
    };
    let adds_listed = !listed.is_subset(&visitors);
    visitors.extend(listed);
    let percent_key = format!("{key}.percent");
    let percent = raw.percent.map_or(so_far, |percent| {
        desks::weight(checker, &percent_key, percent)
    });
    if percent < so_far {
        let right = format!(
            "use {so_far} or more; to take visitors back there is `kefu-gateway migrate rollback`"
        );
        let problem = format!("is less than the {so_far} of the stage before");
        checker.error(&percent_key, problem, right);
    }
    if !says_whom {
        let right = "give `visitors`, `percent` or both";
        checker.error(key, "does not say whom it takes", right);
    } else if percent == so_far && !adds_listed {
        let problem = match before {
            Some(_) => "takes nobody whom the stage before did not",
            None => "takes nobody",
        };
        let right = "raise `percent`, name more visitors, or remove the stage";
        checker.warn(key, problem, right);
    }
    let after = raw.after.map(|after| {
        let day = "1d";
        checker.duration(&format!("{key}.after"), Some(after), day, "1s", "365d")
    });
    Stage {
        visitors,
        percent,
        after,
    }
}

fn guards(checker: &mut Checker, key: &str, raw: raw::Guards) -> Guards {
    let of = |name: &str| format!("{key}.{name}");
    let mut points = |name: &str, raw: Option<Limit>, default| {
        points(checker, &of(name), raw, Points::hundredths(default))
    };
    let opening_failures = points("opening_failures", raw.opening_failures, 200);
    let delivery_failures = points("delivery_failures", raw.delivery_failures, 200);
    let unanswered = points("unanswered", raw.unanswered, 500);
    let rating = points("rating", raw.rating, 500);
    Guards {
        opening_failures,
        delivery_failures,
        unanswered,
        first_answer: longer(checker, &of("first_answer"), raw.first_answer),
        rating,
        min_sessions: checker.number(&of("min_sessions"), raw.min_sessions, 20, 1..=1_000_000),
        answer_within: checker.duration(&of("answer_within"), raw.answer_within, "5m", "1s", "24h"),
    }
}

/// A limit in points, the default without one; `None` for `"off"`.
fn points(checker: &mut Checker, key: &str, raw: Option<Limit>, default: Points) -> Option<Points> {
    let number = match raw {
        None => return Some(default),
        Some(Limit::Text(text)) if text == OFF => return None,
        Some(Limit::Number(number)) => number,
        // Not a number, so what is said of other numbers fits.
        Some(Limit::Text(_)) => f64::NAN,
    };
    let hundredths = (number * 100.0).round();
    if !(0.0..=10_000.0).contains(&hundredths) || (number * 100.0 - hundredths).abs() > 1e-6 {
        let right =
            "use a number of points from 0 to 100 with at most two decimal places, or \"off\"";
        checker.error(key, "is no limit", right);
        return Some(default);
    }
    // In range and whole, as just checked.
    Some(Points::hundredths(hundredths as u32))
}

/// By how much first answers may be later; `None` for `"off"`.
fn longer(checker: &mut Checker, key: &str, raw: Option<Time>) -> Option<Duration> {
    if raw.as_ref().is_some_and(|Time(text)| text == OFF) {
        return None;
    }
    Some(checker.duration(key, raw, "30s", "0s", "24h"))
}

/// A guard that is not looked at.
const OFF: &str = "off";
