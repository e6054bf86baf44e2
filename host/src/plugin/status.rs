//! What operators are told about a provider's adapter.
//!
//! Owns the shape of one entry of `GET /admin/v1/providers` as far as the
//! plug-in runtime knows it. Deliberately has no breaker and no outbox; whoever
//! answers the request adds them. Invariant: no setting and no secret is in it.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use kefu_plugin_api::{ids::ProviderId, time::Timestamp};
use serde::Serialize;

use super::{Availability, FaultKind, ProcessStatus, slot::Retained};

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
    /// The process it runs in, if that is not the gateway's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process: Option<ProcessStatus>,
    /// Earlier generations that can be gone back to, newest first.
    pub retained: Vec<RetainedStatus>,
    /// Versions of its plug-in that are mapped into the gateway's process;
    /// they stay there until it ends.
    pub copies_in_memory: usize,
    /// Calls that have finished.
    pub calls: u64,
    /// Calls under way, in all generations.
    pub in_flight: u64,
    /// Calls that are over their time and have not returned.
    pub stuck_calls: u64,
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

/// A generation that can be gone back to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RetainedStatus {
    /// Its number.
    pub generation: u64,
    /// The adapter's version.
    pub version: String,
    /// The hash of its file.
    pub sha256: String,
    /// Whether it was gone back from.
    pub given_up: bool,
}

impl From<&Retained> for RetainedStatus {
    fn from(kept: &Retained) -> Self {
        Self {
            generation: kept.number,
            version: kept.about.descriptor().version.clone(),
            sha256: kept.about.sha256().to_owned(),
            given_up: kept.given_up,
        }
    }
}

/// Something that went wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LastError {
    /// When.
    pub at: Timestamp,
    /// What.
    pub text: String,
}

/// A moment soon, as operators read it.
pub(super) fn at(moment: Instant) -> Timestamp {
    let ahead = moment.saturating_duration_since(Instant::now());
    let since: Duration = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let millis = since.saturating_add(ahead).as_millis();
    Timestamp::from_unix_ms(i64::try_from(millis).unwrap_or(i64::MAX))
}
