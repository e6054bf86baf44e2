//! Checks of apps.
//!
//! Owns what an app may be called, how its secrets look and which pages may use
//! it. Deliberately checks no token; that is the edge's. Invariant: an app that
//! passes has at least one secret that is long enough to sign with.

use std::{collections::BTreeMap, time::Duration};

use kefu_plugin_api::{Secret, ids::AppId};

use super::Checker;
use crate::config::{
    App, AppRouting, Origins, PushFormat,
    address::{parse_origin, parse_url},
    locate::child,
    raw::{self, OneOrMany, Time},
};

/// RongCloud's own app secrets are short, and apps bring theirs along.
const SHORTEST_APP_SECRET: usize = 8;
/// Series of one metric that one app may make.
const MAX_CHANNELS: usize = 100;

pub(super) fn check(
    checker: &mut Checker,
    raw: BTreeMap<String, raw::App>,
) -> BTreeMap<AppId, App> {
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
        channels: channels(checker, &format!("{key}.channels"), raw.channels),
        routing: raw
            .routing
            .map(|raw| app_routing(checker, &format!("{key}.routing"), raw)),
    }
}

/// Each of them is a series in metrics, so they are few and short.
fn channels(checker: &mut Checker, key: &str, names: Vec<String>) -> Vec<String> {
    if names.len() > MAX_CHANNELS {
        let problem = format!("names {} channels", names.len());
        checker.error(key, problem, format!("name at most {MAX_CHANNELS}"));
    }
    for (index, name) in names.iter().enumerate() {
        let fits = (1..=64).contains(&name.chars().count())
            && name.trim() == name
            && !name.chars().any(char::is_control);
        let key = format!("{key}[{index}]");
        if !fits {
            let right = "use 1 to 64 characters without blanks around them, such as \"10001\"";
            checker.error(&key, "is no name of a channel", right);
        } else if names[..index].contains(name) {
            checker.error(&key, "is there twice", "leave one of them out");
        }
    }
    names
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
    AppRouting {
        url,
        secrets: routing_secrets(checker, key, format, raw.secret, raw.secrets),
        format,
        waits: waits(checker, &format!("{key}.waits"), raw.waits),
        timeout: checker.duration(&format!("{key}.timeout"), raw.timeout, "10s", "100ms", "1m"),
        concurrency: checker.number(
            &format!("{key}.concurrency"),
            raw.concurrency,
            16,
            1..=1_000,
        ),
    }
}

fn routing_secrets(
    checker: &mut Checker,
    key: &str,
    format: PushFormat,
    one: Option<String>,
    many: Option<Vec<String>>,
) -> Vec<Secret> {
    let right = match format {
        PushFormat::RongCloud => "set the app secret that verifies the posts",
        PushFormat::StandardWebhooks => "set `whsec_` and the base64 of 24 to 64 random bytes",
    };
    let texts = match (one, many) {
        (Some(_), Some(_)) => {
            let list = format!("{key}.secrets");
            checker.error(&list, "stands beside `secret`", "keep one of the two");
            return vec![];
        }
        (None, Some(many)) if many.is_empty() => {
            checker.error(&format!("{key}.secrets"), "is empty", right);
            return vec![];
        }
        (None, Some(many)) => {
            let keys = (0..).map(|index| format!("{key}.secrets[{index}]"));
            keys.zip(many.into_iter().map(Some)).collect()
        }
        (one, None) => vec![(format!("{key}.secret"), one)],
    };
    let mut secrets = Vec::with_capacity(texts.len());
    for (key, text) in texts {
        let shortest = match format {
            PushFormat::RongCloud => SHORTEST_APP_SECRET,
            PushFormat::StandardWebhooks => 1,
        };
        let secret = checker.secret(&key, text, shortest, right);
        if format == PushFormat::StandardWebhooks
            && !secret.is_empty()
            && !is_webhook_secret(secret.expose())
        {
            checker.error(&key, "is no Standard Webhooks secret", right);
        }
        secrets.push(secret);
    }
    secrets
}

fn waits(checker: &mut Checker, key: &str, raw: Option<Vec<Time>>) -> Vec<Duration> {
    let Some(raw) = raw else {
        return PUSH_WAITS.to_vec();
    };
    if raw.is_empty() || raw.len() > MOST_WAITS {
        checker.error(
            key,
            format!("lists {} waits", raw.len()),
            format!("list 1 to {MOST_WAITS} waits, such as [\"5s\", \"5m\", \"30m\"]"),
        );
    }
    raw.into_iter()
        .take(MOST_WAITS)
        .enumerate()
        .map(|(index, wait)| {
            checker.duration(&format!("{key}[{index}]"), Some(wait), "5s", "10ms", "7d")
        })
        .collect()
}

/// The waits between tries to reach an app's server.
const PUSH_WAITS: [Duration; 9] = [
    Duration::from_secs(5),
    Duration::from_secs(5 * 60),
    Duration::from_secs(30 * 60),
    Duration::from_secs(2 * HOUR),
    Duration::from_secs(5 * HOUR),
    Duration::from_secs(10 * HOUR),
    Duration::from_secs(14 * HOUR),
    Duration::from_secs(20 * HOUR),
    Duration::from_secs(24 * HOUR),
];
const HOUR: u64 = 3600;
const MOST_WAITS: usize = 50;

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
