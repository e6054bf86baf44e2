//! What the edge asks about the rest of the gateway, besides sessions.
//!
//! Owns the questions. Deliberately knows neither store nor plug-ins; whoever
//! wires the gateway answers.

use kefu_plugin_api::ids::ProviderId;
use serde_json::Value;

/// The state of store and providers.
pub trait Operations: Send + Sync {
    /// Whether the store answers.
    ///
    /// # Errors
    /// What is wrong with it, for operators.
    fn check_store(&self) -> Result<(), String>;

    /// Every provider, in the order of their ids.
    fn providers(&self) -> Vec<ProviderReport>;

    /// Whether a session may open at this provider now.
    fn takes_sessions(&self, provider: &ProviderId) -> bool;
}

/// One provider, as operators see it.
#[derive(Clone, Debug, PartialEq)]
pub struct ProviderReport {
    /// The provider.
    pub id: ProviderId,
    /// Whether sessions can open there.
    pub works: bool,
    /// Its state in a word: `active`, `waiting`, `failed`, `paused`,
    /// `quarantined`.
    pub state: String,
    /// Everything else, as `GET /admin/v1/providers` shows it: an object.
    pub report: Value,
}
