//! From a provider's configuration to a generation that could serve.
//!
//! Owns the order of the stages and what each may cost: read, trust, private
//! copy, preflight in a child process, stored states, start. Deliberately puts
//! nothing into service; the [`registry`](super::registry) does, and keeps what
//! served before when any stage refuses. Invariants: the bytes that are judged
//! are the bytes that are loaded; no code of a file runs in this process
//! before the same bytes, opened with the same settings, came through a child.

use std::{
    path::PathBuf,
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use kefu_core::config::{Isolation, Provider, Trust};
use kefu_plugin_api::ids::ProviderId;

use super::{
    BringUpError, Fault, Generation, Image, Loader, OutputLimits, Stage, StageTime,
    stage::Stopwatch, trust,
};

/// What the stages go by. It may change while the gateway runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rules {
    /// Which files may be loaded.
    pub(super) trust: Trust,
    /// How long one stage may take.
    pub(super) stage_timeout: Duration,
    /// How much an adapter may answer.
    pub(super) limits: OutputLimits,
}

/// A stored state of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredState {
    /// The version of the adapter that wrote it.
    pub version: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// Where the states of open sessions are found.
pub trait StoredStates: Send + Sync {
    /// At most so many states of a provider's open sessions: of every version
    /// that wrote one, the newest and the oldest first.
    ///
    /// # Errors
    /// Why they cannot be read.
    fn sample(&self, provider: &ProviderId, most: usize) -> Result<Vec<StoredState>, String>;
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
    pub(super) states: Option<&'a dyn StoredStates>,
}

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
        self.keep(&image)?;
        watch.passed(Stage::Copy);
        let generation = self.start(order, image)?;
        watch.passed(Stage::Start);
        self.check_states(order, |state| generation.check_state(state))?;
        watch.passed(Stage::States);
        Ok((generation, watch.stop()))
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

    /// Refuses what cannot read states that are read today. A state that
    /// nobody can read any more stands in nobody's way.
    fn check_states(
        &self,
        order: &Order,
        check: impl Fn(&[u8]) -> Result<(), Fault>,
    ) -> Result<(), BringUpError> {
        let Some(states) = self.states else {
            return Ok(());
        };
        let provider = &order.provider.id;
        let states = states
            .sample(provider, STATES)
            .map_err(|detail| BringUpError::Refused {
                file: order.file.clone(),
                stage: Stage::States,
                detail: format!("cannot read the stored states of provider `{provider}`: {detail}"),
            })?;
        let failed: Vec<_> = states
            .iter()
            .filter_map(|state| Some((state, check(&state.bytes).err()?)))
            .collect();
        let Some((example, fault)) = failed.first() else {
            return Ok(());
        };
        let lost = match &order.current {
            Some(current) => failed
                .iter()
                .filter(|(state, _)| current.check_state(&state.bytes).is_ok())
                .count(),
            None => 0,
        };
        if lost == 0 {
            tracing::warn!(%provider, unreadable = failed.len(), sampled = states.len(), %fault, "states of open sessions cannot be read; their next turn will fail");
            return Ok(());
        }
        Err(BringUpError::Refused {
            file: order.file.clone(),
            stage: Stage::States,
            detail: format!(
                "expected it to read the states of open sessions, found {lost} of {} that it cannot and that generation in service can, such as one written by version `{}`: {fault}",
                states.len(),
                example.version
            ),
        })
    }
}

/// What the work gives, if it ends in time.
fn within<T: Send + 'static>(limit: Duration, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
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
