//! One provider: what serves it, what served before, and how it is doing.
//!
//! Owns the generation in service, what is needed to go back to a few earlier
//! ones, whether the provider is paused or drained, and its health.
//! Deliberately loads nothing; the [`registry`](super::registry) brings
//! generations. Invariants: a slot changes in one atomic step, so a call sees
//! one generation whole; a generation ends after its last call, and only its
//! file and settings are kept to open it again.

use std::{
    collections::BTreeSet,
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Instant,
};

use arc_swap::{ArcSwap, ArcSwapOption};
use kefu_core::config::{Isolation, Provider, Rollback};
use kefu_plugin_api::time::Timestamp;
use serde::Serialize;

use super::{
    About, BringUpError, Generation, Health, ProviderStatus,
    probation::Probation,
    status::{self, CurrentStatus, RetainedStatus},
};

/// Earlier generations that a provider can go back to.
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
    /// Its plug-in could not be brought up, and nothing served before; or its
    /// process ended and the next does not come up.
    Failed {
        /// Why.
        reason: String,
    },
    /// An operator paused it: no new sessions, nothing is sent; messages and
    /// callbacks are still accepted.
    Paused,
    /// It was taken out of the configuration: no new sessions; those that are
    /// open go on until then.
    Draining {
        /// When what is left of them is ended.
        until: Timestamp,
    },
    /// Its adapter failed several sessions in a short time.
    Quarantined {
        /// Why.
        reason: String,
    },
    /// Calls of its adapter do not return, and no other can begin beside them.
    Stuck {
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
        matches!(self, Self::Active | Self::Paused | Self::Draining { .. })
    }

    /// Whether requests may leave for the vendor.
    pub fn sends(&self) -> bool {
        matches!(self, Self::Active | Self::Draining { .. })
    }
}

/// Why a generation takes the place of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Swap {
    /// It is newer; if it soon faults by this rule, it is unfit.
    Replace(Rollback),
    /// The one that serves is given up.
    GoBack,
}

/// What is kept of an earlier generation: enough to open it again.
#[derive(Clone, Debug)]
pub struct Retained {
    /// Its number.
    pub number: u64,
    /// Its file.
    pub about: Arc<About>,
    /// What it was opened by.
    pub provider: Arc<Provider>,
    /// Whether it was gone back from, so that it is no place to go back to
    /// unless somebody asks for it.
    pub given_up: bool,
}

/// One provider.
pub struct Slot {
    provider: ArcSwap<Provider>,
    current: ArcSwapOption<Generation>,
    retained: Mutex<Vec<Retained>>,
    /// Why nothing serves; read only while nothing does.
    absence: Mutex<Availability>,
    paused: AtomicBool,
    draining: Mutex<Option<Instant>>,
    /// Contents that run in this process, served or not.
    in_memory: Mutex<BTreeSet<String>>,
    health: Arc<Health>,
    probation: Probation,
    numbers: AtomicU64,
}

