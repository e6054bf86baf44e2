//! What changed from one configuration to the next.
//!
//! Owns the comparison, key by key. Deliberately decides nothing about it:
//! which change needs a new generation, a new listener or a restart is the
//! host's matter. Invariants: equal configurations have no changes, every
//! change is named, and a setting that is added to a section cannot be left
//! out here, since the sections are taken apart whole.

use std::collections::{BTreeMap, BTreeSet};

use kefu_plugin_api::ids::{AppId, DeskId, ProviderId};

use super::{
    Admin, App, Config, Desk, Limits, Log, Main, Media, Migration, Plugins, Provider,
    ProviderLimits, Server, ServerLimits, Store,
};

/// What happened to one entry.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Difference {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// It says something else under these keys, as its file names them.
    Changed(BTreeSet<&'static str>),
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
    /// Migrations by name.
    pub migrations: BTreeMap<String, Difference>,
    /// Settings in other sections of the main file, as `server.listen`.
    pub keys: BTreeSet<&'static str>,
}

impl Changes {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Compares two configurations.
pub fn diff(old: &Config, new: &Config) -> Changes {
    Changes {
        providers: compare(&old.providers, &new.providers, provider),
        desks: compare(&old.main.desks, &new.main.desks, desk),
        apps: compare(&old.main.apps, &new.main.apps, app),
        migrations: compare(&old.main.migrations, &new.main.migrations, migration),
        keys: main(&old.main, &new.main),
    }
}

fn compare<K: Ord + Clone, V>(
    old: &BTreeMap<K, V>,
    new: &BTreeMap<K, V>,
    keys: fn(&V, &V) -> BTreeSet<&'static str>,
) -> BTreeMap<K, Difference> {
    let gone = old
        .keys()
        .filter(|key| !new.contains_key(key))
        .map(|key| (key.clone(), Difference::Removed));
    let there = new.iter().filter_map(|(key, value)| {
        let Some(before) = old.get(key) else {
            return Some((key.clone(), Difference::Added));
        };
        let keys = keys(before, value);
        (!keys.is_empty()).then(|| (key.clone(), Difference::Changed(keys)))
    });
    gone.chain(there).collect()
}

/// Names the fields of one section that differ. The pattern has no `..`, so
/// that a new field does not compile until it has a key.
macro_rules! differing {
    ($old:expr, $new:expr, $section:ident { $($field:ident => $key:literal),+ $(,)? }) => {{
        let $section { $($field: _),+ } = $old;
        [$(($key, $old.$field != $new.$field)),+]
            .into_iter()
            .filter_map(|(key, differs)| differs.then_some(key))
            // A section inside has its own line; it is named by its keys.
            .filter(|key| !key.is_empty())
    }};
}

fn main(old: &Main, new: &Main) -> BTreeSet<&'static str> {
    // Apps, desks and migrations are compared by their ids.
    let Main {
        server: _,
        admin: _,
        store: _,
        plugins: _,
        media: _,
        limits: _,
        log: _,
        calendars: _,
        apps: _,
        desks: _,
        migrations: _,
    } = old;
    let server = differing!(&old.server, &new.server, Server {
        listen => "server.listen",
        public_url => "server.public_url",
        trusted_proxies => "server.trusted_proxies",
        limits => "",
    });
    let server_limits = differing!(&old.server.limits, &new.server.limits, ServerLimits {
        max_body => "server.limits.max_body",
        max_header => "server.limits.max_header",
        header_timeout => "server.limits.header_timeout",
        request_timeout => "server.limits.request_timeout",
        max_connections => "server.limits.max_connections",
        shutdown_grace => "server.limits.shutdown_grace",
    });
    let admin = differing!(&old.admin, &new.admin, Admin {
        listen => "admin.listen",
        token => "admin.token",
    });
    let store = differing!(&old.store, &new.store, Store {
        url => "store.url",
        session_cache => "store.session_cache",
    });
    let calendars = (old.calendars != new.calendars).then_some("calendars");
    let log = differing!(&old.log, &new.log, Log {
        level => "log.level",
        format => "log.format",
    });
    server
        .chain(server_limits)
        .chain(admin)
        .chain(store)
        .chain(plugins(&old.plugins, &new.plugins))
        .chain(media(&old.media, &new.media))
        .chain(limits(&old.limits, &new.limits))
        .chain(calendars)
        .chain(log)
        .collect()
}

fn plugins(old: &Plugins, new: &Plugins) -> BTreeSet<&'static str> {
    differing!(old, new, Plugins {
        dir => "plugins.dir",
        copies => "plugins.copies",
        trust => "plugins.trust",
        stage_timeout => "plugins.stage_timeout",
        rollback => "plugins.rollback",
    })
    .collect()
}

fn media(old: &Media, new: &Media) -> BTreeSet<&'static str> {
    differing!(old, new, Media {
        dir => "media.dir",
        store => "media.store",
        signing_key => "media.signing_key",
        retention => "media.retention",
        converters => "media.converters",
        url_ttl => "media.url_ttl",
        image => "media.image",
        voice => "media.voice",
        video => "media.video",
        file => "media.file",
    })
    .collect()
}

fn limits(old: &Limits, new: &Limits) -> BTreeSet<&'static str> {
    differing!(old, new, Limits {
        engine_threads => "limits.engine_threads",
        call_timeout => "limits.call_timeout",
        max_stuck_calls => "limits.max_stuck_calls",
        session_queue => "limits.session_queue",
        visitor_requests_per_second => "limits.visitor_requests_per_second",
        visitor_burst => "limits.visitor_burst",
        visitor_streams => "limits.visitor_streams",
    })
    .collect()
}

fn app(old: &App, new: &App) -> BTreeSet<&'static str> {
    differing!(old, new, App {
        key => "key",
        secrets => "secrets",
        origins => "origins",
        token_ttl => "token_ttl",
        channels => "channels",
        routing => "routing",
    })
    .collect()
}

fn desk(old: &Desk, new: &Desk) -> BTreeSet<&'static str> {
    differing!(old, new, Desk {
        id => "id",
        app => "app",
        title => "title",
        groups => "groups",
        routes => "routes",
        reopen_waiting => "reopen_waiting",
    })
    .collect()
}

fn migration(old: &Migration, new: &Migration) -> BTreeSet<&'static str> {
    differing!(old, new, Migration {
        name => "name",
        desk => "desk",
        from => "from",
        to => "to",
        stages => "stages",
        group => "group",
        groups => "groups",
        window => "window",
        on_breach => "on_breach",
        guards => "guards",
    })
    .collect()
}

fn provider(old: &Provider, new: &Provider) -> BTreeSet<&'static str> {
    let limits = differing!(&old.limits, &new.limits, ProviderLimits {
        requests_per_second => "limits.requests_per_second",
        concurrency => "limits.concurrency",
        timeout => "limits.timeout",
        connect_timeout => "limits.connect_timeout",
        max_response => "limits.max_response",
        deadline => "limits.deadline",
        memory => "limits.memory",
    });
    differing!(old, new, Provider {
        id => "id",
        plugin => "plugin",
        isolation => "isolation",
        hosts => "hosts",
        limits => "",
        on_unknown => "on_unknown",
        emoji => "emoji",
        visitor_fields => "visitor_fields",
        media => "media",
        health => "health",
        canary => "canary",
        max_idle => "max_idle",
        drain => "drain",
        max_copies => "max_copies",
        sha256 => "sha256",
        settings => "settings",
    })
    .chain(limits)
    .collect()
}
