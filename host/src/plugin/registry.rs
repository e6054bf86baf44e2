//! Which generation serves a provider, and why none does.
//!
//! Owns one [`Slot`] per provider and everything that changes one: bringing
//! up, replacing, going back, draining, removing. Deliberately watches nothing
//! and decides nothing about when; it is told. Invariants: a stage that
//! refuses leaves what served before in service; nobody but the registry puts
//! a generation into a slot.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use kefu_core::config::{Plugins, Provider, Rollback};
use kefu_plugin_api::ids::ProviderId;

use super::{
    Alarm, Availability, BringUpError, CallObserver, Generation, Guarded, Loader, OutputLimits,
    ProviderStatus, Slot, StageTime, StoredStates, Tolerance,
    child::{ChildObserver, Nursery},
    guard::Watch,
    pipeline::{Children, Order, Pipeline, Rules},
    slot::{Swap, opened_like},
};

/// A generation that was put into service.
#[derive(Clone, Debug)]
pub struct BroughtUp {
    /// The generation.
    pub generation: Arc<Generation>,
    /// What each stage took.
    pub stages: Vec<StageTime>,
}

/// All providers of the gateway.
pub struct Registry {
    policy: ArcSwap<Policy>,
    loader: Loader,
    children: Option<Children>,
    states: Option<Arc<dyn StoredStates>>,
    watch: Arc<Watch>,
    slots: ArcSwap<BTreeMap<ProviderId, Arc<Slot>>>,
    /// Held by whoever adds or removes slots.
    changing: Mutex<()>,
}

/// What the configuration says, and may say differently later.
struct Policy {
    dir: PathBuf,
    rules: Rules,
    rollback: Rollback,
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let providers: Vec<_> = self.slots.load().keys().cloned().collect();
        f.debug_struct("Registry")
            .field("dir", &self.policy.load().dir)
            .field("providers", &providers)
            .finish_non_exhaustive()
    }
}

impl Registry {
    /// No providers yet. A call in a child process may take so long.
    pub fn new(plugins: &Plugins, call_timeout: Duration) -> Self {
        let policy = Policy::of(plugins, call_timeout, OutputLimits::default());
        Self {
            policy: ArcSwap::from_pointee(policy),
            loader: Loader::new(&plugins.copies),
            children: None,
            states: None,
            watch: Arc::default(),
            slots: ArcSwap::default(),
            changing: Mutex::new(()),
        }
    }

    /// With other limits of what adapters may answer.
    #[must_use]
    pub fn with_limits(self, limits: OutputLimits) -> Self {
        let policy = self.policy.load();
        self.policy.store(Arc::new(Policy {
            dir: policy.dir.clone(),
            rules: Rules {
                limits,
                ..policy.rules.clone()
            },
            rollback: policy.rollback,
        }));
        self
    }

    /// With another tolerance of faults.
    #[must_use]
    pub fn with_tolerance(mut self, tolerance: Tolerance) -> Self {
        self.watch_mut().tolerance = tolerance;
        self
    }

    /// With somebody who sees every call.
    #[must_use]
    pub fn with_observer(mut self, observer: Arc<dyn CallObserver>) -> Self {
        self.watch_mut().observer = Some(observer);
        self
    }

    /// With child processes, in which files are tried and adapters isolated;
    /// each takes so many calls at the same time.
    #[must_use]
    pub fn with_children(mut self, nursery: Nursery, threads: usize) -> Self {
        self.children = Some(Children {
            nursery,
            threads,
            observer: None,
        });
        self
    }

    /// With somebody who sees how children fare.
    #[must_use]
    pub fn with_child_observer(mut self, observer: Arc<dyn ChildObserver>) -> Self {
        if let Some(children) = &mut self.children {
            children.observer = Some(observer);
        }
        self
    }

    /// With the states that a new generation has to read.
    #[must_use]
    pub fn with_states(mut self, states: Arc<dyn StoredStates>) -> Self {
        self.states = Some(states);
        self
    }

    /// Names who is told of a generation that is unfit. The first one stays.
    pub fn on_unfit(&self, alarm: Alarm) {
        if self.watch.alarm.set(alarm).is_err() {
            tracing::debug!("an alarm is set already");
        }
    }

    /// Goes by changed settings from now on; a call in a child may take so
    /// long. What serves is not judged anew.
    pub fn configure(&self, plugins: &Plugins, call_timeout: Duration) {
        let limits = self.policy.load().rules.limits;
        let policy = Policy::of(plugins, call_timeout, limits);
        self.policy.store(Arc::new(policy));
        for generation in self.slots().iter().filter_map(|slot| slot.current()) {
            generation.set_budget(call_timeout);
        }
    }

    /// Brings a provider up, or replaces what serves it, from its
    /// configuration and the file as they are now.
    ///
    /// # Errors
    /// Why not. The provider is then listed as waiting or failed, or goes on
    /// as it was, with the reason as its last error.
    pub fn bring_up(&self, provider: Provider) -> Result<BroughtUp, BringUpError> {
        let provider = Arc::new(provider);
        let policy = self.policy.load();
        let file = policy.dir.join(&provider.plugin);
        let slot = self.declare(&provider);
        let done = self.run(&slot, &provider, file, None, Swap::Replace(policy.rollback));
        if let Err(error) = &done {
            slot.refuse(provider, error);
        }
        done
    }

