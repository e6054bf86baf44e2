//! Checks of apps and desks.
//!
//! Owns the rules between them: a desk's app exists, a route translates groups
//! that its desk has, shares leave nobody out. Deliberately does not ask whether
//! a route's provider exists: its file may come later (see `assemble`).

use std::collections::{BTreeMap, BTreeSet};

use kefu_plugin_api::{
    Secret,
    ids::{AppId, DeskId, ProviderId},
};

use super::Checker;
use crate::{
    config::{
        App, AppRouting, Desk, Group, Origins, PushFormat, Route, Weight, When,
        address::{parse_origin, parse_url},
        locate::child,
        raw::{self, OneOrMany},
    },
    routing::VersionRule,
};

/// RongCloud's own app secrets are short, and apps bring theirs along.
const SHORTEST_APP_SECRET: usize = 8;

pub(super) fn apps(checker: &mut Checker, raw: BTreeMap<String, raw::App>) -> BTreeMap<AppId, App> {
    raw.into_iter()
        .map(|(name, raw)| {
            let key = child("apps", &name);
            checker.id(&key, &name, true);
            (AppId::new(&name), app(checker, &key, &name, raw))
        })
        .collect()
}

fn app(checker: &mut Checker, key: &str, name: &str, raw: raw::App) -> App {
    App {
        key: AppId::new(name),
        secrets: app_secrets(checker, key, raw.secret, raw.secrets),
        origins: origins(
            checker,
            &format!("{key}.origins"),
            raw.origins.unwrap_or_default(),
        ),
        token_ttl: checker.duration(
            &format!("{key}.token_ttl"),
            raw.token_ttl,
            "30d",
            "1m",
            "3650d",
        ),
        routing: raw
            .routing
            .map(|raw| app_routing(checker, &format!("{key}.routing"), raw)),
    }
}

fn app_secrets(
    checker: &mut Checker,
    key: &str,
    one: Option<String>,
    many: Option<Vec<String>>,
) -> Vec<Secret> {
    let right = "set the text that the app's server signs visitor tokens with, such as \"${KEFU_APP_SECRET}\"";
    match (one, many) {
        (Some(_), Some(_)) => {
            checker.error(
                &format!("{key}.secrets"),
                "stands beside `secret`",
                "keep one of the two",
            );
            vec![]
        }
        (None, Some(many)) if many.is_empty() => {
            checker.error(&format!("{key}.secrets"), "is empty", right);
            vec![]
        }
        (None, Some(many)) => many
            .into_iter()
            .enumerate()
            .map(|(index, text)| {
                checker.secret(
                    &format!("{key}.secrets[{index}]"),
                    Some(text),
                    SHORTEST_APP_SECRET,
                    right,
                )
            })
            .collect(),
        (one, None) => {
            vec![checker.secret(&format!("{key}.secret"), one, SHORTEST_APP_SECRET, right)]
        }
    }
}

fn origins(checker: &mut Checker, key: &str, raw: OneOrMany) -> Origins {
    if raw.texts.iter().any(|text| text == "*") {
        if raw.texts.len() > 1 {
            checker.error(
                key,
                "lists other origins beside \"*\"",
                "keep \"*\" alone, or remove it",
            );
        } else {
            checker.warn(
                key,
                "lets any web page use this app with a token it got hold of",
                "list the app's own pages",
            );
        }
        return Origins::Any;
    }
    let right = "use scheme and host as a browser sends them, such as \"https://app.example.com\"";
    Origins::Listed(checker.parsed(
        key,
        raw.texts,
        raw.is_list,
        parse_origin,
        "is not an origin",
        right,
    ))
}

