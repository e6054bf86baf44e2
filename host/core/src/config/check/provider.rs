//! Checks of a provider's file.
//!
//! Owns the defaults of providers. Deliberately passes `[settings]` through:
//! only the adapter's schema knows them. Invariant: `config/providers/*.toml`
//! show exactly these defaults.

use std::sync::Arc;

use kefu_plugin_api::ids::ProviderId;
use serde_json::Value;

use super::{Checker, emoji, health};
use crate::{
    config::{
        AllowedHost, Isolation, Lookup, OnUnknown, Provider, ProviderLimits, Settings,
        locate::child,
        raw::{self, OneOrMany},
    },
    profile,
};

pub(super) fn check(checker: &mut Checker, raw: raw::Provider, lookup: &dyn Lookup) -> Provider {
    let id = checker.required(
        "id",
        raw.id,
        "give the name that routes and callback addresses use, such as \"zhichi\"",
    );
    if !id.is_empty() {
        checker.id("id", &id, false);
    }
    let isolations = [
        ("in-process", Isolation::InProcess),
        ("process", Isolation::Process),
    ];
    let policies = [("report", OnUnknown::Report), ("retry", OnUnknown::Retry)];
    Provider {
        id: ProviderId::new(id),
        plugin: plugin(checker, raw.plugin),
        isolation: checker.choice("isolation", raw.isolation, &isolations),
        hosts: checker.parsed(
            "hosts",
            raw.hosts,
            true,
            AllowedHost::parse,
            "is not a host",
            "use a host name with or without a port, such as \"www.sobot.com\" or \"127.0.0.1:8443\"",
        ),
        limits: limits(checker, raw.limits),
        on_unknown: checker.choice("on_unknown", raw.on_unknown, &policies),
        emoji: raw.emoji.and_then(|file| emoji::look_up(checker, file, lookup)),
        visitor_fields: visitor_fields(checker, raw.visitor_fields),
        media: super::media::inbound(checker, raw.media),
        health: health::rules(checker, raw.health),
        canary: raw.canary.map(|canary| health::canary(checker, canary)),
        max_idle: checker.duration("max_idle", raw.max_idle, "7d", "1m", "365d"),
        drain: checker.duration("drain", raw.drain, "24h", "0s", "365d"),
        max_copies: checker.number("max_copies", raw.max_copies, 200, 1..=10_000),
        sha256: sha256(checker, raw.sha256.unwrap_or_default()),
        settings: settings(checker, raw.settings),
    }
}

fn plugin(checker: &mut Checker, raw: Option<String>) -> String {
    let right = "name a file of the plug-in folder, such as \"libkefu_zhichi.so\"";
    let name = checker.required("plugin", raw, right);
    if name.contains(['/', '\\', '\0']) || name == "." || name == ".." {
        checker.error("plugin", "is a path, not a file name", right);
    } else if !name.is_empty() && !name.ends_with(".so") {
        checker.error("plugin", "does not end in .so", right);
    }
    name
}

fn limits(checker: &mut Checker, raw: raw::ProviderLimits) -> ProviderLimits {
    let timeout = checker.duration("limits.timeout", raw.timeout, "10s", "100ms", "5m");
    let given = raw.connect_timeout.is_some();
    let connect_timeout = checker.duration(
        "limits.connect_timeout",
        raw.connect_timeout,
        "3s",
        "10ms",
        "5m",
    );
    if given && connect_timeout > timeout {
        checker.error(
            "limits.connect_timeout",
            "is longer than `timeout`, which includes it",
            "make it shorter",
        );
    }
    ProviderLimits {
        requests_per_second: checker.number(
            "limits.requests_per_second",
            raw.requests_per_second,
            50,
            0..=100_000,
        ),
        concurrency: checker.number("limits.concurrency", raw.concurrency, 64, 1..=10_000),
        timeout,
        connect_timeout: connect_timeout.min(timeout),
        max_response: checker.size(
            "limits.max_response",
            raw.max_response,
            "1MiB",
            "1KiB",
            "64MiB",
        ),
        deadline: checker.duration("limits.deadline", raw.deadline, "2h", "1s", "30d"),
        memory: checker.size("limits.memory", raw.memory, "256MiB", "32MiB", "64GiB"),
    }
}

fn visitor_fields(checker: &mut Checker, raw: Option<Vec<String>>) -> Option<Arc<[String]>> {
    let is_field = |text: &str| profile::is_field(text).then(|| text.to_owned());
    let fields = checker.parsed(
        "visitor_fields",
        raw?,
        true,
        is_field,
        "is no field of a visitor's profile",
        "use id, name, portrait, a field such as mobile_no, custom, or custom.<key> for one of its keys",
    );
    Some(fields.into())
}

fn sha256(checker: &mut Checker, raw: OneOrMany) -> Vec<String> {
    let is_digest = |text: &str| {
        (text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit()))
            .then(|| text.to_ascii_lowercase())
    };
    let right = "use the 64 hex digits that `sha256sum` prints for the plug-in";
    checker.parsed(
        "sha256",
        raw.texts,
        raw.is_list,
        is_digest,
        "is no SHA-256",
        right,
    )
}

fn settings(checker: &mut Checker, raw: toml::Table) -> Settings {
    let entries = raw.into_iter().map(|(name, value)| {
        let json = to_json(checker, &child("settings", &name), value);
        (name, json)
    });
    Settings::new(Value::Object(entries.collect()))
}

/// TOML as JSON: times become text; a number that JSON cannot write is an error.
fn to_json(checker: &mut Checker, key: &str, value: toml::Value) -> Value {
    match value {
        toml::Value::String(text) => Value::String(text),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Boolean(flag) => Value::Bool(flag),
        toml::Value::Datetime(time) => Value::String(time.to_string()),
        toml::Value::Float(number) => match serde_json::Number::from_f64(number) {
            Some(number) => Value::Number(number),
            None => {
                checker.error(
                    key,
                    "is not a number that an adapter can be given",
                    "use a finite number",
                );
                Value::Null
            }
        },
        toml::Value::Array(entries) => entries
            .into_iter()
            .enumerate()
            .map(|(index, entry)| to_json(checker, &format!("{key}[{index}]"), entry))
            .collect(),
        toml::Value::Table(table) => Value::Object(
            table
                .into_iter()
                .map(|(name, value)| {
                    let json = to_json(checker, &child(key, &name), value);
                    (name, json)
                })
                .collect(),
        ),
    }
}
