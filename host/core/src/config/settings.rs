//! Checked settings of the gateway itself: listeners, store, plug-in folder,
//! budgets, log.
//!
//! Owns the types and their defaults. Deliberately knows nothing of TOML; the
//! `check` module builds these values. Invariant: addresses are addresses,
//! paths are usable as they stand, sizes and times are within their limits.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use kefu_plugin_api::Secret;

use super::AddressRange;

/// `[server]`: the public listener, for apps and for vendors' callbacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// How the outside reaches the listener, without a trailing slash. Absent:
    /// the bound address.
    pub public_url: Option<String>,
    /// Peers whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<AddressRange>,
    /// What one connection and one request may cost.
    pub limits: ServerLimits,
}

impl Server {
    /// Whether a peer's `X-Forwarded-For` counts.
    pub fn trusts(&self, peer: std::net::IpAddr) -> bool {
        self.trusted_proxies
            .iter()
            .any(|range| range.contains(peer))
    }
}

/// `[server.limits]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerLimits {
    /// The largest request body in bytes; media have their own limits.
    pub max_body: u64,
    /// The largest request head in bytes.
    pub max_header: u64,
    /// How long a client may take to send a request head.
    pub header_timeout: Duration,
    /// How long a request may take from its head to the first byte of the
    /// answer, its body included. Event streams are counted to their head.
    pub request_timeout: Duration,
    /// Connections open at the same time; more wait in the backlog.
    pub max_connections: u32,
    /// How long running requests may finish once the gateway stops.
    pub shutdown_grace: Duration,
}

/// `[admin]`: the operators' listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admin {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The bearer token of every call but the health checks.
    pub token: Secret,
}

/// `[store]`: where sessions and their logs are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store {
    /// Which store.
    pub url: StoreUrl,
    /// How many sessions stay in memory between their turns.
    pub session_cache: u32,
}

/// A kind of store and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreUrl {
    /// One SQLite file.
    Sqlite {
        /// The database file; its folder is made when it is missing.
        path: PathBuf,
    },
}

impl StoreUrl {
    /// The folder that the gateway keeps its own files in, beside the database.
    pub fn folder(&self) -> PathBuf {
        match self {
            Self::Sqlite { path } => path.parent().map(PathBuf::from).unwrap_or_default(),
        }
    }
}

/// `[plugins]`: where plug-ins come from and which are trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plugins {
    /// The watched folder that operators drop `.so` files into.
    pub dir: PathBuf,
    /// Where private copies live; only these are ever opened.
    pub copies: PathBuf,
    /// Which files may be loaded.
    pub trust: Trust,
    /// How long one stage of bringing a plug-in up may take, before it counts
    /// as hung and what serves stays.
    pub stage_timeout: Duration,
    /// When a new generation is given up for the one before it.
    pub rollback: Rollback,
}

/// `rollback` of `[plugins]`: how soon a new generation that faults is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rollback {
    /// Faulted sessions that are too many; 0: it is never given up by itself.
    pub sessions: u32,
    /// How long after its swap a generation is watched.
    pub within: Duration,
}

/// Which plug-in files may be loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Every file in the folder.
    Any,
    /// Files whose SHA-256 the provider lists.
    Listed,
    /// Files with a minisign signature beside them.
    Signed {
        /// The public keys of which one must have signed, each as the 56
        /// characters that minisign prints.
        keys: Vec<String>,
    },
}

/// `[limits]`: budgets of the running gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Threads that call adapters. Absent: one per core, at least two.
    pub engine_threads: Option<u32>,
    /// How long one call of an adapter may take before it counts as stuck.
    pub call_timeout: Duration,
    /// Stuck calls that are replaced by a fresh thread, over all providers.
    pub max_stuck_calls: u32,
    /// Inputs that may wait for one session before callers are told to slow down.
    pub session_queue: u32,
    /// Requests of one visitor a second that are served; 0 for no limit.
    pub visitor_requests_per_second: u32,
    /// Requests of one visitor that may come at once.
    pub visitor_burst: u32,
    /// Event streams one visitor may hold open.
    pub visitor_streams: u32,
}

/// `[log]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Log {
    /// The least important level that is written.
    pub level: LogLevel,
    /// How a line looks.
    pub format: LogFormat,
}

/// How important a log line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// What went wrong.
    Error,
    /// Worth waking someone.
    Warn,
    /// Changes of state.
    Info,
    /// Decisions on the way.
    Debug,
    /// Every event.
    Trace,
}

impl LogLevel {
    /// The level's name, as log filters write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}
