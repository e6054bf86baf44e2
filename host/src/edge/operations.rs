//! What the edge asks about the rest of the gateway, besides sessions.
//!
//! Owns the questions and commands. Deliberately knows neither store nor
//! plug-ins; whoever wires the gateway answers. Invariants: every call may wait
//! for a disk or a lock, so none is made from a thread that serves connections;
//! what waits for a child process or an adapter is a future and takes no
//! thread.

mod editing;
mod inspecting;
mod measuring;
mod migrating;

use std::{future::Future, pin::Pin};

use kefu_core::{problem::Problem, routing::RouteRequest};
use kefu_plugin_api::ids::{DeskId, ProviderId};
use serde_json::Value;

pub use self::editing::{DeskWeights, Editing, NewWeights};
pub use self::inspecting::{Inspecting, SessionPage};
pub use self::measuring::{FiguresOf, FiguresReport, FiguresStep, FiguresWanted, Measuring};
pub use self::migrating::Migrating;
use crate::telemetry::Standing;

/// What a command comes to, once it is over. It is carried out whether that is
/// waited for or not.
pub type Commanded = Pin<Box<dyn Future<Output = Result<Value, Problem>> + Send>>;

/// The state of store and providers, and what operators can do about it.
///
/// The JSON that is handed over is shown as it is. A command on a provider
/// that is not there is refused as `not-found`.
pub trait Operations: Editing + Inspecting + Measuring + Migrating + Send + Sync {
    /// Whether the store answers.
    ///
    /// # Errors
    /// What is wrong with it, for operators.
    fn check_store(&self) -> Result<(), String>;

    /// Every provider, in the order of their ids.
    fn providers(&self) -> Vec<ProviderReport>;

    /// Whether a session may open at this provider now.
    fn takes_sessions(&self, provider: &ProviderId) -> bool;

    /// Every file of the plug-in folder that could be a plug-in, declared or
    /// not: a list of objects, each with `file`.
    ///
    /// # Errors
    /// The folder cannot be read.
    fn plugins(&self) -> Result<Value, Problem>;

    /// Private copies of plug-ins that are mapped into this process.
    fn mapped_copies(&self) -> u64;

    /// The reports of the last reloads, newest first, at most so many.
    fn reloads(&self, limit: usize) -> Vec<Value>;

    /// Reads the configuration again and replaces what differs; with a
    /// provider, brings that one up anew even if nothing differs. It comes to a
    /// report, also where it was tried and refused (then its `outcome` is
    /// `refused`); to a problem only if nothing could be tried: `overloaded`
    /// where many commands wait already.
    fn reload(&self, provider: Option<&ProviderId>) -> Commanded;

    /// Goes back to an earlier generation, the last one if none is named. It
    /// comes to a report, also where preflight refused that generation; to a
    /// problem if it is not retained (`not-found`) or many commands wait.
    fn roll_back(&self, provider: &ProviderId, generation: Option<u64>) -> Commanded;

    /// Pauses a provider or lets it go on; resuming ends a quarantine too.
    ///
    /// # Errors
    /// There is no such provider.
    fn set_paused(&self, provider: &ProviderId, paused: bool) -> Result<(), Problem>;

    /// How it stands with the pushes to apps' own servers: a list of objects,
    /// each with `app`.
    fn pushes(&self) -> Vec<Value>;

    /// Tries again what was given up, after all that waits. It comes to what it
    /// was; to a problem if there is no such letter (`not-found`) or something is
    /// in the way, and then the letter stays.
    fn replay(&self, letter: &str) -> Commanded;

    /// Which provider this visitor would get at a desk, and why: the decision,
    /// with `pinned` where a session is open already, which stays where it is.
    ///
    /// # Errors
    /// `not-found` without such a desk; a group that it does not have.
    fn explain(&self, desk: &DeskId, request: &RouteRequest<'_>) -> Result<Value, Problem>;

    /// What was given up and kept for people, newest first, at most so many.
    ///
    /// # Errors
    /// The store does not answer.
    fn dead_letters(&self, limit: usize) -> Result<Vec<Value>, Problem>;
}

/// One provider, as operators see it.
#[derive(Clone, Debug, PartialEq)]
pub struct ProviderReport {
    /// The provider.
    pub id: ProviderId,
    /// Whether sessions can open there.
    pub works: bool,
    /// Why it stands as it does, in words; nothing is to be said of one that
    /// works.
    pub reason: Option<String>,
    /// Its state in a word (`active`, `waiting`, `failed`, `paused`,
    /// `quarantined`, `stuck`, `draining`) and the numbers that `/metrics` shows.
    pub standing: Standing,
    /// Everything else, as `GET /admin/v1/providers` shows it: an object.
    pub report: Value,
}