    /// Goes back to an earlier generation: the one of this number, or the
    /// newest that was not given up. Its file and its settings come through
    /// the same stages as a new one's; hosts, budgets and the list of trusted
    /// files stay as they are configured today. With `unfit`, only if it is
    /// that generation that serves.
    ///
    /// # Errors
    /// Why not; what serves goes on.
    pub fn roll_back(
        &self,
        provider: &ProviderId,
        number: Option<u64>,
        unfit: Option<u64>,
    ) -> Result<BroughtUp, BringUpError> {
        let not_retained = |retained: Vec<u64>| BringUpError::NotRetained {
            provider: provider.clone(),
            wanted: number,
            retained,
        };
        let slot = self
            .slot(provider)
            .ok_or_else(|| not_retained(Vec::new()))?;
        if let Some(unfit) = unfit
            && !slot.is_served_by(unfit)
        {
            return Err(BringUpError::Replaced {
                provider: provider.clone(),
                generation: unfit,
            });
        }
        let kept = slot.way_back(number).ok_or_else(|| {
            not_retained(slot.retained().iter().map(|kept| kept.number).collect())
        })?;
        let today = Provider::clone(&slot.provider());
        let provider = Arc::new(opened_like(&kept.provider, today));
        let sha256 = kept.about.sha256();
        let file = self.loader.copy_of(sha256);
        let done = self.run(&slot, &provider, file, Some(sha256), Swap::GoBack);
        if let Err(error) = &done {
            slot.note(error);
            if let Some(unfit) = unfit {
                // It is no better for that: a later fault asks again.
                let rule = self.policy.load().rollback;
                slot.probation().begin(unfit, Instant::now(), rule);
            }
        }
        done
    }

    /// Goes by other budgets, hosts and times from now on, with the same
    /// adapter.
    pub fn reconfigure(&self, provider: Provider) {
        if let Some(slot) = self.slot(&provider.id) {
            slot.configure(provider);
        }
    }

    /// Lets no session open at a provider any more; those that are open have
    /// until then. One that serves nothing is removed at once.
    pub fn retire(&self, provider: &ProviderId, until: Instant) {
        let Some(slot) = self.slot(provider) else {
            return;
        };
        if slot.current().is_none() {
            self.remove(provider);
        } else {
            slot.drain(until);
        }
    }

    /// The providers that are taken out of service, and how long what is left
    /// of them may go on.
    pub fn draining(&self) -> Vec<(ProviderId, Instant)> {
        let slots = self.slots.load();
        slots
            .iter()
            .filter_map(|(id, slot)| Some((id.clone(), slot.draining_until()?)))
            .collect()
    }

    /// Takes a provider out that is drained. Whether it was; one that came back
    /// into the configuration meanwhile stays.
    pub fn remove_drained(&self, provider: &ProviderId) -> bool {
        let _changing = self.lock();
        let mut slots = BTreeMap::clone(&self.slots.load());
        let drained = slots
            .get(provider)
            .is_some_and(|slot| slot.draining_until().is_some());
        if drained {
            slots.remove(provider);
            self.slots.store(Arc::new(slots));
        }
        drained
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
            slot,
            watch: Arc::clone(&self.watch),
        })
    }

    /// The guard of a generation that was called, whether it serves any more or
    /// not; `None` if its provider is gone.
    pub fn guard_of(&self, generation: &Arc<Generation>) -> Option<Guarded> {
        Some(Guarded {
            generation: Arc::clone(generation),
            slot: self.slot(generation.provider())?,
            watch: Arc::clone(&self.watch),
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

    /// Removes the private copies that nobody serves from or could go back to.
    /// Not to be called while a provider is brought up.
    pub fn sweep_copies(&self) {
        let needed: BTreeSet<String> = self
            .slots()
            .iter()
            .flat_map(|slot| slot.contents())
            .collect();
        super::copies::sweep(self.loader.copies(), &needed);
    }

    fn run(
        &self,
        slot: &Arc<Slot>,
        provider: &Arc<Provider>,
        file: PathBuf,
        sha256: Option<&str>,
        swap: Swap,
    ) -> Result<BroughtUp, BringUpError> {
        let policy = self.policy.load();
        let pipeline = Pipeline {
            loader: &self.loader,
            rules: &policy.rules,
            children: self.children.as_ref(),
            states: self.states.as_deref(),
        };
        let (generation, stages) = pipeline.run(&Order {
            provider: Arc::clone(provider),
            file,
            sha256: sha256.map(str::to_owned),
            number: slot.next_number(),
            current: slot.current(),
            copies_in_memory: slot.copies_in_memory(),
        })?;
        Ok(BroughtUp {
            generation: slot.swap(generation, Arc::clone(provider), swap),
            stages,
        })
    }

    fn declare(&self, provider: &Arc<Provider>) -> Arc<Slot> {
        let _changing = self.lock();
        let slots = self.slots.load();
        if let Some(slot) = slots.get(&provider.id) {
            slot.end_draining();
            return Arc::clone(slot);
        }
        let file = self.policy.load().dir.join(&provider.plugin);
        let slot = Arc::new(Slot::new(Arc::clone(provider), &file));
        let mut slots = BTreeMap::clone(&slots);
        slots.insert(provider.id.clone(), Arc::clone(&slot));
        self.slots.store(Arc::new(slots));
        slot
    }

    fn watch_mut(&mut self) -> &mut Watch {
        Arc::get_mut(&mut self.watch).expect("nothing is guarded before the registry is built")
    }

    fn lock(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Policy {
    fn of(plugins: &Plugins, call_timeout: Duration, limits: OutputLimits) -> Self {
        Self {
            dir: plugins.dir.clone(),
            rules: Rules {
                trust: plugins.trust.clone(),
                stage_timeout: plugins.stage_timeout,
                call_timeout,
                limits,
            },
            rollback: plugins.rollback,
        }
    }
}

#[cfg(test)]
pub(crate) mod fake;
