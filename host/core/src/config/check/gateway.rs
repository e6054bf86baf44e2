//! Checks of the main file, but for media, apps, desks and migrations.
//!
//! Owns every default of these sections. Deliberately has none for secrets:
//! what protects the gateway must be chosen. Invariant: `config/kefu.toml`
//! shows exactly these defaults.

use super::{Checker, apps, calendars, desks, media, migrations};
use crate::config::{
    AddressRange, Admin, Limits, Log, LogFormat, LogLevel, Main, Plugins, Rollback, Server,
    ServerLimits, Store, StoreUrl, Trust, address::parse_base_url, raw,
};

pub(super) fn check(checker: &mut Checker, raw: raw::Main) -> Main {
    let store = store(checker, raw.store);
    let apps = apps::check(checker, raw.apps);
    let calendars = calendars::check(checker, raw.calendars);
    let desks = desks::check(checker, raw.desks, &apps, &calendars);
    let migrations = migrations::check(checker, raw.migrations, &desks);
    Main {
        server: server(checker, raw.server),
        admin: admin(checker, raw.admin),
        plugins: plugins(checker, raw.plugins, &store),
        media: media::check(checker, raw.media),
        limits: limits(checker, raw.limits),
        log: log(checker, raw.log),
        store,
        calendars,
        apps,
        desks,
        migrations,
    }
}

fn server(checker: &mut Checker, raw: raw::Server) -> Server {
    let public_url = raw.public_url.and_then(|text| {
        let url = parse_base_url(&text);
        if url.is_none() {
            let right =
                "use the address that vendors call back, such as \"https://kefu.example.com\"";
            checker.error(
                "server.public_url",
                "is not a web address without a query",
                right,
            );
        }
        url
    });
    let trusted_proxies = checker.parsed(
        "server.trusted_proxies",
        raw.trusted_proxies,
        true,
        AddressRange::parse,
        "is neither an address nor a range",
        "use \"10.0.0.7\" or \"10.0.0.0/8\"",
    );
    let limits = raw.limits;
    Server {
        listen: checker.listen("server.listen", raw.listen, "127.0.0.1:8080"),
        public_url,
        trusted_proxies,
        limits: ServerLimits {
            max_body: checker.size(
                "server.limits.max_body",
                limits.max_body,
                "1MiB",
                "128KiB",
                "64MiB",
            ),
            max_header: checker.size(
                "server.limits.max_header",
                limits.max_header,
                "32KiB",
                "8KiB",
                "1MiB",
            ),
            header_timeout: checker.duration(
                "server.limits.header_timeout",
                limits.header_timeout,
                "10s",
                "100ms",
                "5m",
            ),
            request_timeout: checker.duration(
                "server.limits.request_timeout",
                limits.request_timeout,
                "30s",
                "1s",
                "10m",
            ),
            max_connections: checker.number(
                "server.limits.max_connections",
                limits.max_connections,
                20_000,
                1..=1_000_000,
            ),
            shutdown_grace: checker.duration(
                "server.limits.shutdown_grace",
                limits.shutdown_grace,
                "10s",
                "0ms",
                "10m",
            ),
        },
    }
}

fn admin(checker: &mut Checker, raw: raw::Admin) -> Admin {
    let listen = checker.listen("admin.listen", raw.listen, "127.0.0.1:9090");
    if !listen.ip().is_loopback() {
        let right = "listen on 127.0.0.1, or make sure that only operators can reach it";
        checker.warn(
            "admin.listen",
            "the admin API is reachable from other machines",
            right,
        );
    }
    let right = "set it to a random text of 16 characters or more, such as \"${KEFU_ADMIN_TOKEN}\"";
    Admin {
        listen,
        token: checker.secret("admin.token", raw.token, 16, right),
    }
}

fn store(checker: &mut Checker, raw: raw::Store) -> Store {
    let text = raw.url.unwrap_or_else(|| "sqlite:data/kefu.db".to_owned());
    let path = text
        .strip_prefix("sqlite:")
        .map(|rest| rest.strip_prefix("//").unwrap_or(rest));
    let path = match path {
        Some(path) if !path.is_empty() && !path.contains(['?', ':']) => path.to_owned(),
        _ => {
            checker.error(
                "store.url",
                "names no store that this gateway has",
                "use \"sqlite:data/kefu.db\"",
            );
            String::new()
        }
    };
    Store {
        url: StoreUrl::Sqlite {
            path: checker.folder.join(path),
        },
        session_cache: checker.number(
            "store.session_cache",
            raw.session_cache,
            10_000,
            1..=10_000_000,
        ),
    }
}

