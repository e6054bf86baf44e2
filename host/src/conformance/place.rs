//! Where the adapter under test runs: this process, or a locked-down child.
//!
//! Owns the difference between the two, and nothing else knows it. Invariant:
//! both load the same private copy of the same bytes.

use std::{path::PathBuf, sync::Arc, time::Duration};

use kefu_core::config::Settings;
use kefu_plugin_api::error::OpenError;
use serde_json::Value;

use super::{
    Isolation,
    job::Job,
    subject::{self, Subject},
};
use crate::plugin::{
    About, Fault, FaultKind, Function, Generation, Image, Loader, Module, OpenFault, OutputLimits,
    Stage,
    child::{CallError, Child, ChildError, Launch, Nursery},
};

/// A loaded file.
pub(super) enum Place {
    /// In this process.
    Here(Arc<Module>),
    /// In a child for each opening.
    Children {
        nursery: Nursery,
        launch: Box<Launch>,
        about: Arc<About>,
    },
}

impl Place {
    /// Loads the job's file where the job says.
    ///
    /// # Errors
    /// Why it was not loaded.
    pub(super) fn load(job: &Job) -> Result<Self, String> {
        match job.isolation {
            Isolation::InProcess => Loader::new(&job.copies)
                .load(&job.file)
                .map(Self::Here)
                .map_err(|error| error.refusal.to_string()),
            Isolation::Process => Self::in_children(job),
        }
    }

    fn in_children(job: &Job) -> Result<Self, String> {
        let image = Image::read(&job.file).map_err(|error| error.refusal.to_string())?;
        let copy = image
            .keep(&job.copies)
            .map_err(|error| error.refusal.to_string())?;
        let nursery = Nursery::new().map_err(|error| error.to_string())?;
        let launch = launch(&image, copy);
        let about = nursery
            .describe(&launch)
            .map_err(|error| format!("at the stage `{}`: {error}", error.stage()))?;
        Ok(Self::Children {
            nursery,
            launch: Box::new(launch),
            about: Arc::new(about),
        })
    }

    /// What is known of the file.
    pub(super) fn about(&self) -> Arc<About> {
        match self {
            Self::Here(module) => Arc::clone(module.about()),
            Self::Children { about, .. } => Arc::clone(about),
        }
    }

    /// Opens an adapter.
    ///
    /// # Errors
    /// Why it did not open.
    pub(super) fn open(&self, settings: &Value) -> Result<Box<dyn Subject>, OpenFault> {
        match self {
            Self::Here(module) => {
                let generation = Generation::open(
                    Arc::clone(module),
                    PROVIDER.into(),
                    settings,
                    1,
                    OutputLimits::default(),
                )?;
                Ok(Box::new(generation))
            }
            Self::Children {
                nursery, launch, ..
            } => {
                let launch = Launch {
                    settings: Settings::new(settings.clone()),
                    ..(**launch).clone()
                };
                let child = nursery.start(&launch).map_err(fault)?;
                Ok(Box::new(child))
            }
        }
    }
}

impl Subject for Child {
    fn call(&self, function: Function, input: &[u8]) -> Result<Vec<u8>, Fault> {
        Self::call(self, function, input, PATIENCE).map_err(|error| match error {
            CallError::Fault(fault) => fault,
            CallError::Overdue { .. } | CallError::Busy { .. } => {
                Fault::new(FaultKind::Timeout, error.to_string())
            }
            CallError::Died { .. } => Fault::new(FaultKind::Crash, error.to_string()),
        })
    }

    fn worked(&self) -> Option<Duration> {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.pid())).ok()?;
        threads
            .map(|thread| subject::worked(&thread.ok()?.path()))
            .sum()
    }
}

/// What a child is started with, but for its settings.
pub(crate) fn launch(image: &Image, copy: PathBuf) -> Launch {
    Launch {
        provider: PROVIDER.into(),
        copy,
        sha256: image.sha256().to_owned(),
        size: image.bytes().len() as u64,
        settings: Settings::new(Value::Null),
        limits: OutputLimits::default(),
        memory: MEMORY,
        threads: 2,
        cpu_seconds: None,
        stage_timeout: STAGE,
    }
}

/// The words of a refusal tell it from a failure; a child tells no more.
fn fault(error: ChildError) -> OpenFault {
    const REFUSES: &str = "the adapter refuses the settings: ";
    let text = error.to_string();
    match error {
        ChildError::Refused {
            stage: Stage::Open, ..
        } if text.starts_with(REFUSES) => OpenFault::Refused(OpenError {
            setting: None,
            detail: text.trim_start_matches(REFUSES).to_owned(),
        }),
        ChildError::Refused {
            stage: Stage::SelfTest,
            ..
        } => OpenFault::SelfTest(Fault::new(FaultKind::Adapter, text)),
        ChildError::Refused { .. } => OpenFault::Broken(Fault::new(FaultKind::Adapter, text)),
        ChildError::Died { .. } => OpenFault::Broken(Fault::new(FaultKind::Crash, text)),
        ChildError::TooSlow { .. } => OpenFault::Broken(Fault::new(FaultKind::Timeout, text)),
    }
}

/// The provider that adapters are opened for.
pub(super) const PROVIDER: &str = "conformance";

/// What a child may take where no provider's file says otherwise.
const MEMORY: u64 = 256 << 20;
/// How long a stage of a child's start may take, likewise.
const STAGE: Duration = Duration::from_secs(5);
/// How long a call may take before its child is ended. Longer than a call may
/// be, so that a slow one is told from one that hangs.
const PATIENCE: Duration = Duration::from_secs(5);
