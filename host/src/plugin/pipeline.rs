//! From a provider's configuration to a generation that could serve.
//!
//! Owns the order of the stages and what each may cost: read, trust, private
//! copy, preflight in a child process, stored states, start. Deliberately puts
//! nothing into service; the [`registry`](super::registry) does, and keeps what
//! served before when any stage refuses. Invariants: the bytes that are judged
//! are the bytes that are loaded; no code of a file runs in this process
//! before the same bytes, opened with the same settings, came through a child.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use super::{
    BringUpError, Fault, Generation, Image, Loader, OutputLimits, Stage, StageTime, StoredStates,
    child::{Child, ChildError, ChildObserver, Launch, Nursery, Supervisor},
    stage::Stopwatch,
    states::{self, Trial},
    trust,
};
use kefu_core::config::{Isolation, Provider, Trust};

/// What the stages go by. It may change while the gateway runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rules {
    /// Which files may be loaded.
    pub(super) trust: Trust,
    /// How long one stage may take.
    pub(super) stage_timeout: Duration,
    /// How long one call in a child may take.
    pub(super) call_timeout: Duration,
    /// How much an adapter may answer.
    pub(super) limits: OutputLimits,
}

/// How child processes are started and watched.
pub(super) struct Children {
    pub(super) nursery: Nursery,
    /// Calls that one of them can take at the same time.
    pub(super) threads: usize,
    pub(super) observer: Option<Arc<dyn ChildObserver>>,
}

/// What is brought up.
pub(super) struct Order {
    pub(super) provider: Arc<Provider>,
    /// The operator's file, or the private copy that is gone back to.
    pub(super) file: PathBuf,
    /// What the file must be, where that is known before.
    pub(super) sha256: Option<String>,
    /// The number that the generation will have.
    pub(super) number: u64,
    /// What serves now.
    pub(super) current: Option<Arc<Generation>>,
    /// Contents that this provider has in memory already.
    pub(super) copies_in_memory: usize,
}

/// The parts that stages need.
pub(super) struct Pipeline<'a> {
    pub(super) loader: &'a Loader,
    pub(super) rules: &'a Rules,
    /// Absent where files are trusted without a try, as in tests of the rest.
    pub(super) children: Option<&'a Children>,
    pub(super) states: Option<&'a dyn StoredStates>,
}

/// Processor time of one that is only tried.
const TRIAL_CPU_SECONDS: u64 = 60;
/// How many stored states a new generation has to read.
const STATES: usize = 1_000;

