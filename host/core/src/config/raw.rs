//! The shape of the files, as serde reads it.
//!
//! Owns which keys exist and of what TOML type they are. Deliberately holds no
//! defaults and judges no value: everything is optional here, `check` decides.
//! Invariant: an unknown key is an error, at every level but the adapter's own
//! `[settings]`.

use std::{collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{SeqAccess, Visitor},
};

/// `kefu.toml`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct Main {
    pub(super) server: Server,
    pub(super) admin: Admin,
    pub(super) store: Store,
    pub(super) plugins: Plugins,
    pub(super) media: Media,
    pub(super) limits: Limits,
    pub(super) log: Log,
    pub(super) calendars: BTreeMap<String, Calendar>,
    pub(super) apps: BTreeMap<String, App>,
    pub(super) desks: BTreeMap<String, Desk>,
    pub(super) migrations: BTreeMap<String, Migration>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct Server {
    pub(super) listen: Option<String>,
    pub(super) public_url: Option<String>,
    pub(super) trusted_proxies: Vec<String>,
    pub(super) limits: ServerLimits,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct ServerLimits {
    pub(super) max_body: Option<Size>,
    pub(super) max_header: Option<Size>,
    pub(super) header_timeout: Option<Time>,
    pub(super) request_timeout: Option<Time>,
    pub(super) max_connections: Option<i64>,
    pub(super) shutdown_grace: Option<Time>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct Admin {
    pub(super) listen: Option<String>,
    pub(super) token: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct Store {
    pub(super) url: Option<String>,
    pub(super) session_cache: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct Plugins {
    pub(super) dir: Option<String>,
    pub(super) copies: Option<String>,
    pub(super) trust: Option<String>,
    pub(super) keys: Option<Vec<String>>,
    pub(super) stage_timeout: Option<Time>,
    pub(super) rollback: Rollback,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct Rollback {
    pub(super) sessions: Option<i64>,
    pub(super) within: Option<Time>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct Media {
    pub(super) dir: Option<String>,
    pub(super) store: Option<String>,
    pub(super) s3: Option<S3>,
    pub(super) signing_key: Option<String>,
    pub(super) url_ttl: Option<Time>,
    pub(super) retention: Option<Time>,
    pub(super) converters: Vec<Converter>,
    pub(super) image: MediaRule,
    pub(super) voice: MediaRule,
    pub(super) video: MediaRule,
    pub(super) file: MediaRule,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct MediaRule {
    pub(super) max_size: Option<Size>,
    pub(super) types: Option<Vec<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct S3 {
    pub(super) endpoint: Option<String>,
    pub(super) region: Option<String>,
    pub(super) access_key: Option<String>,
    pub(super) secret_key: Option<String>,
    pub(super) path_style: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct Converter {
    pub(super) from: OneOrMany,
    pub(super) to: Option<String>,
    pub(super) command: Vec<String>,
    pub(super) timeout: Option<Time>,
    pub(super) max_size: Option<Size>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct Limits {
    pub(super) engine_threads: Option<i64>,
    pub(super) call_timeout: Option<Time>,
    pub(super) max_stuck_calls: Option<i64>,
    pub(super) session_queue: Option<i64>,
    pub(super) visitor_requests_per_second: Option<i64>,
    pub(super) visitor_burst: Option<i64>,
    pub(super) visitor_streams: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct Log {
    pub(super) level: Option<String>,
    pub(super) format: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct App {
    pub(super) secret: Option<String>,
    pub(super) secrets: Option<Vec<String>>,
    pub(super) origins: Option<OneOrMany>,
    pub(super) token_ttl: Option<Time>,
    pub(super) channels: Vec<String>,
    pub(super) routing: Option<AppRouting>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct AppRouting {
    pub(super) url: Option<String>,
    pub(super) secret: Option<String>,
    pub(super) secrets: Option<Vec<String>>,
    pub(super) format: Option<String>,
    pub(super) waits: Option<Vec<Time>>,
    pub(super) timeout: Option<Time>,
    pub(super) concurrency: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct Desk {
    pub(super) app: Option<String>,
    pub(super) title: Option<String>,
    pub(super) groups: Vec<Group>,
    pub(super) routes: Vec<Route>,
    pub(super) reopen_waiting: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct Group {
    pub(super) id: Option<String>,
    pub(super) name: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct Route {
    pub(super) provider: Option<String>,
    pub(super) when: When,
    pub(super) weight: Option<f64>,
    pub(super) group: Option<String>,
    pub(super) groups: BTreeMap<String, String>,
    pub(super) shadow: Option<String>,
    pub(super) handover: Option<Handover>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct Handover {
    pub(super) to: Option<String>,
    pub(super) group: Option<String>,
    pub(super) groups: BTreeMap<String, String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct When {
    pub(super) app_version: Option<String>,
    pub(super) platform: Option<OneOrMany>,
    pub(super) channel: Option<OneOrMany>,
    pub(super) group: Option<OneOrMany>,
    pub(super) visitors: Option<OneOrMany>,
    pub(super) profile: BTreeMap<String, OneOrMany>,
    pub(super) during: Option<String>,
    pub(super) outside: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct Migration {
    pub(super) desk: Option<String>,
    pub(super) from: Option<String>,
    pub(super) to: Option<String>,
    pub(super) stages: Vec<Stage>,
    pub(super) group: Option<String>,
    pub(super) groups: BTreeMap<String, String>,
    pub(super) window: Option<Time>,
    pub(super) on_breach: Option<String>,
    pub(super) guards: Guards,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct Stage {
    pub(super) visitors: Option<OneOrMany>,
    pub(super) percent: Option<f64>,
    pub(super) after: Option<Time>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct Guards {
    pub(super) opening_failures: Option<Limit>,
    pub(super) delivery_failures: Option<Limit>,
    pub(super) unanswered: Option<Limit>,
    pub(super) first_answer: Option<Time>,
    pub(super) rating: Option<Limit>,
    pub(super) min_sessions: Option<i64>,
    pub(super) answer_within: Option<Time>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct Calendar {
    pub(super) time_zone: Option<String>,
    pub(super) hours: BTreeMap<String, OneOrMany>,
    pub(super) closed: Option<OneOrMany>,
    pub(super) open: BTreeMap<String, OneOrMany>,
}

/// A file of `providers/`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct Provider {
    pub(super) id: Option<String>,
    pub(super) plugin: Option<String>,
    pub(super) isolation: Option<String>,
    pub(super) hosts: Vec<String>,
    pub(super) limits: ProviderLimits,
    pub(super) on_unknown: Option<String>,
    pub(super) emoji: Option<String>,
    pub(super) visitor_fields: Option<Vec<String>>,
    pub(super) media: InboundMedia,
    pub(super) health: Health,
    pub(super) canary: Option<Canary>,
    pub(super) max_idle: Option<Time>,
    pub(super) drain: Option<Time>,
    pub(super) max_copies: Option<i64>,
    pub(super) sha256: Option<OneOrMany>,
    pub(super) settings: toml::Table,
}

/// A file of `emoji/`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct EmojiTable {
    pub(super) direction: Option<String>,
    pub(super) codes: BTreeMap<String, String>,
    pub(super) preferred: BTreeMap<String, String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct ProviderLimits {
    pub(super) requests_per_second: Option<i64>,
    pub(super) concurrency: Option<i64>,
    pub(super) timeout: Option<Time>,
    pub(super) connect_timeout: Option<Time>,
    pub(super) max_response: Option<Size>,
    pub(super) deadline: Option<Time>,
    pub(super) memory: Option<Size>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct InboundMedia {
    pub(super) inbound: Option<String>,
    pub(super) hosts: Vec<String>,
    pub(super) deadline: Option<Time>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct Health {
    pub(super) connect_every: Option<Time>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct Canary {
    pub(super) every: Option<Time>,
    pub(super) within: Option<Time>,
    pub(super) desk: Option<String>,
    pub(super) say: Option<String>,
    pub(super) visitor: Option<String>,
    pub(super) expect: Option<String>,
}

/// A time, not yet read. Its own type for the sake of one message: a bare
/// number is what is written most often instead.
#[derive(Debug)]
pub(super) struct Time(pub(super) String);

/// A size, not yet read.
#[derive(Debug)]
pub(super) struct Size(pub(super) String);

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Text(A_TIME)).map(Self)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Text(A_SIZE)).map(Self)
    }
}

pub(super) const A_TIME: &str = "a time in quotes, such as \"10s\"";
pub(super) const A_SIZE: &str = "a size in quotes, such as \"1MiB\"";

/// A number of points, or a word instead of one.
#[derive(Debug)]
pub(super) enum Limit {
    Number(f64),
    Text(String),
}

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LimitVisitor)
    }
}

pub(super) const A_LIMIT: &str = "a number of points or \"off\"";

struct LimitVisitor;

impl Visitor<'_> for LimitVisitor {
    type Value = Limit;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(A_LIMIT)
    }

    fn visit_f64<E>(self, number: f64) -> Result<Limit, E> {
        Ok(Limit::Number(number))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Limit, E> {
        // Beyond 32 bits it is out of any range, however it is rounded.
        let number = i32::try_from(number).map_or(f64::NAN, f64::from);
        Ok(Limit::Number(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Limit, E> {
        Ok(Limit::Text(text.to_owned()))
    }
}

/// Any text, announced as what it stands for.
struct Text(&'static str);

impl Visitor<'_> for Text {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }

    fn visit_str<E>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }
}

/// A text, or a list of them.
#[derive(Debug, Default)]
pub(super) struct OneOrMany {
    pub(super) texts: Vec<String>,
    pub(super) is_list: bool,
}

impl<'de> Deserialize<'de> for OneOrMany {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OneOrManyVisitor)
    }
}

struct OneOrManyVisitor;

impl<'de> Visitor<'de> for OneOrManyVisitor {
    type Value = OneOrMany;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or a list of texts")
    }

    fn visit_str<E>(self, text: &str) -> Result<OneOrMany, E> {
        Ok(OneOrMany {
            texts: vec![text.to_owned()],
            is_list: false,
        })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<OneOrMany, A::Error> {
        let mut texts = Vec::new();
        while let Some(text) = entries.next_element()? {
            texts.push(text);
        }
        Ok(OneOrMany {
            texts,
            is_list: true,
        })
    }
}
