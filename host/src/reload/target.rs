//! Where a reload takes effect.
//!
//! Owns the few words in which the reloader speaks to the rest of the gateway.
//! Invariant: a call that fails has left what served before in service.

use std::time::Instant;

use kefu_core::config::{Main, Provider};
use kefu_plugin_api::ids::ProviderId;

use crate::plugin::StageTime;

/// What can be changed while it runs. The calls come from the reloader's
/// threads and may take as long as they need; those for one provider never
/// come at the same time.
pub trait Target: Send + Sync + 'static {
    /// Lives by what the main file says from now on. Comes before providers
    /// are brought up, and only when something in it changed.
    fn configure(&self, main: &Main);

    /// The hash of the plug-in file that serves a provider; `None` if nothing
    /// serves.
    fn serving(&self, provider: &ProviderId) -> Option<String>;

    /// Puts a new generation into service, from these settings and the plug-in
    /// file as it is now.
    ///
    /// # Errors
    /// Why not.
    fn bring_up(&self, provider: &Provider) -> Result<Live, Failure>;

    /// Goes by other budgets, hosts and times with the same generation.
    fn reconfigure(&self, provider: &Provider);

    /// Takes no new sessions; those that are open have until then.
    fn retire(&self, provider: &ProviderId, until: Instant);

    /// Puts an earlier generation into service: this one, or the last good one.
    /// With `unfit`, only if it is that generation that serves.
    ///
    /// # Errors
    /// Why not.
    fn roll_back(
        &self,
        provider: &ProviderId,
        generation: Option<u64>,
        unfit: Option<u64>,
    ) -> Result<Live, Failure>;

    /// The whole configuration is in force.
    fn in_force(&self) {}

    /// A reload is over and no other has begun: the moment to clean up.
    fn tidy(&self) {}
}

/// A generation that was put into service.
#[derive(Clone, Debug, PartialEq)]
pub struct Live {
    /// Its number.
    pub generation: u64,
    /// The hash of its file.
    pub sha256: String,
    /// What took how long.
    pub stages: Vec<StageTime>,
}

/// Why a provider was not changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// In words.
    pub text: String,
    /// What kind of failure it is.
    pub kind: FailureKind,
}

/// Kinds of failure that are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// The plug-in file is not there yet.
    Waiting,
    /// There is no such generation to go back to, or nothing to go back from.
    NotRetained,
    /// It was refused.
    Refused,
}
