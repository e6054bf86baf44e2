//! One provider: what serves it, what served before, and how it is doing.
//!
//! Owns the generation in service, a few earlier ones to go back to, whether
//! the provider is paused, and its health. Deliberately loads nothing; the
//! [`registry`](super::registry) brings generations. Invariants: a slot changes
//! in one atomic step, so a call sees one generation whole; a generation ends
//! after its last call.

use std::{
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Instant,
};

use arc_swap::{ArcSwap, ArcSwapOption};
use kefu_core::config::{Isolation, Provider};
use serde::Serialize;

use super::{
    BringUpError, Generation, Health, ProviderStatus,
    status::{self, CurrentStatus},
};

/// Earlier generations that a provider keeps open to go back to.
const RETAINED: usize = 4;

/// Whether a provider serves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Availability {
    /// It does.
    Active,
    /// Its plug-in file is not there yet.
    Waiting {
        /// What is waited for.
        reason: String,
    },
    /// Its plug-in could not be brought up, and nothing served before.
    Failed {
        /// Why.
        reason: String,
    },
    /// An operator paused it: no new sessions, nothing is sent; messages and
    /// callbacks are still accepted.
    Paused,
    /// Its adapter failed several sessions in a short time.
    Quarantined {
        /// Why.
        reason: String,
    },
}

impl Availability {
    /// Whether a session may open here.
    pub fn takes_sessions(&self) -> bool {
        *self == Self::Active
    }

    /// Whether turns and callbacks are possible.
    pub fn takes_turns(&self) -> bool {
        matches!(self, Self::Active | Self::Paused)
    }

    /// Whether requests may leave for the vendor.
    pub fn sends(&self) -> bool {
        *self == Self::Active
    }
}

/// One provider.
pub struct Slot {
    provider: ArcSwap<Provider>,
    current: ArcSwapOption<Generation>,
    retained: Mutex<Vec<Arc<Generation>>>,
    /// Why nothing serves; read only while nothing does.
    absence: Mutex<Availability>,
    paused: AtomicBool,
    health: Arc<Health>,
    numbers: AtomicU64,
}

impl Slot {
    pub(super) fn new(provider: Provider, file: &Path) -> Self {
        Self {
            provider: ArcSwap::from_pointee(provider),
            current: ArcSwapOption::empty(),
            retained: Mutex::default(),
            absence: Mutex::new(waiting(file)),
            paused: AtomicBool::new(false),
            health: Arc::default(),
            numbers: AtomicU64::new(0),
        }
    }

    /// The configuration by which it was last brought up, or by which that was
    /// tried while nothing served.
    pub fn provider(&self) -> Arc<Provider> {
        self.provider.load_full()
    }

    /// The generation in service.
    pub fn current(&self) -> Option<Arc<Generation>> {
        self.current.load_full()
    }

    /// Earlier generations, newest first.
    pub fn retained(&self) -> Vec<Arc<Generation>> {
        self.lock_retained().clone()
    }

    /// How its adapter has been doing.
    pub fn health(&self) -> &Arc<Health> {
        &self.health
    }

    /// Pauses or resumes. Resuming also ends a quarantine.
    pub fn set_paused(&self, paused: bool) {
        self.paused.store(paused, Ordering::Relaxed);
        if !paused {
            self.health.forgive();
        }
    }

    /// Whether it serves.
    pub fn availability(&self) -> Availability {
        if self.current.load().is_none() {
            return self.lock_absence().clone();
        }
        if self.health.quarantined_until(Instant::now()).is_some() {
            let reason = self.health.last_error().map(|error| error.text);
            return Availability::Quarantined {
                reason: reason.unwrap_or_default(),
            };
        }
        if self.paused.load(Ordering::Relaxed) {
            return Availability::Paused;
        }
        Availability::Active
    }

    /// The provider as operators see it.
    pub fn status(&self) -> ProviderStatus {
        let (provider, current, retained) = (self.provider(), self.current(), self.retained());
        let faults_by_kind = self.health.faults();
        ProviderStatus {
            id: provider.id.clone(),
            availability: self.availability(),
            plugin: provider.plugin.clone(),
            isolation: match provider.isolation {
                Isolation::InProcess => "in-process",
                Isolation::Process => "process",
            },
            in_flight: current
                .iter()
                .chain(&retained)
                .map(|generation| generation.in_flight())
                .sum(),
            current: current.as_deref().map(describe),
            retained: retained
                .iter()
                .map(|generation| generation.number())
                .collect(),
            calls: self.health.calls(),
            faults: faults_by_kind.values().sum(),
            faults_by_kind,
            last_error: self.health.last_error(),
        }
    }

    pub(super) fn next_number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(super) fn swap(&self, generation: Generation) -> Arc<Generation> {
        let generation = Arc::new(generation);
        let mut retained = self.lock_retained();
        if let Some(before) = self.current.swap(Some(Arc::clone(&generation))) {
            retained.insert(0, before);
        }
        let kept = retained.len().min(RETAINED);
        let ended = retained.split_off(kept);
        drop(retained);
        // Closing one runs code of its adapter: not under the lock.
        drop(ended);
        self.health.forgive();
        generation
    }

    /// Goes on as it was, or says why nothing serves.
    pub(super) fn refuse(&self, provider: Provider, error: &BringUpError) {
        self.health.note_error(status::now(), error.to_string());
        let reason = error.to_string();
        *self.lock_absence() = if error.is_waiting() {
            Availability::Waiting { reason }
        } else {
            Availability::Failed { reason }
        };
        if self.current.load().is_none() {
            self.provider.store(Arc::new(provider));
        }
    }

    pub(super) fn configure(&self, provider: Provider) {
        self.provider.store(Arc::new(provider));
    }

    fn lock_retained(&self) -> MutexGuard<'_, Vec<Arc<Generation>>> {
        self.retained.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_absence(&self) -> MutexGuard<'_, Availability> {
        self.absence.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn waiting(file: &Path) -> Availability {
    Availability::Waiting {
        reason: format!("plug-in {} was not looked for yet", file.display()),
    }
}

fn describe(generation: &Generation) -> CurrentStatus {
    let descriptor = generation.descriptor();
    CurrentStatus {
        adapter: descriptor.id.clone(),
        version: descriptor.version.clone(),
        sha256: generation.about().sha256().to_owned(),
        contract: generation.about().contract().to_string(),
        rustc: generation.about().rustc().to_owned(),
        generation: generation.number(),
        callback_authentication: descriptor.callback_authentication.clone(),
    }
}