impl Slot {
    pub(super) fn new(provider: Arc<Provider>, file: &Path) -> Self {
        Self {
            provider: ArcSwap::new(provider),
            current: ArcSwapOption::empty(),
            retained: Mutex::default(),
            absence: Mutex::new(waiting(file)),
            paused: AtomicBool::new(false),
            draining: Mutex::default(),
            in_memory: Mutex::default(),
            health: Arc::default(),
            probation: Probation::default(),
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
    pub fn retained(&self) -> Vec<Retained> {
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
        let Some(current) = self.current() else {
            return self.lock_absence().clone();
        };
        if let Some(reason) = current.trouble() {
            return Availability::Failed { reason };
        }
        if self.health.is_blocked() {
            return Availability::Stuck {
                reason: format!("{} calls do not return", self.health.stuck()),
            };
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
        if let Some(until) = self.draining_until() {
            return Availability::Draining {
                until: status::at(until),
            };
        }
        Availability::Active
    }

    /// When its remaining sessions are ended, if it was taken out of the
    /// configuration.
    pub fn draining_until(&self) -> Option<Instant> {
        *self.draining.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The provider as operators see it.
    pub fn status(&self) -> ProviderStatus {
        let (provider, current, retained) = (self.provider(), self.current(), self.retained());
        let faults_by_kind = self.health.faults();
        ProviderStatus {
            id: provider.id.clone(),
            availability: self.availability(),
            plugin: provider.plugin.clone(),
            isolation: provider.isolation.as_str(),
            in_flight: self.health.in_flight(),
            process: current.as_deref().and_then(Generation::process),
            current: current.as_deref().map(describe),
            retained: retained.iter().map(RetainedStatus::from).collect(),
            copies_in_memory: self.copies_in_memory(),
            calls: self.health.calls(),
            stuck_calls: self.health.stuck(),
            faults: faults_by_kind.values().sum(),
            faults_by_kind,
            last_error: self.health.last_error(),
        }
    }

    /// The number of the generation that comes next.
    pub(super) fn next_number(&self) -> u64 {
        self.numbers.load(Ordering::Relaxed) + 1
    }

    /// Contents of this provider that are mapped into this process.
    pub(super) fn copies_in_memory(&self) -> usize {
        self.lock_in_memory().len()
    }

    pub(super) fn is_served_by(&self, generation: u64) -> bool {
        let current = self.current.load();
        current
            .as_ref()
            .is_some_and(|current| current.number() == generation)
    }

    pub(super) fn probation(&self) -> &Probation {
        &self.probation
    }

    /// Puts a generation into service; the one before is kept to go back to,
    /// unless it was the same. A newer one is on probation, if there is
    /// anything to go back to.
    pub(super) fn swap(
        &self,
        generation: Generation,
        provider: Arc<Provider>,
        swap: Swap,
    ) -> Arc<Generation> {
        let generation = Arc::new(generation);
        if generation.isolation() == Isolation::InProcess {
            let sha256 = generation.about().sha256().to_owned();
            self.lock_in_memory().insert(sha256);
        }
        self.numbers.store(generation.number(), Ordering::Relaxed);
        let opened_by = self.provider.swap(Arc::clone(&provider));
        let mut retained = self.lock_retained();
        let before = self.current.swap(Some(Arc::clone(&generation)));
        if let Some(before) = &before {
            let kept = Retained {
                number: before.number(),
                about: Arc::clone(before.about()),
                provider: opened_by,
                given_up: swap == Swap::GoBack,
            };
            if !is_same(&kept, &generation, &provider) {
                retained.insert(0, kept);
            }
        }
        // What serves again need not be gone back to.
        retained.retain(|kept| !is_same(kept, &generation, &provider));
        retained.truncate(RETAINED);
        let way_back = retained.iter().any(|kept| !kept.given_up);
        drop(retained);
        // Closing it runs code of its adapter: not under the lock.
        drop(before);
        match swap {
            Swap::Replace(rule) if way_back => {
                let number = generation.number();
                self.probation.begin(number, Instant::now(), rule);
            }
            Swap::Replace(_) | Swap::GoBack => self.probation.end(),
        }
        self.health.forgive();
        generation
    }

    /// The generation to go back to: the one of this number, or the newest
    /// that was not given up.
    pub(super) fn way_back(&self, number: Option<u64>) -> Option<Retained> {
        let retained = self.lock_retained();
        let found = match number {
            Some(number) => retained.iter().find(|kept| kept.number == number),
            None => retained.iter().find(|kept| !kept.given_up),
        };
        found.cloned()
    }

    /// It is in the configuration again.
    pub(super) fn end_draining(&self) {
        *self.draining.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Lets no session open any more; those that are open have until then.
    pub(super) fn drain(&self, until: Instant) {
        let mut draining = self.draining.lock().unwrap_or_else(PoisonError::into_inner);
        // Told twice, the first word counts.
        draining.get_or_insert(until);
    }

    /// Goes on as it was, or says why nothing serves.
    pub(super) fn refuse(&self, provider: Arc<Provider>, error: &BringUpError) {
        self.note(error);
        let reason = error.to_string();
        *self.lock_absence() = if error.is_waiting() {
            Availability::Waiting { reason }
        } else {
            Availability::Failed { reason }
        };
        if self.current.load().is_none() {
            self.provider.store(provider);
        }
    }

    /// Remembers what was refused.
    pub(super) fn note(&self, error: &BringUpError) {
        self.health
            .note_error(crate::clock::now(), error.to_string());
    }

    /// The contents that it serves from or could go back to.
    pub(super) fn contents(&self) -> Vec<String> {
        let current = self.current();
        let retained = self.lock_retained();
        let abouts = retained.iter().map(|kept| &kept.about);
        let current = current.iter().map(|generation| generation.about());
        abouts
            .chain(current)
            .map(|about| about.sha256().to_owned())
            .collect()
    }

    /// Goes by other budgets, hosts and times. What the adapter in service was
    /// opened by stays with it, also if the configuration says otherwise since
    /// somebody went back.
    pub(super) fn configure(&self, provider: Provider) {
        let before = self.provider();
        let provider = if self.current.load().is_some() {
            opened_like(&before, provider)
        } else {
            provider
        };
        self.provider.store(Arc::new(provider));
    }

    fn lock_in_memory(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.in_memory
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_retained(&self) -> MutexGuard<'_, Vec<Retained>> {
        self.retained.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_absence(&self) -> MutexGuard<'_, Availability> {
        self.absence.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A provider with everything of one that an adapter is opened by, and the
/// rest of another.
pub(super) fn opened_like(opened: &Provider, rest: Provider) -> Provider {
    let mut limits = rest.limits.clone();
    limits.memory = opened.limits.memory;
    Provider {
        plugin: opened.plugin.clone(),
        isolation: opened.isolation,
        settings: opened.settings.clone(),
        limits,
        ..rest
    }
}

/// Whether going back to it would change nothing.
fn is_same(kept: &Retained, generation: &Generation, provider: &Provider) -> bool {
    kept.about.sha256() == generation.about().sha256()
        && kept.provider.settings == provider.settings
        && kept.provider.isolation == provider.isolation
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
