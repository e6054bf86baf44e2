//! Which generation serves a provider, and why none does.
//!
//! Owns one [`Slot`] per provider, and the way from a provider's
//! configuration to a generation: read, trust, load, open. Deliberately
//! watches nothing and decides nothing about when to replace: it is told to
//! bring up, swap or remove. Invariants: the bytes that are judged are the
//! bytes that are loaded; a failed bring-up leaves what served before in
//! service.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use arc_swap::ArcSwap;
use kefu_core::config::{Isolation, Provider, Trust};
use kefu_plugin_api::ids::ProviderId;
use thiserror::Error;

use super::{
    Availability, CallObserver, Generation, Guarded, Image, LoadError, Loader, OpenFault,
    OutputLimits, ProviderStatus, Slot, Tolerance,
};

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
                slot.configure(provider);
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
        self.slots.load().get(provider)?.current()
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
        let generation = slot.current().ok_or(Some(availability))?;
        Ok(Guarded {
            generation,
            health: Arc::clone(slot.health()),
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
        let slot = Arc::new(Slot::new(provider.clone(), &self.file(provider)));
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
