//! What operators are told about a provider's adapter.
//!
//! Owns the shape of one entry of `GET /admin/v1/providers` as far as the
//! plug-in runtime knows it. Deliberately has no breaker and no outbox; whoever
//! answers the request adds them. Invariant: no setting and no secret is in it.

use std::{
    collections::BTreeMap,
    time::{SystemTime, UNIX_EPOCH},
};

use kefu_plugin_api::{ids::ProviderId, time::Timestamp};
use serde::Serialize;

use super::{Availability, FaultKind};

/// One provider, as it stands.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ProviderStatus {
    /// The provider.
    pub id: ProviderId,
    /// Whether it serves, and why not.
    #[serde(flatten)]
    pub availability: Availability,
    /// The declared plug-in file.
    pub plugin: String,
    /// Where its code runs: `in-process` or `process`.
    pub isolation: &'static str,
    /// What serves, if anything does.
    #[serde(flatten)]
    pub current: Option<CurrentStatus>,
    /// Earlier generations that are kept open to go back to, newest first.
    pub retained: Vec<u64>,
    /// Calls that have finished.
    pub calls: u64,
    /// Calls under way, in all generations.
    pub in_flight: u64,
    /// Faults since the gateway started.
    pub faults: u64,
    /// The same by kind.
    pub faults_by_kind: BTreeMap<FaultKind, u64>,
    /// What went wrong last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<LastError>,
}

/// The generation that serves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CurrentStatus {
    /// The adapter's name.
    pub adapter: String,
    /// Its version.
    pub version: String,
    /// The hash of its file.
    pub sha256: String,
    /// The contract it was built for.
    pub contract: String,
    /// The compiler it was built with.
    pub rustc: String,
    /// Counted from 1 for each provider.
    pub generation: u64,
    /// How its vendor's callbacks prove themselves.
    pub callback_authentication: String,
}

/// Something that went wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LastError {
    /// When.
    pub at: Timestamp,
    /// What.
    pub text: String,
}

/// The moment, as operators read it.
pub(super) fn now() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp::from_unix_ms(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
