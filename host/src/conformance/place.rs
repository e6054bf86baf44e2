//! Where the adapter under test runs: this process, or a locked-down child.
//!
//! Owns the difference between the two, and nothing else knows it. Invariant:
//! both load the same private copy of the same bytes.

use std::sync::Arc;

use serde_json::Value;

use super::{Isolation, job::Job};
use crate::plugin::{About, Generation, Loader, Module, OpenFault, OutputLimits};

/// A loaded file.
pub(super) enum Place {
    /// In this process.
    Here(Arc<Module>),
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
            Isolation::Process => Err("no child process is available yet".to_owned()),
        }
    }

    /// What is known of the file.
    pub(super) fn about(&self) -> Arc<About> {
        match self {
            Self::Here(module) => Arc::clone(module.about()),
        }
    }

    /// Opens an adapter.
    ///
    /// # Errors
    /// Why it did not open.
    pub(super) fn open(&self, settings: &Value) -> Result<Generation, OpenFault> {
        match self {
            Self::Here(module) => Generation::open(
                Arc::clone(module),
                PROVIDER.into(),
                settings,
                1,
                OutputLimits::default(),
            ),
        }
    }
}

/// The provider that adapters are opened for.
pub(super) const PROVIDER: &str = "conformance";