fn app_routing(checker: &mut Checker, key: &str, raw: raw::AppRouting) -> AppRouting {
    let formats = [
        ("standard-webhooks", PushFormat::StandardWebhooks),
        ("rongcloud", PushFormat::RongCloud),
    ];
    let format = checker.choice(&format!("{key}.format"), raw.format, &formats);
    let url_key = format!("{key}.url");
    let right = "use the address of the app's server, such as \"https://app.example.com/kefu\"";
    let text = checker.required(&url_key, raw.url, right);
    let url = parse_url(&text).unwrap_or_else(|| {
        if !text.is_empty() {
            checker.error(&url_key, "is not a web address", right);
        }
        String::new()
    });
    let secret_key = format!("{key}.secret");
    let secret = match format {
        PushFormat::RongCloud => checker.secret(
            &secret_key,
            raw.secret,
            SHORTEST_APP_SECRET,
            "set the app secret that verifies the posts",
        ),
        PushFormat::StandardWebhooks => {
            let right = "set `whsec_` and the base64 of 24 to 64 random bytes";
            let secret = checker.secret(&secret_key, raw.secret, 1, right);
            if !secret.is_empty() && !is_webhook_secret(secret.expose()) {
                checker.error(&secret_key, "is no Standard Webhooks secret", right);
            }
            secret
        }
    };
    AppRouting {
        url,
        secret,
        format,
    }
}

/// Whether a text is `whsec_` and the base64 of 24 to 64 bytes.
fn is_webhook_secret(text: &str) -> bool {
    let Some(encoded) = text.strip_prefix("whsec_") else {
        return false;
    };
    let digits = encoded.trim_end_matches('=');
    let padding = encoded.len() - digits.len();
    let bytes = digits.len() * 3 / 4;
    encoded.len().is_multiple_of(4)
        && padding <= 2
        && (24..=64).contains(&bytes)
        && digits
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/'))
}

pub(super) fn desks(
    checker: &mut Checker,
    raw: BTreeMap<String, raw::Desk>,
    apps: &BTreeMap<AppId, App>,
) -> BTreeMap<DeskId, Desk> {
    raw.into_iter()
        .map(|(name, raw)| {
            let key = child("desks", &name);
            checker.id(&key, &name, false);
            (DeskId::new(&name), desk(checker, &key, &name, raw, apps))
        })
        .collect()
}

fn desk(
    checker: &mut Checker,
    key: &str,
    name: &str,
    raw: raw::Desk,
    apps: &BTreeMap<AppId, App>,
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
        .map(|(index, raw)| route(checker, &format!("{key}.routes[{index}]"), raw, &groups))
        .collect();
    check_shares(checker, key, &routes);
    let title = raw.title.unwrap_or_else(|| name.to_owned());
    Desk {
        id: DeskId::new(name),
        app: AppId::new(app),
        title,
        groups,
        routes,
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

fn route(checker: &mut Checker, key: &str, raw: raw::Route, groups: &[Group]) -> Route {
    let provider = checker.required(
        &format!("{key}.provider"),
        raw.provider,
        "name a provider by its id",
    );
    for name in raw.groups.keys() {
        let key = child(&format!("{key}.groups"), name);
        checker.known(
            &key,
            name,
            "group of this desk",
            groups.iter().map(|group| group.id.as_str()),
        );
    }
    Route {
        provider: ProviderId::new(provider),
        when: when(checker, &format!("{key}.when"), raw.when),
        weight: raw
            .weight
            .map(|percent| weight(checker, &format!("{key}.weight"), percent)),
        group: raw.group,
        groups: raw.groups,
    }
}

fn when(checker: &mut Checker, key: &str, raw: raw::When) -> When {
    let version_key = format!("{key}.app_version");
    let app_version = raw.app_version.and_then(|text| {
        let right = "use >=, >, <=, < or = and a dotted number, several with commas, such as \">=2.8.16, <3\"";
        VersionRule::parse(&text).map_err(|problem| checker.error(&version_key, problem, right)).ok()
    });
    let mut texts = |name: &str, raw: Option<OneOrMany>| {
        let Some(raw) = raw else { return vec![] };
        let key = format!("{key}.{name}");
        if raw.texts.is_empty() {
            checker.error(
                &key,
                "is an empty list, so the route would serve nobody",
                "name at least one, or remove the key",
            );
        }
        let filled = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        checker.parsed(
            &key,
            raw.texts,
            raw.is_list,
            filled,
            "is empty",
            "name a value, or remove the key",
        )
    };
    When {
        app_version,
        platform: texts("platform", raw.platform),
        channel: texts("channel", raw.channel),
    }
}

fn weight(checker: &mut Checker, key: &str, percent: f64) -> Weight {
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