impl Pipeline<'_> {
    /// Runs the stages.
    pub(super) fn run(&self, order: &Order) -> Result<(Generation, Vec<StageTime>), BringUpError> {
        let mut watch = Stopwatch::start();
        let image = self.read(order)?;
        watch.passed(Stage::Read);
        trust::check(&self.rules.trust, &order.provider, &image).map_err(|detail| {
            BringUpError::Untrusted {
                file: order.file.clone(),
                detail,
            }
        })?;
        watch.passed(Stage::Trust);
        self.check_memory(order, &image)?;
        let copy = self.keep(&image)?;
        watch.passed(Stage::Copy);
        let generation = match self.children {
            Some(children) => self.start_after_preflight(children, order, image, copy, &mut watch),
            None => self.start_untried(order, image, &mut watch),
        }?;
        Ok((generation, watch.stop()))
    }

    /// The child that was tried is the one that serves, or makes way for the
    /// same in this process.
    fn start_after_preflight(
        &self,
        children: &Children,
        order: &Order,
        image: Image,
        copy: PathBuf,
        watch: &mut Stopwatch,
    ) -> Result<Generation, BringUpError> {
        let in_process = order.provider.isolation == Isolation::InProcess;
        let launch = self.launch(children, order, &image, copy);
        let child = children
            .nursery
            .start(&launch)
            .map_err(|error| failed(&order.file, error))?;
        watch.passed_elsewhere(child.times().iter().copied());
        let mut trial = Trial {
            nursery: &children.nursery,
            launch: &launch,
            child,
            ended: 0,
        };
        self.check_states(order, |state| trial.read(state))?;
        let Trial { child, .. } = trial;
        watch.passed(Stage::States);
        let generation = if in_process {
            drop(child);
            self.start(order, image)?
        } else {
            self.adopt(children, order, child, launch)?
        };
        watch.passed(Stage::Start);
        Ok(generation)
    }

    fn start_untried(
        &self,
        order: &Order,
        image: Image,
        watch: &mut Stopwatch,
    ) -> Result<Generation, BringUpError> {
        if order.provider.isolation == Isolation::Process {
            return Err(BringUpError::Unsupported {
                provider: order.provider.id.clone(),
                detail:
                    "isolation = \"process\" needs child processes, and none can be started here"
                        .into(),
            });
        }
        let generation = self.start(order, image)?;
        watch.passed(Stage::Start);
        self.check_states(order, |state| generation.check_state(state))?;
        watch.passed(Stage::States);
        Ok(generation)
    }

    fn launch(&self, children: &Children, order: &Order, image: &Image, copy: PathBuf) -> Launch {
        let provider = &order.provider;
        Launch {
            provider: provider.id.clone(),
            copy,
            sha256: image.sha256().to_owned(),
            size: image.bytes().len() as u64,
            settings: provider.settings.clone(),
            limits: self.rules.limits,
            memory: provider.limits.memory,
            threads: children.threads,
            // One that is only tried has no business with much of it.
            cpu_seconds: (provider.isolation == Isolation::InProcess).then_some(TRIAL_CPU_SECONDS),
            stage_timeout: self.rules.stage_timeout,
        }
    }

    fn adopt(
        &self,
        children: &Children,
        order: &Order,
        child: Child,
        launch: Launch,
    ) -> Result<Generation, BringUpError> {
        let about = Arc::clone(child.about());
        let supervisor = Supervisor::adopt(
            child,
            children.nursery.clone(),
            launch,
            self.rules.call_timeout,
            children.observer.clone(),
        )
        .map_err(|error| BringUpError::Refused {
            file: order.file.clone(),
            stage: Stage::Start,
            detail: format!("cannot start the thread that watches over its process: {error}"),
        })?;
        Ok(Generation::of(
            Box::new(supervisor),
            about,
            order.provider.id.clone(),
            order.number,
            self.rules.limits,
        ))
    }

    fn read(&self, order: &Order) -> Result<Image, BringUpError> {
        let image = Image::read(&order.file)?;
        match &order.sha256 {
            Some(expected) if expected != image.sha256() => Err(BringUpError::Refused {
                file: order.file.clone(),
                stage: Stage::Read,
                detail: format!(
                    "expected the content with SHA-256 {expected}, found {}",
                    image.sha256()
                ),
            }),
            _ => Ok(image),
        }
    }

    /// What was mapped into this process stays there, so that must have an
    /// end.
    fn check_memory(&self, order: &Order, image: &Image) -> Result<(), BringUpError> {
        let most = order.provider.max_copies as usize;
        let in_process = order.provider.isolation == Isolation::InProcess;
        if !in_process || order.copies_in_memory < most || self.loader.is_loaded(image) {
            return Ok(());
        }
        Err(BringUpError::Refused {
            file: order.file.clone(),
            stage: Stage::Start,
            detail: format!(
                "expected at most {most} versions of it in memory since the start (max_copies), found {}: what runs in this process is never unloaded; restart at a quiet time, raise max_copies, or use isolation = \"process\"",
                order.copies_in_memory
            ),
        })
    }

    /// The signature is kept with the copy, for the day it is gone back to.
    fn keep(&self, image: &Image) -> Result<PathBuf, BringUpError> {
        let copy = image.keep(self.loader.copies())?;
        let signature = trust::signature_file(image.file());
        if matches!(self.rules.trust, Trust::Signed { .. })
            && image.file() != copy
            && let Err(error) = std::fs::copy(&signature, trust::signature_file(&copy))
        {
            tracing::warn!(file = %signature.display(), %error, "the signature was not kept; this version cannot be gone back to");
        }
        Ok(copy)
    }

    /// Loads and opens where it will serve. On a thread of its own, because
    /// code in this process cannot be stopped: what does not come back in time
    /// is left alone, and nothing waits for it.
    fn start(&self, order: &Order, image: Image) -> Result<Generation, BringUpError> {
        let limit = self.rules.stage_timeout;
        let (loader, limits, number) = (self.loader.clone(), self.rules.limits, order.number);
        let (provider, file) = (Arc::clone(&order.provider), order.file.clone());
        let work = move || {
            let module = loader.load_image(&image)?;
            let settings = provider.settings.expose();
            Generation::open(module, provider.id.clone(), settings, number, limits)
                .map_err(|fault| BringUpError::Open { file, fault })
        };
        within(limit, work).unwrap_or_else(|| {
            Err(BringUpError::TooSlow {
                file: order.file.clone(),
                stage: Stage::Start,
                limit,
            })
        })
    }

    /// Lets it read the states of open sessions.
    fn check_states(
        &self,
        order: &Order,
        read: impl FnMut(&[u8]) -> Result<(), Fault>,
    ) -> Result<(), BringUpError> {
        let Some(stored) = self.states else {
            return Ok(());
        };
        let provider = &order.provider.id;
        let sample = stored
            .sample(provider, STATES)
            .map_err(|detail| BringUpError::Refused {
                file: order.file.clone(),
                stage: Stage::States,
                detail: format!("cannot read the stored states of provider `{provider}`: {detail}"),
            })?;
        let limit = self.rules.stage_timeout;
        states::check(&sample, order.current.as_ref(), limit, read)
            .map_err(|against| against.of(&order.file, limit))
    }
}

/// Why a child did not come up, as an operator reads it.
fn failed(file: &Path, error: ChildError) -> BringUpError {
    let (file, stage) = (file.to_owned(), error.stage());
    match error {
        ChildError::TooSlow { limit, .. } => BringUpError::TooSlow { file, stage, limit },
        ChildError::Refused { text, .. } => BringUpError::Refused {
            file,
            stage,
            detail: text,
        },
        ChildError::Died { death, .. } => BringUpError::Refused {
            file,
            stage,
            detail: death.to_string(),
        },
    }
}

/// What the work gives, if it ends in time.
pub(super) fn within<T: Send + 'static>(
    limit: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let (tell, told) = mpsc::sync_channel(1);
    let spawned = thread::Builder::new()
        .name("plugin-start".into())
        .spawn(move || {
            // Nobody listens any more if it comes too late; what was opened is
            // closed again by being dropped here.
            let _ = tell.send(work());
        });
    if let Err(error) = spawned {
        tracing::error!(%error, "no thread can be started to open a plug-in");
        return None;
    }
    told.recv_timeout(limit).ok()
}
