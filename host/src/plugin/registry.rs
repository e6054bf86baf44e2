//! Which generation serves a provider, and why none does.
//!
//! Owns one slot per provider: its checked configuration, the generation in
//! service, a few earlier ones to go back to, and its health. Deliberately
//! watches nothing and decides nothing about when to replace: it is told to
//! bring up, swap, pause or remove. Invariants: a slot changes in one atomic
//! step, so a call sees one generation whole; a failed bring-up leaves what
//! served before in service; a generation ends after its last call.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Instant,
};

use arc_swap::{ArcSwap, ArcSwapOption};
use kefu_core::config::{Isolation, Provider, Trust};
use kefu_plugin_api::ids::ProviderId;
use serde::Serialize;
use thiserror::Error;

use super::{
    CallObserver, Generation, Guarded, Health, Image, LoadError, Loader, OpenFault, OutputLimits,
    ProviderStatus, Tolerance,
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

/// Why a provider was not brought up.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BringUpError {
    /// Its plug-in was not loaded.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// Its plug-in is not one that this gateway trusts.
    #[error("plug-in {} is not trusted: {detail}", file.display())]
    Untrusted {
        /// The operator's file.
        file: PathBuf,
        /// What was expected and what was found.
        detail: String,
    },
    /// Its adapter did not open.
    #[error("plug-in {}: {fault}", file.display())]
    Open {
        /// The operator's file.
        file: PathBuf,
        /// Why.
        #[source]
        fault: OpenFault,
    },
    /// It asks for what this gateway does not have.
    #[error("provider `{provider}`: {detail}")]
    Unsupported {
        /// The provider.
        provider: ProviderId,
        /// What is missing, and what can be done.
        detail: String,
    },
}

impl BringUpError {
    /// Whether the file is merely not there yet.
    pub fn is_waiting(&self) -> bool {
        matches!(self, Self::Load(error) if error.is_waiting())
    }
}

/// All providers of the gateway.
pub struct Registry {
    dir: PathBuf,
    loader: Loader,
    trust: Trust,
    limits: OutputLimits,
    tolerance: Tolerance,
    observer: Option<Arc<dyn CallObserver>>,
    slots: ArcSwap<BTreeMap<ProviderId, Arc<Slot>>>,
    /// Held by whoever adds or removes slots.
    changing: Mutex<()>,
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let providers: Vec<_> = self.slots.load().keys().cloned().collect();
        f.debug_struct("Registry")
            .field("dir", &self.dir)
            .field("providers", &providers)
            .finish_non_exhaustive()
    }
}

impl Registry {
    /// No providers yet. Plug-in files are looked for in `dir`, their private
    /// copies kept in `copies`.
    pub fn new(dir: impl Into<PathBuf>, copies: impl Into<PathBuf>, trust: Trust) -> Self {
        Self {
            dir: dir.into(),
            loader: Loader::new(copies),
            trust,
            limits: OutputLimits::default(),
            tolerance: Tolerance::default(),
            observer: None,
            slots: ArcSwap::default(),
            changing: Mutex::new(()),
        }
    }

    /// With other limits of what adapters may answer.
    #[must_use]
    pub fn with_limits(mut self, limits: OutputLimits) -> Self {
        self.limits = limits;
        self
    }

    /// With another tolerance of faults.
    #[must_use]
    pub fn with_tolerance(mut self, tolerance: Tolerance) -> Self {
        self.tolerance = tolerance;
        self
    }

    /// With somebody who sees every call.
    #[must_use]
    pub fn with_observer(mut self, observer: Arc<dyn CallObserver>) -> Self {
        self.observer = Some(observer);
        self
    }

    /// Brings a provider up, or replaces what serves it, from its
    /// configuration and the file as they are now.
    ///
    /// # Errors
    /// Why not. The provider is then listed as waiting or failed, or goes on
    /// as it was, with the reason as its last error.
    pub fn bring_up(&self, provider: Provider) -> Result<Arc<Generation>, BringUpError> {
        let slot = self.declare(&provider);
        match self.prepare(&provider) {
            Ok(generation) => {
                slot.provider.store(Arc::new(provider));
                Ok(slot.swap(generation))
            }
            Err(error) => {
                slot.refuse(provider, &error);
                Err(error)
            }
        }
    }

    /// The first half of [`bring_up`](Self::bring_up): loads and opens without
    /// putting into service.
    ///
    /// # Errors
    /// Why not. Nothing has changed.
    pub fn prepare(&self, provider: &Provider) -> Result<Generation, BringUpError> {
        if provider.isolation == Isolation::Process {
            return Err(BringUpError::Unsupported {
                provider: provider.id.clone(),
                detail: "isolation = \"process\" is not available yet; use \"in-process\"".into(),
            });
        }
        let file = self.file(provider);
        let image = Image::read(&file)?;
        self.check_trust(provider, &image)?;
        let module = self.loader.load_image(&image)?;
        let number = self.declare(provider).next_number();
        Generation::open(
            module,
            provider.id.clone(),
            provider.settings.expose(),
            number,
            self.limits,
        )
        .map_err(|fault| BringUpError::Open { file, fault })
    }