fn plugins(checker: &mut Checker, raw: raw::Plugins, store: &Store) -> Plugins {
    let dir = checker.path("plugins.dir", raw.dir, "adapters");
    let copies = match raw.copies {
        Some(text) => checker.path("plugins.copies", Some(text), "data/plugins"),
        None => store.url.folder().join("plugins"),
    };
    if dir == copies {
        let right = "use a folder that nothing else writes to, such as \"data/plugins\"";
        checker.error("plugins.copies", "is the watched folder itself", right);
    }
    let kind = checker.choice(
        "plugins.trust",
        raw.trust,
        &["any", "listed", "signed"].map(|name| (name, name)),
    );
    let trust = match kind {
        "signed" => signed(checker, raw.keys),
        kind => {
            if raw.keys.is_some() {
                checker.warn(
                    "plugins.keys",
                    "has no effect",
                    "keys count with `trust = \"signed\"` only",
                );
            }
            if kind == "listed" {
                Trust::Listed
            } else {
                Trust::Any
            }
        }
    };
    Plugins {
        dir,
        copies,
        trust,
        stage_timeout: checker.duration(
            "plugins.stage_timeout",
            raw.stage_timeout,
            "5s",
            "100ms",
            "5m",
        ),
        rollback: Rollback {
            sessions: checker.number(
                "plugins.rollback.sessions",
                raw.rollback.sessions,
                3,
                0..=1_000,
            ),
            within: checker.duration(
                "plugins.rollback.within",
                raw.rollback.within,
                "60s",
                "1s",
                "1d",
            ),
        },
    }
}

fn signed(checker: &mut Checker, keys: Option<Vec<String>>) -> Trust {
    let right = "list minisign public keys as `minisign -G` prints them: 56 characters each, beginning with RW";
    let Some(keys) = keys.filter(|keys| !keys.is_empty()) else {
        checker.missing("plugins.keys", right);
        return Trust::Any;
    };
    Trust::Signed {
        keys: checker.parsed(
            "plugins.keys",
            keys,
            true,
            minisign_key,
            "is no minisign public key",
            right,
        ),
    }
}

/// The key of a line as minisign prints it, or of a whole `.pub` file, whose
/// first line is a comment. 56 digits of base64 are exactly the 42 bytes of a
/// key, and its first two, the algorithm `Ed`, settle the first 12 bits and
/// two of the third digit's.
fn minisign_key(text: &str) -> Option<String> {
    let key = match text.split_once('\n') {
        Some((comment, rest)) if comment.starts_with("untrusted comment:") => rest.trim(),
        _ => text,
    };
    let base64 = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/');
    let third = key.strip_prefix("RW")?.bytes().next()?;
    (key.len() == 56 && (b'Q'..=b'T').contains(&third) && key.bytes().all(base64))
        .then(|| key.to_owned())
}

fn limits(checker: &mut Checker, raw: raw::Limits) -> Limits {
    let engine_threads = checker.number("limits.engine_threads", raw.engine_threads, 0, 0..=256);
    Limits {
        engine_threads: (engine_threads > 0).then_some(engine_threads),
        call_timeout: checker.duration("limits.call_timeout", raw.call_timeout, "1s", "10ms", "1m"),
        max_stuck_calls: checker.number("limits.max_stuck_calls", raw.max_stuck_calls, 8, 0..=256),
        session_queue: checker.number("limits.session_queue", raw.session_queue, 256, 1..=100_000),
        visitor_requests_per_second: checker.number(
            "limits.visitor_requests_per_second",
            raw.visitor_requests_per_second,
            20,
            0..=100_000,
        ),
        visitor_burst: checker.number("limits.visitor_burst", raw.visitor_burst, 60, 1..=100_000),
        visitor_streams: checker.number(
            "limits.visitor_streams",
            raw.visitor_streams,
            8,
            1..=1_000,
        ),
    }
}

fn log(checker: &mut Checker, raw: raw::Log) -> Log {
    let levels = [
        LogLevel::Info,
        LogLevel::Error,
        LogLevel::Warn,
        LogLevel::Debug,
        LogLevel::Trace,
    ];
    let formats = [("text", LogFormat::Text), ("json", LogFormat::Json)];
    Log {
        level: checker.choice(
            "log.level",
            raw.level,
            &levels.map(|level| (level.as_str(), level)),
        ),
        format: checker.choice("log.format", raw.format, &formats),
    }
}
