//! What one process of the kit is told to do.
//!
//! Owns the job's shape on its way from the run to the process of one test.
//! Invariant: it is whole; the process asks nobody anything else, so that the
//! same job does the same again.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Isolation;

/// One test of one file in one isolation.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Job {
    /// The bytes under test: a copy that nobody else writes to.
    pub(super) file: PathBuf,
    /// Where private copies are kept.
    pub(super) copies: PathBuf,
    /// The test.
    pub(super) case: String,
    /// Where the adapter runs.
    pub(super) isolation: Isolation,
    /// The provider's `[settings]`; absent while they are still to be made up.
    pub(super) settings: Option<Value>,
    /// The provider's `hosts`.
    pub(super) hosts: Vec<String>,
    /// What the vendor is known to send.
    pub(super) samples: Vec<Value>,
    /// States that earlier versions wrote.
    pub(super) states: Vec<GoldenState>,
    /// How many mutated inputs.
    pub(super) inputs: u64,
    /// What all randomness is drawn from.
    pub(super) seed: u64,
    /// Where what is being tried is written down.
    pub(super) black_box: PathBuf,
    /// Where the verdict goes.
    pub(super) verdict: PathBuf,
}

/// A state that an earlier version wrote.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct GoldenState {
    /// Its file.
    pub(super) name: String,
    /// Its bytes.
    pub(super) bytes: Vec<u8>,
}

impl Job {
    /// Writes it down for its process.
    pub(super) fn save(&self, path: &Path) -> io::Result<()> {
        fs::write(path, serde_json::to_vec(self)?)
    }

    /// Reads it in its process.
    pub(super) fn load(path: &Path) -> io::Result<Self> {
        Ok(serde_json::from_slice(&fs::read(path)?)?)
    }
}