    /// The second half of [`bring_up`](Self::bring_up): puts a generation into
    /// service; calls under way finish on the one before. `None` if its
    /// provider was removed meanwhile.
    pub fn swap(&self, generation: Generation) -> Option<Arc<Generation>> {
        let slot = self.slot(generation.provider())?;
        Some(slot.swap(generation))
    }

    /// Takes a provider out. Calls under way finish.
    pub fn remove(&self, provider: &ProviderId) -> Option<Arc<Slot>> {
        let _changing = self.lock();
        let mut slots = BTreeMap::clone(&self.slots.load());
        let slot = slots.remove(provider)?;
        self.slots.store(Arc::new(slots));
        Some(slot)
    }

    /// The slot of a provider.
    pub fn slot(&self, provider: &ProviderId) -> Option<Arc<Slot>> {
        self.slots.load().get(provider).cloned()
    }

    /// Every slot, ordered by provider.
    pub fn slots(&self) -> Vec<Arc<Slot>> {
        self.slots.load().values().cloned().collect()
    }

    /// The generation that serves a provider, quarantined or not.
    pub fn current(&self, provider: &ProviderId) -> Option<Arc<Generation>> {
        self.slots.load().get(provider)?.current.load_full()
    }

    /// The generation that serves a provider, ready to be called.
    ///
    /// # Errors
    /// Why nothing may be called now; `None` if there is no such provider.
    pub fn guarded(&self, provider: &ProviderId) -> Result<Guarded, Option<Availability>> {
        let slot = self.slot(provider).ok_or(None)?;
        let availability = slot.availability();
        if !availability.takes_turns() {
            return Err(Some(availability));
        }
        let generation = slot.current.load_full().ok_or(Some(availability))?;
        Ok(Guarded {
            generation,
            health: Arc::clone(&slot.health),
            tolerance: self.tolerance,
            observer: self.observer.clone(),
        })
    }

    /// Whether a provider serves; `None` if there is no such provider.
    pub fn availability(&self, provider: &ProviderId) -> Option<Availability> {
        self.slots
            .load()
            .get(provider)
            .map(|slot| slot.availability())
    }

    /// Every provider as it stands, ordered by id.
    pub fn describe_all(&self) -> Vec<ProviderStatus> {
        self.slots
            .load()
            .values()
            .map(|slot| slot.status())
            .collect()
    }

    fn declare(&self, provider: &Provider) -> Arc<Slot> {
        let _changing = self.lock();
        let slots = self.slots.load();
        if let Some(slot) = slots.get(&provider.id) {
            return Arc::clone(slot);
        }
        let slot = Arc::new(Slot::new(provider.clone(), self.file(provider)));
        let mut slots = BTreeMap::clone(&slots);
        slots.insert(provider.id.clone(), Arc::clone(&slot));
        self.slots.store(Arc::new(slots));
        slot
    }

    fn file(&self, provider: &Provider) -> PathBuf {
        self.dir.join(&provider.plugin)
    }

    /// The very bytes that will be loaded are the ones that are judged.
    fn check_trust(&self, provider: &Provider, image: &Image) -> Result<(), BringUpError> {
        let untrusted = |detail: String| BringUpError::Untrusted {
            file: image.file().to_owned(),
            detail,
        };
        match &self.trust {
            Trust::Any => Ok(()),
            Trust::Listed if provider.sha256.iter().any(|hash| hash == image.sha256()) => Ok(()),
            Trust::Listed => Err(untrusted(format!(
                "expected a SHA-256 that provider `{}` lists ({}), found {}",
                provider.id,
                match provider.sha256.as_slice() {
                    [] => "it lists none".to_owned(),
                    listed => listed.join(", "),
                },
                image.sha256()
            ))),
            Trust::Signed { .. } => Err(untrusted(
                "trust = \"signed\" is not available yet; use \"listed\"".into(),
            )),
        }
    }

    fn lock(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
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
    fn new(provider: Provider, file: PathBuf) -> Self {
        Self {
            provider: ArcSwap::from_pointee(provider),
            current: ArcSwapOption::empty(),
            retained: Mutex::default(),
            absence: Mutex::new(waiting(&file)),
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

    fn next_number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed) + 1
    }

    fn swap(&self, generation: Generation) -> Arc<Generation> {
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

    fn refuse(&self, provider: Provider, error: &BringUpError) {
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
        sha256: generation.module().sha256().to_owned(),
        contract: generation.module().contract().to_string(),
        rustc: generation.module().rustc().to_owned(),
        generation: generation.number(),
        callback_authentication: descriptor.callback_authentication.clone(),
    }
}
